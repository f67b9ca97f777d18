//! Why a verb failed.

use std::io;

use farrier_sim::error::SimError;

/// A verb failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    /// A program that shows its own troubles failed.
    #[error("`{command}` failed with {status}")]
    Command {
        /// The whole command line.
        command: String,
        /// How it ended.
        status: String,
    },
    /// Some stages failed; their output is above.
    #[error("failed: {}", .0.join(", "))]
    Stages(Vec<String>),
    /// A file of the workspace cannot be used.
    #[error("{what}")]
    Io {
        /// What was attempted.
        what: String,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// Cargo did not say where the workspace is.
    #[error("`cargo metadata` does not name `{0}`")]
    Metadata(&'static str),
    /// A node of the demonstration is not in the power state that was asked for.
    #[error("`{node}` did not reach `{action}`; the conductor's log says why")]
    Demo {
        /// Name of the node.
        node: String,
        /// The power target.
        action: String,
    },
    /// A measurement did not say what it should.
    #[error("{of} printed no figures that can be read")]
    Figures {
        /// What was measured.
        of: &'static str,
    },
    /// A peer did not start.
    #[error(transparent)]
    Sim(#[from] SimError),
}

impl TaskError {
    /// Makes an [`Io`](TaskError::Io) of what was attempted; for `map_err`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

//! Why a peer is not there.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A peer could not be started, or did not do what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A program is not installed.
    #[error("`{program}` is not installed; {remedy}")]
    Missing {
        /// Name of the program.
        program: String,
        /// What to do about it, as a clause.
        remedy: String,
    },
    /// A state did not come in time.
    #[error("{what} did not happen within {} ms", within.as_millis())]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
    },
    /// A program ended while it was waited for.
    #[error("`{name}` ended with {status} before {what}; its last lines:\n{tail}")]
    Ended {
        /// Name given to the process.
        name: String,
        /// How it ended.
        status: String,
        /// What was waited for.
        what: String,
        /// End of its log.
        tail: String,
    },
    /// A program that runs to its end failed.
    #[error("`{program}` failed with {status}: {output}")]
    Failed {
        /// Name of the program.
        program: String,
        /// How it ended.
        status: String,
        /// What it printed.
        output: String,
    },
    /// Something other than HTTP came back.
    #[error("`{url}` answered something that is not HTTP: {why}")]
    NotHttp {
        /// Where the request went.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// No port is free.
    #[error("no port is free between {first} and {last}")]
    NoPort {
        /// First port tried.
        first: u16,
        /// Last port tried.
        last: u16,
    },
    /// The operating system refused.
    #[error("{what}")]
    Io {
        /// What was attempted.
        what: String,
        /// Its answer.
        #[source]
        source: io::Error,
    },
    /// Data that this repository does not contain is not on this machine.
    #[error("`{}` is not a directory; set `FARRIER_LABS` to where the labs are", path.display())]
    NoLabs {
        /// Where they were looked for.
        path: PathBuf,
    },
}

impl SimError {
    /// Makes an [`Io`](SimError::Io) of what was attempted; for `map_err`.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

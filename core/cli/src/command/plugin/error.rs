//! What can go wrong with a plugin.

use std::path::PathBuf;

use farrier_host::CassetteError;
use farrier_loader::LoadError;
use farrier_sdk::error::DriverError;

use crate::error::Exit;

/// Why a cassette may be empty.
pub(super) const SOCKETS_OF_ITS_OWN: &str = "only what a plugin asks through the conductor (`task.http`) is recorded, not what goes over sockets of its own";

/// A command on a plugin did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PluginError {
    /// There is nothing to look at.
    #[error("cannot read `{}`", file.display())]
    Unreadable { file: PathBuf, source: LoadError },
    /// A conductor would refuse it.
    #[error("`{}` would be refused", file.display())]
    Refused { file: PathBuf, source: LoadError },
    /// It has no implementation that was asked for.
    #[error("plugin `{plugin}` has no {kind} implementation{}; it has {offered}", name.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default())]
    NoImplementation { plugin: String, kind: String, name: Option<String>, offered: String },
    /// A method answered with an error.
    #[error("`{method}` failed: {}", kind(error))]
    Failed {
        method: String,
        /// What to do about it, if that depends on the call.
        hint: Option<String>,
        #[source]
        error: DriverError,
    },
    /// A cassette cannot be used.
    #[error("the cassette cannot be used")]
    Cassette { source: CassetteError },
    /// There is nothing on a cassette that could answer.
    #[error("cassette `{}` has no request on it", file.display())]
    EmptyCassette { file: PathBuf },
    /// A value cannot be read from where it was said to be.
    #[error("cannot read {what}")]
    Value { what: String, source: std::io::Error },
    /// A value is not there.
    #[error("{0}")]
    Missing(String),
    /// A name cannot be one.
    #[error("a plugin cannot be called `{name}`: {why}")]
    Name { name: String, why: &'static str },
    /// Something is in the way.
    #[error("`{}` exists already", directory.display())]
    Exists { directory: PathBuf },
    /// A file cannot be written.
    #[error("cannot write `{}`", file.display())]
    Write { file: PathBuf, source: std::io::Error },
}

/// The word for the kind of an error, as the manual has it.
fn kind(error: &DriverError) -> String {
    serde_json::to_value(error.kind())
        .ok()
        .and_then(|kind| kind.as_str().map(str::to_owned))
        .unwrap_or_else(|| "internal".to_owned())
}

impl PluginError {
    /// The code with which the program ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Unreadable { .. } | Self::NoImplementation { .. } => Exit::NotFound,
            Self::Name { .. } | Self::Missing(_) | Self::Value { .. } => Exit::Usage,
            Self::Exists { .. } => Exit::Conflict,
            Self::Refused { .. }
            | Self::Failed { .. }
            | Self::Cassette { .. }
            | Self::EmptyCassette { .. }
            | Self::Write { .. } => Exit::Failed,
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { source, .. } | Self::Refused { source, .. } => {
                Some(source.remedy().to_owned())
            }
            Self::Failed { hint: Some(hint), .. } => Some(hint.clone()),
            Self::EmptyCassette { .. } => Some(SOCKETS_OF_ITS_OWN.to_owned()),
            Self::NoImplementation { .. } => Some("`farrier plugin inspect` tells what it has".to_owned()),
            Self::Failed { error, .. } if error.is_retryable() => Some("another try may help".to_owned()),
            Self::Exists { .. } => Some("`--directory` names another place".to_owned()),
            Self::Name { .. } => Some("1 to 64 of a-z, 0-9 and `-`, the first one a letter".to_owned()),
            Self::Failed { .. }
            | Self::Cassette { .. }
            | Self::Value { .. }
            | Self::Missing(_)
            | Self::Write { .. } => None,
        }
    }
}

//! How many files a process may have open: each simulated BMC is a socket, and so is each session with one.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::SimError;

/// Raises the limit of this process as far as it may go.
///
/// # Errors
///
/// [`Io`](SimError::Io) when the system refuses.
pub fn raise_limit() -> Result<(), SimError> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    set(maximum)
}

/// Lowers the limit of this process, and of those it starts, to so many; they may raise it again.
///
/// # Errors
///
/// As [`raise_limit`].
pub fn lower_limit(files: u64) -> Result<(), SimError> {
    set(Some(files))
}

fn set(current: Option<u64>) -> Result<(), SimError> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current, maximum })
        .map_err(io::Error::from)
        .map_err(SimError::io("set the limit of open files"))
}

//! How many files the daemon may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, warn};

/// Raises the limit as far as this process may.
///
/// Each BMC in a session is a socket, and what processes begin with is often 1,024, for the sake of programs that use
/// `select`; this one does not.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => debug!(from = ?current, to = ?maximum, "more files may be open"),
        Err(error) => warn!(%error, ?current, ?maximum, "the limit of open files could not be raised"),
    }
}

//! Where an installed program is.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::SimError;

/// Directories that hold administrators' programs and are missing from the `PATH` of ordinary users.
const SYSTEM: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Finds `name` on the `PATH`.
///
/// `remedy` says what to do when it is missing: `"install the package `openipmi`"`.
///
/// # Errors
///
/// [`Missing`](SimError::Missing).
pub fn find(name: &str, remedy: &str) -> Result<PathBuf, SimError> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM.iter().map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|file| is_executable(file))
        .ok_or_else(|| SimError::Missing { program: name.to_owned(), remedy: remedy.to_owned() })
}

/// Whether `file` is a regular file that somebody may execute.
#[must_use]
pub fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_is_found() {
        assert!(find("sh", "").unwrap().ends_with("sh"));
    }

    #[test]
    fn a_missing_program_comes_with_its_remedy() {
        let error = find("no-such-program", "install the package `nothing`").unwrap_err();

        assert_eq!(error.to_string(), "`no-such-program` is not installed; install the package `nothing`");
    }
}

//! The Python clients and simulators.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::SimError;
use crate::program::is_executable;

/// Where `cargo xtask` installs Python programs: `FARRIER_VENV`, or `target/lab-venv` of this workspace.
#[must_use]
pub fn directory() -> PathBuf {
    env::var_os("FARRIER_VENV").map_or_else(|| workspace().join("target/lab-venv"), PathBuf::from)
}

/// Where `cargo xtask` installs what virtual machines need, beside the above: with the system's Python, which alone
/// has the module of libvirt.
#[must_use]
pub fn machine_directory() -> PathBuf {
    let mut name = directory().file_name().unwrap_or_default().to_owned();
    name.push("-machine");
    directory().with_file_name(name)
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate is two folders below the root")
}

/// Finds a Python program there, for example `baremetal`.
///
/// # Errors
///
/// [`Missing`](SimError::Missing).
pub fn find(name: &str) -> Result<PathBuf, SimError> {
    find_in(&directory(), name)
}

/// Finds a Python program in one of the two directories.
///
/// # Errors
///
/// [`Missing`](SimError::Missing).
pub fn find_in(directory: &Path, name: &str) -> Result<PathBuf, SimError> {
    let file = directory.join("bin").join(name);
    if is_executable(&file) {
        return Ok(file);
    }
    let remedy = "`cargo xtask test` installs it, or set `FARRIER_VENV`".to_owned();
    Err(SimError::Missing { program: file.display().to_string(), remedy })
}

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

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate is two folders below the root")
}

/// Finds a Python program there, for example `baremetal`.
///
/// # Errors
///
/// [`Missing`](SimError::Missing).
pub fn find(name: &str) -> Result<PathBuf, SimError> {
    let file = directory().join("bin").join(name);
    if is_executable(&file) {
        return Ok(file);
    }
    let remedy = "`cargo xtask test` installs it, or set `FARRIER_VENV`".to_owned();
    Err(SimError::Missing { program: file.display().to_string(), remedy })
}

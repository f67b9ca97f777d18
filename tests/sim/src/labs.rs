//! Data that cannot be part of this repository: vendors' mockups, recordings of the reference API.
//!
//! A test that needs it lives in a module named `labs`, or in a test file `recordings.rs`: by these names
//! `cargo xtask test` lists it as skipped when the data is not on the machine.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::SimError;

/// Where the labs are: `FARRIER_LABS`, or `../shared/labs` beside this workspace.
///
/// # Errors
///
/// [`NoLabs`](SimError::NoLabs) when there is no such directory.
pub fn directory() -> Result<PathBuf, SimError> {
    let path = env::var_os("FARRIER_LABS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/labs"), PathBuf::from);
    if path.is_dir() { Ok(path) } else { Err(SimError::NoLabs { path }) }
}

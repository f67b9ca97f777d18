//! Where things are.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use farrier_sim::process;
use serde_json::Value;

use crate::error::TaskError;

/// How the environment variables begin that `cargo run` sets for the program it runs.
const PACKAGE_VARIABLES: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_PRIMARY_"];

/// The directories of this workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The directory of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target directory.
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn find() -> Result<Self, TaskError> {
        let mut ask = Command::new(cargo());
        ask.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]);
        ask.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let metadata: Value = serde_json::from_str(&process::run(ask)?).unwrap_or_default();
        let path = |key: &'static str| {
            metadata.get(key).and_then(Value::as_str).map(PathBuf::from).ok_or(TaskError::Metadata(key))
        };
        Ok(Self { root: path("workspace_root")?, target: path("target_directory")? })
    }

    /// A command of cargo, run in the root.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(cargo());
        command.current_dir(&self.root).args(arguments);
        // What `cargo run` tells us about this package; build scripts that look at it would run again.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if PACKAGE_VARIABLES.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Where `plugins` puts the shared libraries.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.target.join("plugins")
    }

    /// Where data that is not part of this repository is, when the machine has it.
    pub(crate) fn labs(&self) -> Option<PathBuf> {
        let path =
            env::var_os("FARRIER_LABS").map_or_else(|| self.root.join("../shared/labs"), PathBuf::from);
        path.canonicalize().ok().filter(|path| path.is_dir())
    }
}

/// The cargo that runs us, so that its toolchain is kept.
fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

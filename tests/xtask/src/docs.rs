//! The manual and the API documentation.

use std::process::Command;

use farrier_sim::program;

use crate::command::run as run_command;
use crate::error::TaskError;
use crate::stage::Stages;
use crate::workspace::Workspace;

/// Builds both.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let mut stages = Stages::default();
    api(workspace, &mut stages);
    manual(workspace, &mut stages);
    stages.finish()
}

/// rustdoc; a broken link is an error.
pub(crate) fn api(workspace: &Workspace, stages: &mut Stages) {
    stages.run("API documentation", || {
        let mut command = workspace.cargo(["doc", "--workspace", "--no-deps", "--document-private-items"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        run_command(command)
    });
}

/// mdBook, where it is installed.
pub(crate) fn manual(workspace: &Workspace, stages: &mut Stages) {
    match program::find("mdbook", "") {
        Ok(mdbook) => {
            stages.run("manual", || {
                let mut command = Command::new(mdbook);
                command.arg("build").arg(workspace.root.join("docs"));
                command.arg("--dest-dir").arg(workspace.target.join("manual"));
                run_command(command)
            });
        }
        Err(_) => stages.skip("manual", "mdbook is not installed"),
    }
}

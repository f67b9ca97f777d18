//! The quick part of `test`: nothing is started.

use crate::command::{run as run_command, succeeds};
use crate::error::TaskError;
use crate::install;
use crate::stage::Stages;
use crate::workspace::Workspace;

/// Checks format, lints, the crate graph and, where cargo-deny is installed, the dependencies.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    install::for_building()?;
    let mut stages = Stages::default();
    format_and_lints(workspace, &mut stages);
    stages.run("architecture", || {
        run_command(workspace.cargo(["test", "--package", "farrier-e2e", "--test", "it", "architecture"]))
    });
    dependencies(workspace, &mut stages);
    stages.finish()
}

/// rustfmt and clippy over everything; a warning is an error.
pub(crate) fn format_and_lints(workspace: &Workspace, stages: &mut Stages) {
    stages.run("format", || run_command(workspace.cargo(["fmt", "--all", "--check"])));
    stages.run("lints", || {
        run_command(workspace.cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    });
}

/// Licenses, sources, duplicates and advisories, by `deny.toml`.
pub(crate) fn dependencies(workspace: &Workspace, stages: &mut Stages) {
    if !succeeds(workspace.cargo(["deny", "--version"])) {
        stages.skip("dependencies", "cargo-deny is not installed");
        return;
    }
    stages.run("dependencies", || {
        run_command(workspace.cargo(["deny", "check", "bans", "licenses", "sources"]))
    });
    if succeeds(workspace.cargo(["deny", "fetch", "db"])) {
        stages.run("advisories", || run_command(workspace.cargo(["deny", "check", "advisories"])));
    } else {
        stages.skip("advisories", "the advisory database cannot be fetched");
    }
}

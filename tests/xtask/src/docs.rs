//! The manual and the API documentation.

use std::fs;
use std::process::Command;

use farrier_e2e::rows::{self, Rows};
use farrier_sim::program;

use crate::command::run as run_command;
use crate::error::TaskError;
use crate::stage::Stages;
use crate::workspace::Workspace;

/// Options of `docs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only write the pages that are generated, and build nothing
    #[arg(long)]
    pages: bool,
}

/// Writes the generated pages and builds both.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), TaskError> {
    let mut stages = Stages::default();
    stages.run("rows of the reference", || rows(workspace));
    if options.pages {
        return stages.finish();
    }
    api(workspace, &mut stages);
    manual(workspace, &mut stages);
    stages.finish()
}

/// Writes the page of the rows of the reference and names those without a test.
fn rows(workspace: &Workspace) -> Result<(), TaskError> {
    let rows = Rows::find(&workspace.root).map_err(TaskError::io("read the tests"))?;
    let missing: Vec<String> = rows.missing().iter().map(ToString::to_string).collect();
    if !missing.is_empty() {
        println!("without a test: {}", missing.join(" "));
    }
    let page = workspace.root.join(rows::PAGE);
    fs::write(&page, rows.to_string()).map_err(TaskError::io(format!("write `{}`", page.display())))
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

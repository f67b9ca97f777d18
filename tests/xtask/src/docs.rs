//! The manual and the API documentation.

use std::fs;
use std::path::Path;
use std::process::Command;

use farrier_e2e::options;
use farrier_e2e::rows::{self, Rows};
use farrier_sim::program;

use crate::command::run as run_command;
use crate::error::TaskError;
use crate::install;
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
    stages.run("options", || all_options(workspace));
    if options.pages {
        return stages.finish();
    }
    api(workspace, &mut stages);
    stages.run("install", || install::for_manual(workspace));
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

/// Writes the page of all options.
fn all_options(workspace: &Workspace) -> Result<(), TaskError> {
    let found = options::Options::find(&workspace.root).map_err(TaskError::io("read the options"))?;
    let page = workspace.root.join(options::PAGE);
    fs::write(&page, found.to_string()).map_err(TaskError::io(format!("write `{}`", page.display())))
}

/// rustdoc; a broken link is an error.
pub(crate) fn api(workspace: &Workspace, stages: &mut Stages) {
    stages.run("API documentation", || {
        let mut command = workspace.cargo(["doc", "--workspace", "--no-deps", "--document-private-items"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        run_command(command)
    });
}

/// mdBook; a warning is an error, because it is a link that leads nowhere or a page that is lost.
pub(crate) fn manual(workspace: &Workspace, stages: &mut Stages) {
    match program::find("mdbook", "") {
        Ok(mdbook) => {
            stages.run("manual", || book(workspace, &mdbook));
        }
        Err(_) => stages.skip("manual", "mdbook is not installed"),
    }
}

fn book(workspace: &Workspace, mdbook: &Path) -> Result<(), TaskError> {
    let mut command = Command::new(mdbook);
    command.arg("build").arg(workspace.root.join("docs"));
    command.arg("--dest-dir").arg(workspace.target.join("manual"));
    let output = command.output().map_err(TaskError::io("start mdbook"))?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{}", said.trim_end());
    if output.status.success() && !said.contains("WARN") {
        return Ok(());
    }
    Err(TaskError::Command {
        command: "mdbook build".to_owned(),
        status: format!("{}, or a warning", output.status),
    })
}

//! All tests, with all they need: what CI runs.

use std::env;
use std::path::Path;
use std::process::Command;

use farrier_sim::postgres::Postgres;
use farrier_sim::{process, venv};

use crate::command::run as run_command;
use crate::error::TaskError;
use crate::stage::Stages;
use crate::workspace::Workspace;
use crate::{check, docs, install, plugins};

/// Tests that need data which is not part of this repository: those in a module `labs`, and the files that
/// replay recordings.
const LAB_TESTS: &str = "(test(/(^|::)labs::/) | binary(=recordings))";

/// The variable that names a PostgreSQL to the tests.
const POSTGRES: &str = "FARRIER_TEST_POSTGRES";

/// Options of `test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Install nothing; tests that need what is missing fail
    #[arg(long)]
    no_install: bool,
    /// Fail when tests had to be skipped
    #[arg(long, env = "CI", value_parser = clap::builder::FalseyValueParser::new())]
    ci: bool,
    /// Run only tests whose names contain one of these, without lints and documentation
    filter: Vec<String>,
}

/// Runs everything, or the tests that match the filter.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), TaskError> {
    let mut stages = Stages::default();
    let installed = stages.run("install", || prepare(workspace, options.no_install));
    if !installed {
        return stages.finish();
    }
    let everything = options.filter.is_empty();
    if everything {
        check::format_and_lints(workspace, &mut stages);
        check::dependencies(workspace, &mut stages);
    }
    if stages.run("build", || build(workspace)) {
        tests(workspace, options, &mut stages);
        if everything {
            stages.run("examples", || run_command(workspace.cargo(["test", "--workspace", "--doc"])));
        }
    } else {
        stages.skip("tests", "the build failed");
    }
    if everything {
        docs::api(workspace, &mut stages);
        docs::manual(workspace, &mut stages);
    }
    stages.finish()
}

fn prepare(workspace: &Workspace, no_install: bool) -> Result<(), TaskError> {
    if !no_install {
        return install::for_tests(workspace);
    }
    let missing = install::missing_for_tests(workspace);
    if !missing.is_empty() {
        println!("not installed, so tests that need it fail: {}", missing.join(", "));
    }
    Ok(())
}

/// Builds programs, plugins and tests at once, so that no dependency is compiled with two sets of features.
///
/// Without the crate of macros: asked for by name cargo builds it with debug information, the test runner
/// then without, and all that depends on it twice.
fn build(workspace: &Workspace) -> Result<(), TaskError> {
    let mut command = workspace.cargo(["build", "--workspace", "--exclude", "farrier-sdk-macros"]);
    command.args(["--lib", "--bins", "--tests", "--examples"]);
    run_command(command)?;
    plugins::collect(workspace, "dev")
}

fn tests(workspace: &Workspace, options: &Options, stages: &mut Stages) {
    let labs = workspace.labs();
    let lab_tests = if labs.is_some() { Vec::new() } else { list_lab_tests(workspace) };
    let postgres = own_postgres();

    stages.run("tests", || {
        let mut command = workspace.cargo(["nextest", "run", "--workspace", "--no-tests", "fail"]);
        if options.ci {
            command.args(["--profile", "ci"]);
        }
        if labs.is_none() {
            command.args(["--filterset", &format!("not {LAB_TESTS}")]);
        }
        command.args(&options.filter);
        environment(&mut command, workspace, labs.as_deref(), postgres.as_ref());
        run_command(command)
    });

    if !lab_tests.is_empty() {
        println!("\nskipped, because `FARRIER_LABS` names no directory on this machine:");
        for test in &lab_tests {
            println!("  {test}");
        }
        stages.skip("tests with labs", format!("{} tests need `FARRIER_LABS`", lab_tests.len()));
        if options.ci {
            stages.fail("no test skipped");
        }
    }
}

/// A PostgreSQL for all tests together, unless the developer has named one.
fn own_postgres() -> Option<Postgres> {
    if env::var_os(POSTGRES).is_some() {
        return None;
    }
    Postgres::start().inspect_err(|error| println!("no PostgreSQL for the tests: {error}")).ok()
}

/// What tests find their peers by.
fn environment(
    command: &mut Command,
    workspace: &Workspace,
    labs: Option<&Path>,
    postgres: Option<&Postgres>,
) {
    command.env("FARRIER_PLUGINS", workspace.plugins()).env("FARRIER_VENV", venv::directory());
    if let Some(labs) = labs {
        command.env("FARRIER_LABS", labs);
    }
    if let Some(postgres) = postgres {
        command.env(POSTGRES, postgres.url());
    }
}

fn list_lab_tests(workspace: &Workspace) -> Vec<String> {
    let command = workspace.cargo([
        "nextest",
        "list",
        "--workspace",
        "--message-format",
        "oneline",
        "--filterset",
        LAB_TESTS,
    ]);
    match process::run(command) {
        Ok(list) => list.lines().map(str::to_owned).collect(),
        Err(error) => vec![format!("(the list is not known: {error})")],
    }
}

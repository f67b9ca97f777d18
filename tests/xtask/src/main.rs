//! What a developer types: `cargo xtask test`, `cargo xtask demo` and the smaller verbs.
//!
//! | module | verb |
//! |---|---|
//! | [`mod@test`] | `test`: all that CI runs |
//! | [`demo`] | `demo`: the product in a minute |
//! | [`check`] | `check`: the quick part of it, without peers |
//! | [`plugins`] | `plugins`: our drivers as shared libraries in one directory |
//! | [`crash`] | `crash`: conductors that are killed at any moment, again and again |
//! | [`lab`] | `lab`: one peer, in the foreground |
//! | [`mod@bench`] | `bench`: our figures beside those of others |
//! | [`docs`] | `docs`: the manual and the API documentation |
//!
//! Each installs what it needs ([`install`]), says so, and stops what it started.

#![expect(clippy::print_stdout, reason = "a tool that talks to the developer")]

mod bench;
mod check;
mod command;
mod crash;
mod demo;
mod docs;
mod error;
mod install;
mod lab;
mod plugins;
mod stage;
mod test;
mod workspace;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::TaskError;
use crate::workspace::Workspace;

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Build, test and show Farrier",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Install what is missing and run all tests: what CI runs
    Test(test::Options),
    /// Show a conductor, three plugins and simulated BMCs at work
    Demo(demo::Options),
    /// Check format, lints, the crate graph and the dependencies, in a minute and without peers
    Check,
    /// Build our drivers and collect the shared libraries in `target/plugins`
    Plugins(plugins::Options),
    /// Kill conductors at any moment, again and again, and look what they leave
    Crash(crash::Options),
    /// Start one peer of the tests and show how to reach it
    Lab(lab::Options),
    /// Measure the conductor beside the reference, or a driver beside other clients, on this machine
    Bench(bench::Options),
    /// Write the generated pages of the manual, build the manual and the API documentation
    Docs(docs::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nxtask: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                println!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<(), TaskError> {
    let workspace = Workspace::find()?;
    match verb {
        Verb::Test(options) => test::run(&workspace, &options),
        Verb::Demo(options) => demo::run(&workspace, &options),
        Verb::Check => check::run(&workspace),
        Verb::Plugins(options) => plugins::run(&workspace, &options),
        Verb::Crash(options) => crash::run(&workspace, &options),
        Verb::Lab(options) => lab::run(&workspace, &options),
        Verb::Bench(options) => bench::run_benchmark(&workspace, &options),
        Verb::Docs(options) => docs::run(&workspace, &options),
    }
}

//! `farrier plugin`: what a vendor, or an operator who got a file from one, does with a driver plugin.
//!
//! These commands work on files and ask no server.

mod check;
mod descriptor;
mod docs;
mod error;
mod inspect;
mod new;
mod node;
mod page;
mod run;
mod template;

use std::path::PathBuf;

use clap::Subcommand;

use crate::error::CliError;
use crate::output::Output;

pub(crate) use error::PluginError;

/// The first argument of a child that tries a library; not for people.
pub(crate) const PROBE_ARGUMENT: &str = "plugin-probe";

/// What can be done with a plugin.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Write a new plugin crate, which builds and passes its tests
    New(new::Arguments),
    /// Tell what a library says about itself, without running any of its code
    Inspect {
        /// The library
        file: PathBuf,
    },
    /// Take the steps of loading with a library, in a child process where its code runs, and tell what each says
    Check(check::Arguments),
    /// Call one method of a plugin on a node that exists for that call only
    Run(run::Arguments),
    /// Print what operators have to know of a plugin, as Markdown
    Docs {
        /// The library
        file: PathBuf,
    },
}

/// Does what the command says.
pub(super) async fn run(command: PluginCommand, output: &Output) -> Result<(), CliError> {
    match command {
        PluginCommand::New(arguments) => new::run(&arguments, output),
        PluginCommand::Inspect { file } => inspect::run(&file, output),
        PluginCommand::Check(arguments) => check::run(&arguments, output),
        PluginCommand::Run(arguments) => run::run(&arguments, output).await,
        PluginCommand::Docs { file } => docs::run(&file, output),
    }
}

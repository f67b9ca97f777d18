//! The daemon: REST API, conductor and plugins in one process.

mod config;
mod http;
mod image_server;
mod logging;
mod open_files;
mod plugins;
mod rpc;
mod signals;
mod view;
mod wiring;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::plugins::Listing;

/// Owns bare-metal nodes through their BMCs and answers Ironic's REST API.
#[derive(Debug, Parser)]
#[command(name = "farrierd", version)]
struct Arguments {
    /// A configuration file; given again, later files win.
    #[arg(long, value_name = "FILE", global = true)]
    config: Vec<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do instead of running.
#[derive(Debug, Subcommand)]
enum Command {
    /// Tell which plugins would be loaded, which not, and why.
    Plugins {
        /// As JSON.
        #[arg(long, conflicts_with = "explain")]
        json: bool,
        /// With everything that is known of each refusal.
        #[arg(long)]
        explain: bool,
    },
}

fn main() -> ExitCode {
    // Before anything else: the child must be as bare as can be.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == plugins::PROBE_ARGUMENT) {
        return farrier_loader::probe::child_main();
    }
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a daemon that cannot start")]
fn report(error: &anyhow::Error) {
    eprintln!("farrierd: {error:#}");
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = Config::read(&arguments.config)?;
    match arguments.command {
        Some(Command::Plugins { json, explain }) => {
            let listing = match (json, explain) {
                (true, _) => Listing::Json,
                (false, true) => Listing::Explained,
                (false, false) => Listing::Table,
            };
            list(&config, listing)
        }
        None => {
            logging::start(&config.log).context("the log filter is not valid")?;
            open_files::raise_limit();
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(wiring::run(config))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Lists plugins; fails when the daemon would not start with them.
fn list(config: &Config, listing: Listing) -> anyhow::Result<ExitCode> {
    let plans = plugins::plan(config);
    match plugins::list(&mut io::stdout().lock(), &plans, listing) {
        // Whoever reads has seen enough: `farrierd plugins | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    if let Some(refusal) = plans.missing().first() {
        anyhow::bail!("{refusal}");
    }
    match plans.problem {
        Some(problem) => Err(problem.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

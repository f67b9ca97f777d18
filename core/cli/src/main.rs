//! `farrier`: the command line of operators.
//!
//! It speaks the REST API like any other client and knows nothing that the API does not tell. `farrier plugin` alone
//! asks no server: it works on files, through the loader that conductors have.

mod client;
mod command;
mod error;
mod output;

use std::process::ExitCode;

use clap::Parser;

use crate::command::Cli;
use crate::error::{CliError, Failures};
use crate::output::{Format, Output};

fn main() -> ExitCode {
    // Before anything else: the child that tries a library must be as bare as can be.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == command::plugin::PROBE_ARGUMENT) {
        return farrier_loader::probe::child_main();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    let output = Output::new(cli.output);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => return failed(&output, &Failures::from(CliError::Output { source })),
    };
    match runtime.block_on(command::run(cli, &output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failures) => failed(&output, &failures),
    }
}

/// Tells what went wrong; the first error gives the code.
fn failed(output: &Output, failures: &Failures) -> ExitCode {
    output.failures(failures);
    failures.0.first().map_or(ExitCode::FAILURE, |error| ExitCode::from(error.exit() as u8))
}

/// Tells what is wrong with the command line; help and version are no errors.
fn refused(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && command::wants_json(std::env::args_os()) {
        let message = error.render().to_string();
        let message = message.trim_start_matches("error: ").trim_end().to_owned();
        return failed(&Output::new(Format::Json), &Failures::from(CliError::Usage { message }));
    }
    error.exit()
}

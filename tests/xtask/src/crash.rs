//! Killing conductors for as long as one likes.

use crate::command::run as run_command;
use crate::error::TaskError;
use crate::workspace::Workspace;
use crate::{install, plugins};

/// Options of `crash`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often each of the tests kills a conductor
    #[arg(long, default_value_t = 500)]
    kills: u32,
    /// Repeats the run that printed this number
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs the tests that kill conductors, without a limit of time, one after the other.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), TaskError> {
    install::for_building()?;
    install::for_postgres()?;
    let mut build = workspace.cargo(["build", "--package", "farrier-server"]);
    for driver in plugins::DRIVERS {
        build.args(["--package", &format!("farrier-{driver}")]);
    }
    run_command(build)?;
    plugins::collect(workspace, "dev")?;
    let mut test = workspace.cargo(["test", "--package", "farrier-e2e", "--test", "it", "crash::"]);
    test.args(["--", "--nocapture", "--test-threads", "1"]);
    test.env("FARRIER_PLUGINS", workspace.plugins()).env("FARRIER_CRASH_KILLS", options.kills.to_string());
    if let Some(seed) = options.seed {
        test.env("FARRIER_CRASH_SEED", seed.to_string());
    }
    run_command(test)
}

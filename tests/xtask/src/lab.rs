//! One peer of the tests, in the foreground.

use std::io;

use clap::Subcommand;
use farrier_sim::postgres::Postgres;

use crate::error::TaskError;
use crate::install;
use crate::workspace::Workspace;

/// Options of `lab`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    peer: Peer,
}

/// The peers.
#[derive(Debug, Subcommand)]
enum Peer {
    /// An empty PostgreSQL
    Postgres,
}

/// Starts the peer, shows how to reach it, and stops it when the developer has seen enough.
pub(crate) fn run(_workspace: &Workspace, options: &Options) -> Result<(), TaskError> {
    match options.peer {
        Peer::Postgres => {
            install::for_postgres()?;
            let postgres = Postgres::start()?;
            println!("FARRIER_TEST_POSTGRES={}", postgres.url());
            wait_for_enter()
        }
    }
}

/// Waits for a line; without anybody who could type one, until this process is killed, and the peer with it.
fn wait_for_enter() -> Result<(), TaskError> {
    println!("press Enter to stop it");
    let read = io::stdin().read_line(&mut String::new()).map_err(TaskError::io("read from the terminal"))?;
    if read != 0 {
        return Ok(());
    }
    loop {
        std::thread::park();
    }
}

//! One peer of the tests, in the foreground.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use farrier_sim::ipmi_sim::{self, IpmiSim};
use farrier_sim::postgres::Postgres;
use farrier_sim::sushy::{self, Sushy};

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
    /// A BMC that speaks IPMI (`ipmi_sim`)
    Ipmi,
    /// A BMC that speaks Redfish (`sushy-emulator`)
    Redfish {
        /// Seconds until a power change shows
        #[arg(long, default_value_t = 0)]
        power_delay: u64,
    },
    /// An empty PostgreSQL
    Postgres,
}

/// Starts the peer, shows how to reach it, and stops it when the developer has seen enough.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), TaskError> {
    match options.peer {
        Peer::Ipmi => {
            install::for_ipmi()?;
            let directory = directory(workspace, "ipmi")?;
            let sim = IpmiSim::start(&directory)?;
            let (address, port) = (sim.address().ip(), sim.address().port());
            let (user, password) = (ipmi_sim::USER, ipmi_sim::PASSWORD);
            println!("ipmitool -I lanplus -C 3 -H {address} -p {port} -U {user} -P {password} power status");
            println!("its state and the log of its actions: {}", directory.display());
            wait_for_enter()
        }
        Peer::Redfish { power_delay } => {
            install::for_redfish()?;
            let directory = directory(workspace, "redfish")?;
            let sushy = Sushy::start(&directory, Duration::from_secs(power_delay))?;
            let (user, password) = (sushy::USER, sushy::PASSWORD);
            println!("curl --user {user}:{password} http://{}{}", sushy.address(), sushy::SYSTEM);
            println!("its log: {}", directory.join("log").display());
            wait_for_enter()
        }
        Peer::Postgres => {
            install::for_postgres()?;
            let postgres = Postgres::start()?;
            println!("FARRIER_TEST_POSTGRES={}", postgres.url());
            wait_for_enter()
        }
    }
}

/// An empty directory for one peer; two of a kind do not disturb each other.
fn directory(workspace: &Workspace, peer: &str) -> Result<PathBuf, TaskError> {
    let directory = workspace.target.join("lab").join(format!("{peer}-{}", std::process::id()));
    fs::create_dir_all(&directory).map_err(TaskError::io(format!("make `{}`", directory.display())))?;
    Ok(directory)
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

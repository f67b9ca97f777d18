//! Simulated BMCs in a process of their own: this program once more, with another role.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use farrier_sim::ipmi::{self, Place, Settings};
use farrier_sim::network::{Fault, Plan};
use farrier_sim::port::free_port;
use farrier_sim::process::Process;
use tempfile::TempDir;

/// Tells the other process what it is.
const ROLE: &str = "FARRIER_BENCH_FLEET";

/// First address; each BMC has one of its own.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);

/// How long the other process may take to start.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// What the BMCs are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Answer at once.
    Quick,
    /// Take ten milliseconds for each message.
    Slow,
    /// Are behind a network that loses a tenth of the datagrams in each direction.
    Losing,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Quick, Self::Slow, Self::Losing];

    fn settings(self, index: usize) -> Settings {
        let mut settings =
            Settings { log_max: 0, idle_timeout: Duration::from_secs(3600), ..Settings::default() };
        match self {
            // `ipmi-rs` wants a pong.
            Self::Quick => settings.trouble.login.pong = true,
            Self::Slow => settings.trouble.delay = Duration::from_millis(10),
            Self::Losing => {
                let seed = u64::try_from(index).unwrap_or_default() + 1;
                settings.network = Plan::Random { seed, rates: vec![(100, Fault::Drop)] };
            }
        }
        settings
    }
}

/// Running BMCs; dropping them ends them.
pub(crate) struct Fleet {
    port: u16,
    echo_port: u16,
    // Ended before the directory of its log goes.
    _process: Process,
    _directory: TempDir,
}

/// What the other process is to do.
pub(crate) struct Role {
    kind: Kind,
    count: usize,
    port: u16,
    echo_port: u16,
}

/// What this process is to simulate, if it is to.
pub(crate) fn role() -> Option<Role> {
    let text = std::env::var(ROLE).ok()?;
    let numbers: Vec<usize> = text.split(' ').map(|number| number.parse().unwrap()).collect();
    let [kind, count, port, echo_port] = numbers.try_into().unwrap();
    let number = |port| u16::try_from(port).unwrap();
    Some(Role { kind: Kind::ALL[kind], count, port: number(port), echo_port: number(echo_port) })
}

/// Simulates BMCs until it is ended.
pub(crate) fn simulate(role: &Role) -> ! {
    let place = Place::Addresses(SocketAddr::new(IpAddr::V4(FIRST), role.port));
    let fleet = ipmi::Fleet::start(role.count, place, |index| role.kind.settings(index)).unwrap();
    let echo = UdpSocket::bind((FIRST, role.echo_port)).unwrap();
    println!("ready, {} BMCs", fleet.bmcs.len());
    let mut buffer = [0; 2048];
    loop {
        let (size, from) = echo.recv_from(&mut buffer).unwrap();
        echo.send_to(&buffer[..size], from).unwrap();
    }
}

impl Fleet {
    pub(crate) fn start(kind: Kind, count: usize) -> Self {
        let (directory, port, echo_port) =
            (tempfile::tempdir().unwrap(), free_port().unwrap(), free_port().unwrap());
        let index = Kind::ALL.iter().position(|known| *known == kind).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(ROLE, format!("{index} {count} {port} {echo_port}"));
        let log = directory.path().join("log");
        let mut process = Process::start("fleet", command, &log).unwrap();
        process
            .wait_until("its BMCs", START_PATIENCE, || {
                std::fs::read_to_string(&log).ok().filter(|text| text.contains("ready"))
            })
            .unwrap();
        Self { port, echo_port, _process: process, _directory: directory }
    }

    /// Where what is sent comes back.
    pub(crate) fn echo(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(FIRST), self.echo_port)
    }

    /// Where the first BMCs are.
    pub(crate) fn first(&self, count: usize) -> Vec<SocketAddr> {
        (0..count).map(|index| self.address(index)).collect()
    }

    /// Where a BMC is.
    pub(crate) fn address(&self, index: usize) -> SocketAddr {
        let number = FIRST.to_bits() + u32::try_from(index).unwrap();
        SocketAddr::new(IpAddr::V4(Ipv4Addr::from_bits(number)), self.port)
    }
}

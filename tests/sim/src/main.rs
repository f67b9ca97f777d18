//! `farrier-sim`: simulated BMCs for people without hardware.

#![expect(clippy::print_stdout, reason = "a tool that talks to whoever started it")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use farrier_sim::error::SimError;
use farrier_sim::ipmi::{self, Fleet, Place, Settings, User, level};
use farrier_sim::network::{Fault, Plan};
use farrier_sim::switch::{SWITCHES, Switch};

/// How late a datagram is that is late.
const LATE: Duration = Duration::from_millis(1500);

/// Most BMCs whose addresses are listed one by one.
const LISTED_MAX: usize = 32;

#[derive(Debug, Parser)]
#[command(
    name = "farrier-sim",
    about = "Simulated BMCs for people without hardware",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// BMCs that speak IPMI, until this program is ended
    Ipmi(Box<Ipmi>),
    /// List the kinds of trouble a BMC can have
    Troubles,
}

/// Options of `ipmi`.
#[derive(Debug, Args)]
struct Ipmi {
    /// How many, each with a machine of its own
    #[arg(long, default_value_t = 1)]
    count: usize,
    /// Address of the first
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// UDP port of the first; the others follow
    #[arg(long, default_value_t = 6230)]
    port: u16,
    /// Give each an address of its own, all with one port: 127.1.0.1, 127.1.0.2, ...
    #[arg(long)]
    each_address: bool,
    /// Name of the administrator; `oper` (password `operpw`) and `viewer` (`viewpw`) exist besides
    #[arg(long, default_value = ipmi::USER)]
    user: String,
    /// The administrator's password
    #[arg(long, default_value = ipmi::PASSWORD)]
    password: String,
    /// Key of the BMC (K_g)
    #[arg(long)]
    bmc_key: Option<String>,
    /// Cipher suites that are accepted
    #[arg(long, value_delimiter = ',', default_value = "3,17")]
    suites: Vec<u8>,
    /// Sessions each can have
    #[arg(long, default_value_t = 16)]
    slots: usize,
    /// Turn all machines on at first
    #[arg(long)]
    on: bool,
    /// Percentage of BMCs that answer nothing
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    dead: u8,
    /// Milliseconds each answer takes
    #[arg(long, default_value_t = 0)]
    delay: u64,
    /// Milliseconds a power change takes
    #[arg(long, default_value_t = 0)]
    power_delay: u64,
    /// Trouble each BMC has, by name; `farrier-sim troubles` lists them
    #[arg(long, value_parser = trouble)]
    trouble: Vec<Switch>,
    #[command(flatten)]
    network: Network,
}

/// What the network does to datagrams, in percent for each direction.
#[derive(Debug, Args)]
struct Network {
    /// Percentage of datagrams that are lost
    #[arg(long, default_value_t = 0.0)]
    lost: f64,
    /// Percentage of datagrams that arrive twice
    #[arg(long, default_value_t = 0.0)]
    doubled: f64,
    /// Percentage of datagrams that arrive after the next one
    #[arg(long, default_value_t = 0.0)]
    overtaken: f64,
    /// Percentage of datagrams that arrive 1.5 seconds late
    #[arg(long, default_value_t = 0.0)]
    late: f64,
    /// Percentage of datagrams in which a byte is changed
    #[arg(long, default_value_t = 0.0)]
    corrupt: f64,
    /// Percentage of datagrams that are cut off
    #[arg(long, default_value_t = 0.0)]
    truncated: f64,
    /// The same number gives the same faults to the same traffic
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    match Cli::parse().verb {
        Verb::Ipmi(options) => match start(&options) {
            Ok(fleet) => {
                show(&options, &fleet);
                loop {
                    std::thread::park();
                }
            }
            Err(error) => {
                println!("farrier-sim: {error}");
                ExitCode::FAILURE
            }
        },
        Verb::Troubles => {
            let width = SWITCHES.iter().map(|switch| switch.name.len()).max().unwrap_or_default();
            for switch in SWITCHES {
                println!("{:width$}  {}", switch.name, switch.about);
            }
            ExitCode::SUCCESS
        }
    }
}

fn trouble(name: &str) -> Result<Switch, String> {
    Switch::named(name).ok_or_else(|| "no such trouble; `farrier-sim troubles` lists them".to_owned())
}

fn start(options: &Ipmi) -> Result<Fleet, SimError> {
    let first = SocketAddr::new(options.address, options.port);
    let place = if options.each_address { Place::Addresses(first) } else { Place::Ports(first) };
    let fleet = Fleet::start(options.count, place, |index| settings(options, index))?;
    if options.on {
        fleet.bmcs.iter().for_each(|bmc| bmc.set_power(true));
    }
    Ok(fleet)
}

fn settings(options: &Ipmi, index: usize) -> Settings {
    let mut settings = Settings {
        users: vec![
            User::new(&options.user, &options.password, level::ADMINISTRATOR),
            User::new("oper", "operpw", level::OPERATOR),
            User::new("viewer", "viewpw", level::USER),
        ],
        bmc_key: options.bmc_key.as_ref().map(|key| key.as_bytes().to_vec()),
        suites: options.suites.clone(),
        slots: options.slots,
        network: options.network.plan(index),
        // Nobody can ask this program what its BMCs were told.
        log_max: 0,
        ..Settings::default()
    };
    settings.trouble.delay = Duration::from_millis(options.delay);
    settings.trouble.chassis.delay = Duration::from_millis(options.power_delay);
    for switch in &options.trouble {
        switch.set(&mut settings);
    }
    // Spread evenly: with 10 percent every tenth.
    let dead = usize::from(options.dead);
    settings.trouble.deaf = (index + 1) * dead / 100 != index * dead / 100;
    settings
}

impl Network {
    fn plan(&self, index: usize) -> Plan {
        let rows = [
            (self.lost, Fault::Drop),
            (self.doubled, Fault::Duplicate),
            (self.overtaken, Fault::Overtaken),
            (self.late, Fault::Late(LATE)),
            (self.corrupt, Fault::Corrupt),
            (self.truncated, Fault::Truncate),
        ];
        let rates: Vec<_> = rows
            .into_iter()
            .map(|(percent, fault)| (thousandths(percent), fault))
            .filter(|(rate, _)| *rate != 0)
            .collect();
        if rates.is_empty() {
            return Plan::Perfect;
        }
        Plan::Random { seed: self.seed.wrapping_add(u64::try_from(index).unwrap_or_default()), rates }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 and 1000")]
fn thousandths(percent: f64) -> u32 {
    (percent.clamp(0.0, 100.0) * 10.0).round() as u32
}

fn show(options: &Ipmi, fleet: &Fleet) {
    for bmc in fleet.bmcs.iter().take(LISTED_MAX) {
        println!("{}", bmc.address());
    }
    if let Some(last) = fleet.bmcs.last().filter(|_| LISTED_MAX < fleet.bmcs.len()) {
        println!("... {} more, the last at {}", fleet.bmcs.len() - LISTED_MAX, last.address());
    }
    let port = if options.each_address { options.port.to_string() } else { "PORT".to_owned() };
    println!(
        "ipmitool -I lanplus -C {} -H ADDRESS -p {port} -U {} -P ... power status",
        options.suites.iter().max().copied().unwrap_or_default(),
        options.user,
    );
    println!("ready, {} BMCs", fleet.bmcs.len());
}

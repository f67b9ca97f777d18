//! What others need for the same: processes that are started for each status, and libraries that keep a session.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use farrier_ipmi::chassis::GetChassisStatus;
use farrier_sdk::serde_json::{self, Value};
use farrier_sim::{ipmi, process, program, venv};
use ipmi_rs::Ipmi;
use ipmi_rs::rmcp::Rmcp;
use tempfile::TempDir;

use crate::usage::{Latencies, Usage};

/// Long enough for a BMC on this machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where `ipmitool` looks for numbers of vendors before it reads the long list of the distribution.
const VENDOR_LIST: &str = ".local/usr/share/misc/enterprise-numbers.txt";

/// Statuses that pyghmi asks for in a session it keeps, of each BMC.
const PYGHMI_KEPT: usize = 100;

/// What Python runs: logs in to each BMC and asks it, then asks each again and again. Prints milliseconds.
const PYGHMI: &str = r#"
import json, resource, signal, sys, time
# It has been seen to wait for ever.
signal.alarm(60)
from pyghmi.ipmi import command

def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime

def timed(calls):
    times, before = [], used()
    for call in calls:
        begin = time.monotonic()
        call()
        times.append((time.monotonic() - begin) * 1000)
    return {'times': times, 'cpu': (used() - before) * 1000 / len(times)}

user, password, rounds, port, *hosts = sys.argv[1:]
sessions = []

def log_in(host):
    session = command.Command(bmc=host, userid=user, password=password, port=int(port))
    assert session.get_power()['powerstate'] == 'off'
    sessions.append(session)

fresh = timed([lambda host=host: log_in(host) for host in hosts])
kept = timed([session.get_power for session in sessions for _ in range(int(rounds))])
print(json.dumps([fresh, kept]))
"#;

/// What one status costs a client.
pub(crate) struct Cost {
    pub(crate) latencies: Latencies,
    pub(crate) cpu: Duration,
}

/// A program that is started for each status.
pub(crate) enum Tool {
    /// `ipmitool` as it is installed.
    Ipmitool,
    /// The same without the list of vendors that it reads at each start.
    IpmitoolWithoutList(TempDir),
    /// `ipmipower` of FreeIPMI.
    FreeIpmi,
}

impl Tool {
    pub(crate) fn without_list() -> Self {
        let home = tempfile::tempdir().unwrap();
        let list = home.path().join(VENDOR_LIST);
        std::fs::create_dir_all(list.parent().unwrap()).unwrap();
        std::fs::write(list, "343\n  Intel Corporation\n").unwrap();
        Self::IpmitoolWithoutList(home)
    }

    /// Asks one BMC.
    pub(crate) fn status(&self, address: SocketAddr) -> Duration {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let mut command = match self {
            Self::Ipmitool | Self::IpmitoolWithoutList(_) => {
                let mut command = find("ipmitool");
                command.args(["-I", "lanplus", "-C", "17", "-L", "ADMINISTRATOR", "-H", &host, "-p", &port]);
                command.args(["-U", ipmi::USER, "-P", ipmi::PASSWORD, "power", "status"]);
                command
            }
            Self::FreeIpmi => {
                let mut command = find("ipmipower");
                command.args(["-D", "LAN_2_0", "-I", "17", "-u", ipmi::USER, "-p", ipmi::PASSWORD]);
                command.args(["-h", &format!("{host}:{port}"), "--stat"]);
                command
            }
        };
        if let Self::IpmitoolWithoutList(home) = self {
            command.env("HOME", home.path());
        }
        let begin = Instant::now();
        let printed = process::run(command).unwrap();
        assert!(printed.contains("off"), "{printed}");
        begin.elapsed()
    }

    /// Asks BMCs one after the other.
    pub(crate) fn cost(&self, addresses: impl Iterator<Item = SocketAddr>) -> Cost {
        let (mut latencies, usage) = (Latencies::default(), Usage::of_children());
        for address in addresses {
            latencies.add(self.status(address));
        }
        Cost { cpu: usage.elapsed() / latencies.count(), latencies }
    }
}

fn find(name: &str) -> Command {
    Command::new(program::find(name, "`cargo xtask test` installs it").unwrap())
}

/// pyghmi with new sessions and with kept ones; `None` when it does not come to an end.
pub(crate) fn pyghmi(addresses: &[SocketAddr]) -> Option<[Cost; 2]> {
    let mut command = Command::new(venv::find("python").unwrap());
    command.args(["-c", PYGHMI, ipmi::USER, ipmi::PASSWORD, &PYGHMI_KEPT.to_string()]);
    command.arg(addresses[0].port().to_string());
    command.args(addresses.iter().map(|address| address.ip().to_string()));
    let printed = process::run(command).ok()?;
    let costs: [Value; 2] = serde_json::from_str(printed.lines().next_back().unwrap()).unwrap();
    let costs = costs.map(|cost| {
        let time = |value: &Value| Duration::from_secs_f64(value.as_f64().unwrap() / 1e3);
        let mut latencies = Latencies::default();
        cost["times"].as_array().unwrap().iter().for_each(|value| latencies.add(time(value)));
        Cost { latencies, cpu: time(&cost["cpu"]) }
    });
    Some(costs)
}

/// The client of `ipmi-rs`, whose commands the driver uses: new sessions and kept ones. It knows suite 3 alone.
pub(crate) fn ipmi_rs(addresses: &[SocketAddr], rounds: usize) -> [Cost; 2] {
    let mut sessions = Vec::new();
    let fresh = timed(addresses, |address| {
        let mut connection = Rmcp::new(*address, PATIENCE).unwrap();
        connection.activate(true, Some(ipmi::USER), Some(ipmi::PASSWORD.as_bytes())).unwrap();
        let mut session = Ipmi::new(connection);
        assert!(!session.send_recv(GetChassisStatus).unwrap().power_on);
        sessions.push(session);
    });
    let order: Vec<usize> = (0..sessions.len() * rounds).map(|call| call % sessions.len()).collect();
    let kept = timed(&order, |index| {
        assert!(!sessions[*index].send_recv(GetChassisStatus).unwrap().power_on);
    });
    [fresh, kept]
}

/// One datagram each way and nothing else: what no client goes below.
pub(crate) fn floor(echo: SocketAddr, rounds: usize) -> Cost {
    // As long as a power status and its answer are.
    const SIZE: usize = 64;
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    socket.connect(echo).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; SIZE];
    timed(&vec![(); rounds], |()| {
        socket.send(&[1; SIZE]).unwrap();
        assert_eq!(socket.recv(&mut buffer).unwrap(), SIZE);
    })
}

fn timed<T>(calls: &[T], mut call: impl FnMut(&T)) -> Cost {
    let (mut latencies, usage) = (Latencies::default(), Usage::own());
    for argument in calls {
        let begin = Instant::now();
        call(argument);
        latencies.add(begin.elapsed());
    }
    Cost { cpu: usage.elapsed() / latencies.count(), latencies }
}

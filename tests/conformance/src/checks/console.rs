//! `CNS`: consoles, on a machine.

use std::fs;
use std::io::{ErrorKind as IoErrorKind, Read};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::console::ConsoleInfo;
use serde_json::{Value, json};

use super::stand::{self, Stand};
use crate::bench::Bench;
use crate::check::{Check, Finding, Judgement, Level, Needs, failed, not_applicable};
use crate::residue::{new_threads, settled, threads};

/// How long a connection may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How long a connection is watched that is not to end.
const WATCH: Duration = Duration::from_millis(500);

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "CNS-001", level: Level::Must, needs: Needs::MachineChanged, run: tells_its_address,
        requirement: "A console that was started tells its type and a URL with host and port, or that it has none.",
        source: "ConsoleInterface::get_console" },
    Check { id: "CNS-002", level: Level::Must, needs: Needs::MachineChanged, run: listens_where_it_may,
        requirement: "A console listens on loopback, or on an address that its options or the node name.",
        source: "Ironic's console proxies: who reaches a console has the machine" },
    Check { id: "CNS-003", level: Level::Must, needs: Needs::MachineChanged, run: starts_twice,
        requirement: "A console that was started twice can be reached.",
        source: "ConsoleInterface::start_console: the conductor starts it again when it takes a node over" },
    Check { id: "CNS-004", level: Level::Must, needs: Needs::MachineChanged, run: stops,
        requirement: "A console that was stopped can no longer be reached, and can be stopped again.",
        source: "ConsoleInterface::stop_console" },
    Check { id: "CNS-005", level: Level::Must, needs: Needs::MachineChanged, run: is_not_disturbed,
        requirement: "Who is connected to a console stays so when somebody asks where it is.",
        source: "ConsoleInterface::get_console: never disturbs it" },
    Check { id: "CNS-006", level: Level::Must, needs: Needs::MachineChanged, run: leaves_nothing,
        requirement: "After a console was stopped no process, no thread and no use of the machine's console is left.",
        source: "plugin boundary: a conductor runs for months" },
];

/// Does something with the consoles of each implementation.
fn each(bench: &Bench, look: impl Fn(&Stand) -> Judgement) -> Judgement {
    stand::each(bench, InterfaceType::Console, |stand| {
        stand.needs(&["start_console", "stop_console", "get_console"])?;
        // Some have a console only while they are on.
        let power = |state: &str| {
            let arguments = json!({"state": state, "timeout": stand.session.patience().as_secs()});
            stand.sibling(InterfaceType::Power, "set_power_state", &arguments)
        };
        let state = stand.sibling(InterfaceType::Power, "get_power_state", &json!({}));
        let was_off = matches!(state, Some(Ok(state)) if state == "power off");
        if was_off {
            power("power on");
        }
        let found = look(stand);
        // Whatever was found, it is not left running.
        stand.call("stop_console", &json!({})).ok();
        if was_off && !stand.is_thrown_away() {
            power("power off");
        }
        found
    })
}

/// Starts the console; where it is, if it says so.
fn started(stand: &Stand) -> Result<Option<ConsoleInfo>, Finding> {
    stand.ask("start_console", &json!({}))?;
    told(stand)
}

fn told(stand: &Stand) -> Result<Option<ConsoleInfo>, Finding> {
    let answer = stand.ask("get_console", &json!({}))?;
    serde_json::from_value(answer.clone()).or_else(|_| failed(format!("`get_console` answered {answer}")))
}

/// Host and port of a URL.
fn place(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let (host, port) = authority.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!scheme.is_empty() && !host.is_empty()).then_some((host.to_owned(), port.parse().ok()?))
}

/// Starts the console; where it can be reached.
fn reachable(stand: &Stand) -> Result<(String, u16), Finding> {
    match started(stand)?.and_then(|console| place(&console.url)) {
        Some(place) => Ok(place),
        None => not_applicable("its console has no address"),
    }
}

fn connect((host, port): &(String, u16)) -> std::io::Result<TcpStream> {
    let address = (host.as_str(), *port).to_socket_addrs()?.next();
    TcpStream::connect_timeout(&address.ok_or(IoErrorKind::AddrNotAvailable)?, CONNECT_PATIENCE)
}

fn tells_its_address(bench: &Bench) -> Judgement {
    each(bench, |stand| match started(stand)? {
        None => not_applicable("its console has no address"),
        Some(console) if console.kind.is_empty() => failed("its console has no type"),
        Some(console) if place(&console.url).is_none() => {
            failed(format!("`{}` is no URL with host and port", console.url))
        }
        Some(_) => Ok(()),
    })
}

fn listens_where_it_may(bench: &Bench) -> Judgement {
    each(bench, |stand| {
        let (host, _) = reachable(stand)?;
        let profile = bench.profile();
        let loopback = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let named = |value: &Value| value.as_str() == Some(&host);
        if loopback || profile.options.values().chain(profile.driver_info.values()).any(named) {
            return Ok(());
        }
        failed(format!("it listens on `{host}`, which nobody has asked for"))
    })
}

fn starts_twice(bench: &Bench) -> Judgement {
    each(bench, |stand| {
        stand.ask("start_console", &json!({}))?;
        let place = reachable(stand)?;
        connect(&place).map(drop).or_else(|error| failed(format!("nobody can connect to it: {error}")))
    })
}

fn stops(bench: &Bench) -> Judgement {
    each(bench, |stand| {
        let console = started(stand)?;
        stand.ask("stop_console", &json!({}))?;
        let place = console.and_then(|console| place(&console.url));
        if place.is_some_and(|place| settled(|| connect(&place).ok()).is_some()) {
            return failed("it was stopped, and can still be reached");
        }
        stand.ask("stop_console", &json!({})).map(drop)
    })
}

fn is_not_disturbed(bench: &Bench) -> Judgement {
    each(bench, |stand| {
        let place = reachable(stand)?;
        let failed_at = |error: std::io::Error| Finding::Failed(format!("nobody can use it: {error}"));
        let mut stream = connect(&place).map_err(failed_at)?;
        told(stand)?;
        stream.set_read_timeout(Some(WATCH)).map_err(failed_at)?;
        loop {
            match stream.read(&mut [0; 256]) {
                // The machine has something to say.
                Ok(1..) => {}
                Err(error) if matches!(error.kind(), IoErrorKind::WouldBlock | IoErrorKind::TimedOut) => {
                    return Ok(());
                }
                Ok(0) | Err(_) => return failed("a connection to it ended when its address was asked for"),
            }
        }
    })
}

/// Names of the processes that this one has started.
fn children() -> Vec<String> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // A name may have spaces and brackets: `number (name) state parent ...`.
            let (head, tail) = stat.rsplit_once(") ")?;
            let parent = tail.split(' ').nth(1)?;
            (parent == own).then(|| head.split_once('(').map_or("", |(_, name)| name).to_owned())
        })
        .collect()
}

fn leaves_nothing(bench: &Bench) -> Judgement {
    each(bench, |stand| {
        // What serves all calls is there before.
        stand.ask("get_console", &json!({}))?;
        let before = (threads(), children().len());
        stand.ask("start_console", &json!({}))?;
        stand.ask("stop_console", &json!({}))?;
        let own = format!("{}-io", stand.session.plugin.name());
        let left = settled(|| {
            let mut left = new_threads(&before.0);
            // The kernel keeps 15 bytes of a name.
            left.retain(|name| !own.starts_with(name.as_str()));
            left.extend(children().into_iter().skip(before.1));
            if stand.peer.seen().is_some_and(|seen| seen.console) {
                left.push("the machine's console".to_owned());
            }
            (!left.is_empty()).then_some(left)
        });
        match left {
            None => Ok(()),
            Some(left) => failed(format!("it has left `{}`", left.join("`, `"))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_host_and_port() {
        assert_eq!(place("tcp://127.0.0.1:623"), Some(("127.0.0.1".to_owned(), 623)));
        assert_eq!(place("https://[::1]:8000/x?y"), Some(("::1".to_owned(), 8000)));
        for wrong in ["127.0.0.1:623", "tcp://127.0.0.1", "tcp://:1", "://a:1"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn processes_that_were_started_are_seen() {
        let before = children().len();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();

        let during = children().len();

        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(during, before + 1);
    }
}

//! Machines: emulators, a plugin's own memory, a real one.

mod foreign;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use farrier_host::Cassette;
use farrier_sdk::descriptor::Descriptor;
use farrier_sim::ipmi::{self, Bmc, User, level};
use farrier_sim::network::{Network, Plan};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::bench::Bench;
use crate::check::{Finding, failed, not_run};
use crate::peer::datagram::DatagramPeer;
use crate::peer::http::{HttpFault, HttpPeer};
use crate::profile::{Protocol, TargetConfig, TargetKind};
use crate::witness::Witness;

pub(crate) use foreign::Foreign;

/// The account of every emulator.
pub(crate) const USER: &str = "admin";

/// Its password: a word that nothing else contains, so that it is noticed wherever it turns up. At most 16 bytes, for IPMI 1.5.
pub(crate) const PASSWORD: &str = "kanarie-51-vogel";

/// Where the machine is behind an emulator that speaks Redfish.
pub(crate) const SYSTEM: &str = "/redfish/v1/Systems/1";

/// An image for machines that do not look at it before they boot.
const IMAGE: &str = "http://127.0.0.1:1/agent.iso";

/// How long a vendor's emulator may take to say where it is.
const EMULATOR_PATIENCE: Duration = Duration::from_secs(30);

/// What the facts about a machine are called on a cassette.
const FACTS: &str = "machine";

/// What stands for its address there.
const ADDRESS: &str = "${address}";

/// What is to be known of a machine that was recorded.
#[derive(Deserialize)]
struct Facts {
    /// Its name: two that are at one address are one.
    machine: String,
    port: u16,
    values: BTreeMap<String, String>,
}

/// One machine, or what a plugin takes for one.
pub(crate) struct Peer {
    /// What stands for it in a profile's `driver_info`.
    values: BTreeMap<String, String>,
    pub(crate) control: Control,
    /// A bad network in front of it.
    _network: Option<Network>,
    /// Whoever writes down what is seen of it, or tells what was: every look at the machine, and every change of it,
    /// goes this way, or a recording knows nothing of it.
    pub(crate) witness: Witness,
}

/// The machine itself.
pub(crate) enum Control {
    /// Nobody can look.
    None,
    Http(HttpPeer),
    Ipmi(Box<Bmc>),
    Datagram(DatagramPeer),
    /// A simulator that others wrote: it can be looked at, and no more.
    Foreign(Foreign),
    /// The vendor's own emulator, ended when dropped.
    Command {
        _child: Ended,
    },
}

/// A program that is ended when nobody needs it.
pub(crate) struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().unwrap_or_default();
        self.0.wait().ok();
    }
}

impl Peer {
    fn new(address: SocketAddr, control: Control) -> Self {
        let mut peer = Self { values: BTreeMap::new(), control, _network: None, witness: Witness::default() };
        peer.set_address(&address.to_string());
        peer.set("user", USER);
        peer.set("password", PASSWORD);
        peer.set("system", SYSTEM);
        peer.set("image", IMAGE);
        peer
    }

    fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    fn set_all(&mut self, values: &[(&str, &str)]) {
        for (name, value) in values {
            self.set(name, value);
        }
    }

    fn set_address(&mut self, address: &str) {
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        self.set("address", address);
        self.set("host", host.trim_matches(['[', ']']));
        self.set("port", port);
        self.set("url", &format!("http://{address}"));
    }

    /// A machine in the plugin's own memory.
    pub(crate) fn memory() -> Self {
        Self::new(nowhere(), Control::None)
    }

    /// Nothing: its address is a port where nobody listens.
    pub(crate) fn absent() -> Self {
        Self::new(nowhere(), Control::None)
    }

    /// A BMC that speaks Redfish.
    pub(crate) fn redfish() -> Result<Self, Finding> {
        let peer = HttpPeer::bmc().map_err(no_peer)?;
        Ok(Self::new(peer.address(), Control::Http(peer)))
    }

    /// A BMC that speaks HTTP wrongly.
    pub(crate) fn http(fault: HttpFault) -> Result<Self, Finding> {
        let scheme = if matches!(fault, HttpFault::ExpiredCertificate) { "https" } else { "http" };
        let peer = HttpPeer::with(fault).map_err(no_peer)?;
        let address = peer.address();
        let mut peer = Self::new(address, Control::Http(peer));
        peer.set("url", &format!("{scheme}://{address}"));
        Ok(peer)
    }

    fn ipmi() -> Result<Self, Finding> {
        let settings = ipmi::Settings {
            users: vec![User::new(USER, PASSWORD, level::ADMINISTRATOR)],
            ..ipmi::Settings::default()
        };
        let bmc = Bmc::start(settings).or_else(|error| not_run(format!("no emulator: {error}")))?;
        Ok(Self::new(bmc.address(), Control::Ipmi(Box::new(bmc))))
    }

    fn datagram() -> Result<Self, Finding> {
        let peer = DatagramPeer::start().map_err(no_peer)?;
        Ok(Self::new(peer.address(), Control::Datagram(peer)))
    }

    /// The vendor's own emulator.
    fn command(words: &[String]) -> Result<Self, Finding> {
        let Some((program, arguments)) = words.split_first() else { return not_run("`command` is empty") };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return not_run(format!("`{program}` cannot be started: {error}")),
        };
        let output = child.stdout.take();
        let child = Ended(child);
        let (sender, receiver) = mpsc::channel();
        std::thread::Builder::new()
            .name("kit-emulator".to_owned())
            .spawn(move || {
                let mut line = String::new();
                let mut output = output.map(BufReader::new);
                let read = output.as_mut().map(|output| output.read_line(&mut line));
                // Nobody waits any more when this is late. Read on, so that it never has to wait for us.
                sender.send(read.map(|_| line)).unwrap_or_default();
                output.map(|mut output| std::io::copy(&mut output, &mut std::io::sink()));
            })
            .map_err(no_peer)?;
        let line = receiver.recv_timeout(EMULATOR_PATIENCE).ok().flatten().unwrap_or_default();
        let Ok(said) = serde_json::from_str::<Map<String, Value>>(&line) else {
            return not_run(format!("`{program}` printed no line of JSON with `address`"));
        };
        let mut peer = Self::new(nowhere(), Control::Command { _child: child });
        let Some(address) = said.get("address").and_then(Value::as_str) else {
            return not_run(format!("`{program}` named no `address`"));
        };
        peer.set_address(address);
        for (name, value) in &said {
            if name != "address" {
                peer.set(name, value.as_str().unwrap_or(&value.to_string()));
            }
        }
        Ok(peer)
    }

    /// A real machine.
    fn machine(target: &TargetConfig) -> Result<Self, Finding> {
        let machine = &target.machine;
        let Some(address) = &machine.address else {
            return not_run("the profile has no `target.machine.address`");
        };
        let mut peer = Self::new(nowhere(), Control::None);
        peer.set_address(address);
        peer.set("user", machine.user.as_deref().unwrap_or_default());
        peer.set("password", machine.password.as_deref().unwrap_or_default());
        if let Some(image) = &machine.image {
            peer.set("image", image);
        }
        Ok(peer)
    }

    /// The same machine, with everything that is said and done written to a cassette.
    fn recorded(mut self, bench: &Bench, cassette: Cassette, number: usize) -> Result<Self, Finding> {
        let said = |name: &str| self.values.get(name).map(String::as_str).unwrap_or_default();
        let Ok(port) = said("port").parse::<u16>() else {
            return not_run(format!("`{}` is no `host:port` to record", said("address")));
        };
        let machine = cassette.name_machine(said("host"), port, &number.to_string());
        let values = self.public_values(bench.descriptor()?, &bench.profile().driver_info);
        let facts = json!({"machine": machine, "port": port, "values": values});
        cassette.look(&number.to_string(), FACTS, || facts);
        self.witness = Witness::new(cassette, machine);
        Ok(self)
    }

    /// What of a machine was recorded. Its address leads nowhere, and to another place for each machine.
    fn replayed(cassette: Cassette, number: usize) -> Result<Self, Finding> {
        let facts = cassette.look(&number.to_string(), FACTS, || Value::Null);
        let Some(Ok(facts)) = facts.map(serde_json::from_value::<Facts>) else {
            return failed(format!("the recording has no machine {number}"));
        };
        let octet = |number: usize| u8::try_from(number % 250 + 1).unwrap_or(1);
        let index = facts.machine.parse().unwrap_or(number);
        let address = SocketAddr::from(([127, 77, octet(index / 250), octet(index)], facts.port));
        let mut peer = Self::new(address, Control::None);
        for (name, value) in &facts.values {
            peer.set(name, &value.replace(ADDRESS, &address.to_string()));
        }
        cassette.name_machine(&address.ip().to_string(), facts.port, &facts.machine);
        peer.witness = Witness::new(cassette, facts.machine);
        Ok(peer)
    }

    /// Its values without its address, and without what stands in a property that is secret.
    fn public_values(
        &self,
        descriptor: &Descriptor,
        driver_info: &Map<String, Value>,
    ) -> BTreeMap<String, String> {
        let properties = descriptor.interfaces.iter().flat_map(|interface| &interface.properties);
        let secret: Vec<&str> = properties
            .filter(|property| property.secret)
            .filter_map(|property| driver_info.get(&property.name)?.as_str())
            .collect();
        let is_public = |name: &str| {
            let stands_in = format!("${{{name}}}");
            !["address", "host", "port", "password"].contains(&name)
                && !secret.iter().any(|text| text.contains(&stands_in))
        };
        let address = self.values.get("address").map(String::as_str).unwrap_or_default();
        let values = self.values.iter().filter(|(name, _)| is_public(name));
        values.map(|(name, value)| (name.clone(), value.replace(address, ADDRESS))).collect()
    }

    /// The same machine behind a bad network.
    pub(crate) fn behind(mut self, plan: Plan) -> Result<Self, Finding> {
        let address = match &self.control {
            Control::Ipmi(bmc) => bmc.address(),
            Control::Datagram(peer) => peer.address(),
            Control::None | Control::Http(_) | Control::Foreign(_) | Control::Command { .. } => {
                return not_run("this target does not speak by datagrams");
            }
        };
        let network =
            Network::between(address, plan).or_else(|error| not_run(format!("no network: {error}")))?;
        self.set_address(&network.address().to_string());
        self._network = Some(network);
        Ok(self)
    }

    /// `driver_info` of the profile with this machine's values.
    pub(crate) fn fill(&self, driver_info: &Map<String, Value>) -> Map<String, Value> {
        driver_info.iter().map(|(key, value)| (key.clone(), self.filled(value))).collect()
    }

    fn filled(&self, value: &Value) -> Value {
        let Value::String(text) = value else { return value.clone() };
        // A port alone is a number.
        if text == "${port}" {
            let port = self.values.get("port").and_then(|port| port.parse::<u16>().ok());
            return port.map_or_else(|| value.clone(), Value::from);
        }
        let mut filled = text.clone();
        for (name, value) in &self.values {
            filled = filled.replace(&format!("${{{name}}}"), value);
        }
        Value::String(filled)
    }

    /// Turns the machine on or off as somebody in front of it would; whether that is possible.
    pub(crate) fn set_power(&self, on: bool) -> bool {
        self.witness.change(if on { "power on" } else { "power off" }, || {
            match &self.control {
                Control::Http(peer) => peer.set_power(on),
                Control::Ipmi(bmc) => bmc.set_power(on),
                Control::Datagram(peer) => peer.set_power(on),
                Control::None | Control::Foreign(_) | Control::Command { .. } => return false,
            }
            true
        })
    }

    /// Whether the machine is on, if that can be seen.
    pub(crate) fn is_on(&self) -> Option<bool> {
        self.witness.look("power", || match &self.control {
            Control::Http(peer) => Some(peer.is_on()),
            Control::Ipmi(bmc) => Some(bmc.is_on()),
            Control::Datagram(peer) => Some(peer.is_on()),
            Control::Foreign(foreign) => foreign.is_on(),
            Control::None | Control::Command { .. } => None,
        })
    }

    /// How often it was spoken to: connections or datagrams.
    pub(crate) fn contacts(&self) -> Option<u64> {
        self.witness.look("contacts", || match &self.control {
            Control::Http(peer) => Some(peer.requests()),
            Control::Ipmi(bmc) => Some(bmc.state().datagrams),
            Control::Datagram(peer) => Some(peer.datagrams()),
            Control::None | Control::Foreign(_) | Control::Command { .. } => None,
        })
    }

    /// Answers the next question about power, this often, that it is busy; whether it can.
    pub(crate) fn be_busy(&self, times: usize) -> bool {
        match &self.control {
            Control::Ipmi(bmc) => bmc.state().trouble.refuse((0, 1), 0xC0, times),
            Control::Datagram(peer) => peer.be_busy(times),
            Control::None | Control::Http(_) | Control::Foreign(_) | Control::Command { .. } => return false,
        }
        true
    }

    /// Forgets who has logged in; whether it can.
    pub(crate) fn forget_sessions(&self) -> bool {
        self.witness.change("forget sessions", || {
            match &self.control {
                Control::Ipmi(bmc) => bmc.state().forget_sessions(),
                Control::Datagram(peer) => peer.forget_sessions(),
                Control::Http(peer) => peer.forget_sessions(),
                Control::None | Control::Foreign(_) | Control::Command { .. } => return false,
            }
            true
        })
    }
}

/// The machine of the profile.
pub(crate) fn start(bench: &Bench) -> Result<Peer, Finding> {
    start_numbered(bench, 0)
}

/// Several machines of the profile's sort, if there can be several.
pub(crate) fn fleet(bench: &Bench, count: usize) -> Result<Vec<Peer>, Finding> {
    let target = &bench.profile().target;
    // A vendor's own emulator is started once for each.
    let few =
        target.kind == TargetKind::Machine || target.emulator.as_deref().is_some_and(foreign::is_foreign);
    if few && 2 < count {
        return not_run(format!("there are no {count} machines of this sort at once"));
    }
    (0..count).map(|number| start_numbered(bench, number)).collect()
}

fn start_numbered(bench: &Bench, number: usize) -> Result<Peer, Finding> {
    match bench.cassette()? {
        None => live(bench, number),
        Some(cassette) if cassette.is_recording() => live(bench, number)?.recorded(bench, cassette, number),
        Some(cassette) => Peer::replayed(cassette, number),
    }
}

fn live(bench: &Bench, number: usize) -> Result<Peer, Finding> {
    let target = &bench.profile().target;
    match target.kind {
        TargetKind::None => not_run("the profile names no target"),
        TargetKind::Memory => Ok(Peer::memory()),
        TargetKind::Replay => not_run("a recording is no machine for this check"),
        TargetKind::Machine => Peer::machine(target),
        TargetKind::Emulator => match target.emulator.as_deref() {
            None => Peer::command(&target.command),
            Some("redfish") => Peer::redfish(),
            Some("ipmi") => Peer::ipmi(),
            Some("datagram") => Peer::datagram(),
            Some(other) => Peer::foreign(bench, other, number),
        },
    }
}

/// Serves one of the kit's own emulators until the process ends; `tell` gets what its machine is reached by.
///
/// # Errors
///
/// Why there is none, for people.
pub fn serve_emulator(name: &str, tell: impl FnOnce(&str)) -> Result<Infallible, String> {
    let peer = match name {
        "redfish" => Peer::redfish(),
        "ipmi" => Peer::ipmi(),
        other => return Err(format!("`{other}` is none of the emulators redfish, ipmi")),
    };
    let peer = peer.map_err(|finding| match finding {
        Finding::Failed(why)
        | Finding::NotApplicable(why)
        | Finding::Lacking(why)
        | Finding::Absent(why)
        | Finding::NotRun(why) => why,
    })?;
    tell(&json!(peer.values).to_string());
    loop {
        std::thread::park();
    }
}

/// A machine of the profile's protocol that never answers but takes everything.
pub(crate) fn silent(bench: &Bench) -> Result<Peer, Finding> {
    match bench.profile().protocol {
        Protocol::None => {
            Err(Finding::NotApplicable("the profile names no protocol that the kit knows".to_owned()))
        }
        Protocol::Http => Peer::http(HttpFault::Silence),
        Protocol::Ipmi => {
            let peer = Peer::ipmi()?;
            if let Control::Ipmi(bmc) = &peer.control {
                bmc.state().trouble.deaf = true;
            }
            Ok(peer)
        }
        Protocol::Datagram => {
            let peer = Peer::datagram()?;
            if let Control::Datagram(peer) = &peer.control {
                peer.be_deaf();
            }
            Ok(peer)
        }
    }
}

/// A target in a few words, for the report.
pub(crate) fn describe(target: &TargetConfig) -> String {
    match target.kind {
        TargetKind::None => "none".to_owned(),
        TargetKind::Memory => "the plugin's own memory".to_owned(),
        TargetKind::Replay => "recording".to_owned(),
        TargetKind::Emulator => match &target.emulator {
            Some(name) => format!("emulator {name} {}", env!("CARGO_PKG_VERSION")),
            None => format!("emulator `{}`", target.command.join(" ")),
        },
        TargetKind::Machine => {
            let machine = &target.machine;
            let description = machine.description.as_deref().unwrap_or("machine");
            format!("{description}, serial number {}", machine.serial.as_deref().unwrap_or("unknown"))
        }
    }
}

/// A port where nobody listens: that of a service that died out.
fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

fn no_peer(error: std::io::Error) -> Finding {
    Finding::NotRun(format!("the kit could not start a machine: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_of_the_machine_stand_in_driver_info() {
        let peer = Peer::new(SocketAddr::from(([127, 0, 0, 1], 8000)), Control::None);
        let info =
            json!({"a": "${url}/x", "b": "${port}", "c": "${user}:${password}", "d": 7, "e": "${other}"});

        let filled = peer.fill(info.as_object().unwrap());

        let password = format!("admin:{PASSWORD}");
        let expected =
            json!({"a": "http://127.0.0.1:8000/x", "b": 8000, "c": password, "d": 7, "e": "${other}"});
        assert_eq!(Value::Object(filled), expected);
    }
}

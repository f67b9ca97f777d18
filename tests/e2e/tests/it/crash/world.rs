//! The daemons, the nodes and the machines behind them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::thread;

use farrier_sim::farrierd::Settings;
use farrier_sim::http;
use farrier_sim::ipmi::{self, Bmc};
use farrier_sim::postgres::Postgres;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::check;
use super::random::Random;
use super::request::Request;
use crate::harness::{Daemon, PATIENCE};

/// Nodes of the fake driver that there shall be.
const FAKE_NODES: usize = 14;
/// Nodes with a BMC.
const IPMI_NODES: usize = 3;
/// A kill comes after so many looks at the API at most: from before the first request was read until much is done.
const LOOKS_MAX: usize = 60;
/// Some come later, when nearly all is done.
const LOOKS_MAX_LATE: usize = 600;

/// With fewer kills nothing can be said about how much was under way.
const KILLS_MIN: usize = 20;

/// Verbs that nodes are asked for; each leads through a state of [`check::WORKING`].
const VERBS: [&str; 12] = [
    "manage", "inspect", "clean", "provide", "active", "rebuild", "deleted", "adopt", "rescue", "unrescue",
    "service", "abort",
];

/// Chassis Control.
const POWER_COMMAND: (u8, u8) = (0x00, 0x02);

/// What the daemons are told besides where things are.
const TABLES: &str = "\
[fake]
power_delay = \"0.01,0.1\"
boot_delay = \"0,0.05\"
deploy_delay = \"0.01,0.1\"
management_delay = \"0,0.05\"
inspect_delay = \"0.01,0.2\"
bios_delay = \"0.01,0.1\"
rescue_delay = \"0.01,0.2\"

[ipmi]
min_command_interval = 0
";

/// What became of the requests.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) kills: usize,
    /// By what was asked: accepted, refused, not answered.
    requests: BTreeMap<&'static str, [usize; 3]>,
    /// Nodes that were at work or locked when the daemon died.
    caught: usize,
    /// The same by the state they were in; power actions by their name.
    caught_in: BTreeMap<String, usize>,
    power_commands: usize,
}

impl Tally {
    /// What did not happen though it must, to call this a test; a few kills can all come at a quiet moment.
    pub(super) fn missing(&self) -> Vec<String> {
        if self.kills < KILLS_MIN {
            return Vec::new();
        }
        let accepted: usize = self.requests.values().map(|counts| counts[0]).sum();
        let mut missing = Vec::new();
        if accepted < self.kills || self.caught < self.kills || self.power_commands == 0 {
            missing.push("work under way at most kills".to_owned());
        }
        for verb in VERBS {
            if self.requests.get(verb).is_none_or(|counts| counts[0] == 0) {
                missing.push(format!("an accepted {verb}"));
            }
        }
        missing
    }

    /// States of work in which no node was when the daemon died.
    pub(super) fn never_caught_in(&self) -> Vec<&'static str> {
        let states = check::WORKING.into_iter().chain([POWER_ACTION]);
        states.filter(|state| !self.caught_in.contains_key(*state)).collect()
    }

    /// The state of work in which the fewest nodes were.
    fn caught_least_in(&self) -> &'static str {
        let states = check::WORKING.into_iter().chain([POWER_ACTION]);
        let caught = |state: &&str| self.caught_in.get(*state).copied().unwrap_or_default();
        states.min_by_key(caught).unwrap_or(POWER_ACTION)
    }

    /// Counts nodes that were at work when the daemon died.
    fn catch(&mut self, nodes: &[Value]) {
        for work in nodes.iter().filter_map(work_of) {
            self.caught += 1;
            *self.caught_in.entry(work).or_default() += 1;
        }
    }
}

/// What a node is in whose machine is being switched.
const POWER_ACTION: &str = "a power action";

/// What is being done to a node: its state, or a power action; none when nobody is at work.
fn work_of(node: &Value) -> Option<String> {
    let state = node["provision_state"].as_str().unwrap_or_default();
    let work = if node["target_power_state"].is_null() { state } else { POWER_ACTION };
    check::is_at_work(node).then(|| work.to_owned())
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills, {} nodes caught at work, {} power commands",
            self.kills, self.caught, self.power_commands
        )?;
        for (state, nodes) in &self.caught_in {
            write!(f, "\n  caught in {state}: {nodes}")?;
        }
        for (label, [accepted, refused, unanswered]) in &self.requests {
            write!(f, "\n  {label}: {accepted} accepted, {refused} refused, {unanswered} not answered")?;
        }
        Ok(())
    }
}

/// A machine, and how often it was switched when we last looked.
struct Machine {
    bmc: Bmc,
    switched: usize,
}

impl Machine {
    fn commands(&self) -> usize {
        self.bmc.count(POWER_COMMAND)
    }
}

/// All of it.
pub(super) struct World {
    /// The one that is killed.
    victim: Daemon,
    /// The one that stays.
    witness: Option<Daemon>,
    machines: BTreeMap<String, Machine>,
    count: u64,
    pub(super) tally: Tally,
    /// Which kill this is, for messages.
    pub(super) at: String,
    // What must outlive the daemons.
    _postgres: Option<Postgres>,
}

/// An answer, if there was one.
pub(super) type Answer = Option<(u16, Value)>;

impl World {
    /// One conductor on SQLite.
    pub(super) fn alone() -> Self {
        Self::with(Daemon::start_with(|settings| configure(settings, "host-1", false)), None, None)
    }

    /// The same with automated cleaning.
    pub(super) fn alone_with_cleaning() -> Self {
        Self::with(Daemon::start_with(|settings| configure(settings, "host-1", true)), None, None)
    }

    /// Two on PostgreSQL; one of them dies.
    pub(super) fn in_company(postgres: Postgres) -> Self {
        let start = |host: &str| {
            Daemon::start_with(|settings| {
                configure(settings, host, false);
                settings.database = Some(postgres.url());
            })
        };
        let (victim, witness) = (start("host-1"), start("host-2"));
        Self::with(victim, Some(witness), Some(postgres))
    }

    fn with(victim: Daemon, witness: Option<Daemon>, postgres: Option<Postgres>) -> Self {
        let mut machines = BTreeMap::new();
        for number in 0..IPMI_NODES {
            let bmc =
                Bmc::start(ipmi::Settings { log_max: usize::MAX, ..ipmi::Settings::default() }).unwrap();
            let node = victim.enroll(&format!("ipmi-{number}"), "ipmi", &driver_info(&bmc));
            machines.insert(node, Machine { bmc, switched: 0 });
        }
        let (tally, at) = (Tally::default(), String::new());
        Self { victim, witness, machines, count: 0, tally, at, _postgres: postgres }
    }

    /// Asks for many things, kills, and looks what is left.
    pub(super) fn round(&mut self, random: &mut Random) {
        let before = self.nodes();
        // Half of the kills come as soon as a node is where too few have been caught so far.
        let focus = random.chance(50).then(|| self.tally.caught_least_in());
        let requests = self.requests(&before, focus, random);
        let addresses = self.addresses();
        let late = random.chance(25);
        let looks = random.below(if late { LOOKS_MAX_LATE } else { LOOKS_MAX });
        let looks = if focus.is_some() { LOOKS_MAX_LATE } else { looks };

        let (answers, seen) = thread::scope(|scope| {
            let jobs: Vec<_> = requests
                .iter()
                .map(|request| {
                    let address = random.pick(&addresses);
                    scope.spawn(move || send(address, request))
                })
                .collect();
            let mut seen = Vec::new();
            for _ in 0..looks {
                seen = list(addresses[0]).unwrap_or_default();
                if focus.is_some() && seen.iter().any(|node| work_of(node).as_deref() == focus) {
                    break;
                }
                if !seen.iter().any(check::is_at_work)
                    && jobs.iter().all(thread::ScopedJoinHandle::is_finished)
                {
                    break;
                }
            }
            self.kill();
            (jobs.into_iter().map(|job| job.join().unwrap()).collect::<Vec<_>>(), seen)
        });

        self.tally.catch(&seen);
        self.count(&requests, &answers);
        self.recover();
        let after = self.settled();
        let asked: Vec<_> = requests.into_iter().zip(answers).collect();
        let checked = check::answers(&before, &after, &asked);
        assert!(checked.is_ok(), "{}: {checked:?}", self.at);
        self.check_machines(&asked);
    }

    /// One request for every node, and as many new nodes as are missing.
    fn requests(
        &mut self,
        nodes: &BTreeMap<String, Value>,
        focus: Option<&str>,
        random: &mut Random,
    ) -> Vec<Request> {
        let mut requests = Vec::new();
        for node in nodes.values() {
            self.count += 1;
            requests.push(Request::of(node, self.count, focus, random));
        }
        let missing = (FAKE_NODES + IPMI_NODES).saturating_sub(nodes.len());
        requests.extend((0..missing.min(4)).map(|_| Request::create(fake_node(), random)));
        requests
    }

    fn addresses(&mut self) -> Vec<SocketAddr> {
        let mut addresses = vec![self.victim.farrierd().address()];
        addresses.extend(self.witness.as_mut().map(|witness| witness.farrierd().address()));
        addresses
    }

    fn kill(&mut self) {
        let process = self.victim.farrierd().process();
        process.signal(Signal::KILL).unwrap();
        let ended = process.wait_end(PATIENCE).unwrap();
        // One that had ended by itself was not killed, and should not have.
        let killed = ended.signal() == Some(Signal::KILL.as_raw());
        assert!(killed, "{}: the daemon ended by itself: {ended}\n{}", self.at, process.tail());
        self.tally.kills += 1;
    }

    /// Alone the victim comes back; in company the other one has to do it, before the victim comes back.
    fn recover(&mut self) {
        if self.witness.is_some() {
            self.settled();
        }
        self.victim.start_killed();
    }

    fn count(&mut self, requests: &[Request], answers: &[Answer]) {
        for (request, answer) in requests.iter().zip(answers) {
            let place = match answer {
                Some((200..300, _)) => 0,
                Some(_) => 1,
                None => 2,
            };
            self.tally.requests.entry(request.label()).or_default()[place] += 1;
        }
    }

    /// Whoever can answer now.
    fn speaker(&mut self) -> SocketAddr {
        match &mut self.witness {
            Some(witness) => witness.farrierd().address(),
            None => self.victim.farrierd().address(),
        }
    }

    fn nodes(&mut self) -> BTreeMap<String, Value> {
        let nodes = list(self.speaker()).unwrap_or_else(|| panic!("{}: nobody lists the nodes", self.at));
        nodes.into_iter().map(|node| (node["uuid"].as_str().unwrap().to_owned(), node)).collect()
    }

    /// The nodes once nobody is at work on any of them.
    fn settled(&mut self) -> BTreeMap<String, Value> {
        let speaker = self.speaker();
        let mut restless = Vec::new();
        let settled = farrier_sim::wait::wait_for("every node is at rest", PATIENCE, || {
            let nodes = list(speaker)?;
            restless = nodes.iter().filter(|node| check::is_at_work(node)).cloned().collect();
            restless.is_empty().then_some(nodes)
        });
        if let Err(error) = settled {
            let shown: Vec<String> = restless.iter().map(check::shown).collect();
            panic!("{}: {error}: {}", self.at, shown.join("; "));
        }
        self.nodes()
    }

    /// No machine was switched more often than it was asked for.
    fn check_machines(&mut self, asked: &[(Request, Answer)]) {
        for (node, machine) in &mut self.machines {
            let commands = machine.commands();
            let request = asked.iter().find(|(request, _)| request.node == *node);
            let allowed = check::switches_allowed(request);
            let switched = commands - machine.switched;
            assert!(
                switched <= allowed,
                "{}: node {node} was switched {switched} times for {request:?}",
                self.at
            );
            machine.switched = commands;
            self.tally.power_commands += switched;
        }
    }
}

fn configure(settings: &mut Settings, host: &str, clean: bool) {
    settings.hardware_types = vec!["fake-hardware".to_owned(), "ipmi".to_owned()];
    settings.conductor = [
        format!("host = \"{host}\""),
        format!("automated_clean = {clean}"),
        "heartbeat_interval = 0.2".to_owned(),
        "heartbeat_timeout = 1".to_owned(),
        "hash_ring_reset_interval = 1".to_owned(),
        "check_provision_state_interval = 0.3".to_owned(),
        "node_locked_retry_interval = 0.1".to_owned(),
        // What recorded and real power states differ in is left as it is: every command is a request's.
        "sync_power_state_interval = 0".to_owned(),
        "power_failure_recovery_interval = 0".to_owned(),
        "soft_power_off_timeout = 2".to_owned(),
    ]
    .to_vec();
    settings.tables = TABLES.to_owned();
}

fn driver_info(bmc: &Bmc) -> Value {
    json!({
        "ipmi_address": bmc.address().ip().to_string(),
        "ipmi_port": bmc.address().port(),
        "ipmi_username": ipmi::USER,
        "ipmi_password": ipmi::PASSWORD,
    })
}

/// A node of the fake driver with everything that can be fake.
fn fake_node() -> Value {
    let mut node =
        json!({"driver": "fake-hardware", "instance_info": {"image_source": "http://localhost/image"}});
    for kind in ["bios", "boot", "deploy", "inspect", "management", "power", "rescue"] {
        node[format!("{kind}_interface")] = json!("fake");
    }
    node
}

fn send(address: SocketAddr, request: &Request) -> Answer {
    let headers = [("X-OpenStack-Ironic-API-Version", "latest")];
    let answer = http::request(address, request.method, &request.path, &headers, request.body.as_ref());
    answer.ok().map(|answer| (answer.status, answer.json()))
}

fn list(address: SocketAddr) -> Option<Vec<Value>> {
    let headers = [("X-OpenStack-Ironic-API-Version", "latest")];
    let answer = http::request(address, "GET", "/v1/nodes/detail", &headers, None).ok()?;
    answer.json()["nodes"].as_array().cloned()
}

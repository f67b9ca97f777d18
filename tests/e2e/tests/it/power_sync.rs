//! A thousand BMCs kept in step with their records through the loaded plugin, also when a tenth of them dies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread;

use farrier_sim::ipmi::{self, Fleet, Place};
use farrier_sim::wait::wait_for;
use serde_json::{Value, json};

use crate::harness::{Daemon, PATIENCE};

/// How many there are.
const BMCS: usize = 1000;

/// Clients that enroll nodes at a time.
const CLIENTS: usize = 8;

/// What is told of a machine that was switched by somebody else.
const CORRECTED: &str = "machine is not as recorded, correcting the record";
/// What is told of a BMC that does not answer.
const UNREADABLE: &str = "power state could not be read";
/// What is told of a BMC that has not answered for too long.
const GIVEN_UP: &str = "power state is given up";
/// What is told of one that is back after that.
const BACK: &str = "BMC answers again, node leaves maintenance";

/// Whether a BMC is one of those that die.
fn dies(index: usize) -> bool {
    index % 10 == 3
}

/// Whether somebody in front of a machine turns it on.
fn is_switched(index: usize) -> bool {
    index.is_multiple_of(3)
}

/// BMCs and the nodes they belong to, by index.
struct World {
    daemon: Daemon,
    fleet: Fleet,
    nodes: Vec<String>,
}

impl World {
    fn new() -> Self {
        let settings = |_| ipmi::Settings { log_max: 0, ..ipmi::Settings::default() };
        let fleet = Fleet::start(BMCS, Place::Any([127, 0, 0, 1].into()), settings).unwrap();
        let daemon = Daemon::start_with(|settings| {
            settings.conductor = vec![
                "sync_power_state_interval = 3".to_owned(),
                "power_failure_recovery_interval = 3".to_owned(),
                "power_state_sync_max_retries = 1".to_owned(),
                "force_power_state_during_sync = false".to_owned(),
            ];
            settings.database = Some("sqlite::memory:".to_owned());
            settings.tables = "[ipmi]\nmin_command_interval = 0\n".to_owned();
        });
        let mut world = Self { daemon, fleet, nodes: Vec::new() };
        world.nodes = world.enroll();
        world
    }

    /// Enrolls a node for each BMC and brings it under control.
    fn enroll(&self) -> Vec<String> {
        let enroll = |index: usize| {
            let address = self.fleet.bmcs[index].address();
            let info = json!({
                "ipmi_address": address.ip().to_string(), "ipmi_port": address.port(),
                "ipmi_username": ipmi::USER, "ipmi_password": ipmi::PASSWORD,
            });
            let node = self.daemon.enroll(&format!("bmc-{index}"), "ipmi", &info);
            let path = format!("/v1/nodes/{node}/states/provision");
            // The pool may be full at the moment.
            wait_for("a place for another job", PATIENCE, || {
                let answer = self.daemon.send("PUT", &path, &json!({"target": "manage"}));
                assert!([202, 503].contains(&answer.status), "{}", answer.json());
                (answer.status == 202).then_some(())
            })
            .unwrap();
            node
        };
        let nodes = thread::scope(|scope| {
            let enroll = &enroll;
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let indexes = (client..BMCS).step_by(CLIENTS);
                    scope.spawn(move || {
                        indexes.map(|index| (index, enroll(index))).collect::<BTreeMap<_, _>>()
                    })
                })
                .collect();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<BTreeMap<_, _>>()
        });
        for index in 0..BMCS {
            self.daemon.wait_for_node(&nodes[&index], "it is manageable", |node| {
                node["provision_state"] == "manageable" && node["reservation"].is_null()
            });
        }
        nodes.into_values().collect()
    }

    /// What the daemon has told so far, and of which BMC, in its order.
    fn told(&mut self) -> Vec<(&'static str, usize)> {
        let text = fs::read_to_string(self.daemon.farrierd().process().log()).unwrap();
        let index_of: BTreeMap<&str, usize> =
            self.nodes.iter().enumerate().map(|(index, node)| (node.as_str(), index)).collect();
        let of_line = |line: &str| {
            let what =
                [CORRECTED, UNREADABLE, GIVEN_UP, BACK].into_iter().find(|what| line.contains(what))?;
            let record: Value = serde_json::from_str(line).ok()?;
            Some((what, *index_of.get(record["fields"]["node"].as_str()?)?))
        };
        text.lines().filter_map(of_line).collect()
    }

    /// Waits until it has told something of all these BMCs.
    fn wait_until_told(&mut self, what: &'static str, wanted: &BTreeSet<usize>) {
        // A pass takes as long as a dead one is waited for, which is a minute, and three may be needed.
        wait_for(what, PATIENCE * 6, || {
            let told = self.told();
            let of: BTreeSet<_> =
                told.iter().filter(|(told, _)| *told == what).map(|(_, index)| *index).collect();
            wanted.is_subset(&of).then_some(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    }

    /// All nodes as they are recorded, by index.
    fn recorded(&self) -> BTreeMap<usize, Value> {
        let fields = "name,power_state,maintenance,maintenance_reason,fault,last_error";
        let list = self.daemon.get(&format!("/v1/nodes?limit={BMCS}&fields={fields}")).json();
        let nodes = list["nodes"].as_array().unwrap();
        nodes
            .iter()
            .map(|node| {
                let (_, index) = node["name"].as_str().unwrap().split_once('-').unwrap();
                (index.parse().unwrap(), node.clone())
            })
            .collect()
    }
}

fn all(is_wanted: impl Fn(usize) -> bool) -> BTreeSet<usize> {
    (0..BMCS).filter(|index| is_wanted(*index)).collect()
}

#[test]
fn a_hundred_of_a_thousand_bmcs_die_and_nobody_else_waits_for_them() {
    let mut world = World::new();
    assert_eq!(world.told(), []);

    for index in all(dies) {
        let mut state = world.fleet.bmcs[index].state();
        state.trouble.deaf = true;
        // Nobody can close a session there, and it would outlive this test.
        state.forget_sessions();
    }
    for index in all(is_switched) {
        world.fleet.bmcs[index].set_power(true);
    }
    let live_and_switched = all(|index| is_switched(index) && !dies(index));
    world.wait_until_told(CORRECTED, &live_and_switched);
    world.wait_until_told(GIVEN_UP, &all(dies));
    // It is told before it is recorded.
    wait_for("it is recorded", PATIENCE, || {
        let recorded = world.recorded();
        let count = |is_so: fn(&Value) -> bool| recorded.values().filter(|node| is_so(node)).count();
        let (dead, on) =
            (count(|node| node["maintenance"] == true), count(|node| node["power_state"] == "power on"));
        (dead == all(dies).len() && on == live_and_switched.len()).then_some(())
    })
    .unwrap();

    // In each pass the records of all live machines are put right before the first dead one is found out. A pass that
    // was under way when they were switched leaves some to the next.
    let told = world.told();
    let passes = told.chunk_by(|(before, _), (after, _)| (*before == CORRECTED) == (*after == CORRECTED));
    let corrections = passes.filter(|run| run.iter().all(|(what, _)| *what == CORRECTED)).count();
    assert!(corrections <= 2, "live machines waited for dead ones: {told:?}");
    // And nobody waits longer than that.
    let first_given_up = told.iter().position(|(what, _)| *what == GIVEN_UP).unwrap();
    let before = told[..first_given_up].iter().filter(|(what, _)| *what == CORRECTED);
    assert_eq!(before.map(|(_, index)| *index).collect::<BTreeSet<_>>(), live_and_switched);
    // Each dead one was counted as failed once before it was given up, and no other was counted.
    for what in [UNREADABLE, GIVEN_UP] {
        let mut of: Vec<_> = told.iter().filter(|(told, _)| *told == what).map(|(_, index)| *index).collect();
        of.sort_unstable();
        assert_eq!(of, all(dies).into_iter().collect::<Vec<_>>(), "{what}");
    }
    for (index, node) in world.recorded() {
        let (state, fault) = match (dies(index), is_switched(index)) {
            (true, _) => (Value::Null, json!("power failure")),
            (false, true) => (json!("power on"), Value::Null),
            (false, false) => (json!("power off"), Value::Null),
        };
        assert_eq!((&node["power_state"], &node["fault"]), (&state, &fault), "{node}");
        assert_eq!(node["maintenance"], dies(index), "{node}");
        let reason = node["maintenance_reason"].as_str().unwrap_or_default();
        assert_eq!(reason.contains("max retries exceeded"), dies(index), "{node}");
        let address = world.fleet.bmcs[index].address().to_string();
        assert_eq!(reason.contains(&address), dies(index), "{node}");
    }

    for index in all(dies) {
        world.fleet.bmcs[index].state().trouble.deaf = false;
    }
    world.wait_until_told(BACK, &all(dies));
    for (index, node) in world.recorded() {
        let state = if is_switched(index) { "power on" } else { "power off" };
        assert_eq!((&node["power_state"], &node["fault"]), (&json!(state), &Value::Null), "{node}");
        assert_eq!(node["maintenance"], false, "{node}");
    }

    assert!(world.daemon.farrierd().stop().unwrap().success());
    let sessions: usize = world.fleet.bmcs.iter().map(ipmi::Bmc::sessions).sum();
    assert_eq!(sessions, 0);
}

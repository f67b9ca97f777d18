//! Steps that a BMC takes its time for, and conductors that are killed in the middle of them: what was asked for is not
//! asked for again, and the steps end as if nothing had been.

use farrier_sim::mockup::Mockup;
use farrier_sim::wait::wait_for;
use serde_json::{Value, json};

use super::redfish::{Machine, daemon};
use crate::harness::{Daemon, PATIENCE};

/// A machine takes its time to be switched, and a BMC for an update.
const HABITS: [&str; 4] = ["--power-delay", "2", "--task-seconds", "6"];

/// A daemon and the first machine that keeps settings for its next start and updates itself from a URL.
struct World {
    daemon: Daemon,
    machine: Machine,
}

impl World {
    fn new() -> Self {
        let (daemon, is_fit) = (daemon(), |mockup: &Mockup| {
            let get = |path: &str| mockup.request("GET", path, None).unwrap().json();
            let system = get("/redfish/v1/Systems")["Members"][0]["@odata.id"].clone();
            let bios = get(system.as_str().unwrap())["Bios"]["@odata.id"].clone();
            let settings = bios.as_str().map(|path| get(path)["@Redfish.Settings"]["SettingsObject"].clone());
            let service = get("/redfish/v1/UpdateService");
            settings.is_some_and(|settings| settings.is_object())
                && service["Actions"]["#UpdateService.SimpleUpdate"].is_object()
        });
        for name in Mockup::names().unwrap() {
            let room = tempfile::tempdir().unwrap();
            let mockup = Mockup::start(&name, room.path(), &HABITS).unwrap();
            if is_fit(&mockup) {
                let machine = Machine::enroll_mockup(&daemon, &name, mockup, room);
                let world = Self { daemon, machine };
                world.provision(&json!({"target": "manage"}));
                world.arrived("manageable");
                return world;
            }
        }
        panic!("no BMC of the labs does what is needed here");
    }

    fn bios(&self) -> Value {
        let path = self.machine.shown()["Bios"]["@odata.id"].clone();
        let path = path.as_str().unwrap_or("/redfish/v1/none").to_owned();
        self.machine.mockup.request("GET", &path, None).unwrap().json()
    }

    fn provision(&self, request: &Value) {
        let answer = self.daemon.send("PUT", &self.machine.path("/states/provision"), request);
        assert_eq!(answer.status, 202, "{}", answer.json());
    }

    fn clean(&self, step: &Value) {
        self.provision(&json!({"target": "clean", "clean_steps": [step], "disable_ramdisk": true}));
    }

    /// The node once it is in `state` and nobody works on it.
    fn arrived(&self, state: &str) -> Value {
        self.daemon.wait_for_node(&self.machine.node, &format!("it is in `{state}`"), |node| {
            assert!(!node["provision_state"].as_str().unwrap().ends_with("failed"), "{}", node["last_error"]);
            node["provision_state"] == state && node["reservation"].is_null()
        })
    }

    /// How often the BMC was asked for something.
    fn asked(&self, method: &str, end: &str) -> usize {
        let log = self.machine.mockup.request("GET", "/__lab/log", None).unwrap().json();
        let of = |asked: &&Value| {
            asked[0] == method
                && asked[1].as_str().is_some_and(|path| path.trim_end_matches('/').ends_with(end))
        };
        log.as_array().unwrap().iter().filter(of).count()
    }

    /// Kills the daemon as soon as the BMC was asked so often, and starts it again. If this comes late, it is killed in
    /// what comes next, and the end has to be the same.
    fn kill_when_asked(&mut self, method: &str, end: &str, count: usize) {
        wait_for(&format!("{method} {end} for time {count}"), PATIENCE, || {
            (self.asked(method, end) >= count).then_some(())
        })
        .unwrap_or_else(|error| panic!("{error}: {}", self.daemon.get(&self.machine.path("")).json()));
        self.daemon.crash_and_restart();
    }
}

#[test]
fn bios_settings_are_applied_by_one_start_although_the_daemon_is_killed_twice_in_it() {
    let mut world = World::new();
    let bios = world.bios();
    let on = bios["Attributes"].as_object().unwrap().iter().filter(|(_, value)| **value == "Enabled");
    let name = on.map(|(name, _)| name.clone()).next_back().unwrap();
    let settings = json!([{"name": name, "value": "Disabled"}]);
    world.clean(&json!({"interface": "bios", "step": "apply_configuration", "args": {"settings": settings}}));

    // Once while the machine is going off, once while it is coming up.
    world.kill_when_asked("POST", "ComputerSystem.Reset", 1);
    world.kill_when_asked("POST", "ComputerSystem.Reset", 2);

    let node = world.arrived("manageable");
    assert_eq!((&node["last_error"], &node["clean_step"]), (&Value::Null, &json!({})));
    assert_eq!(world.bios()["Attributes"][&name], "Disabled");
    let settings = bios["@Redfish.Settings"]["SettingsObject"]["@odata.id"].as_str().unwrap();
    assert_eq!(world.asked("PATCH", settings.trim_end_matches('/')), 1);
    assert_eq!(world.asked("POST", "ComputerSystem.Reset"), 2, "once off, once on");
    assert_eq!(world.machine.shown()["PowerState"], "On");
    assert!(node["driver_internal_info"]["redfish_bios"].is_null(), "{}", node["driver_internal_info"]);
}

#[test]
fn firmware_is_updated_once_although_the_daemon_is_killed_in_each_update() {
    let mut world = World::new();
    let image =
        |name: &str| json!({"component": name, "url": format!("https://images.example.com/{name}.bin")});
    let settings = json!([image("bios"), image("bmc")]);
    world.clean(&json!({"interface": "firmware", "step": "update", "args": {"settings": settings}}));

    // While the machine is going off for the first update, then while the second is under way.
    world.kill_when_asked("POST", "ComputerSystem.Reset", 1);
    world.daemon.wait_for_node(&world.machine.node, "the second update is under way", |node| {
        let progress = &node["driver_internal_info"]["redfish_fw_updates"];
        // Who looks late sees that it is over.
        progress.is_null() || (progress["done"] == 1 && progress["stage"]["running"]["monitor"].is_string())
    });
    world.kill_when_asked("POST", "UpdateService.SimpleUpdate", 2);

    let node = world.arrived("manageable");
    assert_eq!((&node["last_error"], &node["clean_step"]), (&Value::Null, &json!({})));
    assert_eq!(world.asked("POST", "UpdateService.SimpleUpdate"), 2, "one for each image");
    assert_eq!(
        world.asked("POST", "ComputerSystem.Reset"),
        2,
        "off and on for the first, none for the second"
    );
    assert_eq!(world.machine.shown()["PowerState"], "On");
    assert!(node["driver_internal_info"]["redfish_fw_updates"].is_null(), "{}", node["driver_internal_info"]);
}

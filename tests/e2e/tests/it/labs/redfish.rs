//! Every vendor's BMC of the labs, through the loaded plugin and the API: nothing here knows one by its name.

use farrier_sim::mockup::{Mockup, PASSWORD, USER};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::Daemon;

const IMAGE: &str = "http://images.example.com/a.iso";

/// Everything the redfish driver has, enabled.
const ENABLED: [(&str, &str); 6] = [
    ("bios", "redfish"),
    ("boot", "redfish-virtual-media"),
    ("firmware", "redfish"),
    ("inspect", "redfish"),
    ("vendor", "redfish"),
    ("deploy", "noop"),
];

/// A daemon with all of that, which waits for nothing longer than it has to.
pub(super) fn daemon() -> Daemon {
    daemon_with(&[])
}

/// The same with these lines in the table of the conductor.
fn daemon_with(conductor: &[&str]) -> Daemon {
    Daemon::start_with(|settings| {
        settings.conductor.extend(conductor.iter().map(|line| (*line).to_owned()));
        settings.hardware_types = vec!["redfish".to_owned()];
        settings.drivers =
            ENABLED.map(|(kind, name)| format!("enabled_{kind}_interfaces = [\"{name}\"]")).to_vec();
        // What is waited for shows at once here.
        settings.tables = "[redfish]\npoll_interval = 0.05\nrestart_settle_time = 0\n\
            firmware_update_validation_interval = 0.05\nfirmware_update_status_interval = 0.05\n\
            firmware_update_reboot_delay = 0\nbios_config_interval = 0.05\n"
            .to_owned();
    })
}

/// A BMC and its node.
pub(super) struct Machine {
    pub(super) mockup: Mockup,
    name: String,
    pub(super) node: String,
    system: Value,
    _room: TempDir,
}

impl Machine {
    fn enroll(daemon: &Daemon, name: &str) -> Self {
        let room = tempfile::tempdir().unwrap();
        let mockup = Mockup::start(name, room.path(), &[]).unwrap();
        Self::enroll_mockup(daemon, name, mockup, room)
    }

    /// Enrolls a BMC whose files are in `room`.
    pub(super) fn enroll_mockup(daemon: &Daemon, name: &str, mockup: Mockup, room: TempDir) -> Self {
        // A chassis of several machines: the node names one that can be switched.
        let systems = mockup.request("GET", "/redfish/v1/Systems", None).unwrap().json();
        let paths = systems["Members"].as_array().unwrap().iter().map(|member| member["@odata.id"].clone());
        let can_reset = |path: &Value| {
            let system = mockup.request("GET", path.as_str().unwrap(), None).unwrap().json();
            system["Actions"]["#ComputerSystem.Reset"].is_object()
        };
        let several: Vec<Value> = paths.filter(can_reset).collect();
        let system = several.last().unwrap().clone();
        let mut info =
            json!({"redfish_address": mockup.url(), "redfish_username": USER, "redfish_password": PASSWORD});
        if several.len() > 1 {
            info["redfish_system_id"] = system.clone();
        }
        let node = daemon.enroll(name.trim_end_matches(".json"), "redfish", &info);
        Self { mockup, name: name.to_owned(), node, system, _room: room }
    }

    /// Its System as the BMC shows it.
    pub(super) fn shown(&self) -> Value {
        self.mockup.request("GET", self.system.as_str().unwrap(), None).unwrap().json()
    }

    /// Brings its node under control.
    fn manage(&self, daemon: &Daemon) -> Value {
        let managed = daemon.send("PUT", &self.path("/states/provision"), &json!({"target": "manage"}));
        assert_eq!(managed.status, 202, "{}: {}", self.name, managed.json());
        daemon.wait_for_node(&self.node, "it is managed", |node| {
            node["provision_state"] == "manageable" && node["reservation"].is_null()
        })
    }

    /// The path of its node, or of something below it.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/v1/nodes/{}{rest}", self.node)
    }
}

/// Runs a claim on every BMC with one daemon.
fn each(claim: impl Fn(&Daemon, &Machine)) {
    let daemon = daemon();
    let names = Mockup::names().unwrap();
    assert!(names.len() >= 9, "{names:?}");
    for name in names {
        claim(&daemon, &Machine::enroll(&daemon, &name));
    }
}

#[test]
fn every_machine_is_managed_validated_and_switched() {
    each(|daemon, machine| {
        let (name, node) = (&machine.name, &machine.node);
        machine.manage(daemon);
        let validated = daemon.get(&machine.path("/validate")).json();
        for kind in ["power", "management", "boot", "bios", "firmware", "inspect"] {
            assert_eq!(validated[kind]["result"], true, "{name}: {kind}: {validated}");
        }
        assert_eq!(daemon.power(node, "power off")["power_state"], "power off", "{name}");
        assert_eq!(machine.shown()["PowerState"], "Off", "{name}");
        assert_eq!(daemon.power(node, "power on")["power_state"], "power on", "{name}");
        let rebooted = daemon.power(node, "rebooting");
        assert_eq!(
            (&rebooted["power_state"], &rebooted["last_error"]),
            (&json!("power on"), &Value::Null),
            "{name}"
        );
        assert_eq!(machine.shown()["PowerState"], "On", "{name}");
    });
}

#[test]
fn every_machine_gets_its_boot_device_once_and_from_then_on() {
    each(|daemon, machine| {
        let (name, path) = (&machine.name, machine.path("/management/boot_device"));
        for persistent in [false, true] {
            let set = daemon.send("PUT", &path, &json!({"boot_device": "pxe", "persistent": persistent}));
            assert_eq!(set.status, 204, "{name}: {}", set.json());
            let shown = daemon.get(&path).json();
            assert_eq!(
                (&shown["boot_device"], &shown["persistent"]),
                (&json!("pxe"), &json!(persistent)),
                "{name}"
            );
        }
        let refused = daemon.send("PUT", &path, &json!({"boot_device": "toaster"}));
        assert_eq!(refused.status, 400, "{name}: {}", refused.json());
    });
}

#[test]
fn every_machine_with_virtual_media_takes_an_image_and_gives_it_back() {
    each(|daemon, machine| {
        let (name, path) = (&machine.name, machine.path("/vmedia"));
        let held = || {
            let slots = daemon.get(&path).json();
            let slots = slots.as_array().cloned().unwrap_or_default();
            slots.iter().filter(|slot| slot["image"] == IMAGE).count()
        };
        let before = daemon.get(&path);
        if before.status != 200 {
            assert_eq!(before.status, 400, "{name}: {}", before.json());
            return;
        }
        let free = |what: &str, images: usize| {
            daemon.wait_for_node(&machine.node, what, |node| {
                assert_eq!(node["last_error"], Value::Null, "{name}");
                node["reservation"].is_null() && held() == images
            })
        };
        let emptied = daemon.request("DELETE", &format!("{path}?device_types=cdrom"));
        assert_eq!(emptied.status, 204, "{name}: {}", emptied.json());
        free("its drive is empty", 0);
        let attached = daemon.send("POST", &path, &json!({"device_type": "cdrom", "image_url": IMAGE}));
        assert_eq!(attached.status, 204, "{name}: {}", attached.json());
        free("its drive is full", 1);
        daemon.request("DELETE", &format!("{path}?device_types=cdrom"));
        free("its drive is empty again", 0);
    });
}

#[test]
fn every_machine_is_inspected_or_says_what_it_does_not_tell() {
    each(|daemon, machine| {
        let name = &machine.name;
        for target in ["manage", "inspect"] {
            let asked = daemon.send("PUT", &machine.path("/states/provision"), &json!({"target": target}));
            assert_eq!(asked.status, 202, "{name}: {}", asked.json());
            daemon.wait_for_node(&machine.node, "it has arrived", |node| {
                node["reservation"].is_null()
                    && node["provision_state"]
                        .as_str()
                        .is_some_and(|state| ["manageable", "inspect failed"].contains(&state))
            });
        }
        let node = daemon.get(&machine.path("")).json();
        if node["provision_state"] == "inspect failed" {
            assert!(
                node["last_error"].as_str().unwrap().contains("does not tell"),
                "{name}: {}",
                node["last_error"]
            );
            return;
        }
        for essential in ["memory_mb", "cpu_arch", "local_gb"] {
            assert!(!node["properties"][essential].is_null(), "{name}: {}", node["properties"]);
        }
        let inventory = daemon.get(&machine.path("/inventory")).json()["inventory"].clone();
        let found = inventory["interfaces"].as_array().unwrap().len();
        let ports =
            daemon.get(&format!("/v1/ports?node={}", machine.node)).json()["ports"].as_array().unwrap().len();
        assert_eq!(ports, found, "{name}: {}", inventory["interfaces"]);
    });
}

#[test]
fn every_machine_with_a_boot_mode_is_put_into_the_other() {
    each(|daemon, machine| {
        let (name, shown) = (&machine.name, || machine.shown()["Boot"]["BootSourceOverrideMode"].clone());
        machine.manage(daemon);
        let is_uefi = shown() != "Legacy";
        let (wanted, theirs) = if is_uefi { ("bios", "Legacy") } else { ("uefi", "UEFI") };
        let (has_mode, power) = (shown().is_string(), machine.shown()["PowerState"].clone());

        let asked = daemon.send("PUT", &machine.path("/states/boot_mode"), &json!({"target": wanted}));
        assert_eq!(asked.status, 202, "{name}: {}", asked.json());
        let node = daemon.wait_for_node(&machine.node, "its boot mode is settled", |node| {
            node["reservation"].is_null() && (node["boot_mode"] == wanted || node["last_error"].is_string())
        });

        if has_mode {
            assert_eq!((&node["last_error"], shown()), (&Value::Null, json!(theirs)), "{name}");
        } else if let Some(error) = node["last_error"].as_str() {
            assert!(error.contains("boot mode"), "{name}: {error}");
        }
        assert_eq!(machine.shown()["PowerState"], power, "{name}");
    });
}

#[test]
fn every_machine_tells_how_it_is() {
    let daemon = daemon_with(&["sync_power_state_interval = 1"]);
    // All of them live to the end: nobody is looked at in vain meanwhile.
    let names = Mockup::names().unwrap();
    let machines: Vec<Machine> = names.iter().map(|name| Machine::enroll(&daemon, name)).collect();
    for health in ["OK", "Critical"] {
        for machine in &machines {
            let change = json!({"path": machine.system, "merge": {"Status": {"Health": health}}});
            let changed = machine.mockup.request("PATCH", "/__lab/resource", Some(&change)).unwrap();
            assert!(changed.status < 300, "{}", machine.name);
            if health == "OK" {
                machine.manage(&daemon);
            }
        }
        for machine in &machines {
            daemon.wait_for_node(&machine.node, "its health is known", |node| node["health"] == health);
        }
    }
}

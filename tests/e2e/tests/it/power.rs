//! Power and boot device of real BMC simulators, through the loaded plugins and the API.

use std::time::Duration;

use farrier_sim::ipmi_sim::{self, IpmiSim};
use farrier_sim::sushy::{self, Sushy};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::Daemon;

/// An IPMI machine, off, and its node.
fn ipmi_node(daemon: &Daemon) -> (IpmiSim, TempDir, String) {
    let room = tempfile::tempdir().unwrap();
    let sim = IpmiSim::start(room.path()).unwrap();
    let node = daemon.enroll("ipmi-1", "ipmi", &ipmi_info(&sim));
    (sim, room, node)
}

fn ipmi_info(sim: &IpmiSim) -> Value {
    json!({
        "ipmi_address": sim.address().ip().to_string(),
        "ipmi_port": sim.address().port(),
        "ipmi_username": ipmi_sim::USER,
        "ipmi_password": ipmi_sim::PASSWORD,
    })
}

/// A Redfish machine, off, and its node.
fn redfish_node(daemon: &Daemon) -> (Sushy, TempDir, String) {
    let room = tempfile::tempdir().unwrap();
    let sushy = Sushy::start(room.path(), Duration::ZERO).unwrap();
    let node = daemon.enroll(
        "redfish-1",
        "redfish",
        &json!({
            "redfish_address": format!("http://{}", sushy.address()),
            "redfish_username": sushy::USER,
            "redfish_password": sushy::PASSWORD,
        }),
    );
    (sushy, room, node)
}

#[test]
fn an_ipmi_machine_is_switched_on_rebooted_and_off() {
    let daemon = Daemon::start();
    let (sim, _room, node) = ipmi_node(&daemon);
    assert!(!sim.is_on());

    assert_eq!(daemon.power(&node, "power on")["power_state"], "power on");
    assert!(sim.is_on());

    let rebooted = daemon.power(&node, "rebooting");
    assert_eq!((&rebooted["power_state"], &rebooted["last_error"]), (&json!("power on"), &Value::Null));
    assert!(sim.is_on());

    assert_eq!(daemon.power(&node, "soft power off")["power_state"], "power off");
    assert!(!sim.is_on());
}

#[test]
fn an_ipmi_machine_gets_its_boot_device() {
    let daemon = Daemon::start();
    let (sim, _room, node) = ipmi_node(&daemon);
    let path = format!("/v1/nodes/{node}/management/boot_device");

    let set = daemon.send("PUT", &path, &json!({"boot_device": "pxe", "persistent": false}));

    assert_eq!(set.status, 204, "{}", set.json());
    assert_eq!(sim.boot_device(), "pxe");
    let supported = daemon.get(&format!("{path}/supported")).json();
    assert!(supported["supported_boot_devices"].as_array().unwrap().contains(&json!("cdrom")), "{supported}");
    let refused = daemon.send("PUT", &path, &json!({"boot_device": "toaster"}));
    assert_eq!(refused.status, 400, "{}", refused.json());
    assert_eq!(sim.boot_device(), "pxe");
}

#[test]
fn a_redfish_machine_is_switched_on_rebooted_and_off() {
    let daemon = Daemon::start();
    let (sushy, _room, node) = redfish_node(&daemon);
    daemon.power(&node, "power off");
    assert!(!sushy.is_on().unwrap());

    assert_eq!(daemon.power(&node, "power on")["power_state"], "power on");
    assert!(sushy.is_on().unwrap());

    let rebooted = daemon.power(&node, "rebooting");
    assert_eq!((&rebooted["power_state"], &rebooted["last_error"]), (&json!("power on"), &Value::Null));

    assert_eq!(daemon.power(&node, "power off")["power_state"], "power off");
    assert!(!sushy.is_on().unwrap());
}

#[test]
fn a_redfish_machine_gets_its_boot_device() {
    let daemon = Daemon::start();
    let (sushy, _room, node) = redfish_node(&daemon);
    let path = format!("/v1/nodes/{node}/management/boot_device");

    let set = daemon.send("PUT", &path, &json!({"boot_device": "cdrom", "persistent": true}));

    assert_eq!(set.status, 204, "{}", set.json());
    assert_eq!(sushy.system().unwrap()["Boot"]["BootSourceOverrideTarget"], "Cd");
    assert_eq!(daemon.get(&path).json()["boot_device"], "cdrom");
}

#[test]
fn a_silent_bmc_costs_an_error_that_names_it_and_leaves_no_lock() {
    let daemon =
        Daemon::start_with(|settings| settings.tables = "[ipmi]\ncommand_retry_timeout = 3\n".to_owned());
    let (mut sim, _room, node) = ipmi_node(&daemon);
    sim.go_deaf().unwrap();

    let failed = daemon.power(&node, "power on");

    let error = failed["last_error"].as_str().unwrap();
    assert!(error.contains(&sim.address().to_string()), "{error}");
    assert!(!error.contains(ipmi_sim::PASSWORD), "{error}");
    assert_eq!((&failed["reservation"], &failed["target_power_state"]), (&Value::Null, &Value::Null));
    sim.hear_again().unwrap();
    assert_eq!(daemon.power(&node, "power on")["power_state"], "power on");
}

#[test]
fn a_missing_address_is_named_before_anything_happens() {
    let daemon = Daemon::start();
    let node = daemon.enroll("nowhere", "ipmi", &json!({}));

    let refused =
        daemon.send("PUT", &format!("/v1/nodes/{node}/states/power"), &json!({"target": "power on"}));

    assert_eq!(refused.status, 400, "{}", refused.json());
    assert!(refused.json().to_string().contains("ipmi_address"), "{}", refused.json());
    let validation = daemon.get(&format!("/v1/nodes/{node}/validate")).json();
    assert_eq!(validation["power"]["result"], false);
    assert!(validation["power"]["reason"].as_str().unwrap().contains("ipmi_address"), "{validation}");
}

#[test]
fn a_secret_is_shown_to_nobody() {
    let daemon = Daemon::start();
    let (_sim, _room, node) = ipmi_node(&daemon);

    let shown = daemon.get(&format!("/v1/nodes/{node}")).json();

    assert_eq!(shown["driver_info"]["ipmi_password"], "******");
    assert_eq!(shown["driver_info"]["ipmi_username"], ipmi_sim::USER);
}

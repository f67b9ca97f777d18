//! Deployments of images through virtual media: machines that boot them, and what goes wrong on the way.

mod machine;
mod trouble;

use std::fs;
use std::path::Path;
use std::time::Duration;

use farrier_sim::boot_iso;
use serde_json::{Value, json};

use crate::harness::{Daemon, PATIENCE};

/// Starts a daemon for Redfish nodes that boot images; `tables` is the end of its configuration.
fn daemon(tables: &str) -> Daemon {
    Daemon::start_with(|settings| {
        settings.hardware_types = vec!["redfish".to_owned()];
        settings.drivers = vec![
            "enabled_boot_interfaces = [\"redfish-virtual-media\"]".to_owned(),
            "enabled_deploy_interfaces = [\"ramdisk\"]".to_owned(),
        ];
        settings.tables = tables.to_owned();
    })
}

/// A directory of images with one in it, called `boot.iso`.
fn images(room: &Path, marker: &str) -> std::path::PathBuf {
    let images = room.join("images");
    fs::create_dir(&images).unwrap();
    boot_iso::write(&images.join("boot.iso"), marker).unwrap();
    images
}

/// Asks for a verb and waits until the node is free again in a state.
fn moves_to(daemon: &Daemon, state: &str, verb: &str) -> Value {
    ask(daemon, verb);
    arrived(daemon, state)
}

/// Asks for a verb.
fn ask(daemon: &Daemon, verb: &str) {
    let response = daemon.send("PUT", "/v1/nodes/n1/states/provision", &json!({ "target": verb }));
    assert_eq!(response.status, 202, "{}", response.json());
}

fn arrived(daemon: &Daemon, state: &str) -> Value {
    arrived_within(daemon, state, PATIENCE)
}

fn arrived_within(daemon: &Daemon, state: &str, patience: Duration) -> Value {
    daemon.wait_long_for_node("n1", &format!("it is in `{state}`"), patience, |node| {
        node["provision_state"] == state && node["reservation"].is_null()
    })
}

/// A node `n1` with this BMC, available.
fn available(daemon: &Daemon, driver_info: &Value) {
    daemon.enroll("n1", "redfish", driver_info);
    moves_to(daemon, "manageable", "manage");
    moves_to(daemon, "available", "provide");
}

/// Nothing of the instance is left on a node.
fn assert_empty(node: &Value) {
    assert_eq!((&node["instance_info"], &node["last_error"]), (&json!({}), &Value::Null), "{node:#}");
    assert_eq!(node["power_state"], "power off", "{node:#}");
}

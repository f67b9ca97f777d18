//! Deployments of images through virtual media: machines that boot them, and what goes wrong on the way.

mod machine;
mod trouble;

use std::fs;
use std::path::Path;

use farrier_sim::boot_iso;
use serde_json::{Value, json};

use crate::harness::Daemon;

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

/// Runs `baremetal node VERB n1` and waits until the node is free again in a state.
fn moves_to(daemon: &Daemon, state: &str, verb: &str) -> Value {
    ask(daemon, verb);
    arrived(daemon, state)
}

/// Runs `baremetal node VERB n1`.
fn ask(daemon: &Daemon, verb: &str) {
    baremetal(daemon, &["node", verb, "n1"]);
}

fn arrived(daemon: &Daemon, state: &str) -> Value {
    daemon.wait_for_node("n1", &format!("it is in `{state}`"), |node| {
        node["provision_state"] == state && node["reservation"].is_null()
    })
}

/// Runs a command of the client that must succeed.
fn baremetal(daemon: &Daemon, arguments: &[&str]) {
    let output = daemon.baremetal(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "baremetal {}: {error}", arguments.join(" "));
}

/// A node `n1` with this BMC, available and with this image.
fn available(daemon: &Daemon, driver_info: &Value, boot_iso: &str) {
    daemon.enroll("n1", "redfish", driver_info);
    moves_to(daemon, "manageable", "manage");
    moves_to(daemon, "available", "provide");
    baremetal(daemon, &["node", "set", "n1", "--instance-info", &format!("boot_iso={boot_iso}")]);
}

/// Nothing of the instance is left on a node.
fn assert_empty(node: &Value) {
    assert_eq!((&node["instance_info"], &node["last_error"]), (&json!({}), &Value::Null), "{node:#}");
    assert_eq!(node["power_state"], "power off", "{node:#}");
}

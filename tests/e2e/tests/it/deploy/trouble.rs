//! What goes wrong: an image nobody can fetch, a machine that does not start, a conductor and a BMC that die.

use std::time::Duration;

use farrier_sim::files::FileServer;
use farrier_sim::sushy::{self, Sushy};
use farrier_sim::wait::wait_for;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{arrived, ask, assert_empty, available, daemon, images, moves_to};
use crate::harness::{Daemon, PATIENCE};

/// A driver that gives up soon on a BMC that does not answer; one that does has longer than a busy machine needs.
const SILENCE_IS_SHORT: &str = "[redfish]\nread_timeout = 8\nconnection_attempts = 1\n";

/// A driver that gives up soon on a machine that does not start.
const START_IS_SHORT: &str = "[redfish]\npower_state_change_timeout = 3\n";

/// A machine in the memory of its BMC, and where its images are.
struct Place {
    sushy: Sushy,
    files: FileServer,
    _room: TempDir,
}

impl Place {
    /// The machine needs `power_delay` to change its power.
    fn new(power_delay: Duration) -> Self {
        let room = tempfile::tempdir().unwrap();
        let files = FileServer::start(&images(room.path(), "trouble")).unwrap();
        let sushy = Sushy::start(room.path(), power_delay).unwrap();
        Self { sushy, files, _room: room }
    }

    fn driver_info(&self) -> Value {
        json!({
            "redfish_address": format!("http://{}", self.sushy.address()),
            "redfish_system_id": sushy::SYSTEM,
            "redfish_username": sushy::USER,
            "redfish_password": sushy::PASSWORD,
            "redfish_auth_type": "basic",
        })
    }

    /// An available node of this machine, with an image.
    fn node(&self, daemon: &Daemon, file: &str) {
        available(daemon, &self.driver_info());
        let image = json!([{"op": "add", "path": "/instance_info/boot_iso", "value": self.files.url(file)}]);
        assert_eq!(daemon.send("PATCH", "/v1/nodes/n1", &image).status, 200);
    }

    /// Undeploys the node: its drive is empty and the machine off.
    fn is_given_back(&self, daemon: &Daemon) {
        assert_empty(&moves_to(daemon, "available", "undeploy"));
        assert_eq!(self.sushy.medium().unwrap(), None);
        assert!(!self.sushy.is_on().unwrap());
    }
}

fn last_error(node: &Value) -> &str {
    node["last_error"].as_str().unwrap_or_default()
}

#[test]
fn an_image_that_the_bmc_can_not_fetch_ends_in_deploy_failed() {
    let place = Place::new(Duration::ZERO);
    let daemon = daemon("");
    place.node(&daemon, "nothing.iso");

    let failed = moves_to(&daemon, "deploy failed", "deploy");

    assert!(last_error(&failed).contains("deploy.deploy"), "{}", last_error(&failed));
    assert!(last_error(&failed).contains("InsertMedia"), "{}", last_error(&failed));
    assert_eq!(failed["power_state"], "power off");
    assert!(!place.sushy.is_on().unwrap());
    place.is_given_back(&daemon);
}

#[test]
fn a_machine_that_does_not_start_ends_in_deploy_failed_with_an_empty_drive() {
    let place = Place::new(Duration::from_secs(3600));
    let daemon = daemon(START_IS_SHORT);
    place.node(&daemon, "boot.iso");

    let failed = moves_to(&daemon, "deploy failed", "deploy");

    assert!(last_error(&failed).contains("power on"), "{}", last_error(&failed));
    assert_eq!(place.sushy.medium().unwrap(), None);
    place.is_given_back(&daemon);
}

#[test]
fn a_conductor_that_is_killed_while_the_bmc_fetches_leaves_a_node_that_can_be_undeployed() {
    let place = Place::new(Duration::ZERO);
    let mut daemon = daemon("");
    place.node(&daemon, "boot.iso");
    place.files.hold(true);
    ask(&daemon, "deploy");
    wait_for("the BMC fetches", PATIENCE, || (0 < place.files.requests()).then_some(())).unwrap();

    daemon.crash_and_restart();

    let failed = arrived(&daemon, "deploy failed");
    assert!(last_error(&failed).contains("can't be resumed"), "{}", last_error(&failed));
    // What the dead conductor asked for happens all the same.
    place.files.hold(false);
    wait_for("the image is in", PATIENCE, || place.sushy.medium().unwrap()).unwrap();
    place.is_given_back(&daemon);
}

#[test]
fn a_node_whose_bmc_is_dead_ends_in_error_and_is_undeployed_when_it_is_back() {
    let mut place = Place::new(Duration::ZERO);
    let daemon = daemon(SILENCE_IS_SHORT);
    place.node(&daemon, "boot.iso");
    moves_to(&daemon, "active", "deploy");
    assert!(place.sushy.medium().unwrap().is_some());
    place.sushy.process().signal(Signal::STOP).unwrap();

    let failed = moves_to(&daemon, "error", "undeploy");

    assert!(last_error(&failed).contains("Failed to tear down"), "{}", last_error(&failed));
    place.sushy.process().signal(Signal::CONT).unwrap();
    assert!(place.sushy.medium().unwrap().is_some(), "the drive still has its image");
    place.is_given_back(&daemon);
}

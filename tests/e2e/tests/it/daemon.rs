//! The daemon as a process: it starts, says it is there, and ends when asked.

use crate::harness::Daemon;

#[test]
fn the_daemon_answers_and_ends_on_sigterm() {
    let mut daemon = Daemon::start();
    assert_eq!(daemon.get("/v1/").status, 200);

    let status = daemon.farrierd().stop().unwrap();

    assert!(status.success(), "{status}");
}

#[test]
fn the_baremetal_client_lists_the_drivers_of_all_plugins() {
    let daemon = Daemon::start();

    let output = daemon.baremetal(&["driver", "list", "-f", "value", "-c", "name"]);

    let text = String::from_utf8_lossy(&output.stdout);
    let mut drivers: Vec<&str> = text.lines().collect();
    drivers.sort_unstable();
    assert_eq!(drivers, ["fake-hardware", "ipmi", "redfish"], "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_node_survives_a_crash_of_the_daemon_without_its_lock() {
    let mut daemon = Daemon::start();
    let node = daemon.enroll("survivor", "fake-hardware", &serde_json::json!({}));
    assert_eq!(daemon.power(&node, "power on")["power_state"], "power on");

    daemon.crash_and_restart();

    assert_eq!(daemon.power(&node, "power off")["power_state"], "power off");
}

//! The daemon as a process: it starts, says it is there, and ends when asked.

use std::fs;

use farrier_sim::open_files;

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

#[test]
fn the_daemon_may_have_as_many_files_open_as_the_system_lets_it() {
    // Of this process, and so of the daemon; each test has a process of its own.
    open_files::lower_limit(256).unwrap();
    let mut daemon = Daemon::start();

    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.farrierd().process().id())).unwrap();

    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let [soft, hard] =
        line.split_whitespace().filter(|word| word.parse::<u64>().is_ok()).collect::<Vec<_>>()[..]
    else {
        panic!("{line}")
    };
    assert_eq!(soft, hard);
    assert_ne!(soft, "256");
}

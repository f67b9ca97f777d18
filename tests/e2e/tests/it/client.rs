//! The `baremetal` client, unchanged: everything an operator does with a node that needs no provisioning.

use serde_json::Value;

use crate::harness::Daemon;

/// Runs a command that must succeed; what it printed.
fn run(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = daemon.baremetal(arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "baremetal {}: {err}", arguments.join(" "));
    out.into_owned()
}

/// The same, printed as JSON.
fn json(daemon: &Daemon, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["-f", "json"]].concat();
    serde_json::from_str(&run(daemon, &arguments)).unwrap()
}

#[test]
fn the_baremetal_client_enrolls_drives_and_deletes_a_node() {
    let daemon = Daemon::start();
    let created = json(&daemon, &["node", "create", "--driver", "fake-hardware", "--name", "n1"]);
    assert_eq!(created["provision_state"], "enroll");

    assert_eq!(json(&daemon, &["node", "list"])[0]["name"], "n1");
    let validation = run(&daemon, &["node", "validate", "n1"]);
    assert!(validation.contains("power"), "{validation}");

    run(&daemon, &["node", "power", "on", "n1"]);
    daemon.wait_for_node("n1", "it is on", |node| node["power_state"] == "power on");
    run(&daemon, &["node", "reboot", "n1"]);
    run(&daemon, &["node", "power", "off", "n1"]);
    daemon.wait_for_node("n1", "it is off", |node| node["power_state"] == "power off");
    assert_eq!(json(&daemon, &["node", "show", "n1", "--fields", "power_state"])["power_state"], "power off");

    run(&daemon, &["node", "boot", "device", "set", "n1", "pxe"]);
    assert_eq!(json(&daemon, &["node", "boot", "device", "show", "n1"])["boot_device"], "pxe");
    run(&daemon, &["node", "set", "n1", "--driver-info", "a=1", "--extra", "rack=r12"]);
    assert_eq!(json(&daemon, &["node", "show", "n1", "--fields", "extra"])["extra"]["rack"], "r12");

    run(&daemon, &["port", "create", "--node", created["uuid"].as_str().unwrap(), "52:54:00:12:34:56"]);
    assert_eq!(json(&daemon, &["port", "list"])[0]["address"], "52:54:00:12:34:56");

    run(&daemon, &["node", "delete", "n1"]);
    assert_eq!(json(&daemon, &["node", "list"]), Value::Array(Vec::new()));
}

#[test]
fn the_baremetal_client_shows_errors_with_their_request() {
    let daemon = Daemon::start();

    let output = daemon.baremetal(&["node", "show", "nosuch"]);

    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(error.contains("nosuch") && error.contains("HTTP 404") && error.contains("req-"), "{error}");
}

#[test]
fn the_baremetal_client_lists_drivers_and_conductors() {
    let daemon = Daemon::start();

    let properties = json(&daemon, &["driver", "property", "list", "ipmi"]);
    let names: Vec<_> = properties.as_array().unwrap().iter().map(|row| row["property"].clone()).collect();
    assert!(names.contains(&"ipmi_address".into()), "{properties}");

    let conductors = json(&daemon, &["conductor", "list"]);
    assert_eq!(conductors[0]["alive"], true, "{conductors}");
    let driver = json(&daemon, &["driver", "show", "redfish"]);
    assert_eq!(driver["default_power_interface"], "redfish");
}

//! The `baremetal` client, unchanged: everything an operator does with a node.

use serde_json::{Value, json};

use crate::harness::Daemon;

/// Runs a command that must succeed; what it printed.
fn run(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = daemon.baremetal(arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "baremetal {}: {err}", arguments.join(" "));
    out.into_owned()
}

/// The same, printed as JSON.
fn printed(daemon: &Daemon, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["-f", "json"]].concat();
    serde_json::from_str(&run(daemon, &arguments)).unwrap()
}

/// Runs a command that must fail; what it complained.
fn refused(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = daemon.baremetal(arguments);
    assert!(!output.status.success(), "baremetal {} succeeds", arguments.join(" "));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs `baremetal node VERB n1 ...` and waits until the node is free again in a state.
///
/// The client's own waiting looks every ten seconds only, so most of these tests do it instead.
fn moves_to(daemon: &Daemon, state: &str, arguments: &[&str]) -> Value {
    run(daemon, &[&["node"], arguments].concat());
    daemon.wait_for_node("n1", &format!("it is in `{state}`"), |node| {
        node["provision_state"] == state && node["reservation"].is_null()
    })
}

/// A daemon with a node `n1` under control.
fn managed() -> Daemon {
    let daemon = Daemon::start();
    run(&daemon, &["node", "create", "--driver", "fake-hardware", "--name", "n1"]);
    run(&daemon, &["node", "manage", "n1", "--wait", "300"]);
    daemon
}

/// The same with an instance on it.
fn active() -> Daemon {
    let daemon = managed();
    moves_to(&daemon, "active", &["adopt", "n1"]);
    daemon
}

#[test]
fn the_baremetal_client_enrolls_drives_and_deletes_a_node() {
    let daemon = Daemon::start();
    let created = printed(&daemon, &["node", "create", "--driver", "fake-hardware", "--name", "n1"]);
    assert_eq!(created["provision_state"], "enroll");

    assert_eq!(printed(&daemon, &["node", "list"])[0]["name"], "n1");
    let validation = run(&daemon, &["node", "validate", "n1"]);
    assert!(validation.contains("power"), "{validation}");

    run(&daemon, &["node", "power", "on", "n1"]);
    daemon.wait_for_node("n1", "it is on", |node| node["power_state"] == "power on");
    run(&daemon, &["node", "reboot", "n1"]);
    run(&daemon, &["node", "power", "off", "n1"]);
    daemon.wait_for_node("n1", "it is off", |node| node["power_state"] == "power off");
    let shown = printed(&daemon, &["node", "show", "n1", "--fields", "power_state"]);
    assert_eq!(shown["power_state"], "power off");

    run(&daemon, &["node", "boot", "device", "set", "n1", "pxe"]);
    assert_eq!(printed(&daemon, &["node", "boot", "device", "show", "n1"])["boot_device"], "pxe");
    run(&daemon, &["node", "set", "n1", "--driver-info", "a=1", "--extra", "rack=r12"]);
    assert_eq!(printed(&daemon, &["node", "show", "n1", "--fields", "extra"])["extra"]["rack"], "r12");

    run(&daemon, &["port", "create", "--node", created["uuid"].as_str().unwrap(), "52:54:00:12:34:56"]);
    assert_eq!(printed(&daemon, &["port", "list"])[0]["address"], "52:54:00:12:34:56");

    run(&daemon, &["node", "delete", "n1"]);
    assert_eq!(printed(&daemon, &["node", "list"]), Value::Array(Vec::new()));
}

#[test]
fn the_baremetal_client_takes_a_node_through_its_life() {
    let daemon = Daemon::start();
    run(&daemon, &["node", "create", "--driver", "fake-hardware", "--name", "n1"]);

    run(&daemon, &["node", "manage", "n1", "--wait", "300"]);
    run(&daemon, &["node", "inspect", "n1", "--wait", "300"]);
    moves_to(&daemon, "available", &["provide", "n1"]);
    run(
        &daemon,
        &[
            "node",
            "set",
            "n1",
            "--instance-info",
            "image_source=http://127.0.0.1/i",
            "--instance-uuid",
            "5f9b59d2-4afe-4d11-9d0a-5ab1c0de0001",
        ],
    );
    let drive = json!({"meta_data": {"hostname": "n1"}}).to_string();
    run(&daemon, &["node", "deploy", "n1", "--config-drive", &drive, "--wait", "300"]);

    let deployed = printed(&daemon, &["node", "show", "n1"]);
    assert_eq!(
        (&deployed["provision_state"], &deployed["target_provision_state"]),
        (&json!("active"), &Value::Null)
    );
    assert_eq!(deployed["instance_info"]["configdrive"], "******");
    assert_eq!(printed(&daemon, &["node", "list", "--associated"])[0]["name"], "n1");
    assert!(refused(&daemon, &["--max-retries", "0", "node", "delete", "n1"]).contains("HTTP 409"));
    assert!(refused(&daemon, &["node", "provide", "n1"]).contains("while it is in state \"active\""));

    moves_to(&daemon, "active", &["rebuild", "n1"]);
    let gone = moves_to(&daemon, "available", &["undeploy", "n1"]);
    assert_eq!((&gone["instance_info"], &gone["instance_uuid"]), (&json!({}), &Value::Null));
    assert_eq!(gone["last_error"], Value::Null);
    run(&daemon, &["node", "delete", "n1"]);
}

#[test]
fn the_baremetal_client_cleans_by_hand() {
    let daemon = managed();
    let settings = json!([{"interface": "bios", "step": "apply_configuration",
        "args": {"settings": [{"name": "hyperthreading", "value": "on"}]}}]);

    moves_to(&daemon, "manageable", &["clean", "n1", "--clean-steps", &settings.to_string()]);

    let shown = run(&daemon, &["node", "bios", "setting", "show", "n1", "hyperthreading", "-f", "json"]);
    assert!(shown.contains("\"value\": \"on\""), "{shown}");
    assert!(run(&daemon, &["node", "bios", "setting", "list", "n1"]).contains("hyperthreading"));
    let nosuch = json!([{"interface": "bios", "step": "nosuch"}]).to_string();
    let failed = moves_to(&daemon, "clean failed", &["clean", "n1", "--clean-steps", &nosuch]);
    assert!(failed["last_error"].as_str().unwrap().contains("bios.nosuch"), "{failed}");
    let managed = moves_to(&daemon, "manageable", &["manage", "n1"]);
    assert_eq!(managed["last_error"], Value::Null);
    let history = printed(&daemon, &["node", "history", "list", "n1"]);
    assert!(history.to_string().contains("bios.nosuch"), "{history}");
}

#[test]
fn the_baremetal_client_adopts_rescues_and_services() {
    let daemon = active();

    moves_to(&daemon, "rescue", &["rescue", "n1", "--rescue-password", "hunter2"]);
    moves_to(&daemon, "active", &["unrescue", "n1"]);
    let steps = json!([{"interface": "vendor", "step": "log_passthrough"}]).to_string();
    moves_to(&daemon, "active", &["service", "n1", "--service-steps", &steps]);
    moves_to(&daemon, "available", &["undeploy", "n1"]);
}

#[test]
fn the_baremetal_client_holds_releases_and_gives_up() {
    let daemon = active();
    let held = |interface: &str| json!([{"interface": interface, "step": "hold"}]).to_string();

    moves_to(&daemon, "service hold", &["service", "n1", "--service-steps", &held("power")]);
    moves_to(&daemon, "active", &["unhold", "n1"]);
    moves_to(&daemon, "service hold", &["service", "n1", "--service-steps", &held("power")]);
    moves_to(&daemon, "active", &["abort", "n1"]);
    moves_to(&daemon, "available", &["undeploy", "n1"]);
    let hold = json!([{"interface": "deploy", "step": "hold", "args": {}, "priority": 90}]).to_string();
    moves_to(&daemon, "deploy hold", &["deploy", "n1", "--deploy-steps", &hold]);
    moves_to(&daemon, "active", &["unhold", "n1"]);
    moves_to(&daemon, "available", &["undeploy", "n1"]);
    moves_to(&daemon, "deploy hold", &["deploy", "n1", "--deploy-steps", &hold]);
    moves_to(&daemon, "deploy failed", &["abort", "n1"]);
    moves_to(&daemon, "available", &["undeploy", "n1"]);
    moves_to(&daemon, "manageable", &["manage", "n1"]);
    moves_to(&daemon, "clean hold", &["clean", "n1", "--clean-steps", &held("deploy")]);
    moves_to(&daemon, "manageable", &["unhold", "n1"]);
    moves_to(&daemon, "clean hold", &["clean", "n1", "--clean-steps", &held("deploy")]);
    let aborted = moves_to(&daemon, "clean failed", &["abort", "n1"]);
    assert!(aborted["last_error"].as_str().unwrap().contains("abort"), "{aborted}");
}

#[test]
fn the_baremetal_client_keeps_a_node_in_maintenance() {
    let daemon = active();

    run(&daemon, &["node", "maintenance", "set", "n1", "--reason", "bad fan"]);

    let shown = printed(&daemon, &["node", "show", "n1", "--fields", "maintenance", "maintenance_reason"]);
    assert_eq!(shown["maintenance_reason"], "bad fan");
    let error = refused(&daemon, &["node", "rebuild", "n1"]);
    assert!(error.contains("maintenance") && error.contains("HTTP 400"), "{error}");
    run(&daemon, &["node", "maintenance", "unset", "n1"]);
    moves_to(&daemon, "active", &["rebuild", "n1"]);
}

#[test]
fn the_baremetal_client_reaches_what_belongs_to_a_node() {
    let daemon = managed();

    run(&daemon, &["node", "add", "trait", "n1", "CUSTOM_A", "CUSTOM_B"]);
    run(&daemon, &["node", "remove", "trait", "n1", "CUSTOM_A"]);
    let traits = run(&daemon, &["node", "trait", "list", "n1"]);
    assert!(traits.contains("CUSTOM_B") && !traits.contains("CUSTOM_A"), "{traits}");
    let methods = printed(&daemon, &["node", "passthru", "list", "n1"]).to_string();
    assert!(methods.contains("third_method_sync"), "{methods}");
    run(&daemon, &["node", "passthru", "call", "n1", "second_method", "--arg", "bar=kazoo"]);
    let error = refused(&daemon, &["node", "passthru", "call", "n1", "nosuch"]);
    assert!(error.contains("No handler for method nosuch"), "{error}");
    run(&daemon, &["node", "console", "enable", "n1"]);
    daemon.wait_for_node("n1", "its console is on", |node| node["console_enabled"] == true);
    assert_eq!(printed(&daemon, &["node", "console", "show", "n1"])["console_enabled"], true);
    run(&daemon, &["node", "console", "disable", "n1"]);
    daemon.wait_for_node("n1", "its console is off", |node| node["console_enabled"] == false);
    run(&daemon, &["node", "vif", "attach", "n1", "vif-1"]);
    run(&daemon, &["node", "vif", "list", "n1"]);
    run(&daemon, &["node", "vif", "detach", "n1", "vif-1"]);
    run(&daemon, &["node", "firmware", "list", "n1"]);
    let raid = json!({"logical_disks": [{"raid_level": "1", "size_gb": 10}]});
    run(&daemon, &["node", "set", "n1", "--target-raid-config", &raid.to_string()]);
    let shown = printed(&daemon, &["node", "show", "n1", "--fields", "target_raid_config"]);
    assert_eq!(shown["target_raid_config"], raid);
    run(&daemon, &["node", "boot", "mode", "set", "n1", "uefi"]);
    daemon.wait_for_node("n1", "its boot mode is refused", |node| !node["last_error"].is_null());
    assert!(refused(&daemon, &["node", "inject", "nmi", "n1"]).contains("does not support inject_nmi"));
    assert!(refused(&daemon, &["node", "inventory", "save", "n1"]).contains("HTTP 404"));
}

#[test]
fn the_baremetal_client_shows_errors_with_their_request() {
    let daemon = Daemon::start();

    let error = refused(&daemon, &["node", "show", "nosuch"]);

    assert!(error.contains("nosuch") && error.contains("HTTP 404") && error.contains("req-"), "{error}");
}

#[test]
fn the_baremetal_client_lists_drivers_and_conductors() {
    let daemon = Daemon::start();

    let properties = printed(&daemon, &["driver", "property", "list", "ipmi"]);
    let names: Vec<_> = properties.as_array().unwrap().iter().map(|row| row["property"].clone()).collect();
    assert!(names.contains(&"ipmi_address".into()), "{properties}");

    let conductors = printed(&daemon, &["conductor", "list"]);
    assert_eq!(conductors[0]["alive"], true, "{conductors}");
    let driver = printed(&daemon, &["driver", "show", "redfish"]);
    assert_eq!(driver["default_power_interface"], "redfish");
    let raid = printed(&daemon, &["driver", "raid", "property", "list", "fake-hardware"]).to_string();
    assert!(raid.contains("raid_level"), "{raid}");
    assert_eq!(printed(&daemon, &["driver", "passthru", "list", "fake-hardware"]), json!([]));
}

//! Lists of steps that wait, through the API and through the death of the daemon.

use serde_json::{Value, json};

use crate::harness::Daemon;

/// A node of the fake driver that is under control.
fn manageable(daemon: &Daemon) -> String {
    let node = daemon.enroll("n1", "fake-hardware", &json!({}));
    provision(daemon, &node, &json!({"target": "manage"}));
    arrived(daemon, &node, "manageable");
    node
}

fn provision(daemon: &Daemon, node: &str, request: &Value) {
    let response = daemon.send("PUT", &format!("/v1/nodes/{node}/states/provision"), request);
    assert_eq!(response.status, 202, "{}", response.json());
}

/// The node once it is in `state` and nobody works on it.
fn arrived(daemon: &Daemon, node: &str, state: &str) -> Value {
    daemon.wait_for_node(node, &format!("it is in `{state}`"), |node| {
        node["provision_state"] == state && node["reservation"].is_null()
    })
}

fn clean(steps: &[Value]) -> Value {
    let steps: Vec<Value> = steps
        .iter()
        .map(|step| {
            let mut step = step.clone();
            step["interface"] = json!("deploy");
            step
        })
        .collect();
    json!({"target": "clean", "clean_steps": steps})
}

#[test]
fn a_pause_goes_on_after_the_daemon_was_killed_in_it() {
    let mut daemon = Daemon::start();
    let node = manageable(&daemon);
    let steps = [json!({"step": "wait", "args": {"seconds": 3}}), json!({"step": "hold"})];
    provision(&daemon, &node, &clean(&steps));
    let waiting = arrived(&daemon, &node, "clean wait");
    assert_eq!(
        (&waiting["clean_step"]["step"], &waiting["target_provision_state"]),
        (&json!("wait"), &json!("manageable"))
    );

    daemon.crash_and_restart();

    let held = arrived(&daemon, &node, "clean hold");
    assert_eq!(held["clean_step"]["step"], "hold");
    provision(&daemon, &node, &json!({"target": "unhold"}));
    let done = arrived(&daemon, &node, "manageable");
    assert_eq!((&done["clean_step"], &done["last_error"]), (&json!({}), &Value::Null));
}

#[test]
fn a_hold_outlives_the_daemon() {
    let mut daemon = Daemon::start();
    let node = manageable(&daemon);
    let steps = [json!({"step": "hold"}), json!({"step": "power_on"})];
    provision(&daemon, &node, &clean(&steps));
    arrived(&daemon, &node, "clean hold");

    daemon.restart();

    arrived(&daemon, &node, "clean hold");
    provision(&daemon, &node, &json!({"target": "unhold"}));
    assert_eq!(arrived(&daemon, &node, "manageable")["power_state"], "power on");
}

#[test]
fn a_request_with_a_bad_step_is_refused_and_leaves_the_node() {
    let daemon = Daemon::start();
    let node = manageable(&daemon);
    let path = format!("/v1/nodes/{node}/states/provision");
    let steps = [json!({"step": "wait", "args": {"seconds": 0}}), json!({"step": "hold", "args": {"x": 1}})];

    let refused = daemon.send("PUT", &path, &clean(&steps));

    assert_eq!(refused.status, 400);
    let fault = refused.json()["error_message"].as_str().unwrap_or_default().to_owned();
    assert!(fault.contains("seconds is 0") && fault.contains("unexpected arguments: x"), "{fault}");
    assert_eq!(arrived(&daemon, &node, "manageable")["clean_step"], json!({}));
}

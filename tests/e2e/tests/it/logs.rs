//! What the daemon's log says of plugins.

use std::fs;

use farrier_sim::wait::wait_for;
use serde_json::{Value, json};

use crate::harness::{Daemon, PATIENCE};

#[test]
fn what_a_plugin_logs_belongs_to_the_call_it_was_logged_in() {
    let mut daemon = Daemon::start();
    let node = daemon.enroll("n1", "fake-hardware", &json!({}));
    daemon.power(&node, "power on");
    let log = daemon.farrierd().process().log().to_owned();

    let record = wait_for("the plugin's record in the log", PATIENCE, || {
        let text = fs::read_to_string(&log).unwrap();
        let mut records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        records.find(|record| record["target"] == "plugin" && record["fields"]["message"] == "power changes")
    });

    let record = record.unwrap();
    assert_eq!((&record["level"], &record["fields"]["plugin"]), (&json!("INFO"), &json!("fake")), "{record}");
    let span = &record["span"];
    assert_eq!((&span["name"], &span["node"]), (&json!("call"), &json!(node)), "{record}");
    assert_eq!(
        (&span["interface"], &span["method"]),
        (&json!("power"), &json!("set_power_state")),
        "{record}"
    );
}

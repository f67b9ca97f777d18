//! What a receiver of notifications gets from the running daemon, and what a bad one does to it.

use std::fs;
use std::process::Command;

use farrier_sim::farrierd::Settings;
use farrier_sim::port::free_port;
use farrier_sim::wait::wait_for;
use farrier_sim::webhook::{Habit, Webhook};
use serde_json::{Value, json};

use crate::harness::{Daemon, PATIENCE, plugins, program};

/// A daemon called `host-1` that sends to `url`, with more options of notifications and of the webhook.
fn sending_to(url: &str, options: &str, webhook: &str) -> Daemon {
    let tables = format!(
        "[notifications]\nnotification_level = \"info\"\n{options}\n\
         [notifications.webhook]\nurl = \"{url}\"\n{webhook}\n"
    );
    Daemon::start_with(|settings| named(settings, tables))
}

fn named(settings: &mut Settings, tables: String) {
    settings.conductor.push("host = \"host-1\"".to_owned());
    settings.tables = tables;
}

/// Publisher and event type of each, without what all have.
fn kinds(notifications: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let kind = |told: &Value| {
        let (publisher, event) = (text(&told["publisher_id"]), text(&told["event_type"]));
        let publisher = publisher.trim_start_matches("ironic-").trim_end_matches(".host-1").to_owned();
        format!("{publisher}: {}", event.trim_start_matches("baremetal."))
    };
    notifications.iter().map(kind).collect()
}

fn data(notification: &Value) -> &Value {
    &notification["payload"]["ironic_object.data"]
}

#[test]
fn powering_on_is_told_from_its_start_to_its_end() {
    let receiver = Webhook::start(Habit::Accept).unwrap();
    let daemon = sending_to(&receiver.url(), "", "token = \"t0ken\"\nbatch_interval = 0.02");
    let node = daemon.enroll("n1", "fake-hardware", &json!({"fake_password": "CANARY"}));

    daemon.power(&node, "power on");

    let told = receiver.wait_for(4, PATIENCE).unwrap();
    let expected = [
        "api: node.create.start",
        "api: node.create.end",
        "conductor: node.power_set.start",
        "conductor: node.power_set.end",
    ];
    assert_eq!(kinds(&told), expected);
    let shown: Vec<_> = told[2..]
        .iter()
        .map(|told| {
            let data = data(told);
            json!([data["to_power"], data["power_state"], data["target_power_state"]])
        })
        .collect();
    assert_eq!(shown, [json!(["power on", null, "power on"]), json!(["power on", "power on", null])]);
    assert!(told.iter().all(|told| data(told)["uuid"] == node.as_str() && told["priority"] == "INFO"));
    assert_eq!(data(&told[1])["driver_info"], json!({"fake_password": "******"}));
    let requests = receiver.requests();
    assert!(requests.iter().all(|request| request.header("authorization") == Some("Bearer t0ken")));
    assert!(!requests.iter().any(|request| request.body.to_string().contains("CANARY")));
}

#[test]
fn bringing_a_node_under_control_is_told_from_its_start_to_its_end() {
    let receiver = Webhook::start(Habit::Accept).unwrap();
    let daemon = sending_to(&receiver.url(), "", "batch_interval = 0.02");
    let node = daemon.enroll("n1", "fake-hardware", &json!({}));
    daemon.power(&node, "power on");

    let path = format!("/v1/nodes/{node}/states/provision");
    let response = daemon.send("PUT", &path, &json!({"target": "manage"}));
    assert_eq!(response.status, 202, "{}", response.json());
    daemon.wait_for_node(&node, "it is manageable", |node| node["provision_state"] == "manageable");

    let told = receiver.wait_for(6, PATIENCE).unwrap();
    let changes: Vec<_> = told[4..]
        .iter()
        .map(|told| {
            let data = data(told);
            let member = |name: &str| data[name].as_str().unwrap_or("-").to_owned();
            assert_eq!(told["payload"]["ironic_object.name"], "NodeSetProvisionStatePayload");
            let before = member("previous_provision_state");
            [member("event"), before, member("provision_state"), member("target_provision_state")]
        })
        .collect();
    assert_eq!(
        kinds(&told)[4..],
        ["conductor: node.provision_set.start", "conductor: node.provision_set.end"]
    );
    assert_eq!(
        changes,
        [
            ["manage", "enroll", "verifying", "manageable"].map(str::to_owned),
            ["done", "verifying", "manageable", "-"].map(str::to_owned)
        ]
    );
}

#[test]
fn nothing_is_sent_without_a_level() {
    let receiver = Webhook::start(Habit::Accept).unwrap();
    let tables = format!("[notifications.webhook]\nurl = \"{}\"\n", receiver.url());
    let mut daemon = Daemon::start_with(|settings| named(settings, tables));
    let node = daemon.enroll("n1", "fake-hardware", &json!({}));
    daemon.power(&node, "power on");

    daemon.farrierd().stop().unwrap();

    assert_eq!(receiver.connections(), 0);
}

#[test]
fn the_log_is_a_destination() {
    let tables = "[notifications]\nnotification_level = \"info\"\n".to_owned();
    let mut daemon = Daemon::start_with(|settings| named(settings, tables));
    let node = daemon.enroll("n1", "fake-hardware", &json!({"fake_password": "CANARY"}));
    daemon.power(&node, "power on");
    let log = daemon.farrierd().process().log().to_owned();

    let told = wait_for("the end of powering on in the log", PATIENCE, || {
        let text = fs::read_to_string(&log).unwrap();
        let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let told: Vec<_> = records.filter(|record| record["target"] == "notification").collect();
        (4 <= told.len()).then_some(told)
    });

    let told = told.unwrap();
    let last = &told[3]["fields"];
    assert_eq!(last["event_type"], "baremetal.node.power_set.end");
    assert_eq!(last["topic"], "ironic_versioned_notifications");
    let message: Value = serde_json::from_str(last["json"].as_str().unwrap()).unwrap();
    assert_eq!(message["publisher_id"], "ironic-conductor.host-1");
    assert!(!fs::read_to_string(&log).unwrap().contains("CANARY"));
}

/// Switches a node on and off while a receiver misbehaves; nothing in the daemon may wait for it.
fn power_goes_on(daemon: &Daemon) {
    let node = daemon.enroll("n1", "fake-hardware", &json!({}));
    for _ in 0..10 {
        assert_eq!(daemon.power(&node, "power on")["power_state"], "power on");
        assert_eq!(daemon.power(&node, "power off")["power_state"], "power off");
    }
}

/// Options with which whoever waited for the receiver would wait longer than any test.
const ENDLESS: &str =
    "timeout = 3600\nattempts = 1000000\nretry_interval = 0.05\nbatch_size_max = 2\nbatch_interval = 0";

#[test]
fn a_slow_receiver_delays_no_node_and_keeps_no_memory() {
    let receiver = Webhook::start(Habit::Hold).unwrap();
    let daemon = sending_to(&receiver.url(), "queue_size_max = 5", ENDLESS);

    power_goes_on(&daemon);

    // One batch of one or two was under way, five waited: the newest.
    receiver.set(Habit::Accept);
    let told = wait_for("what is left", PATIENCE, || {
        let told = receiver.notifications();
        let first = receiver.requests().first()?.body.as_array()?.len();
        (first + 5 <= told.len()).then_some((first, kinds(&told)))
    });
    let (first, told) = told.unwrap();
    let (start, end) = ("conductor: node.power_set.start", "conductor: node.power_set.end");
    assert_eq!(told[0], "api: node.create.start");
    assert_eq!(told[first..], [end, start, end, start, end], "what was in between is gone");
}

#[test]
fn a_receiver_that_never_reads_delays_neither_a_node_nor_the_end() {
    let receiver = Webhook::start(Habit::Ignore).unwrap();
    let mut daemon = sending_to(&receiver.url(), "shutdown_timeout = 1", ENDLESS);

    power_goes_on(&daemon);

    assert!(daemon.farrierd().stop().unwrap().success());
    assert_eq!(receiver.requests().len(), 0);
    let log = fs::read_to_string(daemon.farrierd().process().log()).unwrap();
    assert!(log.contains("notifications are dropped"), "what was not sent is told in the log");
}

#[test]
fn a_receiver_that_fails_delays_no_node_and_gets_everything_later() {
    let receiver = Webhook::start(Habit::Answer(500)).unwrap();
    let daemon = sending_to(&receiver.url(), "", ENDLESS);

    power_goes_on(&daemon);

    assert!(receiver.notifications().is_empty());
    receiver.set(Habit::Accept);
    let told = receiver.wait_for(42, PATIENCE).unwrap();
    let switched = ["conductor: node.power_set.start", "conductor: node.power_set.end"];
    assert_eq!(kinds(&told)[2..], switched.repeat(20), "everything, in its order");
}

#[test]
fn a_receiver_that_is_down_delays_no_node_and_gets_everything_when_it_comes() {
    let port = free_port().unwrap();
    let daemon = sending_to(&format!("http://127.0.0.1:{port}/"), "", ENDLESS);

    power_goes_on(&daemon);

    let receiver = Webhook::start_on(port, Habit::Accept).unwrap();
    assert_eq!(receiver.wait_for(42, PATIENCE).unwrap().len(), 42);
}

#[test]
fn what_waits_is_sent_before_the_end() {
    let receiver = Webhook::start(Habit::Accept).unwrap();
    let mut daemon = sending_to(&receiver.url(), "", "batch_interval = 3600");
    daemon.enroll("n1", "fake-hardware", &json!({}));

    assert!(daemon.farrierd().stop().unwrap().success());

    assert_eq!(kinds(&receiver.notifications()), ["api: node.create.start", "api: node.create.end"]);
}

#[test]
fn a_webhook_that_can_never_work_keeps_the_daemon_from_starting() {
    let room = tempfile::tempdir().unwrap();
    let config = room.path().join("farrier.toml");
    let text = format!(
        "[api]\nport = 0\n[database]\nconnection = \"sqlite://{}\"\n[plugins]\ndirectory = \"{}\"\n\
         [drivers]\nenabled_hardware_types = [\"fake-hardware\"]\n\
         [notifications]\nnotification_level = \"info\"\n[notifications.webhook]\nurl = \"CANARY\"\n",
        room.path().join("farrier.db").display(),
        plugins().display(),
    );
    fs::write(&config, text).unwrap();

    let output = Command::new(program("farrierd")).arg("--config").arg(&config).output().unwrap();

    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(error.contains("notifications.webhook") && !error.contains("CANARY"), "{error}");
}

//! What machines measure, from the BMC through the loaded plugin to a receiver of notifications.

use std::net::SocketAddr;
use std::sync::Arc;

use farrier_sim::ipmi::{self, Bmc, Settings};
use farrier_sim::wait::wait_for;
use farrier_sim::webhook::{Habit, Webhook};
use serde_json::{Map, Value, json};

use crate::harness::{Daemon, PATIENCE};

/// The command that reads a sensor data record.
const GET_RECORD: (u8, u8) = (0x0A, 0x23);

/// A daemon called `host-1` that reads the sensors of its machines all the time, and who is told.
pub(crate) struct Collection {
    pub(crate) daemon: Daemon,
    receiver: Webhook,
}

impl Collection {
    /// Starts both; `options` are more of `[sensor_data]`.
    pub(crate) fn start(options: &str) -> Self {
        let receiver = Webhook::start(Habit::Accept).unwrap();
        let tables = format!(
            "[notifications]\nnotification_level = \"info\"\n\
             [notifications.webhook]\nurl = \"{}\"\nbatch_interval = 0.02\n\
             [sensor_data]\nsend_sensor_data = true\ninterval = 1\nenable_for_undeployed_nodes = true\n{options}\n\
             [ipmi]\nmin_command_interval = 0\nmin_message_interval = 0\n",
            receiver.url()
        );
        let daemon = Daemon::start_with(|settings| {
            settings.conductor.push("host = \"host-1\"".to_owned());
            settings.tables = tables;
        });
        Self { daemon, receiver }
    }

    /// Enrolls a node with this BMC, of which `user` has the password; its UUID.
    pub(crate) fn enroll(&self, name: &str, bmc: SocketAddr, user: &str, password: &str) -> String {
        let info = json!({
            "ipmi_address": bmc.ip().to_string(), "ipmi_port": bmc.port(),
            "ipmi_username": user, "ipmi_password": password,
        });
        self.daemon.enroll(name, "ipmi", &info)
    }

    /// All that was told of the sensors of a node so far.
    fn told(&self, node: &str) -> Vec<Value> {
        let told = self.receiver.notifications().into_iter();
        told.filter(|told| {
            told["event_type"] == "hardware.ipmi.metrics" && told["payload"]["node_uuid"] == node
        })
        .collect()
    }

    /// Waits until readings of a node are told that are as wanted; the notification.
    pub(crate) fn wait_for(&self, node: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = wait_for(what, PATIENCE, || self.told(node).into_iter().find(&wanted));
        found.unwrap_or_else(|error| panic!("{error}; told so far: {:#?}", self.told(node)))
    }
}

/// The readings in a notification.
pub(crate) fn readings(told: &Value) -> &Map<String, Value> {
    told["payload"]["payload"].as_object().unwrap()
}

/// What one sensor reads, in words.
pub(crate) fn reading<'a>(told: &'a Value, kind: &str, sensor: &str) -> &'a Value {
    &told["payload"]["payload"][kind][sensor]["Sensor Reading"]
}

#[test]
fn what_a_machine_measures_reaches_whoever_is_told() {
    let bmc = Bmc::start(Settings::default()).unwrap();
    let collection = Collection::start("");
    let node = collection.enroll("rack1-u7", bmc.address(), ipmi::USER, ipmi::PASSWORD);

    let told = collection.wait_for(&node, "its readings", |_| true);

    assert_eq!(told["publisher_id"], "ironic-conductor.host-1");
    assert_eq!(told["priority"], "INFO");
    assert_eq!(told["payload"]["node_name"], "rack1-u7");
    assert_eq!(told["payload"]["event_type"], "hardware.ipmi.metrics.update");
    assert_eq!(reading(&told, "Temperature", "Board Temp (0x1)"), "42 (+/- 0) degrees C");
    assert_eq!(reading(&told, "Voltage", "P12V (0x3)"), "12.060 (+/- 0) Volts");
    assert_eq!(told["payload"]["payload"]["Power"]["PSU1 (0x5)"]["States Asserted"], "Presence detected");
    assert_eq!(reading(&told, "Temperature", "Dead Temp (0x6)"), &Value::Null);
    assert!(!told.to_string().contains(ipmi::PASSWORD));

    let records_read = bmc.count(GET_RECORD);
    Arc::make_mut(&mut bmc.state().machine.inventory).change(1, |sensor| sensor.reading = 77);

    collection.wait_for(&node, "what changed since", |told| {
        reading(told, "Temperature", "Board Temp (0x1)") == "77 (+/- 0) degrees C"
    });
    // What sensors there are is asked once.
    assert_eq!(bmc.count(GET_RECORD), records_read);
}

#[test]
fn only_what_is_wanted_is_told_and_a_dead_bmc_keeps_nobody_waiting() {
    let (alive, dead) = (Bmc::start(Settings::default()).unwrap(), Bmc::start(Settings::default()).unwrap());
    dead.state().trouble.deaf = true;
    let collection = Collection::start("data_types = [\"fan\"]\nworkers = 1");
    let silent = collection.enroll("dead", dead.address(), ipmi::USER, ipmi::PASSWORD);
    let node = collection.enroll("alive", alive.address(), ipmi::USER, ipmi::PASSWORD);

    let told = collection.wait_for(&node, "its readings", |_| true);

    assert_eq!(readings(&told).keys().collect::<Vec<_>>(), ["Fan"]);
    assert_eq!(reading(&told, "Fan", "Fan1 (0x2)"), "4800 (+/- 0) RPM");
    assert_eq!(collection.told(&silent), Vec::<Value>::new());
}

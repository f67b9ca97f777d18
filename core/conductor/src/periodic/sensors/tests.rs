use std::time::Duration;

use farrier_model::notification::Notification;
use serde_json::json;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::*;
use crate::config::ConductorConfig;
use crate::log_capture::LogCapture;
use crate::periodic::tasks;
use crate::power_script::{ON, Readings, Script};
use crate::task::Acquire;
use crate::task::tests::{Fixture, PATIENCE, quick};

type Heard = broadcast::Receiver<Notification>;

/// Collections over the nodes of one conductor.
struct Collections {
    fixture: Fixture,
    script: Script,
    sensors: Arc<Sensors>,
}

impl Collections {
    async fn new(sensor_data: SensorDataConfig) -> (Self, Heard) {
        let script = Script::default();
        let fixture = script.fixture(ConductorConfig { sensor_data, ..quick() }).await;
        let heard = fixture.tasks().shared().notifier.subscribe();
        (Self { fixture, script, sensors: Arc::default() }, heard)
    }

    async fn node(&self, node: Node, readings: Readings) -> Node {
        self.script.sensors(&node, readings);
        self.fixture.enrol(node).await
    }

    async fn run(&self) {
        Arc::clone(&self.sensors).run(Pass::new(&self.fixture.conductor)).await.unwrap();
    }

    fn silent(&self) -> Vec<NodeId> {
        self.sensors.silent().iter().copied().collect()
    }
}

fn in_use() -> Node {
    Node { provision_state: ProvisionState::Active, ..Script::node(None) }
}

/// A machine with a fan and a thermometer.
fn warm() -> Readings {
    Readings::Read(json!({
        "Fan": {"Fan 1 (0x30)": {"Sensor Reading": "2100 (+/- 0) RPM"}},
        "Temperature": {"CPU (0x1)": {"Sensor Reading": "42 (+/- 1) degrees C"}},
    }))
}

/// The nodes that were told of until now.
fn told(heard: &mut Heard) -> Vec<Uuid> {
    let told = std::iter::from_fn(|| heard.try_recv().ok());
    let told = told.filter(|told| told.event_type.starts_with("hardware."));
    let mut nodes: Vec<Uuid> =
        told.map(|told| serde_json::from_value(told.payload["node_uuid"].clone()).unwrap()).collect();
    nodes.sort_unstable();
    nodes
}

fn uuids(nodes: &[&Node]) -> Vec<Uuid> {
    let mut uuids: Vec<Uuid> = nodes.iter().map(|node| node.uuid).collect();
    uuids.sort_unstable();
    uuids
}

#[tokio::test]
async fn what_a_machine_in_use_reads_is_told_with_whose_it_is() {
    let (collections, mut heard) = Collections::new(SensorDataConfig::default()).await;
    let node =
        Node { name: Some("rack1-u7".to_owned()), instance_uuid: Some(Uuid::from_u128(7)), ..in_use() };
    let node = collections.node(node, warm()).await;

    collections.run().await;

    let told = heard.try_recv().unwrap();
    assert_eq!((told.event_type.as_str(), told.level), ("hardware.fake-hardware.metrics", LEVEL));
    let payload = &told.payload;
    assert_eq!(
        (&payload["node_uuid"], &payload["node_name"], &payload["instance_uuid"]),
        (&json!(node.uuid), &json!("rack1-u7"), &json!(Uuid::from_u128(7)))
    );
    assert_eq!(payload["event_type"], "hardware.fake-hardware.metrics.update");
    let Readings::Read(readings) = warm() else { unreachable!() };
    assert_eq!(payload["payload"], readings);
    assert!(heard.try_recv().is_err());
}

#[tokio::test]
async fn only_the_types_that_are_asked_for_are_told() {
    let types = |types: &[&str]| SensorDataConfig {
        data_types: types.iter().map(|name| (*name).to_owned()).collect(),
        ..SensorDataConfig::default()
    };
    for (config, expected) in [
        (types(&["fAN"]), vec!["Fan"]),
        (types(&["Fan", "all"]), vec!["Fan", "Temperature"]),
        (types(&["voltage", "temperature"]), vec!["Temperature"]),
    ] {
        let (collections, mut heard) = Collections::new(config).await;
        collections.node(in_use(), warm()).await;

        collections.run().await;

        let told = heard.try_recv().unwrap();
        let shown: Vec<_> = told.payload["payload"].as_object().unwrap().keys().collect();
        assert_eq!(shown, expected);
    }
}

#[tokio::test]
async fn a_machine_without_anything_that_is_asked_for_is_not_told_of() {
    let config = SensorDataConfig { data_types: vec!["Voltage".to_owned()], ..SensorDataConfig::default() };
    let (collections, mut heard) = Collections::new(config).await;
    collections.node(in_use(), warm()).await;
    collections.node(in_use(), Readings::Read(json!({}))).await;

    collections.run().await;

    assert_eq!(collections.script.count("get_sensors_data"), 2);
    assert_eq!(told(&mut heard), [] as [Uuid; 0]);
}

#[tokio::test]
async fn machines_that_fail_and_drivers_without_sensors_cost_nobody_else_anything() {
    let (collections, mut heard) = Collections::new(SensorDataConfig::default()).await;
    let failing = collections.node(in_use(), Readings::Fail("no answer")).await;
    let bare = collections.node(in_use(), Readings::Unsupported).await;
    let well = collections.node(in_use(), warm()).await;
    let log = LogCapture::start();

    collections.run().await;

    assert_eq!(told(&mut heard), uuids(&[&well]));
    assert_eq!(collections.silent(), [failing.id]);
    let warned = |node: &Node| {
        let uuid = node.uuid.to_string();
        log.lines(|line| line.starts_with("WARN") && line.contains(&uuid) && line.contains("no answer")).len()
    };
    assert_eq!((warned(&failing), warned(&well)), (1, 0));
    let bare = bare.uuid.to_string();
    assert_eq!(log.lines(|line| line.starts_with("WARN") && line.contains(&bare)), [] as [String; 0]);
    for node in [&failing, &well] {
        assert_eq!(collections.fixture.stored(node).await, *node, "nothing is recorded");
    }
}

#[tokio::test]
async fn nodes_in_maintenance_or_not_in_use_are_passed_over() {
    let (collections, mut heard) = Collections::new(SensorDataConfig::default()).await;
    let well = collections.node(in_use(), warm()).await;
    collections.node(Node { maintenance: true, ..in_use() }, warm()).await;
    for state in [ProvisionState::Enroll, ProvisionState::Available, ProvisionState::DeployWait] {
        collections.node(Node { provision_state: state, ..in_use() }, warm()).await;
    }

    collections.run().await;

    assert_eq!(told(&mut heard), uuids(&[&well]));
    assert_eq!(collections.script.count("get_sensors_data"), 1);
}

#[tokio::test]
async fn nodes_that_are_not_in_use_are_asked_too_where_that_is_wanted() {
    let config = SensorDataConfig { enable_for_undeployed_nodes: true, ..SensorDataConfig::default() };
    let (collections, mut heard) = Collections::new(config).await;
    let used = collections.node(in_use(), warm()).await;
    let spare = Node { provision_state: ProvisionState::Available, ..in_use() };
    let spare = collections.node(spare, warm()).await;
    collections.node(Node { maintenance: true, ..in_use() }, warm()).await;

    collections.run().await;

    assert_eq!(told(&mut heard), uuids(&[&used, &spare]));
}

#[tokio::test]
async fn no_lock_is_taken_or_waited_for() {
    let (collections, mut heard) = Collections::new(SensorDataConfig::default()).await;
    let node = collections.node(in_use(), warm()).await;
    let held = collections.fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    let locks = || collections.fixture.store.probe().count("node_reserve");
    let before = locks();

    collections.run().await;

    assert_eq!(told(&mut heard), uuids(&[&node]));
    assert_eq!(locks(), before);
    held.finish().await.unwrap();
}

#[tokio::test]
async fn machines_that_do_not_answer_hold_up_no_others() {
    // One worker has 32 places: more than that are silent, and they are asked first.
    let config = SensorDataConfig { workers: 1, ..SensorDataConfig::default() };
    let (collections, mut heard) = Collections::new(config).await;
    for _ in 0..40 {
        collections.node(in_use(), Readings::Held).await;
    }
    let mut live = Vec::new();
    for _ in 0..3 {
        live.push(collections.node(in_use(), warm()).await);
    }

    let ((), told) = tokio::join!(collections.run(), async {
        collections.script.asked("get_sensors_data", 40 + live.len()).await;
        let mut nodes = Vec::new();
        while nodes.len() < live.len() {
            let told = tokio::time::timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
            nodes.push(told.payload["node_uuid"].clone());
        }
        assert_eq!(collections.silent().len(), 40);
        collections.script.release();
        nodes
    });

    assert!(live.iter().all(|node| told.contains(&json!(node.uuid))), "{told:?}");
    assert_eq!(collections.silent(), []);
}

#[tokio::test]
async fn a_collection_ends_in_time_and_the_next_one_asks_the_silent_again() {
    let config = SensorDataConfig { wait_timeout: 1, ..SensorDataConfig::default() };
    let (collections, mut heard) = Collections::new(config).await;
    let silent = collections.node(in_use(), Readings::Held).await;
    let well = collections.node(in_use(), warm()).await;
    let log = LogCapture::start();

    tokio::time::timeout(PATIENCE, collections.run()).await.unwrap();
    let first = (told(&mut heard), collections.silent());
    collections.script.sensors(&silent, warm());
    collections.run().await;

    assert_eq!(first, (uuids(&[&well]), vec![silent.id]));
    assert_eq!(log.lines(|line| line.starts_with("WARN") && line.contains("takes too long")).len(), 1);
    assert_eq!(told(&mut heard), uuids(&[&silent, &well]));
    assert_eq!(collections.silent(), []);
}

#[tokio::test]
async fn nothing_is_read_when_nobody_would_be_told() {
    let (collections, heard) = Collections::new(SensorDataConfig::default()).await;
    collections.node(in_use(), warm()).await;
    drop(heard);
    let log = LogCapture::start();

    collections.run().await;

    assert_eq!(collections.script.count("get_sensors_data"), 0);
    assert_eq!(log.lines(|line| line.starts_with("WARN") && line.contains("notification_level")).len(), 1);
}

/// A node in use of a conductor that collects as often as it compares power states, which is all the time.
async fn restless(send_sensor_data: bool, readings: Readings) -> (Fixture, Script, Heard) {
    let script = Script::default();
    let sensor_data = SensorDataConfig { send_sensor_data, interval: 0.01, ..SensorDataConfig::default() };
    let config = ConductorConfig { sensor_data, sync_power_state_interval: 0.01, ..quick() };
    let fixture = script.fixture(config).await;
    let heard = fixture.tasks().shared().notifier.subscribe();
    let node = in_use();
    script.reads(&node, [ON]);
    script.sensors(&node, readings);
    fixture.enrol(node).await;
    (fixture, script, heard)
}

#[tokio::test]
async fn a_collection_is_never_joined_by_a_second_one() {
    let (_fixture, script, _heard) = restless(true, Readings::Held).await;
    script.asked("get_sensors_data", 1).await;

    script.asked("get_power_state", script.count("get_power_state") + 20).await;
    let meanwhile = script.count("get_sensors_data");
    script.release();

    assert_eq!(meanwhile, 1);
    script.asked("get_sensors_data", 2).await;
}

#[tokio::test]
async fn nothing_is_read_unless_that_is_switched_on() {
    let (_fixture, script, mut heard) = restless(false, warm()).await;

    script.asked("get_power_state", 20).await;

    assert_eq!(script.count("get_sensors_data"), 0);
    assert_eq!(told(&mut heard), [] as [Uuid; 0]);
}

#[tokio::test]
async fn it_is_off_by_default_and_once_in_ten_minutes_when_switched_on() {
    let on = SensorDataConfig { send_sensor_data: true, ..SensorDataConfig::default() };
    for (sensor_data, expected) in [(SensorDataConfig::default(), None), (on, Some(Duration::from_secs(600)))]
    {
        let fixture = Fixture::new(ConductorConfig { sensor_data, ..quick() }).await;

        let tasks = tasks(&fixture.conductor);

        let task = tasks.iter().find(|task| task.name == "sensor data").unwrap();
        assert_eq!(task.interval(), expected);
    }
}

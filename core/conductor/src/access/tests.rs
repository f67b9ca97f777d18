use farrier_host::{Builtin, Plugin};
use farrier_model::node::Node;
use farrier_sdk::prelude::*;
use farrier_store::{Store, StoreConfig};
use serde_json::json;
use uuid::Uuid;

use crate::config::DriverConfig;
use crate::notify::Notifier;
use crate::registry::Registry;
use crate::task::tests::{Fixture, fake_drivers, quick};
use crate::task::{Acquire, TaskManager};

/// Asks itself.
struct Endless;

#[interface(power, name = "endless")]
impl PowerInterface for Endless {
    type Info = NoInfo;

    async fn get_power_state(&self, task: &DriverTask<NoInfo>) -> Result<PowerState> {
        task.power().get_power_state().await
    }

    async fn set_power_state(
        &self,
        _task: &DriverTask<NoInfo>,
        _state: PowerState,
        _timeout: Option<Duration>,
    ) -> Result<()> {
        Ok(())
    }

    async fn reboot(&self, _task: &DriverTask<NoInfo>, _timeout: Option<Duration>) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn drivers_that_call_each_other_without_end_are_stopped() {
    let fake = Plugin::linked(farrier_fake::farrier_plugin(), Map::new()).unwrap();
    let endless = Plugin::builtin("endless", vec![Builtin::new(|| Endless)]).unwrap();
    let drivers = DriverConfig {
        enabled_power_interfaces: vec!["endless".to_owned()],
        default_power_interface: Some("endless".to_owned()),
        ..fake_drivers()
    };
    let registry = Arc::new(Registry::new(drivers, vec![fake, endless], Vec::new()).unwrap());
    let store = Store::open(&StoreConfig::new("sqlite::memory:")).await.unwrap();
    let node = Node::new(Uuid::new_v4(), "fake-hardware");
    let node = store.node_create(&node).await.unwrap();
    let tasks = TaskManager::new("host-1", quick(), store, registry, Notifier::default()).unwrap();
    let mut task = tasks.acquire_exclusive(&node, Acquire::default()).await.unwrap();

    let answer = task.power().unwrap().get_power_state().await;

    let error = answer.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.to_string().contains("call each other more than 8 deep"), "{error}");
    task.finish().await.unwrap();
}

async fn ask(access: &super::TaskAccess, method: &str, arguments: Value) -> Result<Vec<u8>> {
    farrier_host::NodeAccess::call(access, method.to_owned(), serde_json::to_vec(&arguments).unwrap()).await
}

#[tokio::test]
async fn a_driver_is_told_what_the_instance_hides_when_it_asks() {
    let fixture = Fixture::new(quick()).await;
    let mut node = Node::new(Uuid::new_v4(), "fake-hardware");
    node.instance_info.insert("configdrive".to_owned(), json!({"user_data": "canary"}));
    node.instance_info.insert("hashed_rescue_password".to_owned(), json!("$5$canary"));
    let node = fixture.enrol(node).await;
    let mut task = fixture.tasks().acquire_shared(&node, Acquire::default()).await.unwrap();
    task.caller(InterfaceType::Deploy).unwrap();
    let access = task.core_mut().access.clone().unwrap();

    let snapshot = String::from_utf8(farrier_host::NodeAccess::snapshot(&access)).unwrap();
    let password = ask(&access, "secret.reveal_instance", json!({"key": "hashed_rescue_password"})).await;
    let drive = ask(&access, "secret.reveal_instance", json!({"key": "configdrive"})).await;
    let missing = ask(&access, "secret.reveal_instance", json!({"key": "nosuch"})).await;

    assert!(!snapshot.contains("canary"), "{snapshot}");
    assert_eq!(password.unwrap(), br#""$5$canary""#);
    assert_eq!(serde_json::from_slice::<String>(&drive.unwrap()).unwrap(), r#"{"user_data":"canary"}"#);
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::MissingParameter);
}

#[tokio::test]
async fn what_was_found_needs_the_exclusive_lock() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut task = fixture.tasks().acquire_shared(&node, Acquire::default()).await.unwrap();
    task.caller(InterfaceType::Inspect).unwrap();
    let access = task.core_mut().access.clone().unwrap();

    let refused = ask(&access, "inspection.save", json!({"inventory": {"cpu": {}}})).await;

    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(access.take_found(), None);
}

#[tokio::test]
async fn what_a_driver_has_to_say_is_in_the_history_where_there_is_one() {
    for (node_history, entries) in [(true, 1), (false, 0)] {
        let fixture = Fixture::new(crate::config::ConductorConfig { node_history, ..quick() }).await;
        let node = fixture.node().await;
        let mut task = fixture.tasks().acquire_shared(&node, Acquire::default()).await.unwrap();
        task.caller(InterfaceType::Power).unwrap();
        let access = task.core_mut().access.clone().unwrap();

        ask(&access, "event", json!({"message": "the fan was replaced"})).await.unwrap();

        let told = crate::script::history(&fixture, &node).await;
        assert_eq!(told.len(), entries);
        for entry in told {
            assert_eq!((entry.event.as_str(), entry.conductor.as_str()), ("the fan was replaced", "host-1"));
            assert_eq!(entry.state, Some(node.provision_state));
        }
    }
}

#[tokio::test]
async fn a_raid_configuration_is_seen_at_once_and_saved_with_what_comes_next() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let target = json!({"logical_disks": [{"raid_level": "1", "size_gb": 1}]});
    let shown = |access: &super::TaskAccess| {
        let snapshot = farrier_host::NodeAccess::snapshot(access);
        serde_json::from_slice::<Value>(&snapshot).unwrap()["target_raid_config"].clone()
    };
    let mut looking = fixture.tasks().acquire_shared(&node, Acquire::default()).await.unwrap();
    looking.caller(InterfaceType::Raid).unwrap();
    let access = looking.core_mut().access.clone().unwrap();
    let refused = ask(&access, "raid_config.save", json!({"target": target})).await;
    assert_eq!((refused.unwrap_err().kind(), shown(&access)), (ErrorKind::Conflict, json!({})));
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.caller(InterfaceType::Raid).unwrap();
    let access = task.core_mut().access.clone().unwrap();

    ask(&access, "raid_config.save", json!({"target": target})).await.unwrap();
    ask(&access, "node.refresh", json!({})).await.unwrap();

    assert_eq!(shown(&access), target);
    task.save().await.unwrap();
    task.finish().await.unwrap();
    assert_eq!(json!(fixture.stored(&node).await.target_raid_config), target);
}

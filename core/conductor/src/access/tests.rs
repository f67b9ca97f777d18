use farrier_host::{Builtin, Plugin};
use farrier_sdk::prelude::*;
use farrier_store::{Store, StoreConfig};

use crate::config::DriverConfig;
use crate::notify::Notifier;
use crate::registry::Registry;
use crate::task::tests::{fake_drivers, quick};
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
    let node = farrier_model::node::Node::new(uuid::Uuid::new_v4(), "fake-hardware");
    let node = store.node_create(&node).await.unwrap();
    let tasks = TaskManager::new("host-1", quick(), store, registry, Notifier::default()).unwrap();
    let mut task = tasks.acquire_exclusive(&node, Acquire::default()).await.unwrap();

    let answer = task.power().unwrap().get_power_state().await;

    let error = answer.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.to_string().contains("call each other more than 8 deep"), "{error}");
    task.finish().await.unwrap();
}

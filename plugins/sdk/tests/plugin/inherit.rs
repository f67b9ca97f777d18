//! What implementations answer that do not override it.

use farrier_abi::abi_stable::sabi_trait::TD_Opaque;
use farrier_abi::{Interface_TO, InterfaceBox};
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::glue::{ExportedInterface, Implementation};
use farrier_sdk::interface::{deploy, raid};
use farrier_sdk::prelude::*;
use farrier_sdk::runtime::Runtime;
use serde_json::json;

use crate::host::{FakeHost, call};
use crate::implementation;
use crate::task::FakeTask;

struct SlowRaid;

#[interface(raid, name = "slow", blocking)]
impl raid::blocking::RaidInterface for SlowRaid {
    type Info = NoInfo;

    fn create_configuration(
        &self,
        _task: &DriverTask<NoInfo>,
        _create_root_volume: bool,
        _create_nonroot_volumes: bool,
        _delete_existing: bool,
    ) -> Result<StepOutcome> {
        Ok(StepOutcome::Done)
    }

    fn delete_configuration(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        Ok(StepOutcome::Done)
    }
}

struct Deaf;

#[interface(deploy, name = "deaf")]
impl DeployInterface for Deaf {
    type Info = NoInfo;

    async fn deploy(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        Ok(StepOutcome::Done)
    }

    async fn tear_down(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        Ok(StepOutcome::Done)
    }

    async fn prepare(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn clean_up(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn take_over(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }
}

struct SlowAndDeaf;

#[interface(deploy, name = "slow", blocking)]
impl deploy::blocking::DeployInterface for SlowAndDeaf {
    type Info = NoInfo;

    fn deploy(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        Ok(StepOutcome::Done)
    }

    fn tear_down(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        Ok(StepOutcome::Done)
    }

    fn prepare(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    fn clean_up(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    fn take_over(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }
}

/// An implementation that is part of no plugin.
fn exported<T: Implementation>(implementation: T, host: &FakeHost) -> InterfaceBox {
    let runtime = Runtime::start(host.to_box(), "test").unwrap();
    Interface_TO::from_value(ExportedInterface::new(implementation, runtime), TD_Opaque)
}

fn raids() -> [InterfaceBox; 2] {
    [implementation("raid"), exported(SlowRaid, &FakeHost::default())]
}

fn target() -> Value {
    json!({"logical_disks": [{"raid_level": "1", "size_gb": 10}]})
}

#[test]
fn a_configuration_is_checked_and_kept_before_its_volumes_are_made() {
    for raid in raids() {
        let task = FakeTask::new(1).answer(|method, _| match method {
            "raid.create_configuration" => Ok(json!({"wait": {"poll_after_ms": 5}})),
            _ => Ok(Value::Null),
        });
        let arguments = json!({"raid_config": target(), "create_root_volume": false});

        let applied = call(&raid, "apply_configuration", &arguments, task.to_box());

        assert_eq!(applied, Ok(json!({"wait": {"poll_after_ms": 5}})));
        let flags =
            json!({"create_root_volume": false, "create_nonroot_volumes": true, "delete_existing": true});
        let expected = [
            ("raid.validate_raid_config".to_owned(), json!({"raid_config": target()})),
            ("raid_config.save".to_owned(), json!({"target": target()})),
            ("raid.create_configuration".to_owned(), flags),
        ];
        assert_eq!(task.asked(), expected);
    }
}

#[test]
fn a_configuration_that_is_refused_is_neither_kept_nor_made() {
    for raid in raids() {
        let task = FakeTask::new(1).answer(|_, _| Err(DriverError::invalid_parameter("not here")));

        let refused = call(&raid, "apply_configuration", &json!({"raid_config": target()}), task.to_box());

        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidParameter);
        assert_eq!(task.asked().len(), 1);
    }
}

#[test]
fn every_raid_interface_checks_configurations_and_tells_what_logical_disks_have() {
    for raid in raids() {
        let ask = |method: &str, arguments: &Value, node: Value| {
            call(&raid, method, arguments, FakeTask::new(1).node(node).to_box())
        };
        let kind = |answer: Result<Value>| answer.map_err(|error| error.kind());
        let bad = json!({"logical_disks": []});

        let good = ask("validate_raid_config", &json!({"raid_config": target()}), json!({}));
        let refused = ask("validate_raid_config", &json!({"raid_config": bad}), json!({}));
        let without = ask("validate", &json!({}), json!({}));
        let with = ask("validate", &json!({}), json!({"target_raid_config": target()}));
        let with_bad = ask("validate", &json!({}), json!({"target_raid_config": bad}));
        let told = ask("get_logical_disk_properties", &json!({}), json!({})).unwrap();

        assert_eq!(
            (kind(good), kind(without), kind(with)),
            (Ok(Value::Null), Ok(Value::Null), Ok(Value::Null))
        );
        assert_eq!(kind(refused), Err(ErrorKind::InvalidParameter));
        assert_eq!(kind(with_bad), Err(ErrorKind::InvalidParameter));
        assert!(told["size_gb"].as_str().unwrap().ends_with("Required."), "{told}");
    }
}

#[test]
fn a_deploy_interface_that_does_not_listen_says_that_an_agent_has_called() {
    let host = FakeHost::default();
    let arguments = json!({"callback_url": "http://192.0.2.7:9999", "agent_version": "1.0"});

    for (task, interface) in [(7, exported(Deaf, &host)), (8, exported(SlowAndDeaf, &host))] {
        let heard = call(&interface, "heartbeat", &arguments, FakeTask::new(task).to_box());

        assert_eq!(heard, Ok(Value::Null));
        let logged = host.logged(task);
        let [record] = &logged[..] else { panic!("{logged:?}") };
        assert_eq!((record.level, record.target.as_str()), (2, "farrier_sdk::log"));
        assert!(record.message.contains("has called"), "{record:?}");
    }
}

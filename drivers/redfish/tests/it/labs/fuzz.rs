//! Resources of real BMCs, changed at random: whatever comes, the driver answers, and in time.

use std::time::Instant;

use farrier_redfish::client::message::Messages;
use farrier_redfish::resource::system::System;
use farrier_redfish::resource::virtual_media::VirtualMedia;
use farrier_redfish::resource::{raw::Raw, read};
use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::{self, Value, json};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::bench::{Bench, node};
use crate::bmc::{Bmc, PASSWORD, USER};

/// Longest time one operation on a broken BMC may take here.
const PATIENCE: Duration = Duration::from_secs(20);

/// Broken BMCs that are tried.
const BMCS: u32 = 36;

/// All resources of one bundle.
fn resources(name: &str) -> serde_json::Map<String, Value> {
    let path = farrier_sim::labs::directory().unwrap().join("redfish/mockups").join(name);
    let bundle: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    bundle["resources"].as_object().cloned().unwrap()
}

/// A change at one place of a resource.
#[derive(Debug, Clone)]
struct Change {
    place: usize,
    value: Value,
}

fn any_change() -> impl Strategy<Value = Change> {
    let values = prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!("")),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!("/redfish/v1")),
        Just(json!({"@odata.id": "/redfish/v1/Systems"})),
        Just(json!([{"@odata.id": "/redfish/v1/Systems"}, null, 3])),
        ".{0,40}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ];
    (any::<usize>(), values).prop_map(|(place, value)| Change { place, value })
}

/// Replaces the value at one place, counted through the whole resource.
fn change(resource: &mut Value, mut place: usize, value: &Value) {
    let count = size(resource);
    place %= count.max(1);
    let mut rest = vec![resource];
    while let Some(one) = rest.pop() {
        if place == 0 {
            *one = value.clone();
            return;
        }
        place -= 1;
        match one {
            Value::Array(list) => rest.extend(list.iter_mut()),
            Value::Object(members) => rest.extend(members.values_mut()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(size).sum(),
        Value::Object(members) => members.values().map(size).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[test]
fn readers_take_every_change_of_every_resource() {
    let all: Vec<Value> = farrier_sim::mockup::Mockup::names()
        .unwrap()
        .iter()
        .flat_map(|name| resources(name).into_iter().map(|(_, resource)| resource))
        .filter(Value::is_object)
        .collect();
    assert!(all.len() > 1000, "{}", all.len());
    let mut runner = TestRunner::new(Config { cases: 4000, failure_persistence: None, ..Config::default() });

    let outcome =
        runner.run(&(any::<usize>(), any_change(), any::<(usize, u8)>()), |(which, changed, (at, byte))| {
            let mut resource = all[which % all.len()].clone();
            change(&mut resource, changed.place, &changed.value);
            let text = resource.to_string();
            if resource.is_object() {
                prop_assert!(read::<System>(text.as_bytes()).is_ok());
                prop_assert!(read::<VirtualMedia>(text.as_bytes()).is_ok());
                prop_assert!(read::<Raw>(text.as_bytes()).is_ok());
            }
            let mut bytes = text.into_bytes();
            let place = at % bytes.len();
            bytes[place] = byte;
            let _read = (read::<System>(&bytes), read::<Raw>(&bytes), Messages::read(&bytes).to_string());
            bytes.truncate(place);
            let _cut = (read::<System>(&bytes), Messages::read(&bytes).to_string());
            Ok(())
        });

    outcome.unwrap();
}

/// Waits for one operation, which may fail, but not by a defect and not for long.
async fn timed<T>(name: &str, call: impl Future<Output = Result<T>>) {
    let start = Instant::now();
    let outcome = call.await;
    assert!(start.elapsed() < PATIENCE, "{name} took {:?}", start.elapsed());
    if let Err(error) = outcome {
        let defect = matches!(error.kind(), ErrorKind::Internal | ErrorKind::PluginPanicked);
        assert!(!defect && !error.to_string().contains(PASSWORD), "{name}: {error}");
    }
}

/// Everything that only reads, and an insert and a boot device.
async fn ask(bench: &Bench, task: &crate::bench::Task) {
    let (management, disc) = (&bench.management, "cdrom".to_owned());
    timed("power", bench.power.get_power_state(task)).await;
    timed("boot device", management.get_boot_device(task)).await;
    timed("set boot device", management.set_boot_device(task, BootDevice::Pxe, false)).await;
    timed("media", management.get_virtual_media(task)).await;
    timed("insert", management.attach_virtual_media(task, disc, "http://h/x.iso".to_owned())).await;
    timed("sensors", management.get_sensors_data(task)).await;
    timed("inspect", bench.inspect.survey(task)).await;
    timed("bios", bench.bios.cache_bios_settings(task)).await;
    timed("firmware", bench.firmware.cache_firmware_components(task)).await;
}

#[test]
fn every_operation_ends_on_bmcs_that_are_broken_at_random() {
    let names = farrier_sim::mockup::Mockup::names().unwrap();
    let bundles: Vec<_> = names.iter().map(|name| resources(name)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: BMCS, failure_persistence: None, ..Config::default() });
    let changes = prop::collection::vec((any::<usize>(), any_change()), 1..60);

    let outcome = runner.run(&(0..bundles.len(), changes), |(which, changes)| {
        let mut resources: Vec<(String, Value)> = bundles[which].clone().into_iter().collect();
        for (at, changed) in changes {
            let count = resources.len();
            change(&mut resources[at % count].1, changed.place, &changed.value);
        }
        let bmc = Bmc::start();
        bmc.state().resources.extend(resources.into_iter().map(|(path, body)| (path.trim_end_matches('/').to_owned(), body)));
        let root = bmc.state().resources.get("/redfish/v1").cloned().unwrap_or_default();
        bmc.state().resources.insert("/redfish/v1/".to_owned(), root);
        let task = node(&json!({"driver_info": {"redfish_address": bmc.url(), "redfish_username": USER, "redfish_password": PASSWORD}}));
        let options = json!({"media_change_timeout": 0, "server_error_attempts": 2});
        runtime.block_on(async { ask(&Bench::with(options), &task).await });
        Ok(())
    });

    outcome.unwrap();
}

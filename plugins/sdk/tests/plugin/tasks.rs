//! What a call may ask of its task.

use farrier_sdk::error::{DriverError, ErrorKind};
use serde_json::{Value, json};

use crate::host::{FakeHost, call};
use crate::task::{FakeTask, unexpected};
use crate::{implementation_of, vendor_call};

/// A node with internal data at a revision.
fn node(revision: u64, internal: &Value) -> Value {
    json!({
        "driver_info": {"acme_address": "192.0.2.1"},
        "driver_internal_info": internal,
        "internal_info_revision": revision,
    })
}

fn conflict(retryable: bool) -> DriverError {
    DriverError::new(ErrorKind::Conflict, "internal data has changed").retryable(retryable)
}

/// Names of what was asked.
fn methods(task: &FakeTask) -> Vec<String> {
    task.asked().into_iter().map(|(method, _)| method).collect()
}

#[test]
fn the_deadline_of_a_call_is_seen() {
    let with = vendor_call("time_left", &FakeTask::new(1).time_left_ms(1500));
    let without = vendor_call("time_left", &FakeTask::new(1));

    assert_eq!((with, without), (Ok(json!(1500)), Ok(Value::Null)));
}

#[test]
fn a_call_can_wait_for_its_cancellation() {
    assert_eq!(vendor_call("cancellation", &FakeTask::new(1).cancelled()), Ok(json!(true)));
}

#[test]
fn a_secret_is_revealed_by_the_host_and_not_shown() {
    let driver_info = json!({"acme_address": "a", "acme_password": {"$secret": "acme_password"}});
    let task =
        FakeTask::new(1).node(json!({"driver_info": driver_info})).answer(|method, arguments| {
            match (method, arguments["key"].as_str()) {
                ("secret.reveal", Some("acme_password")) => Ok(json!("hunter2")),
                _ => unexpected(method),
            }
        });

    let revealed = vendor_call("reveal", &task);

    assert_eq!(revealed, Ok(json!("Secret(******) of 7 bytes")));
}

#[test]
fn a_secret_the_host_does_not_give_is_an_error() {
    let driver_info = json!({"acme_address": "a", "acme_password": {"$secret": "acme_password"}});
    let task = FakeTask::new(1)
        .node(json!({"driver_info": driver_info}))
        .answer(|_, _| Err(DriverError::new(ErrorKind::TaskClosed, "the call has ended")));

    assert_eq!(vendor_call("reveal", &task).unwrap_err().kind(), ErrorKind::TaskClosed);
}

#[test]
fn only_what_changed_is_saved() {
    let task = FakeTask::new(1)
        .node(node(4, &json!({"count": 1, "old": true, "kept": "x"})))
        .answer(|_, _| Ok(json!({"revision": 5})));

    vendor_call("remember", &task).unwrap();

    let save = json!({"expect": 4, "set": {"count": 2}, "unset": ["old"]});
    assert_eq!(task.asked(), [("internal_info.save".to_owned(), save)]);
}

#[test]
fn a_save_after_somebody_elses_is_made_on_the_newest_data() {
    let task = FakeTask::new(1).node(node(4, &json!({"count": 1}))).answer(|method, arguments| {
        match (method, arguments["expect"].as_u64()) {
            ("internal_info.save", Some(4)) => Err(conflict(true)),
            ("node.refresh", _) => Ok(node(9, &json!({"count": 40, "theirs": true}))),
            ("internal_info.save", Some(9)) => Ok(json!({"revision": 10})),
            _ => unexpected(method),
        }
    });

    vendor_call("remember", &task).unwrap();

    let saved = json!({"expect": 9, "set": {"count": 41}, "unset": []});
    assert_eq!(methods(&task), ["internal_info.save", "node.refresh", "internal_info.save"]);
    assert_eq!(task.asked()[2].1, saved);
}

#[test]
fn a_second_save_of_one_call_builds_on_the_first() {
    let task = FakeTask::new(1)
        .node(node(4, &json!({"count": 1})))
        .answer(|_, arguments| Ok(json!({"revision": arguments["expect"].as_u64().unwrap() + 1})));

    vendor_call("remember_twice", &task).unwrap();

    let sets: Vec<_> =
        task.asked().iter().map(|(_, save)| (save["expect"].clone(), save["set"].clone())).collect();
    assert_eq!(sets, [(json!(4), json!({"count": 2})), (json!(5), json!({"count": 3}))]);
}

#[test]
fn a_save_that_never_succeeds_is_given_up() {
    let task = FakeTask::new(1).answer(|method, _| match method {
        "internal_info.save" => Err(conflict(true)),
        _ => Ok(node(1, &json!({}))),
    });

    let error = vendor_call("remember", &task).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(methods(&task).iter().filter(|method| *method == "internal_info.save").count(), 8);
}

#[test]
fn a_conflict_that_cannot_be_helped_is_not_tried_again() {
    let task = FakeTask::new(1).answer(|_, _| Err(conflict(false)));

    assert_eq!(vendor_call("remember", &task).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(methods(&task).len(), 1);
}

#[test]
fn other_interfaces_of_the_node_are_called_through_the_host() {
    let task = FakeTask::new(1).answer(|method, _| match method {
        "power.get_power_state" => Ok(json!("power on")),
        "management.set_boot_device" | "power.set_power_state" => Ok(Value::Null),
        _ => unexpected(method),
    });

    let state = vendor_call("boot_from_network", &task);

    assert_eq!(state, Ok(json!("power on")));
    let expected = [
        ("management.set_boot_device", json!({"device": "pxe", "persistent": false})),
        ("power.set_power_state", json!({"state": "power on", "timeout": 1.5})),
        ("power.get_power_state", json!({})),
    ];
    assert_eq!(task.asked(), expected.map(|(method, arguments)| (method.to_owned(), arguments)));
}

#[test]
fn an_error_of_another_interface_arrives_whole() {
    let task = FakeTask::new(1).answer(|_, _| Err(DriverError::unsupported("no boot device")));

    assert_eq!(vendor_call("boot_from_network", &task), Err(DriverError::unsupported("no boot device")));
}

#[test]
fn an_unexpected_answer_of_another_interface_is_a_bad_payload() {
    let task = FakeTask::new(1).answer(|_, _| Ok(json!({"sideways": true})));

    assert_eq!(vendor_call("boot_from_network", &task).unwrap_err().kind(), ErrorKind::BadPayload);
}

#[test]
fn metrics_and_events_reach_the_host() {
    let (host, task) = (FakeHost::default(), FakeTask::new(1));

    let request = json!({"method": "observe"});
    call(&implementation_of("vendor", &host), "vendor_call", &request, task.to_box()).unwrap();

    assert_eq!(host.observed()["temperature"].to_string(), "21.5");
    assert_eq!(host.observed()["fan_speed fan=\"left\""].to_string(), "4800");
    assert_eq!(task.asked(), [("event".to_owned(), json!({"message": "it is warm"}))]);
}

//! The blocking style: plain functions, each call on a thread of its own.

use farrier_sdk::error::ErrorKind;
use serde_json::{Value, json};

use crate::host::call;
use crate::implementation;
use crate::task::FakeTask;

#[test]
fn a_blocking_method_does_not_run_on_the_thread_that_polls() {
    let management = implementation("management");

    let devices =
        call(&management, "get_supported_boot_devices", &json!({}), FakeTask::new(1).to_box()).unwrap();

    assert_ne!(devices[0], format!("{:?}", std::thread::current().id()));
}

#[test]
fn a_blocking_method_waits_for_the_task() {
    let task = FakeTask::new(1);

    let device = call(&implementation("management"), "get_boot_device", &json!({}), task.to_box());

    assert_eq!(device, Ok(json!({"boot_device": null, "persistent": null})));
    assert_eq!(task.asked(), [("progress".to_owned(), json!({"percent": 50, "message": "asking"}))]);
}

#[test]
fn arguments_of_a_blocking_method_are_read_before_it_gets_a_thread() {
    let management = implementation("management");

    let set = call(&management, "set_boot_device", &json!({"persistent": "no"}), FakeTask::new(1).to_box());

    assert_eq!(set.unwrap_err().kind(), ErrorKind::MissingParameter);
}

#[test]
fn a_blocking_implementation_inherits_too() {
    let management = implementation("management");

    let validated = call(&management, "validate", &json!({}), FakeTask::new(1).to_box());
    let unknown = call(&management, "get_coffee", &json!({}), FakeTask::new(1).to_box());

    assert_eq!(validated, Ok(Value::Null));
    assert_eq!(unknown.unwrap_err().kind(), ErrorKind::Unsupported);
}

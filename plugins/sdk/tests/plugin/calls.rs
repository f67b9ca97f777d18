//! Methods: arguments, results, errors.

use farrier_abi::DOCUMENT_SIZE_MAX;
use farrier_sdk::error::{DriverError, ErrorKind, Result};
use serde_json::{Value, json};

use crate::host::{FakeHost, call, call_raw};
use crate::task::FakeTask;
use crate::{implementation, implementation_of};

fn power(method: &str, arguments: &Value) -> Result<Value> {
    call(&implementation("power"), method, arguments, FakeTask::new(1).to_box())
}

/// The power state of a node with this `driver_info`.
fn power_state(driver_info: &Value) -> Result<Value> {
    let task = FakeTask::new(1).node(json!({"driver_info": driver_info}));
    call(&implementation("power"), "get_power_state", &json!({}), task.to_box())
}

fn vendor(arguments: &Value) -> Result<Value> {
    call(&implementation("vendor"), "vendor_call", arguments, FakeTask::new(1).to_box())
}

fn kind(result: Result<Value>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn a_result_is_the_json_of_its_type() {
    assert_eq!(power("get_power_state", &json!({})), Ok(json!("power on")));
}

#[test]
fn no_arguments_at_all_are_none() {
    let state = call_raw(&implementation("power"), "get_power_state", b"", FakeTask::new(1).to_box());

    assert_eq!(state, Ok(json!("power on")));
}

#[test]
fn arguments_reach_the_method_and_its_error_the_host() {
    let error = power("set_power_state", &json!({"state": "soft power off", "timeout": 1.5})).unwrap_err();

    let expected =
        DriverError::unreachable("no answer from `192.0.2.1` to `soft power off` within Some(1.5s)");
    let cause = std::io::Error::new(std::io::ErrorKind::TimedOut, "nobody listens");
    assert_eq!(error, expected.caused_by(&cause).with_details(json!({"port": 443})));
    assert!(error.is_retryable());
}

#[test]
fn an_absent_optional_argument_is_none() {
    let error = power("set_power_state", &json!({"state": "power on"})).unwrap_err();

    assert!(error.message().ends_with("within None"), "{error}");
}

#[test]
fn a_missing_argument_is_named() {
    let error = power("set_power_state", &json!({"timeout": 1})).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::MissingParameter);
    assert_eq!(error.message(), "argument `state` is missing");
}

#[test]
fn a_wrong_argument_is_named() {
    for (arguments, name) in [
        (json!({"state": "sideways"}), "`state`"),
        (json!({"state": 1}), "`state`"),
        (json!({"state": "power on", "timeout": "soon"}), "`timeout`"),
        (json!({"state": "power on", "timeout": -1}), "`timeout`"),
        (json!({"state": "power on", "timeout": 1e300}), "`timeout`"),
    ] {
        let error = power("set_power_state", &arguments).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{arguments}");
        assert!(error.message().contains(name), "{error}");
    }
}

#[test]
fn arguments_of_a_newer_host_are_ignored() {
    assert_eq!(power("get_power_state", &json!({"precisely": true})), Ok(json!("power on")));
}

#[test]
fn what_is_no_object_is_a_bad_payload() {
    for payload in ["[]", "1", "{", "\"text\"", "\u{fffd}"] {
        let answer = call_raw(
            &implementation("power"),
            "get_power_state",
            payload.as_bytes(),
            FakeTask::new(1).to_box(),
        );
        assert_eq!(kind(answer), ErrorKind::BadPayload, "{payload}");
    }
}

#[test]
fn a_document_has_a_largest_size() {
    let mut payload = vec![b' '; DOCUMENT_SIZE_MAX - 1];
    payload.extend(b"{}");

    let power = implementation("power");
    let too_large = call_raw(&power, "get_power_state", &payload, FakeTask::new(1).to_box());
    let largest = call_raw(&power, "get_power_state", &payload[1..], FakeTask::new(1).to_box());

    assert_eq!(kind(too_large), ErrorKind::BadPayload);
    assert_eq!(largest, Ok(json!("power on")));
}

#[test]
fn an_unknown_method_is_unsupported() {
    assert_eq!(kind(power("get_coffee", &json!({}))), ErrorKind::Unsupported);
    assert_eq!(kind(power("vendor_call", &json!({"method": "say"}))), ErrorKind::Unsupported);
    assert_eq!(kind(vendor(&json!({"method": "get_coffee"}))), ErrorKind::Unsupported);
}

#[test]
fn a_method_that_is_not_overridden_is_inherited_or_unsupported() {
    let management = implementation("management");
    let inherited = power("supports_power_sync", &json!({}));
    let unsupported = call(&management, "get_boot_mode", &json!({}), FakeTask::new(1).to_box());

    assert_eq!(inherited, Ok(json!(true)));
    let error = unsupported.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.message(), "`get_boot_mode` is not supported by this management interface");
}

#[test]
fn driver_info_is_read_with_its_defaults() {
    let given = json!({"acme_address": "a", "acme_port": null, "acme-care": "low", "other_key": 1});

    assert_eq!(power_state(&json!({"acme_address": "a"})), Ok(json!("power on")));
    assert_eq!(power_state(&given), Ok(json!("power off")));
}

#[test]
fn everything_wrong_with_driver_info_is_said_at_once() {
    let error = power_state(&json!({"acme_port": 70_000, "acme-care": "none"})).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::MissingParameter);
    assert_eq!(
        error.message(),
        "missing `acme_address`; `acme_port`: expected u16; `acme-care`: expected `high` or `low`"
    );
}

#[test]
fn a_wrong_value_is_not_repeated() {
    let error = power_state(&json!({"acme_address": {"password": "hunter2"}, "acme_password": "hunter2"}));

    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

#[test]
fn validation_reads_driver_info() {
    let task = FakeTask::new(1).node(json!({"driver_info": {}}));

    let validated = call(&implementation("power"), "validate", &json!({}), task.to_box());

    assert_eq!(kind(validated), ErrorKind::MissingParameter);
    assert_eq!(power("validate", &json!({})), Ok(Value::Null));
}

#[test]
fn a_vendor_method_is_called_by_its_name_with_its_arguments() {
    let say = |arguments| vendor(&json!({"method": "say", "arguments": arguments}));

    assert_eq!(say(json!({"word": "hello", "more": 1})), Ok(json!("hello")));
    let error = say(json!({})).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    assert!(error.message().contains("arguments of vendor method `say`"), "{error}");
    assert_eq!(kind(vendor(&json!({"method": "say_word"}))), ErrorKind::Unsupported);
}

#[test]
fn calls_of_one_implementation_do_not_wait_for_each_other() {
    let host = FakeHost::default();
    let vendor = implementation_of("vendor", &host);

    let waiting = vendor.call(
        "vendor_call".into(),
        br#"{"method":"wait_forever"}"#.as_slice().into(),
        FakeTask::new(1).to_box(),
    );
    let mut waiting = std::pin::pin!(waiting.into_future());
    let polled = waiting.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    let said = json!({"method": "say", "arguments": {"word": "second"}});

    assert!(polled.is_pending());
    assert_eq!(call(&vendor, "vendor_call", &said, FakeTask::new(2).to_box()), Ok(json!("second")));
}

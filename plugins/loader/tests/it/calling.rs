//! What `rogue` does in calls, through the loaded library, and that its next call is a good one.

use std::time::Duration;

use farrier_loader::Report;
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::interface::InterfaceType;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::node::{PASSWORD, PATIENCE, Request, power_state};

/// How long a call may take that never ends: long beside one that does.
const SHORT: Duration = Duration::from_millis(500);

fn loaded() -> Report {
    let report = Bench::with_rogue().load();
    assert_eq!(report.plugins.len(), 1, "{:?}", report.refused);
    report
}

/// Asks for the power state of a machine that misbehaves.
fn ask(report: &Report, mode: &str, delay: Duration, timeout: Duration) -> Result<Value, DriverError> {
    let request = Request {
        kind: InterfaceType::Power,
        name: "rogue",
        method: "get_power_state",
        arguments: json!({}),
        driver_info: json!({
            "rogue_mode": mode,
            "rogue_delay_ms": u64::try_from(delay.as_millis()).unwrap(),
            "rogue_password": {"$secret": "rogue_password"},
        }),
        timeout,
    };
    request.send(&report.plugins[0])
}

/// The error of one misbehavior, after which the plugin still behaves.
fn error_of(mode: &str, timeout: Duration) -> DriverError {
    let report = loaded();
    let error = ask(&report, mode, PATIENCE, timeout).unwrap_err();
    assert_eq!(power_state(&report.plugins[0], "rogue"), "power off", "after {mode}");
    error
}

#[test]
fn an_error_arrives_as_it_was_made() {
    let error = error_of("error", PATIENCE);

    assert_eq!((error.kind(), error.message()), (ErrorKind::Hardware, "rogue was asked to fail"));
}

#[test]
fn a_panic_is_an_error_with_its_place() {
    let error = error_of("panic", PATIENCE);

    assert_eq!(error.kind(), ErrorKind::PluginPanicked);
    let expected = "rogue was asked to panic in a call at tests/rogue/src/calling.rs:";
    assert!(error.message().starts_with(expected), "{error}");
}

#[test]
fn a_call_that_never_ends_is_dropped() {
    assert_eq!(error_of("hang", SHORT).kind(), ErrorKind::Timeout);
}

#[test]
fn a_destructor_that_panics_does_no_harm() {
    assert_eq!(error_of("panic-in-drop", SHORT).kind(), ErrorKind::Timeout);
}

#[test]
fn a_call_that_ignores_that_it_should_end_is_dropped() {
    assert_eq!(error_of("ignore-cancel", SHORT).kind(), ErrorKind::Timeout);
}

#[test]
fn a_call_that_looks_whether_it_should_end_ends_by_itself() {
    let error = error_of("slow", SHORT);

    assert_eq!((error.kind(), error.message()), (ErrorKind::Cancelled, "rogue was asked to end"));
}

#[test]
fn a_slow_call_that_has_the_time_succeeds() {
    let answer = ask(&loaded(), "slow", Duration::from_millis(50), PATIENCE);

    assert_eq!(answer, Ok(json!("power off")));
}

#[test]
fn a_call_that_blocks_for_a_while_succeeds() {
    let answer = ask(&loaded(), "block-executor", Duration::from_millis(100), PATIENCE);

    assert_eq!(answer, Ok(json!("power off")));
}

#[test]
fn a_lie_is_told() {
    assert_eq!(ask(&loaded(), "lie", SHORT, PATIENCE), Ok(json!("power on")));
}

#[test]
fn a_task_is_dead_when_its_call_has_ended() {
    let report = loaded();
    assert_eq!(ask(&report, "keep-task", SHORT, PATIENCE), Ok(json!("power off")));

    let error = ask(&report, "keep-task", SHORT, PATIENCE).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::TaskClosed);
}

#[test]
fn an_answer_beyond_the_boundarys_limit_arrives() {
    let report = loaded();
    let request = Request {
        kind: InterfaceType::Management,
        name: "rogue",
        method: "get_sensors_data",
        arguments: json!({}),
        driver_info: json!({"rogue_mode": "large"}),
        timeout: PATIENCE,
    };

    let answer = request.send(&report.plugins[0]);

    assert_eq!(answer.unwrap_err().kind(), ErrorKind::BadPayload);
}

#[test]
fn a_secret_that_the_plugin_tells_is_in_its_error() {
    let error = error_of("log-secret", PATIENCE);

    assert!(error.message().contains(PASSWORD), "{error}");
}

#[test]
fn an_unknown_word_is_refused() {
    let error = error_of("be-nice", PATIENCE);

    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
}

//! Steps: a vendor's own, and methods that are steps too.

use farrier_sdk::error::{ErrorKind, Result};
use serde_json::{Value, json};

use crate::host::call;
use crate::implementation;
use crate::task::FakeTask;

/// Runs a step; answers the outcome and what the step reported as its progress.
fn run(kind: &str, step: &str, arguments: &Value) -> (Result<Value>, Vec<String>) {
    let task = FakeTask::new(1);
    let request = json!({"kind": "clean", "step": step, "args": arguments});
    let outcome = call(&implementation(kind), "execute_step", &request, task.to_box());
    let progress = task.asked().into_iter().map(|(_, asked)| asked["message"].as_str().unwrap().to_owned());
    (outcome, progress.collect())
}

#[test]
fn a_step_gets_its_arguments() {
    let (outcome, progress) = run("power", "reset_bmc", &json!({"reason": "dust", "force": true}));

    assert_eq!(outcome, Ok(json!("done")));
    assert_eq!(progress, ["dust"]);
}

#[test]
fn a_step_may_go_on_by_itself() {
    let (outcome, _) = run("power", "reset_bmc", &json!({"reason": "dust", "settle": 3}));

    assert_eq!(outcome, Ok(json!({"wait": {"poll_after_ms": 3000}})));
}

#[test]
fn wrong_arguments_of_a_step_are_refused() {
    for arguments in [json!({}), Value::Null, json!({"reason": 1}), json!([])] {
        let error = run("power", "reset_bmc", &arguments).0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{arguments}");
        assert!(error.message().starts_with("arguments of step `reset_bmc`"), "{error}");
    }
}

#[test]
fn an_unknown_step_is_unsupported() {
    assert_eq!(run("power", "get_power_state", &json!({})).0.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(run("bios", "factory_reset", &json!({})).0.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_method_that_is_a_step_is_called_both_ways() {
    let arguments = json!({"settings": [{"name": "turbo", "value": "on"}]});

    let (as_step, progress) = run("bios", "apply_configuration", &arguments);
    let as_method =
        call(&implementation("bios"), "apply_configuration", &arguments, FakeTask::new(1).to_box());

    assert_eq!(as_step, Ok(json!({"wait": {"poll_after_ms": 5}})));
    assert_eq!(progress, ["turbo"]);
    assert_eq!(as_method, as_step);
}

#[test]
fn a_method_that_is_a_step_names_a_missing_argument() {
    let error = run("bios", "apply_configuration", &json!({})).0.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::MissingParameter);
    assert_eq!(error.message(), "argument `settings` is missing");
}

#[test]
fn a_method_that_is_a_step_has_its_defaults() {
    let (outcome, progress) = run("raid", "create_configuration", &json!({"delete_existing": false}));

    assert_eq!(outcome, Ok(json!("done")));
    assert_eq!(progress, ["true true false"]);
}

#[test]
fn a_step_that_answers_something_else_is_done() {
    let as_method =
        call(&implementation("bios"), "cache_bios_settings", &json!({}), FakeTask::new(1).to_box());

    assert_eq!(run("bios", "cache_bios_settings", &Value::Null).0, Ok(json!("done")));
    assert_eq!(as_method, Ok(json!([{"name": "turbo", "value": "on"}])));
}

#[test]
fn a_blocking_step_that_answers_nothing_is_done() {
    let (outcome, progress) = run("management", "measure", &json!({"reason": "noise"}));

    assert_eq!(outcome, Ok(json!("done")));
    assert_eq!(progress, ["noise"]);
}

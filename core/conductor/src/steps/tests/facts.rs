//! What is kept of a machine, while steps change it.

use farrier_model::node::Node;
use farrier_model::provision::{ProvisionState as S, Verb};
use farrier_model::step::{RequestedStep, StepKind};
use farrier_sdk::error::DriverError;
use farrier_sdk::interface::InterfaceType;
use serde_json::json;

use crate::script::Answer;
use crate::script::stage::{self, Stage, step, step_with, with_steps};
use crate::steps::Flow;
use crate::task::tests::quick;

/// A node whose BIOS and firmware are scripted.
async fn manageable() -> (Stage, Node) {
    let stage = Stage::new(quick()).await;
    let mut node = stage::node(S::Manageable);
    for kind in [InterfaceType::Bios, InterfaceType::Firmware] {
        node.interfaces.set(kind, Some("script".to_owned()));
    }
    let node = stage.enrol(node).await;
    (stage, node)
}

async fn clean(stage: &Stage, node: &Node, steps: Vec<RequestedStep>) {
    stage.ask(node, with_steps(Verb::Clean, steps)).await.unwrap();
}

/// The one setting and the one version that are kept.
async fn kept(stage: &Stage, node: &Node) -> (Option<String>, Option<String>) {
    let settings = stage.store.bios_settings_by_node(node.id).await.unwrap();
    let components = stage.store.firmware_by_node(node.id).await.unwrap();
    let [setting] = &settings[..] else { panic!("{settings:?}") };
    let [component] = &components[..] else { panic!("{components:?}") };
    (setting.value.clone(), Some(component.current_version.clone()))
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Whether the node waits in its second step.
fn is_second(node: &Node) -> bool {
    let current = node.clean_step.get("step").and_then(serde_json::Value::as_str);
    current == Some("second") && node.provision_state == S::CleanWait && node.reservation.is_none()
}

#[tokio::test]
async fn what_a_step_changed_is_read_before_the_next_step_begins() {
    let (stage, node) = manageable().await;
    let steps = vec![
        step("bios.factory_reset"),
        step_with("bios.apply_configuration", json!({"settings": []})),
        step_with("firmware.update", json!({"settings": []})),
        step("management.second"),
    ];
    stage.script.will("management.second", Answer::Wait);

    clean(&stage, &node, steps).await;

    let node = stage.settled(&node, S::CleanWait).await;
    assert_eq!(kept(&stage, &node).await, (text("2"), text("1")));
    let asked = stage.script.asked();
    let from = asked.iter().position(|call| call == "bios.factory_reset").unwrap();
    let expected = [
        "bios.factory_reset",
        "bios.cache_bios_settings",
        "bios.apply_configuration",
        "bios.cache_bios_settings",
        "firmware.update",
        "firmware.cache_firmware_components",
        "management.second",
    ];
    assert_eq!(asked[from..], expected);
}

#[tokio::test]
async fn a_step_that_is_asked_again_is_read_after_when_it_is_over() {
    let (stage, node) = manageable().await;
    for _ in 0..3 {
        stage.script.will("bios.factory_reset", Answer::Poll(1));
    }
    stage.script.will("management.second", Answer::Wait);

    clean(&stage, &node, vec![step("bios.factory_reset"), step("management.second")]).await;

    let node = stage.eventually(&node, is_second).await;
    assert_eq!(kept(&stage, &node).await, (text("4"), text("0")));
    assert_eq!(stage.script.count("bios.factory_reset"), 4);
    assert_eq!(stage.script.count("bios.cache_bios_settings"), 2, "when cleaning began, and after the step");
}

#[tokio::test]
async fn a_step_that_the_agent_ends_is_read_after_when_it_is_over() {
    let (stage, node) = manageable().await;
    stage.script.will("bios.factory_reset", Answer::Wait);
    stage.script.will("management.second", Answer::Wait);

    clean(&stage, &node, vec![step("bios.factory_reset"), step("management.second")]).await;

    let node = stage.settled(&node, S::CleanWait).await;
    assert_eq!(kept(&stage, &node).await, (text("0"), text("0")), "it is not over");
    stage.call_back(&node, StepKind::Clean).await.unwrap();
    let node = stage.eventually(&node, is_second).await;
    assert_eq!(kept(&stage, &node).await, (text("1"), text("0")));
    assert_eq!(stage.script.count("bios.cache_bios_settings"), 2, "when cleaning began, and after the step");
}

#[tokio::test]
async fn a_step_that_is_to_be_run_again_is_not_over_and_not_read_after() {
    let (stage, node) = manageable().await;
    stage.script.will("bios.factory_reset", Answer::Wait);
    stage.script.will("management.second", Answer::Wait);
    clean(&stage, &node, vec![step("bios.factory_reset"), step("management.second")]).await;
    let node = stage.settled(&node, S::CleanWait).await;
    let again = |node: &mut Node| {
        node.driver_internal_info.insert(Flow::Clean.keys().skip.to_owned(), json!(false));
    };
    stage.change(&node, again).await;

    stage.call_back(&node, StepKind::Clean).await.unwrap();

    stage.eventually(&node, is_second).await;
    assert_eq!(stage.script.count("bios.factory_reset"), 2);
    assert_eq!(stage.script.count("bios.cache_bios_settings"), 2, "when cleaning began, and after the step");
}

#[tokio::test]
async fn a_machine_that_does_not_tell_what_became_of_it_does_not_fail_the_step() {
    let (stage, node) = manageable().await;
    stage.script.will("bios.cache_bios_settings", Answer::Done);
    stage.script.will("bios.cache_bios_settings", Answer::Fail(DriverError::unreachable("it restarts")));

    clean(&stage, &node, vec![step("bios.factory_reset"), step("management.first")]).await;

    let node = stage.settled(&node, S::Manageable).await;
    assert_eq!(node.last_error, None);
    assert_eq!(stage.script.count("management.first"), 1);
    assert_eq!(kept(&stage, &node).await.0, text("1"), "it is read once more at the end");
}

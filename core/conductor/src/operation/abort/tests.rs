use farrier_model::node::{Fault, Node};
use farrier_model::step::StepKind;
use farrier_sdk::descriptor::StepDescriptor;
use farrier_sdk::interface::InterfaceType;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::script::{self, Script};
use crate::service::ProvisionRequest;
use crate::task::RequestContext;
use crate::task::tests::{Fixture, quick};

/// A step that may be cut short, or not.
fn step(name: &str, abortable: bool) -> Step {
    let descriptor: StepDescriptor = serde_json::from_value(
        json!({"kinds": ["clean"], "step": name, "priority": 10, "abortable": abortable}),
    )
    .unwrap();
    Step::of_driver(InterfaceType::Deploy, StepKind::Clean, &descriptor)
}

/// A conductor and a node in `state` with `step` under way.
async fn node_with(state: S, step: Option<Step>) -> (Fixture, Script, Node) {
    let (fixture, script) = script::fixture(quick()).await;
    let mut node = Node {
        provision_state: state,
        target_provision_state: state.default_target(),
        ..Node::new(Uuid::new_v4(), "fake-hardware")
    };
    for (key, value) in [("agent_url", json!("http://agent")), ("kept", json!(1))] {
        node.driver_internal_info.insert(key.to_owned(), value);
    }
    if let (Some(flow), Some(step)) = (Flow::of(state), step) {
        let keys = flow.keys();
        node.driver_internal_info.insert(keys.steps.to_owned(), json!([step.to_fields()]));
        node.driver_internal_info.insert(keys.index.to_owned(), json!(0));
        *flow.current_fields(&mut node) = step.to_fields();
    }
    let node = fixture.enrol(node).await;
    (fixture, script, node)
}

async fn request(fixture: &Fixture, node: &Node) -> Result<(), ConductorError> {
    let request = ProvisionRequest::new(Verb::Abort);
    fixture.conductor.provision(RequestContext::default(), &node.uuid.into(), request).await
}

async fn abort_of(fixture: &Fixture, node: &Node) -> Node {
    request(fixture, node).await.unwrap();
    fixture.unlocked(node).await
}

/// What each waiting or held list of steps leads to, and what puts away what it prepared.
const FLOWS: [(S, S, &str); 6] = [
    (S::CleanWait, S::CleanFail, "deploy.tear_down_cleaning"),
    (S::CleanHold, S::CleanFail, "deploy.tear_down_cleaning"),
    (S::DeployWait, S::DeployFail, "deploy.clean_up"),
    // The reference tears the instance down here, and ends with an impossible transition.
    (S::DeployHold, S::DeployFail, "deploy.clean_up"),
    (S::ServiceWait, S::Active, "deploy.tear_down_service"),
    (S::ServiceHold, S::Active, "deploy.tear_down_service"),
];

#[tokio::test]
async fn steps_that_wait_are_given_up_at_once() {
    for (state, expected, put_away) in FLOWS {
        let (fixture, script, node) = node_with(state, Some(step("erase", true))).await;
        let flow = Flow::of(state).unwrap();

        let mut aborted = abort_of(&fixture, &node).await;

        assert_eq!(aborted.provision_state, expected, "{state}");
        assert_eq!(aborted.target_provision_state, expected.default_target(), "{state}");
        let error = format!(
            "By request, the {} operation was aborted during or after the completion of step \"deploy.erase\"",
            flow.kind()
        );
        assert_eq!(aborted.last_error, Some(error), "{state}");
        assert_eq!(script.asked(), [put_away], "{state}");
        assert_eq!(json!(aborted.driver_internal_info), json!({"kept": 1}), "{state}");
        assert!(flow.current_fields(&mut aborted).is_empty(), "{state}");
        assert!(!aborted.maintenance, "{state}");
    }
}

#[tokio::test]
async fn a_flow_without_a_current_step_is_given_up_too() {
    for (state, expected, put_away) in FLOWS {
        let (fixture, script, node) = node_with(state, None).await;

        let aborted = abort_of(&fixture, &node).await;

        assert_eq!(aborted.provision_state, expected, "{state}");
        let error = aborted.last_error.unwrap();
        assert!(error.ends_with("operation was aborted"), "{state}: {error}");
        assert_eq!(script.asked(), [put_away], "{state}");
    }
}

#[tokio::test]
async fn a_step_that_must_not_be_cut_short_is_the_last() {
    for (state, ..) in FLOWS {
        let (fixture, script, node) = node_with(state, Some(step("erase", false))).await;
        let flow = Flow::of(state).unwrap();

        let waits = abort_of(&fixture, &node).await;

        assert_eq!((waits.provision_state, waits.last_error.clone()), (state, None));
        let marked = flow.current(&waits).unwrap();
        assert!(marked.abort_after, "{state}");
        assert_eq!(Step { abort_after: false, ..marked }, step("erase", false), "{state}");
        assert!(script.asked().is_empty(), "{state}");
        // Asking again changes nothing.
        assert_eq!(abort_of(&fixture, &node).await.provision_state, state);
    }
}

#[tokio::test]
async fn a_node_that_is_held_can_be_given_up_whatever_the_step_says() {
    for (state, expected) in [(S::CleanHold, S::CleanFail), (S::ServiceHold, S::Active)] {
        let (fixture, _script, node) = node_with(state, Some(step("hold", false))).await;

        assert_eq!(abort_of(&fixture, &node).await.provision_state, expected);
    }
}

#[tokio::test]
async fn an_aborted_manual_cleaning_keeps_its_target() {
    let (fixture, _script, node) = node_with(S::CleanWait, Some(step("erase", true))).await;
    let mut changed = node.clone();
    changed.target_provision_state = Some(S::Manageable);
    fixture.store.node_update(&node, &changed).await.unwrap();

    let aborted = abort_of(&fixture, &node).await;

    assert_eq!(
        (aborted.provision_state, aborted.target_provision_state),
        (S::CleanFail, Some(S::Manageable))
    );
}

#[tokio::test]
async fn a_failed_service_is_given_up_outside_maintenance_only() {
    let (fixture, script, node) = node_with(S::ServiceFail, None).await;
    let mut changed = node.clone();
    changed.maintenance = true;
    let changed = fixture.store.node_update(&node, &changed).await.unwrap();

    let refused = request(&fixture, &node).await;

    assert!(matches!(refused, Err(ConductorError::AbortInMaintenance { .. })), "{refused:?}");
    let stored = fixture.stored(&node).await;
    assert_eq!((stored.provision_state, stored.reservation), (S::ServiceFail, None));
    fixture.store.node_update(&changed, &Node { maintenance: false, ..changed.clone() }).await.unwrap();
    let aborted = abort_of(&fixture, &node).await;
    assert_eq!((aborted.provision_state, aborted.target_provision_state), (S::Active, None));
    assert_eq!(script.asked(), ["deploy.tear_down_service"]);
}

#[tokio::test]
async fn a_node_that_waits_for_nothing_has_nothing_to_abort() {
    for state in [S::Manageable, S::Active, S::Cleaning, S::DeployFail] {
        let (fixture, _script, node) = node_with(state, None).await;

        let refused = request(&fixture, &node).await;

        assert!(matches!(refused, Err(ConductorError::InvalidStateRequested { .. })), "{refused:?}");
        assert_eq!(fixture.stored(&node).await.provision_state, state);
    }
}

#[tokio::test]
async fn every_state_the_machine_aborts_from_is_known_here() {
    for state in S::ALL {
        let possible = farrier_model::provision::machine::next(state, Event::Abort).is_ok();
        let (fixture, _script, node) = node_with(state, None).await;
        let task = fixture.tasks().acquire_exclusive(&node, crate::task::Acquire::new("test")).await;
        let mut task = task.unwrap();

        let started = start(&mut task).await;

        assert_eq!(started.is_ok(), possible, "{state}: {started:?}");
    }
}

#[tokio::test]
async fn an_abort_without_a_worker_lets_the_node_wait_on() {
    let (fixture, script, node) = node_with(S::DeployWait, Some(step("erase", true))).await;
    let busy = script::all_workers(&fixture).await;

    let refused = request(&fixture, &node).await;

    assert!(matches!(refused, Err(ConductorError::NoFreeConductorWorker { .. })), "{refused:?}");
    let stored = fixture.stored(&node).await;
    assert_eq!((stored.provision_state, stored.target_provision_state), (S::DeployWait, Some(S::Active)));
    assert_eq!(stored.reservation, None);
    assert!(script.asked().is_empty());
    drop(busy);
}

#[tokio::test]
async fn what_cannot_be_put_away_is_the_failure_of_the_operation() {
    for (state, expected, put_away) in FLOWS {
        let (fixture, script, node) = node_with(state, Some(step("erase", true))).await;
        script.will_fail(put_away, "port is stuck");

        let aborted = abort_of(&fixture, &node).await;

        assert_eq!(aborted.provision_state, expected, "{state}");
        let error = aborted.last_error.unwrap();
        assert!(error.contains("port is stuck"), "{state}: {error}");
        let fault = match Flow::of(state).unwrap() {
            Flow::Clean => Some(Fault::CleanFailure),
            Flow::Deploy => None,
            Flow::Service => Some(Fault::ServiceFailure),
        };
        assert_eq!((aborted.maintenance, aborted.fault), (fault.is_some(), fault), "{state}");
        assert_eq!(script.asked(), [put_away], "{state}");
    }
}

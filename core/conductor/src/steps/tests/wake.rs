use std::sync::Arc;
use std::time::Duration;

use farrier_model::node::Node;
use farrier_model::provision::{ProvisionState as S, Verb};
use farrier_model::step::StepKind;
use farrier_sdk::error::DriverError;
use jiff::Timestamp;
use serde_json::json;

use super::super::wake::{self, Sweep};
use super::{clean, first_and_second, states};
use crate::config::ConductorConfig;
use crate::script::Answer;
use crate::script::stage::{Stage, step, step_with, with_steps};
use crate::service::Conductor;
use crate::steps::Flow;
use crate::task::tests::quick;

/// A time within which nobody asks.
const NEVER: u64 = 3_600_000;

async fn stage_with(config: ConductorConfig, state: S) -> (Stage, Node) {
    let stage = Stage::new(config).await;
    let node = stage.node_in(state).await;
    (stage, node)
}

/// A node that waits in a clean step and is not asked within this test.
async fn polled() -> (Stage, Node) {
    let (stage, node) = stage_with(quick(), S::Manageable).await;
    stage.script.will("management.second", Answer::Poll(NEVER));
    stage.ask(&node, clean(&["management.second", "management.first"])).await.unwrap();
    let node = stage.settled(&node, S::CleanWait).await;
    (stage, node)
}

/// Lets the time come that a node waits for, `late` ago.
async fn come(stage: &Stage, node: &Node, flow: Flow, late: Duration) -> Node {
    let at = Timestamp::now().checked_sub(late).unwrap();
    let change = |node: &mut Node| {
        let wake = node.driver_internal_info.get_mut(flow.keys().wake).unwrap();
        wake["at"] = json!(at);
    };
    stage.change(node, change).await
}

#[tokio::test]
async fn a_step_is_asked_again_until_it_is_over() {
    for flow in [Flow::Clean, Flow::Service] {
        let (stage, node) = stage_with(quick(), states(flow).0).await;
        for _ in 0..3 {
            stage.script.will("management.second", Answer::Poll(1));
        }

        stage.ask(&node, first_and_second(flow)).await.unwrap();

        let node = stage.settled(&node, states(flow).1).await;
        assert_eq!((stage.script.count("management.first"), stage.script.count("management.second")), (1, 4));
        assert_eq!(node.driver_internal_info.get("asked"), Some(&json!(4)), "what the driver saved is kept");
        for key in [flow.keys().wake, flow.keys().polling] {
            assert!(!node.driver_internal_info.contains_key(key), "{key}");
        }
    }
}

#[tokio::test]
async fn a_deploy_step_is_asked_again_too() {
    let (stage, node) = stage_with(quick(), S::Available).await;
    stage.script.will("deploy.deploy", Answer::Poll(1));

    stage.verb(&node, Verb::Active).await;

    stage.settled(&node, S::Active).await;
    assert_eq!((stage.script.count("deploy.deploy"), stage.script.count("management.first")), (2, 1));
}

#[tokio::test]
async fn a_preparation_is_asked_again_too() {
    let (stage, node) = stage_with(quick(), S::Manageable).await;
    stage.script.will("deploy.prepare_cleaning", Answer::Poll(1));
    stage.script.will("deploy.prepare_cleaning", Answer::Poll(1));

    stage.verb(&node, Verb::Provide).await;

    stage.settled(&node, S::Available).await;
    assert_eq!(stage.script.count("deploy.prepare_cleaning"), 3);
}

#[tokio::test]
async fn while_a_step_is_asked_the_node_is_unlocked_and_nobody_else_ends_it() {
    let (_stage, node) = polled().await;

    assert!(Flow::Clean.is_polling(&node), "heartbeats see this");
    assert!(wake::of(&node, Flow::Clean).is_some());
    assert_eq!(node.reservation, None);
}

#[tokio::test]
async fn asking_tells_no_change_of_state() {
    let (stage, node) = stage_with(quick(), S::Manageable).await;
    let mut notifications = stage.tasks().shared().notifier.subscribe();
    for _ in 0..3 {
        stage.script.will("management.second", Answer::Poll(1));
    }

    stage.ask(&node, clean(&["management.second"])).await.unwrap();

    stage.settled(&node, S::Manageable).await;
    let mut states = Vec::new();
    while let Ok(notification) = notifications.try_recv() {
        states.extend(
            notification
                .payload
                .data()
                .get("provision_state")
                .and_then(|state| state.as_str())
                .map(str::to_owned),
        );
    }
    assert_eq!(states, ["cleaning", "clean wait", "cleaning", "manageable"]);
}

#[tokio::test]
async fn an_answer_is_a_sign_of_life() {
    let (stage, node) = polled().await;
    let before = node.provision_updated_at.unwrap();
    stage.script.will("management.second", Answer::Poll(NEVER));
    let node = come(&stage, &node, Flow::Clean, Duration::from_secs(60)).await;

    wake::sweep(&stage.conductor, Sweep::Overdue).await.unwrap();

    let later = stage.eventually(&node, |node| node.provision_updated_at.is_some_and(|at| before < at)).await;
    assert_eq!(later.provision_state, S::CleanWait);
}

#[tokio::test]
async fn an_error_that_may_pass_is_not_the_end() {
    let (stage, node) = stage_with(quick(), S::Manageable).await;
    stage.script.will("management.second", Answer::Poll(1));
    for _ in 0..3 {
        stage.script.will("management.second", Answer::Fail(DriverError::unreachable("BMC restarts")));
    }

    stage.ask(&node, clean(&["management.second"])).await.unwrap();

    let node = stage.settled(&node, S::Manageable).await;
    assert_eq!((stage.script.count("management.second"), node.last_error), (5, None));
}

#[tokio::test]
async fn an_error_that_may_pass_is_no_sign_of_life() {
    let (stage, node) = polled().await;
    stage.script.will("management.second", Answer::Fail(DriverError::unreachable("BMC restarts")));
    let node = come(&stage, &node, Flow::Clean, Duration::from_secs(60)).await;
    let wake = wake::of(&node, Flow::Clean);

    wake::sweep(&stage.conductor, Sweep::Overdue).await.unwrap();

    let later = stage.eventually(&node, |node| wake::of(node, Flow::Clean) != wake).await;
    assert_eq!(later.provision_updated_at, node.provision_updated_at);
    assert_eq!((later.provision_state, later.last_error), (S::CleanWait, None));
}

#[tokio::test]
async fn any_other_error_ends_the_step() {
    let (stage, node) = stage_with(quick(), S::Manageable).await;
    stage.script.will("management.second", Answer::Poll(1));
    stage.script.will_fail("management.second", "flash is broken");

    stage.ask(&node, clean(&["management.second"])).await.unwrap();

    let node = stage.settled(&node, S::CleanFail).await;
    let error = node.last_error.unwrap();
    assert!(error.contains("clean step management.second") && error.contains("flash is broken"), "{error}");
    assert!(node.maintenance);
}

#[tokio::test]
async fn a_step_may_leave_its_end_to_somebody_else_after_all() {
    let (stage, node) = stage_with(quick(), S::Manageable).await;
    stage.script.will("management.second", Answer::Poll(1));
    stage.script.will("management.second", Answer::Wait);
    stage.ask(&node, clean(&["management.second"])).await.unwrap();

    let node = stage
        .eventually(&node, |node| {
            node.provision_state == S::CleanWait
                && !Flow::Clean.is_polling(node)
                && node.reservation.is_none()
        })
        .await;

    assert_eq!(stage.script.count("management.second"), 2);
    stage.call_back(&node, StepKind::Clean).await.unwrap();
    stage.settled(&node, S::Manageable).await;
}

#[tokio::test]
async fn an_abort_comes_after_the_end_of_a_step_that_is_asked() {
    let (stage, node) = polled().await;
    stage.verb(&node, Verb::Abort).await;
    let node = come(&stage, &node, Flow::Clean, Duration::from_secs(60)).await;

    wake::sweep(&stage.conductor, Sweep::Overdue).await.unwrap();

    let node = stage.settled(&node, S::CleanFail).await;
    assert!(node.last_error.unwrap().contains("By request"));
    assert_eq!(stage.script.count("management.first"), 0);
}

#[tokio::test]
async fn a_pause_of_some_seconds_ends_by_itself_and_is_cut_to_what_is_allowed() {
    let (stage, node) =
        stage_with(ConductorConfig { max_conductor_wait_step_seconds: 0, ..quick() }, S::Manageable).await;
    let steps = vec![step_with("deploy.wait", json!({"seconds": 100_000})), step("management.first")];

    stage.ask(&node, with_steps(Verb::Clean, steps)).await.unwrap();

    stage.settled(&node, S::Manageable).await;
    assert_eq!(stage.script.calls(), ["management.first"]);
}

#[tokio::test]
async fn a_pause_does_not_end_before_its_time() {
    let (stage, node) = stage_with(quick(), S::Manageable).await;
    let steps = vec![step_with("deploy.wait", json!({"seconds": 29})), step("management.first")];
    let before = Timestamp::now();

    stage.ask(&node, with_steps(Verb::Clean, steps)).await.unwrap();

    let node = stage.settled(&node, S::CleanWait).await;
    let wake = serde_json::to_value(wake::of(&node, Flow::Clean).unwrap()).unwrap();
    let at: Timestamp = serde_json::from_value(wake["at"].clone()).unwrap();
    assert!(29 <= at.duration_since(before).as_secs(), "{wake}");
    assert!(Flow::Clean.is_polling(&node), "no heartbeat ends it");
}

#[tokio::test]
async fn a_conductor_that_starts_again_goes_on_asking() {
    let (stage, node) = stage_with(quick(), S::Manageable).await;
    // Long enough for the first conductor to end before it asks.
    stage.script.will("management.second", Answer::Poll(300));
    stage.ask(&node, clean(&["management.second", "management.first"])).await.unwrap();
    stage.settled(&node, S::CleanWait).await;
    stage.tasks().shared().workers.stop(Some(Duration::from_secs(30))).await;

    let registry = Arc::clone(stage.conductor.registry());
    let again = Conductor::start(quick(), stage.store.clone(), registry).await.unwrap();

    stage.settled(&node, S::Manageable).await;
    assert_eq!((stage.script.count("management.second"), stage.script.count("management.first")), (2, 1));
    again.tasks().shared().workers.stop(Some(Duration::from_secs(30))).await;
}

#[tokio::test]
async fn a_node_whose_conductor_does_not_come_is_taken_up_by_another() {
    let (stage, node) = polled().await;
    let node = come(&stage, &node, Flow::Clean, Duration::from_secs(60)).await;

    wake::sweep(&stage.conductor, Sweep::Overdue).await.unwrap();

    stage.settled(&node, S::Manageable).await;
    assert_eq!(stage.script.count("management.second"), 2);
}

#[tokio::test]
async fn a_node_whose_time_has_not_come_is_left_alone() {
    let (stage, node) = polled().await;

    wake::sweep(&stage.conductor, Sweep::Overdue).await.unwrap();

    assert_eq!(stage.stored(&node).await, node);
    assert_eq!(stage.script.count("management.second"), 1);
}

#[tokio::test]
async fn a_node_in_maintenance_is_asked_when_that_is_over() {
    let (stage, node) = polled().await;
    stage.change(&node, |node| node.maintenance = true).await;
    let node = come(&stage, &node, Flow::Clean, Duration::from_secs(60)).await;
    let wake = wake::of(&node, Flow::Clean).unwrap();

    wake::fire(stage.tasks().shared(), node.id, Flow::Clean, &wake).await.unwrap();

    assert_eq!(stage.script.count("management.second"), 1);
    let later = stage.stored(&node).await;
    assert!(node.provision_updated_at < later.provision_updated_at, "the time-out does not run meanwhile");
    stage.change(&node, |node| node.maintenance = false).await;
    wake::sweep(&stage.conductor, Sweep::Overdue).await.unwrap();
    stage.settled(&node, S::Manageable).await;
}

#[tokio::test]
async fn a_node_in_maintenance_is_given_up_if_the_operator_wants_it() {
    let config = ConductorConfig { allow_provisioning_in_maintenance: false, ..quick() };
    let (stage, node) = stage_with(config, S::Manageable).await;
    stage.script.will("management.second", Answer::Poll(NEVER));
    stage.ask(&node, clean(&["management.second"])).await.unwrap();
    stage.settled(&node, S::CleanWait).await;
    stage.change(&node, |node| node.maintenance = true).await;
    let node = come(&stage, &node, Flow::Clean, Duration::from_secs(60)).await;

    wake::sweep(&stage.conductor, Sweep::Overdue).await.unwrap();

    assert!(stage.settled(&node, S::CleanFail).await.last_error.unwrap().contains("in maintenance"));
    assert_eq!(stage.script.count("management.second"), 1);
}

#[tokio::test]
async fn two_who_come_at_once_ask_once() {
    let (stage, node) = polled().await;
    stage.script.will("management.second", Answer::Poll(NEVER));
    let node = come(&stage, &node, Flow::Clean, Duration::from_secs(60)).await;
    let wake = wake::of(&node, Flow::Clean).unwrap();
    let shared = stage.tasks().shared();

    let both = tokio::join!(
        wake::fire(shared, node.id, Flow::Clean, &wake),
        wake::fire(shared, node.id, Flow::Clean, &wake)
    );

    assert!(both.0.is_ok() || both.1.is_ok(), "{both:?}");
    stage.unlocked(&node).await;
    // Whoever was too late, and was told so, comes again and finds that somebody was quicker.
    wake::fire(shared, node.id, Flow::Clean, &wake).await.unwrap();
    stage.unlocked(&node).await;
    assert_eq!(stage.script.count("management.second"), 2);
}

#[tokio::test]
async fn a_busy_node_is_left_to_whoever_works_on_it() {
    let (stage, node) = polled().await;
    let node = come(&stage, &node, Flow::Clean, Duration::from_secs(60)).await;
    let wake = wake::of(&node, Flow::Clean).unwrap();
    let held = stage.tasks().acquire_exclusive(&node, crate::task::Acquire::default()).await.unwrap();

    let busy = wake::fire(stage.tasks().shared(), node.id, Flow::Clean, &wake).await;

    assert!(busy.is_err_and(|error| error.is_node_locked()));
    assert_eq!(stage.script.count("management.second"), 1);
    held.finish().await.unwrap();
    wake::sweep(&stage.conductor, Sweep::Overdue).await.unwrap();
    stage.settled(&node, S::Manageable).await;
}

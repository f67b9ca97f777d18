//! Waiting, holding, asking again, children: what every list of steps can do, shown with cleaning unless the kind
//! matters.

mod children;
mod facts;
mod wake;

use farrier_model::node::{Fault, Node};
use farrier_model::provision::{ProvisionState as S, Verb};
use farrier_model::step::StepKind;
use farrier_sdk::error::{DriverError, ErrorKind};
use serde_json::json;

use super::Flow;
use crate::error::ConductorError;
use crate::script::Answer;
use crate::script::stage::{Stage, deploy_step, step, step_with, with_steps};
use crate::service::ProvisionRequest;
use crate::task::Acquire;
use crate::task::tests::quick;

/// A request of `flow` that does the first and the second thing.
fn first_and_second(flow: Flow) -> ProvisionRequest {
    match flow {
        Flow::Clean => clean(&["management.first", "management.second"]),
        Flow::Service => with_steps(Verb::Service, vec![step("management.first"), step("management.second")]),
        Flow::Deploy => with_steps(Verb::Active, Vec::new()),
    }
}

fn clean(steps: &[&str]) -> ProvisionRequest {
    with_steps(Verb::Clean, steps.iter().map(|id| step(id)).collect())
}

/// Where a flow begins, where it ends, and where it ends when it fails.
fn states(flow: Flow) -> (S, S, S) {
    match flow {
        Flow::Clean => (S::Manageable, S::Manageable, S::CleanFail),
        Flow::Deploy => (S::Available, S::Active, S::DeployFail),
        Flow::Service => (S::Active, S::Active, S::ServiceFail),
    }
}

/// Pretends that an agent has called.
async fn with_agent(stage: &Stage, node: &Node) -> Node {
    stage
        .change(node, |node| {
            node.driver_internal_info.insert("agent_url".to_owned(), json!("http://192.0.2.1:9999"));
        })
        .await
}

/// A node that waits in its first step.
async fn waiting(flow: Flow) -> (Stage, Node) {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(states(flow).0).await;
    stage.script.will("management.first", Answer::Wait);
    stage.ask(&node, first_and_second(flow)).await.unwrap();
    let node = stage.settled(&node, flow.waiting()).await;
    (stage, node)
}

#[tokio::test]
async fn a_step_that_waits_leaves_the_node_unlocked_and_on_that_step() {
    for flow in Flow::ALL {
        let (stage, node) = waiting(flow).await;

        let current = flow.current(&node).unwrap();

        assert_eq!(current.id().to_string(), "management.first");
        assert_eq!(flow.index(&node), Some(if flow == Flow::Deploy { 1 } else { 0 }), "{flow:?}");
        assert!(!flow.is_polling(&node));
        assert_eq!(stage.script.count("management.second"), 0);
    }
}

#[tokio::test]
async fn whoever_knows_that_a_step_is_over_lets_the_node_go_on() {
    for flow in Flow::ALL {
        let (stage, node) = waiting(flow).await;

        stage.call_back(&node, flow.kind()).await.unwrap();

        let node = stage.settled(&node, states(flow).1).await;
        assert_eq!(node.last_error, None);
        assert!(flow.current(&node).is_none());
        assert_eq!(stage.script.count("management.first"), 1);
        assert_eq!(stage.script.count("management.second"), usize::from(flow != Flow::Deploy));
    }
}

#[tokio::test]
async fn a_step_that_is_not_to_be_skipped_is_run_again() {
    for flow in Flow::ALL {
        let (stage, node) = waiting(flow).await;
        let key = flow.keys().skip;
        stage
            .change(&node, |node| {
                node.driver_internal_info.insert(key.to_owned(), json!(false));
            })
            .await;

        stage.call_back(&node, flow.kind()).await.unwrap();

        let node = stage.settled(&node, states(flow).1).await;
        assert_eq!(stage.script.count("management.first"), 2, "{flow:?}");
        assert!(!node.driver_internal_info.contains_key(key));
    }
}

#[tokio::test]
async fn going_on_after_the_last_step_ends_the_flow() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Manageable).await;
    stage.script.will("management.first", Answer::Wait);
    stage.ask(&node, clean(&["management.first"])).await.unwrap();
    stage.settled(&node, S::CleanWait).await;

    stage.call_back(&node, StepKind::Clean).await.unwrap();

    stage.settled(&node, S::Manageable).await;
}

#[tokio::test]
async fn going_on_waits_for_a_busy_node_as_long_as_it_takes() {
    let (stage, node) = waiting(Flow::Clean).await;
    let held = stage.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    let calling = stage.call_back(&node, StepKind::Clean);
    tokio::pin!(calling);
    // More tries than a request makes.
    for _ in 0..50 {
        assert!(futures_util::poll!(&mut calling).is_pending());
        tokio::task::yield_now().await;
    }

    held.finish().await.unwrap();

    calling.await.unwrap();
    stage.settled(&node, S::Manageable).await;
}

#[tokio::test]
async fn a_node_that_does_not_wait_cannot_go_on() {
    let stage = Stage::new(quick()).await;
    for (state, kind) in [
        (S::Manageable, StepKind::Clean),
        (S::Cleaning, StepKind::Clean),
        (S::CleanHold, StepKind::Clean),
        (S::Active, StepKind::Deploy),
        (S::CleanWait, StepKind::Deploy),
        (S::Active, StepKind::Service),
        (S::DeployWait, StepKind::Service),
    ] {
        let node = stage.node_in(state).await;

        let refused = stage.call_back(&node, kind).await;

        assert!(matches!(refused, Err(ConductorError::WrongState { .. })), "{state} {kind}: {refused:?}");
        assert_eq!(stage.stored(&node).await, node);
    }
}

#[tokio::test]
async fn verify_steps_wait_for_nobody() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Verifying).await;

    let refused = stage.call_back(&node, StepKind::Verify).await;

    assert!(matches!(refused, Err(ConductorError::InvalidParameter { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_deployment_or_service_that_still_works_goes_on_without_an_event() {
    for flow in [Flow::Deploy, Flow::Service] {
        let (stage, node) = waiting(flow).await;
        let node = stage.change(&node, |node| node.provision_state = flow.working()).await;

        stage.call_back(&node, flow.kind()).await.unwrap();

        stage.settled(&node, states(flow).1).await;
        assert_eq!(stage.script.count("management.first"), 1);
    }
}

#[tokio::test]
async fn a_step_that_fails_after_a_wait_is_named() {
    for flow in [Flow::Clean, Flow::Service] {
        let (stage, node) = waiting(flow).await;
        stage.script.will_fail("management.second", "disk is on fire");

        stage.call_back(&node, flow.kind()).await.unwrap();

        let node = stage.settled(&node, states(flow).2).await;
        let error = node.last_error.unwrap();
        assert!(error.contains("step management.second") && error.contains("disk is on fire"), "{error}");
        let fault = if flow == Flow::Clean { Fault::CleanFailure } else { Fault::ServiceFailure };
        assert_eq!((node.maintenance, node.fault), (true, Some(fault)));
    }
}

#[tokio::test]
async fn a_step_marked_by_an_abort_is_the_last() {
    for flow in Flow::ALL {
        for is_last in [false, true] {
            let (stage, node) = waiting(flow).await;
            let node = stage
                .change(&node, |node| {
                    let mut step = flow.current(node).unwrap();
                    step.abort_after = true;
                    *flow.current_fields(node) = step.to_fields();
                    if is_last {
                        let steps = flow.steps(node).into_iter().take(flow.index(node).unwrap() + 1);
                        let steps = steps.collect::<Vec<_>>();
                        node.driver_internal_info.insert(flow.keys().steps.to_owned(), json!(steps));
                    }
                })
                .await;

            stage.call_back(&node, flow.kind()).await.unwrap();

            let node = stage.settled(&node, states(flow).2).await;
            let error = node.last_error.clone().unwrap();
            assert!(error.contains("By request") && error.contains("management.first"), "{error}");
            assert!(flow.current(&node).is_none());
            assert!(!node.maintenance);
            assert_eq!(stage.script.count("management.second"), 0);
        }
    }
}

#[tokio::test]
async fn an_abort_of_a_step_that_must_not_be_cut_short_waits_for_its_end() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Manageable).await;
    stage.script.will("management.second", Answer::Wait);
    stage.ask(&node, clean(&["management.second", "management.first"])).await.unwrap();
    stage.settled(&node, S::CleanWait).await;

    stage.verb(&node, Verb::Abort).await;
    assert_eq!(stage.settled(&node, S::CleanWait).await.last_error, None);
    stage.call_back(&node, StepKind::Clean).await.unwrap();

    let node = stage.settled(&node, S::CleanFail).await;
    assert!(node.last_error.unwrap().contains("management.second"));
    assert_eq!(stage.script.count("management.first"), 0);
}

#[tokio::test]
async fn a_preparation_that_waits_goes_on_with_the_first_step() {
    for (flow, prepare) in
        [(Flow::Clean, "deploy.prepare_cleaning"), (Flow::Service, "deploy.prepare_service")]
    {
        let stage = Stage::new(quick()).await;
        let node = stage.node_in(states(flow).0).await;
        stage.script.will(prepare, Answer::Wait);
        let verb = if flow == Flow::Clean { Verb::Clean } else { Verb::Service };
        stage.ask(&node, with_steps(verb, vec![step("management.in_band")])).await.unwrap();
        let waits = stage.settled(&node, flow.waiting()).await;
        assert!(flow.current(&waits).is_none());

        stage.call_back(&node, flow.kind()).await.unwrap();

        stage.settled(&node, states(flow).1).await;
        assert_eq!((stage.script.count(prepare), stage.script.count("management.in_band")), (1, 1));
    }
}

#[tokio::test]
async fn a_hold_stops_until_the_operator_lets_the_node_go_on() {
    let hold = |flow| match flow {
        Flow::Clean => clean(&["management.first", "deploy.hold", "management.second"]),
        Flow::Service => with_steps(
            Verb::Service,
            vec![step("management.first"), step("deploy.hold"), step("management.second")],
        ),
        Flow::Deploy => with_steps(
            Verb::Active,
            vec![
                deploy_step("deploy.hold", 80, json!({})),
                deploy_step("management.told", 70, json!({"what": "x"})),
            ],
        ),
    };
    for flow in Flow::ALL {
        let stage = Stage::new(quick()).await;
        let node = stage.node_in(states(flow).0).await;
        stage.ask(&node, hold(flow)).await.unwrap();
        let held = stage.settled(&node, flow.holding()).await;
        assert_eq!(flow.current(&held).unwrap().step, "hold");
        let after = if flow == Flow::Deploy { "management.told" } else { "management.second" };
        assert_eq!((stage.script.count("management.first"), stage.script.count(after)), (1, 0));

        stage.verb(&node, Verb::Unhold).await;

        stage.settled(&node, states(flow).1).await;
        assert_eq!((stage.script.count("management.first"), stage.script.count(after)), (1, 1));
    }
}

#[tokio::test]
async fn the_target_of_a_held_manual_cleaning_stays() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Manageable).await;

    stage.ask(&node, clean(&["deploy.hold", "management.first"])).await.unwrap();

    let held = stage.settled(&node, S::CleanHold).await;
    assert_eq!(held.target_provision_state, Some(S::Manageable));
}

#[tokio::test]
async fn a_held_node_whose_agent_will_call_goes_on_with_that_call() {
    for flow in [Flow::Clean, Flow::Deploy] {
        let stage = Stage::new(quick()).await;
        let node = stage.node_in(states(flow).0).await;
        let request = match flow {
            Flow::Clean => clean(&["management.in_band", "deploy.hold", "management.first"]),
            Flow::Deploy | Flow::Service => {
                with_steps(Verb::Active, vec![deploy_step("deploy.hold", 95, json!({}))])
            }
        };
        stage.ask(&node, request).await.unwrap();
        stage.settled(&node, flow.holding()).await;
        with_agent(&stage, &node).await;

        stage.verb(&node, Verb::Unhold).await;

        let waiting = stage.settled(&node, flow.waiting()).await;
        assert_eq!(flow.current(&waiting).unwrap().step, "hold");
        stage.call_back(&node, flow.kind()).await.unwrap();
        stage.settled(&node, states(flow).1).await;
        assert_eq!(stage.script.count("management.first"), 1);
    }
}

#[tokio::test]
async fn a_held_service_goes_on_at_once_whoever_may_call() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Active).await;
    let steps = vec![step("management.in_band"), step("deploy.hold"), step("management.first")];
    stage.ask(&node, with_steps(Verb::Service, steps)).await.unwrap();
    stage.settled(&node, S::ServiceHold).await;
    with_agent(&stage, &node).await;

    stage.verb(&node, Verb::Unhold).await;

    stage.settled(&node, S::Active).await;
    assert_eq!(stage.script.count("management.first"), 1);
}

#[tokio::test]
async fn power_steps_are_the_conductor_s_own_whatever_the_interface() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Manageable).await;

    stage
        .ask(&node, clean(&["bios.power_off", "power.power_on", "management.first", "deploy.reboot"]))
        .await
        .unwrap();

    let node = stage.settled(&node, S::Manageable).await;
    assert_eq!(node.power_state, Some(farrier_sdk::interface::power::PowerState::On));
    let calls = [
        "power.set_power_state power off",
        "power.set_power_state power on",
        "management.first",
        "power.reboot",
    ];
    assert_eq!(stage.script.calls(), calls);
}

#[tokio::test]
async fn a_power_step_that_fails_fails_the_flow() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Manageable).await;
    stage.script.will_fail("power.reboot", "fuse is gone");

    stage.ask(&node, clean(&["power.reboot", "management.first"])).await.unwrap();

    let node = stage.settled(&node, S::CleanFail).await;
    let error = node.last_error.unwrap();
    assert!(error.contains("clean step power.reboot") && error.contains("fuse is gone"), "{error}");
    assert_eq!(node.target_power_state, None);
    assert_eq!(stage.script.count("management.first"), 0);
}

#[tokio::test]
async fn a_machine_that_must_stay_on_is_not_powered_off_by_a_step() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Manageable).await;
    let node = stage.change(&node, |node| node.disable_power_off = true).await;

    stage.ask(&node, clean(&["power.power_off"])).await.unwrap();

    let node = stage.settled(&node, S::CleanFail).await;
    assert!(node.last_error.unwrap().contains("power.power_off"));
    assert!(stage.script.calls().iter().all(|call| !call.contains("set_power_state")));
}

#[tokio::test]
async fn a_pause_without_length_lasts_until_the_call() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Manageable).await;
    stage.ask(&node, clean(&["deploy.wait", "management.first"])).await.unwrap();
    let node = stage.settled(&node, S::CleanWait).await;
    assert!(!Flow::Clean.is_polling(&node));

    stage.call_back(&node, StepKind::Clean).await.unwrap();

    stage.settled(&node, S::Manageable).await;
    assert_eq!(stage.script.count("management.first"), 1);
}

#[tokio::test]
async fn an_agent_that_is_busy_or_reboots_is_waited_for() {
    let cases = [
        (ErrorKind::Busy, "agent_url", json!("http://192.0.2.1:9999")),
        (ErrorKind::Unreachable, "cleaning_reboot", json!(true)),
    ];
    for (kind, key, value) in cases {
        let stage = Stage::new(quick()).await;
        let node = stage.node_in(S::Manageable).await;
        stage.script.will("management.first", Answer::Wait);
        stage.script.will("management.second", Answer::Fail(DriverError::new(kind, "not now")));
        stage.ask(&node, clean(&["management.first", "management.second"])).await.unwrap();
        stage.settled(&node, S::CleanWait).await;
        stage
            .change(&node, |node| {
                node.driver_internal_info.insert(key.to_owned(), value);
            })
            .await;

        stage.call_back(&node, StepKind::Clean).await.unwrap();

        let waiting = stage
            .eventually(&node, |node| {
                node.provision_state == S::CleanWait
                    && node.reservation.is_none()
                    && node.clean_step.get("step") == Some(&json!("second"))
            })
            .await;
        assert_eq!(waiting.driver_internal_info.get("skip_current_clean_step"), Some(&json!(false)));
        stage.call_back(&node, StepKind::Clean).await.unwrap();
        stage.settled(&node, S::Manageable).await;
        assert_eq!(stage.script.count("management.second"), 2, "{kind:?}");
    }
}

#[tokio::test]
async fn an_answer_that_only_an_agent_would_give_is_a_failure_without_one() {
    for kind in [ErrorKind::Busy, ErrorKind::Unreachable] {
        let stage = Stage::new(quick()).await;
        let node = stage.node_in(S::Manageable).await;
        stage.script.will("management.first", Answer::Fail(DriverError::new(kind, "not now")));

        stage.ask(&node, clean(&["management.first"])).await.unwrap();

        assert!(stage.settled(&node, S::CleanFail).await.last_error.unwrap().contains("not now"));
    }
}

#[tokio::test]
async fn a_step_s_arguments_reach_the_driver() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Active).await;
    let steps = vec![step_with("management.told", json!({"what": "ever", "password": "p"}))];

    stage.ask(&node, with_steps(Verb::Service, steps)).await.unwrap();

    stage.settled(&node, S::Active).await;
    assert_eq!(stage.script.calls(), [r#"management.told {"password":"p","what":"ever"}"#]);
}

#[tokio::test]
async fn without_a_worker_a_waiting_node_still_waits() {
    let (stage, node) = waiting(Flow::Clean).await;
    let node = stage.change(&node, |node| node.last_error = None).await;
    let workers = &stage.tasks().shared().workers;
    let busy: Vec<_> = std::iter::from_fn(|| workers.acquire().ok()).collect();

    let refused = stage.call_back(&node, StepKind::Clean).await;

    assert!(matches!(refused, Err(ConductorError::NoFreeConductorWorker { .. })), "{refused:?}");
    let still = stage.settled(&node, S::CleanWait).await;
    assert_eq!(still.target_provision_state, Some(S::Manageable));
    drop(busy);
    stage.call_back(&node, StepKind::Clean).await.unwrap();
    stage.settled(&node, S::Manageable).await;
}

#[tokio::test]
async fn what_a_driver_saves_in_a_step_stays_with_what_the_conductor_saves() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Manageable).await;

    stage.ask(&node, clean(&["management.second", "management.first", "management.second"])).await.unwrap();

    let node = stage.settled(&node, S::Manageable).await;
    assert_eq!(node.driver_internal_info.get("asked"), Some(&json!(2)));
}

#[tokio::test]
async fn an_agent_that_reboots_in_a_step_needs_another_token_unless_its_medium_holds_it() {
    for pregenerated in [false, true] {
        let (stage, node) = waiting(Flow::Clean).await;
        stage.script.will("management.second", Answer::Wait);
        stage
            .change(&node, |node| {
                let info = &mut node.driver_internal_info;
                info.insert("cleaning_reboot".to_owned(), json!(true));
                info.insert("agent_secret_token".to_owned(), json!("token"));
                if pregenerated {
                    info.insert("agent_secret_token_pregenerated".to_owned(), json!(true));
                }
            })
            .await;

        stage.call_back(&node, StepKind::Clean).await.unwrap();

        let node = stage
            .eventually(&node, |node| {
                node.provision_state == S::CleanWait && node.clean_step.get("step") == Some(&json!("second"))
            })
            .await;
        assert_eq!(node.driver_internal_info.contains_key("agent_secret_token"), pregenerated);
    }
}

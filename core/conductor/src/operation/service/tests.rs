use farrier_model::node::{Fault, Node};
use farrier_model::provision::{ProvisionState as S, Verb};
use farrier_sdk::error::DriverError;
use serde_json::json;

use crate::config::ConductorConfig;
use crate::error::ConductorError;
use crate::script::Answer;
use crate::script::stage::{Stage, step, step_with, with_steps};
use crate::service::ProvisionRequest;
use crate::task::tests::quick;

fn service(steps: &[&str]) -> ProvisionRequest {
    with_steps(Verb::Service, steps.iter().map(|id| step(id)).collect())
}

/// A stage with a node in use.
async fn stage_with(config: ConductorConfig) -> (Stage, Node) {
    let stage = Stage::new(config).await;
    let node = stage.node_in(S::Active).await;
    (stage, node)
}

#[tokio::test]
async fn steps_run_in_the_order_given_and_the_node_is_active_again() {
    let (stage, node) = stage_with(quick()).await;

    stage.ask(&node, service(&["management.second", "management.first"])).await.unwrap();

    let node = stage.settled(&node, S::Active).await;
    assert_eq!(stage.script.calls(), ["management.second", "management.first"]);
    assert_eq!((node.target_provision_state, node.last_error.clone()), (None, None));
    assert!(node.service_step.is_empty());
    for key in ["service_steps", "user_service_steps", "service_step_index", "service_disable_ramdisk"] {
        assert!(!node.driver_internal_info.contains_key(key), "{key}");
    }
    let kinds: Vec<_> = stage.history(&node).await.into_iter().map(|(_, kind, _)| kind).collect();
    assert_eq!(kinds, ["servicing_start", "servicing_end"]);
}

#[tokio::test]
async fn the_agent_is_booted_only_for_steps_that_need_it() {
    let (stage, node) = stage_with(quick()).await;

    stage.ask(&node, service(&["management.in_band", "management.first"])).await.unwrap();

    stage.settled(&node, S::Active).await;
    assert_eq!(
        stage.script.calls(),
        ["deploy.prepare_service", "management.in_band", "management.first", "deploy.tear_down_service"]
    );
}

#[tokio::test]
async fn steps_nobody_knows_boot_the_agent_and_fail_if_it_does_not_know_them_either() {
    let (stage, node) = stage_with(quick()).await;

    stage.ask(&node, service(&["deploy.burn_in"])).await.unwrap();

    let node = stage.settled(&node, S::ServiceFail).await;
    assert!(node.last_error.unwrap().contains("does not support this service step: deploy.burn_in"));
    assert_eq!(stage.script.calls(), ["deploy.prepare_service", "deploy.tear_down_service"]);
    assert!(!node.maintenance);
}

#[tokio::test]
async fn without_the_ramdisk_a_step_that_needs_it_or_that_nobody_knows_is_refused() {
    let (stage, node) = stage_with(quick()).await;
    for (id, problem) in
        [("management.in_band", "requires the ramdisk"), ("deploy.burn_in", "does not support")]
    {
        let request = ProvisionRequest { disable_ramdisk: true, ..service(&[id]) };

        let refused = stage.ask(&node, request).await.unwrap_err();

        assert!(matches!(refused, ConductorError::InvalidParameter { .. }), "{refused:?}");
        assert!(refused.to_string().contains(problem), "{refused}");
        assert_eq!(stage.stored(&node).await, node);
    }
}

#[tokio::test]
async fn a_failed_step_is_named_with_its_cause_and_leads_to_maintenance() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("management.first", "disk is on fire");

    stage.ask(&node, service(&["management.first", "management.second"])).await.unwrap();

    let node = stage.settled(&node, S::ServiceFail).await;
    let error = node.last_error.clone().unwrap();
    assert!(error.contains("service step management.first") && error.contains("disk is on fire"), "{error}");
    assert_eq!((node.maintenance, node.fault), (true, Some(Fault::ServiceFailure)));
    assert_eq!(node.maintenance_reason, node.last_error);
    assert!(node.service_step.is_empty());
    assert_eq!(stage.script.calls(), ["management.first", "deploy.tear_down_service"]);
    let kinds: Vec<_> = stage.history(&node).await.into_iter().map(|(_, kind, _)| kind).collect();
    assert_eq!(kinds, ["servicing_start", "servicing_end", "servicing"]);
}

#[tokio::test]
async fn a_failed_preparation_is_told_and_torn_down() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("deploy.prepare_service", "no boot image");

    stage.ask(&node, service(&["management.in_band"])).await.unwrap();

    let node = stage.settled(&node, S::ServiceFail).await;
    assert!(node.last_error.unwrap().contains("no boot image"));
    assert_eq!(stage.script.calls(), ["deploy.prepare_service", "deploy.tear_down_service"]);
    assert!(!node.maintenance);
}

#[tokio::test]
async fn a_tear_down_that_fails_is_told_and_not_tried_again() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("deploy.tear_down_service", "network is stuck");

    stage.ask(&node, service(&["management.in_band"])).await.unwrap();

    let node = stage.settled(&node, S::ServiceFail).await;
    assert!(node.last_error.unwrap().contains("network is stuck"));
    assert_eq!(stage.script.count("deploy.tear_down_service"), 1);
}

#[tokio::test]
async fn a_machine_is_powered_off_after_a_failure_if_the_operator_wants_it() {
    let (stage, node) = stage_with(ConductorConfig { poweroff_in_servicefail: true, ..quick() }).await;
    stage.script.will_fail("management.first", "disk is on fire");

    stage.ask(&node, service(&["management.first"])).await.unwrap();

    let node = stage.settled(&node, S::ServiceFail).await;
    assert_eq!(stage.script.count("power.set_power_state"), 1);
    assert!(node.last_error.unwrap().contains("disk is on fire"));
}

#[tokio::test]
async fn a_failed_service_can_be_tried_again_when_maintenance_is_over() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("management.first", "disk is on fire");
    stage.ask(&node, service(&["management.first"])).await.unwrap();
    let node = stage.settled(&node, S::ServiceFail).await;
    let refused = stage.ask(&node, service(&["management.second"])).await;
    assert!(matches!(refused, Err(ConductorError::NodeInMaintenance { .. })), "{refused:?}");
    stage.change(&node, |node| node.maintenance = false).await;

    stage.ask(&node, service(&["management.second"])).await.unwrap();

    stage.settled(&node, S::Active).await;
    assert_eq!(stage.script.calls().last().map(String::as_str), Some("management.second"));
}

#[tokio::test]
async fn a_held_service_can_be_replaced_by_another() {
    let (stage, node) = stage_with(quick()).await;
    stage.ask(&node, service(&["deploy.hold", "management.first"])).await.unwrap();
    stage.settled(&node, S::ServiceHold).await;

    stage.ask(&node, service(&["management.second"])).await.unwrap();

    stage.settled(&node, S::Active).await;
    assert_eq!(stage.script.calls(), ["management.second"]);
}

#[tokio::test]
async fn forbidden_steps_and_bad_arguments_are_refused() {
    let config =
        ConductorConfig { disallow_service_steps: vec!["management.first".parse().unwrap()], ..quick() };
    let (stage, node) = stage_with(config).await;

    let forbidden = stage.ask(&node, service(&["management.first"])).await;
    let steps = vec![step_with("management.told", json!({"where": 1}))];
    let bad = stage.ask(&node, with_steps(Verb::Service, steps)).await;

    assert!(matches!(forbidden, Err(ConductorError::StepNotAllowed { .. })), "{forbidden:?}");
    assert!(matches!(bad, Err(ConductorError::InvalidParameter { .. })), "{bad:?}");
    assert_eq!(stage.stored(&node).await, node);
}

#[tokio::test]
async fn what_the_drivers_miss_refuses_the_request() {
    for method in ["power.validate", "network.validate"] {
        let (stage, node) = stage_with(quick()).await;
        stage.script.will(method, Answer::Fail(DriverError::missing_parameter("no address")));

        let refused = stage.ask(&node, service(&["management.first"])).await;

        assert!(matches!(refused, Err(ConductorError::Driver { .. })), "{refused:?}");
        assert_eq!(stage.stored(&node).await, node);
    }
}

#[tokio::test]
async fn service_is_not_limited() {
    let config = ConductorConfig { max_concurrent_clean: 0, max_concurrent_deploy: 0, ..quick() };
    let (stage, node) = stage_with(config).await;

    stage.ask(&node, service(&["management.first"])).await.unwrap();

    stage.settled(&node, S::Active).await;
}

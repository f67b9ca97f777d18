use farrier_model::node::Node;
use farrier_model::provision::{ProvisionState as S, Verb};
use farrier_sdk::error::DriverError;
use serde_json::json;
use uuid::Uuid;

use crate::config::ConductorConfig;
use crate::error::ConductorError;
use crate::script::Answer;
use crate::script::stage::Stage;
use crate::service::ProvisionRequest;
use crate::task::tests::quick;

/// What a tear-down calls, without the cleaning after it.
const TEAR_DOWN: [&str; 2] = ["deploy.clean_up", "deploy.tear_down"];

/// No cleaning afterwards: it has its own tests.
fn without_cleaning() -> ConductorConfig {
    ConductorConfig { automated_clean: false, ..quick() }
}

/// A node with an instance.
async fn stage_with(config: ConductorConfig, state: S) -> (Stage, Node) {
    let stage = Stage::new(config).await;
    let node = stage.node_in(state).await;
    let node = stage
        .change(&node, |node| {
            node.instance_uuid = Some(Uuid::new_v4());
            node.instance_name = Some("web".to_owned());
            node.instance_info.insert("image_source".to_owned(), json!("http://192.0.2.1/image"));
            node.allocation_uuid = Some(Uuid::new_v4());
            node.driver_internal_info.insert("is_whole_disk_image".to_owned(), json!(true));
            node.driver_internal_info.insert("agent_url".to_owned(), json!("http://192.0.2.2"));
        })
        .await;
    (stage, node)
}

fn has_no_instance(node: &Node) -> bool {
    node.instance_uuid.is_none()
        && node.instance_name.is_none()
        && node.instance_info.is_empty()
        && node.allocation_uuid.is_none()
        && !node.driver_internal_info.contains_key("is_whole_disk_image")
        && !node.driver_internal_info.contains_key("agent_url")
}

#[tokio::test]
async fn the_instance_is_removed_and_the_node_cleaned() {
    let (stage, node) = stage_with(quick(), S::Active).await;

    stage.verb(&node, Verb::Deleted).await;

    let node = stage.settled(&node, S::Available).await;
    assert!(has_no_instance(&node));
    assert_eq!((node.target_provision_state, node.last_error), (None, None));
    let calls = stage.script.calls();
    assert_eq!(calls[..2], TEAR_DOWN);
    assert!(calls.contains(&"management.first".to_owned()), "cleaning follows: {calls:?}");
}

#[tokio::test]
async fn the_rescue_system_is_removed_first() {
    for state in [S::Rescue, S::RescueWait, S::RescueFail, S::UnrescueFail] {
        let (stage, node) = stage_with(without_cleaning(), state).await;

        stage.verb(&node, Verb::Deleted).await;

        stage.settled(&node, S::Available).await;
        assert_eq!(stage.script.calls(), ["rescue.clean_up", "deploy.clean_up", "deploy.tear_down"]);
    }
}

#[tokio::test]
async fn a_node_that_failed_or_waits_can_be_torn_down() {
    for state in [S::DeployFail, S::DeployWait, S::Error, S::ServiceFail, S::ServiceWait] {
        let (stage, node) = stage_with(without_cleaning(), state).await;

        stage.verb(&node, Verb::Deleted).await;

        assert!(has_no_instance(&stage.settled(&node, S::Available).await), "{state}");
        assert_eq!(stage.script.calls(), TEAR_DOWN);
    }
}

#[tokio::test]
async fn a_console_is_stopped_and_stays_wanted() {
    let (stage, node) = stage_with(without_cleaning(), S::Active).await;
    let node = stage.change(&node, |node| node.console_enabled = true).await;

    stage.verb(&node, Verb::Deleted).await;

    let node = stage.settled(&node, S::Available).await;
    assert_eq!(stage.script.calls()[0], "console.stop_console");
    assert!(node.console_enabled);
}

#[tokio::test]
async fn a_console_that_does_not_stop_fails_the_tear_down() {
    let (stage, node) = stage_with(without_cleaning(), S::Active).await;
    let node = stage.change(&node, |node| node.console_enabled = true).await;
    stage.script.will_fail("console.stop_console", "port is taken");

    stage.verb(&node, Verb::Deleted).await;

    let node = stage.settled(&node, S::Error).await;
    assert!(node.last_error.clone().unwrap().contains("port is taken"));
    assert!(node.console_enabled && has_no_instance(&node));
    assert_eq!(stage.script.calls(), ["console.stop_console"]);
}

#[tokio::test]
async fn whatever_fails_is_told_and_the_instance_is_forgotten_all_the_same() {
    for method in ["deploy.clean_up", "deploy.tear_down"] {
        let (stage, node) = stage_with(quick(), S::Active).await;
        stage.script.will_fail(method, "network is stuck");

        stage.verb(&node, Verb::Deleted).await;

        let node = stage.settled(&node, S::Error).await;
        let error = node.last_error.clone().unwrap();
        assert!(error.starts_with("Failed to tear down: ") && error.contains("network is stuck"), "{error}");
        assert!(has_no_instance(&node));
        assert_eq!(stage.script.count("management.first"), 0, "no cleaning");
        let (_, kind, _) = stage.history(&node).await.pop().unwrap();
        assert_eq!(kind, "undeploy");
    }
}

#[tokio::test]
async fn a_panicking_driver_fails_the_tear_down() {
    let (stage, node) = stage_with(quick(), S::Active).await;
    stage.script.will("deploy.tear_down", Answer::Panic);

    stage.verb(&node, Verb::Deleted).await;

    assert!(has_no_instance(&stage.settled(&node, S::Error).await));
}

#[tokio::test]
async fn a_tear_down_that_is_not_over_when_it_answers_is_a_failure() {
    let (stage, node) = stage_with(quick(), S::Active).await;
    stage.script.will("deploy.tear_down", Answer::Wait);

    stage.verb(&node, Verb::Deleted).await;

    let error = stage.settled(&node, S::Error).await.last_error.unwrap();
    assert!(error.contains("has to be over when it answers"), "{error}");
}

#[tokio::test]
async fn networks_are_detached_as_far_as_possible() {
    let (stage, node) = stage_with(without_cleaning(), S::Active).await;
    let node = stage
        .change(&node, |node| {
            node.extra.insert("vifs".to_owned(), json!(["a", "b"]));
        })
        .await;
    stage.script.will_fail("network.vif_detach", "no such network");

    stage.verb(&node, Verb::Deleted).await;

    stage.settled(&node, S::Available).await;
    assert_eq!(stage.script.calls()[2..], ["network.vif_detach a", "network.vif_detach b"]);
}

#[tokio::test]
async fn a_lessee_goes_only_if_the_deployment_brought_it() {
    for automatic in [true, false] {
        let (stage, node) = stage_with(without_cleaning(), S::Active).await;
        let node = stage
            .change(&node, |node| {
                node.lessee = Some("p1".to_owned());
                if automatic {
                    node.driver_internal_info.insert("automatic_lessee".to_owned(), json!(true));
                }
            })
            .await;

        stage.verb(&node, Verb::Deleted).await;

        let node = stage.settled(&node, S::Available).await;
        assert_eq!(node.lessee.is_none(), automatic);
        assert!(!node.driver_internal_info.contains_key("automatic_lessee"));
    }
}

#[tokio::test]
async fn a_cleaning_that_fails_afterwards_is_a_failed_cleaning() {
    let (stage, node) = stage_with(quick(), S::Active).await;
    stage.script.will_fail("management.first", "disk is on fire");

    stage.verb(&node, Verb::Deleted).await;

    let node = stage.settled(&node, S::CleanFail).await;
    assert!(node.last_error.clone().unwrap().contains("clean step management.first"));
    assert!(has_no_instance(&node));
}

#[tokio::test]
async fn a_protected_node_keeps_its_instance() {
    let (stage, node) = stage_with(quick(), S::Active).await;
    let node = stage.change(&node, |node| node.protected = true).await;

    let refused = stage.ask(&node, ProvisionRequest::new(Verb::Deleted)).await;

    assert!(matches!(refused, Err(ConductorError::NodeProtected { .. })), "{refused:?}");
    assert_eq!(stage.stored(&node).await, node);
}

#[tokio::test]
async fn without_credentials_nothing_is_removed() {
    let (stage, node) = stage_with(quick(), S::Active).await;
    stage.script.will("power.validate", Answer::Fail(DriverError::missing_parameter("no address")));

    let refused = stage.ask(&node, ProvisionRequest::new(Verb::Deleted)).await;

    let Err(ConductorError::InstanceDeployFailure { source, .. }) = refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("validate"), "{source}");
    assert_eq!(stage.stored(&node).await, node);
}

#[tokio::test]
async fn a_node_in_maintenance_can_be_torn_down() {
    let (stage, node) = stage_with(without_cleaning(), S::Active).await;
    let node = stage.change(&node, |node| node.maintenance = true).await;

    stage.verb(&node, Verb::Deleted).await;

    stage.settled(&node, S::Available).await;
}

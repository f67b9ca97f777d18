use farrier_model::node::Node;
use farrier_model::provision::{ProvisionState as S, Verb};
use farrier_model::step::RequestedStep;
use serde_json::json;

use crate::config::ConductorConfig;
use crate::script::Answer;
use crate::script::stage::{Stage, node, step, step_with, with_steps};
use crate::task::Acquire;
use crate::task::tests::quick;

/// A manageable node with two children, and another that is nobody's.
async fn family(config: ConductorConfig) -> (Stage, Node, Vec<Node>) {
    let stage = Stage::new(config).await;
    let parent = stage.node_in(S::Manageable).await;
    let mut children = Vec::new();
    for _ in 0..2 {
        children.push(stage.enrol(Node { parent_node: Some(parent.uuid), ..node(S::Active) }).await);
    }
    stage.node_in(S::Active).await;
    (stage, parent, children)
}

fn on_children(step: RequestedStep, limit: &[&Node]) -> RequestedStep {
    let limit = limit.iter().map(|node| node.uuid.to_string()).collect();
    RequestedStep { execute_on_child_nodes: true, limit_child_node_execution: limit, ..step }
}

async fn clean(stage: &Stage, node: &Node, steps: Vec<RequestedStep>) {
    stage.ask(node, with_steps(Verb::Clean, steps)).await.unwrap();
}

#[tokio::test]
async fn a_step_runs_on_every_child_and_not_on_the_parent() {
    let (stage, parent, _) = family(quick()).await;
    let told = step_with("management.told", json!({"what": "x"}));

    clean(&stage, &parent, vec![on_children(told, &[]), step("management.first")]).await;

    stage.settled(&parent, S::Manageable).await;
    let told = r#"management.told {"what":"x"}"#;
    assert_eq!(stage.script.calls(), [told, told, "management.first"]);
}

#[tokio::test]
async fn a_step_can_be_limited_to_some_children() {
    let (stage, parent, children) = family(quick()).await;

    clean(&stage, &parent, vec![on_children(step("management.second"), &[&children[1]])]).await;

    stage.settled(&parent, S::Manageable).await;
    let asked = |node: Node| node.driver_internal_info.get("asked").cloned();
    assert_eq!(asked(stage.stored(&children[0]).await), None);
    assert_eq!(asked(stage.unlocked(&children[1]).await), Some(json!(1)));
    assert_eq!(asked(stage.stored(&parent).await), None);
}

#[tokio::test]
async fn power_steps_run_on_children_too() {
    let (stage, parent, children) = family(quick()).await;

    clean(&stage, &parent, vec![on_children(step("power.power_off"), &[])]).await;

    stage.settled(&parent, S::Manageable).await;
    for child in &children {
        let child = stage.unlocked(child).await;
        assert_eq!(child.power_state, Some(farrier_sdk::interface::power::PowerState::Off));
    }
    assert_eq!(stage.stored(&parent).await.power_state, None);
}

#[tokio::test]
async fn a_child_that_fails_fails_the_parent_and_is_named() {
    let (stage, parent, children) = family(quick()).await;
    stage.script.will_fail("management.first", "disk is on fire");

    clean(&stage, &parent, vec![on_children(step("management.first"), &[&children[0], &children[1]])]).await;

    let parent = stage.settled(&parent, S::CleanFail).await;
    let error = parent.last_error.unwrap();
    assert!(error.contains("disk is on fire") && error.contains(&children[0].uuid.to_string()), "{error}");
    assert_eq!(stage.script.count("management.first"), 1);
    assert_eq!(stage.stored(&children[0]).await.reservation, None);
}

#[tokio::test]
async fn a_busy_child_fails_the_parent() {
    let (stage, parent, children) = family(quick()).await;
    let _held = stage.tasks().acquire_exclusive(&children[0], Acquire::default()).await.unwrap();

    clean(&stage, &parent, vec![on_children(step("management.first"), &[])]).await;

    let error = stage.settled(&parent, S::CleanFail).await.last_error.unwrap();
    assert!(error.contains("locked") && error.contains(&children[0].uuid.to_string()), "{error}");
}

#[tokio::test]
async fn a_node_that_is_no_child_is_refused_by_name() {
    let (stage, parent, _) = family(quick()).await;
    let stranger = stage.node_in(S::Active).await;

    clean(&stage, &parent, vec![on_children(step("management.first"), &[&stranger])]).await;

    let error = stage.settled(&parent, S::CleanFail).await.last_error.unwrap();
    assert!(error.contains(&format!("node {} is not a child", stranger.uuid)), "{error}");
    assert!(stage.script.calls().iter().all(|call| !call.starts_with("management")));
}

#[tokio::test]
async fn a_child_that_goes_on_by_itself_is_a_failure_unless_permitted() {
    for permitted in [false, true] {
        let config = ConductorConfig { permit_child_node_step_async_result: permitted, ..quick() };
        let (stage, parent, children) = family(config).await;
        stage.script.will("management.first", Answer::Wait);

        clean(&stage, &parent, vec![on_children(step("management.first"), &[&children[0]])]).await;

        if permitted {
            stage.settled(&parent, S::Manageable).await;
        } else {
            let error = stage.settled(&parent, S::CleanFail).await.last_error.unwrap();
            assert!(error.contains("permit_child_node_step_async_result"), "{error}");
        }
        assert_eq!(stage.stored(&children[0]).await.provision_state, S::Active);
    }
}

use farrier_model::history::Severity;
use farrier_model::node::Node;
use farrier_model::provision::{ProvisionState as S, Verb};
use farrier_sdk::error::DriverError;
use farrier_sdk::interface::power::PowerState;
use serde_json::json;

use crate::config::ConductorConfig;
use crate::script::Answer;
use crate::script::stage::Stage;
use crate::task::tests::quick;

/// A stage with an enrolled node.
async fn stage_with(config: ConductorConfig) -> (Stage, Node) {
    let stage = Stage::new(config).await;
    let node = stage.node_in(S::Enroll).await;
    (stage, node)
}

#[tokio::test]
async fn a_node_whose_machine_answers_becomes_manageable() {
    let (stage, node) = stage_with(quick()).await;

    stage.verb(&node, Verb::Manage).await;

    let node = stage.settled(&node, S::Manageable).await;
    assert_eq!((node.target_provision_state, node.last_error), (None, None));
    assert_eq!(node.power_state, Some(PowerState::On));
    assert_eq!(node.properties.get("vendor"), Some(&json!("acme")));
    assert_eq!(stage.script.calls(), ["management.verify_first", "power.verify_late"]);
}

#[tokio::test]
async fn a_power_state_that_was_not_known_is_told() {
    let (stage, node) = stage_with(quick()).await;
    let mut notifications = stage.tasks().shared().notifier.subscribe();

    stage.verb(&node, Verb::Manage).await;

    stage.settled(&node, S::Manageable).await;
    let mut told = Vec::new();
    while let Ok(notification) = notifications.try_recv() {
        told.push(notification.event_type);
    }
    assert_eq!(
        told,
        [
            "baremetal.node.provision_set.start",
            "baremetal.node.provision_set.end",
            "baremetal.node.power_state_corrected.success"
        ]
    );
}

#[tokio::test]
async fn a_known_power_state_is_not_told_again() {
    let (stage, node) = stage_with(quick()).await;
    let node = stage.change(&node, |node| node.power_state = Some(PowerState::On)).await;
    let mut notifications = stage.tasks().shared().notifier.subscribe();

    stage.verb(&node, Verb::Manage).await;

    stage.settled(&node, S::Manageable).await;
    while let Ok(notification) = notifications.try_recv() {
        assert!(!notification.event_type.contains("corrected"), "{}", notification.event_type);
    }
}

#[tokio::test]
async fn without_power_the_node_stays_enrolled_and_every_step_runs_all_the_same() {
    for method in ["power.validate", "power.get_power_state"] {
        let (stage, node) = stage_with(quick()).await;
        stage.script.will(method, Answer::Fail(DriverError::unreachable("no answer from `192.0.2.1`")));

        stage.verb(&node, Verb::Manage).await;

        let node = stage.settled(&node, S::Enroll).await;
        let error = node.last_error.clone().unwrap();
        assert!(error.contains("Failed to get power state") && error.contains("192.0.2.1"), "{error}");
        assert_eq!(stage.script.calls(), ["management.verify_first", "power.verify_late"]);
        assert_eq!(node.power_state, None);
        let (severity, kind, _) = stage.history(&node).await.pop().unwrap();
        assert_eq!((severity, kind.as_str()), (Severity::Error, "verify"));
    }
}

#[tokio::test]
async fn a_failed_step_keeps_the_node_enrolled_and_the_others_run() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("management.verify_first", "clock is wrong");

    stage.verb(&node, Verb::Manage).await;

    let node = stage.settled(&node, S::Enroll).await;
    let error = node.last_error.unwrap();
    assert!(
        error.contains("verify step management.verify_first") && error.contains("clock is wrong"),
        "{error}"
    );
    assert_eq!(stage.script.count("power.verify_late"), 1);
}

#[tokio::test]
async fn everything_that_is_wrong_is_told() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("power.get_power_state", "fuse is gone");
    stage.script.will_fail("management.verify_first", "clock is wrong");
    stage.script.will_fail("power.verify_late", "too late");

    stage.verb(&node, Verb::Manage).await;

    let node = stage.settled(&node, S::Enroll).await;
    let error = node.last_error.clone().unwrap();
    for problem in ["fuse is gone", "clock is wrong", "too late"] {
        assert!(error.contains(problem), "{error}");
    }
    let events: Vec<_> = stage.history(&node).await;
    assert_eq!(events.len(), 3, "{events:?}");
}

#[tokio::test]
async fn a_verify_step_has_to_be_over_when_it_answers() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will("power.verify_late", Answer::Poll(1));

    stage.verb(&node, Verb::Manage).await;

    let error = stage.settled(&node, S::Enroll).await.last_error.unwrap();
    assert!(error.contains("has to be over when it answers"), "{error}");
}

#[tokio::test]
async fn overrides_switch_verify_steps_off_and_on() {
    let overrides = ["power.verify_late:0", "management.verify_never:99"];
    let config = ConductorConfig {
        verify_step_priority_override: overrides.iter().map(|text| text.parse().unwrap()).collect(),
        ..quick()
    };
    let (stage, node) = stage_with(config).await;

    stage.verb(&node, Verb::Manage).await;

    stage.settled(&node, S::Manageable).await;
    assert_eq!(stage.script.calls(), ["management.verify_never", "management.verify_first"]);
}

#[tokio::test]
async fn a_panicking_driver_keeps_the_node_enrolled() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will("power.get_power_state", Answer::Panic);

    stage.verb(&node, Verb::Manage).await;

    assert!(stage.settled(&node, S::Enroll).await.last_error.is_some());
}

#[tokio::test]
async fn only_enrolled_nodes_are_verified() {
    for state in [S::Available, S::CleanFail, S::InspectFail, S::AdoptFail] {
        let stage = Stage::new(quick()).await;
        let node = stage.node_in(state).await;

        stage.verb(&node, Verb::Manage).await;

        let node = stage.stored(&node).await;
        assert_eq!((node.provision_state, node.target_provision_state), (S::Manageable, None), "{state}");
        assert_eq!(node.reservation, None);
        assert!(stage.script.calls().is_empty());
    }
}

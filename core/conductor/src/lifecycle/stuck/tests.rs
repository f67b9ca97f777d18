use std::sync::Arc;

use farrier_model::history::Severity;
use farrier_model::node::Node;
use farrier_model::provision::ProvisionState as S;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::script;
use crate::task::tests::{Fixture, quick};

/// A node in `state`, and what else is said of it.
async fn node(fixture: &Fixture, state: S, change: impl FnOnce(&mut Node)) -> Node {
    let mut node = Node {
        provision_state: state,
        target_provision_state: state.default_target(),
        ..Node::new(Uuid::new_v4(), "fake-hardware")
    };
    change(&mut node);
    fixture.store.node_create(&node).await.unwrap()
}

/// The conductor of `fixture` dies and starts again.
async fn restart(fixture: &Fixture) -> Conductor {
    let registry = Arc::clone(fixture.conductor.registry());
    Conductor::start(quick(), fixture.store.clone(), registry).await.unwrap()
}

#[tokio::test]
async fn row_c14_every_state_that_does_not_survive_fails_at_start() {
    let fixture = Fixture::new(quick()).await;
    let expected = [
        (S::Deploying, S::DeployFail),
        (S::Cleaning, S::CleanFail),
        (S::Verifying, S::Enroll),
        (S::Inspecting, S::InspectFail),
        (S::Adopting, S::AdoptFail),
        (S::Rescuing, S::RescueFail),
        (S::Unrescuing, S::UnrescueFail),
        (S::Deleting, S::Error),
        (S::Servicing, S::ServiceFail),
    ];
    assert_eq!(expected.map(|(state, _)| state), STUCK_TREATED_AS_FAIL);
    let mut nodes = Vec::new();
    for (state, _) in expected {
        nodes.push(node(&fixture, state, |_| {}).await);
    }

    restart(&fixture).await;

    for (node, (state, failed)) in nodes.iter().zip(expected) {
        let stored = fixture.stored(node).await;
        assert_eq!(stored.provision_state, failed, "{state}");
        assert_eq!(stored.target_provision_state, failed.default_target(), "{state}");
        let text = format!("The {state} state can't be resumed by conductor host-1. Moving to fail state.");
        assert_eq!(stored.last_error, Some(text), "{state}");
        assert_eq!(stored.reservation, None, "{state}");
    }
}

#[tokio::test]
async fn row_c15_a_node_in_maintenance_fails_too_and_its_history_says_why() {
    let fixture = Fixture::new(quick()).await;
    let node = node(&fixture, S::Deploying, |node| node.maintenance = true).await;

    restart(&fixture).await;

    assert_eq!(fixture.stored(&node).await.provision_state, S::DeployFail);
    let entries = script::history(&fixture, &node).await;
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((entry.event_type.as_str(), entry.severity), ("transition", Severity::Error));
    assert_eq!(
        entry.event,
        "The deploying state can't be resumed by conductor host-1. Moving to fail state."
    );
    assert_eq!(entry.conductor, "host-1");
}

/// The reference handles eight nodes of each state and leaves the rest.
#[tokio::test]
async fn all_nodes_of_a_state_fail_however_many_they_are() {
    let fixture = Fixture::new(quick()).await;
    let mut nodes = Vec::new();
    for _ in 0..2 * fixture.tasks().shared().config.periodic_max_workers + 1 {
        nodes.push(node(&fixture, S::Deploying, |_| {}).await);
    }

    restart(&fixture).await;

    for node in &nodes {
        assert_eq!(fixture.stored(node).await.provision_state, S::DeployFail);
    }
}

#[tokio::test]
async fn what_the_conductor_held_when_it_died_fails_as_well() {
    let fixture = Fixture::new(quick()).await;
    let node = node(&fixture, S::Cleaning, |_| {}).await;
    fixture.store.node_reserve(node.id, "host-1", "cleaning").await.unwrap();

    restart(&fixture).await;

    let stored = fixture.stored(&node).await;
    assert_eq!((stored.provision_state, stored.reservation), (S::CleanFail, None));
}

#[tokio::test]
async fn what_others_hold_or_own_and_what_waits_is_left_alone() {
    let fixture = Fixture::new(quick()).await;
    let held = node(&fixture, S::Deploying, |_| {}).await;
    fixture.store.node_reserve(held.id, "host-2", "deploying").await.unwrap();
    let elsewhere = node(&fixture, S::Deploying, |node| node.conductor_group = "rack-2".to_owned()).await;
    let mut left = vec![held, elsewhere];
    for state in [S::DeployWait, S::CleanWait, S::InspectWait, S::RescueWait, S::ServiceWait, S::CleanHold] {
        left.push(node(&fixture, state, |_| {}).await);
    }

    restart(&fixture).await;

    for node in &left {
        let stored = fixture.stored(node).await;
        assert_eq!((stored.provision_state, stored.last_error), (node.provision_state, None));
    }
}

#[tokio::test]
async fn a_manual_cleaning_keeps_its_target() {
    let fixture = Fixture::new(quick()).await;
    let node = node(&fixture, S::Cleaning, |node| node.target_provision_state = Some(S::Manageable)).await;

    restart(&fixture).await;

    let stored = fixture.stored(&node).await;
    assert_eq!((stored.provision_state, stored.target_provision_state), (S::CleanFail, Some(S::Manageable)));
}

#[tokio::test]
async fn a_node_whose_driver_cannot_be_assembled_fails_all_the_same() {
    let fixture = Fixture::new(quick()).await;
    let node = node(&fixture, S::Inspecting, |node| {
        node.interfaces.set(farrier_sdk::interface::InterfaceType::Power, Some("gone".to_owned()));
    })
    .await;

    restart(&fixture).await;

    assert_eq!(fixture.stored(&node).await.provision_state, S::InspectFail);
}

#[tokio::test]
async fn a_rescue_that_died_leaves_no_password() {
    let fixture = Fixture::new(quick()).await;
    let node = node(&fixture, S::Rescuing, |node| {
        node.instance_info.insert("rescue_password".to_owned(), json!("pa55"));
        node.instance_info.insert("hashed_rescue_password".to_owned(), json!("$5$"));
    })
    .await;

    restart(&fixture).await;

    assert!(fixture.stored(&node).await.instance_info.is_empty());
}

#[tokio::test]
async fn consoles_are_restarted_in_the_background() {
    let (fixture, script) = script::fixture(quick()).await;
    let works = node(&fixture, S::Active, |node| node.console_enabled = true).await;
    let off = node(&fixture, S::Active, |_| {}).await;
    script.will_fail("console.start_console", "port is taken");
    let fails_first = &works;

    restart(&fixture).await;

    let stored = fixture.eventually(fails_first, |node| !node.console_enabled && !node.is_reserved()).await;
    assert!(stored.last_error.unwrap().contains("port is taken"));
    assert_eq!(script.calls(), ["console.start_console"]);
    assert_eq!(fixture.stored(&off).await.last_error, None);
}

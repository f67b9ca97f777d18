use farrier_model::node::Node;
use farrier_model::provision::ProvisionState as S;
use farrier_sdk::interface::InterfaceType;
use uuid::Uuid;

use super::*;
use crate::config::ConductorConfig;
use crate::script::{self, Script};
use crate::task::tests::{Fixture, quick};
use crate::task::{Acquire, RequestContext};

/// A node in `state` with volumes, in `power`.
async fn node_in(state: S, power: PowerState) -> (Fixture, Script, Node) {
    let (fixture, script) = script::fixture(quick()).await;
    let mut node = Node {
        provision_state: state,
        target_provision_state: state.default_target(),
        power_state: Some(power),
        ..Node::new(Uuid::new_v4(), "fake-hardware")
    };
    node.interfaces.set(InterfaceType::Storage, Some("script".to_owned()));
    let node = fixture.enrol(node).await;
    (fixture, script, node)
}

async fn switch(fixture: &Fixture, node: &Node, request: PowerState) -> Result<(), ConductorError> {
    let mut task = fixture.tasks().acquire_exclusive(node, Acquire::new("test")).await.unwrap();
    let switched = action(&mut task, request, None).await;
    task.finish().await.unwrap();
    switched
}

#[tokio::test]
async fn an_instance_gets_its_volumes_before_it_runs() {
    for (power, request, change) in [
        (PowerState::Off, PowerState::On, "power.set_power_state power on"),
        (PowerState::On, PowerState::Reboot, "power.reboot"),
    ] {
        let (fixture, script, node) = node_in(S::Active, power).await;

        switch(&fixture, &node, request).await.unwrap();

        assert_eq!(script.asked(), ["storage.attach_volumes", change]);
        assert_eq!(fixture.stored(&node).await.power_state, Some(PowerState::On));
    }
}

#[tokio::test]
async fn an_instance_without_its_volumes_is_not_switched_on() {
    let (fixture, script, node) = node_in(S::Active, PowerState::Off).await;
    script.will_fail("storage.attach_volumes", "no such volume");

    let failed = switch(&fixture, &node, PowerState::On).await;

    assert!(matches!(failed, Err(ConductorError::Driver { .. })), "{failed:?}");
    assert_eq!(script.asked(), ["storage.attach_volumes"]);
    let stored = fixture.stored(&node).await;
    assert_eq!((stored.power_state, stored.target_power_state), (Some(PowerState::Off), None));
    assert!(stored.last_error.unwrap().contains("no such volume"));
}

#[tokio::test]
async fn the_volumes_go_when_the_instance_is_off() {
    let (fixture, script, node) = node_in(S::Active, PowerState::On).await;
    script.will_fail("storage.detach_volumes", "still in use");

    switch(&fixture, &node, PowerState::Off).await.unwrap();

    assert_eq!(script.asked(), ["power.set_power_state power off", "storage.detach_volumes"]);
    let stored = fixture.stored(&node).await;
    assert_eq!((stored.power_state, stored.last_error), (Some(PowerState::Off), None));
}

#[tokio::test]
async fn a_node_that_is_not_in_use_has_no_volumes() {
    let (fixture, script, node) = node_in(S::Manageable, PowerState::Off).await;

    switch(&fixture, &node, PowerState::On).await.unwrap();
    switch(&fixture, &node, PowerState::Off).await.unwrap();

    assert_eq!(script.asked(), ["power.set_power_state power on", "power.set_power_state power off"]);
}

/// Event types and events of a node's history.
async fn told(fixture: &Fixture, node: &Node) -> Vec<(String, String)> {
    let entries = script::history(fixture, node).await;
    entries.into_iter().map(|entry| (entry.event_type, entry.event)).collect()
}

#[tokio::test]
async fn a_change_that_fails_is_the_last_error_and_in_the_history() {
    for (method, request) in [
        ("power.set_power_state", PowerState::On),
        ("power.get_power_state", PowerState::On),
        ("power.reboot", PowerState::Reboot),
    ] {
        let (fixture, script, node) = node_in(S::Manageable, PowerState::Off).await;
        script.will_fail(method, "relay is stuck");

        let failed = switch(&fixture, &node, request).await;

        assert!(failed.is_err(), "{method}");
        let stored = fixture.stored(&node).await;
        assert_eq!(
            (stored.power_state, stored.target_power_state),
            (Some(PowerState::Off), None),
            "{method}"
        );
        let error = stored.last_error.unwrap();
        let begin = format!("Failed to change power state to 'power on' by '{request}': ");
        assert!(error.starts_with(&begin) && error.contains("relay is stuck"), "{error}");
        assert_eq!(told(&fixture, &node).await, [("power".to_owned(), error)]);
    }
}

#[tokio::test]
async fn a_request_without_a_worker_is_the_last_error_and_in_the_history() {
    let (fixture, _, node) = node_in(S::Manageable, PowerState::Off).await;
    let _busy = script::all_workers(&fixture).await;

    let refused =
        fixture.conductor.change_power(Default::default(), &node.uuid.into(), PowerState::On, None).await;

    assert!(matches!(refused, Err(ConductorError::NoFreeConductorWorker { .. })), "{refused:?}");
    let stored = fixture.stored(&node).await;
    assert_eq!((stored.power_state, stored.target_power_state), (Some(PowerState::Off), None));
    assert_eq!(told(&fixture, &node).await, [("power".to_owned(), stored.last_error.unwrap())]);
}

/// The same node with an agent that has called.
async fn with_agent(fixture: &Fixture, node: &Node) -> Node {
    let mut after = node.clone();
    for key in ["agent_url", "agent_secret_token", "agent_verify_ca", "agent_cached_clean_steps"] {
        after.driver_internal_info.insert(key.to_owned(), json!("x"));
    }
    after.last_error = Some("of before".to_owned());
    fixture.store.node_update(node, &after).await.unwrap()
}

#[tokio::test]
async fn whoever_is_cut_off_is_forgotten_and_a_machine_that_is_switched_on_keeps_its_agent() {
    for (power, request, keeps) in [
        (PowerState::Off, PowerState::On, true),
        (PowerState::On, PowerState::On, true),
        (PowerState::On, PowerState::Off, false),
        (PowerState::Off, PowerState::Off, false),
        (PowerState::On, PowerState::SoftOff, false),
        (PowerState::On, PowerState::Reboot, false),
        (PowerState::On, PowerState::SoftReboot, false),
    ] {
        let (fixture, _, node) = node_in(S::Manageable, power).await;
        let node = with_agent(&fixture, &node).await;

        switch(&fixture, &node, request).await.unwrap();

        let stored = fixture.stored(&node).await;
        for key in ["agent_url", "agent_secret_token", "agent_verify_ca", "agent_cached_clean_steps"] {
            assert_eq!(stored.driver_internal_info.contains_key(key), keeps, "{power} {request} {key}");
        }
        assert_eq!(stored.last_error, None, "{power} {request}");
        let moves = request == PowerState::Reboot
            || request == PowerState::SoftReboot
            || power != stored.power_state.unwrap();
        assert_eq!(
            stored.driver_internal_info.contains_key("last_power_state_change"),
            moves,
            "{power} {request}"
        );
    }
}

#[tokio::test]
async fn the_error_that_explains_a_failed_node_outlives_a_change_of_power() {
    for (state, kept) in [(S::CleanFail, true), (S::Manageable, false)] {
        let (fixture, _, node) = node_in(state, PowerState::Off).await;
        let node = with_agent(&fixture, &node).await;

        switch(&fixture, &node, PowerState::On).await.unwrap();

        assert_eq!(fixture.stored(&node).await.last_error.is_some(), kept, "{state}");
    }
}

#[tokio::test]
async fn a_change_of_power_has_the_time_that_is_asked_for_or_that_of_its_kind() {
    use PowerState::{Off, On, Reboot, SoftOff, SoftReboot};
    for (from, request, given, expected) in [
        (On, SoftOff, None, 601),
        (On, SoftReboot, None, 601),
        (On, SoftOff, Some(5), 5),
        (On, Off, None, 61),
        (On, Reboot, None, 61),
        (On, Reboot, Some(7), 7),
        (Off, On, None, 61),
        (Off, On, Some(9), 9),
    ] {
        let config =
            ConductorConfig { soft_power_off_timeout: 601, power_state_change_timeout: 61, ..quick() };
        let (fixture, script) = script::fixture(config).await;
        let node = Node { power_state: Some(from), ..Node::new(Uuid::new_v4(), "fake-hardware") };
        let node = fixture.enrol(node).await;
        let given = given.map(Duration::from_secs);

        let name = node.uuid.into();
        fixture.conductor.change_power(RequestContext::default(), &name, request, given).await.unwrap();

        let node = fixture.unlocked(&node).await;
        assert_eq!(node.last_error, None);
        assert_eq!(script.limits(), [Some(Duration::from_secs(expected))], "{request} {given:?}");
    }
}

use farrier_model::node::Node;
use farrier_model::provision::ProvisionState as S;
use farrier_sdk::interface::InterfaceType;
use uuid::Uuid;

use super::*;
use crate::script::{self, Script};
use crate::task::Acquire;
use crate::task::tests::{Fixture, quick};

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

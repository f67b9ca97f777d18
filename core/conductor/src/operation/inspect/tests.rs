use farrier_model::node::Node;
use farrier_model::provision::{ProvisionState as S, Verb};
use farrier_sdk::error::DriverError;
use serde_json::{Value, json};

use super::*;
use crate::script::{self, Answer, Script};
use crate::service::ProvisionRequest;
use crate::task::tests::{Fixture, quick};
use crate::task::{Acquire, RequestContext};

async fn manageable() -> (Fixture, Script, Node) {
    let (fixture, script) = script::fixture(quick()).await;
    let node = script::node_in(&fixture, S::Manageable).await;
    (fixture, script, node)
}

async fn provision(fixture: &Fixture, node: &Node, verb: Verb) -> Result<(), ConductorError> {
    let request = ProvisionRequest::new(verb);
    fixture.conductor.provision(RequestContext::default(), &node.uuid.into(), request).await
}

async fn inspect(fixture: &Fixture, node: &Node) -> Node {
    provision(fixture, node, Verb::Inspect).await.unwrap();
    fixture.unlocked(node).await
}

fn fields(value: Value) -> Fields {
    let Value::Object(fields) = value else { panic!("{value} is no mapping") };
    fields
}

fn found() -> Inspection {
    Inspection {
        inventory: fields(json!({
            "cpu": {"count": 4, "architecture": "x86_64"},
            "interfaces": [
                {"name": "eth0", "mac_address": "52:54:00:AA:00:01"},
                {"name": "eth1", "mac_address": "52:54:00:aa:00:02", "pxe_enabled": false},
            ],
        })),
        plugin_data: fields(json!({"raw": 1})),
        properties: fields(json!({"cpu_arch": "x86_64", "memory_mb": 4096, "old": null})),
    }
}

#[tokio::test]
async fn an_inspection_that_is_done_at_once_leaves_the_node_manageable() {
    let (fixture, script, node) = manageable().await;

    let inspected = inspect(&fixture, &node).await;

    assert_eq!((inspected.provision_state, inspected.target_provision_state), (S::Manageable, None));
    assert_eq!(inspected.last_error, None);
    assert!(inspected.inspection_finished_at.is_some());
    assert_eq!(script.asked(), ["power.validate", "inspect.validate", "inspect.inspect_hardware"]);
    // Nothing was handed over.
    assert!(fixture.store.inventory_get(node.id).await.is_err());
}

#[tokio::test]
async fn what_was_found_is_stored_and_gives_the_node_its_ports() {
    let (fixture, script, node) = manageable().await;
    let mut changed = node.clone();
    changed.properties = fields(json!({"old": 1, "kept": 2}));
    fixture.store.node_update(&node, &changed).await.unwrap();
    script.will("inspect.inspect_hardware", Answer::Found(found()));

    let inspected = inspect(&fixture, &node).await;

    assert_eq!(inspected.provision_state, S::Manageable);
    assert_eq!(
        Value::Object(inspected.properties),
        json!({"kept": 2, "cpu_arch": "x86_64", "memory_mb": 4096})
    );
    let inventory = fixture.store.inventory_get(node.id).await.unwrap();
    assert_eq!((inventory.inventory, inventory.plugin_data), (found().inventory, found().plugin_data));
    let ports = fixture.store.ports_by_node(node.id).await.unwrap();
    let ports: Vec<_> = ports.iter().map(|port| (port.address.as_str(), port.pxe_enabled)).collect();
    assert_eq!(ports, [("52:54:00:aa:00:01", true), ("52:54:00:aa:00:02", false)]);
}

#[tokio::test]
async fn ports_that_were_found_are_told() {
    let (fixture, script, node) = manageable().await;
    let other = fixture.node().await;
    fixture.store.port_create(&Port::new(Uuid::new_v4(), other.id, "52:54:00:aa:00:02")).await.unwrap();
    script.will("inspect.inspect_hardware", Answer::Found(found()));
    let mut heard = fixture.tasks().shared().notifier.subscribe();

    inspect(&fixture, &node).await;

    let told: Vec<_> = std::iter::from_fn(|| heard.try_recv().ok())
        .filter(|told| told.payload.name() == "PortCRUDPayload")
        .map(|told| {
            assert_eq!(told.payload["node_uuid"], json!(node.uuid));
            (told.event_type.clone(), told.payload["address"].as_str().unwrap().to_owned())
        })
        .collect();
    let event = |status: &str, address: &str| (format!("baremetal.port.create.{status}"), address.to_owned());
    let (first, second) = ("52:54:00:aa:00:01", "52:54:00:aa:00:02");
    let expected =
        [event("start", first), event("end", first), event("start", second), event("error", second)];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_node_with_ports_keeps_them() {
    let (fixture, script, node) = manageable().await;
    fixture.store.port_create(&Port::new(Uuid::new_v4(), node.id, "52:54:00:00:00:09")).await.unwrap();
    script.will("inspect.inspect_hardware", Answer::Found(found()));

    inspect(&fixture, &node).await;

    assert_eq!(fixture.store.ports_by_node(node.id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_card_of_another_node_is_left_out() {
    let (fixture, script, node) = manageable().await;
    let other = fixture.node().await;
    fixture.store.port_create(&Port::new(Uuid::new_v4(), other.id, "52:54:00:aa:00:01")).await.unwrap();
    script.will("inspect.inspect_hardware", Answer::Found(found()));

    let inspected = inspect(&fixture, &node).await;

    assert_eq!((inspected.provision_state, inspected.last_error), (S::Manageable, None));
    let ports = fixture.store.ports_by_node(node.id).await.unwrap();
    assert_eq!(ports.iter().map(|port| port.address.as_str()).collect::<Vec<_>>(), ["52:54:00:aa:00:02"]);
}

#[tokio::test]
async fn a_failed_inspection_is_torn_down_and_stores_nothing() {
    let (fixture, script, node) = manageable().await;
    let error = DriverError::hardware("no such processor");
    script.will("inspect.inspect_hardware", Answer::FoundAndFail(found(), error));

    let failed = inspect(&fixture, &node).await;

    assert_eq!(
        (failed.provision_state, failed.target_provision_state),
        (S::InspectFail, Some(S::Manageable))
    );
    let error = failed.last_error.unwrap();
    assert!(error.contains("no such processor"), "{error}");
    assert_eq!(script.asked()[2..], ["inspect.inspect_hardware", "inspect.tear_down"]);
    assert!(fixture.store.inventory_get(node.id).await.is_err());
    assert!(failed.properties.is_empty());
    let entries = script::history(&fixture, &node).await;
    assert_eq!(
        entries.last().map(|entry| (entry.event_type.as_str(), &entry.event)),
        Some((EVENT_TYPE, &error))
    );
    // It can be tried again.
    assert_eq!(inspect(&fixture, &node).await.provision_state, S::Manageable);
}

#[tokio::test]
async fn what_cannot_be_torn_down_fails_the_inspection_all_the_same() {
    let (fixture, script, node) = manageable().await;
    script.will_fail("inspect.inspect_hardware", "first");
    script.will_fail("inspect.tear_down", "second");

    let failed = inspect(&fixture, &node).await;

    assert_eq!(failed.provision_state, S::InspectFail);
    assert!(failed.last_error.unwrap().contains("first"));
}

#[tokio::test]
async fn a_node_that_cannot_be_inspected_stays_where_it_is() {
    for method in ["power.validate", "inspect.validate"] {
        let (fixture, script, node) = manageable().await;
        script.will(method, Answer::Fail(DriverError::invalid_parameter("no address")));

        let refused = provision(&fixture, &node, Verb::Inspect).await;

        assert!(matches!(refused, Err(ConductorError::Driver { .. })), "{refused:?}");
        let stored = fixture.stored(&node).await;
        assert_eq!((stored.provision_state, stored.reservation), (S::Manageable, None));
        assert_eq!(stored.last_error, None);
    }
}

#[tokio::test]
async fn the_agent_of_before_is_forgotten() {
    let (fixture, _script, node) = manageable().await;
    let mut changed = node.clone();
    changed.driver_internal_info =
        fields(json!({"agent_url": "http://a", "agent_secret_token": "t", "kept": 1}));
    fixture.store.node_update(&node, &changed).await.unwrap();

    let inspected = inspect(&fixture, &node).await;

    assert_eq!(Value::Object(inspected.driver_internal_info), json!({"kept": 1}));
}

/// A node that waits for its agent.
async fn waiting() -> (Fixture, Script, Node) {
    let (fixture, script, node) = manageable().await;
    script.will("inspect.inspect_hardware", Answer::Wait);
    let node = inspect(&fixture, &node).await;
    assert_eq!((node.provision_state, node.target_provision_state), (S::InspectWait, Some(S::Manageable)));
    script.forget_calls();
    (fixture, script, node)
}

async fn go_on_with(fixture: &Fixture, node: &Node) -> Node {
    let mut task = fixture.tasks().acquire_exclusive(node, Acquire::new("test")).await.unwrap();
    resume(&mut task, found().inventory, found().plugin_data).await.unwrap();
    task.finish().await.unwrap();
    fixture.unlocked(node).await
}

#[tokio::test]
async fn what_the_agent_found_is_stored_as_it_came() {
    let (fixture, script, node) = waiting().await;

    let inspected = go_on_with(&fixture, &node).await;

    assert_eq!((inspected.provision_state, inspected.last_error), (S::Manageable, None));
    assert_eq!(script.asked(), ["inspect.continue_inspection"]);
    let inventory = fixture.store.inventory_get(node.id).await.unwrap();
    assert_eq!((inventory.inventory, inventory.plugin_data), (found().inventory, found().plugin_data));
    assert_eq!(fixture.store.ports_by_node(node.id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_the_driver_made_of_it_wins() {
    let (fixture, script, node) = waiting().await;
    let better = Inspection { inventory: fields(json!({"cpu": {"count": 8}})), ..Inspection::default() };
    script.will("inspect.continue_inspection", Answer::Found(better.clone()));

    go_on_with(&fixture, &node).await;

    assert_eq!(fixture.store.inventory_get(node.id).await.unwrap().inventory, better.inventory);
}

#[tokio::test]
async fn an_inspection_may_wait_twice() {
    let (fixture, script, node) = waiting().await;
    script.will("inspect.continue_inspection", Answer::Wait);

    let waits = go_on_with(&fixture, &node).await;

    assert_eq!((waits.provision_state, waits.target_provision_state), (S::InspectWait, Some(S::Manageable)));
    assert!(fixture.store.inventory_get(node.id).await.is_err());
}

#[tokio::test]
async fn what_the_driver_cannot_use_fails_the_inspection() {
    let (fixture, script, node) = waiting().await;
    script.will_fail("inspect.continue_inspection", "wrong machine");

    let failed = go_on_with(&fixture, &node).await;

    assert_eq!(failed.provision_state, S::InspectFail);
    assert!(failed.last_error.unwrap().contains("wrong machine"));
    assert_eq!(script.asked(), ["inspect.continue_inspection", "inspect.tear_down"]);
    assert!(fixture.store.inventory_get(node.id).await.is_err());
}

#[tokio::test]
async fn an_inspection_that_waits_can_be_aborted() {
    let (fixture, script, node) = waiting().await;

    provision(&fixture, &node, Verb::Abort).await.unwrap();

    let aborted = fixture.unlocked(&node).await;
    assert_eq!(
        (aborted.provision_state, aborted.target_provision_state),
        (S::InspectFail, Some(S::Manageable))
    );
    assert_eq!(aborted.last_error.as_deref(), Some("Inspection was aborted by request."));
    assert_eq!(script.asked(), ["inspect.abort"]);
}

#[tokio::test]
async fn a_driver_that_cannot_abort_lets_the_node_wait_on() {
    let (fixture, script, node) = waiting().await;
    script.will("inspect.abort", Answer::Fail(DriverError::unsupported("abort")));

    let refused = provision(&fixture, &node, Verb::Abort).await;

    let Err(ConductorError::Driver { source, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(source.kind(), ErrorKind::Unsupported);
    let stored = fixture.stored(&node).await;
    assert_eq!((stored.provision_state, stored.last_error, stored.reservation), (S::InspectWait, None, None));
}

/// A node whose driver wants to be asked again, after longer than this test takes.
async fn polled(script: &Script, fixture: &Fixture, node: &Node) -> Node {
    script.will("inspect.inspect_hardware", Answer::Poll(3_600_000));
    let node = inspect(fixture, node).await;
    assert_eq!(node.provision_state, S::InspectWait);
    assert!(wake::of(&node, Asked::Inspection).is_some());
    node
}

#[tokio::test]
async fn an_inspection_is_asked_again_until_it_is_over() {
    let (fixture, script, node) = manageable().await;
    script.will("inspect.inspect_hardware", Answer::Poll(1));
    script.will("inspect.inspect_hardware", Answer::Poll(1));
    script.will("inspect.inspect_hardware", Answer::Found(found()));

    provision(&fixture, &node, Verb::Inspect).await.unwrap();

    let inspected = fixture
        .eventually(&node, |node| node.provision_state == S::Manageable && node.reservation.is_none())
        .await;
    assert_eq!(script.asked()[2..], ["inspect.inspect_hardware"; 3]);
    assert_eq!(fixture.store.inventory_get(node.id).await.unwrap().inventory, found().inventory);
    assert!(inspected.driver_internal_info.is_empty(), "{:?}", inspected.driver_internal_info);
}

#[tokio::test]
async fn a_driver_is_asked_again_what_to_make_of_what_the_agent_found() {
    let (fixture, script, node) = waiting().await;
    script.will("inspect.continue_inspection", Answer::Poll(1));

    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::new("test")).await.unwrap();
    resume(&mut task, found().inventory, found().plugin_data).await.unwrap();
    task.finish().await.unwrap();

    let inspected = fixture
        .eventually(&node, |node| node.provision_state == S::Manageable && node.reservation.is_none())
        .await;
    assert_eq!(script.asked(), ["inspect.continue_inspection"; 2]);
    let inventory = fixture.store.inventory_get(node.id).await.unwrap();
    assert_eq!((inventory.inventory, inventory.plugin_data), (found().inventory, found().plugin_data));
    assert!(inspected.driver_internal_info.is_empty(), "{:?}", inspected.driver_internal_info);
}

#[tokio::test]
async fn an_inspection_that_is_asked_survives_a_restart() {
    let (fixture, script, node) = manageable().await;
    // Long enough for the first conductor to end before it asks.
    script.will("inspect.inspect_hardware", Answer::Poll(300));
    inspect(&fixture, &node).await;
    fixture.tasks().shared().workers.stop(Some(Duration::from_secs(30))).await;

    let registry = std::sync::Arc::clone(fixture.conductor.registry());
    let again = crate::service::Conductor::start(quick(), fixture.store.clone(), registry).await.unwrap();

    fixture
        .eventually(&node, |node| node.provision_state == S::Manageable && node.reservation.is_none())
        .await;
    assert_eq!(script.asked()[2..], ["inspect.inspect_hardware"; 2]);
    again.tasks().shared().workers.stop(Some(Duration::from_secs(30))).await;
}

#[tokio::test]
async fn an_error_that_may_pass_does_not_end_an_inspection_that_is_asked() {
    let (fixture, script, node) = manageable().await;
    script.will("inspect.inspect_hardware", Answer::Poll(1));
    script.will("inspect.inspect_hardware", Answer::Fail(DriverError::unreachable("rebooting")));
    script.will("inspect.inspect_hardware", Answer::Fail(DriverError::hardware("burnt")));

    provision(&fixture, &node, Verb::Inspect).await.unwrap();

    let failed = fixture
        .eventually(&node, |node| node.provision_state == S::InspectFail && node.reservation.is_none())
        .await;
    assert!(failed.last_error.unwrap().contains("burnt"));
    assert_eq!(script.asked()[2..5], ["inspect.inspect_hardware"; 3]);
    assert_eq!(script.asked()[5..], ["inspect.tear_down"]);
    assert!(failed.driver_internal_info.is_empty(), "{:?}", failed.driver_internal_info);
}

#[tokio::test]
async fn an_aborted_inspection_is_not_asked_again() {
    let (fixture, script, node) = manageable().await;
    let node = polled(&script, &fixture, &node).await;

    provision(&fixture, &node, Verb::Abort).await.unwrap();

    let aborted = fixture.unlocked(&node).await;
    assert_eq!(aborted.provision_state, S::InspectFail);
    assert_eq!(wake::of(&aborted, Asked::Inspection), None);
}

#[tokio::test]
async fn what_the_agent_says_ends_an_inspection_that_is_asked_too() {
    let (fixture, script, node) = manageable().await;
    let node = polled(&script, &fixture, &node).await;

    let inspected = go_on_with(&fixture, &node).await;

    assert_eq!(inspected.provision_state, S::Manageable);
    assert_eq!(wake::of(&inspected, Asked::Inspection), None);
}

use farrier_model::provision::{ProvisionState as S, Verb};
use farrier_sdk::error::DriverError;
use serde_json::Value;
use uuid::Uuid;

use super::*;
use crate::config::ConductorConfig;
use crate::script::{self, Answer, Script};
use crate::service::ProvisionRequest;
use crate::task::tests::{Fixture, quick, three_workers};
use crate::task::{Acquire, RequestContext};

/// A conductor and a powered node in `state` that knows an agent.
async fn node_in(state: S) -> (Fixture, Script, Node) {
    let (fixture, script) = script::fixture(quick()).await;
    let mut node = Node {
        provision_state: state,
        target_provision_state: state.default_target(),
        power_state: Some(PowerState::On),
        ..Node::new(Uuid::new_v4(), "fake-hardware")
    };
    node.driver_internal_info.insert("agent_url".to_owned(), json!("http://agent"));
    node.driver_internal_info.insert("agent_secret_token".to_owned(), json!("token"));
    let node = fixture.enrol(node).await;
    (fixture, script, node)
}

fn rescue_with(password: &str) -> ProvisionRequest {
    ProvisionRequest {
        rescue_password: Some(Secret::new(password.to_owned())),
        ..ProvisionRequest::new(Verb::Rescue)
    }
}

async fn provision(fixture: &Fixture, node: &Node, request: ProvisionRequest) -> Result<(), ConductorError> {
    fixture.conductor.provision(RequestContext::default(), &node.uuid.into(), request).await
}

async fn rescue(fixture: &Fixture, node: &Node) -> Node {
    provision(fixture, node, rescue_with("pa55")).await.unwrap();
    fixture.unlocked(node).await
}

async fn unrescue(fixture: &Fixture, node: &Node) -> Node {
    provision(fixture, node, ProvisionRequest::new(Verb::Unrescue)).await.unwrap();
    fixture.unlocked(node).await
}

fn has_password(node: &Node) -> bool {
    node.instance_info.contains_key(PASSWORD) || node.instance_info.contains_key(PASSWORD_HASHED)
}

fn knows_agent(node: &Node) -> bool {
    agent::is_known(node) || node.driver_internal_info.contains_key(agent::TOKEN)
}

#[tokio::test]
async fn a_rescue_that_is_done_at_once_keeps_the_password_for_the_rescue_system() {
    let (fixture, script, node) = node_in(S::Active).await;

    let rescued = rescue(&fixture, &node).await;

    assert_eq!((rescued.provision_state, rescued.target_provision_state), (S::Rescue, None));
    assert_eq!(rescued.last_error, None);
    assert_eq!(rescued.instance_info[PASSWORD], "pa55");
    assert!(rescued.instance_info[PASSWORD_HASHED].as_str().unwrap().starts_with("$5$"));
    assert!(!knows_agent(&rescued));
    assert_eq!(script.asked(), ["power.validate", "rescue.validate", "network.validate", "rescue.rescue"]);
}

#[tokio::test]
async fn the_hash_is_the_configured_one() {
    let config = ConductorConfig { rescue_password_hash_algorithm: RescueHash::Sha512, ..quick() };
    let (fixture, _script) = script::fixture(config).await;
    let node = script::node_in(&fixture, S::Active).await;

    let rescued = rescue(&fixture, &node).await;

    assert!(rescued.instance_info[PASSWORD_HASHED].as_str().unwrap().starts_with("$6$"));
}

#[tokio::test]
async fn a_rescue_may_wait_for_its_agent() {
    let (fixture, script, node) = node_in(S::Active).await;
    script.will("rescue.rescue", Answer::Wait);

    let waits = rescue(&fixture, &node).await;

    assert_eq!((waits.provision_state, waits.target_provision_state), (S::RescueWait, Some(S::Rescue)));
    assert!(has_password(&waits));
}

#[tokio::test]
async fn a_failed_rescue_removes_the_password() {
    let (fixture, script, node) = node_in(S::Active).await;
    script.will_fail("rescue.rescue", "no rescue image");

    let failed = rescue(&fixture, &node).await;

    assert_eq!((failed.provision_state, failed.target_provision_state), (S::RescueFail, Some(S::Rescue)));
    assert!(!has_password(&failed));
    let error = failed.last_error.unwrap();
    assert!(error.contains("no rescue image"), "{error}");
    assert!(!error.contains("pa55"), "{error}");
    let entries = script::history(&fixture, &node).await;
    assert_eq!(
        entries.last().map(|entry| (entry.event_type.as_str(), &entry.event)),
        Some((EVENT_TYPE, &error))
    );
}

#[tokio::test]
async fn a_rescue_needs_a_password() {
    for request in [ProvisionRequest::new(Verb::Rescue), rescue_with("")] {
        let (fixture, _script, node) = node_in(S::Active).await;

        let refused = provision(&fixture, &node, request).await;

        assert!(matches!(refused, Err(ConductorError::InvalidParameter { .. })), "{refused:?}");
        let stored = fixture.stored(&node).await;
        assert_eq!((stored.provision_state, stored.reservation.clone()), (S::Active, None));
        assert!(knows_agent(&stored));
    }
}

#[tokio::test]
async fn a_node_that_cannot_be_rescued_keeps_no_password() {
    for method in ["power.validate", "rescue.validate", "network.validate"] {
        let (fixture, script, node) = node_in(S::Active).await;
        script.will(method, Answer::Fail(DriverError::missing_parameter("missing `rescue_kernel`")));

        let refused = provision(&fixture, &node, rescue_with("pa55")).await;

        let Err(ConductorError::InstanceRescueFailure { source, .. }) = refused else {
            panic!("{method}: {refused:?}")
        };
        assert!(matches!(*source, ConductorError::Driver { .. }), "{source:?}");
        let stored = fixture.stored(&node).await;
        assert_eq!((stored.provision_state, stored.reservation.clone()), (S::Active, None));
        assert!(!has_password(&stored));
    }
}

#[tokio::test]
async fn a_rescue_without_a_worker_leaves_the_node_as_it_was() {
    let config = three_workers();
    let (fixture, script) = script::fixture(config).await;
    let node = script::node_in(&fixture, S::Active).await;
    let busy = script::all_workers(&fixture).await;

    let refused = provision(&fixture, &node, rescue_with("pa55")).await;

    assert!(matches!(refused, Err(ConductorError::NoFreeConductorWorker { .. })), "{refused:?}");
    let stored = fixture.stored(&node).await;
    assert_eq!((stored.provision_state, stored.target_provision_state), (S::Active, None));
    assert_eq!(stored.reservation, None);
    assert!(!has_password(&stored));
    assert_eq!(stored.last_error.as_deref(), Some("No free conductor workers available"));
    assert!(script.count("rescue.rescue") == 0);
    drop(busy);
}

#[tokio::test]
async fn an_unrescued_node_is_active_and_knows_no_agent() {
    let (fixture, script, node) = node_in(S::Rescue).await;

    let back = unrescue(&fixture, &node).await;

    assert_eq!((back.provision_state, back.target_provision_state), (S::Active, None));
    assert_eq!(back.last_error, None);
    assert!(!knows_agent(&back));
    assert_eq!(script.asked(), ["power.validate", "rescue.unrescue"]);
}

#[tokio::test]
async fn a_failed_unrescue_can_be_repeated() {
    let (fixture, script, node) = node_in(S::Rescue).await;
    script.will_fail("rescue.unrescue", "stuck");

    let failed = unrescue(&fixture, &node).await;

    assert_eq!((failed.provision_state, failed.target_provision_state), (S::UnrescueFail, Some(S::Active)));
    assert!(failed.last_error.unwrap().contains("stuck"));
    assert_eq!(unrescue(&fixture, &node).await.provision_state, S::Active);
}

#[tokio::test]
async fn an_unrescue_has_nothing_to_wait_for() {
    let (fixture, script, node) = node_in(S::Rescue).await;
    script.will("rescue.unrescue", Answer::Wait);

    let failed = unrescue(&fixture, &node).await;

    assert_eq!(failed.provision_state, S::UnrescueFail);
    assert!(failed.last_error.unwrap().contains("go on later"));
}

#[tokio::test]
async fn a_node_without_power_cannot_leave_its_rescue_system() {
    let (fixture, script, node) = node_in(S::Rescue).await;
    script.will_fail("power.validate", "no address");

    let refused = provision(&fixture, &node, ProvisionRequest::new(Verb::Unrescue)).await;

    assert!(matches!(refused, Err(ConductorError::InstanceUnrescueFailure { .. })), "{refused:?}");
    assert_eq!(fixture.stored(&node).await.provision_state, S::Rescue);
}

#[tokio::test]
async fn nodes_in_maintenance_are_neither_rescued_nor_unrescued() {
    for (state, request) in
        [(S::Active, rescue_with("pa55")), (S::Rescue, ProvisionRequest::new(Verb::Unrescue))]
    {
        let (fixture, _script, node) = node_in(state).await;
        let mut changed = node.clone();
        changed.maintenance = true;
        fixture.store.node_update(&node, &changed).await.unwrap();

        let refused = provision(&fixture, &node, request).await;

        assert!(matches!(refused, Err(ConductorError::NodeInMaintenance { .. })), "{refused:?}");
        assert!(!has_password(&fixture.stored(&node).await));
    }
}

/// A node that waits for its rescue system.
async fn waiting() -> (Fixture, Script, Node) {
    let (fixture, script, node) = node_in(S::Active).await;
    script.will("rescue.rescue", Answer::Wait);
    let node = rescue(&fixture, &node).await;
    script.forget_calls();
    (fixture, script, node)
}

async fn abort(fixture: &Fixture, node: &Node) -> Node {
    provision(fixture, node, ProvisionRequest::new(Verb::Abort)).await.unwrap();
    fixture.unlocked(node).await
}

#[tokio::test]
async fn a_rescue_that_waits_can_be_aborted() {
    let (fixture, script, node) = waiting().await;

    let aborted = abort(&fixture, &node).await;

    assert_eq!((aborted.provision_state, aborted.target_provision_state), (S::RescueFail, Some(S::Rescue)));
    assert!(!has_password(&aborted));
    assert_eq!(aborted.last_error.as_deref(), Some("By request, the rescue operation was aborted"));
    assert_eq!((aborted.maintenance, aborted.fault), (false, None));
    assert_eq!(script.asked(), ["rescue.clean_up"]);
}

#[tokio::test]
async fn an_abort_that_cannot_clean_up_puts_the_node_into_maintenance() {
    let (fixture, script, node) = waiting().await;
    script.will_fail("rescue.clean_up", "port is stuck");

    let aborted = abort(&fixture, &node).await;

    assert_eq!(aborted.provision_state, S::RescueFail);
    assert_eq!((aborted.maintenance, aborted.fault), (true, Some(Fault::RescueAbortFailure)));
    let error = aborted.last_error.unwrap();
    assert!(error.contains("port is stuck"), "{error}");
    assert_eq!(aborted.maintenance_reason, Some(error));
    assert!(!has_password(&fixture.stored(&node).await));
}

#[tokio::test]
async fn an_operator_s_reason_for_maintenance_is_kept() {
    let (fixture, script, node) = waiting().await;
    let mut changed = node.clone();
    changed.maintenance = true;
    changed.maintenance_reason = Some("mine".to_owned());
    fixture.store.node_update(&node, &changed).await.unwrap();
    script.will_fail("rescue.clean_up", "port is stuck");

    let aborted = abort(&fixture, &node).await;

    assert_eq!((aborted.maintenance_reason.as_deref(), aborted.fault), (Some("mine"), None));
}

#[tokio::test]
async fn the_call_of_the_rescue_system_ends_the_rescue() {
    let (fixture, script, node) = waiting().await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::new("test")).await.unwrap();

    finalize(&mut task).await.unwrap();
    task.finish().await.unwrap();

    let rescued = fixture.stored(&node).await;
    assert_eq!((rescued.provision_state, rescued.target_provision_state), (S::Rescue, None));
    assert_eq!(script.asked(), ["network.configure_tenant_networks"]);
}

#[tokio::test]
async fn a_rescue_system_without_networks_is_given_up() {
    let (fixture, script, node) = waiting().await;
    script.will_fail("network.configure_tenant_networks", "no such network");
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::new("test")).await.unwrap();

    finalize(&mut task).await.unwrap();
    task.finish().await.unwrap();

    let failed = fixture.stored(&node).await;
    assert_eq!(failed.provision_state, S::RescueFail);
    assert_eq!(failed.power_state, Some(PowerState::Off));
    assert!(!has_password(&failed));
    assert!(failed.last_error.unwrap().contains("no such network"));
    assert_eq!(script.asked()[1..], ["power.set_power_state power off", "rescue.clean_up"]);
}

#[tokio::test]
async fn what_cannot_be_cleaned_up_is_added_to_the_error() {
    let (fixture, script, node) = waiting().await;
    script.will_fail("power.set_power_state", "no power");
    script.will_fail("rescue.clean_up", "no port");
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::new("test")).await.unwrap();

    clean_up(&mut task, "It took too long.".to_owned()).await.unwrap();

    let error = fixture.stored(&node).await.last_error.unwrap();
    for part in ["It took too long.", "no power", "no port"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!has_password(task.node()));
    assert_eq!(task.node().instance_info.get("other"), None::<&Value>);
}

#[tokio::test]
async fn a_rescue_is_asked_again_until_it_is_over() {
    let (fixture, script, node) = node_in(S::Active).await;
    script.will("rescue.rescue", Answer::Poll(1));
    script.will("rescue.rescue", Answer::Poll(1));

    provision(&fixture, &node, rescue_with("pa55")).await.unwrap();

    let rescued = fixture
        .eventually(&node, |node| node.provision_state == S::Rescue && node.reservation.is_none())
        .await;
    assert_eq!(script.asked()[3..], ["rescue.rescue"; 3]);
    assert!(has_password(&rescued));
    assert!(rescued.driver_internal_info.is_empty(), "{:?}", rescued.driver_internal_info);
}

#[tokio::test]
async fn a_rescue_that_is_asked_survives_a_restart() {
    let (fixture, script, node) = node_in(S::Active).await;
    // Long enough for the first conductor to end before it asks.
    script.will("rescue.rescue", Answer::Poll(300));
    rescue(&fixture, &node).await;
    fixture.tasks().shared().workers.stop(Some(Duration::from_secs(30))).await;

    let registry = std::sync::Arc::clone(fixture.conductor.registry());
    let again = crate::service::Conductor::start(quick(), fixture.store.clone(), registry).await.unwrap();

    fixture.eventually(&node, |node| node.provision_state == S::Rescue && node.reservation.is_none()).await;
    assert_eq!(script.asked()[3..], ["rescue.rescue"; 2]);
    again.tasks().shared().workers.stop(Some(Duration::from_secs(30))).await;
}

#[tokio::test]
async fn a_rescue_that_fails_when_it_is_asked_is_cleaned_up() {
    let (fixture, script, node) = node_in(S::Active).await;
    script.will("rescue.rescue", Answer::Poll(1));
    script.will("rescue.rescue", Answer::Fail(DriverError::unreachable("rebooting")));
    script.will_fail("rescue.rescue", "no such image");

    provision(&fixture, &node, rescue_with("pa55")).await.unwrap();

    let failed = fixture
        .eventually(&node, |node| node.provision_state == S::RescueFail && node.reservation.is_none())
        .await;
    assert!(failed.last_error.as_deref().unwrap().contains("no such image"));
    assert!(!has_password(&failed));
    assert_eq!(script.asked()[3..6], ["rescue.rescue"; 3]);
    assert_eq!(script.asked().last().map(String::as_str), Some("rescue.clean_up"));
    assert_eq!(wake::of(&failed, Asked::Rescue), None);
}

#[tokio::test]
async fn an_aborted_rescue_is_not_asked_again() {
    let (fixture, script, node) = node_in(S::Active).await;
    script.will("rescue.rescue", Answer::Poll(3_600_000));
    let node = rescue(&fixture, &node).await;
    assert!(wake::is_polling(&node, Asked::Rescue), "heartbeats see this");

    provision(&fixture, &node, ProvisionRequest::new(Verb::Abort)).await.unwrap();

    let aborted = fixture.unlocked(&node).await;
    assert_eq!(aborted.provision_state, S::RescueFail);
    assert_eq!(wake::of(&aborted, Asked::Rescue), None);
}

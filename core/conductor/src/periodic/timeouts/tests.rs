use farrier_model::node::Fault;
use farrier_model::provision::ProvisionState as S;
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::power::PowerState;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::script::{self, Script};
use crate::task::Acquire;
use crate::task::tests::{Fixture, quick};

/// Each wait, where it fails, and what puts away what was prepared.
const WAITS: [(Wait, S, &[&str]); 5] = [
    (Wait::Deploy, S::DeployFail, &["deploy.clean_up"]),
    (Wait::Clean, S::CleanFail, &["deploy.tear_down_cleaning"]),
    (Wait::Service, S::ServiceFail, &["deploy.tear_down_service"]),
    (Wait::Rescue, S::RescueFail, &["power.set_power_state power off", "rescue.clean_up"]),
    (Wait::Inspect, S::InspectFail, &["inspect.tear_down"]),
];

/// A node that has just begun to wait.
async fn waiting(fixture: &Fixture, wait: Wait) -> Node {
    waiting_with(fixture, wait, |_| {}).await
}

async fn waiting_with(fixture: &Fixture, wait: Wait, change: impl FnOnce(&mut Node)) -> Node {
    let node = Node { power_state: Some(PowerState::On), ..Node::new(Uuid::new_v4(), "fake-hardware") };
    let node = fixture.enrol(node).await;
    // By way of the state before, which is what stamps both times.
    let mut before = node.clone();
    before.provision_state = S::Inspecting;
    let before = fixture.store.node_update(&node, &before).await.unwrap();
    let mut after = before.clone();
    after.provision_state = wait.state();
    after.target_provision_state = wait.state().default_target();
    change(&mut after);
    fixture.store.node_update(&before, &after).await.unwrap()
}

/// Later than any limit.
fn later() -> Timestamp {
    Timestamp::now() + Duration::from_secs(1801)
}

async fn run_late(fixture: &Fixture, wait: Wait) -> usize {
    run_at(&Pass::new(&fixture.conductor), wait, later()).await.unwrap()
}

async fn fixture() -> (Fixture, Script) {
    script::fixture(quick()).await
}

#[tokio::test]
async fn a_node_that_waits_too_long_fails_and_is_put_away() {
    for (wait, failed, calls) in WAITS {
        let (fixture, script) = fixture().await;
        let node = waiting(&fixture, wait).await;

        assert_eq!(run_late(&fixture, wait).await, 1, "{wait:?}");

        let stored = fixture.unlocked(&node).await;
        assert_eq!(stored.provision_state, failed, "{wait:?}");
        assert_eq!(stored.target_provision_state, failed.default_target(), "{wait:?}");
        let error = stored.last_error.unwrap();
        assert!(error.contains("Timeout reached"), "{wait:?}: {error}");
        assert!(error.contains(&node.uuid.to_string()), "{wait:?}: {error}");
        assert_eq!(script.asked(), calls, "{wait:?}");
        assert!(!stored.maintenance, "{wait:?}");
        let last = script::history(&fixture, &node).await.pop().unwrap();
        assert_eq!(last.event, error, "{wait:?}");
    }
}

#[tokio::test]
async fn a_node_whose_driver_is_gone_fails_all_the_same() {
    for (wait, failed, _) in WAITS {
        let (fixture, script) = fixture().await;
        let node = waiting_with(&fixture, wait, |node| {
            node.interfaces.set(InterfaceType::Raid, Some("gone".to_owned()));
        })
        .await;

        assert_eq!(run_late(&fixture, wait).await, 1, "{wait:?}");

        let stored = fixture.unlocked(&node).await;
        assert_eq!(stored.provision_state, failed, "{wait:?}");
        let error = stored.last_error.unwrap();
        assert!(error.contains("Timeout reached"), "{wait:?}: {error}");
        assert!(script.asked().is_empty(), "{wait:?}: {:?}", script.asked());
        let last = script::history(&fixture, &node).await.pop().unwrap();
        assert_eq!(last.event, error, "{wait:?}");
        // That nothing could be put away is said, where something is to be put away on the node's side.
        assert_eq!(error.contains("gone"), wait != Wait::Inspect, "{wait:?}: {error}");
    }
}

/// The reference processes `fail` once more, which is impossible and which nobody sees.
#[tokio::test]
async fn the_clean_up_of_a_deployment_ends_well() {
    let (fixture, _script) = fixture().await;
    let node = waiting(&fixture, Wait::Deploy).await;
    let mut told = fixture.tasks().shared().notifier.subscribe();

    run_late(&fixture, Wait::Deploy).await;

    let stored = fixture.unlocked(&node).await;
    let text = format!("Timeout reached while waiting for callback for node {}", node.uuid);
    assert_eq!(stored.last_error, Some(text));
    let failures = std::iter::from_fn(|| told.try_recv().ok())
        .filter(|told| told.event_type == "baremetal.node.provision_set.error");
    assert_eq!(failures.count(), 1);
}

#[tokio::test]
async fn nobody_fails_before_the_limit() {
    for (wait, ..) in WAITS {
        let (fixture, script) = fixture().await;
        let node = waiting(&fixture, wait).await;

        let early = Timestamp::now() + Duration::from_secs(1700);
        let acted = run_at(&Pass::new(&fixture.conductor), wait, early).await.unwrap();

        assert_eq!((acted, fixture.stored(&node).await.provision_state), (0, wait.state()));
        assert!(script.asked().is_empty(), "{wait:?}");
    }
}

#[tokio::test]
async fn zero_means_for_ever() {
    let config = ConductorConfig {
        deploy_callback_timeout: 0,
        clean_callback_timeout: 0,
        service_callback_timeout: 0,
        rescue_callback_timeout: 0,
        inspect_wait_timeout: 0,
        ..quick()
    };
    let (fixture, _script) = script::fixture(config).await;
    for (wait, ..) in WAITS {
        let node = waiting(&fixture, wait).await;

        assert_eq!(run_late(&fixture, wait).await, 0);

        assert_eq!(fixture.stored(&node).await.provision_state, wait.state());
    }
}

#[tokio::test]
async fn a_heartbeat_begins_the_wait_anew() {
    let (fixture, _script) = fixture().await;
    let node = waiting(&fixture, Wait::Clean).await;
    let first = node.provision_updated_at.unwrap();
    fixture.store.node_touch_provisioning(node.id).await.unwrap();

    let now = first + Duration::from_secs(1800) + Duration::from_micros(1);
    let acted = run_at(&Pass::new(&fixture.conductor), Wait::Clean, now).await.unwrap();

    assert_eq!((acted, fixture.stored(&node).await.provision_state), (0, S::CleanWait));
}

#[tokio::test]
async fn a_heartbeat_between_the_look_and_the_lock_counts() {
    let (fixture, script) = fixture().await;
    let node = waiting(&fixture, Wait::Deploy).await;
    let task = fixture.tasks().acquire_exclusive(&node, Acquire::new("test")).await.unwrap();

    let outcome = expire(task, Wait::Deploy, node.provision_updated_at.unwrap()).await.unwrap();

    assert_eq!(outcome, Outcome::Nothing);
    let stored = fixture.stored(&node).await;
    assert_eq!((stored.provision_state, stored.reservation), (S::DeployWait, None));
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn maintenance_between_the_look_and_the_lock_counts() {
    let (fixture, _script) = fixture().await;
    let node = waiting_with(&fixture, Wait::Deploy, |node| node.maintenance = true).await;
    let task = fixture.tasks().acquire_exclusive(&node, Acquire::new("test")).await.unwrap();

    let outcome = expire(task, Wait::Deploy, later()).await.unwrap();

    assert_eq!(outcome, Outcome::Nothing);
    assert_eq!(fixture.stored(&node).await.provision_state, S::DeployWait);
}

#[tokio::test]
async fn nodes_in_maintenance_wait_on() {
    for (wait, ..) in WAITS {
        let (fixture, _script) = fixture().await;
        let node = waiting_with(&fixture, wait, |node| node.maintenance = true).await;

        assert_eq!(run_late(&fixture, wait).await, 0, "{wait:?}");

        assert_eq!(fixture.stored(&node).await.provision_state, wait.state());
    }
}

#[tokio::test]
async fn a_node_that_is_busy_is_skipped_and_the_next_one_fails() {
    for (wait, failed, _) in WAITS {
        let (fixture, _script) = fixture().await;
        let (busy, idle) = (waiting(&fixture, wait).await, waiting(&fixture, wait).await);
        let held = fixture.tasks().acquire_exclusive(&busy, Acquire::new("busy")).await.unwrap();

        assert_eq!(run_late(&fixture, wait).await, 1, "{wait:?}");

        held.finish().await.unwrap();
        assert_eq!(fixture.stored(&busy).await.provision_state, wait.state());
        assert_eq!(fixture.unlocked(&idle).await.provision_state, failed);
    }
}

#[tokio::test]
async fn nodes_of_others_are_left_to_them() {
    let (fixture, _script) = fixture().await;
    let node = waiting_with(&fixture, Wait::Deploy, |node| node.conductor_group = "rack-2".to_owned()).await;

    assert_eq!(run_late(&fixture, Wait::Deploy).await, 0);

    assert_eq!(fixture.stored(&node).await.provision_state, S::DeployWait);
}

#[tokio::test]
async fn a_full_pool_ends_the_pass_and_changes_nothing() {
    let (fixture, script) = fixture().await;
    let nodes = [waiting(&fixture, Wait::Clean).await, waiting(&fixture, Wait::Clean).await];
    let busy = script::all_workers(&fixture).await;

    run_late(&fixture, Wait::Clean).await;

    for node in &nodes {
        let stored = fixture.stored(node).await;
        assert_eq!(
            (stored.provision_state, stored.last_error, stored.reservation),
            (S::CleanWait, None, None)
        );
        assert_eq!(stored.provision_updated_at, node.provision_updated_at);
    }
    assert!(script.asked().is_empty());
    drop(busy);
    assert_eq!(run_late(&fixture, Wait::Clean).await, 2);
}

#[tokio::test]
async fn a_pass_fails_so_many_nodes_longest_first() {
    let (fixture, _script) = fixture().await;
    let limit = fixture.tasks().shared().config.periodic_max_workers;
    let mut nodes = Vec::new();
    for _ in 0..=limit {
        nodes.push(waiting(&fixture, Wait::Deploy).await);
    }
    // The first becomes the last.
    fixture.store.node_touch_provisioning(nodes[0].id).await.unwrap();
    let now = Timestamp::now() + Duration::from_secs(2 * 1800);

    let acted = run_at(&Pass::new(&fixture.conductor), Wait::Deploy, now).await.unwrap();

    assert_eq!(acted, limit);
    for node in &nodes[1..] {
        assert_eq!(fixture.unlocked(node).await.provision_state, S::DeployFail);
    }
    assert_eq!(fixture.stored(&nodes[0]).await.provision_state, S::DeployWait);
}

#[tokio::test]
async fn a_manual_cleaning_keeps_its_target() {
    let (fixture, _script) = fixture().await;
    let node = waiting_with(&fixture, Wait::Clean, |node| {
        node.target_provision_state = Some(S::Manageable);
    })
    .await;

    run_late(&fixture, Wait::Clean).await;

    let stored = fixture.unlocked(&node).await;
    assert_eq!((stored.provision_state, stored.target_provision_state), (S::CleanFail, Some(S::Manageable)));
}

#[tokio::test]
async fn a_step_that_was_current_is_named_and_costs_the_node_its_service() {
    for (wait, failed, fault) in [
        (Wait::Clean, S::CleanFail, Fault::CleanFailure),
        (Wait::Service, S::ServiceFail, Fault::ServiceFailure),
    ] {
        let (fixture, _script) = fixture().await;
        let step = json!({"interface": InterfaceType::Deploy, "step": "erase", "priority": 10});
        let node = waiting_with(&fixture, wait, |node| {
            let flow = Flow::of(wait.state()).unwrap();
            *flow.current_fields(node) = step.as_object().unwrap().clone();
        })
        .await;

        run_late(&fixture, wait).await;

        let stored = fixture.unlocked(&node).await;
        assert_eq!(stored.provision_state, failed);
        let error = stored.last_error.unwrap();
        assert!(error.contains("`deploy.erase`"), "{error}");
        assert_eq!((stored.maintenance, stored.fault), (true, Some(fault)));
        assert_eq!(stored.maintenance_reason, Some(error));
    }
}

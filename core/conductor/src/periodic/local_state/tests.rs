use farrier_model::node::Node;
use farrier_model::provision::ProvisionState as S;
use farrier_store::Registration;
use uuid::Uuid;

use super::*;
use crate::script::{self, Script};
use crate::task::Acquire;
use crate::task::tests::{Fixture, quick};

async fn fixture() -> (Fixture, Script) {
    script::fixture(quick()).await
}

async fn ours(fixture: &Fixture) -> i64 {
    fixture.store.conductor_get("host-1").await.unwrap().id
}

async fn theirs(fixture: &Fixture) -> i64 {
    let registration = Registration {
        hostname: "host-2".to_owned(),
        conductor_group: String::new(),
        drivers: vec!["fake-hardware".to_owned()],
        replace_online: false,
    };
    fixture.store.conductor_register(&registration).await.unwrap();
    fixture.store.conductor_offline("host-2").await.unwrap();
    fixture.store.conductor_get("host-2").await.unwrap().id
}

async fn active(fixture: &Fixture, change: impl FnOnce(&mut Node)) -> Node {
    let mut node = Node { provision_state: S::Active, ..Node::new(Uuid::new_v4(), "fake-hardware") };
    change(&mut node);
    fixture.enrol(node).await
}

async fn run_once(fixture: &Fixture) {
    run(Pass::new(&fixture.conductor)).await.unwrap();
}

#[tokio::test]
async fn nodes_in_use_that_others_or_nobody_prepared_are_taken_over() {
    let (fixture, script) = fixture().await;
    let (ours, theirs) = (ours(&fixture).await, theirs(&fixture).await);
    let nodes = [
        active(&fixture, |node| node.conductor_affinity = Some(theirs)).await,
        active(&fixture, |_| {}).await,
    ];

    run_once(&fixture).await;

    for node in &nodes {
        let stored = fixture.unlocked(node).await;
        assert_eq!((stored.conductor_affinity, stored.last_error), (Some(ours), None));
    }
    let calls = script.asked();
    assert_eq!(calls.iter().filter(|call| *call == "deploy.take_over").count(), 2);
    script.forget_calls();
    run_once(&fixture).await;
    assert!(script.asked().is_empty(), "what is ours is not taken over again");
}

#[tokio::test]
async fn what_is_ours_not_in_use_in_maintenance_or_busy_is_left_alone() {
    let (fixture, script) = fixture().await;
    let ours = ours(&fixture).await;
    active(&fixture, |node| node.conductor_affinity = Some(ours)).await;
    let manageable = active(&fixture, |node| node.provision_state = S::Manageable).await;
    let maintained = active(&fixture, |node| node.maintenance = true).await;
    let busy = active(&fixture, |_| {}).await;
    let held = fixture.tasks().acquire_exclusive(&busy, Acquire::new("busy")).await.unwrap();

    run_once(&fixture).await;

    assert!(script.asked().is_empty());
    held.finish().await.unwrap();
    for node in [manageable, maintained, busy] {
        assert_eq!(fixture.unlocked(&node).await.conductor_affinity, None);
    }
}

#[tokio::test]
async fn a_node_that_went_into_maintenance_meanwhile_is_left_alone() {
    let (fixture, script) = fixture().await;
    let node = active(&fixture, |node| node.maintenance = true).await;
    let task = fixture.tasks().acquire_exclusive(&node, Acquire::new("test")).await.unwrap();

    let outcome = take_over(task, ours(&fixture).await).await.unwrap();

    assert_eq!(outcome, Outcome::Nothing);
    assert_eq!(fixture.stored(&node).await.reservation, None);
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn a_failed_takeover_is_told_and_tried_again() {
    let (fixture, script) = fixture().await;
    let node = active(&fixture, |_| {}).await;
    script.will_fail("deploy.take_over", "no space");

    run_once(&fixture).await;

    let stored = fixture.eventually(&node, |node| node.last_error.is_some() && !node.is_reserved()).await;
    assert!(stored.last_error.unwrap().contains("no space"));
    assert_eq!((stored.provision_state, stored.conductor_affinity), (S::Active, None));
    run_once(&fixture).await;
    let ours = ours(&fixture).await;
    fixture.eventually(&node, |node| node.conductor_affinity == Some(ours)).await;
}

#[tokio::test]
async fn a_full_pool_ends_the_pass() {
    let (fixture, script) = fixture().await;
    let nodes = [active(&fixture, |_| {}).await, active(&fixture, |_| {}).await];
    let busy = script::all_workers(&fixture).await;

    run_once(&fixture).await;

    assert_eq!(script.asked(), Vec::<&str>::new());
    for node in &nodes {
        let stored = fixture.stored(node).await;
        assert_eq!((stored.conductor_affinity, stored.reservation), (None, None));
    }
    drop(busy);
}

#[tokio::test]
async fn a_pass_takes_over_so_many_nodes_and_no_more() {
    let (fixture, script) = fixture().await;
    let limit = fixture.tasks().shared().config.periodic_max_workers;
    let mut nodes = Vec::new();
    for _ in 0..=limit {
        nodes.push(active(&fixture, |_| {}).await);
    }

    run_once(&fixture).await;

    for node in &nodes {
        fixture.unlocked(node).await;
    }
    assert_eq!(script.asked().iter().filter(|call| *call == "deploy.take_over").count(), limit);
}

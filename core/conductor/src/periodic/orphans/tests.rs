use farrier_model::node::Fault;
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::power::PowerState;
use farrier_store::Registration;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::log_capture::LogCapture;
use crate::script::{self, Script};
use crate::task::tests::{Calls, Fixture, PATIENCE, quick};

use ProvisionState as S;

/// A conductor beside another one, `host-2`, which is gone.
async fn fixture() -> (Fixture, Script) {
    let (fixture, script) = script::fixture(quick()).await;
    register(&fixture, "host-2").await;
    fixture.store.conductor_offline("host-2").await.unwrap();
    (fixture, script)
}

async fn register(fixture: &Fixture, hostname: &str) {
    let registration = Registration {
        hostname: hostname.to_owned(),
        conductor_group: String::new(),
        drivers: vec!["fake-hardware".to_owned()],
        replace_online: false,
    };
    fixture.store.conductor_register(&registration).await.unwrap();
}

/// A node in `state` that `holder` has.
async fn held(fixture: &Fixture, holder: &str, state: S, change: impl FnOnce(&mut Node)) -> Node {
    let mut node = Node {
        provision_state: state,
        target_provision_state: state.default_target(),
        ..Node::new(Uuid::new_v4(), "fake-hardware")
    };
    change(&mut node);
    let node = fixture.store.node_create(&node).await.unwrap();
    fixture.store.node_reserve(node.id, holder, "their work").await.unwrap()
}

async fn run_once(fixture: &Fixture) {
    run(Pass::new(&fixture.conductor)).await.unwrap();
}

/// The reference fails `deploying` and `cleaning` only and leaves the rest where it is, for ever.
#[tokio::test]
async fn whatever_a_conductor_was_doing_when_it_went_away_fails() {
    let (fixture, _script) = fixture().await;
    let mut nodes = Vec::new();
    for &state in STUCK_TREATED_AS_FAIL {
        nodes.push(held(&fixture, "host-2", state, |_| {}).await);
    }

    run_once(&fixture).await;

    for node in nodes {
        let state = node.provision_state;
        let failed = farrier_model::provision::machine::next(state, Event::Fail).unwrap();
        let stored = fixture.unlocked(&node).await;
        assert_eq!(stored.provision_state, failed, "{state}");
        assert_eq!(stored.target_provision_state, failed.default_target(), "{state}");
        assert_eq!(stored.last_error.as_deref(), Some(OPERATION_ABORTED), "{state}");
        let entries = script::history(&fixture, &node).await;
        assert_eq!(entries[0].event, OPERATION_ABORTED, "{state}");
        assert_eq!(entries[0].event_type, "takeover", "{state}");
    }
}

#[tokio::test]
async fn a_node_nobody_worked_on_is_just_freed() {
    let (fixture, script) = fixture().await;
    for state in [S::Manageable, S::Active, S::CleanWait, S::DeployWait, S::CleanHold, S::CleanFail] {
        let node = held(&fixture, "host-2", state, |_| {}).await;

        run_once(&fixture).await;

        let stored = fixture.stored(&node).await;
        assert_eq!((stored.provision_state, stored.last_error, stored.reservation), (state, None, None));
    }
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn a_pending_power_action_is_given_up() {
    let (fixture, _script) = fixture().await;
    let node = held(&fixture, "host-2", S::Active, |node| {
        node.power_state = Some(PowerState::Off);
        node.target_power_state = Some(PowerState::On);
    })
    .await;

    run_once(&fixture).await;

    let stored = fixture.unlocked(&node).await;
    assert_eq!((stored.power_state, stored.target_power_state), (Some(PowerState::Off), None));
    assert_eq!(stored.provision_state, S::Active);
    assert_eq!(stored.last_error.as_deref(), Some(POWER_ACTION_ABORTED));
    let entries = script::history(&fixture, &node).await;
    assert_eq!(entries.iter().map(|entry| entry.event_type.as_str()).collect::<Vec<_>>(), ["takeover"]);
}

#[tokio::test]
async fn a_cleaning_is_put_away_and_costs_the_node_its_service() {
    let (fixture, script) = fixture().await;
    let step = json!({"interface": InterfaceType::Deploy, "step": "erase", "priority": 10});
    let node = held(&fixture, "host-2", S::Cleaning, |node| {
        node.clean_step = step.as_object().unwrap().clone();
        node.target_provision_state = Some(S::Manageable);
    })
    .await;

    run_once(&fixture).await;

    let stored = fixture.unlocked(&node).await;
    assert_eq!((stored.provision_state, stored.target_provision_state), (S::CleanFail, Some(S::Manageable)));
    assert_eq!((stored.maintenance, stored.fault), (true, Some(Fault::CleanFailure)));
    assert_eq!(script.asked(), ["deploy.tear_down_cleaning"]);
    assert!(stored.clean_step.is_empty());
}

#[tokio::test]
async fn a_node_in_maintenance_is_freed_and_nothing_else() {
    let (fixture, script) = fixture().await;
    let node = held(&fixture, "host-2", S::Cleaning, |node| {
        node.maintenance = true;
        node.target_power_state = Some(PowerState::On);
    })
    .await;

    run_once(&fixture).await;

    let stored = fixture.stored(&node).await;
    assert_eq!((stored.provision_state, stored.reservation), (S::Cleaning, None));
    assert_eq!((stored.target_power_state, stored.last_error), (Some(PowerState::On), None));
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn a_node_without_a_driver_fails_without_being_put_away() {
    let (fixture, script) = fixture().await;
    let node = held(&fixture, "host-2", S::Cleaning, |node| {
        node.interfaces.set(InterfaceType::Power, Some("gone".to_owned()));
    })
    .await;

    run_once(&fixture).await;

    let stored = fixture.unlocked(&node).await;
    assert_eq!(stored.provision_state, S::CleanFail);
    assert_eq!(stored.last_error.as_deref(), Some(OPERATION_ABORTED));
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn a_rescue_that_died_leaves_no_password() {
    let (fixture, _script) = fixture().await;
    let node = held(&fixture, "host-2", S::Rescuing, |node| {
        node.instance_info.insert("rescue_password".to_owned(), json!("pa55"));
    })
    .await;

    run_once(&fixture).await;

    assert!(fixture.unlocked(&node).await.instance_info.is_empty());
}

#[tokio::test]
async fn nodes_of_the_living_and_of_other_groups_stay_locked() {
    let (fixture, _script) = fixture().await;
    register(&fixture, "host-3").await;
    let theirs = held(&fixture, "host-3", S::Deploying, |_| {}).await;
    let ours = held(&fixture, "host-1", S::Deploying, |_| {}).await;
    let elsewhere =
        held(&fixture, "host-2", S::Deploying, |node| node.conductor_group = "rack-2".to_owned()).await;

    run_once(&fixture).await;

    for node in [theirs, ours, elsewhere] {
        let stored = fixture.stored(&node).await;
        assert_eq!((stored.provision_state, stored.reservation), (S::Deploying, node.reservation));
    }
}

#[tokio::test]
async fn a_conductor_that_looks_gone_itself_says_so_and_keeps_its_nodes() {
    let (fixture, _script) = fixture().await;
    let node = held(&fixture, "host-1", S::Deploying, |_| {}).await;
    fixture.store.conductor_offline("host-1").await.unwrap();
    let log = LogCapture::start();

    run_once(&fixture).await;

    assert_eq!(fixture.stored(&node).await.reservation.as_deref(), Some("host-1"));
    let lines = log.lines(|line| line.contains("looks gone"));
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[tokio::test]
async fn without_a_worker_the_nodes_stay_as_they_are_until_the_next_pass() {
    let (fixture, _script) = fixture().await;
    let node = held(&fixture, "host-2", S::Deploying, |_| {}).await;
    let busy = script::all_workers(&fixture).await;

    run_once(&fixture).await;

    let stored = fixture.stored(&node).await;
    assert_eq!((stored.provision_state, stored.reservation.as_deref()), (S::Deploying, Some("host-2")));
    drop(busy);
    run_once(&fixture).await;
    assert_eq!(fixture.unlocked(&node).await.provision_state, S::DeployFail);
}

/// A cleaning that `host-2` has left behind.
async fn cleaning(fixture: &Fixture) -> Node {
    held(fixture, "host-2", S::Cleaning, |_| {}).await
}

#[tokio::test]
async fn workers_that_get_busy_during_a_takeover_do_not_keep_it_from_putting_away() {
    let (fixture, script) = fixture().await;
    let node = cleaning(&fixture).await;
    let workers = &fixture.tasks().shared().workers;
    let calls = Calls::from_now_on(&fixture.store);
    let pass = Pass::new(&fixture.conductor);
    let gone = ["host-2".to_owned()];

    let mut taking = Box::pin(take(&pass, node.id, &gone));
    while calls.of("node_hand_over") == 0 {
        assert!(futures_util::poll!(&mut taking).is_pending());
        tokio::task::yield_now().await;
    }
    // The lock is changing hands; from here on there is no worker for anybody who asks.
    let _busy = fixture.all_workers(fixture.tasks().shared().config.workers_pool_size - 1).await;
    assert!(workers.acquire().is_err(), "the takeover has its worker");
    taking.await.unwrap();

    let stored = fixture.unlocked(&node).await;
    assert_eq!(stored.provision_state, S::CleanFail);
    assert_eq!(script.asked(), ["deploy.tear_down_cleaning"]);
}

#[tokio::test]
async fn a_takeover_that_fails_half_way_leaves_the_node_to_the_next_pass() {
    let (fixture, script) = fixture().await;
    let node = cleaning(&fixture).await;
    let pass = Pass::new(&fixture.conductor);
    fixture.store.probe().fail("node_update");

    let failed = run(pass).await;

    assert!(failed.is_err(), "{failed:?}");
    let stored = fixture.stored(&node).await;
    assert_eq!((stored.provision_state, stored.reservation.as_deref()), (S::Cleaning, Some("host-2")));
    fixture.store.probe().heal("node_update");
    run_once(&fixture).await;
    assert_eq!(fixture.unlocked(&node).await.provision_state, S::CleanFail);
    assert_eq!(script.asked(), ["deploy.tear_down_cleaning"]);
}

/// Somebody who waits for a node as long as it takes.
fn waiter(fixture: &Fixture, node: &Node) -> tokio::task::JoinHandle<Result<ExclusiveTask, ConductorError>> {
    let (tasks, id) = (fixture.tasks().clone(), node.id);
    let acquire = Acquire { retry: crate::lock::Retry::Patient, ..Acquire::new("waiting") };
    tokio::spawn(async move { tasks.acquire_exclusive(id, acquire).await })
}

/// The lock of `host-2` on a node, taken over, with what it was doing still to be settled.
async fn taken_over(fixture: &Fixture, node: &Node) -> ExclusiveTask {
    let acquire = Acquire::new("taking over").without_driver();
    ExclusiveTask::take_over(Arc::clone(fixture.tasks().shared()), node, acquire).await.unwrap()
}

/// Waits until `host-2` has the lock again.
async fn handed_back(fixture: &Fixture, node: &Node) {
    let back = fixture.eventually(node, |node| node.reservation.as_deref() != Some("host-1")).await;
    assert_eq!(back.reservation.as_deref(), Some("host-2"));
}

#[tokio::test]
async fn a_lock_that_can_not_even_be_handed_back_does_not_stay() {
    let (fixture, _script) = fixture().await;
    let node = cleaning(&fixture).await;
    let task = taken_over(&fixture, &node).await;
    fixture.store.probe().fail("node_hand_over");

    task.abandon().await;

    assert_eq!(fixture.stored(&node).await.reservation, None);
}

#[tokio::test]
async fn a_takeover_that_is_dropped_leaves_the_node_to_the_next_pass() {
    let (fixture, _script) = fixture().await;
    let node = cleaning(&fixture).await;

    drop(taken_over(&fixture, &node).await);

    handed_back(&fixture, &node).await;
}

#[tokio::test]
async fn a_takeover_that_gets_no_task_leaves_the_node_to_the_next_pass() {
    let (fixture, _script) = fixture().await;
    let without = |node: &mut Node| node.interfaces.set(InterfaceType::Power, Some("gone".to_owned()));
    let node = held(&fixture, "host-2", S::Cleaning, without).await;
    let shared = Arc::clone(fixture.tasks().shared());

    let refused = ExclusiveTask::take_over(shared, &node, Acquire::new("with a driver")).await;

    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(fixture.stored(&node).await.reservation.as_deref(), Some("host-2"));
}

#[tokio::test]
async fn whoever_does_not_wait_until_a_lock_is_handed_back_does_not_keep_it() {
    let (fixture, _script) = fixture().await;
    for polls in 1..10 {
        let node = cleaning(&fixture).await;
        let mut abandoning = Box::pin(taken_over(&fixture, &node).await.abandon());
        for _ in 0..polls {
            if futures_util::poll!(&mut abandoning).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }

        drop(abandoning);

        handed_back(&fixture, &node).await;
    }
}

/// It would not know of the lock, and nobody frees a node of the living.
#[tokio::test]
async fn a_lock_is_not_handed_back_to_a_conductor_that_is_there_again() {
    let (fixture, _script) = fixture().await;
    let node = cleaning(&fixture).await;
    let task = taken_over(&fixture, &node).await;
    fixture.store.conductor_touch("host-2").await.unwrap();
    let log = LogCapture::start();

    task.abandon().await;

    assert_eq!(fixture.stored(&node).await.reservation, None);
    let lines = log.lines(|line| line.starts_with("ERROR") && line.contains("could not be handed back"));
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[tokio::test]
async fn what_is_settled_is_not_handed_back() {
    let (fixture, _script) = fixture().await;
    let node = cleaning(&fixture).await;
    let mut task = taken_over(&fixture, &node).await;

    task.settle();
    task.abandon().await;

    assert_eq!(fixture.stored(&node).await.reservation, None);
}

/// A database that has released a lock may hang up before it says so.
#[tokio::test]
async fn a_release_that_is_tried_again_leaves_the_lock_of_whoever_was_next() {
    let (fixture, _script) = fixture().await;
    let node = cleaning(&fixture).await;
    let mut task = taken_over(&fixture, &node).await;
    task.settle();
    let calls = Calls::from_now_on(&fixture.store);
    let waiting = waiter(&fixture, &node);
    calls.wait_for("node_reserve", 1).await;

    fixture.store.probe().fail("node_release");
    task.abandon().await;
    fixture.store.node_reservations_clear("host-1").await.unwrap();
    let next = tokio::time::timeout(PATIENCE, waiting).await.expect("it is his turn").unwrap().unwrap();
    fixture.store.probe().heal("node_release");
    // The next attempt that begins is one that the database answers.
    calls.wait_for("node_release", calls.of("node_release") + 1).await;
    fixture.tasks().shared().workers.stop(None).await;

    let stored = fixture.stored(&node).await;
    assert_eq!(stored.reservation.as_deref(), Some("host-1"));
    assert_eq!(stored.reserved_at, next.node().reserved_at);
    next.finish().await.unwrap();
}

/// Somebody who waits for the node stands at its gate, and gets it when all is over.
#[tokio::test]
async fn whoever_waits_for_a_node_is_no_obstacle_to_its_takeover() {
    let (fixture, script) = fixture().await;
    let node = cleaning(&fixture).await;
    let calls = Calls::from_now_on(&fixture.store);
    let waiting = waiter(&fixture, &node);
    calls.wait_for("node_reserve", 1).await;

    run_once(&fixture).await;

    let task = tokio::time::timeout(PATIENCE, waiting).await.expect("it is his turn").unwrap().unwrap();
    assert_eq!(task.node().provision_state, S::CleanFail);
    assert_eq!(script.asked(), ["deploy.tear_down_cleaning"]);
    task.finish().await.unwrap();
}

#[tokio::test]
async fn a_node_somebody_else_was_quicker_with_is_left_to_him() {
    let (fixture, _script) = fixture().await;
    register(&fixture, "host-3").await;
    let node = held(&fixture, "host-2", S::Deploying, |_| {}).await;
    fixture.store.node_release(node.id, "host-2").await.unwrap();
    fixture.store.node_reserve(node.id, "host-3", "their turn").await.unwrap();

    take(&Pass::new(&fixture.conductor), node.id, &["host-2".to_owned()]).await.unwrap();

    let stored = fixture.stored(&node).await;
    assert_eq!((stored.provision_state, stored.reservation.as_deref()), (S::Deploying, Some("host-3")));
}

/// Whoever was gone when the pass began may be back, and have locked the node anew.
#[tokio::test]
async fn a_conductor_that_is_back_during_a_pass_keeps_its_nodes() {
    let (fixture, _script) = fixture().await;
    for state in [S::Deploying, S::Active] {
        let node = held(&fixture, "host-2", state, |_| {}).await;
        fixture.store.conductor_touch("host-2").await.unwrap();

        take(&Pass::new(&fixture.conductor), node.id, &["host-2".to_owned()]).await.unwrap();

        assert!(fixture.stored(&node).await == node, "{state}");
    }
}

#[tokio::test]
async fn a_lock_that_was_taken_after_we_looked_is_not_taken_over() {
    let (fixture, _script) = fixture().await;
    let seen = held(&fixture, "host-2", S::Deploying, |_| {}).await;
    fixture.store.node_release(seen.id, "host-2").await.unwrap();
    let anew = fixture.store.node_reserve(seen.id, "host-2", "their work").await.unwrap();
    let shared = Arc::clone(fixture.tasks().shared());

    let refused = ExclusiveTask::take_over(shared, &seen, Acquire::new("taking over")).await;

    assert!(refused.is_err_and(|error| is_not_theirs(&error)));
    assert!(fixture.stored(&seen).await == anew);
}

#[tokio::test]
async fn a_lock_is_not_taken_over_from_a_conductor_that_is_back() {
    let (fixture, _script) = fixture().await;
    let node = held(&fixture, "host-2", S::Deploying, |_| {}).await;
    fixture.store.conductor_touch("host-2").await.unwrap();
    let shared = Arc::clone(fixture.tasks().shared());

    let refused = ExclusiveTask::take_over(shared, &node, Acquire::new("taking over")).await;

    assert!(refused.is_err_and(|error| is_not_theirs(&error)));
    assert!(fixture.stored(&node).await == node);
}

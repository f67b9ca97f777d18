//! Two conductors that share a PostgreSQL.

use std::sync::atomic::{AtomicUsize, Ordering};

use farrier_host::Plugin;
use farrier_sim::postgres::Postgres;
use farrier_store::StoreConfig;
use serde_json::Map;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::*;
use crate::config::ConductorConfig;
use crate::notify::Notifier;
use crate::registry::Registry;
use crate::task::tests::{Calls, PATIENCE, fake_drivers, quick};
use crate::task::{Acquire, ExclusiveTask, TaskManager};

/// An interval that no test waits for.
const NEVER: f64 = 3600.0;

struct Pair {
    one: TaskManager,
    two: TaskManager,
    node: Node,
    postgres: Postgres,
}

async fn manager(host: &str, postgres: &Postgres, interval: f64) -> TaskManager {
    let store = Store::open(&StoreConfig::new(postgres.url())).await.unwrap();
    let fake = Plugin::linked(farrier_fake::farrier_plugin(), Map::new()).unwrap();
    let registry = Arc::new(Registry::new(fake_drivers(), vec![fake], Vec::new()).unwrap());
    let config = ConductorConfig { node_locked_retry_interval: interval, ..quick() };
    TaskManager::new(host, config, store, registry, Notifier::default()).unwrap()
}

impl Pair {
    async fn start(interval: f64) -> Self {
        let postgres = tokio::task::spawn_blocking(|| Postgres::start().unwrap()).await.unwrap();
        let one = manager("host-1", &postgres, interval).await;
        let two = manager("host-2", &postgres, interval).await;
        let node = Node::new(Uuid::new_v4(), "fake-hardware");
        let node = one.shared().store.node_create(&node).await.unwrap();
        Self { one, two, node, postgres }
    }

    /// The second conductor begins to wait for the node, and has said so.
    async fn two_waits(&self) -> JoinHandle<Result<ExclusiveTask, ConductorError>> {
        let calls = Calls::from_now_on(&self.two.shared().store);
        let (two, node) = (self.two.clone(), self.node.id);
        let acquire = Acquire { retry: Retry::Patient, ..Acquire::default() };
        let waiting = tokio::spawn(async move { two.acquire_exclusive(node, acquire).await });
        calls.wait_for("node_want", 1).await;
        waiting
    }
}

async fn got(waiting: JoinHandle<Result<ExclusiveTask, ConductorError>>) -> ExclusiveTask {
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("it does not wait for the interval")
        .unwrap()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_is_told_when_another_conductor_lets_go() {
    let pair = Pair::start(NEVER).await;
    let held = pair.one.acquire_exclusive(&pair.node, Acquire::default()).await.unwrap();
    let waiting = pair.two_waits().await;

    held.finish().await.unwrap();

    assert_eq!(got(waiting).await.node().reservation.as_deref(), Some("host-2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_whose_connection_was_cut_is_told_all_the_same() {
    let pair = Pair::start(NEVER).await;
    let held = pair.one.acquire_exclusive(&pair.node, Acquire::default()).await.unwrap();
    let waiting = pair.two_waits().await;
    let calls = Calls::from_now_on(&pair.two.shared().store);

    pair.postgres.hang_up("farrier-listener").unwrap();
    calls.wait_for("node_reserve", 1).await;
    held.finish().await.unwrap();

    got(waiting).await.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_nobody_tells_is_found_at_the_interval() {
    let pair = Pair::start(0.2).await;
    pair.one.shared().store.node_reserve(pair.node.id, "host-3", "theirs").await.unwrap();
    let waiting = pair.two_waits().await;

    pair.postgres.execute("UPDATE nodes SET reservation = NULL").unwrap();

    got(waiting).await.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_stays_busy_is_refused_after_the_configured_time() {
    let pair = Pair::start(0.05).await;
    let held = pair.one.acquire_exclusive(&pair.node, Acquire::default()).await.unwrap();
    let calls = Calls::from_now_on(&pair.two.shared().store);

    let refused = pair.two.acquire_exclusive(&pair.node, Acquire::default()).await.unwrap_err();

    let ConductorError::Store(StoreError::NodeLocked { holder, .. }) = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(holder, "host-1");
    // Whoever begins to listen is told that something may have happened, which leads to more attempts.
    assert!(3 <= calls.of("node_reserve"));
    held.finish().await.unwrap();
}

/// How often a crowd may get the lock while one of another conductor gets it once; both get it about equally often.
const UNFAIR: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_in_one_conductor_does_not_starve_another() {
    const TURNS: usize = 20;
    let pair = Pair::start(NEVER).await;
    let (stop, taken) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let patient = || Acquire { retry: Retry::Patient, ..Acquire::default().without_driver() };
    let mut crowd = JoinSet::new();
    for _ in 0..8 {
        let (one, node, stop, taken) = (pair.one.clone(), pair.node.id, stop.clone(), Arc::clone(&taken));
        crowd.spawn(async move {
            while !stop.is_cancelled() {
                one.acquire_exclusive(node, patient()).await.unwrap().finish().await.unwrap();
                taken.fetch_add(1, Ordering::SeqCst);
            }
        });
    }

    for _ in 0..TURNS {
        let (two, node) = (pair.two.clone(), pair.node.id);
        let waiting = tokio::spawn(async move { two.acquire_exclusive(node, patient()).await });
        got(waiting).await.finish().await.unwrap();
    }

    let taken = taken.load(Ordering::SeqCst);
    stop.cancel();
    crowd.join_all().await;
    assert!(taken < TURNS * UNFAIR, "the crowd had the lock {taken} times");
}

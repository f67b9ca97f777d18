mod background;
mod calls;
mod event;
mod guard;
mod locking;

use std::sync::Arc;
use std::time::Duration;

use farrier_host::Plugin;
use farrier_model::node::Node;

use farrier_sdk::interface::power::PowerState;
use farrier_store::{StoreConfig, StoreError};
use serde_json::Map;
use uuid::Uuid;

use super::*;
use crate::config::DriverConfig;
use crate::service::Conductor;
use crate::workers::Permit;

pub(crate) use calls::Calls;

/// How long anything may take that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A conductor on an empty database with the fake driver.
pub(crate) struct Fixture {
    pub(crate) conductor: Conductor,
    pub(crate) store: Store,
    _directory: tempfile::TempDir,
}

/// Options that make every wait short.
pub(crate) fn quick() -> ConductorConfig {
    ConductorConfig {
        host: "host-1".to_owned(),
        node_locked_retry_interval: 0.0,
        hash_ring_reset_interval: 0,
        ..ConductorConfig::default()
    }
}

/// The same with three workers, all in the normal pool.
pub(crate) fn three_workers() -> ConductorConfig {
    ConductorConfig {
        workers_pool_size: 3,
        reserved_workers_pool_percentage: 0,
        sync_power_state_workers: 0,
        periodic_max_workers: 0,
        ..quick()
    }
}

/// Offers `fake-hardware` with everything the fake driver has.
pub(crate) fn fake_drivers() -> DriverConfig {
    DriverConfig {
        enabled_hardware_types: vec!["fake-hardware".to_owned()],
        enabled_boot_interfaces: vec!["fake".to_owned()],
        enabled_deploy_interfaces: vec!["fake".to_owned()],
        ..DriverConfig::default()
    }
}

impl Fixture {
    pub(crate) async fn new(config: ConductorConfig) -> Self {
        Self::with_drivers(config, fake_drivers(), Vec::new()).await
    }

    /// With other drivers: those of `plugins` besides the fake one.
    pub(crate) async fn with_drivers(
        config: ConductorConfig,
        drivers: DriverConfig,
        mut plugins: Vec<Plugin>,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("farrier.db").display());
        let store = Store::open(&StoreConfig::new(url)).await.unwrap();
        plugins.push(Plugin::linked(farrier_fake::farrier_plugin(), Map::new()).unwrap());
        let registry = Arc::new(Registry::new(drivers, plugins, Vec::new()).unwrap());
        let conductor = Conductor::start(config, store.clone(), registry).await.unwrap();
        Self { conductor, store, _directory: directory }
    }

    pub(crate) fn tasks(&self) -> &TaskManager {
        self.conductor.tasks()
    }

    pub(crate) async fn enrol(&self, node: Node) -> Node {
        self.conductor.node_create(RequestContext::default(), node).await.unwrap()
    }

    pub(crate) async fn node(&self) -> Node {
        self.enrol(Node::new(Uuid::new_v4(), "fake-hardware")).await
    }

    pub(crate) async fn stored(&self, node: &Node) -> Node {
        self.store.node_get(node.id).await.unwrap()
    }

    /// All `count` workers, also those that what a start begins still has.
    pub(crate) async fn all_workers(&self, count: usize) -> Vec<Permit> {
        let mut held = Vec::new();
        while held.len() < count {
            match self.tasks().shared().workers.acquire() {
                Ok(permit) => held.push(permit),
                Err(_) => tokio::task::yield_now().await,
            }
        }
        held
    }

    /// The node once nobody holds it.
    pub(crate) async fn unlocked(&self, node: &Node) -> Node {
        self.eventually(node, |node| node.reservation.is_none()).await
    }

    pub(crate) async fn eventually(&self, node: &Node, reached: impl Fn(&Node) -> bool) -> Node {
        let wait = async {
            loop {
                let node = self.stored(node).await;
                if reached(&node) {
                    // Whoever has just given the lock back may still stand at the gate of his node.
                    if node.reservation.is_none() {
                        drop(self.tasks().shared().gates.enter(node.id, None).await);
                    }
                    return node;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the node gets there")
    }
}

fn is_locked<T>(result: &Result<T, ConductorError>) -> bool {
    result.as_ref().is_err_and(ConductorError::is_node_locked)
}

#[tokio::test]
async fn an_exclusive_task_holds_the_node_until_it_is_finished() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;

    let task = fixture.tasks().acquire_exclusive(&node, Acquire::new("testing")).await.unwrap();

    assert_eq!(task.node().reservation.as_deref(), Some("host-1"));
    let stored = fixture.stored(&node).await;
    assert_eq!(stored.reservation.as_deref(), Some("host-1"));
    assert_eq!(stored.reservation_purpose.as_deref(), Some("testing"));
    assert_eq!(stored.updated_at, node.updated_at);
    task.finish().await.unwrap();
    assert_eq!(fixture.stored(&node).await.reservation, None);
}

#[tokio::test]
async fn a_held_node_is_refused_after_the_attempts() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let held = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();

    let refused = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await;

    assert!(is_locked(&refused), "{refused:?}");
    held.finish().await.unwrap();
    assert!(fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.is_ok());
}

#[tokio::test]
async fn another_conductor_s_lock_is_named() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    fixture.store.node_reserve(node.id, "host-2", "theirs").await.unwrap();

    let refused = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await;

    let Err(ConductorError::Store(StoreError::NodeLocked { holder, .. })) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(holder, "host-2");
}

#[tokio::test]
async fn a_shared_task_neither_waits_nor_locks() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let _held = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();

    let shared = fixture.tasks().acquire_shared(&node, Acquire::default()).await.unwrap();

    assert_eq!(shared.driver().unwrap().hardware_type, "fake-hardware");
}

#[tokio::test]
async fn a_dropped_task_gives_the_lock_back() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;

    drop(fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap());

    fixture.unlocked(&node).await;
    assert!(fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.is_ok());
}

#[tokio::test]
async fn a_cancelled_acquire_leaves_no_lock() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    for polls in 1..40 {
        let mut acquire = Box::pin(fixture.tasks().acquire_exclusive(&node, Acquire::default()));
        for _ in 0..polls {
            if futures_util::poll!(&mut acquire).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(acquire);

        fixture.unlocked(&node).await;
    }
}

#[tokio::test]
async fn a_downgrade_frees_the_node_and_forgets_unsaved_changes() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.node_mut().description = Some("not saved".to_owned());

    let looking = task.downgrade().await.unwrap();

    assert_eq!(looking.node().description, None);
    assert_eq!(fixture.stored(&node).await.reservation, None);
}

#[tokio::test]
async fn a_power_action_goes_through_the_driver_and_is_told() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut notifications = fixture.tasks().shared().notifier.subscribe();

    let changed = fixture
        .conductor
        .change_power(RequestContext::default(), &node.uuid.into(), PowerState::On, None)
        .await;

    changed.unwrap();
    let stored = fixture.unlocked(&node).await;
    assert_eq!((stored.power_state, stored.target_power_state), (Some(PowerState::On), None));
    let (start, end) = (notifications.recv().await.unwrap(), notifications.recv().await.unwrap());
    assert_eq!(start.event_type, "baremetal.node.power_set.start");
    assert_eq!(end.event_type, "baremetal.node.power_set.end");
    assert_eq!(end.payload["to_power"], "power on");
}

#[tokio::test]
async fn a_node_can_be_deleted_under_its_own_lock() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;

    fixture.conductor.node_delete(RequestContext::default(), &node.uuid.into()).await.unwrap();

    let gone = fixture.conductor.node(&node.uuid.into()).await;
    assert!(gone.is_err_and(|error| error.is_node_not_found()));
}

#[tokio::test]
async fn a_start_clears_what_an_earlier_run_left() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    std::mem::forget(task);
    let before = fixture.stored(&node).await;
    let mut after = before.clone();
    after.target_power_state = Some(PowerState::On);
    fixture.store.node_update(&before, &after).await.unwrap();
    let registry = Arc::clone(fixture.conductor.registry());

    Conductor::start(quick(), fixture.store.clone(), registry).await.unwrap();

    let stored = fixture.stored(&node).await;
    assert_eq!((stored.reservation, stored.target_power_state), (None, None));
    assert!(stored.last_error.unwrap().contains("aborted"));
}

#[tokio::test]
async fn a_driver_sees_no_secret_at_any_depth() {
    let fixture = Fixture::new(quick()).await;
    let mut node = Node::new(Uuid::new_v4(), "fake-hardware");
    node.driver_info.insert("console".to_owned(), serde_json::json!({"password": "canary", "port": 1}));
    let node = fixture.enrol(node).await;
    let mut task = fixture.tasks().acquire_shared(&node, Acquire::default()).await.unwrap();
    let driver = task.driver().unwrap().clone();

    let access = crate::access::TaskAccess::new(
        Arc::clone(fixture.tasks().shared()),
        driver,
        task.node().clone(),
        Arc::new(crate::access::Grip::shared()),
    );

    let snapshot = String::from_utf8(farrier_host::NodeAccess::snapshot(&access)).unwrap();
    assert!(!snapshot.contains("canary"), "{snapshot}");
    assert!(snapshot.contains("\"port\":1"), "{snapshot}");
    assert_eq!(task.ports().await.unwrap(), []);
}

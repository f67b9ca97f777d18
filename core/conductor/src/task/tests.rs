use std::sync::Arc;
use std::time::Duration;

use farrier_host::Plugin;
use farrier_model::node::Node;
use farrier_model::provision::{Event, ProvisionState};
use farrier_sdk::interface::power::PowerState;
use farrier_store::{StoreConfig, StoreError};
use serde_json::Map;
use uuid::Uuid;

use super::*;
use crate::config::DriverConfig;
use crate::service::Conductor;
use crate::workers::Permit;

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
        ..ConductorConfig::default()
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
                    return node;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.expect("the node gets there")
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
async fn a_missing_driver_gives_the_lock_back() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.store.node_create(&Node::new(Uuid::new_v4(), "acme")).await.unwrap();

    let refused = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await;

    assert!(
        matches!(
            refused,
            Err(ConductorError::Registry(crate::registry::RegistryError::DriverNotFound { .. }))
        ),
        "{refused:?}"
    );
    assert_eq!(fixture.stored(&node).await.reservation, None);
}

#[tokio::test]
async fn a_job_has_the_lock_until_it_ends() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.spawn_after(Job::new("wait", move |_| {
        Box::pin(async move {
            wait.await.unwrap();
            Ok(())
        })
    }));

    task.finish().await.unwrap();

    assert!(fixture.stored(&node).await.is_reserved());
    go.send(()).unwrap();
    assert_eq!(fixture.unlocked(&node).await.last_error, None);
}

#[tokio::test]
async fn a_failed_job_leaves_its_error_and_no_lock() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.spawn_after(Job::new("fiasco_job", |_| {
        Box::pin(async { Err(ConductorError::invalid_parameter("fiasco").into()) })
    }));

    task.finish().await.unwrap();

    let error = fixture.unlocked(&node).await.last_error.unwrap();
    assert_eq!(error, "Async execution of fiasco_job failed with error: fiasco");
}

#[tokio::test]
async fn a_job_s_own_last_error_is_kept() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.spawn_after(Job::new("job", |task| {
        Box::pin(async move {
            task.node_mut().last_error = Some("oops".to_owned());
            task.save().await?;
            Err(ConductorError::invalid_parameter("fiasco").into())
        })
    }));

    task.finish().await.unwrap();

    assert_eq!(fixture.unlocked(&node).await.last_error.as_deref(), Some("oops"));
}

#[tokio::test]
async fn a_panicking_job_leaves_its_error_and_no_lock() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.spawn_after(Job::new("job", |_| Box::pin(async { panic!("out of luck") })));

    task.finish().await.unwrap();

    let error = fixture.unlocked(&node).await.last_error.unwrap();
    assert!(error.contains("out of luck"), "{error}");
}

#[tokio::test]
async fn an_abandoned_task_starts_no_job() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let (started, watch) = tokio::sync::oneshot::channel::<()>();
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.spawn_after(Job::new("job", move |_| {
        Box::pin(async move {
            started.send(()).unwrap();
            Ok(())
        })
    }));

    task.abandon().await;

    assert_eq!(fixture.stored(&node).await.reservation, None);
    assert!(watch.await.is_err(), "the job was dropped unstarted");
}

#[tokio::test]
async fn without_a_worker_the_hook_puts_the_node_back() {
    let config = ConductorConfig { workers_pool_size: 3, reserved_workers_pool_percentage: 0, ..quick() };
    let fixture = Fixture::new(config).await;
    let node = fixture.node().await;
    let busy = fixture.all_workers(3).await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    let mut notifications = fixture.tasks().shared().notifier.subscribe();
    let options = ProcessEvent {
        job: Some(Job::new("verify", |_| Box::pin(async { Ok(()) }))),
        error_handler: Some(Box::new(|error, task, state, target| {
            Box::pin(async move {
                let node = task.node_mut();
                node.provision_state = state;
                node.target_provision_state = target;
                node.last_error = Some(error.to_string());
                task.save().await
            })
        })),
        ..ProcessEvent::default()
    };
    task.process_event(Event::Manage, options).await.unwrap();
    assert_eq!(fixture.stored(&node).await.provision_state, ProvisionState::Verifying);

    let refused = task.finish().await;

    assert!(matches!(refused, Err(ConductorError::NoFreeConductorWorker { size: 3 })), "{refused:?}");
    let stored = fixture.stored(&node).await;
    assert_eq!((stored.provision_state, stored.target_provision_state), (ProvisionState::Enroll, None));
    assert_eq!(stored.reservation, None);
    assert!(stored.last_error.unwrap().contains("busy"));
    assert!(notifications.try_recv().is_err(), "a change that was put back is not told");
    drop(busy);
}

#[tokio::test]
async fn an_event_without_a_row_changes_nothing() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();

    let refused = task.process_event(Event::Deploy, ProcessEvent::default()).await;

    assert!(matches!(refused, Err(ConductorError::InvalidState(_))), "{refused:?}");
    assert_eq!(task.node().provision_state, ProvisionState::Enroll);
    assert_eq!(fixture.stored(&node).await.provision_state, ProvisionState::Enroll);
}

#[tokio::test]
async fn the_start_is_told_before_the_job_can_tell_anything() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut notifications = fixture.tasks().shared().notifier.subscribe();
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    let job = Job::new("verify", |task| {
        Box::pin(async move { Ok(task.process_event(Event::Done, ProcessEvent::default()).await?) })
    });
    task.process_event(Event::Manage, ProcessEvent { job: Some(job), ..ProcessEvent::default() })
        .await
        .unwrap();

    task.finish().await.unwrap();

    let (start, end) = (notifications.recv().await.unwrap(), notifications.recv().await.unwrap());
    assert_eq!(start.event_type, "baremetal.node.provision_set.start");
    assert_eq!(start.payload["provision_state"], "verifying");
    assert_eq!(end.event_type, "baremetal.node.provision_set.end");
    let stored = fixture.unlocked(&node).await;
    assert_eq!((stored.provision_state, stored.target_provision_state), (ProvisionState::Manageable, None));
}

#[tokio::test]
async fn an_upgrade_sees_what_others_changed_meanwhile() {
    let fixture = Fixture::new(quick()).await;
    let mut node = Node::new(Uuid::new_v4(), "fake-hardware");
    node.provision_state = ProvisionState::Available;
    let node = fixture.enrol(node).await;
    let looking = fixture.tasks().acquire_shared(&node, Acquire::new("ham")).await.unwrap();
    let mut other = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    other.process_event(Event::Manage, ProcessEvent::default()).await.unwrap();
    other.finish().await.unwrap();

    let mut task = looking.upgrade(|acquire| acquire.purpose = "spam".to_owned()).await.unwrap();

    assert_eq!(task.purpose(), "spam");
    task.process_event(Event::Provide, ProcessEvent::default()).await.unwrap();
    assert_eq!(task.node().provision_state, ProvisionState::Cleaning);
}

#[tokio::test]
async fn a_failed_upgrade_hands_the_task_back() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let looking = fixture.tasks().acquire_shared(&node, Acquire::default()).await.unwrap();
    let _held = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();

    let (mut looking, error) = looking.upgrade(|acquire| acquire.retry = Retry::Never).await.unwrap_err();

    assert!(error.is_node_locked());
    assert_eq!(looking.ports().await.unwrap(), []);
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
async fn a_panicking_power_job_leaves_nothing_on_its_way() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.node_mut().target_power_state = Some(PowerState::On);
    task.save().await.unwrap();
    task.spawn_after(Job::new("node_power_action", |_| panic!("before its first step")));

    task.finish().await.unwrap();

    let stored = fixture.unlocked(&node).await;
    assert_eq!(stored.target_power_state, None);
    assert!(stored.last_error.unwrap().contains("before its first step"));
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

#[tokio::test]
async fn no_job_starts_once_the_conductor_stops() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.spawn_after(Job::new("late", |_| Box::pin(async { Ok(()) })));
    fixture.tasks().shared().workers.stop(Duration::ZERO).await;

    let refused = task.finish().await;

    assert!(matches!(refused, Err(ConductorError::NoFreeConductorWorker { .. })), "{refused:?}");
    assert_eq!(fixture.stored(&node).await.reservation, None);
}

//! Locks, and what a task has of its node: rows T1 to T22 of the reference's tests of its task manager.

use farrier_model::node::{Node, NodeId};
use farrier_model::provision::{Event, ProvisionState};
use farrier_store::StoreError;
use uuid::Uuid;

use super::super::*;
use super::{Calls, Fixture, fake_drivers, is_locked, quick};
use crate::log_capture::LogCapture;
use crate::registry::RegistryError;

/// An interval that no test waits for.
const NEVER: f64 = 3600.0;

/// What every task asks for in a whole scope.
const WHOLE_SCOPE: [(&str, u64); 6] = [
    ("node_release", 1),
    ("node_reserve", 1),
    ("portgroups_by_node", 1),
    ("ports_by_node", 1),
    ("volume_connectors_by_node", 1),
    ("volume_targets_by_node", 1),
];

/// How often a driver was assembled.
fn assembled(log: &LogCapture) -> usize {
    log.lines(|line| line.contains("driver is assembled")).len()
}

async fn load_all(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    assert_eq!(task.ports().await?, []);
    assert_eq!(task.portgroups().await?, []);
    assert_eq!(task.volume_connectors().await?, []);
    assert_eq!(task.volume_targets().await?, []);
    Ok(())
}

fn patient() -> Acquire {
    Acquire { retry: Retry::Patient, ..Acquire::default() }
}

fn once() -> Acquire {
    Acquire { retry: Retry::Never, ..Acquire::default() }
}

/// Differs: the node is read once, by taking its lock; there is no network configuration by traits.
#[tokio::test]
async fn row_t01_a_scope_shows_everything_and_asks_for_it_once() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let (calls, log) = (Calls::from_now_on(&fixture.store), LogCapture::start());
    let context = RequestContext { request_id: Some("req-1".to_owned()), ..RequestContext::default() };

    let acquire = Acquire { context: context.clone(), ..Acquire::new("testing") };
    let mut task = fixture.tasks().acquire_exclusive(node.id, acquire).await.unwrap();
    for _ in 0..2 {
        load_all(&mut task).await.unwrap();
        task.load_driver().unwrap();
    }

    assert_eq!((task.context(), task.purpose(), task.node().uuid), (&context, "testing", node.uuid));
    assert_eq!(task.driver().unwrap().hardware_type, "fake-hardware");
    task.finish().await.unwrap();
    assert_eq!(calls.all(), WHOLE_SCOPE);
    assert_eq!(assembled(&log), 1);
}

#[tokio::test]
async fn a_node_that_is_named_by_uuid_is_looked_up_first() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let calls = Calls::from_now_on(&fixture.store);

    let task = fixture.tasks().acquire_exclusive(node.uuid, Acquire::default()).await.unwrap();

    assert_eq!(task.node().id, node.id);
    assert_eq!(calls.all(), [("node_get", 1), ("node_reserve", 1)]);
}

#[tokio::test]
async fn row_t02_without_its_driver_a_task_has_everything_else() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let log = LogCapture::start();

    let acquire = Acquire::default().without_driver();
    let mut task = fixture.tasks().acquire_exclusive(&node, acquire).await.unwrap();

    assert!(task.driver().is_none());
    load_all(&mut task).await.unwrap();
    task.finish().await.unwrap();
    assert_eq!(assembled(&log), 0);
}

#[tokio::test]
async fn row_t03_scopes_of_two_nodes_have_each_their_own() {
    let fixture = Fixture::new(quick()).await;
    let (first, second) = (fixture.node().await, fixture.node().await);

    let mut outer = fixture.tasks().acquire_exclusive(&first, Acquire::default()).await.unwrap();
    let mut inner = fixture.tasks().acquire_exclusive(&second, Acquire::default()).await.unwrap();
    load_all(&mut outer).await.unwrap();
    load_all(&mut inner).await.unwrap();

    assert_eq!((outer.node().uuid, inner.node().uuid), (first.uuid, second.uuid));
    assert!(outer.driver().is_some() && inner.driver().is_some());
    inner.finish().await.unwrap();
    assert!(!fixture.stored(&second).await.is_reserved());
    assert!(fixture.stored(&first).await.is_reserved());
    outer.finish().await.unwrap();
    assert!(!fixture.stored(&first).await.is_reserved());
}

/// Takes the node as another conductor would, so that one attempt has failed when this answers.
async fn met_a_busy_node(fixture: &Fixture, node: NodeId, acquire: Acquire) -> (Calls, Acquiring) {
    fixture.store.node_reserve(node, "host-2", "theirs").await.unwrap();
    let calls = Calls::from_now_on(&fixture.store);
    let tasks = fixture.tasks().clone();
    let acquiring = tokio::spawn(async move { tasks.acquire_exclusive(node, acquire).await });
    calls.wait_for("node_reserve", 1).await;
    (calls, acquiring)
}

type Acquiring = tokio::task::JoinHandle<Result<ExclusiveTask, ConductorError>>;

#[tokio::test]
async fn row_t04_a_busy_node_is_tried_again() {
    let fixture = Fixture::new(ConductorConfig { node_locked_retry_interval: NEVER, ..quick() }).await;
    let node = fixture.node().await;
    let (calls, acquiring) = met_a_busy_node(&fixture, node.id, Acquire::default()).await;

    fixture.store.node_release(node.id, "host-2").await.unwrap();

    let task = acquiring.await.unwrap().unwrap();
    assert_eq!(task.node().reservation.as_deref(), Some("host-1"));
    assert_eq!(calls.of("node_reserve"), 2);
}

#[tokio::test]
async fn row_t05_a_busy_node_is_tried_once_if_that_is_wanted() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    fixture.store.node_reserve(node.id, "host-2", "theirs").await.unwrap();
    let calls = Calls::from_now_on(&fixture.store);

    let refused = fixture.tasks().acquire_exclusive(&node, once()).await;

    assert!(is_locked(&refused), "{refused:?}");
    assert_eq!(calls.all(), [("node_reserve", 1)]);
}

#[tokio::test]
async fn row_t06_an_upgrade_tries_once_if_that_is_wanted_and_remembers_it() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let looking = fixture.tasks().acquire_shared(&node, Acquire::default()).await.unwrap();
    fixture.store.node_reserve(node.id, "host-2", "theirs").await.unwrap();
    let calls = Calls::from_now_on(&fixture.store);

    let change = |acquire: &mut Acquire| {
        acquire.retry = Retry::Never;
        acquire.purpose = "eggs".to_owned();
    };
    let (looking, error) = looking.upgrade(change).await.unwrap_err();

    assert!(error.is_node_locked(), "{error}");
    assert_eq!(calls.all(), [("node_reserve", 1)]);
    let (looking, _) = looking.upgrade(|_| ()).await.unwrap_err();
    assert_eq!(calls.all(), [("node_reserve", 2)]);
    assert_eq!(looking.purpose(), "eggs");
}

#[tokio::test]
async fn row_t07_the_patient_wait_longer_than_is_configured() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let (calls, acquiring) = met_a_busy_node(&fixture, node.id, patient()).await;
    calls.wait_for("node_reserve", 4).await;

    fixture.store.node_release(node.id, "host-2").await.unwrap();

    assert!(acquiring.await.unwrap().is_ok());
}

#[tokio::test]
async fn row_t08_a_node_that_stays_busy_is_given_up_and_nothing_was_loaded() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    fixture.store.node_reserve(node.id, "host-2", "theirs").await.unwrap();
    let (calls, log) = (Calls::from_now_on(&fixture.store), LogCapture::start());

    let refused = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await;

    assert!(is_locked(&refused), "{refused:?}");
    assert_eq!(calls.all(), [("node_reserve", 3)]);
    assert_eq!(assembled(&log), 0);
    assert_eq!(fixture.stored(&node).await.reservation.as_deref(), Some("host-2"));
}

/// What a list that cannot be loaded does to a task that has the lock.
async fn a_list_that_fails(
    method: &'static str,
    load: impl AsyncFn(&mut ExclusiveTask) -> Result<(), ConductorError>,
) {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let (calls, log) = (Calls::from_now_on(&fixture.store), LogCapture::start());
    fixture.store.probe().fail(method);
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();

    let error = load(&mut task).await.unwrap_err();

    assert!(matches!(&error, ConductorError::Store(StoreError::Database { .. })), "{error:?}");
    assert!(task.is_released());
    assert!(!fixture.stored(&node).await.is_reserved());
    assert!(matches!(task.save().await, Err(ConductorError::Released { .. })));
    task.finish().await.unwrap();
    assert_eq!(calls.of("node_release"), 1);
    assert_eq!(assembled(&log), 1);
}

#[tokio::test]
async fn row_t09_ports_that_can_not_be_loaded_release_the_node() {
    a_list_that_fails("ports_by_node", async |task| task.ports().await.map(drop)).await;
}

#[tokio::test]
async fn row_t10_port_groups_that_can_not_be_loaded_release_the_node() {
    a_list_that_fails("portgroups_by_node", async |task| task.portgroups().await.map(drop)).await;
}

#[tokio::test]
async fn row_t11_volume_connectors_that_can_not_be_loaded_release_the_node() {
    a_list_that_fails("volume_connectors_by_node", async |task| task.volume_connectors().await.map(drop))
        .await;
}

#[tokio::test]
async fn row_t12_volume_targets_that_can_not_be_loaded_release_the_node() {
    a_list_that_fails("volume_targets_by_node", async |task| task.volume_targets().await.map(drop)).await;
}

async fn node_of_an_unknown_driver(fixture: &Fixture) -> Node {
    fixture.store.node_create(&Node::new(Uuid::new_v4(), "acme")).await.unwrap()
}

fn is_driver_not_found<T>(result: &Result<T, ConductorError>) -> bool {
    matches!(result, Err(ConductorError::Registry(RegistryError::DriverNotFound { .. })))
}

#[tokio::test]
async fn row_t13_a_missing_driver_gives_the_lock_back() {
    let fixture = Fixture::new(quick()).await;
    let node = node_of_an_unknown_driver(&fixture).await;
    let calls = Calls::from_now_on(&fixture.store);

    let refused = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await;

    assert!(is_driver_not_found(&refused), "{refused:?}");
    assert_eq!(calls.all(), [("node_release", 1), ("node_reserve", 1)]);
    assert!(!fixture.stored(&node).await.is_reserved());
}

#[tokio::test]
async fn row_t14_a_shared_scope_shows_the_same_and_locks_nothing() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let (calls, log) = (Calls::from_now_on(&fixture.store), LogCapture::start());

    let mut task = fixture.tasks().acquire_shared(&node, Acquire::new("looking")).await.unwrap();
    for _ in 0..2 {
        assert_eq!(task.ports().await.unwrap(), []);
        assert_eq!(task.portgroups().await.unwrap(), []);
        assert_eq!(task.volume_connectors().await.unwrap(), []);
        assert_eq!(task.volume_targets().await.unwrap(), []);
    }

    assert_eq!((task.node().uuid, task.purpose()), (node.uuid, "looking"));
    assert!(task.driver().is_some());
    drop(task);
    let mut expected = vec![("node_get", 1)];
    expected.extend(&WHOLE_SCOPE[2..]);
    assert_eq!(calls.all(), expected);
    assert_eq!(assembled(&log), 1);
}

#[tokio::test]
async fn row_t15_a_shared_task_needs_its_node() {
    let fixture = Fixture::new(quick()).await;
    let (calls, log) = (Calls::from_now_on(&fixture.store), LogCapture::start());

    let error = fixture.tasks().acquire_shared(NodeId(77), Acquire::default()).await.unwrap_err();

    assert!(error.is_node_not_found(), "{error}");
    assert_eq!(calls.all(), [("node_get", 1)]);
    assert_eq!(assembled(&log), 0);
}

/// What a list that cannot be loaded does to a task that only looks.
async fn a_list_that_fails_to_be_seen(
    method: &'static str,
    load: impl AsyncFn(&mut SharedTask) -> Result<(), ConductorError>,
) {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let calls = Calls::from_now_on(&fixture.store);
    fixture.store.probe().fail(method);
    let mut task = fixture.tasks().acquire_shared(&node, Acquire::default()).await.unwrap();

    let error = load(&mut task).await.unwrap_err();

    assert!(matches!(&error, ConductorError::Store(StoreError::Database { .. })), "{error:?}");
    assert!(matches!(load(&mut task).await, Err(ConductorError::Released { .. })));
    assert_eq!(calls.all(), [("node_get", 1), (method, 1)]);
}

#[tokio::test]
async fn row_t16_ports_that_can_not_be_seen_end_the_task() {
    a_list_that_fails_to_be_seen("ports_by_node", async |task| task.ports().await.map(drop)).await;
}

#[tokio::test]
async fn row_t17_port_groups_that_can_not_be_seen_end_the_task() {
    a_list_that_fails_to_be_seen("portgroups_by_node", async |task| task.portgroups().await.map(drop)).await;
}

#[tokio::test]
async fn row_t18_volume_connectors_that_can_not_be_seen_end_the_task() {
    let load = async |task: &mut SharedTask| task.volume_connectors().await.map(drop);

    a_list_that_fails_to_be_seen("volume_connectors_by_node", load).await;
}

#[tokio::test]
async fn row_t19_volume_targets_that_can_not_be_seen_end_the_task() {
    let load = async |task: &mut SharedTask| task.volume_targets().await.map(drop);

    a_list_that_fails_to_be_seen("volume_targets_by_node", load).await;
}

#[tokio::test]
async fn row_t20_a_shared_task_needs_its_driver() {
    let fixture = Fixture::new(quick()).await;
    let node = node_of_an_unknown_driver(&fixture).await;
    let calls = Calls::from_now_on(&fixture.store);

    let refused = fixture.tasks().acquire_shared(&node, Acquire::default()).await;

    assert!(is_driver_not_found(&refused), "{refused:?}");
    assert_eq!(calls.all(), [("node_get", 1)]);
}

/// Differs: an upgraded task has another type, so that a second upgrade can only change the purpose.
#[tokio::test]
async fn row_t21_an_upgrade_locks_once_and_keeps_the_driver() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let (calls, log) = (Calls::from_now_on(&fixture.store), LogCapture::start());
    let looking = fixture.tasks().acquire_shared(&node, Acquire::new("ham")).await.unwrap();

    let mut task = looking.upgrade(|_| ()).await.unwrap();

    assert_eq!(task.purpose(), "ham");
    task.amend(|acquire| acquire.purpose = "spam".to_owned());
    assert_eq!(task.purpose(), "spam");
    assert!(task.driver().is_some());
    task.finish().await.unwrap();
    assert_eq!(calls.all(), [("node_get", 1), ("node_release", 1), ("node_reserve", 1)]);
    assert_eq!(assembled(&log), 1);
}

#[tokio::test]
async fn row_t22_an_upgrade_sees_what_others_changed_meanwhile() {
    let fixture = Fixture::new(quick()).await;
    let node =
        Node { provision_state: ProvisionState::Available, ..Node::new(Uuid::new_v4(), "fake-hardware") };
    let node = fixture.enrol(node).await;
    let looking = fixture.tasks().acquire_shared(&node, Acquire::default()).await.unwrap();
    let mut other = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    other.process_event(Event::Manage, ProcessEvent::default()).await.unwrap();
    other.finish().await.unwrap();

    let mut task = looking.upgrade(|_| ()).await.unwrap();

    task.process_event(Event::Provide, ProcessEvent::default()).await.unwrap();
    assert_eq!(task.node().provision_state, ProvisionState::Cleaning);
}

#[tokio::test]
async fn an_upgrade_takes_the_driver_that_others_have_chosen_meanwhile() {
    let drivers = crate::config::DriverConfig {
        enabled_raid_interfaces: vec!["no-raid".to_owned(), "fake".to_owned()],
        ..fake_drivers()
    };
    let fixture = Fixture::with_drivers(quick(), drivers, Vec::new()).await;
    let mut node = Node::new(Uuid::new_v4(), "fake-hardware");
    node.interfaces.set(InterfaceType::Raid, Some("no-raid".to_owned()));
    let node = fixture.enrol(node).await;
    let looking = fixture.tasks().acquire_shared(&node, Acquire::default()).await.unwrap();
    assert_eq!(looking.driver().unwrap().interface(InterfaceType::Raid).name(), "no-raid");
    let before = fixture.stored(&node).await;
    let mut after = before.clone();
    after.interfaces.set(InterfaceType::Raid, Some("fake".to_owned()));
    fixture.store.node_update(&before, &after).await.unwrap();

    let task = looking.upgrade(|_| ()).await.unwrap();

    assert_eq!(task.driver().unwrap().interface(InterfaceType::Raid).name(), "fake");
    assert_eq!(task.node().interfaces.get(InterfaceType::Raid), Some("fake"));
}

#[tokio::test]
async fn an_upgrade_to_a_state_that_is_none_leaves_the_task_as_it_was() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let looking = fixture.tasks().acquire_shared(&node, Acquire::default()).await.unwrap();
    let before = fixture.stored(&node).await;
    let after = Node { target_provision_state: Some(ProvisionState::Deploying), ..before.clone() };
    fixture.store.node_update(&before, &after).await.unwrap();

    let (looking, error) = looking.upgrade(|_| ()).await.unwrap_err();

    assert!(matches!(error, ConductorError::InvalidState(_)), "{error:?}");
    assert_eq!(looking.node().target_provision_state, None);
    assert_eq!(fixture.stored(&node).await.reservation, None);
}

#[tokio::test]
async fn a_lock_that_somebody_cleared_is_missed_at_the_end() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let (cleared, taken) =
        (fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap(), fixture.node().await);
    let over = fixture.tasks().acquire_exclusive(&taken, Acquire::default()).await.unwrap();
    fixture.store.node_reservations_clear("host-1").await.unwrap();
    fixture.store.node_reserve(taken.id, "host-2", "theirs").await.unwrap();

    let (cleared, over) = (cleared.finish().await, over.finish().await);

    let nobody = matches!(&cleared, Err(ConductorError::Store(StoreError::NodeNotLocked { .. })));
    assert!(nobody, "{cleared:?}");
    assert!(is_locked(&over), "{over:?}");
    assert_eq!(fixture.stored(&taken).await.reservation.as_deref(), Some("host-2"));
}

#[tokio::test]
async fn waiting_longer_than_all_attempts_take_is_told_to_the_log() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let log = LogCapture::start();
    let busy = |line: &str| line.contains("WARN node lock is busy") && line.contains("host-2");
    let (calls, acquiring) = met_a_busy_node(&fixture, node.id, patient()).await;

    calls.wait_for("node_reserve", 4).await;

    assert!(!log.lines(busy).is_empty());
    fixture.store.node_release(node.id, "host-2").await.unwrap();
    acquiring.await.unwrap().unwrap().finish().await.unwrap();
}

#[tokio::test]
async fn waiting_within_the_attempts_is_not_told_to_the_log() {
    let fixture = Fixture::new(ConductorConfig { node_locked_retry_interval: NEVER, ..quick() }).await;
    let node = fixture.node().await;
    let log = LogCapture::start();
    let (_, acquiring) = met_a_busy_node(&fixture, node.id, Acquire::default()).await;

    fixture.store.node_release(node.id, "host-2").await.unwrap();
    acquiring.await.unwrap().unwrap().finish().await.unwrap();

    assert!(log.lines(|line| line.contains("node lock is busy")).is_empty());
}

#[tokio::test]
async fn waiters_are_served_at_once_and_in_the_order_they_came() {
    let fixture = Fixture::new(ConductorConfig { node_locked_retry_interval: NEVER, ..quick() }).await;
    let node = fixture.node().await;
    let held = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for number in 0..10 {
        let (tasks, order, node) = (fixture.tasks().clone(), Arc::clone(&order), node.id);
        let mut scope = Box::pin(async move {
            let task = tasks.acquire_exclusive(node, Acquire::default()).await?;
            order.lock().unwrap().push(number);
            task.finish().await
        });
        // The first step takes the place in the queue.
        assert!(futures_util::poll!(&mut scope).is_pending());
        waiting.push(scope);
    }
    let jobs: Vec<_> = waiting.into_iter().rev().map(tokio::spawn).collect();

    held.finish().await.unwrap();

    for job in jobs {
        tokio::time::timeout(super::PATIENCE, job).await.unwrap().unwrap().unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
}

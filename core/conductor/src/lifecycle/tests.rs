//! The rows C1 to C18 are those of the reference's own tests; C14 and C15 are about [`stuck`](super::stuck), C13 about
//! [workers](crate::workers).

use std::sync::atomic::{AtomicBool, Ordering};

use farrier_host::Plugin;
use farrier_model::node::Node;
use farrier_model::provision::ProvisionState;
use farrier_sim::postgres::Postgres;
use farrier_store::{StoreConfig, StoreError};
use serde_json::Map;
use uuid::Uuid;

use super::*;
use crate::config::DriverConfig;
use crate::log_capture::LogCapture;
use crate::registry::RegistryError;
use crate::task::tests::{Fixture, PATIENCE, fake_drivers, quick};

/// A database that several runs of conductors use one after the other.
struct Database {
    store: Store,
    _directory: tempfile::TempDir,
}

impl Database {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("farrier.db").display());
        let store = Store::open(&StoreConfig::new(url)).await.unwrap();
        Self { store, _directory: directory }
    }

    async fn start(&self) -> Conductor {
        Conductor::start(quick(), self.store.clone(), registry(fake_drivers()).unwrap()).await.unwrap()
    }

    /// What is registered under the name.
    async fn record(&self) -> Option<ConductorRecord> {
        self.store.conductor_list().await.unwrap().into_iter().find(|record| record.hostname == "host-1")
    }

    async fn node(&self, reservation: Option<&str>) -> Node {
        let node = self.store.node_create(&Node::new(Uuid::new_v4(), "fake-hardware")).await.unwrap();
        if let Some(holder) = reservation {
            self.store.node_reserve(node.id, holder, "testing").await.unwrap();
        }
        node
    }

    async fn holder(&self, node: &Node) -> Option<String> {
        self.store.node_get(node.id).await.unwrap().reservation
    }
}

fn registry(drivers: DriverConfig) -> Result<Arc<Registry>, RegistryError> {
    let fake = Plugin::linked(farrier_fake::farrier_plugin(), Map::new()).unwrap();
    Registry::new(drivers, vec![fake], Vec::new()).map(Arc::new)
}

#[tokio::test]
async fn row_c1_a_start_registers_the_name() {
    let database = Database::new().await;

    database.start().await;

    assert!(database.record().await.unwrap().online);
}

#[tokio::test]
async fn row_c2_a_start_frees_what_an_earlier_run_held() {
    let database = Database::new().await;
    let node = database.node(Some("host-1")).await;
    let other = database.node(Some("host-2")).await;

    database.start().await;

    assert_eq!(database.holder(&node).await, None);
    assert_eq!(database.holder(&other).await.as_deref(), Some("host-2"));
}

/// Until it is registered, a lock that was taken over from it may be handed back to its name.
#[tokio::test]
async fn a_start_frees_what_an_earlier_run_held_after_it_is_registered() {
    let database = Database::new().await;
    let node = database.node(Some("host-1")).await;
    database.store.probe().fail("node_reservations_clear");

    let started = Conductor::start(quick(), database.store.clone(), registry(fake_drivers()).unwrap()).await;

    assert!(started.is_err(), "{started:?}");
    assert!(!database.record().await.expect("it was registered").online);
    assert_eq!(database.holder(&node).await.as_deref(), Some("host-1"));
}

#[tokio::test]
async fn row_c3_a_stop_leaves_no_lock() {
    let database = Database::new().await;
    let node = database.node(Some("host-1")).await;
    let conductor = database.start().await;

    conductor.stop().await;

    assert_eq!(database.holder(&node).await, None);
}

#[tokio::test]
async fn row_c4_a_stop_withdraws_the_registration() {
    let database = Database::new().await;
    let conductor = database.start().await;
    let record = database.record().await.unwrap();

    conductor.stop().await;

    assert!(!database.record().await.unwrap().online);
    assert!(database.store.conductor_interfaces_list(&record).await.unwrap().is_empty());
}

#[tokio::test]
async fn row_c5_a_stop_that_is_to_stay_registered_stays_registered() {
    let database = Database::new().await;
    let conductor = database.start().await;
    let record = database.record().await.unwrap();

    let departure = Departure { registration: Registered::Stay, ..Departure::default() };
    conductor.stop_work(departure).await;
    conductor.end().await;

    assert!(database.record().await.unwrap().online);
    assert!(!database.store.conductor_interfaces_list(&record).await.unwrap().is_empty());
}

/// There is no conductor before it has started, so that nobody can stop one; what was begun is undone.
#[tokio::test]
async fn row_c6_a_conductor_that_does_not_start_leaves_nothing_to_stop() {
    let database = Database::new().await;
    let config = ConductorConfig { workers_pool_size: 24, ..quick() };

    let started = Conductor::start(config, database.store.clone(), registry(fake_drivers()).unwrap()).await;

    assert!(matches!(started, Err(ConductorError::IncorrectConfiguration { .. })), "{started:?}");
    assert_eq!(database.record().await, None);
}

/// A plugin with empty hardware types of these names: of what is built in only management is needed besides power.
fn types(names: &[&str]) -> (DriverConfig, Vec<Plugin>) {
    let text = (farrier_fake::farrier_plugin().descriptor())();
    let mut descriptor: farrier_sdk::descriptor::Descriptor = serde_json::from_str(text.as_str()).unwrap();
    let supported = descriptor.hardware_types.remove("fake-hardware").unwrap();
    descriptor.hardware_types = names.iter().map(|&name| (name.to_owned(), supported.clone())).collect();
    let config = farrier_host::OpenConfig { linked: true, ..farrier_host::OpenConfig::default() };
    let origin = farrier_host::Origin::Linked;
    let plugin = Plugin::open(farrier_fake::farrier_plugin(), descriptor, origin, &config).unwrap();
    let enabled_hardware_types = names.iter().map(|&name| name.to_owned()).collect();
    (DriverConfig { enabled_hardware_types, ..fake_drivers() }, vec![plugin])
}

#[tokio::test]
async fn row_c7_a_restart_with_other_hardware_types_lists_exactly_those() {
    let database = Database::new().await;
    let start = async |names: &[&str]| {
        let (drivers, plugins) = types(names);
        let registry = Arc::new(Registry::new(drivers, plugins, Vec::new()).unwrap());
        Conductor::start(quick(), database.store.clone(), registry).await.unwrap();
        database.record().await.unwrap().drivers
    };

    assert_eq!(start(&["a", "b"]).await, ["a", "b"]);
    assert_eq!(start(&["c", "d"]).await, ["c", "d"]);
}

#[tokio::test]
async fn row_c9_a_hardware_type_that_nobody_offers_registers_nothing() {
    let database = Database::new().await;
    let enabled_hardware_types = vec!["fake-hardware".to_owned(), "nosuch".to_owned()];

    let refused = registry(DriverConfig { enabled_hardware_types, ..fake_drivers() }).unwrap_err();

    assert!(matches!(&refused, RegistryError::DriverNotFoundInEntrypoint { .. }), "{refused:?}");
    assert!(refused.to_string().contains("nosuch"), "{refused}");
    assert_eq!(database.record().await, None);
}

#[tokio::test]
async fn row_c10_empty_lists_of_interfaces_are_calculated() {
    let database = Database::new().await;
    let drivers = DriverConfig {
        enabled_boot_interfaces: Vec::new(),
        enabled_deploy_interfaces: Vec::new(),
        ..fake_drivers()
    };

    let conductor =
        Conductor::start(quick(), database.store.clone(), registry(drivers).unwrap()).await.unwrap();

    for kind in [InterfaceType::Boot, InterfaceType::Deploy] {
        let enabled = conductor.registry().enabled_supported("fake-hardware", kind).unwrap();
        assert_eq!(enabled, ["fake"], "{kind}");
    }
}

#[tokio::test]
async fn row_c11_without_hardware_types_there_is_nothing_to_start() {
    let refused = registry(DriverConfig { enabled_hardware_types: Vec::new(), ..fake_drivers() });

    assert!(matches!(refused, Err(RegistryError::NoDriversLoaded)), "{refused:?}");
}

#[tokio::test]
async fn a_group_that_no_node_can_name_is_refused() {
    let database = Database::new().await;
    let start = |group: &str| {
        let config = ConductorConfig { conductor_group: group.to_owned(), ..quick() };
        Conductor::start(config, database.store.clone(), registry(fake_drivers()).unwrap())
    };

    let refused = start("rack 1").await;

    let Err(ConductorError::IncorrectConfiguration { reason }) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("`conductor_group` is `rack 1`"), "{reason}");
    assert_eq!(database.record().await, None);
    start("Rack-1.a_b").await.unwrap();
    assert_eq!(database.record().await.unwrap().conductor_group, "rack-1.a_b");
}

#[tokio::test]
async fn row_c12_when_interfaces_can_not_be_registered_the_registration_is_withdrawn_once() {
    let database = Database::new().await;
    database.store.probe().fail("conductor_interfaces_register");
    let log = LogCapture::start();

    let started = Conductor::start(quick(), database.store.clone(), registry(fake_drivers()).unwrap()).await;

    assert!(matches!(started, Err(ConductorError::Store(StoreError::Database { .. }))), "{started:?}");
    assert!(!database.record().await.unwrap().online);
    assert_eq!(database.store.probe().count("conductor_offline"), 1);
    assert_eq!(log.lines(|line| line.starts_with("ERROR") && line.contains("does not start")).len(), 1);
}

/// Names are worked out before anything else has one: see [`identity`](crate::config::identity).
#[test]
fn row_c16_the_name_has_the_port_of_json_rpc_when_it_is_not_the_usual_one() {
    use crate::config::identity;

    assert_eq!(identity("host-1", None), "host-1");
    assert_eq!(identity("host-1", Some(8089)), "host-1");
    assert_eq!(identity("host-1", Some(8192)), "host-1:8192");
}

/// The reference registers `host:port` and locks as `host`, and so never finds its own locks again.
#[tokio::test]
async fn row_c16_locks_are_held_under_the_registered_name() {
    let name = crate::config::identity("host-1", Some(8192));
    let fixture = Fixture::new(ConductorConfig { host: name, ..quick() }).await;
    let node = fixture.node().await;

    let task = fixture.tasks().acquire_exclusive(&node, crate::task::Acquire::default()).await.unwrap();

    assert_eq!(fixture.stored(&node).await.reservation.as_deref(), Some("host-1:8192"));
    assert_eq!(fixture.store.conductor_list().await.unwrap()[0].hostname, "host-1:8192");
    task.finish().await.unwrap();
}

#[tokio::test]
async fn row_c17_on_sqlite_the_heartbeat_writes_nothing_and_ends() {
    let database = Database::new().await;
    let conductor = database.start().await;

    heartbeat::beat(Arc::clone(conductor.tasks().shared())).await;

    assert_eq!(database.store.probe().count("conductor_touch"), 0);
}

/// A database that several conductors share.
struct SharedDatabase {
    store: Store,
    _server: Postgres,
}

impl SharedDatabase {
    async fn new() -> Self {
        let server = tokio::task::spawn_blocking(|| Postgres::start().unwrap()).await.unwrap();
        let store = Store::open(&StoreConfig::new(server.url())).await.unwrap();
        Self { store, _server: server }
    }

    async fn start(&self, config: ConductorConfig) -> Result<Conductor, ConductorError> {
        Conductor::start(config, self.store.clone(), registry(fake_drivers()).unwrap()).await
    }

    async fn record(&self, host: &str) -> ConductorRecord {
        self.store.conductor_get(host).await.unwrap()
    }

    async fn eventually(&self, reached: impl AsyncFn() -> bool) {
        let wait = async {
            while !reached().await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("it comes to that");
    }
}

fn beating() -> ConductorConfig {
    ConductorConfig { heartbeat_interval: 0.1, hash_ring_reset_interval: 0, ..quick() }
}

/// Others would take the locks of a conductor that is silent while it puts in order what was left.
#[tokio::test]
async fn a_conductor_gives_signs_of_life_while_it_puts_in_order_what_was_left() {
    let database = SharedDatabase::new().await;
    let stuck = Node {
        provision_state: ProvisionState::Deploying,
        target_provision_state: Some(ProvisionState::Active),
        ..Node::new(Uuid::new_v4(), "fake-hardware")
    };
    let node = database.store.node_create(&stuck).await.unwrap();
    let probe = database.store.probe();
    let mut starting = Box::pin(database.start(beating()));
    while probe.count("history_create") == 0 {
        assert!(futures_util::poll!(&mut starting).is_pending(), "the stuck node was not failed");
        tokio::task::yield_now().await;
    }

    // From here on the start does not get any further by itself.
    let beats = probe.count("conductor_touch");
    database.eventually(async || beats + 2 <= probe.count("conductor_touch")).await;

    let conductor = starting.await.unwrap();
    let node = database.store.node_get(node.id).await.unwrap();
    assert_eq!(node.provision_state, ProvisionState::DeployFail);
    conductor.stop().await;
}

#[tokio::test]
async fn row_c18_a_heartbeat_that_can_not_be_written_is_logged_and_goes_on() {
    let database = SharedDatabase::new().await;
    let log = LogCapture::start();
    let conductor = database.start(beating()).await.unwrap();
    let touches = || database.store.probe().count("conductor_touch");

    database.store.probe().fail("conductor_touch");
    let failing = touches();
    database.eventually(async || failing + 3 <= touches()).await;
    let silent = database.record("host-1").await.updated_at;
    database.store.probe().heal("conductor_touch");
    database.eventually(async || silent < database.record("host-1").await.updated_at).await;

    assert!(2 <= log.lines(|line| line.starts_with("WARN") && line.contains("heartbeat could not")).len());
    conductor.stop().await;
}

#[tokio::test]
async fn while_it_stops_a_conductor_says_that_it_is_gone() {
    let database = SharedDatabase::new().await;
    let conductor = database.start(beating()).await.unwrap();
    let shared = Arc::clone(conductor.tasks().shared());
    let (release, held) = tokio::sync::oneshot::channel::<()>();
    shared.workers.spawn(shared.workers.acquire().unwrap(), async move { drop(held.await) });
    let stopped = Arc::new(AtomicBool::new(false));

    let job = tokio::spawn({
        let (conductor, stopped) = (conductor.clone(), Arc::clone(&stopped));
        async move {
            conductor.stop().await;
            stopped.store(true, Ordering::Relaxed);
        }
    });
    database.eventually(async || !database.record("host-1").await.online).await;
    // Somebody revives the record; the next heartbeat corrects that.
    database.store.conductor_touch("host-1").await.unwrap();
    database.eventually(async || !database.record("host-1").await.online).await;

    assert!(!stopped.load(Ordering::Relaxed), "it waits for the job");
    drop(release);
    job.await.unwrap();
    assert!(!database.record("host-1").await.online);
}

#[tokio::test]
async fn a_second_conductor_of_the_same_name_is_refused_and_harms_nothing() {
    let database = SharedDatabase::new().await;
    let first = database.start(beating()).await.unwrap();
    let node = database.store.node_create(&Node::new(Uuid::new_v4(), "fake-hardware")).await.unwrap();
    database.store.node_reserve(node.id, "host-1", "testing").await.unwrap();

    let second = database.start(beating()).await;

    assert!(
        matches!(second, Err(ConductorError::Store(StoreError::ConductorAlreadyRegistered { .. }))),
        "{second:?}"
    );
    assert!(database.record("host-1").await.online);
    assert!(database.store.node_get(node.id).await.unwrap().reservation.is_some());
    first.stop().await;
}

#[tokio::test]
async fn a_conductor_that_crashed_is_replaced_by_its_next_run() {
    let database = SharedDatabase::new().await;
    let crashed = database.start(beating()).await.unwrap();
    // All that a crash leaves is a record that says `online`.
    crashed.tasks().shared().heartbeat.stop().await;
    let node = database.store.node_create(&Node::new(Uuid::new_v4(), "fake-hardware")).await.unwrap();
    database.store.node_reserve(node.id, "host-1", "testing").await.unwrap();

    let next = database.start(beating()).await.unwrap();

    assert_eq!(database.store.node_get(node.id).await.unwrap().reservation, None);
    next.stop().await;
}

#[tokio::test]
async fn a_conductor_with_company_gives_it_time_to_notice() {
    let database = SharedDatabase::new().await;
    let interval = Duration::from_secs(5);
    let config = ConductorConfig { hash_ring_reset_interval: interval.as_secs(), ..beating() };
    let first = database.start(config.clone()).await.unwrap();
    let second = database.start(ConductorConfig { host: "host-2".to_owned(), ..config }).await.unwrap();

    let begin = Instant::now();
    first.stop().await;
    let with_company = begin.elapsed();
    let begin = Instant::now();
    second.stop().await;

    assert!(interval <= with_company, "{with_company:?}");
    assert!(begin.elapsed() < interval, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn running_work_has_the_time_that_the_pace_says() {
    let config = ConductorConfig { graceful_shutdown_timeout: 1, drain_shutdown_timeout: 0, ..quick() };
    let fixture = Fixture::new(config).await;
    let workers = &fixture.tasks().shared().workers;
    let (release, held) = tokio::sync::oneshot::channel::<()>();
    workers.spawn(workers.acquire().unwrap(), async move { drop(held.await) });

    // The second is over while the job still runs.
    fixture.conductor.stop_work(Departure::default()).await;
    let departure = Departure { pace: Pace::Drain, ..Departure::default() };
    let mut drained = Box::pin(fixture.conductor.stop_work(departure));
    let waits = tokio::time::timeout(Duration::from_secs(2), &mut drained).await.is_err();
    drop(release);
    drained.await;

    assert!(waits, "draining has no limit here");
}

//! The figures that `cargo xtask bench` sets beside those of the reference: an SQLite file, the fake driver.
//!
//! Prints one JSON object; `FARRIER_FIGURES` names a file to write it to instead.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark has nobody to report to")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier_conductor::config::{ConductorConfig, DriverConfig};
use farrier_conductor::notify::Notifier;
use farrier_conductor::registry::Registry;
use farrier_conductor::service::Conductor;
use farrier_conductor::task::{Acquire, TaskManager};
use farrier_host::Plugin;
use farrier_model::node::{Node, NodeId};
use farrier_model::provision::ProvisionState;
use farrier_sdk::interface::power::PowerState;
use farrier_store::{Store, StoreConfig};
use serde_json::{Map, json};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Nodes in the database; the reference has as many.
const NODES: usize = 1000;
/// Locks taken one after the other.
const ROUNDS: u32 = 2000;
/// Locks taken by each of the tasks at once.
const ROUNDS_EACH: u32 = 500;
/// Tasks at once.
const TASKS: usize = 8;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("farrier.db").display());
    let figures = Runtime::new().unwrap().block_on(async {
        let store = Store::open(&StoreConfig::new(url)).await.unwrap();
        let nodes = enroll(&store).await;
        let first = *nodes.first().unwrap();
        let tasks = manager(store.clone());
        rounds(tasks.clone(), first, 100).await;
        let (pairs, _) = rounds(tasks.clone(), first, ROUNDS).await;
        let mut times = at_once(&tasks, &nodes).await;
        times.sort_unstable();
        json!({
            "lock_pairs_per_second": f64::from(ROUNDS) / pairs.as_secs_f64(),
            "lock_p50_ms_8_tasks": percentile(&times, 50),
            "lock_p99_ms_8_tasks": percentile(&times, 99),
            "power_sync_nodes_per_second": power_sync_rate(store).await,
        })
    });
    match std::env::var_os("FARRIER_FIGURES") {
        Some(path) => std::fs::write(path, figures.to_string()).unwrap(),
        None => println!("{figures}"),
    }
}

async fn enroll(store: &Store) -> Vec<NodeId> {
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        // As the reference has them: managed, and on.
        let node = Node {
            power_state: Some(PowerState::On),
            provision_state: ProvisionState::Available,
            ..Node::new(Uuid::new_v4(), "fake-hardware")
        };
        nodes.push(store.node_create(&node).await.unwrap().id);
    }
    nodes
}

fn registry() -> Arc<Registry> {
    let drivers = DriverConfig {
        enabled_hardware_types: vec!["fake-hardware".to_owned()],
        enabled_boot_interfaces: vec!["fake".to_owned()],
        enabled_deploy_interfaces: vec!["fake".to_owned()],
        ..DriverConfig::default()
    };
    let fake = Plugin::linked(farrier_fake::farrier_plugin(), Map::new()).unwrap();
    Arc::new(Registry::new(drivers, vec![fake], Vec::new()).unwrap())
}

fn manager(store: Store) -> TaskManager {
    TaskManager::new("bench", ConductorConfig::default(), store, registry(), Notifier::default()).unwrap()
}

/// Takes and gives back the lock of one node, with its driver; how long it took in all and each time.
async fn rounds(tasks: TaskManager, node: NodeId, rounds: u32) -> (Duration, Vec<Duration>) {
    let mut times = Vec::new();
    let begin = Instant::now();
    for _ in 0..rounds {
        let begin = Instant::now();
        tasks.acquire_exclusive(node, Acquire::default()).await.unwrap().finish().await.unwrap();
        times.push(begin.elapsed());
    }
    (begin.elapsed(), times)
}

async fn at_once(tasks: &TaskManager, nodes: &[NodeId]) -> Vec<Duration> {
    let mut set = JoinSet::new();
    for &node in nodes.iter().take(TASKS) {
        set.spawn(rounds(tasks.clone(), node, ROUNDS_EACH));
    }
    set.join_all().await.into_iter().flat_map(|(_, times)| times).collect()
}

/// One pass of the power synchronization over nodes that are as recorded: nodes per second.
async fn power_sync_rate(store: Store) -> f64 {
    let config = ConductorConfig { host: "bench".to_owned(), ..ConductorConfig::default() };
    let conductor = Conductor::start(config, store, registry()).await.unwrap();
    let begin = Instant::now();
    conductor.synchronize_power().await.unwrap();
    f64::from(u32::try_from(NODES).unwrap()) / begin.elapsed().as_secs_f64()
}

/// The value below which `percent` of the sorted `times` are, in milliseconds.
fn percentile(times: &[Duration], percent: usize) -> f64 {
    times.get(times.len() * percent / 100).or(times.last()).unwrap().as_secs_f64() * 1000.0
}

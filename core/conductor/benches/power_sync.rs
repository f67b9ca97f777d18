//! One pass of the power synchronization over many nodes that are as recorded: an SQLite file, the fake driver.
//!
//! Once with machines that answer at once, which is what a pass costs by itself, and once with machines that take
//! 100 ms: with its eight workers the reference can ask 80 of those in a second, however fast it is otherwise.
//!
//! `FARRIER_BENCH_NODES` says how many; prints the time of each pass and the most memory the process had.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark has nobody to report to")]

use std::sync::Arc;
use std::time::Instant;

use farrier_conductor::config::{ConductorConfig, DriverConfig};
use farrier_conductor::registry::Registry;
use farrier_conductor::service::Conductor;
use farrier_host::Plugin;
use farrier_model::node::{Interfaces, Node};
use farrier_model::provision::ProvisionState;
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::power::PowerState;
use farrier_store::{Store, StoreConfig};
use serde_json::{Map, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Nodes, unless said otherwise.
const NODES: u32 = 10_000;

/// Passes; the first also finds the files cold.
const PASSES: usize = 3;

/// Machines that take 100 ms which the reference can ask in a second with eight workers.
const REFERENCE_PER_SECOND: f64 = 80.0;

fn main() {
    let nodes = std::env::var("FARRIER_BENCH_NODES").map_or(NODES, |count| count.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("farrier.db").display());
    Runtime::new().unwrap().block_on(async {
        let store = Store::open(&StoreConfig::new(url)).await.unwrap();
        for number in 0..nodes {
            store.node_create(&node(number)).await.unwrap();
        }
        println!("{nodes} nodes enrolled, {} MiB resident at most", resident_mib());
        let conductor = start(store.clone(), "0").await;
        for _ in 0..PASSES {
            pass(&conductor, &store, "at once", nodes).await;
        }
        conductor.stop().await;
        let slow = start(store.clone(), "0.1").await;
        let rate = pass(&slow, &store, "after 100 ms", nodes).await;
        println!("{:.0} times what eight workers can ask", rate / REFERENCE_PER_SECOND);
    });
}

/// One pass over machines that answer so fast; nodes per second.
async fn pass(conductor: &Conductor, store: &Store, answer: &str, nodes: u32) -> f64 {
    let (begin, statements) = (Instant::now(), store.probe().total());
    conductor.synchronize_power().await.unwrap();
    let (elapsed, statements) = (begin.elapsed(), store.probe().total() - statements);
    let rate = f64::from(nodes) / elapsed.as_secs_f64();
    println!("answers {answer}: pass in {elapsed:.2?}, {rate:.0} nodes/s, {statements} statements");
    println!("    {} MiB resident at most", resident_mib());
    rate
}

fn node(number: u32) -> Node {
    let fields = |value| serde_json::from_value(value).unwrap();
    let interfaces: Interfaces = InterfaceType::ALL
        .into_iter()
        .map(|kind| (kind, if kind == InterfaceType::Network { "noop" } else { "fake" }.to_owned()))
        .collect();
    Node {
        name: Some(format!("node-{number}")),
        interfaces,
        power_state: Some(PowerState::On),
        provision_state: ProvisionState::Available,
        driver_info: fields(json!({"address": "127.0.0.1", "username": "admin", "password": "secret"})),
        properties: fields(json!({"cpus": 4, "memory_mb": 8192, "vendor": "acme"})),
        ..Node::new(Uuid::new_v4(), "fake-hardware")
    }
}

async fn start(store: Store, delay: &str) -> Conductor {
    let list = || vec!["fake".to_owned()];
    let options: Map<_, _> = [("power_delay".to_owned(), json!(delay))].into_iter().collect();
    let drivers = DriverConfig {
        enabled_hardware_types: vec!["fake-hardware".to_owned()],
        enabled_bios_interfaces: list(),
        enabled_boot_interfaces: list(),
        enabled_console_interfaces: list(),
        enabled_deploy_interfaces: list(),
        enabled_firmware_interfaces: list(),
        enabled_inspect_interfaces: list(),
        enabled_raid_interfaces: list(),
        enabled_rescue_interfaces: list(),
        enabled_storage_interfaces: list(),
        enabled_vendor_interfaces: list(),
        default_storage_interface: None,
        ..DriverConfig::default()
    };
    let fake = Plugin::linked(farrier_fake::farrier_plugin(), options).unwrap();
    let registry = Arc::new(Registry::new(drivers, vec![fake], Vec::new()).unwrap());
    let config = ConductorConfig { host: "bench".to_owned(), ..ConductorConfig::default() };
    Conductor::start(config, store, registry).await.unwrap()
}

/// The most memory this process has had, in MiB.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

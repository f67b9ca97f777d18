//! What taking and releasing the lock of a node costs, on a SQLite file and, when `FARRIER_TEST_POSTGRES` names
//! one, on PostgreSQL (in its default schema).

#![expect(clippy::unwrap_used, reason = "a benchmark has nobody to report to")]

use divan::Bencher;
use divan::counter::ItemsCount;
use farrier_model::node::{Node, NodeId};
use farrier_store::{Store, StoreConfig};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Locks taken and released by each job of one sample.
const ROUNDS: usize = 50;

fn main() {
    divan::main();
}

/// Jobs at the same time, each on a node of its own.
#[divan::bench(args = [1, 8, 64], sample_count = 20, sample_size = 1)]
fn sqlite(bencher: Bencher<'_, '_>, jobs: usize) {
    let directory: TempDir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("farrier.db").display());
    reserve_and_release(bencher, StoreConfig::new(url), jobs);
}

/// As for SQLite.
#[divan::bench(args = [1, 8, 64], sample_count = 20, sample_size = 1)]
fn postgres(bencher: Bencher<'_, '_>, jobs: usize) {
    if let Ok(url) = std::env::var("FARRIER_TEST_POSTGRES") {
        reserve_and_release(bencher, StoreConfig::new(url), jobs);
    }
}

fn reserve_and_release(bencher: Bencher<'_, '_>, config: StoreConfig, jobs: usize) {
    let runtime = Runtime::new().unwrap();
    let store = runtime.block_on(Store::open(&config)).unwrap();
    let nodes: Vec<NodeId> = (0..jobs).map(|_| runtime.block_on(enroll(&store))).collect();
    bencher.counter(ItemsCount::new(jobs * ROUNDS)).bench_local(|| {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            for &node in &nodes {
                set.spawn(rounds(store.clone(), node));
            }
            set.join_all().await
        })
    });
    for node in nodes {
        runtime.block_on(store.node_destroy(node)).unwrap();
    }
}

async fn enroll(store: &Store) -> NodeId {
    store.node_create(&Node::new(Uuid::new_v4(), "fake-hardware")).await.unwrap().id
}

async fn rounds(store: Store, node: NodeId) {
    for _ in 0..ROUNDS {
        store.node_reserve(node, "host-1", "benchmark").await.unwrap();
        store.node_release(node, "host-1").await.unwrap();
    }
}

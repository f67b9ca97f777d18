//! What a task asks of the store.

use std::collections::BTreeMap;

use farrier_store::Store;

/// Store methods that tasks use.
const METHODS: [&str; 10] = [
    "node_get",
    "node_hand_over",
    "node_release",
    "node_reserve",
    "node_update",
    "node_want",
    "portgroups_by_node",
    "ports_by_node",
    "volume_connectors_by_node",
    "volume_targets_by_node",
];

/// What is asked from a moment on.
pub(crate) struct Calls {
    store: Store,
    before: BTreeMap<&'static str, u64>,
}

impl Calls {
    pub(crate) fn from_now_on(store: &Store) -> Self {
        Self { store: store.clone(), before: counts(store) }
    }

    /// How often a method was asked.
    pub(crate) fn of(&self, method: &str) -> u64 {
        self.store.probe().count(method) - self.before.get(method).copied().unwrap_or_default()
    }

    /// What was asked at all, and how often.
    pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
        METHODS.into_iter().map(|method| (method, self.of(method))).filter(|call| call.1 != 0).collect()
    }

    /// Waits until a method was asked so often.
    pub(crate) async fn wait_for(&self, method: &str, count: u64) {
        let wait = async {
            while self.of(method) < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(super::PATIENCE, wait).await.expect("it is asked");
    }
}

fn counts(store: &Store) -> BTreeMap<&'static str, u64> {
    METHODS.into_iter().map(|method| (method, store.probe().count(method))).collect()
}

//! Forgets old entries of the nodes' histories.
//!
//! Source: Ironic's conductor manager.

use std::time::Duration;

use tracing::info;

use super::Pass;
use crate::error::ConductorError;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Deletes what is beyond the entries and the days to keep, a batch at a time.
///
/// # Errors
///
/// Those of the store.
pub(super) async fn run(pass: Pass) -> Result<(), ConductorError> {
    let config = &pass.conductor.tasks().shared().config;
    let (keep, batch) = (config.node_history_max_entries, config.node_history_cleanup_batch_count.max(1));
    let age = DAY.saturating_mul(config.node_history_minimum_days);
    while !pass.stop.is_cancelled() {
        let deleted = pass.conductor.store().history_prune_all(keep, age, batch).await?;
        if deleted != 0 {
            info!(entries = deleted, "old history of nodes is forgotten");
        }
        if deleted < usize::try_from(batch).unwrap_or(usize::MAX) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use farrier_model::history::HistoryEntry;
    use farrier_store::Page;
    use uuid::Uuid;

    use super::*;
    use crate::config::ConductorConfig;
    use crate::task::tests::{Fixture, quick};

    #[tokio::test]
    async fn only_the_newest_entries_of_each_node_stay() {
        let config =
            ConductorConfig { node_history_max_entries: 2, node_history_cleanup_batch_count: 1, ..quick() };
        let fixture = Fixture::new(config).await;
        let (one, other) = (fixture.node().await, fixture.node().await);
        for (node, text) in [(&one, "a"), (&one, "b"), (&one, "c"), (&one, "d"), (&other, "e")] {
            let entry = HistoryEntry::new(Uuid::new_v4(), node.id, "host-1", text);
            fixture.store.history_create(&entry).await.unwrap();
        }

        run(Pass::new(&fixture.conductor)).await.unwrap();

        let mut left = Vec::new();
        for node in [&one, &other] {
            let entries = fixture.store.history_list(node.id, &Page::default()).await.unwrap();
            left.extend(entries.into_iter().map(|entry| entry.event));
        }
        assert_eq!(left, ["c", "d", "e"]);
    }

    #[tokio::test]
    async fn nothing_young_is_forgotten() {
        let config = ConductorConfig { node_history_max_entries: 0, node_history_minimum_days: 1, ..quick() };
        let fixture = Fixture::new(config).await;
        let node = fixture.node().await;
        let entry = HistoryEntry::new(Uuid::new_v4(), node.id, "host-1", "young");
        fixture.store.history_create(&entry).await.unwrap();

        run(Pass::new(&fixture.conductor)).await.unwrap();

        assert_eq!(fixture.store.history_list(node.id, &Page::default()).await.unwrap().len(), 1);
    }
}

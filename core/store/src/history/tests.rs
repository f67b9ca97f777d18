use std::time::Duration;

use farrier_model::history::{HistoryEntry, Severity};
use farrier_model::node::{Node, NodeId};
use farrier_model::provision::ProvisionState;
use uuid::Uuid;

use crate::error::{RecordKind, StoreError};
use crate::page::{Page, SortDirection};
use crate::suite::{TestDatabase, store_suite};

store_suite! {
    an_entry_comes_back_as_it_was_written,
    an_entry_is_found_on_its_node_only,
    entries_are_listed_in_pages,
    the_oldest_entries_are_pruned,
    all_histories_are_pruned_in_batches_and_by_age,
    an_entry_needs_its_node,
}

fn entry(node: &Node, event: &str) -> HistoryEntry {
    HistoryEntry::new(Uuid::new_v4(), node.id, "host-1", event)
}

async fn an_entry_comes_back_as_it_was_written(database: &TestDatabase) {
    let node = database.node().await;
    let wanted = HistoryEntry {
        severity: Severity::Error,
        event_type: "transition".to_owned(),
        user: Some("alice".to_owned()),
        project: Some("project".to_owned()),
        state: Some(ProvisionState::Cleaning),
        target_provision_state: Some(ProvisionState::Available),
        duration_seconds: Some(12),
        ..entry(&node, "it broke")
    };

    let written = database.store.history_create(&wanted).await.unwrap();

    assert_eq!(written, HistoryEntry { id: written.id, created_at: written.created_at, ..wanted });
    assert_eq!(database.store.history_get(node.id, written.uuid).await.unwrap(), written);
}

async fn an_entry_is_found_on_its_node_only(database: &TestDatabase) {
    let (node, other) = (database.node().await, database.node().await);
    let entry = database.store.history_create(&entry(&node, "event")).await.unwrap();

    let error = database.store.history_get(other.id, entry.uuid).await.unwrap_err();

    assert!(matches!(error, StoreError::NotFound { record: RecordKind::HistoryEntry, .. }), "{error:?}");
    assert!(database.store.history_list(other.id, &Page::default()).await.unwrap().is_empty());
}

/// Writes entries `1`, `2` and so on.
async fn write(database: &TestDatabase, node: &Node, number: usize) {
    for number in 1..=number {
        database.store.history_create(&entry(node, &number.to_string())).await.unwrap();
    }
}

async fn events(database: &TestDatabase, node: &Node, page: &Page) -> Vec<String> {
    let entries = database.store.history_list(node.id, page).await.unwrap();
    entries.into_iter().map(|entry| entry.event).collect()
}

async fn entries_are_listed_in_pages(database: &TestDatabase) {
    let node = database.node().await;
    write(database, &node, 3).await;
    let newest = Page { limit: Some(2), sort_direction: SortDirection::Descending, ..Page::default() };

    assert_eq!(events(database, &node, &Page::default()).await, ["1", "2", "3"]);
    assert_eq!(events(database, &node, &newest).await, ["3", "2"]);
}

async fn the_oldest_entries_are_pruned(database: &TestDatabase) {
    let (node, other) = (database.node().await, database.node().await);
    write(database, &node, 5).await;
    write(database, &other, 3).await;

    let pruned = database.store.history_prune(node.id, 2).await.unwrap();

    assert_eq!(pruned, 3);
    assert_eq!(events(database, &node, &Page::default()).await, ["4", "5"]);
    assert_eq!(events(database, &other, &Page::default()).await.len(), 3);
}

async fn all_histories_are_pruned_in_batches_and_by_age(database: &TestDatabase) {
    let (node, other) = (database.node().await, database.node().await);
    write(database, &node, 5).await;
    write(database, &other, 3).await;
    let day = Duration::from_secs(24 * 3600);

    let young = database.store.history_prune_all(2, day, 100).await.unwrap();
    let first = database.store.history_prune_all(2, Duration::ZERO, 3).await.unwrap();
    let second = database.store.history_prune_all(2, Duration::ZERO, 3).await.unwrap();

    assert_eq!((young, first, second), (0, 3, 1));
    assert_eq!(events(database, &node, &Page::default()).await, ["4", "5"]);
    assert_eq!(events(database, &other, &Page::default()).await, ["2", "3"]);
}

async fn an_entry_needs_its_node(database: &TestDatabase) {
    let nobody = Node { id: NodeId(7), ..TestDatabase::new_node() };

    let error = database.store.history_create(&entry(&nobody, "event")).await.unwrap_err();

    assert!(matches!(error, StoreError::NodeNotFound { .. }), "{error:?}");
}

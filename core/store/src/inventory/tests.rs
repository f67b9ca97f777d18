use farrier_model::inventory::Inventory;
use farrier_model::node::{Fields, NodeId};
use serde_json::json;

use crate::error::{RecordKind, StoreError};
use crate::suite::{TestDatabase, store_suite};

store_suite! {
    an_inventory_comes_back_as_it_was_saved,
    a_later_inspection_replaces_it,
    a_node_that_was_never_inspected_has_none,
    an_inventory_goes_with_its_node,
}

fn inventory(node: NodeId, cpus: i64) -> Inventory {
    let found = Fields::from_iter([("cpu".to_owned(), json!({"count": cpus}))]);
    let rest = Fields::from_iter([("boot_interface".to_owned(), json!("52:54:00:00:00:01"))]);
    Inventory::new(node, found, rest)
}

async fn an_inventory_comes_back_as_it_was_saved(database: &TestDatabase) {
    let node = database.node().await;
    let wanted = inventory(node.id, 4);

    database.store.inventory_save(&wanted).await.unwrap();

    let stored = database.store.inventory_get(node.id).await.unwrap();
    assert_eq!(stored, Inventory { created_at: stored.created_at, ..wanted });
    assert!(node.created_at <= stored.created_at);
}

async fn a_later_inspection_replaces_it(database: &TestDatabase) {
    let (node, other) = (database.node().await, database.node().await);
    for (node, cpus) in [(&node, 4), (&other, 1), (&node, 8)] {
        database.store.inventory_save(&inventory(node.id, cpus)).await.unwrap();
    }

    let stored = database.store.inventory_get(node.id).await.unwrap();

    assert_eq!(stored.inventory["cpu"]["count"], 8);
    assert_eq!(database.store.inventory_get(other.id).await.unwrap().inventory["cpu"]["count"], 1);
}

async fn a_node_that_was_never_inspected_has_none(database: &TestDatabase) {
    let node = database.node().await;

    let error = database.store.inventory_get(node.id).await.unwrap_err();

    assert!(matches!(error, StoreError::NotFound { record: RecordKind::Inventory, .. }), "{error:?}");
}

async fn an_inventory_goes_with_its_node(database: &TestDatabase) {
    let node = database.node().await;
    database.store.inventory_save(&inventory(node.id, 4)).await.unwrap();

    database.store.node_destroy(node.id).await.unwrap();

    assert!(database.store.inventory_get(node.id).await.is_err());
    let orphan = database.store.inventory_save(&inventory(node.id, 4)).await.unwrap_err();
    assert!(matches!(orphan, StoreError::NodeNotFound { .. }), "{orphan:?}");
}

use std::collections::BTreeMap;

use farrier_model::node::NodeId;

use crate::error::StoreError;
use crate::suite::{TestDatabase, store_suite};

store_suite! {
    a_new_version_was_flashed,
    components_that_are_gone_are_forgotten,
    firmware_needs_its_node,
}

fn found(components: &[(&str, &str)]) -> BTreeMap<String, String> {
    components.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
}

async fn shown(database: &TestDatabase, node: NodeId) -> Vec<String> {
    let components = database.store.firmware_by_node(node).await.unwrap();
    let shown = components.into_iter().map(|it| {
        let flashed = it.last_version_flashed.unwrap_or_default();
        format!("{} {} {} {flashed}", it.component, it.initial_version, it.current_version)
    });
    shown.collect()
}

async fn a_new_version_was_flashed(database: &TestDatabase) {
    let node = database.node().await.id;
    database.store.firmware_sync(node, &found(&[("bios", "1.0"), ("bmc", "7")])).await.unwrap();
    assert_eq!(shown(database, node).await, ["bios 1.0 1.0 ", "bmc 7 7 "]);
    let before = database.store.firmware_by_node(node).await.unwrap();

    database.store.firmware_sync(node, &found(&[("bios", "1.1"), ("bmc", "7")])).await.unwrap();

    assert_eq!(shown(database, node).await, ["bios 1.0 1.1 1.1", "bmc 7 7 "]);
    let after = database.store.firmware_by_node(node).await.unwrap();
    assert_eq!(after[1], before[1]);
    assert!(after[0].updated_at.is_some());
}

async fn components_that_are_gone_are_forgotten(database: &TestDatabase) {
    let node = database.node().await.id;
    database.store.firmware_sync(node, &found(&[("bios", "1.0"), ("nic:1", "3")])).await.unwrap();

    database.store.firmware_sync(node, &found(&[("bios", "1.0")])).await.unwrap();

    assert_eq!(shown(database, node).await, ["bios 1.0 1.0 "]);
}

async fn firmware_needs_its_node(database: &TestDatabase) {
    let error = database.store.firmware_sync(NodeId(4711), &found(&[])).await.unwrap_err();

    assert!(matches!(error, StoreError::NodeNotFound { .. }), "{error:?}");
}

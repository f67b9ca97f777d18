use std::collections::BTreeMap;

use farrier_model::node::NodeId;

use crate::error::StoreError;
use crate::suite::{TestDatabase, store_suite};

store_suite! {
    settings_are_kept_as_they_were_last_read,
    a_setting_that_stays_keeps_its_times,
    settings_belong_to_one_node_and_go_with_it,
    settings_need_their_node,
}

fn found(settings: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<String>> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
}

async fn shown(database: &TestDatabase, node: NodeId) -> String {
    let settings = database.store.bios_settings_by_node(node).await.unwrap();
    let shown = settings.into_iter().map(|setting| match setting.value {
        Some(value) => format!("{}={value}", setting.name),
        None => setting.name,
    });
    shown.collect::<Vec<_>>().join(" ")
}

async fn settings_are_kept_as_they_were_last_read(database: &TestDatabase) {
    let node = database.node().await.id;
    database.store.bios_settings_sync(node, &found(&[("b", Some("1")), ("a", None)])).await.unwrap();
    assert_eq!(shown(database, node).await, "a b=1");

    database.store.bios_settings_sync(node, &found(&[("b", Some("2")), ("c", Some(""))])).await.unwrap();

    assert_eq!(shown(database, node).await, "b=2 c=");
}

async fn a_setting_that_stays_keeps_its_times(database: &TestDatabase) {
    let node = database.node().await.id;
    database.store.bios_settings_sync(node, &found(&[("a", Some("1")), ("b", Some("1"))])).await.unwrap();
    let before = database.store.bios_settings_by_node(node).await.unwrap();

    database.store.bios_settings_sync(node, &found(&[("a", Some("1")), ("b", Some("2"))])).await.unwrap();

    let after = database.store.bios_settings_by_node(node).await.unwrap();
    assert_eq!(after[0], before[0]);
    assert_eq!(after[1].created_at, before[1].created_at);
    assert!(before[1].updated_at.is_none() && after[1].updated_at.is_some());
}

async fn settings_belong_to_one_node_and_go_with_it(database: &TestDatabase) {
    let (node, other) = (database.node().await, database.node().await);
    for node in [&node, &other] {
        database.store.bios_settings_sync(node.id, &found(&[("a", Some("1"))])).await.unwrap();
    }

    database.store.node_destroy(node.id).await.unwrap();

    assert_eq!(shown(database, node.id).await, "");
    assert_eq!(shown(database, other.id).await, "a=1");
}

async fn settings_need_their_node(database: &TestDatabase) {
    let error = database.store.bios_settings_sync(NodeId(4711), &found(&[("a", None)])).await.unwrap_err();

    assert!(matches!(error, StoreError::NodeNotFound { .. }), "{error:?}");
}

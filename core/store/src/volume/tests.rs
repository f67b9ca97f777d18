use std::slice;

use farrier_model::node::{Node, NodeId};
use farrier_model::volume::{VolumeConnector, VolumeTarget};
use serde_json::json;
use uuid::Uuid;

use super::VolumeFilter;
use crate::error::{DuplicateField, RecordKind, StoreError};
use crate::page::Page;
use crate::record::Record;
use crate::suite::{TestDatabase, store_suite};

store_suite! {
    volumes_come_back_as_they_were_created,
    a_connector_is_unique_within_its_kind,
    a_boot_index_is_unique_on_its_node,
    volumes_need_their_node,
    volumes_are_changed_and_stamped,
    volumes_can_be_forgotten,
    volumes_are_listed,
}

fn connector(node: &Node, connector_id: &str) -> VolumeConnector {
    VolumeConnector::new(Uuid::new_v4(), node.id, "iqn", connector_id)
}

fn target(node: &Node, boot_index: i64) -> VolumeTarget {
    VolumeTarget::new(Uuid::new_v4(), node.id, boot_index, "iscsi", "volume-1")
}

async fn volumes_come_back_as_they_were_created(database: &TestDatabase) {
    let node = database.node().await;
    let fields = |key: &str| serde_json::from_value(json!({key: "value"})).unwrap();
    let wanted = VolumeConnector { extra: fields("extra"), ..connector(&node, "iqn.2026-01.example:a") };
    let created = database.store.volume_connector_create(&wanted).await.unwrap();
    let (id, created_at) = (created.id, created.created_at);
    assert_eq!(created, VolumeConnector { id, created_at, node_uuid: node.uuid, ..wanted });
    assert_eq!(database.store.volume_connector_get(created.uuid).await.unwrap(), created);

    let wanted = VolumeTarget { extra: fields("extra"), properties: fields("lun"), ..target(&node, 0) };
    let created = database.store.volume_target_create(&wanted).await.unwrap();
    let (id, created_at) = (created.id, created.created_at);
    assert_eq!(created, VolumeTarget { id, created_at, node_uuid: node.uuid, ..wanted });
    assert_eq!(database.store.volume_target_get(created.uuid).await.unwrap(), created);
}

async fn a_connector_is_unique_within_its_kind(database: &TestDatabase) {
    let store = &database.store;
    let node = database.node().await;
    let first = store.volume_connector_create(&connector(&node, "a")).await.unwrap();
    let other_kind = VolumeConnector { kind: "wwnn".to_owned(), ..connector(&node, "a") };
    store.volume_connector_create(&other_kind).await.unwrap();

    for (expected, second) in [
        (DuplicateField::Uuid, VolumeConnector { uuid: first.uuid, ..connector(&node, "b") }),
        (DuplicateField::ConnectorId, connector(&node, "a")),
    ] {
        let error = store.volume_connector_create(&second).await.unwrap_err();

        assert!(matches!(error, StoreError::Duplicate { field, .. } if field == expected), "{error:?}");
    }
}

async fn a_boot_index_is_unique_on_its_node(database: &TestDatabase) {
    let store = &database.store;
    let (node, other) = (database.node().await, database.node().await);
    let first = store.volume_target_create(&target(&node, 0)).await.unwrap();
    store.volume_target_create(&target(&other, 0)).await.unwrap();

    for (expected, second) in [
        (DuplicateField::Uuid, VolumeTarget { uuid: first.uuid, ..target(&node, 1) }),
        (DuplicateField::BootIndex, target(&node, 0)),
    ] {
        let error = store.volume_target_create(&second).await.unwrap_err();

        assert!(matches!(error, StoreError::Duplicate { field, .. } if field == expected), "{error:?}");
    }
}

async fn volumes_need_their_node(database: &TestDatabase) {
    let nobody = Node { id: NodeId(7), ..TestDatabase::new_node() };

    let connector = database.store.volume_connector_create(&connector(&nobody, "a")).await.unwrap_err();
    let target = database.store.volume_target_create(&target(&nobody, 0)).await.unwrap_err();

    assert!(matches!(connector, StoreError::NodeNotFound { .. }), "{connector:?}");
    assert!(matches!(target, StoreError::NodeNotFound { .. }), "{target:?}");
}

async fn volumes_are_changed_and_stamped(database: &TestDatabase) {
    let store = &database.store;
    let node = database.node().await;
    let before = store.volume_connector_create(&connector(&node, "a")).await.unwrap();
    let after = VolumeConnector { connector_id: "b".to_owned(), ..before.clone() };
    let changed = store.volume_connector_update(&before, &after).await.unwrap();
    assert!(changed.updated_at.is_some());
    assert_eq!(changed, VolumeConnector { updated_at: changed.updated_at, ..after });

    let before = store.volume_target_create(&target(&node, 0)).await.unwrap();
    let after = VolumeTarget { boot_index: 3, ..before.clone() };
    let changed = store.volume_target_update(&before, &after).await.unwrap();
    assert!(changed.updated_at.is_some());
    assert_eq!(changed, VolumeTarget { updated_at: changed.updated_at, ..after });
}

async fn volumes_can_be_forgotten(database: &TestDatabase) {
    let store = &database.store;
    let node = database.node().await;
    let connector = store.volume_connector_create(&connector(&node, "a")).await.unwrap();
    let target = store.volume_target_create(&target(&node, 0)).await.unwrap();

    store.volume_connector_destroy(connector.uuid).await.unwrap();
    store.volume_target_destroy(target.uuid).await.unwrap();

    let connector = store.volume_connector_destroy(connector.uuid).await;
    let target = store.volume_target_destroy(target.uuid).await;
    assert!(matches!(connector, Err(StoreError::NotFound { record: RecordKind::VolumeConnector, .. })));
    assert!(matches!(target, Err(StoreError::NotFound { record: RecordKind::VolumeTarget, .. })));
}

async fn volumes_are_listed(database: &TestDatabase) {
    let store = &database.store;
    let (node, other) = (database.node().await, database.node().await);
    let mine = store.volume_connector_create(&connector(&node, "a")).await.unwrap();
    store.volume_connector_create(&connector(&other, "b")).await.unwrap();
    let my_target = store.volume_target_create(&target(&node, 0)).await.unwrap();
    store.volume_target_create(&target(&other, 0)).await.unwrap();
    let filter = VolumeFilter { node: Some(node.uuid) };

    assert_eq!(store.volume_connectors_by_node(node.id).await.unwrap(), slice::from_ref(&mine));
    assert_eq!(store.volume_targets_by_node(node.id).await.unwrap(), slice::from_ref(&my_target));
    for (key, _) in VolumeConnector::SORT {
        let page = Page { sort_key: (*key).to_owned(), ..Page::default() };
        assert_eq!(
            store.volume_connector_list(&filter, &page).await.unwrap(),
            slice::from_ref(&mine),
            "{key}"
        );
    }
    for (key, _) in VolumeTarget::SORT {
        let page = Page { sort_key: (*key).to_owned(), ..Page::default() };
        assert_eq!(
            store.volume_target_list(&filter, &page).await.unwrap(),
            slice::from_ref(&my_target),
            "{key}"
        );
    }
}

use std::slice;

use farrier_model::node::{Node, NodeId};
use farrier_model::port::Port;
use farrier_model::portgroup::Portgroup;
use serde_json::json;
use uuid::Uuid;

use super::PortgroupFilter;
use crate::error::{DuplicateField, RecordKind, StoreError};
use crate::page::Page;
use crate::record::Record;
use crate::suite::{TestDatabase, store_suite};

store_suite! {
    a_port_group_comes_back_as_it_was_created,
    a_second_port_group_with_the_same_unique_value_is_refused,
    a_port_group_needs_its_node,
    a_port_group_is_changed_and_stamped,
    a_port_group_with_ports_can_not_be_taken_apart,
    a_node_goes_with_its_ports_and_port_groups,
    port_groups_are_listed,
}

fn group(node: &Node) -> Portgroup {
    Portgroup::new(Uuid::new_v4(), node.id)
}

async fn a_port_group_comes_back_as_it_was_created(database: &TestDatabase) {
    let node = database.node().await;
    let fields = |key: &str| serde_json::from_value(json!({key: "value"})).unwrap();
    let wanted = Portgroup {
        name: Some("bond0".to_owned()),
        address: Some("52:54:00:AA:00:01".to_owned()),
        mode: "802.3ad".to_owned(),
        properties: fields("miimon"),
        standalone_ports_supported: false,
        physical_network: Some("physnet1".to_owned()),
        category: Some("fast".to_owned()),
        dynamic_portgroup: true,
        extra: fields("extra"),
        internal_info: fields("internal"),
        ..group(&node)
    };

    let created = database.store.portgroup_create(&wanted).await.unwrap();

    let expected = Portgroup {
        id: created.id,
        created_at: created.created_at,
        node_uuid: node.uuid,
        address: Some("52:54:00:aa:00:01".to_owned()),
        ..wanted
    };
    assert_eq!(created, expected);
    assert_eq!(database.store.portgroup_get(created.uuid).await.unwrap(), expected);
    assert_eq!(database.store.portgroup_get_by_name("bond0").await.unwrap(), expected);
}

async fn a_second_port_group_with_the_same_unique_value_is_refused(database: &TestDatabase) {
    let node = database.node().await;
    let first = Portgroup {
        name: Some("bond0".to_owned()),
        address: Some("52:54:00:00:00:01".to_owned()),
        ..group(&node)
    };
    database.store.portgroup_create(&first).await.unwrap();
    for (expected, second) in [
        (DuplicateField::Uuid, Portgroup { uuid: first.uuid, ..group(&node) }),
        (DuplicateField::Name, Portgroup { name: first.name.clone(), ..group(&node) }),
        (DuplicateField::Address, Portgroup { address: first.address.clone(), ..group(&node) }),
    ] {
        let error = database.store.portgroup_create(&second).await.unwrap_err();

        assert!(matches!(error, StoreError::Duplicate { field, .. } if field == expected), "{error:?}");
    }
}

async fn a_port_group_needs_its_node(database: &TestDatabase) {
    let error =
        database.store.portgroup_create(&Portgroup::new(Uuid::new_v4(), NodeId(7))).await.unwrap_err();

    assert!(matches!(error, StoreError::NodeNotFound { node } if node == "7"));
}

async fn a_port_group_is_changed_and_stamped(database: &TestDatabase) {
    let node = database.node().await;
    let before = database.store.portgroup_create(&group(&node)).await.unwrap();
    let after = Portgroup { mode: "balance-rr".to_owned(), ..before.clone() };

    let changed = database.store.portgroup_update(&before, &after).await.unwrap();

    assert!(changed.updated_at.is_some());
    assert_eq!(changed, Portgroup { updated_at: changed.updated_at, ..after });
}

async fn a_port_group_with_ports_can_not_be_taken_apart(database: &TestDatabase) {
    let store = &database.store;
    let node = database.node().await;
    let group = store.portgroup_create(&group(&node)).await.unwrap();
    let port = Port { portgroup_uuid: Some(group.uuid), ..Port::new(Uuid::new_v4(), node.id, "01") };
    store.port_create(&port).await.unwrap();

    let error = store.portgroup_destroy(group.uuid).await.unwrap_err();
    store.port_destroy(port.uuid).await.unwrap();
    store.portgroup_destroy(group.uuid).await.unwrap();

    assert!(matches!(error, StoreError::PortgroupNotEmpty { portgroup } if portgroup == group.uuid));
    let gone = store.portgroup_destroy(group.uuid).await.unwrap_err();
    assert!(matches!(gone, StoreError::NotFound { record: RecordKind::Portgroup, .. }));
}

async fn a_node_goes_with_its_ports_and_port_groups(database: &TestDatabase) {
    let store = &database.store;
    let node = database.node().await;
    let group = store.portgroup_create(&group(&node)).await.unwrap();
    let port = Port { portgroup_uuid: Some(group.uuid), ..Port::new(Uuid::new_v4(), node.id, "01") };
    store.port_create(&port).await.unwrap();

    store.node_destroy(node.id).await.unwrap();

    assert!(store.portgroups_by_node(node.id).await.unwrap().is_empty());
    assert!(store.ports_by_node(node.id).await.unwrap().is_empty());
}

async fn port_groups_are_listed(database: &TestDatabase) {
    let store = &database.store;
    let sharded = Node { shard: Some("s1".to_owned()), ..TestDatabase::new_node() };
    let sharded = store.node_create(&sharded).await.unwrap();
    let plain = database.node().await;
    store.portgroup_create(&group(&plain)).await.unwrap();
    let wanted = Portgroup { address: Some("02".to_owned()), ..group(&sharded) };
    let wanted = store.portgroup_create(&wanted).await.unwrap();

    for filter in [
        PortgroupFilter { node: Some(sharded.uuid), ..PortgroupFilter::default() },
        PortgroupFilter { address: Some("02".to_owned()), ..PortgroupFilter::default() },
        PortgroupFilter { shards: vec!["s1".to_owned()], ..PortgroupFilter::default() },
    ] {
        let groups = store.portgroup_list(&filter, &Page::default()).await.unwrap();
        assert_eq!(groups, slice::from_ref(&wanted), "{filter:?}");
    }
    assert_eq!(store.portgroups_by_node(sharded.id).await.unwrap(), slice::from_ref(&wanted));
    for (key, _) in Portgroup::SORT {
        let page = Page { sort_key: (*key).to_owned(), limit: Some(1), ..Page::default() };
        let groups = store.portgroup_list(&PortgroupFilter::default(), &page).await.unwrap();
        assert_eq!(groups.len(), 1, "{key}");
    }
}

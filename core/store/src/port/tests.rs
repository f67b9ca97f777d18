use std::slice;

use farrier_model::node::{Node, NodeId};
use farrier_model::port::Port;
use farrier_model::portgroup::Portgroup;
use serde_json::json;
use uuid::Uuid;

use super::PortFilter;
use crate::error::{DuplicateField, RecordKind, StoreError};
use crate::page::Page;
use crate::record::Record;
use crate::suite::{TestDatabase, store_suite};

store_suite! {
    a_port_comes_back_as_it_was_created,
    addresses_are_stored_in_lower_case,
    a_second_port_with_the_same_unique_value_is_refused,
    a_port_needs_its_node_and_its_port_group,
    a_port_is_changed_and_stamped,
    a_port_can_be_forgotten,
    ports_of_a_node_come_oldest_first,
    each_filter_lets_through_what_it_says,
    every_sort_key_works,
}

fn port(node: &Node, address: &str) -> Port {
    Port::new(Uuid::new_v4(), node.id, address)
}

async fn a_port_comes_back_as_it_was_created(database: &TestDatabase) {
    let node = database.node().await;
    let group = database.store.portgroup_create(&Portgroup::new(Uuid::new_v4(), node.id)).await.unwrap();
    let fields = |key: &str| serde_json::from_value(json!({key: [1, {"deep": null}]})).unwrap();
    let wanted = Port {
        portgroup_uuid: Some(group.uuid),
        name: Some("eth0".to_owned()),
        description: Some("uplink".to_owned()),
        local_link_connection: fields("switch"),
        physical_network: Some("physnet1".to_owned()),
        pxe_enabled: false,
        is_smartnic: true,
        available_for_dynamic_portgroup: false,
        vendor: Some("acme".to_owned()),
        category: Some("fast".to_owned()),
        extra: fields("extra"),
        internal_info: fields("internal"),
        ..port(&node, "52:54:00:00:00:01")
    };

    let created = database.store.port_create(&wanted).await.unwrap();

    let expected = Port { id: created.id, created_at: created.created_at, node_uuid: node.uuid, ..wanted };
    assert_eq!(created, expected);
    assert_eq!(database.store.port_get(created.uuid).await.unwrap(), expected);
}

async fn addresses_are_stored_in_lower_case(database: &TestDatabase) {
    let node = database.node().await;

    let created = database.store.port_create(&port(&node, "52:54:00:AA:BB:CC")).await.unwrap();

    assert_eq!(created.address, "52:54:00:aa:bb:cc");
    let filter = PortFilter { address: Some("52:54:00:Aa:BB:cc".to_owned()), ..PortFilter::default() };
    assert_eq!(database.store.port_list(&filter, &Page::default()).await.unwrap(), [created]);
}

async fn a_second_port_with_the_same_unique_value_is_refused(database: &TestDatabase) {
    let store = &database.store;
    let node = database.node().await;
    let first = store.port_create(&port(&node, "52:54:00:00:00:01")).await.unwrap();
    let second = store.port_create(&port(&node, "52:54:00:00:00:02")).await.unwrap();

    let by_uuid = store.port_create(&Port { uuid: first.uuid, ..port(&node, "52:54:00:00:00:03") }).await;
    let by_address = store.port_create(&port(&node, "52:54:00:00:00:01")).await;
    let by_change =
        store.port_update(&second, &Port { address: first.address.clone(), ..second.clone() }).await;

    let duplicate = |result: Result<Port, StoreError>| match result {
        Err(StoreError::Duplicate { record: RecordKind::Port, field, value }) => (field, value),
        other => panic!("{other:?}"),
    };
    assert_eq!(duplicate(by_uuid), (DuplicateField::Uuid, first.uuid.to_string()));
    assert_eq!(duplicate(by_address), (DuplicateField::Address, first.address.clone()));
    assert_eq!(duplicate(by_change), (DuplicateField::Address, first.address.clone()));
}

async fn a_port_needs_its_node_and_its_port_group(database: &TestDatabase) {
    let node = database.node().await;
    let orphan = Port::new(Uuid::new_v4(), NodeId(node.id.0 + 1), "52:54:00:00:00:01");
    let stray = Port { portgroup_uuid: Some(Uuid::new_v4()), ..port(&node, "52:54:00:00:00:01") };

    let no_node = database.store.port_create(&orphan).await.unwrap_err();
    let no_group = database.store.port_create(&stray).await.unwrap_err();

    assert!(matches!(no_node, StoreError::NodeNotFound { .. }), "{no_node:?}");
    assert!(matches!(no_group, StoreError::NotFound { record: RecordKind::Portgroup, .. }), "{no_group:?}");
}

async fn a_port_is_changed_and_stamped(database: &TestDatabase) {
    let node = database.node().await;
    let before = database.store.port_create(&port(&node, "52:54:00:00:00:01")).await.unwrap();
    let same = database.store.port_update(&before, &before).await.unwrap();
    assert_eq!(same.updated_at, None);

    let after = Port { name: Some("eth0".to_owned()), pxe_enabled: false, ..before.clone() };
    let changed = database.store.port_update(&before, &after).await.unwrap();

    assert!(changed.updated_at.is_some());
    assert_eq!(changed, Port { updated_at: changed.updated_at, ..after });
}

async fn a_port_can_be_forgotten(database: &TestDatabase) {
    let node = database.node().await;
    let port = database.store.port_create(&port(&node, "52:54:00:00:00:01")).await.unwrap();

    database.store.port_destroy(port.uuid).await.unwrap();

    for result in
        [database.store.port_get(port.uuid).await.map(drop), database.store.port_destroy(port.uuid).await]
    {
        assert!(matches!(result, Err(StoreError::NotFound { record: RecordKind::Port, .. })), "{result:?}");
    }
}

async fn ports_of_a_node_come_oldest_first(database: &TestDatabase) {
    let (node, other) = (database.node().await, database.node().await);
    for (node, address) in [(&node, "02"), (&other, "03"), (&node, "01")] {
        database.store.port_create(&port(node, address)).await.unwrap();
    }

    let ports = database.store.ports_by_node(node.id).await.unwrap();

    let addresses: Vec<_> = ports.iter().map(|port| port.address.as_str()).collect();
    assert_eq!(addresses, ["02", "01"]);
}

async fn each_filter_lets_through_what_it_says(database: &TestDatabase) {
    let store = &database.store;
    let sharded = Node { shard: Some("s1".to_owned()), ..TestDatabase::new_node() };
    let sharded = store.node_create(&sharded).await.unwrap();
    let group = store.portgroup_create(&Portgroup::new(Uuid::new_v4(), sharded.id)).await.unwrap();
    let plain = database.node().await;
    store.port_create(&port(&plain, "01")).await.unwrap();
    let wanted = Port { portgroup_uuid: Some(group.uuid), ..port(&sharded, "02") };
    let wanted = store.port_create(&wanted).await.unwrap();

    for filter in [
        PortFilter { node: Some(sharded.uuid), ..PortFilter::default() },
        PortFilter { address: Some("02".to_owned()), ..PortFilter::default() },
        PortFilter { portgroup: Some(group.uuid), ..PortFilter::default() },
        PortFilter { shards: vec!["s0".to_owned(), "s1".to_owned()], ..PortFilter::default() },
    ] {
        let ports = store.port_list(&filter, &Page::default()).await.unwrap();
        assert_eq!(ports, slice::from_ref(&wanted), "{filter:?}");
    }
    assert_eq!(store.port_list(&PortFilter::default(), &Page::default()).await.unwrap().len(), 2);
}

async fn every_sort_key_works(database: &TestDatabase) {
    let node = database.node().await;
    let port = database.store.port_create(&port(&node, "01")).await.unwrap();
    for (key, _) in Port::SORT {
        let page = Page { sort_key: (*key).to_owned(), ..Page::default() };
        assert_eq!(database.store.port_list(&PortFilter::default(), &page).await.unwrap().len(), 1, "{key}");
        let page = Page { marker: Some(port.uuid), ..page };
        assert_eq!(database.store.port_list(&PortFilter::default(), &page).await.unwrap(), [], "{key}");
    }
}

//! Nodes. The rows D1 to D13 are those of the reference's own tests of its database layer.

mod list;
mod lock;
mod properties;
mod release;
mod update;

use farrier_model::node::{Fault, Interfaces, Node, NodeName};
use farrier_model::port::Port;
use farrier_model::provision::ProvisionState;
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::power::PowerState;
use serde_json::json;
use uuid::Uuid;

use crate::error::{DuplicateField, RecordKind, StoreError};
use crate::suite::{TestDatabase, store_suite};

store_suite! {
    a_node_comes_back_as_it_was_created,
    a_node_is_found_by_name_and_by_uuid,
    a_node_that_is_not_there_is_not_found,
    a_second_node_with_the_same_unique_value_is_refused,
    many_nodes_without_a_name_live_together,
    a_new_node_is_not_locked_and_has_no_past,
    destroying_a_node_takes_its_belongings_with_it,
    a_number_is_never_given_twice,
    traits_and_tags_are_replaced,
}

/// A node with every field set that a client or a conductor sets.
fn full_node() -> Node {
    let fields = |key: &str| serde_json::from_value(json!({key: {"nested": [1, null, "ü"]}})).unwrap();
    Node {
        name: Some("node-1".to_owned()),
        conductor_group: "rack-1".to_owned(),
        interfaces: InterfaceType::ALL
            .into_iter()
            .map(|kind| (kind, format!("x-{kind}")))
            .collect::<Interfaces>(),
        driver_info: fields("driver_info"),
        driver_internal_info: fields("driver_internal_info"),
        properties: fields("properties"),
        extra: fields("extra"),
        resource_class: Some("gold".to_owned()),
        traits: vec!["CUSTOM_A".to_owned(), "CUSTOM_B".to_owned()],
        tags: vec!["one".to_owned(), "two, three".to_owned()],
        instance_info: fields("instance_info"),
        instance_uuid: Some(Uuid::from_u128(1)),
        instance_name: Some("instance".to_owned()),
        allocation_uuid: Some(Uuid::from_u128(2)),
        chassis_uuid: Some(Uuid::from_u128(3)),
        parent_node: Some(Uuid::from_u128(4)),
        power_state: Some(PowerState::On),
        target_power_state: Some(PowerState::Off),
        disable_power_off: true,
        provision_state: ProvisionState::DeployWait,
        target_provision_state: Some(ProvisionState::Active),
        clean_step: fields("clean_step"),
        deploy_step: fields("deploy_step"),
        service_step: fields("service_step"),
        automated_clean: Some(false),
        maintenance: true,
        maintenance_reason: Some("because".to_owned()),
        fault: Some(Fault::CleanFailure),
        last_error: Some("it broke".to_owned()),
        health: Some("OK".to_owned()),
        console_enabled: true,
        raid_config: fields("raid_config"),
        target_raid_config: fields("target_raid_config"),
        boot_mode: Some("uefi".to_owned()),
        secure_boot: Some(true),
        network_data: fields("network_data"),
        protected: true,
        protected_reason: Some("mine".to_owned()),
        retired: true,
        retired_reason: Some("old".to_owned()),
        owner: Some("owner".to_owned()),
        lessee: Some("lessee".to_owned()),
        shard: Some("shard".to_owned()),
        description: Some("100% 'quoted' \\ text".to_owned()),
        ..TestDatabase::new_node()
    }
}

async fn a_node_comes_back_as_it_was_created(database: &TestDatabase) {
    let wanted = full_node();

    let created = database.store.node_create(&wanted).await.unwrap();

    let expected = Node { id: created.id, created_at: created.created_at, ..wanted };
    assert!(created == expected);
    assert!(database.store.node_get(created.id).await.unwrap() == expected);
}

async fn a_node_is_found_by_name_and_by_uuid(database: &TestDatabase) {
    let wanted = Node { name: Some("node-1".to_owned()), ..TestDatabase::new_node() };
    let node = database.store.node_create(&wanted).await.unwrap();

    assert_eq!(database.store.node_get(node.uuid).await.unwrap().id, node.id);
    assert_eq!(database.store.node_get_by_name("node-1").await.unwrap().id, node.id);
    let uuid = node.uuid.to_string();
    assert_eq!(database.store.node_get_by_name(uuid.as_str()).await.unwrap().id, node.id);
}

async fn a_node_that_is_not_there_is_not_found(database: &TestDatabase) {
    let uuid = Uuid::new_v4();

    let by_uuid = database.store.node_get(uuid).await.unwrap_err();
    let by_name = database.store.node_get_by_name(NodeName::Name("nosuch".to_owned())).await.unwrap_err();

    assert!(matches!(by_uuid, StoreError::NodeNotFound { node } if node == uuid.to_string()));
    assert!(matches!(by_name, StoreError::NodeNotFound { node } if node == "nosuch"));
}

async fn a_second_node_with_the_same_unique_value_is_refused(database: &TestDatabase) {
    let first = Node {
        name: Some("node-1".to_owned()),
        instance_uuid: Some(Uuid::from_u128(7)),
        ..TestDatabase::new_node()
    };
    database.store.node_create(&first).await.unwrap();
    let other = TestDatabase::new_node;
    let cases = [
        (DuplicateField::Uuid, first.uuid.to_string(), Node { uuid: first.uuid, ..other() }),
        (DuplicateField::Name, "node-1".to_owned(), Node { name: first.name.clone(), ..other() }),
        (
            DuplicateField::InstanceUuid,
            Uuid::from_u128(7).to_string(),
            Node { instance_uuid: first.instance_uuid, ..other() },
        ),
    ];
    for (expected, text, node) in cases {
        let error = database.store.node_create(&node).await.unwrap_err();

        let StoreError::Duplicate { record: RecordKind::Node, field, value } = error else {
            panic!("{error:?}");
        };
        assert_eq!((field, value), (expected, text));
    }
    assert_eq!(database.store.node_count(&Default::default()).await.unwrap(), 1);
}

async fn many_nodes_without_a_name_live_together(database: &TestDatabase) {
    let (first, second) = (database.node().await, database.node().await);

    assert_ne!(first.id, second.id);
}

async fn a_new_node_is_not_locked_and_has_no_past(database: &TestDatabase) {
    let wanted = Node { reservation: Some("thief".to_owned()), ..TestDatabase::new_node() };

    let node = database.store.node_create(&wanted).await.unwrap();

    assert_eq!(node.reservation, None);
    assert_eq!(node.updated_at, None);
    assert_eq!(node.provision_updated_at, None);
}

async fn destroying_a_node_takes_its_belongings_with_it(database: &TestDatabase) {
    let store = &database.store;
    let node = store.node_create(&full_node()).await.unwrap();
    let port = Port::new(Uuid::new_v4(), node.id, "52:54:00:00:00:01");
    store.port_create(&port).await.unwrap();

    store.node_destroy(node.uuid).await.unwrap();

    assert!(matches!(store.port_get(port.uuid).await, Err(StoreError::NotFound { .. })));
    assert!(matches!(store.node_destroy(node.uuid).await, Err(StoreError::NodeNotFound { .. })));
    // Nothing of it is in the way of the next one.
    let again = store.node_create(&full_node()).await.unwrap();
    assert_eq!(again.traits, full_node().traits);
}

async fn a_number_is_never_given_twice(database: &TestDatabase) {
    let first = database.node().await;
    database.store.node_destroy(first.id).await.unwrap();

    let second = database.node().await;

    assert!(second.id > first.id);
}

async fn traits_and_tags_are_replaced(database: &TestDatabase) {
    let node = database.store.node_create(&full_node()).await.unwrap();
    let words = |words: [&str; 2]| words.map(str::to_owned);

    database.store.node_traits_set(node.id, &words(["CUSTOM_Z", "CUSTOM_A"])).await.unwrap();
    database.store.node_tags_set(node.id, &[]).await.unwrap();

    let node = database.store.node_get(node.id).await.unwrap();
    assert_eq!(node.traits, words(["CUSTOM_A", "CUSTOM_Z"]));
    assert!(node.tags.is_empty());
    let missing = database.store.node_traits_set(farrier_model::node::NodeId(0), &[]).await;
    assert!(matches!(missing, Err(StoreError::NodeNotFound { .. })));
}

//! Changing nodes.

use farrier_model::node::{Fields, Node};
use farrier_model::provision::ProvisionState;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::error::{DuplicateField, StoreError};
use crate::node::Admission;
use crate::store::Store;
use crate::suite::{TestDatabase, store_suite};

store_suite! {
    only_what_differs_is_written,
    an_update_that_changes_nothing_stamps_nothing,
    an_update_of_a_node_that_is_gone_is_refused,
    an_update_to_a_taken_name_is_refused,
    an_update_under_a_lost_lock_writes_nothing,
    an_update_under_the_own_lock_keeps_it,
    an_update_can_not_touch_the_lock,
    a_new_provision_state_is_stamped,
    inspection_keeps_its_times,
    touching_renews_the_provision_time_only,
    long_messages_are_cut,
    saved_internal_info_gets_a_new_revision,
    internal_info_saved_by_others_is_a_conflict,
    of_many_savers_at_one_revision_one_wins,
    an_update_keeps_what_a_driver_saved_in_between,
    a_lost_lock_protects_internal_info_too,
    of_many_at_one_moment_no_more_are_admitted_than_there_is_room_for,
    who_is_not_admitted_changes_nothing,
}

fn fields(value: serde_json::Value) -> Fields {
    serde_json::from_value(value).unwrap()
}

/// A node in `state`, going to `target`.
async fn in_state(store: &Store, state: ProvisionState) -> Node {
    let wanted = Node { provision_state: state, ..TestDatabase::new_node() };
    store.node_create(&wanted).await.unwrap()
}

async fn only_what_differs_is_written(database: &TestDatabase) {
    let store = &database.store;
    let first_view = database.node().await;
    let second_view = first_view.clone();
    let owned = Node { owner: Some("alice".to_owned()), ..first_view.clone() };
    store.node_update(&first_view, &owned).await.unwrap();

    let described = Node { description: Some("text".to_owned()), ..second_view.clone() };
    let node = store.node_update(&second_view, &described).await.unwrap();

    assert_eq!(node.owner.as_deref(), Some("alice"));
    assert_eq!(node.description.as_deref(), Some("text"));
    assert!(node.updated_at.is_some());
    assert_eq!(node.provision_updated_at, None);
}

async fn an_update_that_changes_nothing_stamps_nothing(database: &TestDatabase) {
    let node = database.node().await;

    let same = database.store.node_update(&node, &node).await.unwrap();

    assert!(same == node);
}

async fn an_update_of_a_node_that_is_gone_is_refused(database: &TestDatabase) {
    let node = database.node().await;
    database.store.node_destroy(node.id).await.unwrap();
    let by_field = Node { owner: Some("alice".to_owned()), ..node.clone() };
    let by_info = Node { driver_internal_info: fields(json!({"a": 1})), ..node.clone() };

    for after in [by_field, by_info] {
        let error = database.store.node_update(&node, &after).await.unwrap_err();
        assert!(matches!(error, StoreError::NodeNotFound { .. }), "{error:?}");
    }
}

async fn an_update_to_a_taken_name_is_refused(database: &TestDatabase) {
    let store = &database.store;
    let taken = Node {
        name: Some("taken".to_owned()),
        instance_uuid: Some(Uuid::from_u128(1)),
        ..TestDatabase::new_node()
    };
    store.node_create(&taken).await.unwrap();
    let node = database.node().await;
    let cases = [
        (DuplicateField::Name, Node { name: taken.name.clone(), ..node.clone() }),
        (DuplicateField::InstanceUuid, Node { instance_uuid: taken.instance_uuid, ..node.clone() }),
    ];
    for (expected, after) in cases {
        let error = store.node_update(&node, &after).await.unwrap_err();

        assert!(matches!(error, StoreError::Duplicate { field, .. } if field == expected), "{error:?}");
    }
    assert!(store.node_get(node.id).await.unwrap() == node);
}

async fn an_update_under_a_lost_lock_writes_nothing(database: &TestDatabase) {
    let store = &database.store;
    let node = database.node().await;
    let held = store.node_reserve(node.id, "r1", "test").await.unwrap();
    let after = Node { owner: Some("alice".to_owned()), ..held.clone() };
    store.node_reservations_clear("r1").await.unwrap();

    let unlocked = store.node_update(&held, &after).await.unwrap_err();
    store.node_reserve(node.id, "r2", "test").await.unwrap();
    let stolen = store.node_update(&held, &after).await.unwrap_err();

    assert!(matches!(unlocked, StoreError::NodeNotLocked { .. }), "{unlocked:?}");
    assert!(matches!(stolen, StoreError::NodeLocked { holder, .. } if holder == "r2"));
    assert_eq!(store.node_get(node.id).await.unwrap().owner, None);
}

async fn an_update_under_the_own_lock_keeps_it(database: &TestDatabase) {
    let node = database.node().await;
    let held = database.store.node_reserve(node.id, "r1", "test").await.unwrap();
    let after = Node { owner: Some("alice".to_owned()), ..held.clone() };

    let node = database.store.node_update(&held, &after).await.unwrap();

    assert_eq!(node.reservation.as_deref(), Some("r1"));
    assert_eq!(node.owner.as_deref(), Some("alice"));
}

async fn an_update_can_not_touch_the_lock(database: &TestDatabase) {
    let node = database.node().await;
    let after =
        Node { reservation: Some("thief".to_owned()), owner: Some("alice".to_owned()), ..node.clone() };

    let node = database.store.node_update(&node, &after).await.unwrap();

    assert_eq!(node.reservation, None);
}

async fn a_new_provision_state_is_stamped(database: &TestDatabase) {
    let node = in_state(&database.store, ProvisionState::Enroll).await;
    let after = Node {
        provision_state: ProvisionState::Verifying,
        target_provision_state: Some(ProvisionState::Manageable),
        ..node.clone()
    };

    let node = database.store.node_update(&node, &after).await.unwrap();

    assert_eq!(node.provision_state, ProvisionState::Verifying);
    assert_eq!(node.target_provision_state, Some(ProvisionState::Manageable));
    assert!(node.provision_updated_at.is_some_and(|time| time >= node.created_at));
    assert_eq!(node.inspection_started_at, None);
}

/// Moves a node, and says whether its inspection has begun and ended.
async fn inspect(store: &Store, node: &mut Node, state: ProvisionState) -> (bool, bool) {
    let after = Node { provision_state: state, ..node.clone() };
    *node = store.node_update(node, &after).await.unwrap();
    (node.inspection_started_at.is_some(), node.inspection_finished_at.is_some())
}

async fn inspection_keeps_its_times(database: &TestDatabase) {
    use ProvisionState::{InspectFail, InspectWait, Inspecting, Manageable};
    let store = &database.store;
    let mut node = in_state(store, Manageable).await;

    assert_eq!(inspect(store, &mut node, Inspecting).await, (true, false));
    assert_eq!(inspect(store, &mut node, InspectWait).await, (true, false));
    assert_eq!(inspect(store, &mut node, Manageable).await, (false, true));
    assert_eq!(inspect(store, &mut node, Inspecting).await, (true, false));
    assert_eq!(inspect(store, &mut node, Manageable).await, (false, true));
    assert_eq!(inspect(store, &mut node, Inspecting).await, (true, false));
    assert_eq!(inspect(store, &mut node, InspectFail).await, (false, false));
    assert_eq!(inspect(store, &mut node, Manageable).await, (false, false));
}

async fn touching_renews_the_provision_time_only(database: &TestDatabase) {
    let before = database.node().await;

    database.store.node_touch_provisioning(before.id).await.unwrap();

    let after = database.store.node_get(before.id).await.unwrap();
    assert!(after.provision_updated_at.is_some());
    assert!(Node { provision_updated_at: None, ..after } == before);
}

async fn long_messages_are_cut(database: &TestDatabase) {
    let node = database.node().await;
    let long = "ä".repeat(5000);
    let after =
        Node { last_error: Some(long.clone()), maintenance_reason: Some(long.clone()), ..node.clone() };

    let node = database.store.node_update(&node, &after).await.unwrap();

    let cut = "ä".repeat(4096);
    assert_eq!(node.last_error.as_ref(), Some(&cut));
    assert_eq!(node.maintenance_reason, Some(cut));
}

async fn saved_internal_info_gets_a_new_revision(database: &TestDatabase) {
    let store = &database.store;
    let wanted =
        Node { driver_internal_info: fields(json!({"keep": 1, "drop": 2})), ..TestDatabase::new_node() };
    let node = store.node_create(&wanted).await.unwrap();

    let revision = store
        .node_internal_info_save(node.id, 0, fields(json!({"new": [3]})), &["drop".to_owned()])
        .await
        .unwrap();

    let node = store.node_get(node.id).await.unwrap();
    assert_eq!((revision, node.driver_internal_info_revision), (1, 1));
    assert_eq!(node.driver_internal_info, fields(json!({"keep": 1, "new": [3]})));
    assert!(node.updated_at.is_some());
}

async fn internal_info_saved_by_others_is_a_conflict(database: &TestDatabase) {
    let store = &database.store;
    let node = database.node().await;
    store.node_internal_info_save(node.id, 0, fields(json!({"a": 1})), &[]).await.unwrap();

    let error = store.node_internal_info_save(node.id, 0, fields(json!({"a": 2})), &[]).await.unwrap_err();

    assert!(matches!(error, StoreError::InternalInfoConflict { expected: 0, found: 1, .. }), "{error:?}");
    let node = store.node_get(node.id).await.unwrap();
    assert_eq!(node.driver_internal_info, fields(json!({"a": 1})));
}

async fn of_many_savers_at_one_revision_one_wins(database: &TestDatabase) {
    let node = database.node().await;
    let other = database.another().await;
    let mut jobs = JoinSet::new();
    for number in 0..16 {
        let store = if number % 2 == 0 { database.store.clone() } else { other.clone() };
        let id = node.id;
        jobs.spawn(async move {
            store.node_internal_info_save(id, 0, fields(json!({"winner": number})), &[]).await
        });
    }

    let results = jobs.join_all().await;

    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for error in results.into_iter().filter_map(Result::err) {
        assert!(matches!(error, StoreError::InternalInfoConflict { .. }), "{error:?}");
    }
}

async fn an_update_keeps_what_a_driver_saved_in_between(database: &TestDatabase) {
    let store = &database.store;
    let wanted = Node { driver_internal_info: fields(json!({"old": 1})), ..TestDatabase::new_node() };
    let node = store.node_create(&wanted).await.unwrap();
    store.node_internal_info_save(node.id, 0, fields(json!({"driver": 1})), &[]).await.unwrap();
    let after = Node {
        driver_internal_info: fields(json!({"conductor": 1})),
        last_error: Some("text".to_owned()),
        ..node.clone()
    };

    let node = store.node_update(&node, &after).await.unwrap();

    assert_eq!(node.driver_internal_info, fields(json!({"driver": 1, "conductor": 1})));
    assert_eq!(node.driver_internal_info_revision, 2);
    assert_eq!(node.last_error.as_deref(), Some("text"));
}

async fn a_lost_lock_protects_internal_info_too(database: &TestDatabase) {
    let store = &database.store;
    let node = database.node().await;
    let held = store.node_reserve(node.id, "r1", "test").await.unwrap();
    store.node_reservations_clear("r1").await.unwrap();
    let after = Node { driver_internal_info: fields(json!({"a": 1})), ..held.clone() };

    let error = store.node_update(&held, &after).await.unwrap_err();

    assert!(matches!(error, StoreError::NodeNotLocked { .. }), "{error:?}");
    assert!(store.node_get(node.id).await.unwrap() == node);
}

fn deploying(conductor_group: Option<&str>, most: u32) -> Admission {
    Admission {
        states: vec![ProvisionState::Deploying, ProvisionState::DeployWait],
        conductor_group: conductor_group.map(str::to_owned),
        most,
    }
}

async fn of_many_at_one_moment_no_more_are_admitted_than_there_is_room_for(database: &TestDatabase) {
    const ROOM: u32 = 3;
    let stores = [database.store.clone(), database.another().await];
    let mut nodes = Vec::new();
    for _ in 0..12 {
        nodes.push(in_state(&database.store, ProvisionState::Available).await);
    }

    let mut asked = JoinSet::new();
    for (node, store) in nodes.into_iter().zip(stores.iter().cycle().cloned()) {
        asked.spawn(async move {
            let after = Node { provision_state: ProvisionState::Deploying, ..node.clone() };
            store.node_admit(&node, &after, &deploying(None, ROOM)).await
        });
    }

    let (mut admitted, mut refused) = (0, 0);
    for answer in asked.join_all().await {
        match answer {
            Ok(node) => {
                assert_eq!(node.provision_state, ProvisionState::Deploying);
                admitted += 1;
            }
            Err(StoreError::LimitReached { running, most: ROOM }) if running == i64::from(ROOM) => {
                refused += 1
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!((admitted, refused), (ROOM, 9));
    let there = database.store.node_count(&deploying(None, ROOM).filter()).await.unwrap();
    assert_eq!(there, i64::from(ROOM));
}

async fn who_is_not_admitted_changes_nothing(database: &TestDatabase) {
    let store = &database.store;
    in_state(store, ProvisionState::DeployWait).await;
    let node = in_state(store, ProvisionState::Available).await;
    let after = Node {
        provision_state: ProvisionState::Deploying,
        driver_internal_info: fields(json!({"a": 1})),
        ..node.clone()
    };

    let refused = store.node_admit(&node, &after, &deploying(None, 1)).await;

    assert!(matches!(refused, Err(StoreError::LimitReached { running: 1, most: 1 })), "{refused:?}");
    assert!(store.node_get(node.id).await.unwrap() == node);
    let admitted = store.node_admit(&node, &after, &deploying(Some("other"), 1)).await.unwrap();
    assert_eq!(admitted.driver_internal_info, fields(json!({"a": 1})));
}

//! Taking and releasing locks.

use std::time::Duration;

use farrier_model::conductor::HardwareInterface;
use farrier_model::node::{Node, NodeId};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::power::PowerState;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::conductor::Registration;
use crate::error::StoreError;
use crate::node::{Gone, HandOver, Release};
use crate::store::Store;
use crate::suite::{TestDatabase, store_suite};

store_suite! {
    row_d1_a_reserved_node_carries_tags_and_traits,
    row_d2_reserving_is_a_single_statement,
    row_d3_whoever_was_quicker_is_named,
    row_d4_releasing_empties_the_reservation,
    row_d5_others_can_neither_reserve_nor_release,
    row_d6_a_released_node_can_be_reserved_by_others,
    row_d7_the_refusal_names_the_holder,
    row_d8_a_destroyed_node_can_not_be_reserved,
    row_d9_a_destroyed_node_can_not_be_released,
    row_d10_a_node_that_was_never_locked_can_not_be_released,
    row_d11_clearing_locks_compares_without_case_and_nothing_else,
    row_d12_clearing_power_actions_leaves_an_error,
    row_d13_a_deleted_conductor_leaves_nothing_behind,
    a_lock_is_not_reentrant,
    a_lock_remembers_its_purpose_and_time,
    taking_and_releasing_leave_updated_at_alone,
    one_of_64_gets_the_lock,
    every_one_of_64_gets_the_lock_in_the_end,
    a_call_that_is_dropped_leaves_no_lock,
    a_release_that_is_dropped_releases,
    a_release_is_announced,
    a_lock_is_handed_over_without_being_free_in_between,
    a_lock_of_somebody_else_is_not_handed_over,
    a_later_lock_of_the_same_holder_is_neither_released_nor_handed_over,
    a_lock_changes_hands_only_while_whoever_must_be_gone_is,
    a_hand_over_that_is_dropped_leaves_the_lock_where_it_was_or_brings_it_back,
    a_wildcard_in_a_name_clears_no_other,
}

async fn reservation(store: &Store, node: &Node) -> Option<String> {
    store.node_get(node.id).await.unwrap().reservation
}

async fn row_d1_a_reserved_node_carries_tags_and_traits(database: &TestDatabase) {
    let store = &database.store;
    let node = store
        .node_create(&Node {
            tags: vec!["t1".to_owned(), "t2".to_owned()],
            traits: vec!["CUSTOM_1".to_owned(), "CUSTOM_2".to_owned()],
            ..TestDatabase::new_node()
        })
        .await
        .unwrap();

    let reserved = store.node_reserve(node.uuid, "r1", "test").await.unwrap();

    assert_eq!(reserved.tags, node.tags);
    assert_eq!(reserved.traits, node.traits);
    assert_eq!(reserved.reservation.as_deref(), Some("r1"));
    assert_eq!(reservation(store, &node).await.as_deref(), Some("r1"));
}

/// Differs: nothing is read before the conditional write, which returns the node.
async fn row_d2_reserving_is_a_single_statement(database: &TestDatabase) {
    let store = &database.store;
    let node = database.node().await;

    let before = store.probe().total();
    store.node_reserve(node.uuid, "r1", "test").await.unwrap();
    let reserved = store.probe().total();
    store.node_release(node.uuid, "r1").await.unwrap();
    let released = store.probe().total();

    assert_eq!((reserved - before, released - reserved), (1, 1));
}

/// Differs: the number of the node is not looked up before; the holder is read by whatever names the node.
async fn row_d3_whoever_was_quicker_is_named(database: &TestDatabase) {
    let node = database.node().await;
    let seen = database.store.node_get(node.uuid).await.unwrap();
    assert_eq!(seen.reservation, None);
    let other = database.another().await;
    other.node_reserve(node.uuid, "quicker", "test").await.unwrap();

    let error = database.store.node_reserve(seen.uuid, "slower", "test").await.unwrap_err();

    assert!(error.to_string().contains("quicker"), "{error}");
}

async fn row_d4_releasing_empties_the_reservation(database: &TestDatabase) {
    let node = database.node().await;
    database.store.node_reserve(node.uuid, "r1", "test").await.unwrap();

    database.store.node_release(node.uuid, "r1").await.unwrap();

    let node = database.store.node_get(node.id).await.unwrap();
    assert_eq!((node.reservation, node.reservation_purpose, node.reserved_at), (None, None, None));
}

async fn row_d5_others_can_neither_reserve_nor_release(database: &TestDatabase) {
    let store = &database.store;
    let node = database.node().await;
    store.node_reserve(node.uuid, "r1", "test").await.unwrap();

    let reserve = store.node_reserve(node.uuid, "r2", "test").await;
    let release = store.node_release(node.uuid, "r2").await;

    assert!(matches!(reserve, Err(StoreError::NodeLocked { .. })));
    assert!(matches!(release, Err(StoreError::NodeLocked { .. })));
    assert_eq!(reservation(store, &node).await.as_deref(), Some("r1"));
}

async fn row_d6_a_released_node_can_be_reserved_by_others(database: &TestDatabase) {
    let store = &database.store;
    let node = database.node().await;
    store.node_reserve(node.uuid, "r1", "test").await.unwrap();
    store.node_release(node.uuid, "r1").await.unwrap();

    store.node_reserve(node.uuid, "r2", "test").await.unwrap();

    assert_eq!(reservation(store, &node).await.as_deref(), Some("r2"));
}

async fn row_d7_the_refusal_names_the_holder(database: &TestDatabase) {
    let node = database.node().await;
    database.store.node_reserve(node.uuid, "r", "test").await.unwrap();

    let error = database.store.node_reserve(node.uuid, "another", "test").await.unwrap_err();

    assert_eq!(error.to_string(), format!("node {} is locked by conductor `r`", node.uuid));
}

async fn row_d8_a_destroyed_node_can_not_be_reserved(database: &TestDatabase) {
    let node = database.node().await;
    database.store.node_destroy(node.id).await.unwrap();

    let by_id = database.store.node_reserve(node.id, "r1", "test").await;
    let by_uuid = database.store.node_reserve(node.uuid, "r1", "test").await;

    assert!(matches!(by_id, Err(StoreError::NodeNotFound { .. })));
    assert!(matches!(by_uuid, Err(StoreError::NodeNotFound { .. })));
}

async fn row_d9_a_destroyed_node_can_not_be_released(database: &TestDatabase) {
    let node = database.node().await;
    database.store.node_reserve(node.id, "r1", "test").await.unwrap();
    database.store.node_destroy(node.id).await.unwrap();

    let by_id = database.store.node_release(node.id, "r1").await;
    let by_uuid = database.store.node_release(node.uuid, "r1").await;

    assert!(matches!(by_id, Err(StoreError::NodeNotFound { .. })));
    assert!(matches!(by_uuid, Err(StoreError::NodeNotFound { .. })));
}

async fn row_d10_a_node_that_was_never_locked_can_not_be_released(database: &TestDatabase) {
    let node = database.node().await;

    let by_id = database.store.node_release(node.id, "r1").await;
    let by_uuid = database.store.node_release(node.uuid, "r1").await;

    assert!(matches!(by_id, Err(StoreError::NodeNotLocked { .. })));
    assert!(matches!(by_uuid, Err(StoreError::NodeNotLocked { .. })));
}

/// Four nodes held by `hostname1`, `hostname2`, nobody and `hostName1`, each with a power action under way.
async fn four_nodes(store: &Store) -> Vec<Node> {
    let mut nodes = Vec::new();
    for holder in [Some("hostname1"), Some("hostname2"), None, Some("hostName1")] {
        let wanted = Node { target_power_state: Some(PowerState::On), ..TestDatabase::new_node() };
        let node = store.node_create(&wanted).await.unwrap();
        if let Some(holder) = holder {
            store.node_reserve(node.id, holder, "test").await.unwrap();
        }
        nodes.push(node);
    }
    nodes
}

async fn row_d11_clearing_locks_compares_without_case_and_nothing_else(database: &TestDatabase) {
    let store = &database.store;
    let nodes = four_nodes(store).await;

    let mut cleared = store.node_reservations_clear("hostname1").await.unwrap();

    let mut expected = vec![nodes[0].uuid, nodes[3].uuid];
    cleared.sort_unstable();
    expected.sort_unstable();
    assert_eq!(cleared, expected);
    let holders = [None, Some("hostname2".to_owned()), None, None];
    for (node, holder) in nodes.iter().zip(holders) {
        assert_eq!(reservation(store, node).await, holder);
    }
}

async fn row_d12_clearing_power_actions_leaves_an_error(database: &TestDatabase) {
    let store = &database.store;
    let nodes = four_nodes(store).await;
    let error = "Pending power operation was aborted";

    let cleared = store.node_target_power_states_clear("hostname1", error).await.unwrap();

    assert_eq!(cleared.len(), 2);
    for (node, cleared) in nodes.iter().zip([true, false, false, true]) {
        let node = store.node_get(node.id).await.unwrap();
        assert_eq!(node.target_power_state.is_none(), cleared);
        assert_eq!(node.last_error.as_deref(), cleared.then_some(error));
        assert_eq!(node.updated_at.is_some(), cleared);
    }
}

async fn row_d13_a_deleted_conductor_leaves_nothing_behind(database: &TestDatabase) {
    let store = &database.store;
    let registration = Registration {
        hostname: "hostname1".to_owned(),
        conductor_group: String::new(),
        drivers: vec!["fake-hardware".to_owned()],
        replace_online: false,
    };
    let conductor = store.conductor_register(&registration).await.unwrap();
    let interface = HardwareInterface {
        hardware_type: "fake-hardware".to_owned(),
        interface_type: InterfaceType::Power,
        interface_name: "fake".to_owned(),
        is_default: true,
    };
    store.conductor_interfaces_register(&conductor, &[interface]).await.unwrap();
    let before = database.node().await;
    let prepared = Node {
        conductor_affinity: Some(conductor.id),
        target_power_state: Some(PowerState::Off),
        ..before.clone()
    };
    let node = store.node_update(&before, &prepared).await.unwrap();
    store.node_reserve(node.id, "hostname1", "test").await.unwrap();

    store.conductor_destroy("hostname1", "aborted").await.unwrap();

    let node = store.node_get(node.id).await.unwrap();
    assert_eq!(node.reservation, None);
    assert_eq!(node.target_power_state, None);
    assert_eq!(node.last_error.as_deref(), Some("aborted"));
    assert_eq!(node.conductor_affinity, None);
    assert!(store.conductor_interfaces_list(&conductor).await.unwrap().is_empty());
    let gone = store.conductor_get("hostname1").await;
    assert!(matches!(gone, Err(StoreError::ConductorNotFound { .. })));
}

async fn a_lock_is_not_reentrant(database: &TestDatabase) {
    let node = database.node().await;
    database.store.node_reserve(node.id, "r1", "test").await.unwrap();

    let again = database.store.node_reserve(node.id, "r1", "test").await;

    assert!(matches!(again, Err(StoreError::NodeLocked { holder, .. }) if holder == "r1"));
}

async fn a_lock_remembers_its_purpose_and_time(database: &TestDatabase) {
    let node = database.node().await;

    let reserved = database.store.node_reserve(node.id, "r1", "changing power").await.unwrap();

    assert_eq!(reserved.reservation_purpose.as_deref(), Some("changing power"));
    assert!(reserved.reserved_at.is_some_and(|time| time >= node.created_at));
}

async fn taking_and_releasing_leave_updated_at_alone(database: &TestDatabase) {
    let before = database.node().await;
    let after = Node { description: Some("changed".to_owned()), ..before.clone() };
    let node = database.store.node_update(&before, &after).await.unwrap();
    assert!(node.updated_at.is_some());

    let reserved = database.store.node_reserve(node.id, "r1", "test").await.unwrap();
    database.store.node_release(node.id, "r1").await.unwrap();
    database.store.node_reserve(node.id, "r1", "test").await.unwrap();
    database.store.node_reservations_clear("r1").await.unwrap();

    assert_eq!(reserved.updated_at, node.updated_at);
    assert!(database.store.node_get(node.id).await.unwrap() == node);
}

/// Hands a lock over whatever else is so.
fn order(from: &str, holder: &str) -> HandOver {
    let (from, holder) = (from.to_owned(), holder.to_owned());
    HandOver { from, since: None, holder, purpose: "our work".to_owned(), gone: None }
}

async fn a_lock_is_handed_over_without_being_free_in_between(database: &TestDatabase) {
    let (store, node) = (&database.store, database.node().await);
    store.node_reserve(node.id, "r1", "their work").await.unwrap();
    let mut releases = store.node_releases();

    let handed = store.node_hand_over(node.id, order("r1", "r2")).await.unwrap();

    let holder = (handed.reservation.as_deref(), handed.reservation_purpose.as_deref());
    assert_eq!(holder, (Some("r2"), Some("our work")));
    assert!(store.node_get(node.id).await.unwrap() == handed);
    // Nothing was released that anybody would be told of before what is released now.
    let other = database.node().await;
    store.node_reserve(other.id, "r1", "test").await.unwrap();
    store.node_release(other.id, "r1").await.unwrap();
    let told = async {
        loop {
            // A listener that has just connected tells all to look for themselves.
            if let Release::Node(released) = releases.next().await {
                break released;
            }
        }
    };
    assert_eq!(timeout(Duration::from_secs(30), told).await.expect("it is told"), other.id);
}

async fn a_lock_of_somebody_else_is_not_handed_over(database: &TestDatabase) {
    let (store, node) = (&database.store, database.node().await);

    let free = store.node_hand_over(node.id, order("r1", "r2")).await;
    store.node_reserve(node.id, "r3", "test").await.unwrap();
    let held = store.node_hand_over(node.id, order("r1", "r2")).await;
    let missing = store.node_hand_over(NodeId(i64::MAX), order("r1", "r2")).await;

    assert!(matches!(free, Err(StoreError::NodeNotLocked { .. })), "{free:?}");
    assert!(matches!(held, Err(StoreError::NodeLocked { ref holder, .. }) if holder == "r3"), "{held:?}");
    assert!(matches!(missing, Err(StoreError::NodeNotFound { .. })), "{missing:?}");
    assert_eq!(reservation(store, &node).await.as_deref(), Some("r3"));
}

async fn a_later_lock_of_the_same_holder_is_neither_released_nor_handed_over(database: &TestDatabase) {
    let (store, node) = (&database.store, database.node().await);
    let earlier = store.node_reserve(node.id, "r1", "test").await.unwrap().reserved_at;
    store.node_release(node.id, "r1").await.unwrap();
    let later = store.node_reserve(node.id, "r1", "test").await.unwrap();

    let released = store.node_release_since(node.id, "r1", earlier).await;
    let handed = store.node_hand_over(node.id, HandOver { since: earlier, ..order("r1", "r2") }).await;

    assert!(
        matches!(released, Err(StoreError::NodeLocked { ref holder, .. }) if holder == "r1"),
        "{released:?}"
    );
    assert!(matches!(handed, Err(StoreError::NodeLocked { ref holder, .. }) if holder == "r1"), "{handed:?}");
    assert!(store.node_get(node.id).await.unwrap() == later);
    let since = later.reserved_at;
    let handed = store.node_hand_over(node.id, HandOver { since, ..order("r1", "r2") }).await.unwrap();
    store.node_release_since(node.id, "r2", handed.reserved_at).await.unwrap();
    assert_eq!(reservation(store, &node).await, None);
}

async fn a_lock_changes_hands_only_while_whoever_must_be_gone_is(database: &TestDatabase) {
    let (store, node) = (&database.store, database.node().await);
    let registration = Registration {
        hostname: "r2".to_owned(),
        conductor_group: String::new(),
        drivers: Vec::new(),
        replace_online: false,
    };
    store.conductor_register(&registration).await.unwrap();
    store.node_reserve(node.id, "r1", "test").await.unwrap();
    let gone = |name: &str| Some(Gone { conductor: name.to_owned(), timeout: Duration::from_secs(3600) });
    let order = || HandOver { gone: gone("r2"), ..order("r1", "r2") };

    let alive = store.node_hand_over(node.id, order()).await;
    store.conductor_offline("r2").await.unwrap();
    let offline = store.node_hand_over(node.id, order()).await.unwrap();
    let back = HandOver { from: "r2".to_owned(), holder: "r1".to_owned(), gone: gone("nosuch"), ..order() };
    let unknown = store.node_hand_over(node.id, back).await.unwrap();

    assert!(matches!(alive, Err(StoreError::NodeLocked { ref holder, .. }) if holder == "r1"), "{alive:?}");
    assert_eq!(offline.reservation.as_deref(), Some("r2"));
    assert_eq!(unknown.reservation.as_deref(), Some("r1"));
}

async fn a_hand_over_that_is_dropped_leaves_the_lock_where_it_was_or_brings_it_back(database: &TestDatabase) {
    let store = &database.store;
    for patience in (0..400).step_by(20).map(Duration::from_micros) {
        let node = database.node().await;
        store.node_reserve(node.id, "r1", "test").await.unwrap();

        let handed = timeout(patience, store.node_hand_over(node.id, order("r1", "r2"))).await;

        if handed.is_ok() {
            assert_eq!(reservation(store, &node).await.as_deref(), Some("r2"));
            continue;
        }
        // Whatever was under way is undone: it can be handed to somebody else.
        let wait = async {
            while store.node_hand_over(node.id, order("r1", "r3")).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), wait).await.expect("the lock comes back");
    }
}

async fn one_of_64_gets_the_lock(database: &TestDatabase) {
    let node = database.node().await;
    let other = database.another().await;
    let mut jobs = JoinSet::new();
    for number in 0..64 {
        let store = if number % 2 == 0 { database.store.clone() } else { other.clone() };
        let id = node.id;
        jobs.spawn(async move { store.node_reserve(id, &format!("r{number}"), "test").await });
    }

    let results = jobs.join_all().await;

    let winners: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!(winners.len(), 1);
    let winner = winners[0].reservation.clone().unwrap();
    for result in &results {
        match result {
            Ok(_) => {}
            Err(StoreError::NodeLocked { holder, .. }) => assert_eq!(*holder, winner),
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(reservation(&database.store, &node).await, Some(winner));
}

async fn every_one_of_64_gets_the_lock_in_the_end(database: &TestDatabase) {
    let node = database.node().await;
    let other = database.another().await;
    let mut jobs = JoinSet::new();
    for number in 0..64 {
        let store = if number % 2 == 0 { database.store.clone() } else { other.clone() };
        jobs.spawn(count_under_lock(store, node.id, format!("r{number}")));
    }

    jobs.join_all().await;

    // Reading and writing under the lock never lost a count.
    let node = database.store.node_get(node.id).await.unwrap();
    assert_eq!(node.extra.get("count"), Some(&64.into()));
    assert_eq!(node.reservation, None);
}

/// Takes the lock as soon as it can, adds one to a count, releases the lock.
async fn count_under_lock(store: Store, id: NodeId, holder: String) {
    let before = loop {
        match store.node_reserve(id, &holder, "counting").await {
            Ok(node) => break node,
            Err(error) if error.is_retryable() => tokio::task::yield_now().await,
            Err(error) => panic!("{error:?}"),
        }
    };
    let count = before.extra.get("count").and_then(serde_json::Value::as_i64).unwrap_or(0);
    let mut after = before.clone();
    after.extra.insert("count".to_owned(), (count + 1).into());
    store.node_update(&before, &after).await.unwrap();
    store.node_release(id, &holder).await.unwrap();
}

async fn a_call_that_is_dropped_leaves_no_lock(database: &TestDatabase) {
    let store = &database.store;
    let node = database.node().await;
    for patience in (0..400).step_by(10).map(Duration::from_micros) {
        if timeout(patience, store.node_reserve(node.id, "r1", "test")).await.is_ok_and(|lock| lock.is_ok()) {
            store.node_release(node.id, "r1").await.unwrap();
        }
    }

    // Whatever was under way is undone: somebody else gets the lock.
    let wait = async {
        while store.node_reserve(node.id, "r2", "test").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), wait).await.expect("a lock was left behind");
}

async fn a_release_that_is_dropped_releases(database: &TestDatabase) {
    let store = &database.store;
    let node = database.node().await;
    let mut releases = store.node_releases();
    store.node_reserve(node.id, "r1", "test").await.unwrap();

    let release = store.node_release(node.id, "r1");
    timeout(Duration::ZERO, release).await.ok();

    let wait = async {
        while reservation(store, &node).await.is_some() {
            releases.of(node.id).await;
        }
    };
    timeout(Duration::from_secs(60), wait).await.expect("it was given up");
}

async fn a_release_is_announced(database: &TestDatabase) {
    let store = &database.store;
    let (first, second) = (database.node().await, database.node().await);
    let mut releases = store.node_releases();
    store.node_reserve(first.id, "r1", "test").await.unwrap();
    store.node_reserve(second.id, "r2", "test").await.unwrap();

    store.node_release(first.uuid, "r1").await.unwrap();
    store.node_reservations_clear("r2").await.unwrap();

    for node in [first.id, second.id] {
        timeout(Duration::from_secs(60), releases.of(node)).await.expect("it is told");
    }
}

async fn a_wildcard_in_a_name_clears_no_other(database: &TestDatabase) {
    let node = database.node().await;
    database.store.node_reserve(node.id, "nodeA1", "test").await.unwrap();

    for name in ["node_1", "node%", "%"] {
        assert!(database.store.node_reservations_clear(name).await.unwrap().is_empty());
    }

    assert_eq!(reservation(&database.store, &node).await.as_deref(), Some("nodeA1"));
}

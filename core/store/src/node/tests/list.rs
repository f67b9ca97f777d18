//! Lists of nodes.

use std::time::Duration;

use farrier_model::node::{Fault, Node};
use farrier_model::port::Port;
use farrier_model::provision::ProvisionState;
use farrier_sdk::interface::power::PowerState;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::{RecordKind, StoreError};
use crate::node::{Children, NodeBrief, NodeFilter, NodeSummary};
use crate::page::{Page, SortDirection};
use crate::record::Record;
use crate::store::Store;
use crate::suite::{TestDatabase, store_suite};

store_suite! {
    briefs_are_filtered_and_sorted_like_nodes,
    summaries_are_filtered_sorted_and_cut_like_nodes,
    without_a_filter_all_nodes_come_oldest_first,
    each_filter_lets_through_what_it_says,
    each_filter_leaves_out_what_it_says,
    filters_are_combined,
    a_description_is_searched_as_text,
    times_are_compared_as_times,
    pages_follow_each_other_without_loss,
    every_sort_key_works_in_both_directions,
    an_unknown_sort_key_is_refused,
    an_unknown_marker_is_not_found,
    text_is_sorted_by_its_bytes,
    a_count_agrees_with_the_list,
    a_node_is_found_by_the_addresses_of_its_ports,
    what_waits_longest_comes_first,
}

/// Enrolls nodes named `n0`, `n1` and so on.
async fn enroll(store: &Store, nodes: Vec<Node>) -> Vec<Node> {
    let mut enrolled = Vec::new();
    for (number, node) in nodes.into_iter().enumerate() {
        let named = Node { name: Some(format!("n{number}")), ..node };
        enrolled.push(store.node_create(&named).await.unwrap());
    }
    enrolled
}

async fn names(store: &Store, filter: &NodeFilter, page: &Page) -> Vec<String> {
    let nodes = store.node_list(filter, page).await.unwrap();
    nodes.into_iter().map(|node| node.label()).collect()
}

async fn filtered(store: &Store, filter: NodeFilter) -> Vec<String> {
    names(store, &filter, &Page::default()).await
}

async fn without_a_filter_all_nodes_come_oldest_first(database: &TestDatabase) {
    enroll(&database.store, vec![TestDatabase::new_node(), TestDatabase::new_node()]).await;

    assert_eq!(filtered(&database.store, NodeFilter::default()).await, ["n0", "n1"]);
}

/// A node that differs from a new one in everything that can be filtered by.
fn special() -> Node {
    let text = |text: &str| Some(text.to_owned());
    Node {
        instance_uuid: Some(Uuid::from_u128(1)),
        instance_name: text("i"),
        chassis_uuid: Some(Uuid::from_u128(2)),
        parent_node: Some(Uuid::from_u128(3)),
        maintenance: true,
        fault: Some(Fault::PowerFailure),
        retired: true,
        provision_state: ProvisionState::Active,
        resource_class: text("gold"),
        conductor_group: "rack".to_owned(),
        owner: text("alice"),
        lessee: text("bob"),
        shard: text("s1"),
        target_power_state: Some(PowerState::On),
        console_enabled: true,
        ..Node::new(Uuid::new_v4(), "special")
    }
}

async fn each_filter_lets_through_what_it_says(database: &TestDatabase) {
    let store = &database.store;
    let text = |text: &str| Some(text.to_owned());
    let nodes = enroll(store, vec![TestDatabase::new_node(), special()]).await;
    store.node_reserve(nodes[1].id, "host", "test").await.unwrap();
    let list = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect::<Vec<_>>();
    let none = NodeFilter::default;
    let special_only = [
        NodeFilter { instance_uuid: Some(Uuid::from_u128(1)), ..none() },
        NodeFilter { instance_name: text("i"), ..none() },
        NodeFilter { associated: Some(true), ..none() },
        NodeFilter { chassis_uuid: Some(Uuid::from_u128(2)), ..none() },
        NodeFilter { maintenance: Some(true), ..none() },
        NodeFilter { fault: Some(Fault::PowerFailure), ..none() },
        NodeFilter { retired: Some(true), ..none() },
        NodeFilter { provision_states: vec![ProvisionState::Active, ProvisionState::Error], ..none() },
        NodeFilter { drivers: list(&["other", "special"]), ..none() },
        NodeFilter { resource_class: text("gold"), ..none() },
        NodeFilter { conductor_group: text("rack"), ..none() },
        NodeFilter { owner: text("alice"), ..none() },
        NodeFilter { lessee: text("bob"), ..none() },
        NodeFilter { project: text("alice"), ..none() },
        NodeFilter { project: text("bob"), ..none() },
        NodeFilter { shards: list(&["s0", "s1"]), ..none() },
        NodeFilter { sharded: Some(true), ..none() },
        NodeFilter { children: Children::Of(Uuid::from_u128(3)), ..none() },
        NodeFilter { reserved: Some(true), ..none() },
        NodeFilter { reserved_by: list(&["host", "other"]), ..none() },
        NodeFilter { power_pending: Some(true), ..none() },
        NodeFilter { console_enabled: Some(true), ..none() },
        NodeFilter { ids: Some(vec![nodes[1].id]), ..none() },
    ];
    for filter in special_only {
        assert_eq!(filtered(store, filter.clone()).await, ["n1"], "{filter:?}");
    }
}

async fn each_filter_leaves_out_what_it_says(database: &TestDatabase) {
    let store = &database.store;
    let nodes = enroll(store, vec![TestDatabase::new_node(), special()]).await;
    store.node_reserve(nodes[1].id, "host", "test").await.unwrap();
    let none = NodeFilter::default;
    let plain_only = [
        NodeFilter { associated: Some(false), ..none() },
        NodeFilter { maintenance: Some(false), ..none() },
        NodeFilter { retired: Some(false), ..none() },
        NodeFilter { conductor_group: Some(String::new()), ..none() },
        NodeFilter { sharded: Some(false), ..none() },
        NodeFilter { children: Children::Excluded, ..none() },
        NodeFilter { reserved: Some(false), ..none() },
        NodeFilter { power_pending: Some(false), ..none() },
        NodeFilter { console_enabled: Some(false), ..none() },
    ];
    for filter in plain_only {
        assert_eq!(filtered(store, filter.clone()).await, ["n0"], "{filter:?}");
    }
    assert!(filtered(store, NodeFilter { ids: Some(Vec::new()), ..none() }).await.is_empty());
    assert_eq!(
        filtered(store, NodeFilter { conductor_affinity_other_than: Some(1), ..none() }).await.len(),
        2
    );
}

async fn filters_are_combined(database: &TestDatabase) {
    let owned = |retired| Node { owner: Some("alice".to_owned()), retired, ..TestDatabase::new_node() };
    enroll(&database.store, vec![owned(true), owned(false), TestDatabase::new_node()]).await;

    let filter =
        NodeFilter { owner: Some("alice".to_owned()), retired: Some(false), ..NodeFilter::default() };

    assert_eq!(filtered(&database.store, filter).await, ["n1"]);
}

async fn a_description_is_searched_as_text(database: &TestDatabase) {
    let described = |text: &str| Node { description: Some(text.to_owned()), ..TestDatabase::new_node() };
    let nodes =
        vec![described("100% BUSY"), described("a_b\\c"), described("plain"), TestDatabase::new_node()];
    enroll(&database.store, nodes).await;

    for (text, expected) in [
        ("100%", vec!["n0"]),
        ("busy", vec!["n0"]),
        ("A_B\\", vec!["n1"]),
        ("%", vec!["n0"]),
        ("a", vec!["n1", "n2"]),
    ] {
        let filter = NodeFilter { description_contains: Some(text.to_owned()), ..NodeFilter::default() };
        assert_eq!(filtered(&database.store, filter).await, expected, "{text}");
    }
}

async fn times_are_compared_as_times(database: &TestDatabase) {
    let store = &database.store;
    let nodes = enroll(store, vec![TestDatabase::new_node(), TestDatabase::new_node()]).await;
    let after = Node { provision_state: ProvisionState::Inspecting, ..nodes[0].clone() };
    let node = store.node_update(&nodes[0], &after).await.unwrap();
    let time = node.provision_updated_at.unwrap();

    for (limit, expected) in [(time, 0), (time + Duration::from_micros(1), 1), (Timestamp::UNIX_EPOCH, 0)] {
        for filter in [
            NodeFilter { provision_updated_before: Some(limit), ..NodeFilter::default() },
            NodeFilter {
                inspection_started_before: Some(limit + Duration::from_secs(1)),
                provision_updated_before: Some(limit),
                ..NodeFilter::default()
            },
        ] {
            assert_eq!(filtered(store, filter.clone()).await.len(), expected, "{filter:?}");
        }
    }
}

async fn pages_follow_each_other_without_loss(database: &TestDatabase) {
    let store = &database.store;
    let owners = [Some("b"), None, Some("a"), Some("b"), None, Some("c"), Some("a")];
    let owned = |owner: Option<&str>| Node { owner: owner.map(str::to_owned), ..TestDatabase::new_node() };
    enroll(store, owners.map(owned).to_vec()).await;
    for (sort_direction, expected) in [
        (SortDirection::Ascending, ["n1", "n4", "n2", "n6", "n0", "n3", "n5"]),
        (SortDirection::Descending, ["n5", "n3", "n0", "n6", "n2", "n4", "n1"]),
    ] {
        for limit in 1..=7 {
            let mut page =
                Page { limit: Some(limit), marker: None, sort_key: "owner".to_owned(), sort_direction };
            let mut seen = Vec::new();
            loop {
                let nodes = store.node_list(&NodeFilter::default(), &page).await.unwrap();
                let Some(last) = nodes.last() else { break };
                page.marker = Some(last.uuid);
                seen.extend(nodes.iter().map(Node::label));
            }
            assert_eq!(seen, expected, "{limit} {sort_direction:?}");
        }
    }
}

async fn every_sort_key_works_in_both_directions(database: &TestDatabase) {
    let store = &database.store;
    let nodes = enroll(store, vec![TestDatabase::new_node(), super::full_node()]).await;
    for (key, _) in Node::SORT {
        for sort_direction in [SortDirection::Ascending, SortDirection::Descending] {
            let page = Page { sort_key: (*key).to_owned(), sort_direction, ..Page::default() };
            let sorted = names(store, &NodeFilter::default(), &page).await;
            let first = nodes.iter().find(|node| node.name.as_ref() == sorted.first()).unwrap();
            let rest = names(store, &NodeFilter::default(), &Page { marker: Some(first.uuid), ..page }).await;
            assert_eq!(sorted[1..], rest[..], "{key} {sort_direction:?}");
        }
    }
}

async fn an_unknown_sort_key_is_refused(database: &TestDatabase) {
    for key in ["driver_info", "nosuch", "id; DROP TABLE nodes", ""] {
        let page = Page { sort_key: key.to_owned(), ..Page::default() };

        let error = database.store.node_list(&NodeFilter::default(), &page).await.unwrap_err();

        assert!(matches!(error, StoreError::InvalidSortKey { record: RecordKind::Node, .. }), "{error:?}");
    }
}

async fn an_unknown_marker_is_not_found(database: &TestDatabase) {
    let page = Page { marker: Some(Uuid::new_v4()), ..Page::default() };

    let error = database.store.node_list(&NodeFilter::default(), &page).await.unwrap_err();

    assert!(matches!(error, StoreError::NodeNotFound { .. }), "{error:?}");
}

async fn text_is_sorted_by_its_bytes(database: &TestDatabase) {
    let store = &database.store;
    for name in ["b", "B", "a-1", "a1", "_", "ä"] {
        let node = Node { name: Some(name.to_owned()), ..TestDatabase::new_node() };
        store.node_create(&node).await.unwrap();
    }

    let page = Page { sort_key: "name".to_owned(), ..Page::default() };

    assert_eq!(names(store, &NodeFilter::default(), &page).await, ["B", "_", "a-1", "a1", "b", "ä"]);
}

async fn a_count_agrees_with_the_list(database: &TestDatabase) {
    let retired = Node { retired: true, ..TestDatabase::new_node() };
    enroll(&database.store, vec![TestDatabase::new_node(), TestDatabase::new_node(), retired]).await;
    let filter = NodeFilter { retired: Some(false), ..NodeFilter::default() };

    assert_eq!(database.store.node_count(&filter).await.unwrap(), 2);
    assert_eq!(database.store.node_count(&NodeFilter::default()).await.unwrap(), 3);
}

async fn a_node_is_found_by_the_addresses_of_its_ports(database: &TestDatabase) {
    let store = &database.store;
    let nodes = enroll(store, vec![TestDatabase::new_node(), TestDatabase::new_node()]).await;
    for (node, address) in [(0, "52:54:00:00:00:01"), (0, "52:54:00:00:00:02"), (1, "52:54:00:00:00:03")] {
        store.port_create(&Port::new(Uuid::new_v4(), nodes[node].id, address)).await.unwrap();
    }
    let with = |addresses: &[&str]| NodeFilter {
        port_addresses: addresses.iter().map(|&address| address.to_owned()).collect(),
        ..NodeFilter::default()
    };

    let both = ["52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:ff"];
    assert_eq!(filtered(store, with(&both)).await, ["n0"]);
    assert_eq!(filtered(store, with(&["52:54:00:00:00:01", "52:54:00:00:00:03"])).await, ["n0", "n1"]);
    assert!(filtered(store, with(&["52:54:00:00:00:ff"])).await.is_empty());
}

async fn what_waits_longest_comes_first(database: &TestDatabase) {
    let store = &database.store;
    let nodes = enroll(store, vec![TestDatabase::new_node(), TestDatabase::new_node()]).await;
    for node in nodes.iter().rev() {
        let after = Node { provision_state: ProvisionState::CleanWait, ..node.clone() };
        store.node_update(node, &after).await.unwrap();
    }
    let waiting = NodeFilter {
        provision_states: vec![ProvisionState::CleanWait],
        reserved: Some(false),
        maintenance: Some(false),
        provision_updated_before: Some(Timestamp::now() + Duration::from_secs(1)),
        ..NodeFilter::default()
    };
    let page = Page { sort_key: "provision_updated_at".to_owned(), ..Page::default() };

    assert_eq!(names(store, &waiting, &page).await, ["n1", "n0"]);
    store.node_reserve(nodes[1].id, "host", "test").await.unwrap();
    assert_eq!(names(store, &waiting, &page).await, ["n0"]);
}

async fn briefs_are_filtered_and_sorted_like_nodes(database: &TestDatabase) {
    let store = &database.store;
    for (name, maintenance) in [("b", false), ("c", true), ("a", false)] {
        let node = Node {
            name: Some(name.to_owned()),
            conductor_group: name.to_owned(),
            maintenance,
            ..TestDatabase::new_node()
        };
        store.node_create(&node).await.unwrap();
    }
    let filter = NodeFilter { maintenance: Some(false), ..NodeFilter::default() };
    let page = Page { sort_key: "name".to_owned(), ..Page::default() };

    let briefs = store.node_brief_list(&filter, &page).await.unwrap();

    let nodes = store.node_list(&filter, &page).await.unwrap();
    let wanted: Vec<_> = nodes
        .into_iter()
        .map(|Node { id, uuid, driver, conductor_group, .. }| NodeBrief { id, uuid, driver, conductor_group })
        .collect();
    assert_eq!(briefs, wanted);
    assert_eq!(briefs.len(), 2);
}

async fn summaries_are_filtered_sorted_and_cut_like_nodes(database: &TestDatabase) {
    let store = &database.store;
    let mut marker = None;
    for (name, maintenance) in [("b", true), ("c", false), ("a", true), ("d", true)] {
        let node = Node {
            name: Some(name.to_owned()),
            maintenance,
            instance_uuid: Some(Uuid::new_v4()),
            power_state: Some(PowerState::On),
            ..TestDatabase::new_node()
        };
        let node = store.node_create(&node).await.unwrap();
        marker = marker.or(Some(node.uuid));
    }
    let filter = NodeFilter { maintenance: Some(true), ..NodeFilter::default() };
    let page = Page {
        sort_key: "name".to_owned(),
        sort_direction: SortDirection::Descending,
        limit: Some(1),
        marker,
    };

    let summaries = store.node_summary_list(&filter, &page).await.unwrap();

    let nodes = store.node_list(&filter, &page).await.unwrap();
    let wanted: Vec<_> = nodes
        .into_iter()
        .map(|Node { uuid, name, instance_uuid, maintenance, power_state, provision_state, .. }| {
            NodeSummary { uuid, name, instance_uuid, maintenance, power_state, provision_state }
        })
        .collect();
    assert_eq!(summaries, wanted);
    assert_eq!(summaries.iter().map(|node| node.name.as_deref()).collect::<Vec<_>>(), [Some("a")]);
}

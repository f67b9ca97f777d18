//! Tests of the node on the wire.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::version::table::TABLE;
use crate::version::{MAX, MIN};

fn node() -> Node {
    Node {
        uuid: "a1b2c3d4-0001-4000-8000-000000000001".to_owned(),
        name: Some("n1".to_owned()),
        provision_state: Some("available".to_owned()),
        ..Node::default()
    }
    .with_links("http://h")
}

#[test]
fn the_list_of_members_is_the_type() {
    let written = serde_json::to_value(Node::default()).unwrap();
    let written: BTreeSet<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();

    assert_eq!(written, NODE.fields.iter().copied().collect());
}

#[test]
fn every_name_that_versions_add_is_one_that_nodes_have() {
    for row in TABLE.iter().filter(|row| row.topic == Topic::Node) {
        for name in row.names {
            let known = match row.kind {
                Kind::Field => NODE.fields.contains(name),
                Kind::Parameter => {
                    ["fields", "detail", "reset_interfaces"].contains(name)
                        || NODE.filters.iter().any(|filter| filter.name == *name)
                }
                Kind::Endpoint | Kind::Verb | Kind::Behavior => true,
            };
            assert!(known, "{name}");
        }
    }
}

#[test]
fn the_oldest_version_shows_the_oldest_members() {
    let view = NODE.view(&node(), MIN, None);

    let names: Vec<&str> = view.keys().map(String::as_str).collect();
    assert_eq!(
        names.join(" "),
        "chassis_uuid console_enabled created_at driver driver_info extra instance_info instance_uuid last_error links \
         maintenance maintenance_reason ports power_state properties provision_state provision_updated_at reservation \
         target_power_state target_provision_state updated_at uuid"
    );
}

#[test]
fn the_newest_version_shows_everything() {
    assert_eq!(NODE.view(&node(), MAX, None).len(), NODE.fields.len());
}

#[test]
fn a_member_appears_with_its_version() {
    let shows = |minor| NODE.view(&node(), Microversion::new(minor), None).contains_key("firmware_interface");

    assert!(!shows(85));
    assert!(shows(86));
}

#[test]
fn selected_members_come_with_the_links() {
    let fields = ["uuid".to_owned(), "name".to_owned()];

    let view = NODE.view(&node(), MAX, Some(&fields));

    assert_eq!(view.keys().collect::<Vec<_>>(), ["links", "name", "uuid"]);
}

#[test]
fn the_short_form_has_the_links_and_what_the_version_knows() {
    assert_eq!(NODE.summarize(&node(), MAX).len(), NODE.summary.len() + 1);
    assert!(!NODE.summarize(&node(), Microversion::new(4)).contains_key("name"));
}

#[test]
fn old_versions_know_states_by_other_names() {
    let shown = |state: &str, minor| {
        let node = Node { provision_state: Some(state.to_owned()), ..Node::default() };
        NODE.view(&node, Microversion::new(minor), None).remove("provision_state").unwrap()
    };

    assert_eq!(shown("available", 1), Value::Null);
    assert_eq!(shown("available", 2), json!("available"));
    assert_eq!(shown("inspect wait", 38), json!("inspecting"));
    assert_eq!(shown("inspect wait", 39), json!("inspect wait"));
    assert_eq!(shown("active", 1), json!("active"));
}

#[test]
fn links_lead_to_what_belongs_to_the_node() {
    let node = node();

    let addresses: Vec<&str> = [&node.links, &node.ports, &node.states, &node.portgroups, &node.volume]
        .iter()
        .map(|links| links[0].href.as_str())
        .collect();
    insta::assert_snapshot!(addresses.join("\n"), @"
    http://h/v1/nodes/a1b2c3d4-0001-4000-8000-000000000001
    http://h/v1/nodes/a1b2c3d4-0001-4000-8000-000000000001/ports
    http://h/v1/nodes/a1b2c3d4-0001-4000-8000-000000000001/states
    http://h/v1/nodes/a1b2c3d4-0001-4000-8000-000000000001/portgroups
    http://h/v1/nodes/a1b2c3d4-0001-4000-8000-000000000001/volume
    ");
}

#[test]
fn names_are_unreserved_characters() {
    for name in ["n1", "rack~1.node_2-x", "metal3~host", "1"] {
        assert!(is_valid_name(name, MAX), "{name}");
    }
    let long = "n".repeat(256);
    for name in
        ["", "bad name!", "a/b", "é", "detail", "states", "a1b2c3d4-0001-4000-8000-000000000001", &long]
    {
        assert!(!is_valid_name(name, MAX), "{name}");
    }
}

#[test]
fn before_1_10_names_are_hosts() {
    let version = Microversion::new(9);

    assert!(is_valid_name("n1.example.org", version));
    for name in ["rack_1", "n~1", "-n", "n-", "a..b"] {
        assert!(!is_valid_name(name, version), "{name}");
    }
}

#[test]
fn a_reason_for_maintenance_is_optional() {
    assert_eq!(MaintenanceRequest::parse(&Value::Null), Ok(MaintenanceRequest { reason: None }));
    assert_eq!(MaintenanceRequest::parse(&json!({"reason": null})), Ok(MaintenanceRequest { reason: None }));
    assert_eq!(
        MaintenanceRequest::parse(&json!({"reason": "fan"})),
        Ok(MaintenanceRequest { reason: Some("fan".to_owned()) })
    );
    assert!(MaintenanceRequest::parse(&json!({"reason": 1})).is_err());
}

#[test]
fn states_are_those_of_the_node_in_its_version() {
    let states = NodeStates::from(&node());

    assert!(states.view(MAX).contains_key("boot_mode"));
    assert!(!states.view(Microversion::new(72)).contains_key("boot_mode"));
    assert_eq!(states.view(MIN)["provision_state"], Value::Null);
}

#[test]
fn debug_output_of_a_node_shows_no_credentials() {
    let body = json!({"driver": "ipmi", "driver_info": {"ipmi_password": "hunter2"}});
    let create = NodeCreate::parse(MAX, &body).unwrap();
    let node: Node = serde_json::from_value(body).unwrap();

    let written = format!("{create:?} {node:?}");

    assert!(written.contains("ipmi_password"));
    assert!(!written.contains("hunter2"));
}

#[test]
fn a_new_node_needs_its_driver_alone() {
    let create = NodeCreate::parse(MAX, &json!({"driver": "ipmi"})).unwrap();

    assert_eq!(create, NodeCreate { driver: "ipmi".to_owned(), ..NodeCreate::default() });
}

#[test]
fn what_a_new_node_is_given_is_read() {
    let body = json!({
        "driver": "ipmi", "name": "n1", "driver_info": {"a": 1}, "extra": null, "automated_clean": "False",
        "power_interface": "ipmitool", "boot_interface": null, "owner": null,
    });

    let create = NodeCreate::parse(MAX, &body).unwrap();

    assert_eq!(create.automated_clean, Some(false));
    assert_eq!(create.driver_info.unwrap().0, body["driver_info"].as_object().unwrap().clone());
    assert_eq!(create.extra, None);
    assert_eq!(
        create.interfaces.into_iter().collect::<Vec<_>>(),
        [("power".to_owned(), "ipmitool".to_owned())]
    );
}

#[test]
fn a_wrong_new_node_is_refused_in_the_words_of_the_reference() {
    let refusals: Vec<String> = [
        json!({"name": "x"}),
        json!(null),
        json!([]),
        json!("a"),
        json!({"driver": "d", "bogus": 1}),
        json!({"driver": "d", "bogus": 1, "provision_state": "active"}),
        json!({"driver": 1}),
        json!({"driver": "d", "extra": "notadict"}),
        json!({"driver": "d", "driver_info": "hunter2"}),
        json!({"driver": "d", "automated_clean": "maybe"}),
        json!({"driver": "d", "name": "bad name!"}),
        json!({"driver": "d", "uuid": "x"}),
        json!({"driver": "d", "resource_class": "x".repeat(81)}),
    ]
    .iter()
    .map(|body| {
        let fault = NodeCreate::parse(MAX, body).unwrap_err();
        format!("{} {fault}", fault.code())
    })
    .collect();

    insta::assert_snapshot!(refusals.join("\n"), @"
    400 Schema error for node: 'driver' is a required property
    400 Schema error for node: 'driver' is a required property
    400 Schema error for node: [] is not of type 'object'
    400 Schema error for node: 'a' is not of type 'object'
    400 Schema error for node: Additional properties are not allowed ('bogus' was unexpected)
    400 Schema error for node: Additional properties are not allowed ('bogus', 'provision_state' were unexpected)
    400 Schema error for node: 1 is not of type 'string'
    400 Schema error for node: 'notadict' is not of type 'object', 'null'
    400 Schema error for node: '******' is not of type 'object', 'null'
    400 Invalid automated_clean: Unrecognized value 'maybe', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'
    400 Cannot create node with invalid name 'bad name!'
    400 Expected UUID for uuid: x
    400 Schema error for node: 'resource_class' is longer than 80 characters
    ");
}

#[test]
fn a_member_newer_than_the_version_is_not_acceptable() {
    let body = json!({"driver": "d", "rescue_interface": "fake"});

    assert_eq!(NodeCreate::parse(Microversion::new(37), &body).unwrap_err().code(), 406);
    assert!(NodeCreate::parse(Microversion::new(38), &body).is_ok());
}

#[test]
fn the_newest_version_shows_all_and_the_one_before_a_change_does_not() {
    let newest = TABLE
        .iter()
        .filter(|row| row.topic == Topic::Node && matches!(row.kind, Kind::Field | Kind::Behavior))
        .map(|row| row.minor)
        .max()
        .unwrap();

    assert!(NODE.shows_all(MAX));
    assert!(NODE.shows_all(Microversion::new(newest)));
    assert!(!NODE.shows_all(Microversion::new(newest - 1)));
}

#[test]
fn a_selection_within_the_short_form_is_told_from_one_beyond_it() {
    let fields = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let members = |version, names: &[&str]| NODE.summary_members(version, Some(&fields(names)));

    assert_eq!(members(MAX, &["name", "links", "uuid"]), Some(vec!["uuid", "name", "links"]));
    assert_eq!(members(Microversion::new(4), &["name"]), Some(vec!["links"]));
    assert_eq!(members(MAX, &["name", "driver"]), None);
    assert_eq!(NODE.summary_members(MAX, None).unwrap().len(), NODE.summary.len() + 1);
}

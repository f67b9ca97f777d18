//! Tests of the port on the wire.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::patch::Patch;
use crate::version::table::TABLE;
use crate::version::{MAX, MIN};

const NODE: &str = "a1b2c3d4-0001-4000-8000-000000000001";

#[test]
fn the_list_of_members_is_the_type() {
    let written = serde_json::to_value(Port::default()).unwrap();
    let written: BTreeSet<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();

    assert_eq!(written, PORT.fields.iter().copied().collect());
}

#[test]
fn every_member_that_versions_add_is_one_that_ports_have() {
    for row in TABLE.iter().filter(|row| row.topic == Topic::Port && row.kind == Kind::Field) {
        for name in row.names {
            assert!(PORT.fields.contains(name), "{name}");
        }
    }
}

#[test]
fn the_oldest_version_shows_the_oldest_members() {
    let view = PORT.view(&Port::default(), MIN, None);

    assert_eq!(
        view.keys().collect::<Vec<_>>(),
        ["address", "created_at", "extra", "links", "node_uuid", "updated_at", "uuid"]
    );
}

#[test]
fn the_short_form_is_the_address() {
    let port = Port { uuid: "u".to_owned(), address: "52:54:00:00:00:01".to_owned(), ..Port::default() };

    let summary = PORT.summarize(&port.with_links("http://h"), MAX);

    assert_eq!(
        Value::from(summary),
        json!({
            "uuid": "u", "address": "52:54:00:00:00:01",
            "links": [{"href": "http://h/v1/ports/u", "rel": "self"}, {"href": "http://h/ports/u", "rel": "bookmark"}],
        })
    );
}

#[test]
fn what_a_new_port_is_given_is_read() {
    let body =
        json!({"address": "52:54:00:AA:00:02", "node_uuid": NODE, "pxe_enabled": "false", "extra": null});

    let create = PortCreate::parse(MAX, &body).unwrap();

    assert_eq!(create.address, "52:54:00:aa:00:02");
    assert_eq!(create.pxe_enabled, Some(false));
    assert_eq!(create.extra, None);
}

#[test]
fn a_node_is_given_by_name_from_1_94() {
    let body = json!({"address": "52:54:00:aa:00:02", "node_uuid": "n1"});

    assert_eq!(
        PortCreate::parse(Microversion::new(93), &body).unwrap_err().message(),
        "Expected UUID for node_uuid: n1"
    );
    assert!(PortCreate::parse(Microversion::new(94), &body).is_ok());
}

#[test]
fn a_wrong_new_port_is_refused_in_the_words_of_the_reference() {
    let refusals: Vec<String> = [
        json!({"node_uuid": NODE}),
        json!({"address": "52:54:00:aa:00:02"}),
        json!({"address": "not-a-mac", "node_uuid": NODE}),
        json!({"address": "52:54:00:aa:00:02", "node_uuid": NODE, "internal_info": {}}),
        json!({"address": "52:54:00:aa:00:02", "node_uuid": NODE, "uuid": "x"}),
    ]
    .iter()
    .map(|body| PortCreate::parse(MAX, body).unwrap_err().to_string())
    .collect();

    insta::assert_snapshot!(refusals.join("\n"), @"
    Schema error for port: 'address' is a required property
    Schema error for port: 'node_uuid' is a required property
    Expected valid MAC address for address: not-a-mac
    Schema error for port: Additional properties are not allowed ('internal_info' was unexpected)
    Expected UUID for uuid: x
    ");
}

#[test]
fn a_member_newer_than_the_version_is_not_acceptable() {
    let body = json!({"address": "52:54:00:aa:00:02", "node_uuid": NODE, "vendor": "v"});

    assert_eq!(PortCreate::parse(Microversion::new(99), &body).unwrap_err().code(), 406);
}

#[test]
fn a_patch_keeps_the_address() {
    let patch = Patch::parse(&PATCH, MAX, &json!([{"op": "remove", "path": "/address"}])).unwrap();

    let fault = patch.apply(&Map::new()).unwrap_err();

    assert_eq!(fault.message(), "Schema error for patch: 'address' is a required property");
}

#[test]
fn removing_pxe_enabled_enables_it() {
    let patch = Patch::parse(&PATCH, MAX, &json!([{"op": "remove", "path": "/pxe_enabled"}])).unwrap();

    assert_eq!(patch.apply(&Map::new()).unwrap().members["pxe_enabled"], true);
}

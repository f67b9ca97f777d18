//! Tests of JSON patch, one per rule.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::node::PATCH;
use crate::version::MAX;

/// The stored members of a node, as far as the tests need them.
fn node() -> Map<String, Value> {
    let members = json!({
        "name": "n1", "driver": "ipmi", "power_interface": "ipmitool", "protected": false, "automated_clean": true,
        "conductor_group": "g", "owner": "o", "extra": {"a": 1, "list": [1, 2]}, "driver_info": {"password": "hunter2"},
    });
    members.as_object().unwrap().clone()
}

fn patched(body: Value) -> Result<Patched, Fault> {
    Patch::parse(&PATCH, MAX, &body)?.apply(&node())
}

fn one(op: &str, path: &str, value: Value) -> Value {
    json!([{"op": op, "path": path, "value": value}])
}

fn refused(body: Value) -> String {
    let fault = patched(body).unwrap_err();
    format!("{} {fault}", fault.code())
}

#[test]
fn an_empty_list_changes_nothing() {
    let result = patched(json!([])).unwrap();

    assert_eq!(result.members, node());
    assert!(result.named.is_empty());
}

#[test]
fn adding_a_member_that_exists_replaces_it() {
    assert_eq!(patched(one("add", "/name", json!("n2"))).unwrap().members["name"], "n2");
}

#[test]
fn adding_a_member_that_is_unset_sets_it() {
    assert_eq!(patched(one("add", "/lessee", json!("l"))).unwrap().members["lessee"], "l");
}

#[test]
fn adding_below_a_member_creates_or_replaces() {
    assert_eq!(
        patched(one("add", "/extra/b", json!({"c": 1}))).unwrap().members["extra"]["b"],
        json!({"c": 1})
    );
    assert_eq!(patched(one("add", "/extra/a", json!(2))).unwrap().members["extra"]["a"], 2);
}

#[test]
fn null_below_a_member_is_stored() {
    assert_eq!(patched(one("add", "/extra/a", Value::Null)).unwrap().members["extra"]["a"], Value::Null);
}

#[test]
fn operations_follow_each_other() {
    let body = json!([
        {"op": "remove", "path": "/extra"},
        {"op": "add", "path": "/extra", "value": {}},
        {"op": "add", "path": "/extra/x", "value": []},
        {"op": "add", "path": "/extra/x/-", "value": 1},
    ]);

    assert_eq!(patched(body).unwrap().members["extra"], json!({"x": [1]}));
}

#[test]
fn items_of_lists_have_numbers() {
    let list =
        |op: &str, path: &str| patched(one(op, path, json!(9))).unwrap().members["extra"]["list"].clone();

    assert_eq!(list("add", "/extra/list/0"), json!([9, 1, 2]));
    assert_eq!(list("add", "/extra/list/-"), json!([1, 2, 9]));
    assert_eq!(list("replace", "/extra/list/1"), json!([1, 9]));
    assert_eq!(list("remove", "/extra/list/0"), json!([2]));
}

#[test]
fn removing_a_member_sets_its_default() {
    let result = patched(json!([
        {"op": "remove", "path": "/owner"}, {"op": "remove", "path": "/extra"}, {"op": "remove", "path": "/protected"},
        {"op": "remove", "path": "/conductor_group"}, {"op": "remove", "path": "/automated_clean"},
        {"op": "remove", "path": "/lessee"},
    ]))
    .unwrap();

    for (name, value) in [
        ("owner", Value::Null),
        ("extra", json!({})),
        ("protected", json!(false)),
        ("conductor_group", json!("")),
        ("automated_clean", Value::Null),
        ("lessee", Value::Null),
    ] {
        assert_eq!(result.members[name], value, "{name}");
    }
}

#[test]
fn removing_an_implementation_leaves_the_choice_to_the_server() {
    let result = patched(json!([{"op": "remove", "path": "/power_interface"}])).unwrap();

    assert!(!result.members.contains_key("power_interface"));
    assert_eq!(result.chosen, BTreeSet::from(["power_interface"]));
}

#[test]
fn setting_after_removing_is_no_choice() {
    let result = patched(json!([
        {"op": "remove", "path": "/power_interface"}, {"op": "add", "path": "/power_interface", "value": "fake"},
    ]))
    .unwrap();

    assert_eq!(result.members["power_interface"], "fake");
    assert!(result.chosen.is_empty());
}

#[test]
fn null_for_a_member_is_its_default() {
    assert_eq!(patched(one("replace", "/extra", Value::Null)).unwrap().members["extra"], json!({}));
    assert_eq!(patched(one("replace", "/name", Value::Null)).unwrap().members["name"], Value::Null);
}

#[test]
fn text_that_means_a_boolean_becomes_one() {
    assert_eq!(patched(one("add", "/maintenance", json!("true"))).unwrap().members["maintenance"], true);
    assert_eq!(
        patched(one("add", "/automated_clean", json!("False"))).unwrap().members["automated_clean"],
        false
    );
}

#[test]
fn the_members_that_were_named_are_known() {
    let result = patched(json!([
        {"op": "add", "path": "/extra/b", "value": 1}, {"op": "replace", "path": "/name", "value": "n1"},
    ]))
    .unwrap();

    assert_eq!(result.named, BTreeSet::from(["extra", "name"]));
}

#[test]
fn a_body_that_is_no_patch_is_refused() {
    let refusals: Vec<String> = [
        json!({"op": "replace"}),
        json!([1]),
        json!([{"path": "/name", "value": "x"}]),
        json!([{"op": "add", "value": "x"}]),
        json!([{"op": "add", "path": "/name"}]),
        json!([{"op": "add", "path": 1, "value": 1}]),
        json!([{"op": "test", "path": "/name", "value": "n1"}]),
        json!([{"op": "move", "from": "/name", "path": "/owner"}]),
        json!([{"op": ["add"], "path": "/name", "value": "x"}]),
    ]
    .into_iter()
    .map(refused)
    .collect();

    insta::assert_snapshot!(refusals.join("\n"), @"
    400 Schema error for patch: {'op': 'replace'} is not of type 'array'
    400 Schema error for patch: 1 is not of type 'object'
    400 Schema error for patch: 'op' is a required property
    400 Schema error for patch: 'path' is a required property
    400 Schema error for patch: 'value' is a required property
    400 Schema error for patch: 1 is not of type 'string'
    400 Schema error for patch: 'test' is not one of ['add', 'replace', 'remove']
    400 Schema error for patch: 'move' is not one of ['add', 'replace', 'remove']
    400 Schema error for patch: ['add'] is not one of ['add', 'replace', 'remove']
    ");
}

#[test]
fn a_member_that_cannot_change_is_refused_with_the_list() {
    insta::assert_snapshot!(refused(one("replace", "/uuid", json!("x"))), @"400 Cannot patch /uuid. Only the following can be updated: automated_clean, bios_interface, boot_interface, chassis_uuid, conductor_group, console_interface, deploy_interface, description, disable_power_off, driver, driver_info, extra, inspect_interface, instance_info, instance_name, instance_uuid, lessee, maintenance, management_interface, name, network_data, network_interface, owner, power_interface, properties, protected, protected_reason, raid_interface, rescue_interface, resource_class, retired, retired_reason, shard, storage_interface, vendor_interface, parent_node, firmware_interface");
}

#[test]
fn what_does_not_fit_is_refused_with_the_reason() {
    let refusals: Vec<String> = [
        json!([{"op": "remove", "path": "/extra/nosuch"}]),
        one("replace", "/extra/nosuch", json!(1)),
        one("add", "/extra/deep/er", json!(1)),
        one("add", "/extra/a/b", json!(1)),
        one("add", "/extra/a/b/c", json!(1)),
        one("add", "/extra/list/3", json!(1)),
        one("replace", "/extra/list/2", json!(1)),
        json!([{"op": "remove", "path": "/extra/list/-"}]),
        one("add", "/extra/list/01", json!(1)),
        one("add", "/lessee/x", json!(1)),
        json!([{"op": "remove", "path": "/driver"}]),
        one("replace", "/driver", Value::Null),
        one("replace", "/extra", json!("notadict")),
        one("replace", "/name", json!(1)),
        one("replace", "/protected", json!("maybe")),
    ]
    .into_iter()
    .map(refused)
    .collect();

    insta::assert_snapshot!(refusals.join("\n"), @"
    400 Couldn't apply patch '{'op': 'remove', 'path': '/extra/nosuch'}'. Reason: can't remove a non-existent object 'nosuch'
    400 Couldn't apply patch '{'op': 'replace', 'path': '/extra/nosuch', 'value': 1}'. Reason: can't replace a non-existent object 'nosuch'
    400 Couldn't apply patch '{'op': 'add', 'path': '/extra/deep/er', 'value': 1}'. Reason: member 'deep' not found in {'a': 1, 'list': [1, 2]}
    400 Couldn't apply patch '{'op': 'add', 'path': '/extra/a/b', 'value': 1}'. Reason: member 'b' not found in 1
    400 Couldn't apply patch '{'op': 'add', 'path': '/extra/a/b/c', 'value': 1}'. Reason: member 'b' not found in 1
    400 Couldn't apply patch '{'op': 'add', 'path': '/extra/list/3', 'value': 1}'. Reason: can't insert outside of list
    400 Couldn't apply patch '{'op': 'replace', 'path': '/extra/list/2', 'value': 1}'. Reason: can't replace outside of list
    400 Couldn't apply patch '{'op': 'remove', 'path': '/extra/list/-'}'. Reason: can't remove outside of list
    400 Couldn't apply patch '{'op': 'add', 'path': '/extra/list/01', 'value': 1}'. Reason: '01' is not a place in a list
    400 Couldn't apply patch '{'op': 'add', 'path': '/lessee/x', 'value': 1}'. Reason: member 'lessee' not found
    400 Schema error for patch: 'driver' is a required property
    400 Schema error for patch: None is not of type 'string'
    400 Schema error for patch: 'notadict' is not of type 'object', 'null'
    400 Schema error for patch: 1 is not of type 'string', 'null'
    400 Invalid protected: Unrecognized value 'maybe', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'
    ");
}

#[test]
fn refusals_quote_no_secrets() {
    for body in [
        one("add", "/driver_info/a/b", json!("hunter2")),
        one("replace", "/driver_info/other", json!("hunter2")),
        one("replace", "/driver_info", json!("hunter2")),
        one("add", "/extra/my_password/x", json!("hunter2")),
    ] {
        let text = refused(body);
        assert!(!text.contains("hunter2"), "{text}");
    }
    let patch = Patch::parse(&PATCH, MAX, &one("add", "/driver_info/password", json!("hunter2"))).unwrap();
    assert_eq!(format!("{patch:?}"), "Patch { operations: [add /driver_info/password] }");
}

#[test]
fn paths_are_words_with_slashes() {
    for path in ["name", "", "/", "/extra/", "//name", "/extra/a b", "/extra/a.b", "/extra/~2", "/extra/~"] {
        let text = refused(one("replace", path, json!("x")));
        assert!(text.starts_with("400 Schema error for patch: "), "{path}: {text}");
    }
    assert!(patched(one("add", "/extra/größe-1_x", json!(1))).is_ok());
}

#[test]
fn escapes_are_known_from_1_98() {
    let body = one("add", "/extra/a~1b~0c", json!(1));

    assert_eq!(patched(body.clone()).unwrap().members["extra"]["a/b~c"], 1);

    let fault = Patch::parse(&PATCH, Microversion::new(97), &body).unwrap_err();
    insta::assert_snapshot!(fault, @r"Schema error for patch: '/extra/a~1b~0c' does not match '^(/[\\w-]+)+$'");
}

#[test]
fn a_member_newer_than_the_version_is_not_acceptable() {
    let parse = |minor| Patch::parse(&PATCH, Microversion::new(minor), &one("add", "/shard", json!("s")));

    assert_eq!(parse(81).unwrap_err().code(), 406);
    assert!(parse(82).is_ok());
}

#[test]
fn nothing_changes_when_one_operation_fails() {
    let stored = node();
    let body = json!([
        {"op": "add", "path": "/name", "value": "n2"}, {"op": "remove", "path": "/extra/nosuch"},
    ]);

    let result = Patch::parse(&PATCH, MAX, &body).unwrap().apply(&stored);

    assert!(result.is_err());
    assert_eq!(stored, node());
}

/// Any JSON, small.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z~/]{0,3}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// An operation that is nearly right.
fn any_operation() -> impl Strategy<Value = Value> {
    let op = prop_oneof![Just("add"), Just("replace"), Just("remove"), Just("test")];
    let path = "(/(extra|name|driver|list|a|b|[0-3]|-|~1)){1,4}";
    (op, path, any_json()).prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value}))
}

#[test]
fn a_member_does_not_become_too_deep_one_level_at_a_time() {
    let dig = |levels: usize| -> Value {
        let paths = (1..=levels).map(|level| format!("/extra{}", "/a".repeat(level)));
        paths.map(|path| json!({"op": "add", "path": path, "value": {}})).collect()
    };

    assert!(patched(dig(DEPTH_MAX - 1)).is_ok());
    let error = refused(dig(DEPTH_MAX));

    assert!(error.starts_with("400 ") && error.ends_with("more than 32 levels are not allowed"), "{error}");
}

proptest! {
    #[test]
    fn no_body_panics(body in any_json()) {
        prop_assert_eq!(Patch::parse(&PATCH, MAX, &body).is_ok(), body == json!([]));
    }

    #[test]
    fn what_was_patched_is_what_members_may_be(operations in prop::collection::vec(any_operation(), 0..5)) {
        if let Ok(result) = patched(Value::from(operations)) {
            prop_assert!(result.members["extra"].is_object());
            prop_assert!(result.members["driver"].is_string());
            prop_assert!(result.members["name"].is_string() || result.members["name"].is_null());
        }
    }

    #[test]
    fn members_that_are_not_named_stay(operations in prop::collection::vec(any_operation(), 0..5)) {
        if let Ok(result) = patched(Value::from(operations)) {
            for (name, value) in node() {
                prop_assert!(result.named.contains(name.as_str()) || result.members[&name] == value);
            }
        }
    }

    #[test]
    fn any_key_has_a_path(key in "[a-zA-Z0-9_ä~/-]{1,6}") {
        let path = format!("/extra/{}", key.replace('~', "~0").replace('/', "~1"));

        let result = patched(one("add", &path, json!(1)));

        prop_assert_eq!(&result.unwrap().members["extra"][&key], &json!(1));
    }
}

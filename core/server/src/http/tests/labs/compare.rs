//! What differs between a recorded answer and ours.

use std::collections::BTreeMap;

use farrier_api::error::ErrorBody;
use serde_json::{Map, Value};

use super::super::Answer;
use super::recording::Exchange;

/// Members whose values differ between any two runs; only their types are compared.
const VOLATILE: &[&str] = &[
    "created_at",
    "updated_at",
    "provision_updated_at",
    "inspection_finished_at",
    "alive",
    // What the service remembers for itself.
    "driver_internal_info",
];

/// Members of a node that move while its provision state does.
const IN_TRANSITION: &[&str] = &[
    "provision_state",
    "target_provision_state",
    "inspection_started_at",
    "inspection_finished_at",
    "instance_info",
];

/// Members of a node that move while its power does.
const IN_POWER_ACTION: &[&str] = &["power_state", "target_power_state"];

/// Paths whose answers explain something in the words of whoever wrote them; only their types are compared.
const OWN_WORDS: &[&str] = &["/raid/logical_disk_properties"];

/// Headers whose values are compared, when they were recorded.
const HEADERS: &[&str] = &[
    "X-OpenStack-Ironic-API-Minimum-Version",
    "X-OpenStack-Ironic-API-Maximum-Version",
    "X-OpenStack-Ironic-API-Version",
    "Location",
    "Content-Type",
];

/// What differs; empty when nothing does.
pub(super) fn differences(recorded: &Exchange, ours: &Answer) -> Vec<String> {
    // Defects of the reference: the request is at fault, and is told so.
    let status = if recorded.status == 500 { 400 } else { recorded.status };
    if status != ours.status {
        return vec![format!("status {}, recorded {status}", ours.status)];
    }
    let mut found = Vec::new();
    for (name, value) in &recorded.response_headers {
        if HEADERS.contains(&name.as_str()) {
            let own = ours.headers.get(name).map(|value| value.to_str().unwrap());
            if own != Some(value.as_str()) {
                found.push(format!("{name}: {own:?}, recorded {value}"));
            }
        }
        if name == "x-openstack-request-id" || name == "openstack-request-id" {
            assert!(ours.headers.contains_key(name), "no {name}");
        }
    }
    if status < 400 {
        compare("", &recorded.response, &ours.body, &mut found);
        if OWN_WORDS.iter().any(|path| recorded.path.ends_with(path)) {
            found.retain(|difference| !difference.contains(", recorded \""));
        }
    } else if recorded.status != 500 {
        compare_errors(&recorded.response, &ours.body, &mut found);
    }
    found
}

/// Compares two errors: their shape, whose fault they say it is, and the text that clients show.
fn compare_errors(recorded: &Value, ours: &Value, found: &mut Vec<String>) {
    let shape = |body: &Value| match ErrorBody::parse(&body.to_string()) {
        Some(ErrorBody::Fault { faultcode, .. }) => format!("a fault of the {faultcode}"),
        Some(ErrorBody::Refusal(refusal)) => format!("a refusal with {}", refusal.code),
        Some(ErrorBody::Auth(_)) => "about credentials".to_owned(),
        None => "no error".to_owned(),
    };
    if shape(recorded) != shape(ours) {
        found.push(format!("the error is {}, recorded {}", shape(ours), shape(recorded)));
        return;
    }
    let text = |body: &Value| {
        ErrorBody::parse(&body.to_string()).map(|error| error.message().to_owned()).unwrap_or_default()
    };
    if text(recorded) != text(ours) {
        found.push(format!("the error says: {} -- recorded: {}", text(ours), text(recorded)));
    }
}

fn compare(path: &str, recorded: &Value, ours: &Value, found: &mut Vec<String>) {
    match (recorded, ours) {
        (Value::Object(recorded), Value::Object(ours)) => compare_members(path, recorded, ours, found),
        (Value::Array(recorded), Value::Array(ours)) => {
            compare_members(path, &by_key(recorded), &by_key(ours), found);
        }
        _ if kind(recorded) != kind(ours) => {
            found.push(format!("{path} is {}, recorded {}", kind(ours), kind(recorded)));
        }
        _ if recorded != ours => found.push(format!("{path} is {ours}, recorded {recorded}")),
        _ => {}
    }
}

fn compare_members(
    path: &str,
    recorded: &Map<String, Value>,
    ours: &Map<String, Value>,
    found: &mut Vec<String>,
) {
    for (name, value) in recorded {
        let path = format!("{path}/{name}");
        match ours.get(name) {
            Some(_) if is_moving(name, recorded) => {}
            None => found.push(format!("{path} is missing")),
            Some(own) if VOLATILE.contains(&name.as_str()) => {
                if kind(own) != kind(value) {
                    found.push(format!("{path} is {}, recorded {}", kind(own), kind(value)));
                }
            }
            Some(own) => compare(&path, value, own, found),
        }
    }
    let new = ours.keys().filter(|name| !recorded.contains_key(*name));
    found.extend(new.map(|name| format!("{path}/{name} is new")));
}

/// Whether a member was recorded in the middle of something, which is over when the replay looks.
///
/// The reference answers before it gives its lock back, and its clients look while a job runs; here every request
/// waits until the node is at rest.
fn is_moving(name: &str, recorded: &Map<String, Value>) -> bool {
    let set = |name: &str| recorded.get(name).is_some_and(|value| !value.is_null());
    (name == "reservation" && set("reservation"))
        || (IN_TRANSITION.contains(&name) && set("reservation") && set("target_provision_state"))
        || (IN_POWER_ACTION.contains(&name) && set("reservation") && set("target_power_state"))
}

/// The items of a list by what names them: lists of names have no order, lists of resources have one.
fn by_key(items: &[Value]) -> Map<String, Value> {
    let named: BTreeMap<String, Value> = items
        .iter()
        .enumerate()
        .map(|(at, item)| {
            let key = ["uuid", "name", "hostname", "rel"].iter().find_map(|key| item[*key].as_str());
            let key = key.or(item.as_str()).map_or_else(|| at.to_string(), str::to_owned);
            (key, item.clone())
        })
        .collect();
    assert_eq!(named.len(), items.len(), "the items have names of their own: {items:?}");
    named.into_iter().collect()
}

/// The JSON type of a value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

//! What must be true after somebody died.

use std::collections::BTreeMap;

use serde_json::Value;

use super::request::{Kind, Request};
use super::world::Answer;

/// States in which a conductor is at work, or the node waits for none.
const WORKING: [&str; 9] = [
    "deploying",
    "cleaning",
    "verifying",
    "deleting",
    "inspecting",
    "adopting",
    "rescuing",
    "unrescuing",
    "servicing",
];

/// Whether somebody must be at work on the node.
pub(super) fn is_at_work(node: &Value) -> bool {
    !node["reservation"].is_null()
        || !node["target_power_state"].is_null()
        || WORKING.iter().any(|state| node["provision_state"] == *state)
}

/// What of a node tells where it is.
pub(super) fn shown(node: &Value) -> String {
    let fields = [
        "uuid",
        "driver",
        "provision_state",
        "target_provision_state",
        "power_state",
        "target_power_state",
        "reservation",
        "maintenance",
        "last_error",
        "provision_updated_at",
        "updated_at",
    ];
    fields.map(|field| format!("{field}={}", node[field])).join(" ")
}

/// What was answered with success is there, what was refused is not.
pub(super) fn answers(
    at: &str,
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
    asked: &[(Request, Answer)],
) {
    for (request, answer) in asked {
        let status = answer.as_ref().map(|(status, _)| *status);
        assert!(status.is_none_or(|status| status < 500), "{at}: {request:?} was answered {answer:?}");
        let (was, is) = (before.get(&request.node), after.get(&request.node));
        let there = holds(request, status.map(|status| status < 400), was, is);
        let show = |node: Option<&Value>| node.map_or_else(|| "nothing".to_owned(), shown);
        assert!(there, "{at}: {request:?} was answered {answer:?}: it was {}, it is {}", show(was), show(is));
    }
}

/// Whether a request left what it may: `accepted` is none when it was not answered.
fn holds(request: &Request, accepted: Option<bool>, was: Option<&Value>, is: Option<&Value>) -> bool {
    match (&request.kind, was, is) {
        (Kind::Create, _, is) => accepted.is_none_or(|accepted| accepted == is.is_some()),
        (Kind::Delete, _, is) => accepted.is_none_or(|accepted| accepted == is.is_none()),
        (Kind::Patch(count), Some(was), Some(is)) => {
            let count = Value::from(*count);
            let (is_new, is_old) =
                (is["extra"]["count"] == count, is["extra"]["count"] == was["extra"]["count"]);
            match accepted {
                Some(true) => is_new,
                Some(false) => is_old,
                None => is_new || is_old,
            }
        }
        (Kind::LeaveMaintenance, Some(_), Some(is)) => accepted != Some(true) || is["maintenance"] == false,
        (Kind::Provision(_), Some(was), Some(is)) => {
            accepted != Some(true) || was["provision_updated_at"] != is["provision_updated_at"]
        }
        (Kind::Power(target), Some(was), Some(is)) => {
            let state = if target.ends_with("off") { "power off" } else { "power on" };
            let done = is["power_state"] == state || !is["last_error"].is_null();
            accepted != Some(true) || (was["updated_at"] != is["updated_at"] && done)
        }
        (_, None, _) | (_, _, None) => false,
    }
}

//! What must be true after somebody died.

use std::collections::BTreeMap;

use serde_json::Value;

use super::request::{Kind, Request};
use super::world::Answer;

/// States in which a conductor is at work.
pub(super) const WORKING: [&str; 9] = [
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

/// What was answered with success is there, what was refused is not; says what is otherwise.
pub(super) fn answers(
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
    asked: &[(Request, Answer)],
) -> Result<(), String> {
    for (request, answer) in asked {
        let status = answer.as_ref().map(|(status, _)| *status);
        if status.is_some_and(|status| 500 <= status) {
            return Err(format!("{request:?} was answered {answer:?}"));
        }
        let (was, is) = (before.get(&request.node), after.get(&request.node));
        if !holds(request, status.map(|status| status < 400), was, is) {
            let show = |node: Option<&Value>| node.map_or_else(|| "nothing".to_owned(), shown);
            return Err(format!(
                "{request:?} was answered {answer:?}: it was {}, it is {}",
                show(was),
                show(is)
            ));
        }
    }
    Ok(())
}

/// How often a machine may have been switched for a request of its node.
pub(super) fn switches_allowed(asked: Option<&(Request, Answer)>) -> usize {
    match asked.map(|(request, answer)| (&request.kind, answer)) {
        Some((_, Some((400.., _)))) | None => 0,
        Some((Kind::Power("rebooting"), _)) => 2,
        Some((Kind::Power(_), _)) => 1,
        Some(_) => 0,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(kind: Kind) -> Request {
        Request { node: "n".to_owned(), method: "PUT", path: String::new(), body: None, kind }
    }

    fn node(members: Value) -> Value {
        let mut node = json!({
            "uuid": "n",
            "provision_state": "active",
            "reservation": null,
            "target_power_state": null,
            "power_state": "power on",
            "last_error": null,
            "extra": {"count": 1},
            "maintenance": true,
            "provision_updated_at": "then",
            "updated_at": "then",
        });
        node.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        node
    }

    fn nodes(node: Option<Value>) -> BTreeMap<String, Value> {
        node.map(|node| ("n".to_owned(), node)).into_iter().collect()
    }

    /// Whether the checker is content with a node that was as [`node`] and is as told.
    fn passes(kind: Kind, status: Option<u16>, is: Option<Value>) -> bool {
        let answer = status.map(|status| (status, Value::Null));
        answers(&nodes(Some(node(json!({})))), &nodes(is.map(node)), &[(request(kind), answer)]).is_ok()
    }

    #[test]
    fn a_node_that_is_locked_or_in_a_passing_state_is_seen() {
        assert!(!is_at_work(&node(json!({}))));
        assert!(is_at_work(&node(json!({"reservation": "host-1"}))));
        assert!(is_at_work(&node(json!({"target_power_state": "power on"}))));
        for state in WORKING {
            assert!(is_at_work(&node(json!({"provision_state": state}))), "{state}");
        }
        for state in ["clean wait", "deploy failed", "available"] {
            assert!(!is_at_work(&node(json!({"provision_state": state}))), "{state}");
        }
    }

    #[test]
    fn a_lost_write_is_seen() {
        let is = |count: u64| Some(json!({"extra": {"count": count}}));

        assert!(passes(Kind::Patch(2), Some(200), is(2)));
        assert!(!passes(Kind::Patch(2), Some(200), is(1)), "accepted and lost");
        assert!(!passes(Kind::Patch(2), Some(409), is(2)), "refused and there");
        assert!(passes(Kind::Patch(2), None, is(1)) && passes(Kind::Patch(2), None, is(2)));
        assert!(!passes(Kind::Patch(2), None, is(3)), "neither what was nor what was asked for");
        assert!(!passes(Kind::LeaveMaintenance, Some(202), Some(json!({}))));
        assert!(passes(Kind::LeaveMaintenance, Some(202), Some(json!({"maintenance": false}))));
    }

    #[test]
    fn a_lost_request_is_seen() {
        let moved = Some(json!({"provision_updated_at": "now"}));
        let failed = Some(json!({"updated_at": "now", "power_state": "power off", "last_error": "aborted"}));
        let silent = Some(json!({"updated_at": "now", "power_state": "power off"}));

        assert!(passes(Kind::Provision("rebuild"), Some(202), moved));
        assert!(!passes(Kind::Provision("rebuild"), Some(202), Some(json!({}))));
        assert!(passes(Kind::Power("power on"), Some(202), failed));
        assert!(!passes(Kind::Power("power on"), Some(202), silent), "given up without a word");
        assert!(!passes(Kind::Power("power on"), Some(202), Some(json!({}))), "never begun");
    }

    #[test]
    fn a_lost_or_a_surviving_record_is_seen() {
        assert!(passes(Kind::Delete, Some(204), None) && passes(Kind::Create, Some(201), Some(json!({}))));
        assert!(!passes(Kind::Delete, Some(204), Some(json!({}))));
        assert!(!passes(Kind::Delete, Some(409), None));
        assert!(!passes(Kind::Create, Some(201), None));
        assert!(!passes(Kind::Patch(2), None, None), "gone though nobody asked for that");
    }

    #[test]
    fn a_defect_is_seen() {
        assert!(!passes(Kind::Patch(2), Some(500), Some(json!({}))));
        assert!(!passes(Kind::Delete, Some(503), Some(json!({}))));
    }

    #[test]
    fn a_machine_is_switched_as_often_as_asked_for_and_no_more() {
        let allowed = |kind, status: Option<u16>| {
            switches_allowed(Some(&(request(kind), status.map(|status| (status, Value::Null)))))
        };

        assert_eq!(switches_allowed(None), 0);
        assert_eq!(allowed(Kind::Power("power on"), Some(202)), 1);
        assert_eq!(allowed(Kind::Power("power on"), None), 1);
        assert_eq!(allowed(Kind::Power("rebooting"), Some(202)), 2);
        assert_eq!(allowed(Kind::Power("power on"), Some(409)), 0);
        assert_eq!(allowed(Kind::Patch(1), Some(200)), 0);
    }
}

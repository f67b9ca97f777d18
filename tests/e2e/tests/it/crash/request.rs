//! What is asked of a node.

use serde_json::{Value, json};

use super::random::Random;

/// Power targets.
const POWER: [&str; 4] = ["power on", "power off", "rebooting", "soft power off"];

/// A request, and what it means.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) node: String,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    pub(super) kind: Kind,
}

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A verb of provisioning.
    Provision(&'static str),
    /// A power target.
    Power(&'static str),
    /// A number written into the node.
    Patch(u64),
    /// The end of maintenance.
    LeaveMaintenance,
    Create,
    Delete,
}

/// Verbs that lead somewhere from a state.
fn verbs(state: &str) -> &'static [&'static str] {
    match state {
        "enroll" => &["manage"],
        "manageable" => &["provide", "provide", "clean", "inspect", "adopt"],
        "available" => &["active", "active", "manage"],
        "active" => &["rebuild", "deleted", "rescue", "service"],
        "deploy failed" => &["active", "rebuild", "deleted"],
        "clean failed" => &["manage"],
        "inspect failed" => &["manage", "inspect"],
        "adopt failed" => &["manage", "adopt"],
        "rescue" => &["unrescue", "rescue", "deleted"],
        "rescue failed" => &["rescue", "unrescue", "deleted"],
        "unrescue failed" => &["unrescue", "rescue", "deleted"],
        "service failed" => &["service", "abort", "deleted"],
        "error" => &["deleted", "rebuild"],
        "clean hold" | "service hold" | "deploy hold" => &["unhold", "abort"],
        "clean wait" | "service wait" | "rescue wait" | "inspect wait" | "wait call-back" => &["abort"],
        _ => &[],
    }
}

/// The state of work that a verb leads into; none where it moves the node at once, or what follows depends.
fn leads_into(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "manage" => "verifying",
        "inspect" => "inspecting",
        "clean" | "provide" => "cleaning",
        "adopt" => "adopting",
        "active" | "rebuild" => "deploying",
        "deleted" => "deleting",
        "rescue" => "rescuing",
        "unrescue" => "unrescuing",
        "service" => "servicing",
        _ => return None,
    })
}

impl Request {
    /// Something that makes sense for the node as it is shown; rather something that leads into `focus`.
    pub(super) fn of(node: &Value, count: u64, focus: Option<&str>, random: &mut Random) -> Self {
        let uuid = node["uuid"].as_str().unwrap().to_owned();
        let state = node["provision_state"].as_str().unwrap();
        if node["maintenance"] == true {
            return Self::leave_maintenance(uuid);
        }
        let verbs = verbs(state);
        let fitting: Vec<&'static str> =
            verbs.iter().copied().filter(|verb| focus.is_some() && leads_into(verb) == focus).collect();
        if node["driver"] != "ipmi" && !fitting.is_empty() && random.chance(70) {
            return Self::provision(uuid, random.pick(&fitting), random);
        }
        if node["driver"] == "ipmi" || verbs.is_empty() || random.chance(15) {
            return Self::power(uuid, random.pick(&POWER));
        }
        if random.chance(10) {
            return Self::patch(uuid, count);
        }
        if random.chance(5) && matches!(state, "enroll" | "manageable" | "available") {
            return Self::delete(uuid);
        }
        Self::provision(uuid, random.pick(verbs), random)
    }

    fn new(node: String, method: &'static str, rest: &str, body: Option<Value>, kind: Kind) -> Self {
        Self { method, path: format!("/v1/nodes/{node}{rest}"), node, body, kind }
    }

    fn provision(node: String, verb: &'static str, random: &mut Random) -> Self {
        let mut body = json!({"target": verb});
        match verb {
            "clean" => body["clean_steps"] = steps(random),
            "service" => body["service_steps"] = steps(random),
            "rescue" => body["rescue_password"] = json!("correct-horse"),
            _ => {}
        }
        Self::new(node, "PUT", "/states/provision", Some(body), Kind::Provision(verb))
    }

    fn power(node: String, target: &'static str) -> Self {
        let body = json!({ "target": target });
        Self::new(node, "PUT", "/states/power", Some(body), Kind::Power(target))
    }

    fn patch(node: String, count: u64) -> Self {
        let body = json!([{"op": "add", "path": "/extra/count", "value": count}]);
        Self::new(node, "PATCH", "", Some(body), Kind::Patch(count))
    }

    fn leave_maintenance(node: String) -> Self {
        Self::new(node, "DELETE", "/maintenance", None, Kind::LeaveMaintenance)
    }

    fn delete(node: String) -> Self {
        Self::new(node, "DELETE", "", None, Kind::Delete)
    }

    /// A node that is enrolled.
    pub(super) fn create(mut node: Value, random: &mut Random) -> Self {
        let uuid = random.uuid();
        node["uuid"] = json!(uuid);
        let path = "/v1/nodes".to_owned();
        Self { node: uuid, method: "POST", path, body: Some(node), kind: Kind::Create }
    }

    /// How it is counted.
    pub(super) fn label(&self) -> &'static str {
        match self.kind {
            Kind::Provision(verb) => verb,
            Kind::Power(target) => target,
            Kind::Patch(_) => "patch",
            Kind::LeaveMaintenance => "maintenance off",
            Kind::Create => "create",
            Kind::Delete => "delete",
        }
    }
}

/// Steps of the fake driver, and sometimes a pause or a hold between them.
fn steps(random: &mut Random) -> Value {
    let step = |interface: &str, step: &str, args: Value| json!({"interface": interface, "step": step, "args": args});
    let mut steps = vec![step("bios", "factory_reset", json!({}))];
    match random.below(4) {
        0 => steps.push(step("deploy", "wait", json!({"seconds": 1}))),
        1 => steps.push(step("deploy", "hold", json!({}))),
        _ => {}
    }
    steps.push(step("deploy", "power_on", json!({})));
    Value::Array(steps)
}

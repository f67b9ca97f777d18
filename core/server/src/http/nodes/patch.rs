//! Changing nodes by JSON patch.

use axum::extract::State;
use axum::response::Response;
use farrier_api::boolean;
use farrier_api::error::{ErrorName, Fault};
use farrier_api::literal::quoted;
use farrier_api::node::{PATCH, is_valid_name};
use farrier_api::patch::Patch;
use farrier_api::version::Microversion;
use farrier_api::version::table::Topic;
use farrier_conductor::error::ConductorError;
use farrier_conductor::service::{NodeUpdate, ResetInterfaces};
use farrier_model::node::{Fields, Node};
use farrier_model::secret::restore;
use serde_json::Value;
use uuid::Uuid;

use super::super::call::{Body, Call, Ident};
use super::super::error::HttpError;
use super::super::patch::{flag, mapping, text, uuid};
use super::super::tell::Tell;
use super::super::{ApiState, Shared, answer};
use super::create::{conductor_group, no_such_chassis, parent};
use super::{edited, seen};
use crate::view::{Selection, node};

/// The argument that has interfaces chosen anew.
const RESET_INTERFACES: &str = "reset_interfaces";

/// One write under the lock, which goes with the task when the client goes.
pub(super) async fn patch(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_arguments(Topic::Node, &[RESET_INTERFACES])?;
    let patch = Patch::parse(&PATCH, call.version, &body)?;
    let reset_interfaces = reset_interfaces(&call, &patch)?;
    let edit = Edit {
        version: call.version,
        parent: new_parent(&state, &patch).await?,
        declared: state.conductor.registry().secret_keys(),
        patch: &patch,
    };
    // Every fault of an edit is 400; the conductor hands it on as it is.
    let edit =
        |node: &Node| edit.apply(node).map_err(|fault| ConductorError::invalid_parameter(fault.message()));
    let update = NodeUpdate { edit: &edit, reset_interfaces };
    let name = call.node(&ident)?;
    let work = state.conductor.node_update(call.context.clone(), &name, update);
    let node = Tell::update(&state, edited(&state, &name, &edit)).with(work).await?;
    Ok(answer::ok(seen(&state, &call, &Selection::Whole, &node)))
}

/// Whether interfaces are chosen anew; only together with a new driver.
fn reset_interfaces(call: &Call, patch: &Patch) -> Result<ResetInterfaces, Fault> {
    let Some(text) = call.argument(RESET_INTERFACES) else { return Ok(ResetInterfaces::No) };
    if !boolean::from_text(RESET_INTERFACES, text)? {
        return Ok(ResetInterfaces::No);
    }
    if !patch.operations().iter().any(|operation| operation.root() == "driver") {
        return Err(Fault::invalid("The reset_interfaces parameter needs a change of the driver"));
    }
    Ok(ResetInterfaces::Yes)
}

/// The parent that a patch names last; looked up here, because a patch is applied without waiting.
async fn new_parent(state: &ApiState, patch: &Patch) -> Result<Option<Uuid>, HttpError> {
    let named = patch.operations().iter().rev().find(|operation| operation.root() == "parent_node");
    parent(state, named.and_then(|operation| operation.value().as_str())).await
}

/// A patch and what it takes to apply it to a record.
struct Edit<'a> {
    patch: &'a Patch,
    version: Microversion,
    parent: Option<Uuid>,
    /// Keys that drivers declare secret.
    declared: Vec<&'a str>,
}

impl Edit<'_> {
    /// The node as the patch wants it.
    fn apply(&self, node: &Node) -> Result<Node, Fault> {
        let mut members = node::open_members(node);
        members.retain(|name, _| PATCH.root(name).is_some());
        let mut patched = self.patch.apply(&members)?;
        let mut edited = node.clone();
        for name in &patched.named {
            let value = patched.members.remove(*name).unwrap_or(Value::Null);
            self.assign(node, &mut edited, name, value)?;
        }
        Ok(edited)
    }

    /// Sets a member of the record; null is its default.
    fn assign(&self, before: &Node, node: &mut Node, name: &str, value: Value) -> Result<(), Fault> {
        match name {
            "driver_info" => node.driver_info = self.secrets_kept(value, &before.driver_info),
            "instance_info" => node.instance_info = self.secrets_kept(value, &before.instance_info),
            "extra" => node.extra = mapping(value),
            "network_data" => node.network_data = mapping(value),
            "properties" => node.properties = mapping(value),
            "name" => node.name = self.valid_name(before, text(value))?,
            "parent_node" => node.parent_node = text(value).and(self.parent),
            "instance_uuid" => node.instance_uuid = uuid(name, text(value).as_deref())?,
            "chassis_uuid" => {
                node.chassis_uuid = match text(value) {
                    None => None,
                    Some(chassis) => return Err(no_such_chassis(&chassis)),
                };
            }
            "conductor_group" => node.conductor_group = conductor_group(&text(value).unwrap_or_default())?,
            "driver" => node.driver = text(value).unwrap_or_default(),
            "automated_clean" => node.automated_clean = value.as_bool(),
            "disable_power_off" => node.disable_power_off = flag(&value),
            "maintenance" => node.maintenance = flag(&value),
            "protected" => node.protected = flag(&value),
            "retired" => node.retired = flag(&value),
            "description" => node.description = text(value),
            "instance_name" => node.instance_name = text(value),
            "lessee" => node.lessee = text(value),
            "owner" => node.owner = text(value),
            "protected_reason" => node.protected_reason = text(value),
            "resource_class" => node.resource_class = text(value),
            "retired_reason" => node.retired_reason = text(value),
            "shard" => node.shard = text(value),
            _ => {
                let kind = name.strip_suffix("_interface").and_then(|kind| kind.parse().ok());
                let Some(kind) = kind else {
                    return Err(Fault::invalid(format!("{name} can not be changed")));
                };
                node.interfaces.set(kind, text(value));
            }
        }
        Ok(())
    }

    /// A mapping in which a client may have written back the mask it was shown.
    fn secrets_kept(&self, value: Value, stored: &Fields) -> Fields {
        let mut fields = mapping(value);
        restore(&mut fields, stored, &self.declared);
        fields
    }

    /// The name, if it can be one.
    fn valid_name(&self, node: &Node, name: Option<String>) -> Result<Option<String>, Fault> {
        match &name {
            Some(name) if !is_valid_name(name, self.version) => {
                let text = format!("Node {}: Cannot change name to invalid name {}", node.uuid, quoted(name));
                Err(Fault::new(ErrorName::InvalidName, text))
            }
            Some(_) | None => Ok(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_that_may_change_reaches_the_record() {
        let mut before = Node::new(Uuid::from_u128(1), "fake-hardware");
        before.automated_clean = Some(false);
        for root in PATCH.roots.iter().filter(|root| root.member.name != "chassis_uuid") {
            let name = root.member.name;
            let value = match root.member.shape {
                farrier_api::schema::Shape::Flag => Value::from(true),
                farrier_api::schema::Shape::Mapping => serde_json::json!({"a": 1}),
                farrier_api::schema::Shape::Text | farrier_api::schema::Shape::RequiredText => {
                    Value::from(if name == "instance_uuid" {
                        "00000000-0000-0000-0000-000000000002"
                    } else {
                        "x"
                    })
                }
            };
            let body = serde_json::json!([{"op": "add", "path": format!("/{name}"), "value": value}]);
            let version = farrier_api::version::MAX;
            let patch = Patch::parse(&PATCH, version, &body).unwrap();
            let parent = Some(Uuid::from_u128(3));

            let edited =
                Edit { patch: &patch, version, parent, declared: Vec::new() }.apply(&before).unwrap();

            let (before, after) = (node::open_members(&before), node::open_members(&edited));
            let changed: Vec<&String> =
                after.iter().filter(|(key, value)| before[*key] != **value).map(|(key, _)| key).collect();
            assert_eq!(changed, [name]);
        }
    }

    #[test]
    fn stars_are_not_stored_over_a_secret() {
        let mut before = Node::new(Uuid::from_u128(1), "fake-hardware");
        before.driver_info = mapping(serde_json::json!({"password": "a", "pin": "1", "user": "b"}));
        let body = serde_json::json!([
            {"op": "add", "path": "/driver_info", "value": {"password": "******", "pin": "******", "user": "c"}},
        ]);
        let version = farrier_api::version::MAX;
        let patch = Patch::parse(&PATCH, version, &body).unwrap();

        let edited =
            Edit { patch: &patch, version, parent: None, declared: vec!["pin"] }.apply(&before).unwrap();

        assert_eq!(
            Value::Object(edited.driver_info),
            serde_json::json!({"password": "a", "pin": "1", "user": "c"})
        );
    }
}

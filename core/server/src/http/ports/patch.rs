//! Changing ports by JSON patch.

use axum::extract::State;
use axum::response::Response;
use farrier_api::error::Fault;
use farrier_api::identity::mac_address;
use farrier_api::patch::Patch;
use farrier_api::port::PATCH;
use farrier_conductor::error::ConductorError;
use farrier_model::node::{Node, NodeName};
use farrier_model::port::Port;
use serde_json::Value;

use super::super::call::{Body, Call, Ident};
use super::super::error::HttpError;
use super::super::patch::{flag, mapping, text, uuid};
use super::super::tell::Tell;
use super::super::{ApiState, Shared, answer};
use super::{named, seen};
use crate::view::port::members;

/// One write under the lock of the node, which goes with the task when the client goes.
pub(super) async fn patch(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let uuid = named(&ident)?;
    let patch = Patch::parse(&PATCH, call.version, &body)?;
    // A port that does not exist is 404 even if the node it is to belong to does not exist either.
    state.conductor.port(uuid).await?;
    let node = new_node(&state, &patch).await?;
    // Every fault of an edit is 400; the conductor hands it on as it is.
    let edit = |port: &Port| {
        apply(&patch, node.as_ref(), port).map_err(|fault| ConductorError::invalid_parameter(fault.message()))
    };
    let work = state.conductor.port_update(call.context.clone(), uuid, &edit);
    let asked = async { edit(&state.conductor.port(uuid).await?) };
    let port = Tell::update(&state, asked).with(work).await?;
    Ok(answer::ok(seen(&call, &port)))
}

/// The node that a patch names last; looked up here, because a patch is applied without waiting.
async fn new_node(state: &ApiState, patch: &Patch) -> Result<Option<Node>, HttpError> {
    let named = patch.operations().iter().rev().find(|operation| operation.root() == "node_uuid");
    let Some(ident) = named.and_then(|operation| operation.value().as_str()) else { return Ok(None) };
    let node = state.conductor.node(&NodeName::from(ident)).await;
    Ok(Some(node.map_err(|error| HttpError::from(error).in_body())?))
}

/// The port as the patch wants it.
fn apply(patch: &Patch, node: Option<&Node>, port: &Port) -> Result<Port, Fault> {
    let mut members = members(port);
    members.retain(|name, _| PATCH.root(name).is_some());
    let mut patched = patch.apply(&members)?;
    let mut edited = port.clone();
    for name in &patched.named {
        let value = patched.members.remove(*name).unwrap_or(Value::Null);
        assign(&mut edited, node, name, value)?;
    }
    Ok(edited)
}

/// Sets a member of the record; null is its default.
fn assign(port: &mut Port, node: Option<&Node>, name: &str, value: Value) -> Result<(), Fault> {
    match name {
        "address" => {
            let text = text(value).unwrap_or_default();
            port.address = mac_address(&text).ok_or_else(|| Fault::invalid_mac(name, &text))?;
        }
        "node_uuid" => {
            if let Some(node) = node {
                port.node_id = node.id;
                port.node_uuid = node.uuid;
            }
        }
        "portgroup_uuid" => port.portgroup_uuid = uuid(name, text(value).as_deref())?,
        "available_for_dynamic_portgroup" => port.available_for_dynamic_portgroup = flag(&value),
        "is_smartnic" => port.is_smartnic = flag(&value),
        "pxe_enabled" => port.pxe_enabled = flag(&value),
        "category" => port.category = text(value),
        "description" => port.description = text(value),
        "extra" => port.extra = mapping(value),
        "local_link_connection" => port.local_link_connection = mapping(value),
        "name" => port.name = text(value),
        "physical_network" => port.physical_network = text(value),
        "vendor" => port.vendor = text(value),
        _ => return Err(Fault::invalid(format!("{name} can not be changed"))),
    }
    Ok(())
}

//! Enrolling nodes.

use axum::extract::State;
use axum::response::Response;
use farrier_api::error::{ErrorName, Fault};
use farrier_api::node::NodeCreate;
use farrier_api::version::Microversion;
use farrier_api::version::table::{Kind, NODE_CREATED_IN_ENROLL, Topic};
use farrier_model::conductor::is_group_name;
use farrier_model::node::Node;
use farrier_model::provision::ProvisionState;
use farrier_sdk::interface::InterfaceType;
use uuid::Uuid;

use super::super::call::{Body, Call};
use super::super::error::HttpError;
use super::super::patch::uuid;
use super::super::tell::Tell;
use super::super::{ApiState, Shared, answer};
use super::{referenced, seen};
use crate::view::Selection;

/// One transaction: a client that goes leaves no node, or a whole one.
pub(super) async fn create(
    State(state): Shared,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let request = NodeCreate::parse(call.version, &body)?;
    let parent = parent(&state, request.parent_node.as_deref()).await?;
    let node = Node { parent_node: parent, ..node(request, call.version)? };
    let work = state.conductor.node_create(call.context.clone(), node.clone());
    let node = Tell::create(&state, &node).with(work).await?;
    let location = farrier_api::link::address(&call.base, &format!("nodes/{}", node.uuid));
    Ok(answer::created(&location, seen(&state, &call, &Selection::Whole, &node)))
}

/// The node that another is to be a part of, by its UUID or name.
///
/// # Errors
///
/// 400: there is no such node.
pub(super) async fn parent(state: &ApiState, ident: Option<&str>) -> Result<Option<Uuid>, HttpError> {
    let Some(ident) = ident else { return Ok(None) };
    let parent = referenced(state, ident).await.map_err(HttpError::in_body)?;
    Ok(Some(parent.uuid))
}

/// The record that a request asks for, without its parent.
fn node(request: NodeCreate, version: Microversion) -> Result<Node, Fault> {
    if let Some(uuid) = &request.chassis_uuid {
        return Err(no_such_chassis(uuid));
    }
    let uuid = uuid("uuid", request.uuid.as_deref())?.unwrap_or_else(Uuid::new_v4);
    let mut node = Node::new(uuid, request.driver);
    if !version.has(Topic::Node, Kind::Behavior, NODE_CREATED_IN_ENROLL) {
        node.provision_state = ProvisionState::Available;
    }
    for (kind, name) in request.interfaces {
        let kind: InterfaceType =
            kind.parse().map_err(|error| Fault::invalid(format!("Invalid interface: {error}")))?;
        node.interfaces.set(kind, Some(name));
    }
    if let Some(group) = &request.conductor_group {
        node.conductor_group = conductor_group(group)?;
    }
    Ok(Node {
        name: request.name,
        driver_info: request.driver_info.unwrap_or_default().0,
        properties: request.properties.unwrap_or_default(),
        extra: request.extra.unwrap_or_default(),
        instance_info: request.instance_info.unwrap_or_default().0,
        network_data: request.network_data.unwrap_or_default(),
        resource_class: request.resource_class,
        automated_clean: request.automated_clean,
        owner: request.owner,
        lessee: request.lessee,
        description: request.description,
        shard: request.shard,
        disable_power_off: request.disable_power_off.unwrap_or_default(),
        ..node
    })
}

/// The name of a conductor group as it is stored.
///
/// # Errors
///
/// 400: it has characters that such names do not have.
pub(super) fn conductor_group(text: &str) -> Result<String, Fault> {
    if is_group_name(text) {
        return Ok(text.to_lowercase());
    }
    Err(Fault::invalid(format!(
        "Invalid conductor_group: '{text}' has to be letters, digits, '-', '_' and '.'"
    )))
}

/// 400: nodes cannot be put into a chassis, because there is none.
pub(super) fn no_such_chassis(uuid: &str) -> Fault {
    Fault::new(ErrorName::NotFound, format!("Chassis {uuid} could not be found.")).with_code(400)
}

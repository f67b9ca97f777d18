//! Making ports known.

use axum::extract::State;
use axum::response::Response;
use farrier_api::port::PortCreate;
use farrier_model::node::{Node, NodeName};
use farrier_model::port::Port;
use uuid::Uuid;

use super::super::call::{Body, Call};
use super::super::error::HttpError;
use super::super::patch::uuid;
use super::super::tell::Tell;
use super::super::{Shared, answer};
use super::seen;

/// One transaction: a client that goes leaves no port, or a whole one.
pub(super) async fn create(
    State(state): Shared,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let request = PortCreate::parse(call.version, &body)?;
    let portgroup_uuid = uuid("portgroup_uuid", request.portgroup_uuid.as_deref())?;
    let uuid = uuid("uuid", request.uuid.as_deref())?.unwrap_or_else(Uuid::new_v4);
    let node = NodeName::from(request.node_uuid.as_str());
    let make = |node: &Node| {
        let port = Port { portgroup_uuid, node_uuid: node.uuid, ..Port::new(uuid, node.id, "") };
        self::port(port, request.clone())
    };
    let work = state.conductor.port_create(call.context.clone(), &node, make);
    let asked = async { Ok(make(&state.conductor.node(&node).await?)) };
    let created = Tell::create_of(&state, asked).with(work).await;
    let port = created.map_err(|error| HttpError::from(error).in_body())?;
    let location = farrier_api::link::address(&call.base, &format!("ports/{}", port.uuid));
    Ok(answer::created(&location, seen(&call, &port)))
}

/// The record that a request asks for; `port` has what was found out before.
fn port(port: Port, request: PortCreate) -> Port {
    Port {
        address: request.address,
        name: request.name,
        description: request.description,
        physical_network: request.physical_network,
        pxe_enabled: request.pxe_enabled.unwrap_or(port.pxe_enabled),
        is_smartnic: request.is_smartnic.unwrap_or(port.is_smartnic),
        local_link_connection: request.local_link_connection.unwrap_or_default(),
        extra: request.extra.unwrap_or_default(),
        vendor: request.vendor,
        category: request.category,
        available_for_dynamic_portgroup: request
            .available_for_dynamic_portgroup
            .unwrap_or(port.available_for_dynamic_portgroup),
        ..port
    }
}

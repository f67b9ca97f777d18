//! Putting nodes into maintenance.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::put;
use farrier_api::node::MaintenanceRequest;
use farrier_conductor::error::ConductorError;
use farrier_conductor::service::{NodeUpdate, ResetInterfaces};
use farrier_model::node::Node;

use super::super::call::{Body, Call, Ident};
use super::super::error::HttpError;
use super::super::tell::Tell;
use super::super::{ApiState, Shared, answer};
use super::edited;

/// The routes of maintenance.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new().route("/v1/nodes/{ident}/maintenance", put(set).delete(unset))
}

async fn set(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    let MaintenanceRequest { reason } = MaintenanceRequest::parse(&body)?;
    let edit =
        move |node: &Node| Ok(Node { maintenance: true, maintenance_reason: reason.clone(), ..node.clone() });
    update(&state, call, &ident, &edit).await
}

/// The conductor forgets the reason, its own or an operator's.
async fn unset(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    update(&state, call, &ident, &|node| Ok(Node { maintenance: false, ..node.clone() })).await
}

async fn update(
    state: &ApiState,
    call: Call,
    ident: &str,
    edit: &(dyn Fn(&Node) -> Result<Node, ConductorError> + Send + Sync),
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let update = NodeUpdate { edit, reset_interfaces: ResetInterfaces::No };
    let name = call.node(ident)?;
    let work = state.conductor.node_update(call.context, &name, update);
    Tell::maintenance(state, edited(state, &name, edit)).with(work).await?;
    Ok(answer::accepted())
}

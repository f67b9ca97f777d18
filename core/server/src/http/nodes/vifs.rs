//! Virtual network interfaces of a node.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{delete, get};
use farrier_api::error::Fault;
use farrier_api::schema::{missing, object};
use serde_json::{Map, Value};

use super::super::call::{Body, Call, Ident};
use super::super::detached::to_its_end;
use super::super::error::HttpError;
use super::super::{ApiState, Shared, answer};

/// The routes of virtual network interfaces.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/nodes/{ident}/vifs", get(list).post(attach))
        .route("/v1/nodes/{ident}/vifs/{vif}", delete(detach))
}

async fn list(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let name = call.node(&ident)?;
    let vifs = state.conductor.vifs(call.context, &name).await?;
    let vifs: Vec<Value> = vifs.into_iter().map(Value::Object).collect();
    Ok(answer::ok(Map::from_iter([("vifs".to_owned(), Value::from(vifs))])))
}

/// Runs to its end without its client: a network must not be left half configured.
async fn attach(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let vif = object("vif", &body)?.clone();
    if !vif.get("id").is_some_and(Value::is_string) {
        return Err(Fault::schema("vif", missing("id")).into());
    }
    let name = call.node(&ident)?;
    let conductor = state.conductor.clone();
    to_its_end(&state.conductor, async move { conductor.attach_vif(call.context, &name, vif).await }).await?;
    Ok(answer::no_content())
}

/// Runs to its end without its client: a network must not be left half configured.
async fn detach(
    State(state): Shared,
    Path((ident, vif)): Path<(String, String)>,
    call: Call,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let name = call.node(&ident)?;
    let conductor = state.conductor.clone();
    to_its_end(&state.conductor, async move { conductor.detach_vif(call.context, &name, vif).await }).await?;
    Ok(answer::no_content())
}

//! What the last inspection of a node found.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Map, Value};

use super::super::call::{Call, Ident};
use super::super::error::HttpError;
use super::super::{ApiState, Shared, answer};

/// The route of the inventory.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new().route("/v1/nodes/{ident}/inventory", get(show))
}

async fn show(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let node = state.conductor.node(&call.node(&ident)?).await?;
    let found = state.conductor.inventory(&node).await?;
    Ok(answer::ok(Map::from_iter([
        ("inventory".to_owned(), Value::Object(found.inventory)),
        ("plugin_data".to_owned(), Value::Object(found.plugin_data)),
    ])))
}

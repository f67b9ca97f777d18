//! Firmware of a node's components, as it was last read.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use farrier_api::firmware::Firmware;

use super::super::call::{Call, Ident};
use super::super::error::HttpError;
use super::super::{ApiState, Shared, answer};
use crate::view;

/// The route of firmware.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new().route("/v1/nodes/{ident}/firmware", get(list))
}

async fn list(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let node = state.conductor.node(&call.node(&ident)?).await?;
    let components = state.conductor.firmware(&node).await?;
    Ok(answer::ok(Firmware { firmware: components.iter().map(view::hardware::firmware).collect() }))
}

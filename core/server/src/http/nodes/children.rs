//! Nodes that are parts of a node.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use farrier_store::{Children, NodeFilter, Page};
use serde_json::{Map, Value};

use super::super::call::{Call, Ident};
use super::super::error::HttpError;
use super::super::{ApiState, Shared, answer};

/// The route of children.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new().route("/v1/nodes/{ident}/children", get(list))
}

async fn list(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let node = state.conductor.node(&call.node(&ident)?).await?;
    let filter = NodeFilter { children: Children::Of(node.uuid), ..NodeFilter::default() };
    let children = state.conductor.nodes(&filter, &Page::default()).await?;
    let children: Vec<String> = children.iter().map(|child| child.uuid.to_string()).collect();
    Ok(answer::ok(Map::from_iter([("children".to_owned(), Value::from(children))])))
}

//! What happened to a node.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use farrier_api::error::Fault;
use farrier_api::history::HISTORY;
use farrier_api::link::encoded;
use uuid::Uuid;

use super::super::call::{Call, Ident};
use super::super::error::HttpError;
use super::super::paging::{Detail, List};
use super::super::{ApiState, Shared, answer};
use crate::view::{self, Selection, shown};

/// The routes of history.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/nodes/{ident}/history", get(list))
        .route("/v1/nodes/{ident}/history/{uuid}", get(show))
}

async fn list(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    let path = format!("nodes/{}/history", encoded(&ident));
    let list = List::parse(&HISTORY, &call, state.max_limit, &path, Detail::Short)?;
    let node = state.conductor.node(&call.node(&ident)?).await?;
    let entries = state.conductor.history(&node, &list.page()?).await?;
    let selection = Selection::of_list(&list.query);
    let items = entries.iter().map(|entry| {
        shown(&HISTORY, &view::history::wire(&call.base, &ident, entry), call.version, &selection)
    });
    Ok(list.answer(items.collect(), entries.last().map(|entry| entry.uuid.to_string())))
}

async fn show(
    State(state): Shared,
    Path((ident, uuid)): Path<(String, String)>,
    call: Call,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let entry = Uuid::try_parse(&uuid).map_err(|_| Fault::invalid_uuid("event", &uuid))?;
    let node = state.conductor.node(&call.node(&ident)?).await?;
    let entry = state.conductor.history_entry(&node, entry).await?;
    let entry = view::history::wire(&call.base, &ident, &entry);
    Ok(answer::ok(shown(&HISTORY, &entry, call.version, &Selection::Whole)))
}

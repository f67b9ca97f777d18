//! Traits of a node.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, put};
use farrier_api::error::{ErrorName, Fault};
use farrier_api::traits::{self, Traits};
use farrier_conductor::service::TraitChange;

use super::super::call::{Body, Call, Ident};
use super::super::error::HttpError;
use super::super::tell::Tell;
use super::super::{ApiState, Shared, answer};

/// The routes of traits.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/nodes/{ident}/traits", get(list).put(replace).delete(clear))
        .route("/v1/nodes/{ident}/traits/{trait}", put(add).delete(remove))
}

async fn list(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let node = state.conductor.node(&call.node(&ident)?).await?;
    Ok(answer::ok(Traits { traits: node.traits }))
}

async fn replace(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    let Traits { traits } = Traits::parse(&body)?;
    change(&state, call, &ident, TraitChange::Replace(traits)).await
}

async fn clear(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    change(&state, call, &ident, TraitChange::Replace(Vec::new())).await
}

async fn add(
    State(state): Shared,
    Path((ident, name)): Path<(String, String)>,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    traits::check(&name)?;
    if body.as_object().map_or(!body.is_null(), |members| !members.is_empty()) {
        let text = "No body should be provided when adding a trait";
        return Err(Fault::new(ErrorName::ClientSideError, text).into());
    }
    change(&state, call, &ident, TraitChange::Add(name)).await
}

async fn remove(
    State(state): Shared,
    Path((ident, name)): Path<(String, String)>,
    call: Call,
) -> Result<Response, HttpError> {
    change(&state, call, &ident, TraitChange::Remove(name)).await
}

/// One transaction under the lock, which goes with the task when the client goes.
async fn change(
    state: &ApiState,
    call: Call,
    ident: &str,
    change: TraitChange,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let name = call.node(ident)?;
    let work = state.conductor.change_traits(call.context, &name, change);
    let node = || state.conductor.node(&name);
    Tell::update(state, node()).then(work, node()).await?;
    Ok(answer::no_content())
}

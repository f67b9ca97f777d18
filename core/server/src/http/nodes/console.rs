//! The console of a node.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use farrier_api::console::{Console, ConsoleInfo, ConsoleRequest};
use farrier_conductor::service::ConsoleMode;

use super::super::call::{Body, Call, Ident};
use super::super::detached::to_its_end;
use super::super::error::HttpError;
use super::super::{ApiState, Shared, answer};
use super::states_of;

/// The route of the console.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new().route("/v1/nodes/{ident}/states/console", get(show).put(set))
}

async fn show(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let name = call.node(&ident)?;
    let console = state.conductor.console(call.context, &name).await?;
    let console_enabled = console.is_some();
    let console_info = console.flatten().map(|info| ConsoleInfo { kind: info.kind, url: info.url });
    Ok(answer::ok(Console { console_enabled, console_info }))
}

/// Runs to its end without its client: a job takes the lock over.
async fn set(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let mode = if ConsoleRequest::parse(&body)?.enabled { ConsoleMode::On } else { ConsoleMode::Off };
    let location = format!("{}/console", states_of(&call, &ident));
    let name = call.node(&ident)?;
    let conductor = state.conductor.clone();
    to_its_end(&state.conductor, async move { conductor.set_console_mode(call.context, &name, mode).await })
        .await?;
    Ok(answer::accepted_at(&location))
}

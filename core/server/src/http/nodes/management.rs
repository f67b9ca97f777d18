//! Lights and the interrupt of a node.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, put};
use farrier_api::argument;
use farrier_api::indicator::{self, Indicator, IndicatorState, Indicators};
use farrier_conductor::service::IndicatorName;

use super::super::call::{Body, Call, Ident};
use super::super::detached::to_its_end;
use super::super::error::HttpError;
use super::super::{ApiState, Shared, answer};

/// The routes of management.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/nodes/{ident}/management/inject_nmi", put(inject_nmi))
        .route("/v1/nodes/{ident}/management/indicators", get(indicators))
        .route("/v1/nodes/{ident}/management/indicators/{indicator}", get(show).put(set))
}

/// Runs to its end without its client: the lock must not go while the BMC is still being asked.
async fn inject_nmi(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    argument::read(&body, &[], &[])?;
    let name = call.node(&ident)?;
    let conductor = state.conductor.clone();
    to_its_end(&state.conductor, async move { conductor.inject_nmi(call.context, &name).await }).await?;
    Ok(answer::no_content())
}

async fn indicators(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let name = call.node(&ident)?;
    let lights = state.conductor.indicators(call.context, &name).await?;
    let indicators = lights.into_iter().map(|light| {
        Indicator::new(&call.base, &ident, &light.name, &light.component, light.readonly, &light.states)
    });
    Ok(answer::ok(Indicators { indicators: indicators.collect() }))
}

/// Runs to its end without its client, for the lock's sake.
async fn show(
    State(state): Shared,
    Path((ident, indicator)): Path<(String, String)>,
    call: Call,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let (name, indicator) = (call.node(&ident)?, named(&indicator)?);
    let conductor = state.conductor.clone();
    let shines = to_its_end(&state.conductor, async move {
        conductor.indicator_state(call.context, &name, indicator).await
    });
    Ok(answer::ok(IndicatorState { state: shines.await?.to_uppercase() }))
}

/// Runs to its end without its client, for the lock's sake.
async fn set(
    State(state): Shared,
    Path((ident, indicator)): Path<(String, String)>,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let wanted = IndicatorState::parse(&body)?.state.to_lowercase();
    let (name, indicator) = (call.node(&ident)?, named(&indicator)?);
    let conductor = state.conductor.clone();
    to_its_end(&state.conductor, async move {
        conductor.set_indicator_state(call.context, &name, indicator, wanted).await
    })
    .await?;
    Ok(answer::no_content())
}

/// The indicator that a path names.
fn named(text: &str) -> Result<IndicatorName, HttpError> {
    let (name, component) = indicator::parts(text)?;
    Ok(IndicatorName { component: component.to_owned(), name: name.to_owned() })
}

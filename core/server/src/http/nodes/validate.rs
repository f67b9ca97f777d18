//! Asking the interfaces of a node whether they have what they need.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use farrier_api::validation::{Validation, ValidationResult};

use super::super::call::{Call, Ident};
use super::super::error::HttpError;
use super::super::{ApiState, Shared, answer};

/// The route of validation.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new().route("/v1/nodes/{ident}/validate", get(validate))
}

async fn validate(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let name = call.node(&ident)?;
    let answers = state.conductor.validate(call.context, &name).await?;
    let validation: Validation = answers
        .into_iter()
        .map(|answer| {
            let result = ValidationResult { result: answer.result, reason: answer.reason };
            (answer.kind.as_str().to_owned(), result)
        })
        .collect();
    Ok(answer::ok(validation))
}

//! Answers that are no errors.

use axum::Json;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// 200 with a body.
pub(super) fn ok(body: impl Serialize) -> Response {
    Json(body).into_response()
}

/// 201 with what was created and where it is.
pub(super) fn created(location: &str, body: impl Serialize) -> Response {
    at(location, (StatusCode::CREATED, Json(body)).into_response())
}

/// 202 for what goes on after the answer, and where to look how it goes.
pub(super) fn accepted_at(location: &str) -> Response {
    at(location, accepted())
}

/// 202 without a place.
pub(super) fn accepted() -> Response {
    StatusCode::ACCEPTED.into_response()
}

/// 204 for what is done.
pub(super) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// Adds `Location`; left out when the client's own name of the host cannot stand in a header.
fn at(location: &str, mut response: Response) -> Response {
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, value);
    }
    response
}

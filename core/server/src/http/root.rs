//! What the API says about itself.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use farrier_api::root::{Root, V1};

use super::ApiState;
use super::answer;
use super::call::Call;
use super::version::OFFERED;

/// The collections that have routes.
const COLLECTIONS: &[&str] = &[
    "conductors",
    "drivers",
    "heartbeat",
    "lookup",
    "nodes",
    "ports",
    // next collection above this line
];

/// The routes of discovery.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new().route("/", get(root)).route("/v1", get(v1))
}

async fn root(call: Call) -> Response {
    answer::ok(Root::new(&call.base, OFFERED))
}

async fn v1(call: Call) -> Response {
    answer::ok(V1::new(&call.base, OFFERED, call.version, COLLECTIONS))
}

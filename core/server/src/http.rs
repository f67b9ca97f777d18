//! The REST API over HTTP: what a request means, which request of the conductor it becomes, how the answer looks.
//!
//! | module | about |
//! |---|---|
//! | `frame` | what every request and every answer has |
//! | `auth` | who may ask |
//! | `version` | which versions are offered, and which paths each has |
//! | `call`, `patch`, `answer`, `paging` | reading requests and their values, writing answers and lists |
//! | `error` | the one match from an error to a status and a text |
//! | `detached` | changes that go on when their client has gone |
//! | `tell` | notifications of changes |
//! | `root`, `nodes`, `ports`, `drivers`, `conductors` | handlers and their routes, one module per collection |
//!
//! **Invariant:** no handler touches the store, a driver or a lock: all work is a method of the conductor.

mod agent;
mod answer;
mod auth;
mod call;
mod conductors;
mod detached;
mod drivers;
mod error;
mod forward;
mod frame;
mod nodes;
mod paging;
mod patch;
mod ports;
mod root;
mod tell;
mod version;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use farrier_api::error::Refusal;
use farrier_conductor::service::Conductor;
use tower::Layer;

use crate::config::ApiConfig;
use crate::rpc;
pub(crate) use auth::Auth;
use error::HttpError;
pub(crate) use frame::Origin;

/// The most bytes the body of a request may have: room for the data an inspection collects, logs included. A larger
/// config drive is given by its address.
pub(crate) const BODY_SIZE_MAX: usize = 16 * 1024 * 1024;

/// What the handlers share.
#[derive(Debug, Clone)]
pub(crate) struct ApiState {
    /// Who does the work.
    pub(crate) conductor: Conductor,
    /// What links begin with, without a slash at its end; none takes what the client asked for.
    pub(crate) public_endpoint: Option<String>,
    /// The most items one page of a list may have.
    pub(crate) max_limit: u32,
    /// Who may ask.
    pub(crate) auth: Auth,
    /// Other conductors; none where each does the work it is asked for itself.
    pub(crate) rpc: Option<rpc::Client>,
}

impl ApiState {
    /// The API of one conductor.
    pub(crate) fn new(conductor: Conductor, config: &ApiConfig, auth: Auth) -> Self {
        Self {
            conductor,
            public_endpoint: config.public_endpoint.clone(),
            max_limit: config.max_limit,
            auth,
            rpc: None,
        }
    }
}

/// State as handlers get it.
type Shared = axum::extract::State<Arc<ApiState>>;

/// The whole API.
///
/// The frame stands before the routes, so that it also sees requests for which there is no route.
pub(crate) fn router(state: ApiState) -> Router {
    let auth = state.auth.clone();
    let routes = routes(state);
    Router::new().fallback_service(middleware::from_fn_with_state(auth, frame::frame).layer(routes))
}

/// The API behind its frame.
pub(crate) fn routes(state: ApiState) -> Router {
    let state = Arc::new(state);
    Router::new()
        .merge(root::routes())
        .merge(nodes::routes())
        .merge(ports::routes())
        .merge(drivers::routes())
        .merge(conductors::routes())
        .merge(agent::routes())
        // next collection above this line
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&state), forward::forward))
        .layer(DefaultBodyLimit::max(BODY_SIZE_MAX))
        .with_state(state)
}

async fn no_such_path() -> HttpError {
    Refusal::no_such_path().into()
}

/// The router adds `Allow`.
async fn no_such_method() -> HttpError {
    Refusal::no_such_method().into()
}

#[cfg(test)]
mod tests;

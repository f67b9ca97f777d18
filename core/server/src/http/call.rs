//! Reading a request: who asks, for what, in which version.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use farrier_api::depth::{DEPTH_MAX, is_too_deep};
use farrier_api::error::{ErrorName, Fault};
use farrier_api::version::Microversion;
use farrier_api::version::table::{Kind, Topic};
use farrier_conductor::task::RequestContext;
use farrier_model::node::NodeName;
use serde_json::Value;

use super::error::HttpError;
use super::frame::Framed;
use super::{ApiState, BODY_SIZE_MAX};

/// How long the body of a request may take to arrive, so that a client that stops sending holds no connection.
const BODY_TIME_MAX: Duration = Duration::from_secs(60);

/// The one media type of bodies.
const JSON: &str = "application/json";

/// A request without its body.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The version in force.
    pub(super) version: Microversion,
    /// What links begin with, without a slash at its end.
    pub(super) base: String,
    /// Who asks.
    pub(super) context: RequestContext,
    /// The query, decoded, in its order.
    pub(super) arguments: Vec<(String, String)>,
}

impl Call {
    /// Refuses a query with any argument but these.
    ///
    /// # Errors
    ///
    /// - 400: another argument.
    /// - 406: an argument of `topic` that is newer than the version in force.
    pub(super) fn allow_arguments(&self, topic: Topic, known: &[&str]) -> Result<(), Fault> {
        let names = || self.arguments.iter().map(|(name, _)| name.as_str());
        let unexpected: Vec<&str> = names().filter(|name| !known.contains(name)).collect();
        if !unexpected.is_empty() {
            return Err(Fault::unexpected_arguments(&unexpected));
        }
        if names().any(|name| !self.version.has(topic, Kind::Parameter, name)) {
            return Err(Fault::not_acceptable());
        }
        Ok(())
    }

    /// Refuses a query.
    ///
    /// # Errors
    ///
    /// 400: there is an argument.
    pub(super) fn allow_no_arguments(&self) -> Result<(), Fault> {
        self.allow_arguments(Topic::Root, &[])
    }

    /// A node by what the path calls it.
    ///
    /// # Errors
    ///
    /// 400: a name, in a version in which nodes have none.
    pub(super) fn node(&self, ident: &str) -> Result<NodeName, Fault> {
        match NodeName::from(ident) {
            NodeName::Name(_) if !self.version.has(Topic::Node, Kind::Field, "name") => {
                Err(Fault::invalid_uuid("node_ident", ident))
            }
            named @ (NodeName::Name(_) | NodeName::Uuid(_)) => Ok(named),
        }
    }

    /// The last value of an argument.
    pub(super) fn argument(&self, name: &str) -> Option<&str> {
        let found = self.arguments.iter().rev().find(|(argument, _)| argument == name);
        found.map(|(_, text)| text.as_str())
    }
}

impl FromRequestParts<Arc<ApiState>> for Call {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, HttpError> {
        let Some(Framed { version, request_id, user }) = parts.extensions.get().cloned() else {
            let text = "The request reached its handler without a version.";
            return Err(Fault::new(ErrorName::InternalError, text).into());
        };
        let arguments = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Fault::invalid("The query of the request can not be read"))?;
        Ok(Self {
            version,
            base: base(state, parts),
            context: RequestContext { request_id: Some(request_id), user, ..RequestContext::default() },
            arguments: arguments.0,
        })
    }
}

/// What links begin with: what is configured, else what the client asked for.
fn base(state: &ApiState, parts: &Parts) -> String {
    if let Some(endpoint) = &state.public_endpoint {
        return endpoint.trim_end_matches('/').to_owned();
    }
    let scheme = parts.uri.scheme_str().unwrap_or("http");
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(axum::http::uri::Authority::as_str).or(host);
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}

/// What a path names: a node, a port, a driver, a conductor.
#[derive(Debug)]
pub(super) struct Ident(pub(super) String);

impl FromRequestParts<Arc<ApiState>> for Ident {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, HttpError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(ident)) => Ok(Self(ident)),
            Err(_) => Err(Fault::invalid("The path of the request can not be read").into()),
        }
    }
}

/// The body of a request; null when there is none.
#[derive(Debug)]
pub(super) struct Body(pub(super) Value);

impl FromRequest<Arc<ApiState>> for Body {
    type Rejection = HttpError;

    async fn from_request(request: Request, _state: &Arc<ApiState>) -> Result<Self, HttpError> {
        let is_json = is_json(request.headers());
        let bytes = bytes(request).await?;
        if bytes.is_empty() {
            return Ok(Self(Value::Null));
        }
        let value = serde_json::from_slice(&bytes)
            .map_err(|error| Fault::invalid(format!("The body of the request is not JSON: {error}")))?;
        if is_too_deep(&value) {
            let text = format!("The body of the request has more than {DEPTH_MAX} levels");
            return Err(Fault::invalid(text).into());
        }
        if !is_json {
            let text = format!("The body of the request has to be of type {JSON}");
            return Err(Fault::new(ErrorName::NotAcceptable, text).into());
        }
        Ok(Self(value))
    }
}

/// The body of a request as it arrives.
///
/// # Errors
///
/// - 413: it is too large.
/// - 400: it does not arrive, or not in time.
pub(super) async fn bytes(request: Request) -> Result<Bytes, Fault> {
    let read = tokio::time::timeout(BODY_TIME_MAX, Bytes::from_request(request, &())).await;
    let late = |_| Fault::invalid(format!("The body of the request did not arrive within {BODY_TIME_MAX:?}"));
    read.map_err(late)?.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let text = format!("The body of the request is larger than {BODY_SIZE_MAX} bytes");
            return Fault::invalid(text).with_code(413);
        }
        Fault::invalid("The body of the request did not arrive")
    })
}

/// Whether the request says that its body is JSON; parameters such as a charset do not matter.
fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case(JSON)
}

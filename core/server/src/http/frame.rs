//! What every request and every answer has, whatever it is about.
//!
//! - A request gets an id, a span in the log, and the version it asks for; a slash at the end of its path goes.
//! - An answer says its version, the range of versions, and the request's id, also when it is an error.
//! - A handler that panics is answered with 500; the daemon goes on.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::uri::PathAndQuery;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use farrier_api::error::{AuthFault, ErrorName, Fault, Refusal};
use farrier_api::version::{
    MAX_VERSION_HEADER, MIN_VERSION_HEADER, Microversion, REQUEST_ID_HEADERS, VERSION_HEADER,
};
use futures_util::FutureExt;
use tracing::{Instrument, debug, error, info_span};
use uuid::Uuid;

use super::auth::{Auth, CHALLENGE};
use super::error::HttpError;
use super::version::{self, OFFERED};

/// What the frame found out about a request, for its handler.
#[derive(Debug, Clone)]
pub(super) struct Framed {
    /// The version in force.
    pub(super) version: Microversion,
    /// `req-` and a UUID.
    pub(super) request_id: String,
    /// Who asks; none where nobody has to say.
    pub(super) user: Option<String>,
}

/// A request that another conductor has passed on: it stays where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passed;

/// Where a request comes from that did not come through the frame: from another conductor, which has one too.
#[derive(Debug)]
pub(crate) struct Origin(Framed);

impl Origin {
    /// What the other conductor's frame found out; none when the version is not offered here.
    pub(crate) fn forwarded(version: &str, request_id: String, user: Option<String>) -> Option<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(VERSION_HEADER, HeaderValue::from_str(version).ok()?);
        let version = version::negotiate(&headers).ok()?;
        Some(Self(Framed { version, request_id, user }))
    }

    /// Notes it on a request.
    pub(crate) fn mark(self, extensions: &mut Extensions) {
        extensions.insert(self.0);
        extensions.insert(Passed);
    }
}

/// Answers a request in its frame.
pub(super) async fn frame(State(auth): State<Auth>, mut request: Request, next: Next) -> Response {
    let request_id = format!("req-{}", Uuid::new_v4());
    let span = info_span!("request", %request_id);
    let framed = async {
        let start = Instant::now();
        trim(request.uri_mut());
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (mut response, version) = route(&auth, request, &request_id, next).await;
        describe(response.headers_mut(), version, &request_id);
        // Never the query: it can hold what is nobody else's business.
        debug!(
            %method, path, status = response.status().as_u16(), elapsed_ms = %start.elapsed().as_millis(),
            "request is answered"
        );
        response
    };
    framed.instrument(span).await
}

/// Finds the version in force and hands the request on; without a version there is only the refusal.
async fn route(
    auth: &Auth,
    mut request: Request,
    request_id: &str,
    next: Next,
) -> (Response, Option<Microversion>) {
    let path = request.uri().path();
    let user = match auth.user(path, request.headers()).await {
        Ok(user) => user,
        Err(fault) => return (refused(&fault), None),
    };
    let version = match version::negotiate(request.headers()) {
        Ok(version) => version,
        // The root tells which versions there are, so it cannot depend on one.
        Err(_) if path == "/" => OFFERED.min,
        Err(refused) => return (HttpError::from(refused.refusal()).into_response(), None),
    };
    if !version::has_path(version, path) && !version::is_free_of_versions(request.headers(), path) {
        return (HttpError::from(Refusal::no_such_path()).into_response(), Some(version));
    }
    request.extensions_mut().insert(Framed { version, request_id: request_id.to_owned(), user });
    let response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(payload) => {
            let reason = payload
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            error!(error = reason.unwrap_or("no text"), "a request made its handler panic");
            let fault = Fault::new(ErrorName::InternalError, "The request made the service fail.");
            HttpError::from(fault).into_response()
        }
    };
    (response, Some(version))
}

/// The answer to a request whose sender is not known.
fn refused(fault: &AuthFault) -> Response {
    let status = StatusCode::from_u16(fault.code).unwrap_or(StatusCode::UNAUTHORIZED);
    let json = HeaderValue::from_static("application/json");
    let mut response = (status, [(CONTENT_TYPE, json)], fault.body()).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
    }
    response
}

/// Takes the slashes off the end of the path: clients write both forms.
fn trim(uri: &mut Uri) {
    let path = uri.path();
    let trimmed = path.trim_end_matches('/');
    if trimmed == path || trimmed.is_empty() {
        return;
    }
    let rest = match uri.query() {
        Some(query) => format!("{trimmed}?{query}"),
        None => trimmed.to_owned(),
    };
    let mut parts = std::mem::take(uri).into_parts();
    if let Ok(path_and_query) = PathAndQuery::try_from(rest) {
        parts.path_and_query = Some(path_and_query);
    }
    // The parts come from an address, and a part of one of its parts is one still.
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

/// Writes the headers that every answer has.
fn describe(headers: &mut HeaderMap, version: Option<Microversion>, request_id: &str) {
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(MIN_VERSION_HEADER, &OFFERED.min.to_string());
    set(MAX_VERSION_HEADER, &OFFERED.max.to_string());
    if let Some(version) = version {
        set(VERSION_HEADER, &version.to_string());
    }
    for name in REQUEST_ID_HEADERS {
        set(name, request_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_at_the_end_go_and_the_rest_stays() {
        for (given, kept) in [
            ("/v1/nodes/", "/v1/nodes"),
            ("/v1/nodes//?a=b&c=/", "/v1/nodes?a=b&c=/"),
            ("/v1/nodes?a=b/", "/v1/nodes?a=b/"),
            ("/", "/"),
            ("//", "//"),
            ("http://h:1/v1/", "http://h:1/v1"),
        ] {
            let mut uri: Uri = given.parse().unwrap();

            trim(&mut uri);

            assert_eq!(uri.to_string(), kept);
        }
    }
}

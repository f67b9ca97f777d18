//! Being asked by another conductor.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use farrier_conductor::service::Conductor;
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{Instrument, debug, error, info_span, warn};

use super::client::{NONCE, SIGNATURE, TIME};
use super::sign::{Envelope, Key, Seen, now};
use super::{Answered, Call, CallFault, Forwarded, VERSION, methods};
use crate::http::{BODY_SIZE_MAX, Origin};

/// The largest call: a body of a request in JSON can take six characters for one.
const CALL_SIZE_MAX: usize = 6 * BODY_SIZE_MAX + 64 * 1024;

/// What answers calls.
struct Listener {
    /// The name of this conductor.
    name: String,
    key: Arc<Key>,
    seen: Seen,
    /// The API behind its frame: callers have found out who asks, and in which version.
    routes: Router,
}

/// Answers other conductors until told to stop, and what was begun then.
///
/// # Errors
///
/// Those of the socket.
pub(crate) async fn serve(
    listener: TcpListener,
    conductor: &Conductor,
    key: Arc<Key>,
    routes: Router,
    stop: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(listener, router(conductor.host(), key, routes))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// The one path.
pub(super) fn router(name: &str, key: Arc<Key>, routes: Router) -> Router {
    let listener = Listener { name: name.to_owned(), key, seen: Seen::default(), routes };
    Router::new()
        .route("/", post(answer))
        .layer(DefaultBodyLimit::max(CALL_SIZE_MAX))
        .with_state(Arc::new(listener))
}

async fn answer(State(listener): State<Arc<Listener>>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (nonce, time) = (header(NONCE), header(TIME).parse().unwrap_or_default());
    let envelope = Envelope { to: &listener.name, time, nonce };
    let signed = listener.key.is_call(envelope, &body, header(SIGNATURE));
    if !signed || !listener.seen.is_first(nonce, time, now()) {
        warn!(signed, "a call of another conductor is refused");
        let text = match signed {
            true => "the call is too old, or was made before",
            false => "the call is not signed for this conductor",
        };
        return (StatusCode::UNAUTHORIZED, text).into_response();
    }
    let answer = run(&listener.routes, &body).await.to_string();
    let signature = listener.key.sign_answer(nonce, answer.as_bytes());
    ([(SIGNATURE, signature), ("content-type", "application/json".to_owned())], answer).into_response()
}

/// Does what a call asks for.
async fn run(routes: &Router, body: &[u8]) -> Value {
    let Ok(call) = serde_json::from_slice::<Value>(body) else {
        return CallFault::Parse.answer(&Value::Null, "the call is not JSON");
    };
    let id = call.get("id").cloned().unwrap_or_default();
    let call = match serde_json::from_value::<Call>(call) {
        Ok(call) if call.jsonrpc == VERSION => call,
        Ok(_) => return CallFault::Invalid.answer(&id, "the call is not of JSON-RPC 2.0"),
        Err(failure) => return CallFault::Invalid.answer(&id, &format!("not a call: {failure}")),
    };
    let Call { method, params, .. } = call;
    let path = params.path.split('?').next().unwrap_or_default();
    if methods::find(&params.verb, path).is_none_or(|(found, _)| found.name != method) {
        let text = format!("there is no method `{method}` for {} {path}", params.verb);
        return CallFault::NoMethod.answer(&id, &text);
    }
    let span = info_span!("rpc", method, request_id = params.request_id);
    let worked = AssertUnwindSafe(work(routes, params)).catch_unwind().instrument(span);
    match worked.await {
        Ok(Ok(answered)) => {
            debug!(method, status = answered.status, "a call of another conductor is answered");
            json!({"jsonrpc": VERSION, "id": id, "result": answered})
        }
        Ok(Err(reason)) => CallFault::Invalid.answer(&id, &reason),
        Err(_) => {
            error!(method, "a call of another conductor made its handler panic");
            CallFault::Internal.answer(&id, "the request made the service fail")
        }
    }
}

/// Answers the request as if a client had asked here.
async fn work(routes: &Router, params: Forwarded) -> Result<Answered, String> {
    let Forwarded { verb, path, headers, version, request_id, user, body } = params;
    let origin = Origin::forwarded(&version, request_id, user).ok_or("the version is not offered here")?;
    let mut request = Request::builder().method(verb.as_str()).uri(path);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let mut request = request.body(Body::from(body)).map_err(|error| error.to_string())?;
    origin.mark(request.extensions_mut());
    let Ok(response) = routes.clone().oneshot(request).await;
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(|error| error.to_string())?;
    let headers = parts.headers.iter().filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    Ok(Answered {
        status: parts.status.as_u16(),
        headers: headers.filter(|(name, _)| name != "content-length").collect(),
        body: String::from_utf8(body.to_vec()).map_err(|_| "the answer is not text")?,
    })
}

//! Requests about nodes of other conductors.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use farrier_api::error::{ErrorName, Fault};
use farrier_conductor::error::ConductorError;
use farrier_model::node::{Node, NodeName};
use farrier_sdk::error::Chain;
use serde_json::Value;
use tracing::{debug, error, warn};
use uuid::Uuid;

use super::ApiState;
use super::error::HttpError;
use super::frame::{Framed, Passed};
use crate::rpc::methods::{self, Method, Subject};
use crate::rpc::{Answered, Client, Forwarded, RpcError};

/// Headers of a request that its handler may want to see.
const HEADERS: [HeaderName; 3] = [ACCEPT, CONTENT_TYPE, HOST];

/// Who is to do the work.
enum Owner {
    /// This conductor.
    We,
    /// Another one.
    Other(String),
}

/// Hands a request to the conductor that owns its node; one that was handed over already stays here.
pub(super) async fn forward(State(state): State<Arc<ApiState>>, request: Request, next: Next) -> Response {
    let Some(client) = state.rpc.as_ref().filter(|_| request.extensions().get::<Passed>().is_none()) else {
        return next.run(request).await;
    };
    let path = request.uri().path().to_owned();
    let Some((method, subject)) = methods::find(request.method().as_str(), &path) else {
        return next.run(request).await;
    };
    match pass_on(&state, client, method, subject, request).await {
        Ok(Passing::Answered(response)) => response,
        Ok(Passing::Ours(request)) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

/// What became of a request.
enum Passing {
    Answered(Response),
    Ours(Request),
}

async fn pass_on(
    state: &ApiState,
    client: &Client,
    method: Method,
    subject: Option<&str>,
    request: Request,
) -> Result<Passing, HttpError> {
    let (parts, body) = request.into_parts();
    let body = super::call::bytes(Request::from_parts(parts.clone(), body)).await?;
    let ours = |body: Bytes| Passing::Ours(Request::from_parts(parts.clone(), Body::from(body)));
    // A body that is no text is refused by the handler, wherever it runs.
    let Ok(mut text) = String::from_utf8(body.to_vec()) else { return Ok(ours(body)) };
    let conductor = match owner(state, method.subject, subject, &mut text).await? {
        Owner::We => return Ok(ours(text.into())),
        Owner::Other(conductor) => conductor,
    };
    let Some(framed) = parts.extensions.get::<Framed>() else { return Ok(ours(text.into())) };
    let params = Forwarded {
        verb: parts.method.to_string(),
        path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: kept(&parts.headers, parts.uri.authority().map(axum::http::uri::Authority::as_str)),
        version: framed.version.to_string(),
        request_id: framed.request_id.clone(),
        user: framed.user.clone(),
        body: text,
    };
    debug!(conductor, method = method.name, "a request is handed to the owner of its node");
    match client.call(&conductor, method.name, &params).await {
        Ok(answered) => Ok(Passing::Answered(response(answered))),
        Err(failure) => Err(refusal(&failure).into()),
    }
}

/// The conductor to ask. What cannot be found is for the handler here to complain about.
async fn owner(
    state: &ApiState,
    about: Subject,
    subject: Option<&str>,
    body: &mut String,
) -> Result<Owner, HttpError> {
    let conductor = &state.conductor;
    let named = subject.and_then(decoded);
    let node = match (about, named) {
        (Subject::Driver, Some(driver)) => return Ok(driver_owner(state, &driver).await?),
        (Subject::Machine | Subject::Record, Some(name)) => {
            conductor.node(&NodeName::from(name.as_str())).await.ok()
        }
        (Subject::Port, Some(uuid)) => match Uuid::try_parse(&uuid) {
            Ok(uuid) => conductor.node_of_port(uuid).await.ok(),
            Err(_) => None,
        },
        (Subject::NewPort, _) => {
            let body: Value = serde_json::from_str(body).unwrap_or_default();
            let name = body.get("node_uuid").or_else(|| body.get("node_ident")).and_then(Value::as_str);
            match name {
                Some(name) => conductor.node(&NodeName::from(name)).await.ok(),
                None => None,
            }
        }
        (Subject::NewNode, _) => new_node(body),
        (Subject::Driver | Subject::Machine | Subject::Record | Subject::Port, None) => None,
    };
    let Some(node) = node else { return Ok(Owner::We) };
    // What changes where a node belongs is done by whoever it will belong to.
    let after = if about == Subject::Record { moved(&node, body) } else { None };
    let owner = match after {
        Some(after) => conductor.owner(&after).await,
        None => conductor.owner(&node).await,
    };
    match owner {
        Ok(owner) if owner == conductor.host() => Ok(Owner::We),
        Ok(owner) => Ok(Owner::Other(owner)),
        Err(ConductorError::NoValidHost { .. }) if about != Subject::Machine => Ok(Owner::We),
        Err(failure @ ConductorError::NoValidHost { .. }) => Err(HttpError::from(failure).in_path()),
        Err(failure) => Err(failure.into()),
    }
}

/// A conductor that offers a hardware type: this one if it does.
async fn driver_owner(state: &ApiState, driver: &str) -> Result<Owner, ConductorError> {
    if state.conductor.registry().hardware_type(driver).is_ok() {
        return Ok(Owner::We);
    }
    let drivers = state.conductor.drivers().await?;
    let hosts = drivers.into_iter().find(|entry| entry.name == driver).map(|entry| entry.hosts);
    let others: Vec<String> = hosts.unwrap_or_default();
    // Which one does not matter, only that it is not always the same.
    let chance = usize::from(Uuid::new_v4().into_bytes().first().copied().unwrap_or_default());
    let picked = others.get(chance.checked_rem(others.len()).unwrap_or_default()).cloned();
    Ok(picked.map_or(Owner::We, Owner::Other))
}

/// The node that a body asks for, as far as its owner depends on it. It gets its UUID here: the owner follows from it.
fn new_node(body: &mut String) -> Option<Node> {
    let mut value: Value = serde_json::from_str(body).ok()?;
    let members = value.as_object_mut()?;
    let driver = members.get("driver")?.as_str()?.to_owned();
    let uuid = match members.get("uuid") {
        Some(Value::String(uuid)) => Uuid::try_parse(uuid).ok()?,
        Some(Value::Null) | None => Uuid::new_v4(),
        Some(_) => return None,
    };
    members.insert("uuid".to_owned(), Value::String(uuid.to_string()));
    let group = members.get("conductor_group").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    *body = value.to_string();
    Some(Node { conductor_group: group, ..Node::new(uuid, driver) })
}

/// The node as a patch moves it to another driver or group; none when it does neither.
fn moved(node: &Node, patch: &str) -> Option<Node> {
    let patch: Value = serde_json::from_str(patch).ok()?;
    let mut after = node.clone();
    for operation in patch.as_array()? {
        let value = operation.get("value").and_then(Value::as_str).unwrap_or_default();
        match operation.get("path").and_then(Value::as_str) {
            Some("/driver") => value.clone_into(&mut after.driver),
            Some("/conductor_group") => after.conductor_group = value.to_lowercase(),
            _ => {}
        }
    }
    let stays = after.driver == node.driver && after.conductor_group == node.conductor_group;
    (!stays).then_some(after)
}

/// An element of a path as it was meant.
fn decoded(element: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(element.len());
    let mut rest = element.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The headers that go with a request.
fn kept(headers: &HeaderMap, authority: Option<&str>) -> Vec<(String, String)> {
    let mut kept: Vec<_> = HEADERS
        .iter()
        .filter_map(|name| Some((name.to_string(), headers.get(name)?.to_str().ok()?.to_owned())))
        .collect();
    if let Some(authority) = authority
        && !headers.contains_key(HOST)
    {
        kept.push((HOST.to_string(), authority.to_owned()));
    }
    kept
}

fn response(answered: Answered) -> Response {
    let Answered { status, headers, body } = answered;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = (status, Body::from(body)).into_response();
    // What the body would say of itself is said by the answer.
    response.headers_mut().remove(CONTENT_TYPE);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// What a client is told when the owner of the node does not do the work.
fn refusal(failure: &RpcError) -> Fault {
    match failure {
        // It may be gone, and others will own its nodes in a moment.
        RpcError::Unreachable { conductor, .. } => {
            warn!(error = %Chain(failure), "the owner of a node can not be asked");
            let text = format!("Conductor {conductor} owns this and can not be reached, please retry later.");
            Fault::new(ErrorName::TemporaryFailure, text)
        }
        RpcError::Silent { conductor, .. } => {
            warn!(error = %Chain(failure), "the owner of a node does not answer");
            let text = format!("Conductor {conductor} owns this and did not answer in time.");
            Fault::new(ErrorName::TemporaryFailure, text).with_code(504)
        }
        RpcError::Refused { .. } | RpcError::NotSigned { .. } => {
            error!(error = %Chain(failure), "conductors do not understand each other");
            let text = "The conductor that owns this refuses the call of this one; their log has the reason.";
            Fault::new(ErrorName::InternalError, text)
        }
    }
}

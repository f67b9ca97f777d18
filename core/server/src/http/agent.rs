//! What the deploy agent asks for; nobody has to say who he is here.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use farrier_api::agent::{HeartbeatRequest, InspectionData, LOOKUP_FIELDS, LookupQuery, config};
use farrier_api::version::table::{Kind, Topic};
use farrier_conductor::service::{AgentInventory, Heartbeat, Lookup};
use farrier_model::node::Node;
use farrier_sdk::secret::Secret;
use serde_json::{Map, Value, json};

use super::call::{Body, Call, Ident};
use super::detached::to_its_end;
use super::error::HttpError;
use super::patch::uuid;
use super::{ApiState, Shared, answer};
use crate::view::{self, Selection};

/// Where an inspection hands over what it found; agents that know no versions use it too.
pub(super) const CONTINUE_INSPECTION: &str = "/v1/continue_inspection";

/// The routes of the agent.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/lookup", get(lookup))
        .route("/v1/heartbeat/{ident}", post(heartbeat))
        .route(CONTINUE_INSPECTION, post(continue_inspection))
}

/// Runs to its end without its client: a token that was made must be stored, or nobody has it.
async fn lookup(State(state): Shared, call: Call) -> Result<Response, HttpError> {
    let query = LookupQuery::parse(&call.arguments)?;
    let node_uuid = uuid("node_uuid", query.node_uuid.as_deref())?;
    let lookup = Lookup { addresses: query.addresses, node_uuid };
    let (conductor, context) = (state.conductor.clone(), call.context.clone());
    let found = to_its_end(&state.conductor, async move { conductor.lookup(context, &lookup).await }).await?;
    let token = found.token.as_ref().map(|token| token.expose().as_str());
    Ok(answer::ok(for_agent(&state, &call, &found.node, token)))
}

/// The node and what its agent has to know.
fn for_agent(state: &ApiState, call: &Call, node: &Node, token: Option<&str>) -> Map<String, Value> {
    let fields = LOOKUP_FIELDS.iter().map(|name| (*name).to_owned()).collect();
    let selection = Selection::Fields(fields);
    let shown = view::node::view(&state.conductor, &call.base, call.version, &selection, node);
    Map::from_iter([
        ("node".to_owned(), Value::Object(shown)),
        ("config".to_owned(), Value::Object(config(token))),
    ])
}

async fn heartbeat(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let request = HeartbeatRequest::parse(call.version, &body)?;
    let name = call.node(&ident)?;
    let heartbeat = Heartbeat {
        callback_url: request.callback_url,
        agent_version: request.agent_version,
        agent_token: request.agent_token.map(Secret::new),
        agent_verify_ca: request.agent_verify_ca,
        agent_status: request.agent_status,
        agent_status_message: request.agent_status_message,
    };
    state.conductor.heartbeat(call.context, &name, heartbeat).await?;
    Ok(answer::accepted())
}

/// Runs to its end without its client: a job takes the lock over.
async fn continue_inspection(
    State(state): Shared,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    let data = InspectionData::parse(&call.arguments, &body)?;
    let node_uuid = uuid("node_uuid", data.node_uuid.as_deref())?;
    let found = AgentInventory { node_uuid, inventory: data.inventory, plugin_data: data.plugin_data };
    let (conductor, context) = (state.conductor.clone(), call.context.clone());
    let node =
        to_its_end(&state.conductor, async move { conductor.continue_inspection(context, found).await })
            .await?;
    let whole = call.version.has(Topic::Root, Kind::Endpoint, "continue_inspection");
    let body = if whole {
        Value::Object(for_agent(&state, &call, &node, None))
    } else {
        json!({"uuid": node.uuid.to_string()})
    };
    Ok((StatusCode::ACCEPTED, axum::Json(body)).into_response())
}

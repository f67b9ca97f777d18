//! Ports.

mod create;
mod patch;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use farrier_api::error::Fault;
use farrier_api::identity::mac_address;
use farrier_api::paging::{ListQuery, selected_fields};
use farrier_api::port::PORT;
use farrier_model::node::NodeName;
use farrier_model::port::Port;
use farrier_store::PortFilter;
use uuid::Uuid;

use super::call::{Call, Ident};
use super::error::HttpError;
use super::paging::{Detail, List};
use super::tell::Tell;
use super::{ApiState, Shared, answer};
use crate::view::short::Short;
use crate::view::{self, Selection};

/// The routes of ports.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/ports", get(list).post(create::create))
        .route("/v1/ports/detail", get(list_detail))
        .route("/v1/ports/{uuid}", get(show).patch(patch::patch).delete(delete))
        .route("/v1/nodes/{ident}/ports", get(list_of_node))
        .route("/v1/nodes/{ident}/ports/detail", get(list_of_node_detail))
}

async fn list(State(state): Shared, call: Call) -> Result<Response, HttpError> {
    page(&state, &call, "ports", Detail::Short, None).await
}

async fn list_detail(State(state): Shared, call: Call) -> Result<Response, HttpError> {
    page(&state, &call, "ports/detail", Detail::Whole, None).await
}

async fn list_of_node(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    let path = format!("nodes/{}/ports", farrier_api::link::encoded(&ident));
    page(&state, &call, &path, Detail::Short, Some(&ident)).await
}

async fn list_of_node_detail(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
) -> Result<Response, HttpError> {
    let path = format!("nodes/{}/ports/detail", farrier_api::link::encoded(&ident));
    page(&state, &call, &path, Detail::Whole, Some(&ident)).await
}

async fn page(
    state: &ApiState,
    call: &Call,
    path: &str,
    detail: Detail,
    node: Option<&str>,
) -> Result<Response, HttpError> {
    let list = List::parse(&PORT, call, state.max_limit, path, detail)?;
    let Some(filter) = filter(state, &list.query, node).await? else {
        return Ok(list.answer_nothing());
    };
    let (page, selection) = (list.page()?, Selection::of_list(&list.query));
    if let Some(short) = Short::of(&PORT, &call.base, call.version, &selection) {
        let ports = state.conductor.port_summaries(&filter, &page).await?;
        return Ok(list.answer(short.items(&ports), ports.last().map(|port| port.uuid.to_string())));
    }
    let ports = state.conductor.ports(&filter, &page).await?;
    let last = ports.last().map(|port| port.uuid.to_string());
    if selection == Selection::Whole && PORT.shows_all(call.version) {
        let whole = |port| view::port::whole(&call.base, port);
        return Ok(list.answer(ports.iter().map(whole).collect(), last));
    }
    let shown = |port| view::port::view(&call.base, call.version, &selection, port);
    Ok(list.answer(ports.iter().map(shown).collect(), last))
}

/// The filter that a query means; none when no port can pass it.
///
/// # Errors
///
/// 404: the node does not exist, whether path or query names it.
async fn filter(
    state: &ApiState,
    query: &ListQuery,
    node: Option<&str>,
) -> Result<Option<PortFilter>, HttpError> {
    let mut filter = PortFilter { shards: query.list("shard").to_vec(), ..PortFilter::default() };
    for ident in [node, query.text("node"), query.text("node_uuid")].into_iter().flatten() {
        let found = state.conductor.node(&NodeName::from(ident)).await?;
        if filter.node.is_some_and(|other| other != found.uuid) {
            return Ok(None);
        }
        filter.node = Some(found.uuid);
    }
    if let Some(address) = query.text("address") {
        filter.address = Some(mac_address(address).ok_or_else(|| Fault::invalid_mac("address", address))?);
    }
    if let Some(group) = query.text("portgroup") {
        // Groups have no routes yet, so that only their UUIDs can be known.
        let Ok(uuid) = Uuid::try_parse(group) else { return Ok(None) };
        filter.portgroup = Some(uuid);
    }
    let groups = query.list("conductor_groups");
    if !groups.is_empty() && !groups.iter().any(|group| group.to_lowercase() == state.conductor.group()) {
        return Ok(None);
    }
    Ok(Some(filter))
}

async fn show(State(state): Shared, Ident(uuid): Ident, call: Call) -> Result<Response, HttpError> {
    let selection = Selection::of_one(selected_fields(&PORT, call.version, &call.arguments)?);
    let port = state.conductor.port(named(&uuid)?).await?;
    Ok(answer::ok(view::port::view(&call.base, call.version, &selection, &port)))
}

/// One transaction under the lock of the node, which goes with the task when the client goes.
async fn delete(State(state): Shared, Ident(uuid): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let uuid = named(&uuid)?;
    let work = state.conductor.port_delete(call.context, uuid);
    Tell::delete(&state, state.conductor.port(uuid)).around(work).await?;
    Ok(answer::no_content())
}

/// The UUID in a path: ports have no other name.
fn named(text: &str) -> Result<Uuid, Fault> {
    Uuid::try_parse(text).map_err(|_| Fault::invalid_uuid("port_ident", text))
}

/// A port as the client of this call sees it.
fn seen(call: &Call, port: &Port) -> serde_json::Map<String, serde_json::Value> {
    view::port::view(&call.base, call.version, &Selection::Whole, port)
}

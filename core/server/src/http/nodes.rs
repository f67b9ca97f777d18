//! Nodes, and what belongs to one of them.

mod bios;
mod boot_device;
mod children;
mod console;
mod create;
mod filter;
mod firmware;
mod history;
mod inventory;
mod maintenance;
mod management;
mod media;
mod patch;
mod provision;
mod states;
mod traits;
mod validate;
mod vendor;
mod vifs;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use farrier_api::node::NODE;
use farrier_api::paging::selected_fields;
use farrier_conductor::error::ConductorError;
use farrier_model::node::{Node, NodeName};
use farrier_store::Children;
use uuid::Uuid;

use super::call::{Call, Ident};
use super::error::HttpError;
use super::paging::{Detail, List};
use super::tell::Tell;
use super::{ApiState, Shared, answer};
use crate::view::short::Short;
use crate::view::{self, Selection};

/// The routes of nodes.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/nodes", get(list).post(create::create))
        .route("/v1/nodes/detail", get(list_detail))
        .route("/v1/nodes/{ident}", get(show).patch(patch::patch).delete(delete))
        .merge(maintenance::routes())
        .merge(states::routes())
        .merge(provision::routes())
        .merge(validate::routes())
        .merge(boot_device::routes())
        .merge(management::routes())
        .merge(console::routes())
        .merge(vendor::routes())
        .merge(traits::routes())
        .merge(bios::routes())
        .merge(firmware::routes())
        .merge(inventory::routes())
        .merge(history::routes())
        .merge(media::routes())
        .merge(vifs::routes())
        .merge(children::routes())
    // next path below a node above this line
}

async fn list(State(state): Shared, call: Call) -> Result<Response, HttpError> {
    page(&state, &call, "nodes", Detail::Short).await
}

async fn list_detail(State(state): Shared, call: Call) -> Result<Response, HttpError> {
    page(&state, &call, "nodes/detail", Detail::Whole).await
}

async fn page(state: &ApiState, call: &Call, path: &str, detail: Detail) -> Result<Response, HttpError> {
    let list = List::parse(&NODE, call, state.max_limit, path, detail)?;
    let Some(filter) = filter::filter(&state.conductor, &list.query).await? else {
        return Ok(list.answer_nothing());
    };
    // One instance is on one node, so that there is no second page.
    let is_alone = filter.instance_uuid.is_some() && filter.children == Children::Included;
    let last = |uuid: Option<Uuid>| uuid.filter(|_| !is_alone).map(|uuid| uuid.to_string());
    let (page, selection) = (list.page()?, Selection::of_list(&list.query));
    if let Some(short) = Short::of(&NODE, &call.base, call.version, &selection) {
        let nodes = state.conductor.node_summaries(&filter, &page).await?;
        return Ok(list.answer(short.items(&nodes), last(nodes.last().map(|node| node.uuid))));
    }
    let nodes = state.conductor.nodes(&filter, &page).await?;
    let last = last(nodes.last().map(|node| node.uuid));
    if selection == Selection::Whole && NODE.shows_all(call.version) {
        let whole = |node| view::node::whole(&state.conductor, &call.base, node);
        return Ok(list.answer(nodes.iter().map(whole).collect(), last));
    }
    Ok(list.answer(nodes.iter().map(|node| seen(state, call, &selection, node)).collect(), last))
}

async fn show(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    let fields = selected_fields(&NODE, call.version, &call.arguments)?;
    let node = state.conductor.node(&call.node(&ident)?).await?;
    Ok(answer::ok(seen(&state, &call, &Selection::of_one(fields), &node)))
}

/// A change that is one transaction: dropped before it, the node stays; after it, the lock goes with the node.
async fn delete(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let name = call.node(&ident)?;
    let work = state.conductor.node_delete(call.context, &name);
    Tell::delete(&state, state.conductor.node(&name)).around(work).await?;
    Ok(answer::no_content())
}

/// A node as the client of this call sees it.
fn seen(
    state: &ApiState,
    call: &Call,
    selection: &Selection,
    node: &Node,
) -> serde_json::Map<String, serde_json::Value> {
    view::node::view(&state.conductor, &call.base, call.version, selection, node)
}

/// A node as a change would leave it, were it made now.
async fn edited(
    state: &ApiState,
    name: &NodeName,
    edit: &(dyn Fn(&Node) -> Result<Node, ConductorError> + Send + Sync),
) -> Result<Node, ConductorError> {
    edit(&state.conductor.node(name).await?)
}

/// Where the states of a node are, by the name the request used for it.
fn states_of(call: &Call, ident: &str) -> String {
    let ident = farrier_api::link::encoded(ident);
    farrier_api::link::address(&call.base, &format!("nodes/{ident}/states"))
}

/// A node named in a body or a query; none when the text is empty.
///
/// # Errors
///
/// `NodeNotFound`.
async fn referenced(state: &ApiState, ident: &str) -> Result<Node, HttpError> {
    Ok(state.conductor.node(&NodeName::from(ident)).await?)
}

//! BIOS settings of a node, as they were last read.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use farrier_api::bios::BIOS;
use farrier_api::boolean;
use farrier_api::error::Fault;
use farrier_api::paging::selected_fields;
use farrier_api::version::table::Topic;
use serde_json::{Map, Value};

use super::super::call::{Call, Ident};
use super::super::error::HttpError;
use super::super::{ApiState, Shared, answer};
use crate::view::{self, Selection, shown};

/// The routes of BIOS settings.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/nodes/{ident}/bios", get(list))
        .route("/v1/nodes/{ident}/bios/{setting}", get(show))
}

/// Lists of settings have neither pages nor an order of the client's choice.
async fn list(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    let selection = selection(&call)?;
    let node = state.conductor.node(&call.node(&ident)?).await?;
    let settings = state.conductor.bios_settings(&node).await?;
    let settings = settings.iter().map(|setting| view::hardware::bios_setting(&call.base, &ident, setting));
    let items: Vec<Value> =
        settings.map(|setting| Value::Object(shown(&BIOS, &setting, call.version, &selection))).collect();
    Ok(answer::ok(Map::from_iter([(BIOS.collection.to_owned(), Value::from(items))])))
}

/// What a list is to show of each setting.
fn selection(call: &Call) -> Result<Selection, Fault> {
    call.allow_arguments(Topic::Bios, &["detail", "fields"])?;
    let detail = match call.argument("detail") {
        Some(text) => boolean::from_text("detail", text)?,
        None => false,
    };
    if call.argument("fields").is_none() {
        return Ok(if detail { Selection::Whole } else { Selection::Short });
    }
    if detail {
        return Err(Fault::invalid("Can not specify ?detail=True and fields in the same request."));
    }
    Ok(Selection::of_one(selected_fields(&BIOS, call.version, &call.arguments)?))
}

async fn show(
    State(state): Shared,
    Path((ident, name)): Path<(String, String)>,
    call: Call,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let node = state.conductor.node(&call.node(&ident)?).await?;
    let settings = state.conductor.bios_settings(&node).await?;
    let uuid = node.uuid.to_string();
    let Some(setting) = settings.iter().find(|setting| setting.name == name) else {
        return Err(Fault::bios_setting_not_found(&uuid, &name).into());
    };
    let setting = view::hardware::bios_setting(&call.base, &uuid, setting);
    let setting = Value::Object(shown(&BIOS, &setting, call.version, &Selection::Whole));
    Ok(answer::ok(Map::from_iter([(name, setting)])))
}

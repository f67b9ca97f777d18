//! Drivers: hardware types that some conductor offers.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use farrier_api::driver::{DRIVER, DYNAMIC, DriverProperties};
use farrier_api::error::Fault;
use farrier_api::paging::selected_fields;
use farrier_api::version::table::Topic;

use super::call::{Call, Ident};
use super::error::HttpError;
use super::paging::{Detail, List};
use super::{ApiState, Shared, answer};
use crate::view::{self, Selection, shown};

/// The type of drivers that are long gone; asking for them is asking for none.
const CLASSIC: &str = "classic";

/// The routes of drivers.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/drivers", get(list))
        .route("/v1/drivers/{name}", get(show))
        .route("/v1/drivers/{name}/properties", get(properties))
    // next path below a driver above this line
}

/// Lists of drivers have neither pages nor an order of the client's choice.
async fn list(State(state): Shared, call: Call) -> Result<Response, HttpError> {
    call.allow_arguments(Topic::Driver, &["type", "detail", "fields"])?;
    let list = List::parse(&DRIVER, &call, state.max_limit, DRIVER.collection, Detail::Short)?;
    match list.query.text("type") {
        None | Some(DYNAMIC) => {}
        Some(CLASSIC) => return Ok(list.answer_whole(Vec::new())),
        Some(other) => {
            let text = format!("\"{other}\" is no type of driver; there are {CLASSIC} and {DYNAMIC}");
            return Err(Fault::invalid(text).into());
        }
    }
    let selection = Selection::of_list(&list.query);
    let drivers = state.conductor.drivers().await?;
    let items = drivers
        .into_iter()
        .map(|entry| shown(&DRIVER, &view::driver::wire(&call.base, entry), call.version, &selection));
    Ok(list.answer_whole(items.collect()))
}

async fn show(State(state): Shared, Ident(name): Ident, call: Call) -> Result<Response, HttpError> {
    let selection = Selection::of_one(selected_fields(&DRIVER, call.version, &call.arguments)?);
    let driver = view::driver::wire(&call.base, state.conductor.driver(&name).await?);
    Ok(answer::ok(shown(&DRIVER, &driver, call.version, &selection)))
}

async fn properties(State(state): Shared, Ident(name): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let properties: DriverProperties = state
        .conductor
        .driver_properties(&name)?
        .into_iter()
        .map(|(key, property)| (key, view::driver::description(&property)))
        .collect();
    Ok(answer::ok(properties))
}

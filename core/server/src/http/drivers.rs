//! Drivers: hardware types that some conductor offers.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{any, get};
use farrier_api::driver::{DRIVER, DYNAMIC, DriverProperties};
use farrier_api::error::{ErrorName, Fault};
use farrier_api::paging::selected_fields;
use farrier_api::vendor::VendorMethods;
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
        .route("/v1/drivers/{name}/raid/logical_disk_properties", get(logical_disk_properties))
        .route("/v1/drivers/{name}/vendor_passthru", any(no_vendor_method))
        .route("/v1/drivers/{name}/vendor_passthru/methods", get(vendor_methods))
        .route("/v1/drivers/{name}/vendor_passthru/{method}", any(no_vendor_method))
    // next path below a driver above this line
}

/// Lists of drivers have neither pages nor an order of the client's choice.
async fn list(State(state): Shared, call: Call) -> Result<Response, HttpError> {
    call.allow_arguments(Topic::Driver, &["type", "detail", "fields"])?;
    let list = List::parse(&DRIVER, &call, state.max_limit, DRIVER.collection, Detail::Short)?;
    match list.query.text("type") {
        None | Some(DYNAMIC) => {}
        Some(CLASSIC) => return Ok(list.answer_nothing()),
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

async fn logical_disk_properties(
    State(state): Shared,
    Ident(name): Ident,
    call: Call,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let properties = state.conductor.logical_disk_properties(&name).await;
    Ok(answer::ok(properties.map_err(|error| HttpError::from(error).where_unsupported(404))?))
}

/// Vendor methods need a node: no hardware type has one of its own.
async fn vendor_methods(State(state): Shared, Ident(name): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    state.conductor.driver(&name).await?;
    Ok(answer::ok(VendorMethods::new()))
}

async fn no_vendor_method(
    State(state): Shared,
    Path(path): Path<Vec<(String, String)>>,
    call: Call,
) -> Result<Response, HttpError> {
    let part = |key: &str| path.iter().find(|(name, _)| name == key).map(|(_, text)| text.as_str());
    state.conductor.driver(part("name").unwrap_or_default()).await?;
    Err(match part("method").or_else(|| call.argument("method")) {
        Some(method) => Fault::invalid(format!("No handler for method {method}")).into(),
        None => Fault::new(ErrorName::ClientSideError, "Method not specified").into(),
    })
}

//! Vendor methods of a node.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use farrier_api::error::{ErrorName, Fault};
use farrier_api::vendor::{VendorMethod, VendorMethods};
use farrier_conductor::service::{VendorAnswer, VendorCall};
use farrier_model::node::Fields;
use serde_json::Value;

use super::super::call::{Body, Call, Ident};
use super::super::detached::to_its_end;
use super::super::error::HttpError;
use super::super::{ApiState, Shared, answer};

/// The query argument that names the method when the path does not.
const METHOD: &str = "method";

/// The media type of results that are files.
const FILE: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The routes of vendor methods.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/nodes/{ident}/vendor_passthru", any(call_by_query))
        .route("/v1/nodes/{ident}/vendor_passthru/methods", get(methods))
        .route("/v1/nodes/{ident}/vendor_passthru/{method}", any(call_by_path))
}

async fn methods(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let name = call.node(&ident)?;
    let methods = state.conductor.vendor_methods(call.context, &name).await?;
    let methods: VendorMethods = methods
        .into_iter()
        .map(|method| {
            let shown = VendorMethod {
                http_methods: method.http_methods,
                asynchronous: method.asynchronous,
                description: method.description,
                attach: method.attach,
                require_exclusive_lock: method.require_exclusive_lock,
            };
            (method.name, shown)
        })
        .collect();
    Ok(answer::ok(methods))
}

async fn call_by_query(
    State(state): Shared,
    Ident(ident): Ident,
    http_method: Method,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    let Some(method) = call.argument(METHOD).map(str::to_owned) else {
        return Err(Fault::new(ErrorName::ClientSideError, "Method not specified").into());
    };
    pass(&state, &ident, call, vendor_call(method, &http_method, body)?).await
}

async fn call_by_path(
    State(state): Shared,
    Path((ident, method)): Path<(String, String)>,
    http_method: Method,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    pass(&state, &ident, call, vendor_call(method, &http_method, body)?).await
}

/// What a request asks of a vendor method; its other query arguments are arguments of the method.
fn vendor_call(method: String, http_method: &Method, body: Value) -> Result<VendorCall, Fault> {
    let arguments = match body {
        Value::Null => Fields::new(),
        Value::Object(arguments) => arguments,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(Fault::invalid("The arguments of a vendor method have to be a JSON object"));
        }
    };
    Ok(VendorCall { method, http_method: http_method.as_str().to_owned(), arguments })
}

/// Runs to its end without its client: what a vendor method changes must not be left half changed.
async fn pass(
    state: &ApiState,
    ident: &str,
    call: Call,
    mut vendor: VendorCall,
) -> Result<Response, HttpError> {
    let name = call.node(ident)?;
    for (key, text) in call.arguments.iter().filter(|(key, _)| key != METHOD) {
        vendor.arguments.entry(key.clone()).or_insert_with(|| Value::from(text.clone()));
    }
    let conductor = state.conductor.clone();
    let answered = to_its_end(&state.conductor, async move {
        conductor.call_vendor_method(call.context, &name, vendor).await
    });
    Ok(match answered.await? {
        VendorAnswer::Started => answer::accepted(),
        VendorAnswer::Value(value) => answer::ok(value),
        VendorAnswer::File(Value::String(text)) => ([(header::CONTENT_TYPE, FILE)], text).into_response(),
        VendorAnswer::File(value) => ([(header::CONTENT_TYPE, FILE)], value.to_string()).into_response(),
    })
}

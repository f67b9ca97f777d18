//! The device a node boots from.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use farrier_api::boot_device::{BootDevice, BootDeviceRequest, SupportedBootDevices};

use super::super::call::{Body, Call, Ident};
use super::super::detached::to_its_end;
use super::super::error::HttpError;
use super::super::{ApiState, Shared, answer};

/// The routes of the boot device.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/nodes/{ident}/management/boot_device", get(show).put(set))
        .route("/v1/nodes/{ident}/management/boot_device/supported", get(supported))
}

/// Runs to its end without its client: the lock must not go while the BMC is still being asked.
async fn show(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let name = call.node(&ident)?;
    let conductor = state.conductor.clone();
    let current =
        to_its_end(&state.conductor, async move { conductor.boot_device(call.context, &name).await }).await?;
    let boot_device = current.boot_device.map(String::from);
    Ok(answer::ok(BootDevice { boot_device, persistent: current.persistent }))
}

async fn supported(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let name = call.node(&ident)?;
    let devices = state.conductor.supported_boot_devices(call.context, &name).await?;
    let supported_boot_devices = devices.into_iter().map(String::from).collect();
    Ok(answer::ok(SupportedBootDevices { supported_boot_devices }))
}

/// Runs to its end without its client: a BMC that is left in the middle of several requests may boot from anything.
async fn set(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let BootDeviceRequest { boot_device, persistent } = BootDeviceRequest::parse(&body)?;
    let name = call.node(&ident)?;
    let conductor = state.conductor.clone();
    to_its_end(&state.conductor, async move {
        conductor.set_boot_device(call.context, &name, boot_device.into(), persistent).await
    })
    .await?;
    Ok(answer::no_content())
}

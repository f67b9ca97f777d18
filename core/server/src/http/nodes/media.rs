//! Virtual media of a node.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use farrier_api::error::Refusal;
use farrier_api::media::{AttachRequest, Media, check_device_type};
use farrier_api::version::table::{Kind, Topic, VMEDIA_GET};

use super::super::call::{Body, Call, Ident};
use super::super::detached::to_its_end;
use super::super::error::HttpError;
use super::super::{ApiState, Shared, answer};

/// The query argument that says which devices are to be emptied.
const DEVICE_TYPES: &str = "device_types";

/// The route of virtual media.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new().route("/v1/nodes/{ident}/vmedia", get(list).post(attach).delete(detach))
}

async fn list(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    if !call.version.has(Topic::Node, Kind::Behavior, VMEDIA_GET) {
        return Err(Refusal::no_such_path().into());
    }
    call.allow_no_arguments()?;
    let name = call.node(&ident)?;
    let media = state.conductor.virtual_media(call.context, &name).await?;
    let media = media.into_iter().map(|device| Media {
        media_types: device.media_types,
        inserted: device.inserted,
        image: device.image,
    });
    Ok(answer::ok(media.collect::<Vec<_>>()))
}

/// Runs to its end without its client: a job takes the lock over.
async fn attach(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let AttachRequest { device_type, image_url, .. } = AttachRequest::parse(&body)?;
    let name = call.node(&ident)?;
    let conductor = state.conductor.clone();
    to_its_end(&state.conductor, async move {
        conductor.attach_virtual_media(call.context, &name, device_type, image_url).await
    })
    .await?;
    Ok(answer::no_content())
}

/// Runs to its end without its client: a job takes the lock over.
async fn detach(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_arguments(Topic::Node, &[DEVICE_TYPES])?;
    let named = call.argument(DEVICE_TYPES).map(|text| text.split(',').map(str::trim).map(str::to_owned));
    let device_types: Option<Vec<String>> = named.map(Iterator::collect);
    for device_type in device_types.iter().flatten() {
        check_device_type(device_type)?;
    }
    let name = call.node(&ident)?;
    let conductor = state.conductor.clone();
    to_its_end(&state.conductor, async move {
        conductor.detach_virtual_media(call.context, &name, device_types).await
    })
    .await?;
    Ok(answer::no_content())
}

//! The states of a node, and changing its power state.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, put};
use farrier_api::boot_mode::{BootModeRequest, SecureBootRequest};
use farrier_api::error::Fault;
use farrier_api::node::NodeStates;
use farrier_api::power::{PowerRequest, PowerTarget};
use farrier_api::schema::object;
use farrier_conductor::service::SecureBoot;
use farrier_sdk::interface::management::BootMode;
use farrier_sdk::interface::power::PowerState;

use super::super::call::{Body, Call, Ident};
use super::super::detached::to_its_end;
use super::super::error::{HttpError, not_a_power_request};
use super::super::{ApiState, Shared, answer};
use super::states_of;
use crate::view;

/// The routes of states.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/nodes/{ident}/states", get(show))
        .route("/v1/nodes/{ident}/states/power", put(power))
        .route("/v1/nodes/{ident}/states/boot_mode", put(boot_mode))
        .route("/v1/nodes/{ident}/states/secure_boot", put(secure_boot))
        .route("/v1/nodes/{ident}/states/raid", put(raid))
    // next state above this line
}

async fn show(State(state): Shared, Ident(ident): Ident, call: Call) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let node = state.conductor.node(&call.node(&ident)?).await?;
    let states = NodeStates::from(&view::node::wire(&state.conductor, &node));
    Ok(answer::ok(states.view(call.version)))
}

/// Runs to its end without its client: between noting the target and starting the job, a drop would leave a node
/// that says it is on its way, and nobody who takes it there.
async fn power(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let request = PowerRequest::parse(call.version, &body)?;
    let location = states_of(&call, &ident);
    let name = call.node(&ident)?;
    let Some(target) = PowerTarget::parse(&request.target) else {
        let node = state.conductor.node(&name).await?;
        let fault = not_a_power_request(&request.target, &node.uuid.to_string(), node.power_state);
        return Err(fault.into());
    };
    let timeout = request.timeout.map(Duration::from_secs);
    let conductor = state.conductor.clone();
    to_its_end(&state.conductor, async move {
        conductor.change_power(call.context, &name, requested(target), timeout).await
    })
    .await?;
    Ok(answer::accepted_at(&location))
}

/// Runs to its end without its client: a job takes the lock over.
async fn boot_mode(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let BootModeRequest { target } = BootModeRequest::parse(&body)?;
    let mode: BootMode = target.parse().map_err(|error| Fault::invalid(format!("{error}")))?;
    let location = states_of(&call, &ident);
    let name = call.node(&ident)?;
    let conductor = state.conductor.clone();
    to_its_end(&state.conductor, async move { conductor.change_boot_mode(call.context, &name, mode).await })
        .await?;
    Ok(answer::accepted_at(&location))
}

/// Runs to its end without its client: a job takes the lock over.
async fn secure_boot(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let wanted = if SecureBootRequest::parse(&body)?.target { SecureBoot::On } else { SecureBoot::Off };
    let location = states_of(&call, &ident);
    let name = call.node(&ident)?;
    let conductor = state.conductor.clone();
    to_its_end(
        &state.conductor,
        async move { conductor.change_secure_boot(call.context, &name, wanted).await },
    )
    .await?;
    Ok(answer::accepted_at(&location))
}

async fn raid(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let config = object("raid", &body)?.clone();
    let name = call.node(&ident)?;
    let set = state.conductor.set_target_raid_config(call.context, &name, config).await;
    set.map_err(|error| HttpError::from(error).where_unsupported(404))?;
    Ok(answer::no_content())
}

/// A target in the conductor's words.
fn requested(target: PowerTarget) -> PowerState {
    match target {
        PowerTarget::On => PowerState::On,
        PowerTarget::Off => PowerState::Off,
        PowerTarget::Rebooting => PowerState::Reboot,
        PowerTarget::SoftOff => PowerState::SoftOff,
        PowerTarget::SoftRebooting => PowerState::SoftReboot,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_call_a_target_by_the_same_name() {
        for target in PowerTarget::ALL {
            assert_eq!(requested(target).as_str(), target.as_str());
        }
    }
}

//! Moving a node through its life.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::put;
use farrier_api::error::{ErrorName, Fault};
use farrier_api::provision::{ProvisionRequest as Asked, UncheckedProvisionRequest};
use farrier_conductor::service::{ProvisionRequest, check_provision};
use farrier_model::node::Node;
use farrier_model::provision::Verb;
use farrier_model::step::{RequestedStep, StepKind};
use farrier_sdk::secret::Secret;

use super::super::call::{Body, Call, Ident};
use super::super::detached::to_its_end;
use super::super::error::HttpError;
use super::super::{ApiState, Shared, answer};
use super::states_of;

/// The route of provisioning.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new().route("/v1/nodes/{ident}/states/provision", put(provision))
}

/// Refuses in the order of the contract: node, version, maintenance and state, members; the conductor does the rest.
///
/// Runs to its end without its client: between taking the event and starting the job, a drop would leave a node
/// that says it is on its way, and nobody who takes it there.
async fn provision(
    State(state): Shared,
    Ident(ident): Ident,
    call: Call,
    Body(body): Body,
) -> Result<Response, HttpError> {
    call.allow_no_arguments()?;
    let asked = UncheckedProvisionRequest::read(&body)?;
    let name = call.node(&ident)?;
    let node = state.conductor.node(&name).await?;
    asked.check_version(call.version, node.provision_state.as_str())?;
    let verb = verb(&node, &asked.target)?;
    check_provision(&node, verb).map_err(|error| named_as_asked(error.into(), &node, verb, &asked.target))?;
    let request = request(verb, asked.check()?)?;
    let location = states_of(&call, &ident);
    let conductor = state.conductor.clone();
    to_its_end(&state.conductor, async move { conductor.provision(call.context, &name, request).await })
        .await?;
    Ok(answer::accepted_at(&location))
}

/// The verb of a target.
///
/// # Errors
///
/// There is none: what nobody knows leads nowhere from any state, and is 409 while the node is locked.
fn verb(node: &Node, target: &str) -> Result<Verb, Fault> {
    target.parse().map_err(|_| match &node.reservation {
        Some(holder) => Fault::node_locked(&node.uuid.to_string(), holder),
        None => refused(node, target),
    })
}

fn refused(node: &Node, target: &str) -> Fault {
    Fault::invalid_state_requested(target, &node.uuid.to_string(), node.provision_state.as_str())
}

/// A refusal that names the verb as the client has spelled it.
fn named_as_asked(error: HttpError, node: &Node, verb: Verb, target: &str) -> HttpError {
    match error {
        HttpError::Fault(fault)
            if fault.name() == ErrorName::InvalidStateRequested && target != verb.as_str() =>
        {
            refused(node, target).into()
        }
        HttpError::Fault(_) | HttpError::Refusal(_) => error,
    }
}

/// The request in the conductor's words.
fn request(verb: Verb, asked: Asked) -> Result<ProvisionRequest, Fault> {
    let kind = match verb {
        Verb::Clean => Some(StepKind::Clean),
        Verb::Service => Some(StepKind::Service),
        Verb::Active | Verb::Rebuild => Some(StepKind::Deploy),
        Verb::Manage
        | Verb::Provide
        | Verb::Inspect
        | Verb::Adopt
        | Verb::Deleted
        | Verb::Rescue
        | Verb::Unrescue
        | Verb::Abort
        | Verb::Unhold => None,
    };
    let steps = match (kind, asked.steps()) {
        (Some(kind), Some(steps)) => Some(RequestedStep::read(kind, steps).map_err(|problem| {
            let text = problem.to_string();
            Fault::invalid(format!("Invalid {text}"))
        })?),
        (Some(_) | None, _) => None,
    };
    Ok(ProvisionRequest {
        verb,
        steps,
        configdrive: asked.configdrive,
        rescue_password: asked.rescue_password.map(Secret::new),
        disable_ramdisk: asked.disable_ramdisk.unwrap_or_default(),
        runbook: asked.runbook,
    })
}

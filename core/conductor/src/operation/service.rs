//! Service of a node in use: the steps of a client, in their order.
//!
//! Source: Ironic's conductor, servicing.

use farrier_model::node::Fault;
use farrier_model::provision::{Event, ProvisionState};
use farrier_model::step::check::{Leniency, check};
use farrier_model::step::request::in_order;
use farrier_model::step::{RequestedStep, StepKind};
use farrier_sdk::error::Chain;
use farrier_sdk::interface::deploy::DeployClient;
use farrier_sdk::step::StepOutcome;
use serde_json::json;
use tracing::{error, info};

use super::clean::power_off;
use super::{agent, facts, interface, process, record_error, spawn};
use crate::error::ConductorError;
use crate::steps::{Flow, contain, known, prepared, refuse_disallowed, step_timeout};
use crate::task::{ExclusiveTask, JobError};

/// What the history calls it.
const EVENT_TYPE: &str = "servicing";

/// What happens to a node whose service failed, besides its last error and its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Whether the deploy interface still has to put away what it prepared.
    pub(crate) tear_down: bool,
    /// Whether the event `fail` is still to be processed: not when an abort has been.
    pub(crate) process_fail: bool,
    /// Whether the node is put into maintenance; none: if a step was current.
    pub(crate) maintenance: Option<bool>,
}

impl Default for Failure {
    fn default() -> Self {
        Self { tear_down: true, process_fail: true, maintenance: None }
    }
}

/// Starts a service with the steps of a client.
///
/// # Errors
///
/// [`ConductorError::StepNotAllowed`]; what the drivers miss on the node; [`ConductorError::InvalidParameter`]:
/// every problem of the steps that is known now.
pub(crate) async fn start(
    task: &mut ExclusiveTask,
    steps: Vec<RequestedStep>,
    disable_ramdisk: bool,
) -> Result<(), ConductorError> {
    validate(task, disable_ramdisk).await?;
    refuse_disallowed(&task.shared().config, StepKind::Service, &steps)?;
    let known = known(task, StepKind::Service)?;
    let leniency = Leniency { unknown_allowed: !disable_ramdisk, ramdisk_disabled: disable_ramdisk };
    check(StepKind::Service, &steps, &known, leniency)
        .map_err(|problems| ConductorError::invalid_parameter(problems.to_string()))?;
    spawn(task, Event::Service, "node_service", move |task| {
        Box::pin(contain(task, Flow::Service, move |task| {
            Box::pin(async move { serve(task, &steps, disable_ramdisk).await.map_err(JobError::from) })
        }))
    })
    .await
}

async fn serve(
    task: &mut ExclusiveTask,
    steps: &[RequestedStep],
    disable_ramdisk: bool,
) -> Result<(), ConductorError> {
    let node = task.node().uuid;
    if let Err(error) = validate(task, disable_ramdisk).await {
        let message = format!("Validation of node {node} for service failed: {}", Chain(&error));
        return fail(task, &message, Failure::default()).await;
    }
    wipe(task);
    let node_mut = task.node_mut();
    Flow::Service.set_requested(node_mut, steps);
    let needed = !disable_ramdisk && needs_ramdisk(task, steps)?;
    let key = Flow::Service.keys().disable_ramdisk.to_owned();
    task.node_mut().driver_internal_info.insert(key, json!(!needed));
    task.save().await?;
    facts::refresh(task).await;
    let outcome = if needed { Flow::Service.prepare(task).await } else { Ok(StepOutcome::Done) };
    task.save().await?;
    match outcome {
        Ok(outcome) => prepared(task, Flow::Service, outcome).await,
        Err(error) => {
            let message = format!("Failed to prepare node {node} for service: {}", Chain(&error));
            fail(task, &message, Failure::default()).await
        }
    }
}

/// Whether a step says that it needs the agent, or may be the agent's because nobody knows it.
fn needs_ramdisk(task: &mut ExclusiveTask, steps: &[RequestedStep]) -> Result<bool, ConductorError> {
    let known = known(task, StepKind::Service)?;
    let checked = check(StepKind::Service, steps, &known, Leniency::default());
    Ok(checked.map_or(true, |steps| steps.iter().any(|step| step.requires_ramdisk)))
}

/// Asks the drivers whether they have what a service needs.
async fn validate(task: &mut ExclusiveTask, disable_ramdisk: bool) -> Result<(), ConductorError> {
    let power = task.power()?;
    power.validate().await.map_err(power.0.failed("validate"))?;
    if !disable_ramdisk {
        let network = task.network()?;
        network.validate().await.map_err(network.0.failed("validate"))?;
    }
    Ok(())
}

/// Works out which steps run: the given ones in their order.
///
/// # Errors
///
/// [`ConductorError::InvalidParameter`]: every problem of the steps; those of the store.
pub(crate) async fn compose(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let requested = Flow::Service.requested(task.node()).unwrap_or_default();
    let known = known(task, StepKind::Service)?;
    let ramdisk_disabled = Flow::Service.is_ramdisk_disabled(task.node());
    let leniency = Leniency { unknown_allowed: false, ramdisk_disabled };
    let steps = check(StepKind::Service, &in_order(requested), &known, leniency)
        .map_err(|problems| ConductorError::invalid_parameter(problems.to_string()))?;
    Flow::Service.set_steps(task.node_mut(), &steps);
    task.save().await
}

/// Ends a service after its last step.
///
/// # Errors
///
/// Those of the store. What goes wrong in the drivers is handled.
pub(crate) async fn finish(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let ramdisk_disabled = Flow::Service.is_ramdisk_disabled(task.node());
    wipe(task);
    task.save().await?;
    if !ramdisk_disabled && let Err(error) = tear_down(task).await {
        let node = task.node().uuid;
        let message = format!("Failed to tear down from service for node {node}: {}", Chain(&error));
        return fail(task, &message, Failure { tear_down: false, ..Failure::default() }).await;
    }
    facts::refresh(task).await;
    interface::restore_deploy(task).await?;
    info!(node = %task.node().uuid, "node is serviced");
    process(task, Event::Done).await
}

async fn tear_down(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let limit = step_timeout(task);
    let deploy = task.deploy()?;
    let deploy = DeployClient(deploy.0.with_timeout(limit));
    deploy.tear_down_service().await.map_err(deploy.0.failed("tear_down_service"))
}

/// Forgets the steps and the agent.
fn wipe(task: &mut ExclusiveTask) {
    let node = task.node_mut();
    agent::forget_token_and_url(node);
    Flow::Service.forget(node);
}

/// Records that the service of a node failed, and lets it fail: last error, history, maintenance, `service failed`.
///
/// # Errors
///
/// Those of the store.
pub(crate) async fn fail(
    task: &mut ExclusiveTask,
    message: &str,
    failure: Failure,
) -> Result<(), ConductorError> {
    error!(node = %task.node().uuid, error = message, "service failed");
    let mut message = message.to_owned();
    let maintenance = failure.maintenance.unwrap_or_else(|| !task.node().service_step.is_empty());
    if failure.tear_down
        && let Err(error) = tear_down(task).await
    {
        error!(node = %task.node().uuid, error = %Chain(&error), "service could not be torn down");
        message = format!("{message}. Also failed to tear down service: {}", Chain(&error));
    }
    // What the driver has saved meanwhile is on the node from here on.
    task.save().await?;
    let node = task.node_mut();
    if maintenance {
        node.maintenance = true;
        node.fault = Some(Fault::ServiceFailure);
        node.maintenance_reason.get_or_insert_with(|| message.clone());
    }
    node.service_step.clear();
    agent::remove(node, &[Flow::Service.keys().index]);
    Flow::Service.forget_flags(node);
    agent::forget_token_and_url(node);
    record_error(task, message, EVENT_TYPE).await;
    task.save().await?;
    if task.shared().config.poweroff_in_servicefail {
        power_off(task).await?;
    }
    interface::restore_deploy(task).await?;
    if failure.process_fail && task.node().provision_state != ProvisionState::ServiceFail {
        process(task, Event::Fail).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! Service of a node in use: the steps of a client, in their order.
//!
//! Source: Ironic's conductor, servicing.

use farrier_model::provision::Event;
use farrier_model::step::check::{Leniency, check};
use farrier_model::step::request::in_order;
use farrier_model::step::{RequestedStep, StepKind};
use farrier_sdk::error::Chain;
use farrier_sdk::step::StepOutcome;
use serde_json::json;

use super::upkeep::{Failure, SERVICE, validate};
use super::{facts, spawn};
use crate::error::ConductorError;
use crate::steps::{Flow, contain, known, prepared, refuse_disallowed};
use crate::task::{ExclusiveTask, JobError};

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
    SERVICE.wipe(task);
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
    SERVICE.finish(task, Event::Done).await
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
    SERVICE.fail(task, message, failure).await
}

#[cfg(test)]
mod tests;

//! Cleaning: by itself after a tear-down and before a node becomes available, or with the steps of a client.
//!
//! Source: Ironic's conductor, cleaning.

use farrier_model::provision::{Event, ProvisionState};
use farrier_model::step::check::{Leniency, check};
use farrier_model::step::request::in_order;
use farrier_model::step::{RequestedStep, StepKind};
use farrier_sdk::error::Chain;
use farrier_sdk::step::StepOutcome;
use serde_json::json;
use tracing::info;

use super::limit::{self, Limit};
use super::upkeep::{CLEANING, Failure, validate};
use super::{facts, interface, kept_target, process, spawn};
use crate::error::ConductorError;
use crate::steps::{Flow, automatic, contain, known, prepared, refuse_disallowed};
use crate::task::{ExclusiveTask, JobError, JobFuture};

/// What the job is called.
const JOB: &str = "node_clean";

/// Starts the cleaning of a node that is to become available.
///
/// # Errors
///
/// [`ConductorError::NodeIsRetired`], [`ConductorError::NodeInMaintenance`]; those of the state machine.
pub(crate) async fn start_automated(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let node = task.node();
    if node.retired {
        return Err(ConductorError::NodeIsRetired { node: node.uuid });
    }
    if node.maintenance && !task.shared().config.allow_provisioning_in_maintenance {
        return Err(ConductorError::NodeInMaintenance { node: node.uuid, what: "made available" });
    }
    spawn(task, Event::Provide, JOB, job(Wanted::default())).await
}

/// Starts a cleaning with the steps of a client.
///
/// # Errors
///
/// [`ConductorError::ConcurrentActionLimit`], [`ConductorError::StepNotAllowed`]; what the drivers miss on the
/// node; [`ConductorError::InvalidParameter`]: every problem of the steps that is known now.
pub(crate) async fn start_manual(
    task: &mut ExclusiveTask,
    steps: Vec<RequestedStep>,
    disable_ramdisk: bool,
) -> Result<(), ConductorError> {
    limit::check(task, Limit::Clean).await?;
    validate(task, disable_ramdisk).await?;
    refuse_disallowed(&task.shared().config, StepKind::Clean, &steps)?;
    let known = known(task, StepKind::Clean)?;
    let leniency = Leniency { unknown_allowed: !disable_ramdisk, ramdisk_disabled: disable_ramdisk };
    check(StepKind::Clean, &steps, &known, leniency)
        .map_err(|problems| ConductorError::invalid_parameter(problems.to_string()))?;
    let (target, job) =
        (Some(ProvisionState::Manageable), job(Wanted { steps: Some(steps), disable_ramdisk }));
    limit::spawn(task, Limit::Clean, Event::Clean, target, JOB, job).await
}

/// What a cleaning is asked to do; without steps those of the drivers run.
#[derive(Debug, Default)]
struct Wanted {
    steps: Option<Vec<RequestedStep>>,
    disable_ramdisk: bool,
}

fn job(
    wanted: Wanted,
) -> impl for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send + Sync + 'static {
    move |task| {
        Box::pin(contain(task, Flow::Clean, move |task| {
            Box::pin(async move { clean(task, wanted).await.map_err(JobError::from) })
        }))
    }
}

/// Cleans a node after its tear-down, which left it in `cleaning`.
///
/// # Errors
///
/// Those of the store. What goes wrong in cleaning is handled.
pub(crate) async fn after_tear_down(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    clean(task, Wanted::default()).await
}

async fn clean(task: &mut ExclusiveTask, wanted: Wanted) -> Result<(), ConductorError> {
    let node = task.node().uuid;
    if wanted.steps.is_none() && !is_automated(task) {
        info!(%node, "automated cleaning is switched off");
        task.node_mut().clean_step.clear();
        interface::restore_deploy(task).await?;
        return process(task, arrival(task)).await;
    }
    if task.node().maintenance && !task.shared().config.allow_provisioning_in_maintenance {
        let message = format!("Node {node} is in maintenance, so it can not be cleaned");
        return fail(task, &message, Failure::default()).await;
    }
    if let Err(error) = interface::switch_deploy(task).await {
        let message = format!("Node {node} has no deploy interface for cleaning: {}", Chain(&error));
        return fail(task, &message, Failure { tear_down: false, ..Failure::default() }).await;
    }
    if let Err(error) = validate(task, wanted.disable_ramdisk).await {
        let message = format!("Validation of node {node} for cleaning failed: {}", Chain(&error));
        return fail(task, &message, Failure::default()).await;
    }
    remember(task, wanted).await?;
    facts::refresh(task).await;
    skip_ramdisk_if_not_needed(task).await?;
    let outcome = if Flow::Clean.is_ramdisk_disabled(task.node()) {
        Ok(StepOutcome::Done)
    } else {
        Flow::Clean.prepare(task).await
    };
    task.save().await?;
    match outcome {
        Ok(outcome) => prepared(task, Flow::Clean, outcome).await,
        Err(error) => {
            let message = format!("Failed to prepare node {node} for cleaning: {}", Chain(&error));
            fail(task, &message, Failure::default()).await
        }
    }
}

/// Whether nodes like this one are cleaned without being asked: the node says, or else the configuration.
fn is_automated(task: &ExclusiveTask) -> bool {
    task.node().automated_clean.unwrap_or(task.shared().config.automated_clean)
}

/// The event that ends a cleaning: a node that is retired, or cleaned by hand, does not become available.
fn arrival(task: &ExclusiveTask) -> Event {
    if task.node().retired || kept_target(task).is_some() { Event::Manage } else { Event::Done }
}

/// Forgets an earlier cleaning and notes what this one is asked to do.
async fn remember(task: &mut ExclusiveTask, wanted: Wanted) -> Result<(), ConductorError> {
    CLEANING.wipe(task);
    let node = task.node_mut();
    if let Some(steps) = &wanted.steps {
        Flow::Clean.set_requested(node, steps);
    }
    let key = Flow::Clean.keys().disable_ramdisk.to_owned();
    node.driver_internal_info.insert(key, json!(wanted.disable_ramdisk));
    task.save().await
}

/// Does without the agent when every given step says that it can.
async fn skip_ramdisk_if_not_needed(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let Some(requested) = Flow::Clean.requested(task.node()) else { return Ok(()) };
    let known = known(task, StepKind::Clean)?;
    // Steps that nobody knows may be the agent's.
    let Ok(steps) = check(StepKind::Clean, &requested, &known, Leniency::default()) else { return Ok(()) };
    if steps.iter().any(|step| step.requires_ramdisk) {
        return Ok(());
    }
    let key = Flow::Clean.keys().disable_ramdisk.to_owned();
    task.node_mut().driver_internal_info.insert(key, json!(true));
    task.save().await
}

/// Works out which steps run: the given ones in their order, or those of the drivers by priority.
///
/// # Errors
///
/// [`ConductorError::InvalidParameter`]: every problem of the given steps; those of the store.
pub(crate) async fn compose(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let steps = match Flow::Clean.requested(task.node()) {
        None => automatic(task, StepKind::Clean)?,
        Some(requested) => {
            let known = known(task, StepKind::Clean)?;
            let ramdisk_disabled = Flow::Clean.is_ramdisk_disabled(task.node());
            let leniency = Leniency { unknown_allowed: false, ramdisk_disabled };
            check(StepKind::Clean, &in_order(requested), &known, leniency)
                .map_err(|problems| ConductorError::invalid_parameter(problems.to_string()))?
        }
    };
    Flow::Clean.set_steps(task.node_mut(), &steps);
    task.save().await
}

/// Ends a cleaning after its last step.
///
/// # Errors
///
/// Those of the store. What goes wrong in the drivers is handled.
pub(crate) async fn finish(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let arrival = arrival(task);
    CLEANING.finish(task, arrival).await
}

/// Records that the cleaning of a node failed, and lets it fail: last error, history, maintenance, `clean failed`.
///
/// # Errors
///
/// Those of the store.
pub(crate) async fn fail(
    task: &mut ExclusiveTask,
    message: &str,
    failure: Failure,
) -> Result<(), ConductorError> {
    CLEANING.fail(task, message, failure).await
}

#[cfg(test)]
mod tests;

//! Checking a node before it comes under control.
//!
//! Source: Ironic's conductor, verification.

use farrier_model::provision::{Event, ProvisionState};
use farrier_model::step::{Step, StepKind};
use farrier_sdk::error::{Chain, DriverError};
use farrier_sdk::interface::power::PowerState;
use farrier_sdk::step::StepOutcome;
use tracing::warn;

use super::contain::contained;
use super::{facts, process, record_error, spawn};
use crate::error::ConductorError;
use crate::steps::{automatic, call_step};
use crate::task::{ExclusiveTask, JobError, JobFuture};

/// What the history calls it.
const EVENT_TYPE: &str = "verify";

/// Starts the verification of an enrolled node.
///
/// # Errors
///
/// Those of the state machine.
pub(crate) async fn start(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    spawn(task, Event::Manage, "node_verify", |task| Box::pin(verify(task))).await
}

/// Checks the node: it becomes manageable if nothing is wrong, otherwise it stays enrolled and says why.
async fn verify(task: &mut ExclusiveTask) -> Result<(), JobError> {
    contain(task, |task| Box::pin(async move { Ok(check(task).await?) })).await
}

/// Runs `work`; an error or a panic that escapes it is a failed verification.
pub(super) async fn contain(
    task: &mut ExclusiveTask,
    work: impl for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send,
) -> Result<(), JobError> {
    contained(task, &[ProvisionState::Verifying], work, |task, error| {
        Box::pin(async move {
            let message = format!("Failed to verify node {}: {error}", task.node().uuid);
            record_error(task, message, EVENT_TYPE).await;
            Ok(process(task, Event::Fail).await?)
        })
    })
    .await
}

async fn check(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let node = task.node().uuid;
    let mut problems = Vec::new();
    let state = power_state(task).await;
    if let Err(error) = &state {
        problems.push(format!("Failed to get power state for node {node}: {}", Chain(error)));
    }
    // Also after a failure: whoever repairs the node wants to know everything that is wrong.
    for step in automatic(task, StepKind::Verify)? {
        if let Err(error) = run(task, &step).await {
            problems.push(format!("Node {node} failed verify step {}: {}", step.id(), Chain(&error)));
        }
    }
    task.save().await?;
    match state {
        Ok(state) if problems.is_empty() => accept(task, state).await,
        Ok(_) | Err(_) => refuse(task, problems).await,
    }
}

/// What the machine says about its power; none if it cannot say.
async fn power_state(task: &mut ExclusiveTask) -> Result<Option<PowerState>, ConductorError> {
    let power = task.power()?;
    power.validate().await.map_err(power.0.failed("validate"))?;
    let state = power.get_power_state().await.map_err(power.0.failed("get_power_state"))?;
    Ok(Some(state).filter(|state| matches!(state, PowerState::On | PowerState::Off | PowerState::Error)))
}

async fn run(task: &mut ExclusiveTask, step: &Step) -> Result<(), ConductorError> {
    match call_step(task, StepKind::Verify, step).await? {
        StepOutcome::Done => Ok(()),
        StepOutcome::Wait { .. } => {
            let error = DriverError::internal("a verify step has to be over when it answers");
            Err(task.caller(step.interface)?.failed("execute_step")(error))
        }
    }
}

async fn accept(task: &mut ExclusiveTask, state: Option<PowerState>) -> Result<(), ConductorError> {
    facts::refresh(task).await;
    let before = task.node().power_state;
    task.node_mut().power_state = state;
    process(task, Event::Done).await?;
    if before != state {
        task.shared().notifier.power_state_corrected(task.node(), before);
    }
    Ok(())
}

async fn refuse(task: &mut ExclusiveTask, problems: Vec<String>) -> Result<(), ConductorError> {
    for problem in &problems {
        warn!(node = %task.node().uuid, error = problem, "verification failed");
        record_error(task, problem, EVENT_TYPE).await;
    }
    task.node_mut().last_error = Some(problems.join("; "));
    process(task, Event::Fail).await
}

#[cfg(test)]
mod tests;

//! One step after the other.

use std::time::Duration;

use farrier_model::provision::Event;
use farrier_model::step::{ReservedStep, Step, StepKind};
use farrier_sdk::error::{Chain, DriverError, ErrorKind};
use farrier_sdk::glue::{Caller, decode, encode};
use farrier_sdk::interface::power::PowerState;
use farrier_sdk::step::StepOutcome;
use serde_json::json;
use tracing::info;

use super::wake::{self, What};
use super::{Flow, children, flag, flow_history};
use crate::error::ConductorError;
use crate::operation::{self, agent, facts, power};
use crate::task::ExclusiveTask;

/// How long a step, or what a driver does for an operation, may take.
pub(crate) fn step_timeout(task: &ExclusiveTask) -> Duration {
    Duration::from_secs(task.shared().config.driver_step_timeout)
}

/// What came of a step.
pub(super) enum Ran {
    /// It is over.
    Done,
    /// It goes on by itself; the conductor asks again after a time if there is one.
    Waits(Option<Duration>),
    /// It was a pause, which ends by itself if it has a length.
    Pause(Option<Duration>),
    /// An operator lets it go on.
    Hold,
}

/// Goes on after the preparation, which answered `outcome`: waits for it, or begins with the first step.
///
/// # Errors
///
/// Those of the store. What goes wrong in a step is handled.
pub(crate) async fn prepared(
    task: &mut ExclusiveTask,
    flow: Flow,
    outcome: StepOutcome,
) -> Result<(), ConductorError> {
    match outcome {
        StepOutcome::Done => begin(task, flow).await,
        StepOutcome::Wait { poll_after_ms } => {
            let pause = poll_after_ms.map(Duration::from_millis);
            wait(task, flow, pause.map(|pause| (pause, What::Again))).await
        }
    }
}

/// Works out the steps and runs them from the first.
///
/// # Errors
///
/// Those of the store. What goes wrong in a step is handled.
pub(super) async fn begin(task: &mut ExclusiveTask, flow: Flow) -> Result<(), ConductorError> {
    if let Err(error) = flow.compose(task).await {
        let text = Chain(&error).to_string();
        let message = format!("Node {} has no {} steps to run: {text}", task.node().uuid, flow.kind());
        return flow.fail(task, &message).await;
    }
    execute_from_start(task, flow).await
}

/// Runs the steps, which are set, from the first.
///
/// # Errors
///
/// Those of the store. What goes wrong in a step is handled.
pub(crate) async fn execute_from_start(task: &mut ExclusiveTask, flow: Flow) -> Result<(), ConductorError> {
    let steps = flow.steps(task.node());
    flow_history::started(task, flow, &steps).await;
    execute(task, flow, 0).await
}

/// Runs the steps from the place `from` on, until one has to be waited for or fails, or all are over.
///
/// # Errors
///
/// Those of the store. What goes wrong in a step is handled.
pub(super) async fn execute(task: &mut ExclusiveTask, flow: Flow, from: usize) -> Result<(), ConductorError> {
    let steps = flow.steps(task.node());
    for (index, step) in steps.iter().enumerate().skip(from) {
        enter(task, flow, index, step).await?;
        let ran = run(task, flow, step).await;
        // What the driver has saved meanwhile is on the node from here on.
        task.save().await?;
        match ran {
            Ok(Ran::Done) => {
                info!(node = %task.node().uuid, kind = %flow.kind(), step = %step.id(), "a step is over");
            }
            Ok(Ran::Waits(pause)) => {
                return wait(task, flow, pause.map(|pause| (pause, What::Again))).await;
            }
            Ok(Ran::Pause(pause)) => return wait(task, flow, pause.map(|pause| (pause, What::Next))).await,
            Ok(Ran::Hold) => return operation::process(task, Event::Hold).await,
            Err(error) if waits_for_agent(task, flow, &error) => {
                info!(node = %task.node().uuid, step = %step.id(), error = %Chain(&error), "a step waits for the agent");
                task.node_mut().driver_internal_info.insert(flow.keys().skip.to_owned(), json!(false));
                return wait(task, flow, None).await;
            }
            Err(error) => return failed(task, flow, step, &error).await,
        }
    }
    flow_history::finished(task, flow).await;
    flow.finish(task).await
}

/// Makes `step` the current one.
async fn enter(
    task: &mut ExclusiveTask,
    flow: Flow,
    index: usize,
    step: &Step,
) -> Result<(), ConductorError> {
    let (kind, keys) = (flow.kind(), flow.keys());
    let node = task.node_mut();
    *flow.current_fields(node) = step.to_fields();
    node.driver_internal_info.insert(keys.index.to_owned(), json!(index));
    agent::remove(node, &[keys.polling, keys.wake, keys.skip]);
    info!(node = %node.uuid, %kind, step = %step.id(), "a step begins");
    task.save().await
}

async fn run(task: &mut ExclusiveTask, flow: Flow, step: &Step) -> Result<Ran, ConductorError> {
    if step.execute_on_child_nodes {
        return children::run(task, flow.kind(), step).await.map(|()| Ran::Done);
    }
    match step.reserved() {
        Some(ReservedStep::Hold) => Ok(Ran::Hold),
        Some(ReservedStep::Wait) => Ok(Ran::Pause(pause_of(task, step))),
        Some(reserved) => power_step(task, reserved).await.map(|()| Ran::Done),
        None => match call_step(task, flow.kind(), step).await? {
            StepOutcome::Done => Ok(Ran::Done),
            StepOutcome::Wait { poll_after_ms } => Ok(Ran::Waits(poll_after_ms.map(Duration::from_millis))),
        },
    }
}

/// Changes the power of the node's machine.
pub(super) async fn power_step(task: &mut ExclusiveTask, step: ReservedStep) -> Result<(), ConductorError> {
    let request = match step {
        ReservedStep::PowerOn => PowerState::On,
        ReservedStep::PowerOff => PowerState::Off,
        ReservedStep::Reboot => PowerState::Reboot,
        ReservedStep::Hold | ReservedStep::Wait => return Ok(()),
    };
    power::action(task, request, None).await
}

/// How long a pause is; none when it lasts until the agent calls.
fn pause_of(task: &ExclusiveTask, step: &Step) -> Option<Duration> {
    let seconds = step.args.get("seconds")?.as_u64()?;
    Some(Duration::from_secs(seconds.min(task.shared().config.max_conductor_wait_step_seconds)))
}

/// Calls the driver's method for a step; once that is over, reads what it may have changed of what is kept of the
/// machine.
///
/// # Errors
///
/// [`ConductorError::Driver`]; an answer that is no outcome is one too.
pub(crate) async fn call_step(
    task: &mut ExclusiveTask,
    kind: StepKind,
    step: &Step,
) -> Result<StepOutcome, ConductorError> {
    let limit = step_timeout(task);
    let caller = task.caller(step.interface)?.with_timeout(limit);
    let call = json!({"kind": kind.as_str(), "step": step.step, "args": step.args});
    let answer = async {
        let reply = caller.call("execute_step", encode(&call)?).await?;
        decode(&reply).map_err(|error| {
            let text = format!("step `{}` returned an invalid value", step.id());
            DriverError::new(ErrorKind::BadPayload, text).caused_by(&error)
        })
    };
    let outcome = answer.await.map_err(caller.failed("execute_step"))?;
    // One that waits is over later: when it says so, or when somebody calls.
    if outcome == StepOutcome::Done {
        facts::refresh_after_step(task, step.interface).await;
    }
    Ok(outcome)
}

/// Lets the flow wait: for the agent's call or, after a time, for the conductor itself.
pub(super) async fn wait(
    task: &mut ExclusiveTask,
    flow: Flow,
    wake: Option<(Duration, What)>,
) -> Result<(), ConductorError> {
    if flag(task.node(), flow.keys().reboot) == Some(true) {
        // The agent that comes up again gets another one.
        agent::forget_token(task.node_mut());
    }
    wake::wait(task, flow, wake).await
}

/// Whether an error only says that the agent is not there yet, or is busy with what it was told before.
fn waits_for_agent(task: &ExclusiveTask, flow: Flow, error: &ConductorError) -> bool {
    let ConductorError::Driver { source, .. } = error else { return false };
    if source.kind() == ErrorKind::Unreachable {
        return flag(task.node(), flow.keys().reboot) == Some(true);
    }
    source.kind() == ErrorKind::Busy && agent::is_known(task.node())
}

/// Handles a step that failed.
pub(super) async fn failed(
    task: &mut ExclusiveTask,
    flow: Flow,
    step: &Step,
    error: &ConductorError,
) -> Result<(), ConductorError> {
    let why = Chain(error).to_string();
    flow_history::aborted(task, flow, step, &why).await;
    let message = format!("Node {} failed {} step {}: {why}", task.node().uuid, flow.kind(), step.id());
    flow.fail(task, &message).await
}

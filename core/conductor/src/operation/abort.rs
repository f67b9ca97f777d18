//! Giving up what a node waits for.
//!
//! Source: Ironic's conductor manager.

use farrier_model::provision::{Event, ProvisionState as S, Verb};
use farrier_model::step::{ReservedStep, Step};
use farrier_sdk::error::Chain;
use tracing::info;

use crate::error::ConductorError;
use crate::operation::upkeep::Failure;
use crate::operation::{
    agent, clean, deploy, inspect, interface, kept_target, process, put_back, record_error, rescue, service,
};
use crate::steps::Flow;
use crate::task::{ExclusiveTask, Job, JobFuture, ProcessEvent};

/// What entries of the history about an operation that was given up are called.
const EVENT_TYPE: &str = "abort";

/// Gives up what the node waits for: at once, or after a step that must not be cut short.
///
/// # Errors
///
/// Nothing has changed:
///
/// - [`ConductorError::InvalidStateRequested`]: the node waits for nothing.
/// - [`ConductorError::AbortInMaintenance`]: a failed service of a node in maintenance.
/// - [`ConductorError::Driver`]: the driver cannot end its inspection.
pub(crate) async fn start(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let (node, state) = (task.node().uuid, task.node().provision_state);
    match state {
        S::CleanWait | S::CleanHold => give_up(task, Flow::Clean).await,
        S::DeployWait | S::DeployHold => give_up(task, Flow::Deploy).await,
        S::ServiceWait | S::ServiceHold => give_up(task, Flow::Service).await,
        S::ServiceFail if task.node().maintenance => Err(ConductorError::AbortInMaintenance { node }),
        S::ServiceFail => abort(task, Flow::Service).await,
        S::RescueWait => rescue::abort(task).await,
        S::InspectWait => inspect::abort(task).await,
        S::Enroll
        | S::Verifying
        | S::Manageable
        | S::Available
        | S::Deploying
        | S::DeployFail
        | S::Active
        | S::Deleting
        | S::Error
        | S::Cleaning
        | S::CleanFail
        | S::Inspecting
        | S::InspectFail
        | S::Adopting
        | S::AdoptFail
        | S::Rescuing
        | S::RescueFail
        | S::Rescue
        | S::Unrescuing
        | S::UnrescueFail
        | S::Servicing => Err(ConductorError::InvalidStateRequested { node, verb: Verb::Abort, state }),
    }
}

/// Gives up a list of steps, after the current one if that must not be cut short.
async fn give_up(task: &mut ExclusiveTask, flow: Flow) -> Result<(), ConductorError> {
    if let Some(step) = flow.current(task.node()).filter(|step| !may_be_cut_short(step)) {
        info!(node = %task.node().uuid, step = %step.id(), "the operation ends after its current step");
        let marked = Step { abort_after: true, ..step };
        *flow.current_fields(task.node_mut()) = marked.to_fields();
        return task.save().await;
    }
    if flow == Flow::Service {
        // There is no way from waiting to `active` but through the failure.
        process(task, Event::Fail).await?;
    }
    abort(task, flow).await
}

/// A held node does nothing that could be cut short in the wrong place.
fn may_be_cut_short(step: &Step) -> bool {
    step.abortable || matches!(step.reserved(), Some(ReservedStep::Hold | ReservedStep::Wait))
}

/// Processes the event and leaves the clean-up to a job.
async fn abort(task: &mut ExclusiveTask, flow: Flow) -> Result<(), ConductorError> {
    agent::forget_url(task.node_mut());
    let job = match flow {
        Flow::Clean => Job::new("do_node_clean_abort", |task| run(task, Flow::Clean)),
        Flow::Deploy => Job::new("do_node_deploy_abort", |task| run(task, Flow::Deploy)),
        Flow::Service => Job::new("do_node_service_abort", |task| run(task, Flow::Service)),
    };
    let options = ProcessEvent {
        job: Some(job),
        error_handler: Some(put_back()),
        target: kept_target(task),
        last_error: Some(by_request(task, flow)),
        ..ProcessEvent::default()
    };
    task.process_event(Event::Abort, options).await
}

fn run(task: &mut ExclusiveTask, flow: Flow) -> JobFuture<'_> {
    Box::pin(async move { Ok(clean_up(task, flow).await?) })
}

/// Puts away what the operation prepared, and forgets where it was; its event was processed before.
///
/// # Errors
///
/// Those of the store. What goes wrong in the drivers is handled.
pub(crate) async fn clean_up(task: &mut ExclusiveTask, flow: Flow) -> Result<(), ConductorError> {
    let message = by_request(task, flow);
    if let Err(error) = flow.put_away(task).await {
        return fail(task, flow, &error).await;
    }
    record_error(task, message, EVENT_TYPE).await;
    flow.forget(task.node_mut());
    agent::forget_token_and_url(task.node_mut());
    task.save().await?;
    interface::restore_deploy(task).await
}

/// What the node is left with when all went well.
fn by_request(task: &ExclusiveTask, flow: Flow) -> String {
    let message = format!("By request, the {} operation was aborted", flow.kind());
    match flow.current(task.node()) {
        Some(step) => format!("{message} during or after the completion of step \"{}\"", step.id()),
        None => message,
    }
}

/// The operation is given up, but what it prepared is still there: the failure of the operation itself.
async fn fail(task: &mut ExclusiveTask, flow: Flow, error: &ConductorError) -> Result<(), ConductorError> {
    let message = format!(
        "Failed to put away what the {} operation prepared, after it was aborted: {}",
        flow.kind(),
        Chain(error)
    );
    match flow {
        Flow::Clean => {
            let failure = Failure { tear_down: false, process_fail: false, maintenance: None };
            clean::fail(task, &message, failure).await
        }
        Flow::Deploy => {
            let failure = deploy::Failure { clean_up: false, process_fail: false };
            deploy::fail(task, &message, failure).await
        }
        Flow::Service => {
            let failure = Failure { tear_down: false, process_fail: false, maintenance: None };
            service::fail(task, &message, failure).await
        }
    }
}

#[cfg(test)]
mod tests;

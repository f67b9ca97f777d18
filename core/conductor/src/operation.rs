//! What the conductor does with a node, one module per operation; here is what all of them share.
//!
//! An operation begins with `start`, which checks under the lock what can be refused at once, and ends with
//! [`spawn`]: an event of the state machine and a job that has the lock until it ends. What goes wrong in the job
//! is left on the node with [`record_error`].
//!
//! Source: Ironic's conductor manager and its utilities.

pub(crate) mod abort;
pub(crate) mod adopt;
pub(crate) mod agent;
pub(crate) mod capability;
pub(crate) mod clean;
pub(crate) mod contain;
pub(crate) mod deploy;
pub(crate) mod facts;
pub(crate) mod heartbeat;
pub(crate) mod image;
pub(crate) mod inspect;
pub(crate) mod interface;
pub(crate) mod limit;
pub(crate) mod power;
pub(crate) mod record;
pub(crate) mod rescue;
pub(crate) mod service;
pub(crate) mod takeover;
pub(crate) mod tear_down;
pub(crate) mod upkeep;
pub(crate) mod validate;
pub(crate) mod verify;

use std::panic::AssertUnwindSafe;

use farrier_model::provision::{Event, ProvisionState};
use futures_util::FutureExt;

use crate::error::ConductorError;
use crate::task::{ErrorHandler, ExclusiveTask, Job, JobError, JobFuture, ProcessEvent, panic_text};

pub(crate) use record::{record_error, record_info};

/// What a node is left with whose job could not be started.
const NO_WORKER: &str = "No free conductor workers available";

/// Processes `event` with `job`; if no worker is free, the node is put back to where it was and says so.
///
/// The job is started when the task is finished. It shows up in the log and in errors as `name`.
///
/// # Errors
///
/// [`ConductorError::InvalidState`]: nothing has changed; those of the store.
pub(crate) async fn spawn(
    task: &mut ExclusiveTask,
    event: Event,
    name: &'static str,
    job: impl for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send + Sync + 'static,
) -> Result<(), ConductorError> {
    spawn_towards(task, event, None, name, job).await
}

/// As [`spawn`], towards another target than the default one.
pub(crate) async fn spawn_towards(
    task: &mut ExclusiveTask,
    event: Event,
    target: Option<ProvisionState>,
    name: &'static str,
    job: impl for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send + Sync + 'static,
) -> Result<(), ConductorError> {
    task.process_event(event, in_a_job(target, name, job)).await
}

/// How an event is processed whose work is left to a job.
fn in_a_job(
    target: Option<ProvisionState>,
    name: &'static str,
    job: impl for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send + Sync + 'static,
) -> ProcessEvent {
    ProcessEvent {
        job: Some(Job::new(name, job)),
        error_handler: Some(put_back()),
        target,
        ..ProcessEvent::default()
    }
}

/// Runs `work`; a panic is an error like any other, so that the caller can tell of both.
///
/// # Errors
///
/// What `work` answers; [`JobError::Panicked`].
pub(crate) async fn caught(
    task: &mut ExclusiveTask,
    work: impl for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send,
) -> Result<(), JobError> {
    let ended = AssertUnwindSafe(async { work(task).await }).catch_unwind().await;
    ended.unwrap_or_else(|panic| Err(JobError::Panicked(panic_text(&*panic))))
}

/// Puts a node back whose job found no worker; any other error leaves it as it is.
pub(crate) fn put_back() -> ErrorHandler {
    Box::new(|error, task, state, target| {
        Box::pin(async move {
            if !matches!(error, ConductorError::NoFreeConductorWorker { .. }) {
                return Ok(());
            }
            let node = task.node_mut();
            node.provision_state = state;
            node.target_provision_state = target;
            interface::restore_deploy(task).await?;
            record_error(task, NO_WORKER, "provision").await;
            task.save().await
        })
    })
}

/// Processes `event` without a job, keeping the target of a manual cleaning.
///
/// # Errors
///
/// [`ConductorError::InvalidState`]: nothing has changed; those of the store.
pub(crate) async fn process(task: &mut ExclusiveTask, event: Event) -> Result<(), ConductorError> {
    let target = kept_target(task);
    task.process_event(event, ProcessEvent { target, ..ProcessEvent::default() }).await
}

/// `manageable` while a manual cleaning is on its way there: the default target of its states is `available`.
pub(crate) fn kept_target(task: &ExclusiveTask) -> Option<ProvisionState> {
    use ProvisionState::{CleanFail, CleanHold, CleanWait, Cleaning, Manageable};
    let node = task.node();
    let cleaning = matches!(node.provision_state, Cleaning | CleanWait | CleanHold | CleanFail);
    node.target_provision_state.filter(|&target| cleaning && target == Manageable)
}

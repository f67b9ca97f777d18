//! Background work of a task: it has the lock until it ends, however it ends.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use farrier_sdk::error::Chain;
use futures_util::FutureExt;
use tracing::{error, warn};
use uuid::Uuid;

use super::ExclusiveTask;
use crate::error::ConductorError;

/// The future of a job.
pub type JobFuture<'a> = Pin<Box<dyn Future<Output = Result<(), JobError>> + Send + 'a>>;

/// What to do when a job could not be started; called with the lock still held.
pub type SpawnErrorHook = Box<
    dyn for<'a> FnOnce(
            &'a ConductorError,
            &'a mut ExclusiveTask,
        ) -> Pin<Box<dyn Future<Output = Result<(), ConductorError>> + Send + 'a>>
        + Send
        + Sync,
>;

/// Work that goes on after the request was answered.
pub struct Job {
    name: &'static str,
    run: Box<dyn for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send + Sync>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job({})", self.name)
    }
}

impl Job {
    /// A job; its name appears in the node's last error if it fails.
    pub fn new(
        name: &'static str,
        run: impl for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send + Sync + 'static,
    ) -> Self {
        Self { name, run: Box::new(run) }
    }
}

/// A job failed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The conductor or the driver failed.
    #[error(transparent)]
    Conductor(#[from] ConductorError),
    /// The job panicked: a defect of the conductor.
    #[error("the job panicked: {0}")]
    Panicked(String),
}

/// Runs `job` with `task`; records its failure and gives the lock back.
pub(super) async fn run_job(mut task: ExclusiveTask, job: Job) {
    let name = job.name;
    let unfinished = Unfinished { node: task.node().uuid, job: name, ended: false };
    let ended = AssertUnwindSafe(async { (job.run)(&mut task).await }).catch_unwind().await;
    let result = ended.unwrap_or_else(|payload| Err(JobError::Panicked(panic_text(&*payload))));
    if let Err(failure) = &result {
        record_failure(&mut task, name, failure).await;
    }
    if let Err(error) = task.release().await {
        error!(node = %task.node().uuid, job = name, %error, "lock could not be released");
    }
    unfinished.end();
}

/// A job that has not come to its end. If it never does, because the process is going down, nothing is written: what
/// it was doing is found by the next start.
struct Unfinished {
    node: Uuid,
    job: &'static str,
    ended: bool,
}

impl Unfinished {
    fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.ended {
            warn!(node = %self.node, job = self.job, "a job was cut off");
        }
    }
}

/// Leaves the failure on the node, unless the job has left one itself.
async fn record_failure(task: &mut ExclusiveTask, name: &str, failure: &JobError) {
    let text = Chain(failure).to_string();
    warn!(node = %task.node().uuid, job = name, error = text, "a job failed");
    let recorded = task.core().stored.last_error.is_some() && task.core().stored.target_power_state.is_none();
    if task.is_released() || recorded {
        return;
    }
    // Whatever the job was changing, it is not changing it any more.
    task.node_mut().target_power_state = None;
    let node = task.node_mut();
    if node.last_error.is_none() {
        node.last_error = Some(format!("Async execution of {name} failed with error: {text}"));
    }
    match task.save().await {
        Ok(()) => {}
        Err(error) if error.is_node_not_found() => {}
        Err(error) => {
            warn!(node = %task.node().uuid, job = name, %error, "failure of a job could not be recorded")
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a text".to_owned())
}

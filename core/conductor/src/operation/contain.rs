//! Nothing that goes wrong in a job leaves its node in a passing state.

use farrier_model::provision::ProvisionState;
use farrier_sdk::error::Chain;

use super::caught;
use crate::task::{ExclusiveTask, JobError, JobFuture};

/// Runs `work`, the body of a job that has the node in one of `states`. An error or a panic that escapes it ends in
/// `fail`, which gets its text and moves the node on.
///
/// # Errors
///
/// What escaped, when the node is not in these states any more; those of `fail`.
pub(crate) async fn contained(
    task: &mut ExclusiveTask,
    states: &[ProvisionState],
    work: impl for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send,
    fail: impl for<'a> FnOnce(&'a mut ExclusiveTask, String) -> JobFuture<'a> + Send,
) -> Result<(), JobError> {
    let Err(error) = caught(task, work).await else { return Ok(()) };
    if task.is_released() {
        return Err(error);
    }
    // What was changed but could not be saved is not where the node is.
    task.forget_unsaved()?;
    if !states.contains(&task.node().provision_state) {
        return Err(error);
    }
    let text = Chain(&error).to_string();
    fail(task, text).await
}

#[cfg(test)]
mod tests;

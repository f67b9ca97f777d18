//! Nothing that goes wrong in a flow leaves its node in a passing state.

use farrier_sdk::error::Chain;

use super::Flow;
use crate::operation::caught;
use crate::task::{ExclusiveTask, JobError, JobFuture};

/// Runs `work`, the body of a job: an error or a panic that escapes it is handled as a failure of the operation.
///
/// # Errors
///
/// What went wrong, when the node is not in the flow any more, or when not even the failure could be recorded.
pub(crate) async fn contain(
    task: &mut ExclusiveTask,
    flow: Flow,
    work: impl for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send,
) -> Result<(), JobError> {
    let Err(error) = caught(task, work).await else { return Ok(()) };
    if task.is_released() {
        return Err(error);
    }
    // What was changed but could not be saved is not where the node is.
    task.forget_unsaved()?;
    let state = task.node().provision_state;
    if ![flow.working(), flow.waiting(), flow.holding()].contains(&state) {
        return Err(error);
    }
    let message = format!(
        "Node {} could not go on with its {} steps: {}",
        task.node().uuid,
        flow.kind(),
        Chain(&error)
    );
    Ok(flow.fail(task, &message).await?)
}

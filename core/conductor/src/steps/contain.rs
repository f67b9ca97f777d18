//! Nothing that goes wrong in a flow leaves its node in a passing state.

use super::Flow;
use crate::operation::contain::contained;
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
    let states = [flow.working(), flow.waiting(), flow.holding()];
    contained(task, &states, work, |task, error| {
        Box::pin(async move {
            let message =
                format!("Node {} could not go on with its {} steps: {error}", task.node().uuid, flow.kind());
            Ok(flow.fail(task, &message).await?)
        })
    })
    .await
}

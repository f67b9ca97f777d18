//! Not written yet.

use crate::error::ConductorError;
use crate::task::ExclusiveTask;

/// Answers that this is missing.
///
/// # Errors
///
/// Always.
#[expect(clippy::unused_async, reason = "what comes here waits")]
pub(crate) async fn start(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    Err(ConductorError::invalid_parameter(format!("node {}: abort is not written yet", task.node().uuid)))
}

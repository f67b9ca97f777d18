//! Not written yet.

use farrier_sdk::secret::Secret;

use crate::error::ConductorError;
use crate::task::ExclusiveTask;

/// Answers that this is missing.
///
/// # Errors
///
/// Always.
#[expect(clippy::unused_async, reason = "what comes here waits")]
pub(crate) async fn start(
    task: &mut ExclusiveTask,
    _password: Option<Secret<String>>,
) -> Result<(), ConductorError> {
    Err(ConductorError::invalid_parameter(format!("node {}: rescue is not written yet", task.node().uuid)))
}

/// Answers that this is missing.
///
/// # Errors
///
/// Always.
#[expect(clippy::unused_async, reason = "what comes here waits")]
pub(crate) async fn start_unrescue(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    Err(ConductorError::invalid_parameter(format!("node {}: unrescue is not written yet", task.node().uuid)))
}

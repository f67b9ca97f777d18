//! Removing the instance of a node.
//!
//! Source: Ironic's conductor manager.

use crate::error::ConductorError;
use crate::task::ExclusiveTask;

/// Starts the removal of a node's instance.
#[expect(clippy::unused_async, reason = "what comes here waits")]
pub(crate) async fn start(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    Err(ConductorError::invalid_parameter(format!("node {}: not written yet", task.node().uuid)))
}

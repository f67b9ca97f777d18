//! Service of a node in use.
//!
//! Source: Ironic's conductor, servicing.

use farrier_model::step::RequestedStep;

use crate::error::ConductorError;
use crate::task::ExclusiveTask;

/// What happens to a node whose service failed, besides its last error and its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Whether the deploy interface still has to put away what it prepared.
    pub(crate) tear_down: bool,
    /// Whether the event `fail` is still to be processed: not when an abort has been.
    pub(crate) process_fail: bool,
    /// Whether the node is put into maintenance; none: if a step was current.
    pub(crate) maintenance: Option<bool>,
}

impl Default for Failure {
    fn default() -> Self {
        Self { tear_down: true, process_fail: true, maintenance: None }
    }
}

/// Starts a service with the steps of a client.
#[expect(clippy::unused_async, reason = "what comes here waits")]
pub(crate) async fn start(
    task: &mut ExclusiveTask,
    _steps: Vec<RequestedStep>,
    _disable_ramdisk: bool,
) -> Result<(), ConductorError> {
    Err(ConductorError::invalid_parameter(format!("node {}: not written yet", task.node().uuid)))
}

/// Records that the service of a node failed, and lets it fail: last error, history, maintenance, `service failed`.
///
/// # Errors
///
/// Those of the store.
#[expect(clippy::unused_async, reason = "what comes here waits")]
pub(crate) async fn fail(
    task: &mut ExclusiveTask,
    _message: &str,
    _failure: Failure,
) -> Result<(), ConductorError> {
    Err(ConductorError::invalid_parameter(format!("node {}: not written yet", task.node().uuid)))
}

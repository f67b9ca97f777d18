//! Deployment.
//!
//! Source: Ironic's conductor, deployments.

use farrier_model::provision::Verb;
use farrier_model::step::RequestedStep;
use serde_json::Value;

use crate::error::ConductorError;
use crate::task::ExclusiveTask;

/// What happens to a node whose deployment failed, besides its last error and its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Whether the deploy interface still has to clean up.
    pub(crate) clean_up: bool,
    /// Whether the event `fail` is still to be processed: not when an abort or a timeout has been.
    pub(crate) process_fail: bool,
}

impl Default for Failure {
    fn default() -> Self {
        Self { clean_up: true, process_fail: true }
    }
}

/// Starts a deployment.
#[expect(clippy::unused_async, reason = "what comes here waits")]
pub(crate) async fn start(
    task: &mut ExclusiveTask,
    _verb: Verb,
    _steps: Vec<RequestedStep>,
    _configdrive: Option<Value>,
) -> Result<(), ConductorError> {
    Err(ConductorError::invalid_parameter(format!("node {}: not written yet", task.node().uuid)))
}

/// Records that the deployment of a node failed, and lets it fail: last error, history, `deploy failed`.
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

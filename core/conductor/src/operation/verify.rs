//! Checking a node before it comes under control.
//!
//! Source: Ironic's conductor, verification.

use farrier_model::provision::Event;

use super::spawn;
use crate::error::ConductorError;
use crate::task::ExclusiveTask;

/// Starts the verification of an enrolled node.
///
/// # Errors
///
/// Those of [`spawn`].
pub(crate) async fn start(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    spawn(task, Event::Manage, "node_verify", |task| {
        Box::pin(async move {
            super::process(task, Event::Done).await?;
            Ok(())
        })
    })
    .await
}

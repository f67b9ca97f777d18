//! Taking over a machine that is in use already.
//!
//! Source: Ironic's conductor manager.

use farrier_model::node::Node;
use farrier_model::provision::{Event, ProvisionState};
use farrier_sdk::error::Chain;
use farrier_sdk::interface::InterfaceType;
use tracing::warn;

use crate::error::ConductorError;
use crate::operation::capability::capability;
use crate::operation::contain::contained;
use crate::operation::{image, interface, process, record_error, spawn, takeover};
use crate::task::{ExclusiveTask, JobError, JobFuture};

/// What entries of the history about an adoption are called.
const EVENT_TYPE: &str = "adoption";

/// The deploy interface whose instances boot from memory.
const RAMDISK: &str = "ramdisk";

/// Leaves the adoption to a job.
///
/// # Errors
///
/// [`ConductorError::InvalidState`]; nothing has changed.
pub(crate) async fn start(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    spawn(task, Event::Adopt, "do_adoption", |task| {
        Box::pin(contain(task, |task| Box::pin(async move { Ok(run(task).await?) })))
    })
    .await
}

/// Runs `work`; an error or a panic that escapes it is a failed adoption.
pub(super) async fn contain(
    task: &mut ExclusiveTask,
    work: impl for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send,
) -> Result<(), JobError> {
    contained(task, &[ProvisionState::Adopting], work, |task, error| {
        Box::pin(async move { Ok(fail(task, &error).await?) })
    })
    .await
}

/// Adopts; a failure ends on the node.
async fn run(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    match adopt(task).await {
        Ok(()) => process(task, Event::Done).await,
        Err(error) => {
            let text = Chain(&error).to_string();
            fail(task, &text).await
        }
    }
}

async fn adopt(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    image::note_type(task.node_mut());
    task.save().await?;
    if !boots_from_disk(task.node()) {
        let boot = task.boot()?;
        boot.validate().await.map_err(boot.0.failed("validate"))?;
    }
    takeover::take_over(task).await
}

async fn fail(task: &mut ExclusiveTask, error: &str) -> Result<(), ConductorError> {
    let message = format!("Error while attempting to adopt node {}: {error}", task.node().uuid);
    warn!(node = %task.node().uuid, error = message, "adoption failed");
    interface::restore_deploy(task).await?;
    // Whatever it was, nobody has checked it since.
    task.node_mut().power_state = None;
    record_error(task, message, EVENT_TYPE).await;
    process(task, Event::Fail).await
}

/// Whether the instance boots from its own disk, without help over the network.
fn boots_from_disk(node: &Node) -> bool {
    if node.interfaces.get(InterfaceType::Deploy) == Some(RAMDISK) {
        return false;
    }
    let option = capability(&node.instance_info, "boot_option");
    option.is_none_or(|option| option.eq_ignore_ascii_case("local"))
}

#[cfg(test)]
mod tests;

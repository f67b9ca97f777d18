//! Becoming the conductor that serves a node in use.
//!
//! Source: Ironic's conductor manager.

use farrier_model::notification::Status;
use farrier_model::notification::node::ConsoleAction;
use farrier_sdk::error::Chain;
use farrier_sdk::interface::deploy::DeployClient;
use tracing::{info, warn};

use crate::error::ConductorError;
use crate::operation::{interface, record_error};
use crate::steps::step_timeout;
use crate::task::ExclusiveTask;

/// What entries of the history about a takeover are called.
pub(crate) const EVENT_TYPE: &str = "takeover";

/// Prepares what this conductor needs to serve the instance of a node, and says on the node that it does.
///
/// # Errors
///
/// What the deploy interface answers; those of the store and the registry. Whoever served the node before still is
/// the one the node names.
pub(crate) async fn take_over(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    interface::switch_deploy(task).await?;
    let limit = step_timeout(task);
    let deploy = DeployClient(task.deploy()?.0.with_timeout(limit));
    deploy.prepare().await.map_err(deploy.0.failed("prepare"))?;
    deploy.take_over().await.map_err(deploy.0.failed("take_over"))?;
    if task.node().console_enabled {
        restore_console(task).await?;
    }
    let shared = task.shared();
    let conductor = shared.store.conductor_get(&shared.host).await?;
    task.node_mut().conductor_affinity = Some(conductor.id);
    task.save().await?;
    info!(node = %task.node().uuid, conductor = conductor.hostname, "node is taken over");
    Ok(())
}

/// Makes the console of a node reachable again that is to be on; one that cannot be is switched off, and says why.
///
/// # Errors
///
/// Those of the store.
pub(crate) async fn restore_console(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let notify = |task: &ExclusiveTask, status| {
        task.shared().notifier.console(task.node(), ConsoleAction::Restore, status);
    };
    notify(task, Status::Start);
    let started = match task.console() {
        Ok(console) => console.start_console().await.map_err(console.0.failed("start_console")),
        Err(error) => Err(error),
    };
    let Err(error) = started else {
        task.save().await?;
        notify(task, Status::End);
        return Ok(());
    };
    warn!(node = %task.node().uuid, error = %Chain(&error), "console could not be restarted");
    task.node_mut().console_enabled = false;
    record_error(task, format!("Failed to restart the console: {}", Chain(&error)), "console_restore").await;
    task.save().await?;
    notify(task, Status::Error);
    Ok(())
}

#[cfg(test)]
mod tests;

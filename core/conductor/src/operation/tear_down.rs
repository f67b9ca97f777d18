//! Removing the instance of a node.
//!
//! Source: Ironic's conductor manager.

use farrier_model::notification::Status;
use farrier_model::notification::node::ConsoleAction;
use farrier_model::provision::{Event, ProvisionState};
use farrier_sdk::error::{Chain, DriverError};
use farrier_sdk::interface::deploy::DeployClient;
use farrier_sdk::step::StepOutcome;
use serde_json::Value;
use tracing::{info, warn};

use super::limit::{self, Limit};
use super::{agent, clean, deploy, interface, process, record_error};
use crate::error::ConductorError;
use crate::steps::wake::{self, Asked};
use crate::steps::{Flow, contain, step_timeout};
use crate::task::{ExclusiveTask, JobError};

/// What the history calls it.
const EVENT_TYPE: &str = "undeploy";

/// What a deployment leaves in `driver_internal_info`.
const LEFT: [&str; 3] = ["instance", "root_uuid_or_disk_id", "is_whole_disk_image"];

/// Set when a deployment made the node's user its lessee.
const AUTOMATIC_LESSEE: &str = "automatic_lessee";

/// Starts the removal of a node's instance, and its cleaning afterwards.
///
/// # Errors
///
/// [`ConductorError::ConcurrentActionLimit`], [`ConductorError::NodeProtected`],
/// [`ConductorError::InstanceDeployFailure`]: the power interface misses something.
pub(crate) async fn start(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    limit::check(task, Limit::Clean).await?;
    let (node, from) = (task.node().uuid, task.node().provision_state);
    if task.node().protected {
        return Err(ConductorError::NodeProtected { node, what: "torn down" });
    }
    let power = task.power()?;
    if let Err(error) = power.validate().await {
        let message =
            format!("Failed to validate power driver interface, cannot delete instance of node {node}");
        let source = Box::new(power.0.failed("validate")(error));
        return Err(ConductorError::InstanceDeployFailure { message, source });
    }
    agent::forget_url(task.node_mut());
    limit::spawn(task, Limit::Clean, Event::Delete, None, "node_tear_down", move |task| {
        Box::pin(async move { tear_down(task, from).await })
    })
    .await
}

/// Removes the instance, whatever goes wrong forgets it, and cleans the node if nothing did.
async fn tear_down(task: &mut ExclusiveTask, from: ProvisionState) -> Result<(), JobError> {
    let removed = super::caught(task, move |task| {
        Box::pin(async move { remove_instance(task, from).await.map_err(JobError::from) })
    })
    .await;
    if let Err(error) = &removed {
        task.forget_unsaved()?;
        record_error(task, format!("Failed to tear down: {}", Chain(error)), EVENT_TYPE).await;
        process(task, Event::Fail).await?;
    }
    forget_instance(task).await?;
    removed?;
    info!(node = %task.node().uuid, "instance is removed");
    process(task, Event::Clean).await?;
    contain(task, Flow::Clean, |task| {
        Box::pin(async move { clean::after_tear_down(task).await.map_err(JobError::from) })
    })
    .await
}

async fn remove_instance(task: &mut ExclusiveTask, from: ProvisionState) -> Result<(), ConductorError> {
    use ProvisionState::{Rescue, RescueFail, RescueWait, UnrescueFail};
    if matches!(from, Rescue | RescueWait | RescueFail | UnrescueFail) {
        let rescue = task.rescue()?;
        rescue.clean_up().await.map_err(rescue.0.failed("clean_up"))?;
    }
    if task.node().console_enabled {
        stop_console(task).await?;
    }
    Flow::Deploy.put_away(task).await?;
    let limit = step_timeout(task);
    let deploy = task.deploy()?;
    let deploy = DeployClient(deploy.0.with_timeout(limit));
    let outcome = deploy.tear_down().await.map_err(deploy.0.failed("tear_down"))?;
    if outcome != StepOutcome::Done {
        let error = DriverError::internal("a tear-down has to be over when it answers");
        return Err(deploy.0.failed("tear_down")(error));
    }
    task.save().await
}

/// Ends the console for the time without an instance; the next deployment starts it again.
async fn stop_console(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let notifier = task.shared().notifier.clone();
    notifier.console(task.node(), ConsoleAction::Stop, Status::Start);
    let console = task.console()?;
    let stopped = console.stop_console().await.map_err(console.0.failed("stop_console"));
    let status = if stopped.is_ok() { Status::End } else { Status::Error };
    notifier.console(task.node(), ConsoleAction::Stop, status);
    stopped
}

/// Forgets everything about the instance, also when it could not be removed.
async fn forget_instance(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    detach_networks(task).await;
    // What the drivers have saved meanwhile is on the node from here on.
    task.save().await?;
    let node = task.node_mut();
    node.instance_info.clear();
    node.instance_uuid = None;
    node.instance_name = None;
    node.allocation_uuid = None;
    deploy::wipe(node);
    if node.driver_internal_info.remove(AUTOMATIC_LESSEE).is_some() {
        node.lessee = None;
    }
    agent::remove(node, &LEFT);
    wake::disarm(node, Asked::Rescue);
    task.save().await?;
    interface::restore_deploy(task).await
}

/// Detaches what is attached to the node; one that stays is told in the log.
async fn detach_networks(task: &mut ExclusiveTask) {
    let uuid = task.node().uuid;
    let Ok(network) = task.network() else { return };
    let attached = match network.vif_list().await {
        Ok(attached) => attached,
        Err(error) => {
            warn!(node = %uuid, %error, "networks of a removed instance could not be listed");
            return;
        }
    };
    for vif in attached {
        let Some(id) = vif.get("id").and_then(Value::as_str) else { continue };
        if let Err(error) = network.vif_detach(id.to_owned()).await {
            warn!(node = %uuid, vif = id, %error, "a network of a removed instance could not be detached");
        }
    }
}

#[cfg(test)]
mod tests;

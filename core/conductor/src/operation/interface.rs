//! A deploy interface that lets another take its place for one operation, and putting it back.
//!
//! Source: Ironic's deploy interface.

use farrier_model::node::Node;
use farrier_sdk::interface::InterfaceType;
use serde_json::Value;
use tracing::info;

use crate::error::ConductorError;
use crate::task::ExclusiveTask;

/// The deploy interface of the node before another took its place, in `driver_internal_info`.
const ORIGINAL: &str = "original_deploy_interface";

/// Asks the deploy interface which one should do this operation, and takes that one.
///
/// # Errors
///
/// What the driver answers; those of the registry, when it named one that cannot be used; nothing has changed then.
pub(crate) async fn switch_deploy(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let deploy = task.deploy()?;
    let wanted = deploy.switch_interface().await.map_err(deploy.0.failed("switch_interface"))?;
    let current = task.node().interfaces.get(InterfaceType::Deploy).map(str::to_owned);
    let Some(wanted) = wanted.filter(|wanted| current.as_ref() != Some(wanted)) else { return Ok(()) };
    let driver = task.node().driver.clone();
    task.shared().registry.interface(&driver, InterfaceType::Deploy, &wanted)?;
    let node = task.node_mut();
    if let Some(current) = current
        && !node.driver_internal_info.contains_key(ORIGINAL)
    {
        node.driver_internal_info.insert(ORIGINAL.to_owned(), Value::String(current));
    }
    node.interfaces.set(InterfaceType::Deploy, Some(wanted.clone()));
    task.save().await?;
    info!(node = %task.node().uuid, implementation = wanted, "another deploy interface takes over");
    task.reload_driver()
}

/// Forgets which deploy interface would be put back: the node has been given another one for good.
pub(crate) fn forget_original(node: &mut Node) {
    node.driver_internal_info.remove(ORIGINAL);
}

/// Puts back the deploy interface that [`switch_deploy`] replaced, if it did.
///
/// # Errors
///
/// Those of the store and of the registry.
pub(crate) async fn restore_deploy(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let Some(original) = task.node_mut().driver_internal_info.remove(ORIGINAL) else { return Ok(()) };
    if let Value::String(original) = original {
        task.node_mut().interfaces.set(InterfaceType::Deploy, Some(original));
    }
    task.save().await?;
    task.reload_driver()
}

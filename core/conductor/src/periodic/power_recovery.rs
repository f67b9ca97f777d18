//! Taking nodes out of maintenance whose BMC answers again.
//!
//! Source: Ironic's conductor manager.

use std::sync::Arc;

use farrier_model::node::{Fault, Node};
use farrier_model::provision::ProvisionState;
use farrier_sdk::error::Chain;
use farrier_sdk::interface::power::{PowerClient, PowerState};
use farrier_store::{NodeFilter, Page};
use futures_util::FutureExt;
use tracing::{debug, info};

use super::Pass;
use super::lanes::{Lane, Lanes, Traffic};
use super::power_sync;
use crate::error::ConductorError;
use crate::task::{ExclusiveTask, SharedTask};

/// Asks the BMC of every node that is in maintenance because of it.
///
/// # Errors
///
/// Those of the store, when it does not tell of nodes.
pub(super) async fn run(pass: Pass) -> Result<(), ConductorError> {
    let filter =
        NodeFilter { maintenance: Some(true), fault: Some(Fault::PowerFailure), ..NodeFilter::default() };
    let mut nodes = pass.conductor.store().node_brief_list(&filter, &Page::default()).await?;
    pass.conductor.retain_mapped(&mut nodes).await?;
    let workers = pass.conductor.tasks().shared().config.sync_power_state_workers;
    let traffic = Traffic {
        purpose: "power failure recovery",
        nodes: &nodes,
        lane: Lane::Slow,
        until: None,
        visit: Arc::new(|task| recover(task).boxed()),
    };
    Lanes::new(workers).run(&pass, traffic).await
}

/// Whether nobody has done anything about the node yet.
fn is_waiting(node: &Node) -> bool {
    node.maintenance
        && node.fault == Some(Fault::PowerFailure)
        && node.provision_state != ProvisionState::Enroll
        && node.target_power_state.is_none()
}

async fn recover(mut task: SharedTask) -> Result<(), ConductorError> {
    let node = task.node().uuid;
    if !is_waiting(task.node()) || task.node().reservation.is_some() {
        return Ok(());
    }
    let timeout = power_sync::timeout(&task);
    let power = PowerClient(task.power()?.0.with_timeout(timeout));
    let answer = match power.validate().await {
        Ok(()) => power.get_power_state().await,
        Err(error) => Err(error),
    };
    let actual = match answer {
        Ok(state @ (PowerState::On | PowerState::Off)) => state,
        Ok(state) => {
            debug!(%node, %state, "power state is not known yet");
            return Ok(());
        }
        Err(error) => {
            debug!(%node, error = %Chain(&error), "power state can not be read yet");
            return Ok(());
        }
    };
    let mut task = task.upgrade(|_| {}).await.map_err(|(_, error)| error)?;
    match leave_maintenance(&mut task, actual).await {
        Ok(()) => task.finish().await,
        Err(error) => {
            task.abandon().await;
            Err(error)
        }
    }
}

async fn leave_maintenance(task: &mut ExclusiveTask, actual: PowerState) -> Result<(), ConductorError> {
    if !is_waiting(task.node()) {
        return Ok(());
    }
    let node = task.node_mut();
    node.maintenance = false;
    node.maintenance_reason = None;
    node.fault = None;
    power_sync::store(task, Some(actual)).await?;
    info!(node = %task.node().uuid, to = %actual, "BMC answers again, node leaves maintenance");
    Ok(())
}

#[cfg(test)]
mod tests;

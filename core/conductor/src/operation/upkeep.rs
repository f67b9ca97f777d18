//! What cleaning and service have in common: steps on a machine that is not deployed by them, and how they end.
//!
//! Source: Ironic's conductor, cleaning and servicing.

use farrier_model::node::Fault;
use farrier_model::provision::{Event, ProvisionState};
use farrier_sdk::error::Chain;
use farrier_sdk::interface::power::PowerState;
use tracing::{error, info};

use super::{agent, facts, interface, power, process, record_error};
use crate::config::ConductorConfig;
use crate::error::ConductorError;
use crate::steps::Flow;
use crate::task::ExclusiveTask;

/// One of the two.
#[derive(Debug)]
pub(crate) struct Upkeep {
    flow: Flow,
    /// How messages name it.
    name: &'static str,
    /// What the history calls it.
    event_type: &'static str,
    /// What a node is in maintenance for on which it failed.
    fault: Fault,
    /// The state of such a node.
    failed: ProvisionState,
    /// Whether such a node is powered off.
    powers_off: fn(&ConductorConfig) -> bool,
}

pub(crate) static CLEANING: Upkeep = Upkeep {
    flow: Flow::Clean,
    name: "cleaning",
    event_type: "cleaning",
    fault: Fault::CleanFailure,
    failed: ProvisionState::CleanFail,
    powers_off: |config| config.poweroff_in_cleanfail,
};

pub(crate) static SERVICE: Upkeep = Upkeep {
    flow: Flow::Service,
    name: "service",
    event_type: "servicing",
    fault: Fault::ServiceFailure,
    failed: ProvisionState::ServiceFail,
    powers_off: |config| config.poweroff_in_servicefail,
};

/// What happens to a node on which it failed, besides its last error and its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Whether the deploy interface still has to put away what it prepared.
    pub(crate) tear_down: bool,
    /// Whether the event `fail` is still to be processed: not when another has been.
    pub(crate) process_fail: bool,
    /// Whether the node is put into maintenance; none: if a step was current.
    pub(crate) maintenance: Option<bool>,
}

impl Default for Failure {
    fn default() -> Self {
        Self { tear_down: true, process_fail: true, maintenance: None }
    }
}

impl Upkeep {
    /// Forgets the steps and the agent.
    pub(super) fn wipe(&self, task: &mut ExclusiveTask) {
        let node = task.node_mut();
        agent::forget_token_and_url(node);
        self.flow.forget(node);
    }

    /// Ends it after its last step, with `arrival`.
    ///
    /// # Errors
    ///
    /// Those of the store. What goes wrong in the drivers is handled.
    pub(super) async fn finish(
        &self,
        task: &mut ExclusiveTask,
        arrival: Event,
    ) -> Result<(), ConductorError> {
        let ramdisk_disabled = self.flow.is_ramdisk_disabled(task.node());
        self.wipe(task);
        task.save().await?;
        if !ramdisk_disabled && let Err(error) = self.flow.put_away(task).await {
            let (name, node) = (self.name, task.node().uuid);
            let message = format!("Failed to tear down from {name} for node {node}: {}", Chain(&error));
            return self.fail(task, &message, Failure { tear_down: false, ..Failure::default() }).await;
        }
        facts::refresh(task).await;
        interface::restore_deploy(task).await?;
        info!(node = %task.node().uuid, "{} is over", self.name);
        process(task, arrival).await
    }

    /// Records that it failed, and lets it fail: last error, history, maintenance, and the state for that.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(crate) async fn fail(
        &self,
        task: &mut ExclusiveTask,
        message: &str,
        failure: Failure,
    ) -> Result<(), ConductorError> {
        let name = self.name;
        error!(node = %task.node().uuid, error = message, "{name} failed");
        let mut message = message.to_owned();
        let has_step = !self.flow.current_fields(task.node_mut()).is_empty();
        let maintenance = failure.maintenance.unwrap_or(has_step);
        if failure.tear_down
            && let Err(error) = self.flow.put_away(task).await
        {
            error!(node = %task.node().uuid, error = %Chain(&error), "{name} could not be torn down");
            message = format!("{message}. Also failed to tear down {name}: {}", Chain(&error));
        }
        // What the driver has saved meanwhile is on the node from here on.
        task.save().await?;
        let node = task.node_mut();
        if maintenance {
            node.maintenance = true;
            node.fault = Some(self.fault);
            node.maintenance_reason.get_or_insert_with(|| message.clone());
        }
        self.flow.current_fields(node).clear();
        agent::remove(node, &[self.flow.keys().index]);
        self.flow.forget_flags(node);
        agent::forget_token_and_url(node);
        record_error(task, message, self.event_type).await;
        task.save().await?;
        if (self.powers_off)(&task.shared().config) {
            power_off(task).await?;
        }
        interface::restore_deploy(task).await?;
        if failure.process_fail && task.node().provision_state != self.failed {
            process(task, Event::Fail).await?;
        }
        Ok(())
    }
}

/// Asks the drivers whether they have what the steps need.
pub(super) async fn validate(task: &mut ExclusiveTask, disable_ramdisk: bool) -> Result<(), ConductorError> {
    let power = task.power()?;
    power.validate().await.map_err(power.0.failed("validate"))?;
    if !disable_ramdisk {
        let network = task.network()?;
        network.validate().await.map_err(network.0.failed("validate"))?;
    }
    Ok(())
}

/// Cuts the power of a machine whose operation failed, keeping what is said about that.
///
/// # Errors
///
/// Those of the store.
pub(super) async fn power_off(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let last_error = task.node().last_error.clone();
    if let Err(error) = power::action(task, PowerState::Off, None).await {
        error!(node = %task.node().uuid, error = %Chain(&error), "a machine could not be powered off");
    }
    task.node_mut().last_error = last_error;
    task.save().await
}

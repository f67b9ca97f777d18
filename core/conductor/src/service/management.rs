//! Boot mode, secure boot, indicators and the like: what a client asks of the management interface.

use farrier_model::node::{Node, NodeName};
use farrier_sdk::error::{Chain, DriverError};
use farrier_sdk::interface::management::{BootMode, Indicator, ManagementClient};
use tracing::{info, warn};

use super::{Conductor, abandon, end};
use crate::dispatch::DriverCaller;
use crate::error::ConductorError;
use crate::operation::record_error;
use crate::task::{Acquire, ExclusiveTask, Job, JobError, RequestContext, SpawnErrorHook};

/// What entries of the history about such requests are called.
const EVENT_TYPE: &str = "management";

/// A light of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndicatorName {
    /// The part of the machine it belongs to.
    pub component: String,
    /// Its name there.
    pub name: String,
}

impl Conductor {
    /// Starts to put a machine into a boot mode: checked under the lock, done in the background.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked`, [`ConductorError::InTransition`], what the driver says of its settings,
    /// `NoFreeConductorWorker`.
    pub async fn change_boot_mode(
        &self,
        context: RequestContext,
        name: &NodeName,
        mode: BootMode,
    ) -> Result<(), ConductorError> {
        let job = Job::new("node_change_boot_mode", move |task| {
            Box::pin(async move { change_boot_mode(task, mode).await.map_err(JobError::from) })
        });
        self.change_firmware_setting(context, name, "changing node boot mode", job).await
    }

    /// Starts to switch secure boot on or off: checked under the lock, done in the background.
    ///
    /// # Errors
    ///
    /// Those of [`Conductor::change_boot_mode`].
    pub async fn change_secure_boot(
        &self,
        context: RequestContext,
        name: &NodeName,
        state: SecureBoot,
    ) -> Result<(), ConductorError> {
        let job = Job::new("node_change_secure_boot", move |task| {
            Box::pin(async move { change_secure_boot(task, state).await.map_err(JobError::from) })
        });
        self.change_firmware_setting(context, name, "changing node secure boot state", job).await
    }

    async fn change_firmware_setting(
        &self,
        context: RequestContext,
        name: &NodeName,
        purpose: &str,
        job: Job,
    ) -> Result<(), ConductorError> {
        let node = self.node(name).await?;
        check_no_transition(&node)?;
        let mut task = self.exclusive(context, &node, purpose).await?;
        let checked = async {
            check_no_transition(task.node())?;
            let management = task.management()?;
            management.validate().await.map_err(management.0.failed("validate"))
        };
        match checked.await {
            Ok(()) => start(task, job).await,
            Err(error) => abandon(task, error).await,
        }
    }

    /// Interrupts the machine so that its operating system notices.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked`; what the driver answers.
    pub async fn inject_nmi(&self, context: RequestContext, name: &NodeName) -> Result<(), ConductorError> {
        self.managed(context, name, "inject nmi", "inject_nmi", |management| async move {
            management.inject_nmi().await
        })
        .await
    }

    /// The lights of a machine. Takes no lock.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`; what the driver answers.
    pub async fn indicators(
        &self,
        context: RequestContext,
        name: &NodeName,
    ) -> Result<Vec<Indicator>, ConductorError> {
        let node = self.node(name).await?;
        let acquire = Acquire { context, ..Acquire::new("getting supported indicators") };
        let mut task = self.tasks.acquire_shared(&node, acquire).await?;
        let management = task.management()?;
        management.validate().await.map_err(management.0.failed("validate"))?;
        let failed = management.0.failed("get_supported_indicators");
        management.get_supported_indicators(None).await.map_err(failed)
    }

    /// How a light shines: `on`, `off`, `blinking`.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked`; what the driver answers.
    pub async fn indicator_state(
        &self,
        context: RequestContext,
        name: &NodeName,
        indicator: IndicatorName,
    ) -> Result<String, ConductorError> {
        self.managed(context, name, "getting indicator state", "get_indicator_state", |management| async move {
            management.get_indicator_state(indicator.component, indicator.name).await
        })
        .await
    }

    /// Changes how a light shines.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked`; what the driver answers.
    pub async fn set_indicator_state(
        &self,
        context: RequestContext,
        name: &NodeName,
        indicator: IndicatorName,
        state: String,
    ) -> Result<(), ConductorError> {
        self.managed(
            context,
            name,
            "setting indicator state",
            "set_indicator_state",
            |management| async move {
                management.set_indicator_state(indicator.component, indicator.name, state).await
            },
        )
        .await
    }

    /// Runs one method of the management interface under the lock, after validation.
    pub(super) async fn managed<T, F>(
        &self,
        context: RequestContext,
        name: &NodeName,
        purpose: &str,
        operation: &'static str,
        method: impl FnOnce(ManagementClient<DriverCaller>) -> F,
    ) -> Result<T, ConductorError>
    where
        F: Future<Output = Result<T, DriverError>>,
    {
        let node = self.node(name).await?;
        let mut task = self.exclusive(context, &node, purpose).await?;
        let answer = async {
            let management = task.management()?;
            management.validate().await.map_err(management.0.failed("validate"))?;
            let failed = management.0.failed(operation);
            method(management).await.map_err(failed)
        };
        let answer = answer.await;
        end(task, answer).await
    }
}

/// Whether only signed software is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecureBoot {
    /// Only signed software.
    On,
    /// Any.
    Off,
}

fn check_no_transition(node: &Node) -> Result<(), ConductorError> {
    match node.target_provision_state {
        None => Ok(()),
        Some(_) => Err(ConductorError::InTransition { node: node.uuid }),
    }
}

/// Ends a task well and leaves its job behind, with what went wrong before forgotten.
pub(super) async fn start(mut task: ExclusiveTask, job: Job) -> Result<(), ConductorError> {
    task.node_mut().last_error = None;
    if let Err(error) = task.save().await {
        return abandon(task, error).await;
    }
    task.set_spawn_error_hook(leave_error());
    task.spawn_after(job);
    task.finish().await
}

/// Says on the node that its job could not be started.
fn leave_error() -> SpawnErrorHook {
    Box::new(|error, task| {
        Box::pin(async move {
            record_error(task, error.to_string(), EVENT_TYPE).await;
            task.save().await
        })
    })
}

/// Says on the node what its job could not do, and fails it.
pub(super) async fn failed<T>(
    task: &mut ExclusiveTask,
    what: &str,
    error: ConductorError,
) -> Result<T, ConductorError> {
    record_error(task, format!("{what}: {}", Chain(&error)), EVENT_TYPE).await;
    task.save().await?;
    Err(error)
}

async fn change_boot_mode(task: &mut ExclusiveTask, mode: BootMode) -> Result<(), ConductorError> {
    let (node, management) = (task.node().uuid, task.management()?);
    match management.get_boot_mode().await {
        Ok(Some(current)) if current == mode => {
            info!(%node, to = %mode, "the boot mode is as wanted already");
        }
        Ok(_) => set_boot_mode(task, mode).await?,
        Err(error) => {
            warn!(%node, %error, "the boot mode could not be read before it is changed");
            set_boot_mode(task, mode).await?;
        }
    }
    task.node_mut().boot_mode = Some(mode.as_str().to_owned());
    task.save().await
}

async fn set_boot_mode(task: &mut ExclusiveTask, mode: BootMode) -> Result<(), ConductorError> {
    let management = task.management()?;
    match management.set_boot_mode(mode).await.map_err(management.0.failed("set_boot_mode")) {
        Ok(()) => Ok(()),
        Err(error) => failed(task, &format!("Failed to change boot mode to '{mode}'"), error).await,
    }
}

async fn change_secure_boot(task: &mut ExclusiveTask, state: SecureBoot) -> Result<(), ConductorError> {
    let wanted = state == SecureBoot::On;
    let (node, management) = (task.node().uuid, task.management()?);
    match management.get_secure_boot_state().await {
        Ok(Some(current)) if current == wanted => {
            info!(%node, to = wanted, "secure boot is as wanted already");
        }
        Ok(_) => set_secure_boot(task, wanted).await?,
        Err(error) => {
            warn!(%node, %error, "the state of secure boot could not be read before it is changed");
            set_secure_boot(task, wanted).await?;
        }
    }
    task.node_mut().secure_boot = Some(wanted);
    task.save().await
}

async fn set_secure_boot(task: &mut ExclusiveTask, wanted: bool) -> Result<(), ConductorError> {
    let management = task.management()?;
    let set = management.set_secure_boot_state(wanted).await;
    match set.map_err(management.0.failed("set_secure_boot_state")) {
        Ok(()) => Ok(()),
        Err(error) => {
            let to = if wanted { "on" } else { "off" };
            failed(task, &format!("Failed to change secure boot state to '{to}'"), error).await
        }
    }
}

#[cfg(test)]
mod tests;

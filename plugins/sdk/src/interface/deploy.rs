//! Puts an image on a machine and removes it again.

use farrier_sdk_macros::contract;

use crate::error::Result;
use crate::step::StepOutcome;
use crate::task::DriverTask;

/// Deploys one machine.
///
/// The conductor runs [`deploy`](Self::deploy) as a deploy step when it is marked as one.
///
/// Source: Ironic `DeployInterface`.
#[contract(deploy)]
pub trait DeployInterface {
    /// Puts the image on the machine.
    async fn deploy(&self, task: &DriverTask<Self::Info>) -> Result<StepOutcome>;

    /// Stops the instance.
    async fn tear_down(&self, task: &DriverTask<Self::Info>) -> Result<StepOutcome>;

    /// Prepares everything a deployment needs.
    async fn prepare(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Undoes [`prepare`](Self::prepare).
    async fn clean_up(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Makes this conductor the one that serves a running instance.
    async fn take_over(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Boots what cleaning needs.
    async fn prepare_cleaning(&self, task: &DriverTask<Self::Info>) -> Result<StepOutcome> {
        Ok(StepOutcome::Done)
    }

    /// Undoes [`prepare_cleaning`](Self::prepare_cleaning).
    async fn tear_down_cleaning(&self, task: &DriverTask<Self::Info>) -> Result<()> {
        Ok(())
    }

    /// Boots what service needs.
    async fn prepare_service(&self, task: &DriverTask<Self::Info>) -> Result<StepOutcome> {
        Ok(StepOutcome::Done)
    }

    /// Undoes [`prepare_service`](Self::prepare_service).
    async fn tear_down_service(&self, task: &DriverTask<Self::Info>) -> Result<()> {
        Ok(())
    }

    /// The deploy agent of a node that waits has called; unless overridden, a warning says that nobody listens.
    ///
    /// When this has answered, the step that waits counts as over, unless the node's internal data has the polling
    /// flag of the operation set: `cleaning_polling`, `deployment_polling` or `servicing_polling`. Set it when a step
    /// begins that the agent has to be asked about, and remove it here once the agent says that it is over.
    async fn heartbeat(
        &self,
        task: &DriverTask<Self::Info>,
        callback_url: String,
        agent_version: String,
        agent_verify_ca: Option<String>,
        agent_status: Option<String>,
        agent_status_message: Option<String>,
    ) -> Result<()> {
        task.warn("the agent of the node has called, which its deploy interface does not listen to");
        Ok(())
    }

    /// Names the deploy interface that should take this deployment instead, if any.
    async fn switch_interface(&self, task: &DriverTask<Self::Info>) -> Result<Option<String>> {
        Ok(None)
    }

    /// Whether it can deploy at all; some only clean or serve.
    async fn supports_deploy(&self, task: &DriverTask<Self::Info>) -> Result<bool> {
        Ok(true)
    }
}

//! Finds out what a machine is made of.

use farrier_sdk_macros::contract;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Result;
use crate::step::StepOutcome;
use crate::task::DriverTask;

/// Properties that every inspection should find.
pub const ESSENTIAL_PROPERTIES: [&str; 3] = ["memory_mb", "local_gb", "cpu_arch"];

/// What an inspection found; see [`DriverTask::save_inspection`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inspection {
    /// The machine in the agent's words: `cpu`, `memory`, `disks`, `interfaces` (each with its `mac_address`),
    /// `system_vendor`, `boot`.
    pub inventory: Map<String, Value>,
    /// What else was found, for people and programs that know the driver.
    pub plugin_data: Map<String, Value>,
    /// Members of the node's `properties` to set, [`ESSENTIAL_PROPERTIES`] among them; null removes one.
    pub properties: Map<String, Value>,
}

/// Inspects one machine.
///
/// What was found is handed over with [`DriverTask::save_inspection`] before the method that found it answers
/// [`Done`](StepOutcome::Done).
///
/// Source: Ironic `InspectInterface`.
#[contract(inspect)]
pub trait InspectInterface {
    /// Starts an inspection; [`Done`](StepOutcome::Done) when it is over at once.
    async fn inspect_hardware(&self, task: &DriverTask<Self::Info>) -> Result<StepOutcome>;

    /// Ends a running inspection.
    #[unsupported]
    async fn abort(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Takes what the agent found.
    #[unsupported]
    async fn continue_inspection(
        &self,
        task: &DriverTask<Self::Info>,
        inventory: Map<String, Value>,
        plugin_data: Option<Map<String, Value>>,
    ) -> Result<StepOutcome>;

    /// Removes what an inspection that failed or was given up left behind: what was booted for it, its network.
    async fn tear_down(&self, task: &DriverTask<Self::Info>) -> Result<()> {
        Ok(())
    }
}

//! Finds out what a machine is made of.

use farrier_sdk_macros::contract;
use serde_json::{Map, Value};

use crate::error::Result;
use crate::step::StepOutcome;
use crate::task::DriverTask;

/// Properties that every inspection should find.
pub const ESSENTIAL_PROPERTIES: [&str; 3] = ["memory_mb", "local_gb", "cpu_arch"];

/// Inspects one machine.
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
}

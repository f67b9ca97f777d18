//! BIOS settings.

use farrier_sdk_macros::contract;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::step::StepOutcome;
use crate::task::DriverTask;

/// One BIOS setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BiosSetting {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
}

/// Reads and changes the BIOS settings of one machine.
///
/// Source: Ironic `BIOSInterface`.
#[contract(bios)]
pub trait BiosInterface {
    /// Applies settings.
    async fn apply_configuration(
        &self,
        task: &DriverTask<Self::Info>,
        /// Settings to apply, each with `name` and `value`
        settings: Vec<BiosSetting>,
    ) -> Result<StepOutcome>;

    /// Puts all settings back to what they were at the factory.
    async fn factory_reset(&self, task: &DriverTask<Self::Info>) -> Result<StepOutcome>;

    /// Reads the settings, for the conductor to keep.
    async fn cache_bios_settings(&self, task: &DriverTask<Self::Info>) -> Result<Vec<BiosSetting>>;
}

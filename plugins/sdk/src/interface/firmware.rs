//! Firmware updates.

use farrier_sdk_macros::contract;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::step::StepOutcome;
use crate::task::DriverTask;

/// One update to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareUpdate {
    /// What to update: `bios`, `bmc`, `nic:...`.
    pub component: String,
    /// Where the image is.
    pub url: String,
    /// Seconds to wait afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
}

/// One component with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareComponent {
    /// What it is: `bios`, `bmc`, `nic:...`.
    pub component: String,
    /// The version it has.
    pub current_version: String,
}

/// Updates the firmware of one machine.
///
/// Source: Ironic `FirmwareInterface`.
#[contract(firmware)]
pub trait FirmwareInterface {
    /// Makes updates, one after the other.
    async fn update(
        &self,
        task: &DriverTask<Self::Info>,
        /// Updates to make in this order, each with `component`, `url` and optionally `wait` in seconds
        settings: Vec<FirmwareUpdate>,
    ) -> Result<StepOutcome>;

    /// Reads the versions, for the conductor to keep.
    async fn cache_firmware_components(
        &self,
        task: &DriverTask<Self::Info>,
    ) -> Result<Vec<FirmwareComponent>>;
}

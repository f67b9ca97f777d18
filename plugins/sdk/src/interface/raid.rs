//! RAID volumes.

use std::collections::BTreeMap;

use farrier_sdk_macros::contract;
use serde_json::{Map, Value};

use crate::error::Result;
use crate::step::StepOutcome;
use crate::task::DriverTask;

/// Makes and removes RAID volumes of one machine.
///
/// Source: Ironic `RAIDInterface`.
#[contract(raid)]
pub trait RaidInterface {
    /// Makes the volumes of the node's target configuration.
    async fn create_configuration(
        &self,
        task: &DriverTask<Self::Info>,
        /// Whether to make the volume the instance boots from; yes unless given
        #[default(true)]
        create_root_volume: bool,
        /// Whether to make the other volumes; yes unless given
        #[default(true)]
        create_nonroot_volumes: bool,
        /// Whether to remove the volumes there are first; yes unless given
        #[default(true)]
        delete_existing: bool,
    ) -> Result<StepOutcome>;

    /// Removes all volumes.
    async fn delete_configuration(&self, task: &DriverTask<Self::Info>) -> Result<StepOutcome>;

    /// Checks a target configuration against what this machine can do.
    #[unsupported]
    async fn validate_raid_config(
        &self,
        task: &DriverTask<Self::Info>,
        raid_config: Map<String, Value>,
    ) -> Result<()>;

    /// Properties of a logical disk, with what each means.
    #[unsupported]
    async fn get_logical_disk_properties(
        &self,
        task: &DriverTask<Self::Info>,
    ) -> Result<BTreeMap<String, String>>;
}

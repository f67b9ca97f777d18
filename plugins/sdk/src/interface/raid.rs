//! RAID volumes.

pub mod configuration;

use std::collections::BTreeMap;

use farrier_sdk_macros::contract;
use serde_json::{Map, Value};

use crate::error::Result;
use crate::step::StepOutcome;
use crate::task::DriverTask;

/// Makes and removes RAID volumes of one machine.
///
/// What a configuration looks like is the same for all machines, see [`configuration`]. An implementation that
/// overrides [`validate_raid_config`](Self::validate_raid_config) should check that first; one that takes other
/// properties than those overrides [`validate`](Self::validate) too.
///
/// Source: Ironic `RAIDInterface`.
#[contract(raid)]
pub trait RaidInterface {
    /// Checks the node's target configuration, if it has one, besides what is checked of `driver_info`.
    ///
    /// Never talks to the machine.
    ///
    /// # Errors
    ///
    /// `InvalidParameter`.
    async fn validate(&self, task: &DriverTask<Self::Info>) -> Result<()> {
        let target = &task.node().target_raid_config;
        if target.is_empty() { Ok(()) } else { configuration::check(target) }
    }

    /// Makes the volumes of the node's target configuration, or of those that are asked for; see
    /// [`configuration::volumes`].
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
    async fn validate_raid_config(
        &self,
        task: &DriverTask<Self::Info>,
        raid_config: Map<String, Value>,
    ) -> Result<()> {
        configuration::check(&raid_config)
    }

    /// Checks a configuration, makes it the node's target configuration, and makes its volumes:
    /// [`validate_raid_config`](Self::validate_raid_config) and then
    /// [`create_configuration`](Self::create_configuration), unless overridden. Needs a host that can keep the target.
    ///
    /// An implementation that offers this as a step overrides it with a call of
    /// [`configuration::apply`](configuration::apply).
    #[provided(configuration::apply)]
    async fn apply_configuration(
        &self,
        task: &DriverTask<Self::Info>,
        /// The configuration to apply, with `logical_disks`
        raid_config: Map<String, Value>,
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

    /// Properties of a logical disk, with what each means.
    async fn get_logical_disk_properties(
        &self,
        task: &DriverTask<Self::Info>,
    ) -> Result<BTreeMap<String, String>> {
        Ok(configuration::properties())
    }
}

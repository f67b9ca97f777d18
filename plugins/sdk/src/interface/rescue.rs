//! Rescue system.

use farrier_sdk_macros::contract;

use crate::error::Result;
use crate::step::StepOutcome;
use crate::task::DriverTask;

/// Boots one machine into a rescue system and back.
///
/// Source: Ironic `RescueInterface`.
#[contract(rescue)]
pub trait RescueInterface {
    /// Boots the rescue system.
    async fn rescue(&self, task: &DriverTask<Self::Info>) -> Result<StepOutcome>;

    /// Boots the instance again.
    async fn unrescue(&self, task: &DriverTask<Self::Info>) -> Result<StepOutcome>;

    /// Removes what [`rescue`](Self::rescue) left behind.
    async fn clean_up(&self, task: &DriverTask<Self::Info>) -> Result<()> {
        Ok(())
    }
}

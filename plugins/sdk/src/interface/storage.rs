//! Remote volumes.

use farrier_sdk_macros::contract;

use crate::error::Result;
use crate::task::DriverTask;

/// Attaches remote volumes to one machine.
///
/// Source: Ironic `StorageInterface`.
#[contract(storage)]
pub trait StorageInterface {
    /// Attaches the node's volumes.
    async fn attach_volumes(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Detaches them.
    async fn detach_volumes(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Whether an image has to be written, or the machine boots from a volume.
    async fn should_write_image(&self, task: &DriverTask<Self::Info>) -> Result<bool>;
}

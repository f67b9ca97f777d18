//! What a machine boots during deployment and as an instance.

use farrier_sdk_macros::contract;
use serde_json::{Map, Value};

use crate::error::Result;
use crate::task::DriverTask;

/// Prepares what one machine boots.
///
/// Source: Ironic `BootInterface`.
#[contract(boot)]
pub trait BootInterface {
    /// Makes the machine boot the deploy agent next, with these kernel parameters.
    async fn prepare_ramdisk(&self, task: &DriverTask<Self::Info>, params: Map<String, Value>) -> Result<()>;

    /// Undoes [`prepare_ramdisk`](Self::prepare_ramdisk).
    async fn clean_up_ramdisk(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Makes the machine boot its instance.
    async fn prepare_instance(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Undoes [`prepare_instance`](Self::prepare_instance).
    async fn clean_up_instance(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// What the implementation can do, such as `ipxe_boot`; nothing unless overridden.
    async fn get_capabilities(&self, task: &DriverTask<Self::Info>) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Checks what rescue needs.
    #[unsupported]
    async fn validate_rescue(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Checks what inspection needs.
    #[unsupported]
    async fn validate_inspection(&self, task: &DriverTask<Self::Info>) -> Result<()>;
}

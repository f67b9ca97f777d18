//! Volumes that are nowhere else.

use farrier_sdk::prelude::*;

use crate::driver_info::WaywardInfo;
use crate::habits::Make;
use crate::shared::Shared;

/// Storage of the machine; what goes wrong with it is a habit.
pub(crate) struct GoodStorage;

impl Make for GoodStorage {
    fn make(_shared: &Arc<Shared>) -> Self {
        Self
    }
}

#[interface(storage, name = "wayward")]
impl StorageInterface for GoodStorage {
    type Info = WaywardInfo;

    async fn attach_volumes(&self, _task: &DriverTask<WaywardInfo>) -> Result<()> {
        Ok(())
    }

    async fn detach_volumes(&self, _task: &DriverTask<WaywardInfo>) -> Result<()> {
        Ok(())
    }

    async fn should_write_image(&self, _task: &DriverTask<WaywardInfo>) -> Result<bool> {
        Ok(true)
    }
}

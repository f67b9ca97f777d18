//! Boot device and sensors.

use farrier_sdk::prelude::*;

use crate::calling::{Calling, RogueInfo, misbehave};
use crate::machine::Machines;

/// Size of the answer that is too large, in bytes: the boundary carries 16 MiB.
const LARGE_SIZE: usize = 17 * 1024 * 1024;

/// Management of machines in memory, which know one boot device.
pub(crate) struct RogueManagement;

impl RogueManagement {
    pub(crate) fn new(_machines: &Arc<Machines>) -> Self {
        Self
    }
}

#[interface(management, name = "rogue")]
impl ManagementInterface for RogueManagement {
    type Info = RogueInfo;

    async fn get_supported_boot_devices(&self, task: &DriverTask<RogueInfo>) -> Result<Vec<BootDevice>> {
        misbehave(task).await?;
        Ok(vec![BootDevice::Pxe])
    }

    async fn set_boot_device(
        &self,
        task: &DriverTask<RogueInfo>,
        device: BootDevice,
        _persistent: bool,
    ) -> Result<()> {
        misbehave(task).await?;
        if device == BootDevice::Pxe || Calling::of(task)? == Some(Calling::Lie) {
            return Ok(());
        }
        Err(DriverError::invalid_parameter(format!("`{device}` is no boot device of this machine")))
    }

    async fn get_boot_device(&self, task: &DriverTask<RogueInfo>) -> Result<CurrentBootDevice> {
        misbehave(task).await?;
        Ok(CurrentBootDevice { boot_device: Some(BootDevice::Pxe), persistent: Some(true) })
    }

    async fn get_sensors_data(&self, task: &DriverTask<RogueInfo>) -> Result<Map<String, Value>> {
        misbehave(task).await?;
        let mut sensors = Map::new();
        if Calling::of(task)? == Some(Calling::Large) {
            sensors.insert("large".to_owned(), Value::String("x".repeat(LARGE_SIZE)));
        }
        Ok(sensors)
    }
}

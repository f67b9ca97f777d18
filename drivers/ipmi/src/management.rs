//! Boot device, sensors, indicator and identity.

use farrier_sdk::prelude::*;
use ipmi_rs::app::GetDeviceId;

use crate::boot_device;
use crate::chassis::ChassisControl;
use crate::driver_info::{self, IpmiInfo};
use crate::manufacturer;
use crate::sensors;
use crate::shared::Shared;

/// Management through the BMC.
#[derive(Debug)]
pub struct IpmiManagement {
    shared: Arc<Shared>,
}

impl IpmiManagement {
    /// An implementation that shares sessions with the others.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

#[interface(management, name = "ipmitool", aliases = ["ipmi"])]
impl ManagementInterface for IpmiManagement {
    type Info = IpmiInfo;

    async fn validate(&self, task: &DriverTask<IpmiInfo>) -> Result<()> {
        driver_info::validate(&self.shared, task).await
    }

    async fn get_supported_boot_devices(&self, _task: &DriverTask<IpmiInfo>) -> Result<Vec<BootDevice>> {
        Ok(boot_device::supported())
    }

    async fn set_boot_device(
        &self,
        task: &DriverTask<IpmiInfo>,
        device: BootDevice,
        persistent: bool,
    ) -> Result<()> {
        boot_device::check(&device)?;
        let bmc = self.shared.bmc(task).await?;
        boot_device::set(&self.shared, &bmc, task, &device, persistent).await?;
        info!(node = task.node().uuid, %device, persistent, "boot device set");
        Ok(())
    }

    async fn get_boot_device(&self, task: &DriverTask<IpmiInfo>) -> Result<CurrentBootDevice> {
        boot_device::get(&self.shared.bmc(task).await?, task).await
    }

    async fn get_sensors_data(&self, task: &DriverTask<IpmiInfo>) -> Result<Map<String, Value>> {
        sensors::read(&self.shared.repositories, &self.shared.bmc(task).await?).await
    }

    async fn inject_nmi(&self, task: &DriverTask<IpmiInfo>) -> Result<()> {
        Ok(self.shared.bmc(task).await?.execute(ChassisControl::DiagnosticInterrupt).await?)
    }

    async fn detect_vendor(&self, task: &DriverTask<IpmiInfo>) -> Result<Option<String>> {
        let device = self.shared.bmc(task).await?.execute(GetDeviceId).await?;
        Ok(Some(manufacturer::name(device.manufacturer_id)))
    }
}

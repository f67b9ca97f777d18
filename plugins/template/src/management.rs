//! Boot device, sensors, and a step.

use farrier_sdk::prelude::*;
use serde::Deserialize;

use crate::device::{Boot, Device};
use crate::driver_info::AcmeInfo;
use crate::options::Settings;

/// What the device can boot from.
const BOOT_DEVICES: [BootDevice; 3] = [BootDevice::Pxe, BootDevice::Disk, BootDevice::Cdrom];

/// Management through the device's own protocol.
pub(crate) struct AcmeManagement {
    settings: Arc<Settings>,
}

impl AcmeManagement {
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        Self { settings: Arc::clone(settings) }
    }
}

/// Arguments of the step `reset_bmc`; the comments are shown to operators.
#[derive(Debug, Deserialize, StepArgs)]
struct ResetArgs {
    /// Whether to reset even while the BMC is busy; no unless given
    #[serde(default)]
    force: bool,
}

#[interface(management, name = "acme")]
impl ManagementInterface for AcmeManagement {
    type Info = AcmeInfo;

    async fn get_supported_boot_devices(&self, _task: &DriverTask<AcmeInfo>) -> Result<Vec<BootDevice>> {
        Ok(BOOT_DEVICES.to_vec())
    }

    async fn set_boot_device(
        &self,
        task: &DriverTask<AcmeInfo>,
        device: BootDevice,
        persistent: bool,
    ) -> Result<()> {
        if !BOOT_DEVICES.contains(&device) {
            return Err(DriverError::invalid_parameter(format!(
                "`{device}` is not a boot device of this machine"
            )));
        }
        Device::of(task, &self.settings).set_boot(&Boot { device, persistent }).await
    }

    async fn get_boot_device(&self, task: &DriverTask<AcmeInfo>) -> Result<CurrentBootDevice> {
        let boot = Device::of(task, &self.settings).boot().await?;
        Ok(CurrentBootDevice { boot_device: Some(boot.device), persistent: Some(boot.persistent) })
    }

    async fn get_sensors_data(&self, task: &DriverTask<AcmeInfo>) -> Result<Map<String, Value>> {
        Device::of(task, &self.settings).sensors().await
    }

    /// Restart the BMC
    #[step(clean, service)]
    async fn reset_bmc(&self, task: &DriverTask<AcmeInfo>, args: ResetArgs) -> Result<()> {
        task.progress(10, "restarting the BMC").await?;
        Device::of(task, &self.settings).reset(args.force).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{Simulator, Trouble};

    fn management() -> AcmeManagement {
        AcmeManagement { settings: Arc::new(Simulator::settings()) }
    }

    #[test]
    fn the_boot_device_is_what_was_set() {
        let simulator = Simulator::start(Trouble::None).unwrap();
        let task = simulator.task();

        task.block_on(management().set_boot_device(&task, BootDevice::Cdrom, true)).unwrap();

        let current = task.block_on(management().get_boot_device(&task)).unwrap();
        assert_eq!((current.boot_device, current.persistent), (Some(BootDevice::Cdrom), Some(true)));
    }

    #[test]
    fn an_unsupported_boot_device_is_refused_without_traffic() {
        let simulator = Simulator::start(Trouble::None).unwrap();
        let task = simulator.task();

        let error =
            task.block_on(management().set_boot_device(&task, BootDevice::Floppy, false)).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        assert_eq!(simulator.requests(), 0);
    }

    #[test]
    fn sensors_are_those_of_the_device() {
        let simulator = Simulator::start(Trouble::None).unwrap();
        let task = simulator.task();

        let sensors = task.block_on(management().get_sensors_data(&task)).unwrap();

        assert!(sensors["Temperature"]["inlet"].is_object(), "{sensors:?}");
    }

    #[test]
    fn a_busy_bmc_is_reset_by_force_only() {
        let simulator = Simulator::start(Trouble::None).unwrap();
        let task = simulator.task();

        let gentle = task.block_on(management().reset_bmc(&task, ResetArgs { force: false }));
        let forced = task.block_on(management().reset_bmc(&task, ResetArgs { force: true }));

        assert_eq!(gentle.unwrap_err().kind(), ErrorKind::Busy);
        assert_eq!(forced, Ok(()));
    }
}

//! Boot device, sensors, and a step.

use farrier_sdk::interface::management;
use farrier_sdk::prelude::*;
use serde::Deserialize;

use crate::device::{Boot, Command, ask};
use crate::driver_info::TemplateInfo;
use crate::options::Settings;

/// What the device can boot from.
const BOOT_DEVICES: [BootDevice; 3] = [BootDevice::Pxe, BootDevice::Disk, BootDevice::Cdrom];

/// Management through the device's own protocol.
pub(crate) struct TemplateManagement {
    settings: Arc<Settings>,
}

impl TemplateManagement {
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

#[interface(management, name = "template", blocking)]
impl management::blocking::ManagementInterface for TemplateManagement {
    type Info = TemplateInfo;

    fn get_supported_boot_devices(&self, _task: &DriverTask<TemplateInfo>) -> Result<Vec<BootDevice>> {
        Ok(BOOT_DEVICES.to_vec())
    }

    fn set_boot_device(
        &self,
        task: &DriverTask<TemplateInfo>,
        device: BootDevice,
        persistent: bool,
    ) -> Result<()> {
        if !BOOT_DEVICES.contains(&device) {
            return Err(DriverError::invalid_parameter(format!(
                "`{device}` is not a boot device of this machine"
            )));
        }
        ask(task, &self.settings, &Command::SetBoot(Boot { device, persistent }))
    }

    fn get_boot_device(&self, task: &DriverTask<TemplateInfo>) -> Result<CurrentBootDevice> {
        let boot: Boot = ask(task, &self.settings, &Command::Boot)?;
        Ok(CurrentBootDevice { boot_device: Some(boot.device), persistent: Some(boot.persistent) })
    }

    fn get_sensors_data(&self, task: &DriverTask<TemplateInfo>) -> Result<Map<String, Value>> {
        ask(task, &self.settings, &Command::Sensors)
    }

    /// Restart the BMC
    #[step(clean, service)]
    fn reset_bmc(&self, task: &DriverTask<TemplateInfo>, args: ResetArgs) -> Result<()> {
        task.block_on(task.progress(10, "restarting the BMC"))?;
        ask(task, &self.settings, &Command::Reset { force: args.force })
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::interface::management::blocking::ManagementInterface as _;

    use super::*;
    use crate::simulator::{Simulator, Trouble};

    fn management() -> TemplateManagement {
        TemplateManagement { settings: Arc::new(Simulator::settings()) }
    }

    #[test]
    fn the_boot_device_is_what_was_set() {
        let simulator = Simulator::start(Trouble::None);
        let task = simulator.task();

        management().set_boot_device(&task, BootDevice::Cdrom, true).unwrap();

        let current = management().get_boot_device(&task).unwrap();
        assert_eq!((current.boot_device, current.persistent), (Some(BootDevice::Cdrom), Some(true)));
    }

    #[test]
    fn an_unsupported_boot_device_is_refused_without_traffic() {
        let simulator = Simulator::start(Trouble::None);

        let error = management().set_boot_device(&simulator.task(), BootDevice::Floppy, false).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        assert_eq!(simulator.requests(), 0);
    }

    #[test]
    fn sensors_are_those_of_the_device() {
        let simulator = Simulator::start(Trouble::None);

        let sensors = management().get_sensors_data(&simulator.task()).unwrap();

        assert!(sensors["Temperature"]["inlet"].is_object(), "{sensors:?}");
    }

    #[test]
    fn a_busy_bmc_is_reset_by_force_only() {
        let simulator = Simulator::start(Trouble::None);
        let task = simulator.task();

        let gentle = management().reset_bmc(&task, ResetArgs { force: false });
        let forced = management().reset_bmc(&task, ResetArgs { force: true });

        assert_eq!(gentle.unwrap_err().kind(), ErrorKind::Hardware);
        assert_eq!(forced, Ok(()));
    }
}

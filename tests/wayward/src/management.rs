//! Boot device, boot mode and sensors.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use serde::Deserialize;

use crate::driver_info::WaywardInfo;
use crate::habits::{Make, go_on};
use crate::http;
use crate::machine;
use crate::shared::{Shared, lock};

/// Boot devices with the words of Redfish for them.
const DEVICES: [(BootDevice, &str); 3] =
    [(BootDevice::Pxe, "Pxe"), (BootDevice::Disk, "Hdd"), (BootDevice::Cdrom, "Cd")];

/// How often a step that waits was asked, in `driver_internal_info`.
const RESTING: &str = "wayward_resting";

/// How often it has to be asked, and with which pause between.
const LOOKS: u64 = 3;
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Management of the machine.
pub(crate) struct GoodManagement {
    shared: Arc<Shared>,
}

impl Make for GoodManagement {
    fn make(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

impl GoodManagement {
    async fn boot(&self, task: &DriverTask<WaywardInfo>) -> Result<Map<String, Value>> {
        let system = http::system(&self.shared, task, &machine::url(&self.shared, task)?).await?;
        let boot = system.get("Boot").and_then(Value::as_object).cloned();
        boot.ok_or_else(|| self.shared.or_vague("FLT-011", DriverError::protocol("there is no `Boot`")))
    }
}

#[interface(management, name = "wayward")]
impl ManagementInterface for GoodManagement {
    type Info = WaywardInfo;

    async fn get_supported_boot_devices(&self, _task: &DriverTask<WaywardInfo>) -> Result<Vec<BootDevice>> {
        let mut devices: Vec<BootDevice> = DEVICES.iter().map(|(device, _)| device.clone()).collect();
        if self.shared.breaks("MGT-001") {
            devices.push(BootDevice::Pxe);
        }
        Ok(devices)
    }

    async fn set_boot_device(
        &self,
        task: &DriverTask<WaywardInfo>,
        device: BootDevice,
        persistent: bool,
    ) -> Result<()> {
        let Some((_, word)) = DEVICES.iter().find(|(known, _)| *known == device) else {
            return Err(DriverError::invalid_parameter(format!(
                "`{device}` is no boot device of this machine"
            )));
        };
        if self.shared.breaks("MGT-002") && !persistent {
            return Ok(());
        }
        let stays = persistent && !self.shared.breaks("MGT-003");
        let boot = json!({
            "BootSourceOverrideTarget": word,
            "BootSourceOverrideEnabled": if stays { "Continuous" } else { "Once" },
        });
        http::set_boot(&self.shared, task, &machine::url(&self.shared, task)?, &boot).await
    }

    async fn get_boot_device(&self, task: &DriverTask<WaywardInfo>) -> Result<CurrentBootDevice> {
        let boot = self.boot(task).await?;
        let target = boot.get("BootSourceOverrideTarget").and_then(Value::as_str).unwrap_or_default();
        let device = DEVICES.iter().find(|(_, word)| *word == target).map(|(device, _)| device.clone());
        let enabled = boot.get("BootSourceOverrideEnabled");
        Ok(CurrentBootDevice {
            boot_device: device,
            persistent: Some(enabled.is_some_and(|e| e == "Continuous")),
        })
    }

    async fn get_sensors_data(&self, _task: &DriverTask<WaywardInfo>) -> Result<Map<String, Value>> {
        let reading = json!({"Sensor Reading": "21 degrees C"});
        let readings = if self.shared.breaks("MGT-005") { json!(21) } else { json!({"inlet": reading}) };
        Ok(Map::from_iter([("Temperature".to_owned(), readings)]))
    }

    async fn get_supported_boot_modes(&self, _task: &DriverTask<WaywardInfo>) -> Result<Vec<BootMode>> {
        Ok(vec![BootMode::Uefi, BootMode::Bios])
    }

    async fn set_boot_mode(&self, task: &DriverTask<WaywardInfo>, mode: BootMode) -> Result<()> {
        if self.shared.breaks("MGT-006") {
            return Ok(());
        }
        let word = if mode == BootMode::Uefi { "UEFI" } else { "Legacy" };
        let boot = json!({"BootSourceOverrideMode": word});
        http::set_boot(&self.shared, task, &machine::url(&self.shared, task)?, &boot).await
    }

    async fn get_boot_mode(&self, task: &DriverTask<WaywardInfo>) -> Result<Option<BootMode>> {
        let boot = self.boot(task).await?;
        let uefi = boot.get("BootSourceOverrideMode").is_some_and(|mode| mode == "UEFI");
        Ok(Some(if uefi { BootMode::Uefi } else { BootMode::Bios }))
    }

    /// Look at the machine for a while
    #[step(verify, clean)]
    async fn look(&self, task: &DriverTask<WaywardInfo>, args: LookArgs) -> Result<StepOutcome> {
        task.progress(50, "looking").await?;
        task.sleep(Duration::from_millis(args.milliseconds)).await?;
        Ok(StepOutcome::Done)
    }

    /// Let the machine rest for a moment
    #[step(service, abortable)]
    async fn rest(&self, task: &DriverTask<WaywardInfo>) -> Result<StepOutcome> {
        let (shared, node) = (&self.shared, task.node());
        let looks = node.driver_internal_info.get(RESTING).and_then(Value::as_u64).unwrap_or(0);
        let known = lock(&shared.resting).contains(&node.uuid);
        if looks == 0 {
            lock(&shared.resting).insert(node.uuid.clone());
            if shared.breaks("STP-004") {
                go_on();
            }
        } else if known && shared.breaks("STP-005") {
            return Err(DriverError::new(ErrorKind::Conflict, "the machine rests already"));
        } else if !known && shared.breaks("STP-006") {
            return Err(DriverError::internal("nobody knows whether the machine rests"));
        }
        if looks < LOOKS {
            task.save_internal_info(|info| drop(info.insert(RESTING.to_owned(), (looks + 1).into()))).await?;
            return Ok(StepOutcome::wait(LOOK_PAUSE));
        }
        task.save_internal_info(|info| drop(info.remove(RESTING))).await?;
        lock(&shared.resting).remove(&node.uuid);
        Ok(StepOutcome::Done)
    }
}

/// Arguments of `look`.
#[derive(Deserialize, StepArgs)]
struct LookArgs {
    /// How long to look
    #[serde(default)]
    milliseconds: u64,
}

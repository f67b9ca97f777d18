//! What the machine is: power, management, consoles, what it boots and stores.

use farrier_sdk::prelude::*;
use serde_json::json;

use super::Script;

/// Nodes choose it by name. How often it was changed is a setting of its own.
pub(super) struct Bios(pub(super) Script);

#[interface(bios, name = "script")]
impl BiosInterface for Bios {
    type Info = NoInfo;

    /// Change settings
    #[step(clean, priority = 0)]
    async fn apply_configuration(
        &self,
        task: &DriverTask<NoInfo>,
        _settings: Vec<BiosSetting>,
    ) -> Result<StepOutcome> {
        self.0.step("bios.apply_configuration", task).await
    }

    /// Forget all settings
    #[step(clean, priority = 0)]
    async fn factory_reset(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("bios.factory_reset", task).await
    }

    async fn cache_bios_settings(&self, task: &DriverTask<NoInfo>) -> Result<Vec<BiosSetting>> {
        let changes = self.0.count("bios.apply_configuration") + self.0.count("bios.factory_reset");
        self.0.check("bios.cache_bios_settings", task).await?;
        Ok(vec![BiosSetting { name: "Changes".to_owned(), value: json!(changes) }])
    }
}

/// Nodes choose it by name. How often it was updated is its version.
pub(super) struct Firmware(pub(super) Script);

#[interface(firmware, name = "script")]
impl FirmwareInterface for Firmware {
    type Info = NoInfo;

    /// Update something
    #[step(clean, service)]
    async fn update(&self, task: &DriverTask<NoInfo>, _settings: Vec<FirmwareUpdate>) -> Result<StepOutcome> {
        self.0.step("firmware.update", task).await
    }

    async fn cache_firmware_components(&self, task: &DriverTask<NoInfo>) -> Result<Vec<FirmwareComponent>> {
        let current_version = self.0.count("firmware.update").to_string();
        self.0.check("firmware.cache_firmware_components", task).await?;
        Ok(vec![FirmwareComponent { component: "bmc".to_owned(), current_version }])
    }
}

pub(super) struct Boot(pub(super) Script);

#[interface(boot, name = "script")]
impl BootInterface for Boot {
    type Info = NoInfo;

    async fn validate(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.check("boot.validate", task).await
    }

    async fn prepare_ramdisk(&self, task: &DriverTask<NoInfo>, _params: Map<String, Value>) -> Result<()> {
        self.0.call("boot.prepare_ramdisk", task).await
    }

    async fn clean_up_ramdisk(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("boot.clean_up_ramdisk", task).await
    }

    async fn prepare_instance(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("boot.prepare_instance", task).await
    }

    async fn clean_up_instance(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("boot.clean_up_instance", task).await
    }
}

pub(super) struct Console(pub(super) Script);

#[interface(console, name = "script")]
impl ConsoleInterface for Console {
    type Info = NoInfo;

    async fn start_console(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("console.start_console", task).await
    }

    async fn stop_console(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("console.stop_console", task).await
    }

    async fn get_console(&self, _task: &DriverTask<NoInfo>) -> Result<Option<ConsoleInfo>> {
        Ok(None)
    }
}

/// Arguments of the steps that have some.
#[derive(Debug, Default, serde::Deserialize, serde::Serialize, StepArgs)]
pub(crate) struct ScriptArgs {
    /// What has to be told
    what: String,
    /// What may be told
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

pub(super) struct Management(pub(super) Script);

#[interface(management, name = "script")]
impl ManagementInterface for Management {
    type Info = NoInfo;

    async fn get_supported_boot_devices(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<BootDevice>> {
        Ok(vec![BootDevice::Pxe])
    }

    async fn set_boot_device(
        &self,
        _task: &DriverTask<NoInfo>,
        _device: BootDevice,
        _persistent: bool,
    ) -> Result<()> {
        Ok(())
    }

    async fn get_boot_device(&self, _task: &DriverTask<NoInfo>) -> Result<CurrentBootDevice> {
        Ok(CurrentBootDevice { boot_device: Some(BootDevice::Pxe), persistent: None })
    }

    async fn get_sensors_data(&self, _task: &DriverTask<NoInfo>) -> Result<Map<String, Value>> {
        let fan = json!({"Fan 1": {"Sensor Reading": "2100 RPM"}});
        Ok([("Fan".to_owned(), fan)].into_iter().collect())
    }

    async fn detect_vendor(&self, task: &DriverTask<NoInfo>) -> Result<Option<String>> {
        self.0.look("management.detect_vendor", task).await?;
        Ok(Some("acme".to_owned()))
    }

    async fn get_boot_mode(&self, _task: &DriverTask<NoInfo>) -> Result<Option<BootMode>> {
        Ok(Some(BootMode::Uefi))
    }

    async fn set_boot_mode(&self, task: &DriverTask<NoInfo>, _mode: BootMode) -> Result<()> {
        self.0.call("management.set_boot_mode", task).await
    }

    async fn set_secure_boot_state(&self, task: &DriverTask<NoInfo>, _state: bool) -> Result<()> {
        self.0.call("management.set_secure_boot_state", task).await
    }

    async fn attach_virtual_media(
        &self,
        task: &DriverTask<NoInfo>,
        _device_type: String,
        _image_url: String,
    ) -> Result<()> {
        self.0.call("management.attach_virtual_media", task).await
    }

    async fn detach_virtual_media(
        &self,
        task: &DriverTask<NoInfo>,
        _device_types: Option<Vec<String>>,
    ) -> Result<()> {
        self.0.call("management.detach_virtual_media", task).await
    }

    /// Do the first thing
    #[step(clean, priority = 30, abortable)]
    #[step(deploy, priority = 90)]
    #[step(service)]
    async fn first(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("management.first", task).await
    }

    /// Do the second thing
    #[step(clean, priority = 20)]
    #[step(service)]
    async fn second(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        let outcome = self.0.step("management.second", task).await;
        task.save_internal_info(|info| {
            let asked = info.get("asked").and_then(Value::as_u64).unwrap_or_default();
            info.insert("asked".to_owned(), json!(asked + 1));
        })
        .await?;
        outcome
    }

    /// Do something if told what
    #[step(clean, abortable)]
    #[step(deploy)]
    #[step(service)]
    async fn told(&self, task: &DriverTask<NoInfo>, args: ScriptArgs) -> Result<StepOutcome> {
        let arguments = serde_json::to_value(args).unwrap_or_default();
        self.0.step_with("management.told", arguments, task).await
    }

    /// Do something through the agent
    #[step(clean, service, requires_ramdisk)]
    async fn in_band(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("management.in_band", task).await
    }

    /// Check something
    #[step(verify, priority = 10)]
    async fn verify_first(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("management.verify_first", task).await
    }

    /// Check nothing unless told to
    #[step(verify)]
    async fn verify_never(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("management.verify_never", task).await
    }
}

pub(super) struct Power(pub(super) Script);

#[interface(power, name = "script")]
impl PowerInterface for Power {
    type Info = NoInfo;

    async fn validate(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.check("power.validate", task).await
    }

    /// What the node says in `extra`, or as it is recorded, or on.
    async fn get_power_state(&self, task: &DriverTask<NoInfo>) -> Result<PowerState> {
        self.0.look("power.get_power_state", task).await?;
        let told = task.node().extra.get("power").and_then(Value::as_str);
        let state = told.or(task.node().power_state.as_deref()).unwrap_or("on");
        Ok(if state.ends_with("off") { PowerState::Off } else { PowerState::On })
    }

    async fn set_power_state(
        &self,
        task: &DriverTask<NoInfo>,
        state: PowerState,
        timeout: Option<Duration>,
    ) -> Result<()> {
        self.0.given(timeout);
        self.0.step_with("power.set_power_state", state, task).await.map(drop)
    }

    async fn reboot(&self, task: &DriverTask<NoInfo>, timeout: Option<Duration>) -> Result<()> {
        self.0.given(timeout);
        self.0.call("power.reboot", task).await
    }

    async fn get_supported_power_states(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<PowerState>> {
        use PowerState::{Off, On, Reboot, SoftOff, SoftReboot};
        Ok(vec![On, Off, Reboot, SoftOff, SoftReboot])
    }

    /// Check something first
    #[step(verify, priority = 1)]
    async fn verify_late(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("power.verify_late", task).await
    }
}

pub(super) struct Storage(pub(super) Script);

/// Nodes choose it by name.
#[interface(storage, name = "script")]
impl StorageInterface for Storage {
    type Info = NoInfo;

    async fn attach_volumes(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("storage.attach_volumes", task).await
    }

    async fn detach_volumes(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("storage.detach_volumes", task).await
    }

    async fn should_write_image(&self, _task: &DriverTask<NoInfo>) -> Result<bool> {
        Ok(true)
    }
}

pub(super) struct Vendor(pub(super) Script);

#[interface(vendor, name = "script")]
impl VendorInterface for Vendor {
    type Info = NoInfo;

    /// Do what has the priority of another step
    #[step(clean, priority = 20, abortable)]
    async fn equal(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("vendor.equal", task).await
    }
}

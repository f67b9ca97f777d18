//! The implementations that are part of the conductor: `no-*`, which refuse, `noop`, which do nothing, and what needs
//! no BMC of its own.
//!
//! | module | what |
//! |---|---|
//! | [`ramdisk`] | deploys by booting an image |
//!
//! They are written on the SDK like any other, so that nothing treats them differently.
//!
//! Source: Ironic's driver factory.

mod ramdisk;

use std::collections::BTreeMap;

use farrier_host::{Builtin, Plugin};
use farrier_sdk::interface::vendor::VendorInterface;
use farrier_sdk::prelude::*;

use super::error::RegistryError;
use ramdisk::RamdiskDeploy;

/// Name of the plugin that holds them.
const NAME: &str = "builtin";

/// The built-in implementations as a plugin.
///
/// # Errors
///
/// [`RegistryError::Builtin`]: no thread could be had for them.
pub fn builtins() -> Result<Plugin, RegistryError> {
    let implementations = vec![
        Builtin::new(|| NoBios),
        Builtin::new(|| NoConsole),
        Builtin::new(|| NoFirmware),
        Builtin::new(|| NoInspect),
        Builtin::new(|| NoRaid),
        Builtin::new(|| NoRescue),
        Builtin::new(|| NoVendor),
        Builtin::new(|| NoopBoot),
        Builtin::new(|| NoopDeploy),
        Builtin::new(|| NoopManagement),
        Builtin::new(|| NoopNetwork),
        Builtin::new(|| NoopStorage),
        Builtin::new(|| RamdiskDeploy),
    ];
    Plugin::builtin(NAME, implementations).map_err(RegistryError::Builtin)
}

/// Names of the built-in implementations of one type.
#[must_use]
pub fn builtin_names(kind: InterfaceType) -> &'static [&'static str] {
    match kind {
        InterfaceType::Bios => &["no-bios"],
        InterfaceType::Console => &["no-console"],
        InterfaceType::Firmware => &["no-firmware"],
        InterfaceType::Inspect => &["no-inspect"],
        InterfaceType::Raid => &["no-raid"],
        InterfaceType::Rescue => &["no-rescue"],
        InterfaceType::Vendor => &["no-vendor"],
        InterfaceType::Deploy => &["noop", "ramdisk"],
        InterfaceType::Boot | InterfaceType::Management | InterfaceType::Network | InterfaceType::Storage => {
            &["noop"]
        }
        InterfaceType::Power => &[],
    }
}

/// The answer of every `no-*` implementation. The kind is what the API names as lacking.
fn lacking<T>(kind: InterfaceType) -> Result<T> {
    Err(DriverError::unsupported(kind.as_str()))
}

struct NoBios;

#[interface(bios, name = "no-bios")]
impl BiosInterface for NoBios {
    type Info = NoInfo;

    async fn validate(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        lacking(InterfaceType::Bios)
    }

    async fn apply_configuration(
        &self,
        _task: &DriverTask<NoInfo>,
        _settings: Vec<BiosSetting>,
    ) -> Result<StepOutcome> {
        lacking(InterfaceType::Bios)
    }

    async fn factory_reset(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        lacking(InterfaceType::Bios)
    }

    async fn cache_bios_settings(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<BiosSetting>> {
        Ok(Vec::new())
    }
}

struct NoConsole;

#[interface(console, name = "no-console")]
impl ConsoleInterface for NoConsole {
    type Info = NoInfo;

    async fn validate(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        lacking(InterfaceType::Console)
    }

    async fn start_console(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        lacking(InterfaceType::Console)
    }

    async fn stop_console(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        lacking(InterfaceType::Console)
    }

    async fn get_console(&self, _task: &DriverTask<NoInfo>) -> Result<Option<ConsoleInfo>> {
        lacking(InterfaceType::Console)
    }
}

struct NoFirmware;

#[interface(firmware, name = "no-firmware")]
impl FirmwareInterface for NoFirmware {
    type Info = NoInfo;

    async fn validate(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        lacking(InterfaceType::Firmware)
    }

    async fn update(
        &self,
        _task: &DriverTask<NoInfo>,
        _settings: Vec<FirmwareUpdate>,
    ) -> Result<StepOutcome> {
        lacking(InterfaceType::Firmware)
    }

    async fn cache_firmware_components(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<FirmwareComponent>> {
        Ok(Vec::new())
    }
}

struct NoInspect;

#[interface(inspect, name = "no-inspect")]
impl InspectInterface for NoInspect {
    type Info = NoInfo;

    async fn validate(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        lacking(InterfaceType::Inspect)
    }

    async fn inspect_hardware(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        lacking(InterfaceType::Inspect)
    }
}

struct NoRaid;

#[interface(raid, name = "no-raid")]
impl RaidInterface for NoRaid {
    type Info = NoInfo;

    async fn validate(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        lacking(InterfaceType::Raid)
    }

    async fn create_configuration(
        &self,
        _task: &DriverTask<NoInfo>,
        _create_root_volume: bool,
        _create_nonroot_volumes: bool,
        _delete_existing: bool,
    ) -> Result<StepOutcome> {
        lacking(InterfaceType::Raid)
    }

    async fn delete_configuration(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        lacking(InterfaceType::Raid)
    }

    async fn validate_raid_config(
        &self,
        _task: &DriverTask<NoInfo>,
        _raid_config: Map<String, Value>,
    ) -> Result<()> {
        lacking(InterfaceType::Raid)
    }

    async fn apply_configuration(
        &self,
        _task: &DriverTask<NoInfo>,
        _raid_config: Map<String, Value>,
        _create_root_volume: bool,
        _create_nonroot_volumes: bool,
        _delete_existing: bool,
    ) -> Result<StepOutcome> {
        lacking(InterfaceType::Raid)
    }

    async fn get_logical_disk_properties(
        &self,
        _task: &DriverTask<NoInfo>,
    ) -> Result<BTreeMap<String, String>> {
        lacking(InterfaceType::Raid)
    }
}

struct NoRescue;

#[interface(rescue, name = "no-rescue")]
impl RescueInterface for NoRescue {
    type Info = NoInfo;

    async fn validate(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        lacking(InterfaceType::Rescue)
    }

    async fn rescue(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        lacking(InterfaceType::Rescue)
    }

    async fn unrescue(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        lacking(InterfaceType::Rescue)
    }

    async fn clean_up(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        lacking(InterfaceType::Rescue)
    }
}

struct NoVendor;

#[interface(vendor, name = "no-vendor")]
impl VendorInterface for NoVendor {
    type Info = NoInfo;

    async fn validate(
        &self,
        _task: &DriverTask<NoInfo>,
        _method: Option<String>,
        _arguments: Map<String, Value>,
    ) -> Result<()> {
        lacking(InterfaceType::Vendor)
    }
}

/// Leaves what the machine boots as it is: for nodes that only need their power and boot device managed.
struct NoopBoot;

#[interface(boot, name = "noop")]
impl BootInterface for NoopBoot {
    type Info = NoInfo;

    async fn prepare_ramdisk(&self, _task: &DriverTask<NoInfo>, _params: Map<String, Value>) -> Result<()> {
        Ok(())
    }

    async fn clean_up_ramdisk(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn prepare_instance(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn clean_up_instance(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }
}

/// Deploys by leaving the machine as it is.
pub(super) struct NoopDeploy;

#[interface(deploy, name = "noop")]
impl DeployInterface for NoopDeploy {
    type Info = NoInfo;

    /// Take the machine as it is for the instance
    #[step(deploy, priority = 100)]
    async fn deploy(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        Ok(StepOutcome::Done)
    }

    async fn tear_down(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        Ok(StepOutcome::Done)
    }

    async fn prepare(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn clean_up(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn take_over(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }
}

/// For machines whose boot device is set by hand: PXE, for good.
struct NoopManagement;

#[interface(management, name = "noop")]
impl ManagementInterface for NoopManagement {
    type Info = NoInfo;

    async fn get_supported_boot_devices(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<BootDevice>> {
        Ok(vec![BootDevice::Pxe, BootDevice::Disk])
    }

    async fn set_boot_device(
        &self,
        task: &DriverTask<NoInfo>,
        device: BootDevice,
        _persistent: bool,
    ) -> Result<()> {
        if self.get_supported_boot_devices(task).await?.contains(&device) {
            return Ok(());
        }
        Err(DriverError::invalid_parameter(format!("boot device `{device}` is not one of pxe, disk")))
    }

    async fn get_boot_device(&self, _task: &DriverTask<NoInfo>) -> Result<CurrentBootDevice> {
        Ok(CurrentBootDevice { boot_device: Some(BootDevice::Pxe), persistent: Some(true) })
    }

    async fn get_sensors_data(&self, _task: &DriverTask<NoInfo>) -> Result<Map<String, Value>> {
        Err(DriverError::unsupported("sensors"))
    }
}

/// Leaves networks as they are.
pub(super) struct NoopNetwork;

#[interface(network, name = "noop")]
impl NetworkInterface for NoopNetwork {
    type Info = NoInfo;

    async fn port_changed(&self, _task: &DriverTask<NoInfo>, _port: PortData) -> Result<()> {
        Ok(())
    }

    async fn portgroup_changed(&self, _task: &DriverTask<NoInfo>, _portgroup: PortData) -> Result<()> {
        Ok(())
    }

    async fn vif_attach(&self, _task: &DriverTask<NoInfo>, _vif_info: Map<String, Value>) -> Result<()> {
        Ok(())
    }

    async fn vif_detach(&self, _task: &DriverTask<NoInfo>, _vif_id: String) -> Result<()> {
        Ok(())
    }

    async fn vif_list(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<Map<String, Value>>> {
        Ok(Vec::new())
    }

    async fn get_current_vif(&self, _task: &DriverTask<NoInfo>, _port: PortData) -> Result<Option<String>> {
        Ok(None)
    }

    async fn add_provisioning_network(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn remove_provisioning_network(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn configure_tenant_networks(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn unconfigure_tenant_networks(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn add_cleaning_network(&self, _task: &DriverTask<NoInfo>) -> Result<Map<String, Value>> {
        Ok(Map::new())
    }

    async fn remove_cleaning_network(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn validate_inspection(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }
}

/// Has no remote volumes.
struct NoopStorage;

#[interface(storage, name = "noop")]
impl StorageInterface for NoopStorage {
    type Info = NoInfo;

    async fn attach_volumes(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn detach_volumes(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn should_write_image(&self, _task: &DriverTask<NoInfo>) -> Result<bool> {
        Ok(true)
    }
}

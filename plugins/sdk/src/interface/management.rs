//! Boot device, boot mode, sensors and identity of a machine.

use std::fmt;
use std::str::FromStr;

use farrier_sdk_macros::contract;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Result;
use crate::task::DriverTask;

/// What a machine boots from.
///
/// Source: Ironic `boot_devices`; a BMC may know more, which are [`Other`](Self::Other).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum BootDevice {
    /// Network, by PXE.
    Pxe,
    /// The default disk.
    Disk,
    /// CD or DVD, virtual ones too.
    Cdrom,
    /// BIOS set-up.
    Bios,
    /// The default disk, in safe mode.
    Safe,
    /// Network, over a wide area network.
    Wanboot,
    /// Network, by HTTP from UEFI.
    UefiHttp,
    /// Floppy.
    Floppy,
    /// USB device.
    Usb,
    /// What only this BMC knows.
    Other(String),
}

impl BootDevice {
    /// The name in the API.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pxe => "pxe",
            Self::Disk => "disk",
            Self::Cdrom => "cdrom",
            Self::Bios => "bios",
            Self::Safe => "safe",
            Self::Wanboot => "wanboot",
            Self::UefiHttp => "uefihttp",
            Self::Floppy => "floppy",
            Self::Usb => "usb",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for BootDevice {
    fn from(name: String) -> Self {
        match name.as_str() {
            "pxe" => Self::Pxe,
            "disk" => Self::Disk,
            "cdrom" => Self::Cdrom,
            "bios" => Self::Bios,
            "safe" => Self::Safe,
            "wanboot" => Self::Wanboot,
            "uefihttp" => Self::UefiHttp,
            "floppy" => Self::Floppy,
            "usb" => Self::Usb,
            _ => Self::Other(name),
        }
    }
}

impl From<BootDevice> for String {
    fn from(device: BootDevice) -> Self {
        device.as_str().to_owned()
    }
}

impl fmt::Display for BootDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The boot device a machine will use, as far as its BMC says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentBootDevice {
    /// The device; `None` if the BMC does not say or nothing is set.
    pub boot_device: Option<BootDevice>,
    /// Whether it stays; `None` if the BMC does not say.
    pub persistent: Option<bool>,
}

/// How firmware starts a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BootMode {
    /// UEFI.
    Uefi,
    /// Legacy BIOS.
    Bios,
}

impl BootMode {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uefi => "uefi",
            Self::Bios => "bios",
        }
    }
}

impl fmt::Display for BootMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no boot mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a boot mode")]
pub struct UnknownBootMode(pub String);

impl FromStr for BootMode {
    type Err = UnknownBootMode;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text {
            "uefi" => Ok(Self::Uefi),
            "bios" => Ok(Self::Bios),
            _ => Err(UnknownBootMode(text.to_owned())),
        }
    }
}

/// One indicator, such as a locator light.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Indicator {
    /// Its name within the component.
    pub name: String,
    /// Part of the machine it belongs to: `system`, `chassis`, `disk`, ...
    pub component: String,
    /// Whether it cannot be changed.
    pub readonly: bool,
    /// States it can have: `on`, `off`, `blinking`.
    pub states: Vec<String>,
}

/// One virtual media device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualMedia {
    /// What it can be: `cdrom`, `floppy`, `usb`, ...
    pub media_types: Vec<String>,
    /// Whether something is inserted.
    pub inserted: bool,
    /// What is inserted.
    pub image: Option<String>,
}

/// Boot device, boot mode, sensors and identity of one machine.
///
/// ```
/// use farrier_sdk::prelude::*;
///
/// struct AcmeManagement;
///
/// #[interface(management, name = "acme")]
/// impl ManagementInterface for AcmeManagement {
///     type Info = NoInfo;
///
///     async fn get_supported_boot_devices(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<BootDevice>> {
///         Ok(vec![BootDevice::Pxe])
///     }
///
///     async fn set_boot_device(&self, _task: &DriverTask<NoInfo>, _device: BootDevice, _persistent: bool) -> Result<()> {
///         Ok(())
///     }
///
///     async fn get_boot_device(&self, _task: &DriverTask<NoInfo>) -> Result<CurrentBootDevice> {
///         Ok(CurrentBootDevice { boot_device: Some(BootDevice::Pxe), persistent: Some(false) })
///     }
///
///     async fn get_sensors_data(&self, _task: &DriverTask<NoInfo>) -> Result<serde_json::Map<String, Value>> {
///         Ok(serde_json::Map::new())
///     }
/// }
/// # fn main() {}
/// ```
///
/// Source: Ironic `ManagementInterface`.
#[contract(management)]
pub trait ManagementInterface {
    /// Devices that [`set_boot_device`](Self::set_boot_device) accepts.
    async fn get_supported_boot_devices(&self, task: &DriverTask<Self::Info>) -> Result<Vec<BootDevice>>;

    /// Sets what the machine boots from next, or from now on with `persistent`.
    ///
    /// # Errors
    ///
    /// `InvalidParameter`: the device is not one of the supported ones; found before any traffic.
    async fn set_boot_device(
        &self,
        task: &DriverTask<Self::Info>,
        device: BootDevice,
        #[default(false)] persistent: bool,
    ) -> Result<()>;

    /// What the machine boots from next.
    async fn get_boot_device(&self, task: &DriverTask<Self::Info>) -> Result<CurrentBootDevice>;

    /// Sensor readings, by sensor type and then by sensor.
    async fn get_sensors_data(&self, task: &DriverTask<Self::Info>) -> Result<Map<String, Value>>;

    /// Boot modes the machine can be put into.
    #[unsupported]
    async fn get_supported_boot_modes(&self, task: &DriverTask<Self::Info>) -> Result<Vec<BootMode>>;

    /// Puts the machine into a boot mode.
    #[unsupported]
    async fn set_boot_mode(&self, task: &DriverTask<Self::Info>, mode: BootMode) -> Result<()>;

    /// The boot mode the machine is in; `None` if it does not say.
    #[unsupported]
    async fn get_boot_mode(&self, task: &DriverTask<Self::Info>) -> Result<Option<BootMode>>;

    /// Whether secure boot is on; `None` if the machine does not say.
    #[unsupported]
    async fn get_secure_boot_state(&self, task: &DriverTask<Self::Info>) -> Result<Option<bool>>;

    /// Switches secure boot on or off.
    #[unsupported]
    async fn set_secure_boot_state(&self, task: &DriverTask<Self::Info>, state: bool) -> Result<()>;

    /// Health of the machine: `OK`, `Warning`, `Critical`; `None` if it does not say.
    #[unsupported]
    async fn get_node_health(&self, task: &DriverTask<Self::Info>) -> Result<Option<String>>;

    /// Sends a non-maskable interrupt.
    #[unsupported]
    async fn inject_nmi(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Indicators of one component, or of all.
    #[unsupported]
    async fn get_supported_indicators(
        &self,
        task: &DriverTask<Self::Info>,
        component: Option<String>,
    ) -> Result<Vec<Indicator>>;

    /// Changes an indicator.
    #[unsupported]
    async fn set_indicator_state(
        &self,
        task: &DriverTask<Self::Info>,
        component: String,
        indicator: String,
        state: String,
    ) -> Result<()>;

    /// State of an indicator.
    #[unsupported]
    async fn get_indicator_state(
        &self,
        task: &DriverTask<Self::Info>,
        component: String,
        indicator: String,
    ) -> Result<String>;

    /// Maker of the machine, one short lower-case word where there is one; `None` if it does not say.
    #[unsupported]
    async fn detect_vendor(&self, task: &DriverTask<Self::Info>) -> Result<Option<String>>;

    /// MAC addresses of the machine's network cards, lower case.
    #[unsupported]
    async fn get_mac_addresses(&self, task: &DriverTask<Self::Info>) -> Result<Vec<String>>;

    /// Virtual media devices and what is in them.
    #[unsupported]
    async fn get_virtual_media(&self, task: &DriverTask<Self::Info>) -> Result<Vec<VirtualMedia>>;

    /// Inserts an image into a virtual media device.
    #[unsupported]
    async fn attach_virtual_media(
        &self,
        task: &DriverTask<Self::Info>,
        device_type: String,
        image_url: String,
    ) -> Result<()>;

    /// Ejects what is in the virtual media devices of these types, or of all.
    #[unsupported]
    async fn detach_virtual_media(
        &self,
        task: &DriverTask<Self::Info>,
        device_types: Option<Vec<String>>,
    ) -> Result<()>;
}

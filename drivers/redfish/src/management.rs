//! Boot device, boot mode, sensors, identity and health of a machine.

use farrier_sdk::prelude::*;
use jiff::tz::Offset;
use jiff::{Timestamp, Zoned};
use serde::Deserialize;

use crate::boot_device::{self, PostPatience};
use crate::boot_mode::ResetKeys;
use crate::client::operation::Operation;
use crate::clock;
use crate::discovery::Found;
use crate::driver_info::RedfishInfo;
use crate::firmware::{FirmwareImages, check_no_own_update, make_updates};
use crate::indicator::Component;
use crate::power::{Restart, interrupt};
use crate::shared::{READ_LIMIT, Shared, WRITE_LIMIT};
use crate::virtual_media::{ImageUrl, MediaKind, tuning};

/// How far the clock of a BMC may differ from ours, in seconds.
const CLOCK_DIFFERENCE_MAX: i64 = 1;

/// Management over Redfish.
///
/// Source: Ironic, redfish management.
#[derive(Debug)]
pub struct RedfishManagement {
    shared: Arc<Shared>,
}

impl RedfishManagement {
    /// An implementation with the clients of the plugin.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    async fn read(&self, task: &DriverTask<RedfishInfo>, name: &'static str) -> Result<(Operation, Found)> {
        let operation = self.shared.operation(task, name, READ_LIMIT).await?;
        let found = operation.system_in_pass(task.info().system_id(), task.node().pass.as_deref()).await?;
        Ok((operation, found))
    }
}

#[interface(management, name = "redfish")]
impl ManagementInterface for RedfishManagement {
    type Info = RedfishInfo;

    async fn validate(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        task.info().validate(task, self.shared.options()).await
    }

    async fn get_supported_boot_devices(&self, _task: &DriverTask<RedfishInfo>) -> Result<Vec<BootDevice>> {
        Ok(boot_device::supported())
    }

    async fn set_boot_device(
        &self,
        task: &DriverTask<RedfishInfo>,
        device: BootDevice,
        persistent: bool,
    ) -> Result<()> {
        check_no_own_update(task.node())?;
        let patience = PostPatience::of(self.shared.options());
        let (operation, found) = self.write(task, "set boot device").await?;
        let kept = operation.set_boot_device(&found, &device, persistent, patience).await?;
        kept.remember(task, &device).await
    }

    async fn get_boot_device(&self, task: &DriverTask<RedfishInfo>) -> Result<CurrentBootDevice> {
        let (_, found) = self.read(task, "get boot device").await?;
        Ok(boot_device::current(&found.system))
    }

    async fn get_sensors_data(&self, task: &DriverTask<RedfishInfo>) -> Result<Map<String, Value>> {
        let (operation, found) = self.read(task, "get sensors").await?;
        Ok(operation.sensors(&found).await?)
    }

    async fn get_supported_boot_modes(&self, _task: &DriverTask<RedfishInfo>) -> Result<Vec<BootMode>> {
        Ok(vec![BootMode::Uefi, BootMode::Bios])
    }

    async fn set_boot_mode(&self, task: &DriverTask<RedfishInfo>, mode: BootMode) -> Result<()> {
        check_no_own_update(task.node())?;
        let (operation, found) = self.write(task, "set boot mode").await?;
        let restart = Restart::of(task, self.shared.options());
        Ok(operation.set_boot_mode(&found, mode, &restart).await?)
    }

    async fn get_boot_mode(&self, task: &DriverTask<RedfishInfo>) -> Result<Option<BootMode>> {
        let (operation, found) = self.read(task, "get boot mode").await?;
        Ok(operation.boot_mode(&found).await?)
    }

    async fn get_secure_boot_state(&self, task: &DriverTask<RedfishInfo>) -> Result<Option<bool>> {
        let (operation, found) = self.read(task, "get secure boot state").await?;
        Ok(operation.secure_boot(&found).await?)
    }

    async fn set_secure_boot_state(&self, task: &DriverTask<RedfishInfo>, state: bool) -> Result<()> {
        check_no_own_update(task.node())?;
        let (operation, found) = self.write(task, "set secure boot state").await?;
        let restart = Restart::of(task, self.shared.options());
        Ok(operation.set_secure_boot(&found, state, &restart).await?)
    }

    async fn get_node_health(&self, task: &DriverTask<RedfishInfo>) -> Result<Option<String>> {
        let (_, found) = self.read(task, "get health").await?;
        Ok(found.system.status.and_then(|status| status.health.or(status.health_rollup)))
    }

    async fn inject_nmi(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        check_no_own_update(task.node())?;
        let (operation, found) = self.write(task, "inject nmi").await?;
        Ok(interrupt(operation, self.shared.options(), found).await?)
    }

    async fn detect_vendor(&self, task: &DriverTask<RedfishInfo>) -> Result<Option<String>> {
        let operation = self.shared.operation(task, "detect vendor", READ_LIMIT).await?;
        let root = operation.root().await?;
        let vendor = match &root.vendor {
            Some(vendor) => Some(vendor.clone()),
            None => {
                let (node, info) = (task.node(), task.info());
                operation.system_in_pass(info.system_id(), node.pass.as_deref()).await?.system.manufacturer
            }
        };
        Ok(vendor.map(|vendor| vendor.trim().to_lowercase()).filter(|vendor| !vendor.is_empty()))
    }

    async fn get_mac_addresses(&self, task: &DriverTask<RedfishInfo>) -> Result<Vec<String>> {
        let (operation, found) = self.read(task, "get mac addresses").await?;
        let system = operation.seen(&found.path).await?;
        let expand = operation.expands(&found).await;
        let mut found: Vec<String> = Vec::new();
        for (_, card) in operation.collection(&system, "EthernetInterfaces", expand).await? {
            let mac = card.text("MACAddress").or_else(|| card.text("PermanentMACAddress")).and_then(mac);
            if let Some(mac) = mac.filter(|mac| card.is_enabled() && !found.contains(mac)) {
                found.push(mac);
            }
        }
        Ok(found)
    }

    async fn get_supported_indicators(
        &self,
        task: &DriverTask<RedfishInfo>,
        component: Option<String>,
    ) -> Result<Vec<Indicator>> {
        let component = component.as_deref().map(Component::from_name);
        let component = component.transpose().map_err(DriverError::missing_parameter)?;
        let (operation, found) = self.read(task, "get indicators").await?;
        Ok(operation.indicators(&found, component).await?)
    }

    async fn set_indicator_state(
        &self,
        task: &DriverTask<RedfishInfo>,
        component: String,
        indicator: String,
        state: String,
    ) -> Result<()> {
        let kind = Component::from_name(&component).map_err(DriverError::missing_parameter)?;
        let (operation, found) = self.write(task, "set indicator").await?;
        match operation.set_indicator(&found, kind, &indicator, &state).await? {
            true => Ok(()),
            false => Err(no_light(&component, &indicator)),
        }
    }

    async fn get_indicator_state(
        &self,
        task: &DriverTask<RedfishInfo>,
        component: String,
        indicator: String,
    ) -> Result<String> {
        let kind = Component::from_name(&component).map_err(DriverError::missing_parameter)?;
        let (operation, found) = self.read(task, "get indicator").await?;
        let state = operation.indicator_state(&found, kind, &indicator).await?;
        state.map(str::to_owned).ok_or_else(|| no_light(&component, &indicator))
    }

    /// Put back the keys for secure boot that the maker has chosen
    #[step(clean)]
    pub async fn reset_secure_boot_keys_to_default(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        self.reset_keys(task, ResetKeys::ToDefault).await
    }

    /// Remove all keys for secure boot
    #[step(clean)]
    pub async fn clear_secure_boot_keys(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        self.reset_keys(task, ResetKeys::Delete).await
    }

    /// Set the clock of the BMC
    #[step(clean)]
    pub async fn set_bmc_clock(
        &self,
        task: &DriverTask<RedfishInfo>,
        arguments: ClockArguments,
    ) -> Result<()> {
        let (wanted, offset) = arguments.read()?;
        let (operation, found) = self.write(task, "set bmc clock").await?;
        Ok(operation.set_clock(&found, wanted, offset).await?)
    }

    /// Set the clock of the BMC by ours if it differs, where the option `enable_verify_bmc_clock` says so
    #[step(verify, priority = 1)]
    pub async fn verify_bmc_clock(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        if !self.shared.options().enable_verify_bmc_clock {
            return Ok(());
        }
        let (operation, found) = self.write(task, "verify bmc clock").await?;
        if operation.clock_ahead(&found).await?.abs() <= CLOCK_DIFFERENCE_MAX {
            return Ok(());
        }
        Ok(operation.set_clock(&found, Timestamp::now(), None).await?)
    }

    /// Update firmware by images of which nothing is known; deprecated, for the step `update` of the firmware interface
    /// knows what it updates
    #[step(clean, service)]
    pub async fn update_firmware(
        &self,
        task: &DriverTask<RedfishInfo>,
        arguments: FirmwareImages,
    ) -> Result<StepOutcome> {
        make_updates(&self.shared, task, arguments.updates()?).await
    }

    async fn get_virtual_media(&self, task: &DriverTask<RedfishInfo>) -> Result<Vec<VirtualMedia>> {
        let operation = self.shared.operation(task, "get virtual media", READ_LIMIT).await?;
        Ok(operation.media_state(task.info().system_id()).await?)
    }

    async fn attach_virtual_media(
        &self,
        task: &DriverTask<RedfishInfo>,
        device_type: String,
        image_url: String,
    ) -> Result<()> {
        let kind = MediaKind::from_name(&device_type).map_err(DriverError::invalid_parameter)?;
        let image = ImageUrl::parse(&image_url)
            .map_err(|text| DriverError::invalid_parameter(format!("the URL of the image {text}")))?;
        let operation = self.shared.operation(task, "attach virtual media", WRITE_LIMIT).await?;
        let tuning = tuning(self.shared.options(), task.info().vmedia_transport_protocol.as_deref());
        Ok(operation.insert_media(task.info().system_id(), kind, &image, &tuning).await?)
    }

    async fn detach_virtual_media(
        &self,
        task: &DriverTask<RedfishInfo>,
        device_types: Option<Vec<String>>,
    ) -> Result<()> {
        let kinds = device_types.map(|names| names.iter().map(|name| MediaKind::from_name(name)).collect());
        let kinds: Option<Vec<MediaKind>> = kinds.transpose().map_err(DriverError::invalid_parameter)?;
        let operation = self.shared.operation(task, "detach virtual media", WRITE_LIMIT).await?;
        let tuning = tuning(self.shared.options(), None);
        Ok(operation.eject_media(task.info().system_id(), kinds.as_deref(), &tuning).await?)
    }
}

impl RedfishManagement {
    async fn write(&self, task: &DriverTask<RedfishInfo>, name: &'static str) -> Result<(Operation, Found)> {
        let operation = self.shared.operation(task, name, WRITE_LIMIT).await?;
        let found = operation.system(task.info().system_id()).await?;
        Ok((operation, found))
    }

    async fn reset_keys(&self, task: &DriverTask<RedfishInfo>, what: ResetKeys) -> Result<()> {
        let (operation, found) = self.write(task, "reset secure boot keys").await?;
        Ok(operation.reset_secure_boot_keys(&found, what).await?)
    }
}

/// Arguments of `set_bmc_clock`.
#[derive(Debug, Deserialize, StepArgs)]
pub struct ClockArguments {
    /// Time to set, with its offset from UTC, such as 2025-05-31T12:00:00+00:00
    pub target_datetime: String,
    /// Offset from UTC that the BMC is to show, such as +02:00
    #[serde(default)]
    pub datetime_local_offset: Option<String>,
}

impl ClockArguments {
    fn read(&self) -> Result<(Timestamp, Option<Offset>)> {
        let wanted = clock::read(&self.target_datetime).ok_or_else(|| {
            DriverError::invalid_parameter("`target_datetime`: expected a time with its offset from UTC")
        })?;
        let Some(text) = &self.datetime_local_offset else { return Ok((wanted, None)) };
        let offset = Zoned::strptime("%Y-%m-%dT%H:%M:%S%:z", format!("1970-01-02T00:00:00{}", text.trim()))
            .map_err(|_| {
            DriverError::invalid_parameter("`datetime_local_offset`: expected an offset, such as +02:00")
        })?;
        Ok((wanted, Some(offset.offset())))
    }
}

/// A light that is not there.
fn no_light(component: &str, indicator: &str) -> DriverError {
    DriverError::missing_parameter(format!("component `{component}` has no indicator `{indicator}`"))
}

/// A MAC address in lower case; `None` when it is none.
pub(crate) fn mac(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase().replace('-', ":");
    let parts: Vec<&str> = text.split(':').collect();
    let good = parts.len() == 6
        && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    (good && text != "00:00:00:00:00:00").then_some(text)
}

//! Boot device, boot mode, identity and health of a machine.

use farrier_sdk::prelude::*;
use reqwest::Method;

use crate::boot_device::{self, PostPatience};
use crate::client::error::{Failure, RedfishError};
use crate::client::operation::Operation;
use crate::discovery::Found;
use crate::driver_info::RedfishInfo;
use crate::power::interrupt;
use crate::resource::secure_boot::SecureBoot;
use crate::resource::system::System;
use crate::shared::{READ_LIMIT, Shared, WRITE_LIMIT};
use crate::virtual_media::{ImageUrl, MediaKind, tuning};

/// What a BMC says that wants a license for it.
const NO_LICENSE: &str = "OemLicenseNotPassed";

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
        let found = operation.system(task.info().system_id()).await?;
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
        let patience = PostPatience::of(self.shared.options());
        let operation = self.shared.operation(task, "set boot device", WRITE_LIMIT).await?;
        let found = operation.system(task.info().system_id()).await?;
        let kept = operation.set_boot_device(&found, &device, persistent, patience).await?;
        kept.remember(task, &device).await
    }

    async fn get_boot_device(&self, task: &DriverTask<RedfishInfo>) -> Result<CurrentBootDevice> {
        let (_, found) = self.read(task, "get boot device").await?;
        Ok(boot_device::current(&found.system))
    }

    async fn get_sensors_data(&self, _task: &DriverTask<RedfishInfo>) -> Result<Map<String, Value>> {
        Err(DriverError::unsupported("sensors are not read by this version of the redfish driver"))
    }

    async fn get_supported_boot_modes(&self, _task: &DriverTask<RedfishInfo>) -> Result<Vec<BootMode>> {
        Ok(vec![BootMode::Uefi, BootMode::Bios])
    }

    async fn get_boot_mode(&self, task: &DriverTask<RedfishInfo>) -> Result<Option<BootMode>> {
        let (operation, found) = self.read(task, "get boot mode").await?;
        if let Some(mode) = mode_of(&found.system) {
            return Ok(Some(mode));
        }
        let Some(path) = found.system.settings_object().and_then(|link| operation.link(link)) else {
            return Ok(None);
        };
        let settings = operation.read_optional::<System>(&path).await?;
        Ok(settings.as_ref().and_then(mode_of))
    }

    async fn get_secure_boot_state(&self, task: &DriverTask<RedfishInfo>) -> Result<Option<bool>> {
        let (operation, found) = self.read(task, "get secure boot state").await?;
        let missing = || {
            let text = format!("`{}` has no secure boot", found.path);
            operation.error(Method::GET, &found.path, Failure::Unsupported(text))
        };
        let path =
            found.system.secure_boot.as_deref().and_then(|link| operation.link(link)).ok_or_else(missing)?;
        match operation.read_optional::<SecureBoot>(&path).await {
            Ok(secure_boot) => Ok(secure_boot.ok_or_else(missing)?.secure_boot_enable),
            Err(error) if wants_license(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn get_node_health(&self, task: &DriverTask<RedfishInfo>) -> Result<Option<String>> {
        let (_, found) = self.read(task, "get health").await?;
        Ok(found.system.status.and_then(|status| status.health.or(status.health_rollup)))
    }

    async fn inject_nmi(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        let operation = self.shared.operation(task, "inject nmi", WRITE_LIMIT).await?;
        let found = operation.system(task.info().system_id()).await?;
        Ok(interrupt(operation, self.shared.options(), found).await?)
    }

    async fn detect_vendor(&self, task: &DriverTask<RedfishInfo>) -> Result<Option<String>> {
        let operation = self.shared.operation(task, "detect vendor", READ_LIMIT).await?;
        let root = operation.root().await?;
        let vendor = match &root.vendor {
            Some(vendor) => Some(vendor.clone()),
            None => operation.system(task.info().system_id()).await?.system.manufacturer,
        };
        Ok(vendor.map(|vendor| vendor.trim().to_lowercase()).filter(|vendor| !vendor.is_empty()))
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

fn mode_of(system: &System) -> Option<BootMode> {
    match system.boot.as_ref()?.mode.as_deref()? {
        "UEFI" => Some(BootMode::Uefi),
        "Legacy" => Some(BootMode::Bios),
        _ => None,
    }
}

fn wants_license(error: &RedfishError) -> bool {
    error.messages().is_some_and(|messages| messages.has(NO_LICENSE))
}

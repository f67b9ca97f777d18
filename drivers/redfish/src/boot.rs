//! Booting from virtual media: the deploy agent, the rescue system, or an instance that is an ISO image.

use farrier_sdk::prelude::*;
use farrier_sdk::task::Node;
use reqwest::Method;

use crate::boot_device::PostPatience;
use crate::client::error::{Failure, RedfishError};
use crate::client::operation::Operation;
use crate::discovery::Found;
use crate::driver_info::RedfishInfo;
use crate::power::{BOOT_DEVICE_KEY, Restart};
use crate::quirks::{Habit, Habits};
use crate::resource::manager::Manager;
use crate::shared::{Shared, WRITE_LIMIT};
use crate::virtual_media::{ImageUrl, MediaKind, tuning};

/// Where the ISO image of an instance is named, in `instance_info`.
const BOOT_ISO: &str = "boot_iso";

/// Oldest major version of an iDRAC that boots virtual media as the standard says.
const IDRAC_OLDEST: u32 = 6;

/// What this implementation can boot beyond the deploy agent.
const CAPABILITIES: [&str; 1] = ["ramdisk_boot"];

/// Boots ISO images through the virtual media of the BMC.
///
/// Source: Ironic, `RedfishVirtualMediaBoot`; images are given as URLs that the BMC can fetch, none is built here.
#[derive(Debug)]
pub struct RedfishVirtualMediaBoot {
    shared: Arc<Shared>,
}

impl RedfishVirtualMediaBoot {
    /// An implementation with the clients of the plugin.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    /// Replaces what is in the CD drive, and boots it.
    async fn insert(
        &self,
        task: &DriverTask<RedfishInfo>,
        name: &'static str,
        image: &ImageUrl,
        persistent: bool,
    ) -> Result<()> {
        let operation = self.shared.operation(task, name, WRITE_LIMIT).await?;
        let found = operation.system(task.info().system_id()).await?;
        check_idrac(&operation, &found).await?;
        let media = tuning(self.shared.options(), task.info().vmedia_transport_protocol.as_deref());
        let system = task.info().system_id();
        operation.eject_media(system, Some(&[MediaKind::Disc]), &media).await?;
        operation.insert_media(system, MediaKind::Disc, image, &media).await?;
        self.put_into_mode(task, &operation).await?;
        self.boot_from(task, &operation, BootDevice::Cdrom, persistent).await
    }

    /// Puts the machine into the boot mode that its node wants, if it wants one.
    async fn put_into_mode(&self, task: &DriverTask<RedfishInfo>, operation: &Operation) -> Result<()> {
        let Some(mode) = wanted_mode(task.node()) else { return Ok(()) };
        let found = operation.system(task.info().system_id()).await?;
        let restart = Restart::of(task, self.shared.options());
        match operation.set_boot_mode(&found, mode, &restart).await {
            // As the reference does: the operator may have set it by hand.
            Err(error) if matches!(error.failure, Failure::Unsupported(_)) => {
                warn!(node = task.node().uuid, %mode, %error, "the boot mode cannot be set; the machine boots in its own");
                Ok(())
            }
            outcome => Ok(outcome?),
        }
    }

    async fn boot_from(
        &self,
        task: &DriverTask<RedfishInfo>,
        operation: &Operation,
        device: BootDevice,
        persistent: bool,
    ) -> Result<()> {
        let patience = PostPatience::of(self.shared.options());
        let found = operation.system(task.info().system_id()).await?;
        let kept = operation.set_boot_device(&found, &device, persistent, patience).await?;
        kept.remember(task, &device).await
    }

    /// Empties the CD drive; a machine without one has nothing to empty.
    async fn eject(&self, task: &DriverTask<RedfishInfo>, name: &'static str) -> Result<()> {
        let operation = self.shared.operation(task, name, WRITE_LIMIT).await?;
        let media = tuning(self.shared.options(), None);
        let ejected = operation.eject_media(task.info().system_id(), Some(&[MediaKind::Disc]), &media).await;
        match ejected {
            Err(error) if !matches!(error.failure, Failure::Unsupported(_)) => Err(error.into()),
            Ok(()) | Err(_) => forget_disc(task).await,
        }
    }
}

#[interface(boot, name = "redfish-virtual-media")]
impl BootInterface for RedfishVirtualMediaBoot {
    type Info = RedfishInfo;

    async fn validate(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        task.info().validate(task, self.shared.options()).await?;
        let info = task.info();
        for (key, text) in [("deploy_iso", &info.deploy_iso), ("rescue_iso", &info.rescue_iso)] {
            if let Some(text) = text {
                image(key, text)?;
            }
        }
        boot_iso(task).map(drop)
    }

    async fn prepare_ramdisk(
        &self,
        task: &DriverTask<RedfishInfo>,
        _params: Map<String, Value>,
    ) -> Result<()> {
        let image = ramdisk(task)?;
        if !task.node().disable_power_off && task.power().get_power_state().await? != PowerState::Off {
            task.power().set_power_state(PowerState::Off, None).await?;
        }
        self.insert(task, "boot the deploy agent", &image, false).await
    }

    async fn clean_up_ramdisk(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        self.eject(task, "remove the deploy agent").await
    }

    async fn prepare_instance(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        if let Some(image) = boot_iso(task)? {
            return self.insert(task, "boot the instance", &image, true).await;
        }
        self.eject(task, "boot the instance").await?;
        let operation = self.shared.operation(task, "boot the instance", WRITE_LIMIT).await?;
        self.boot_from(task, &operation, BootDevice::Disk, true).await
    }

    async fn clean_up_instance(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        self.eject(task, "remove the instance").await
    }

    async fn get_capabilities(&self, _task: &DriverTask<RedfishInfo>) -> Result<Vec<String>> {
        Ok(CAPABILITIES.map(str::to_owned).to_vec())
    }

    async fn validate_rescue(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        required("rescue_iso", task.info().rescue_iso.as_deref()).map(drop)
    }

    async fn validate_inspection(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        required("deploy_iso", task.info().deploy_iso.as_deref()).map(drop)
    }
}

/// The image of what the conductor wants to run on the machine now.
fn ramdisk(task: &DriverTask<RedfishInfo>) -> Result<ImageUrl> {
    let info = task.info();
    if task.node().provision_state.starts_with("rescu") {
        required("rescue_iso", info.rescue_iso.as_deref())
    } else {
        required("deploy_iso", info.deploy_iso.as_deref())
    }
}

/// The boot mode a node wants: what secure boot needs, what the instance asks for, or what the machine is kept in.
///
/// Source: Ironic, `get_boot_mode_for_deploy`.
fn wanted_mode(node: &Node) -> Option<BootMode> {
    let of =
        |name: &str| capability(&node.instance_info, name).or_else(|| capability(&node.properties, name));
    if of("secure_boot").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Some(BootMode::Uefi);
    }
    let own = || node.instance_info.get("deploy_boot_mode")?.as_str().map(str::to_owned);
    match of("boot_mode").or_else(own)?.to_ascii_lowercase().as_str() {
        "uefi" => Some(BootMode::Uefi),
        "bios" => Some(BootMode::Bios),
        _ => None,
    }
}

/// A capability: `capabilities` is an object, the same as text, or `name:value,name:value`.
fn capability(info: &Map<String, Value>, name: &str) -> Option<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let capabilities = info.get("capabilities")?;
    if let Some(named) = capabilities.as_object() {
        return named.get(name).map(text);
    }
    let given = capabilities.as_str()?;
    match farrier_sdk::serde_json::from_str::<Map<String, Value>>(given) {
        Ok(named) => named.get(name).map(text),
        Err(_) => given.split(',').find_map(|pair| {
            let (key, value) = pair.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        }),
    }
}

/// The image of an instance that is one.
fn boot_iso(task: &DriverTask<RedfishInfo>) -> Result<Option<ImageUrl>> {
    match task.node().instance_info.get(BOOT_ISO) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => image(BOOT_ISO, text).map(Some),
        Some(_) => Err(DriverError::invalid_parameter(format!("`{BOOT_ISO}`: expected a URL"))),
    }
}

fn required(key: &str, text: Option<&str>) -> Result<ImageUrl> {
    match text {
        Some(text) => image(key, text),
        None => Err(DriverError::missing_parameter(format!("missing `{key}` in `driver_info`"))),
    }
}

fn image(key: &str, text: &str) -> Result<ImageUrl> {
    ImageUrl::parse(text).map_err(|error| DriverError::invalid_parameter(format!("`{key}`: {error}")))
}

/// A disc that is gone is not to be booted at every start.
async fn forget_disc(task: &DriverTask<RedfishInfo>) -> Result<()> {
    let remembered = task.node().driver_internal_info.get(BOOT_DEVICE_KEY);
    if remembered.and_then(Value::as_str) != Some(BootDevice::Cdrom.as_str()) {
        return Ok(());
    }
    task.save_internal_info(|info| {
        info.remove(BOOT_DEVICE_KEY);
    })
    .await
}

/// Refuses an iDRAC on which the standard's way to boot a virtual disc does not work.
async fn check_idrac(operation: &Operation, found: &Found) -> Result<(), RedfishError> {
    let root = operation.root().await.ok();
    if !Habits::of(root.as_deref(), &found.system).has(Habit::OwnDiscBoot) {
        return Ok(());
    }
    let Some(path) = operation.managers(found).await?.into_iter().next() else { return Ok(()) };
    let version =
        operation.read_optional::<Manager>(&path).await?.and_then(|manager| manager.firmware_version);
    let Some(version) = version else { return Ok(()) };
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major >= IDRAC_OLDEST) {
        return Ok(());
    }
    let text = format!(
        "an iDRAC with firmware {version} boots virtual media in its maker's own way only; \
         firmware {IDRAC_OLDEST}.00 boots it as the standard says"
    );
    Err(operation.error(Method::GET, &path, Failure::Unsupported(text)))
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;
    use farrier_sdk::testing;

    use super::*;

    fn task(node: Value) -> DriverTask<RedfishInfo> {
        let mut node = node;
        node["driver_info"]["redfish_address"] = json!("bmc1");
        testing::task(node).unwrap()
    }

    #[test]
    fn the_image_is_that_of_the_state_of_the_node() {
        let isos = json!({"deploy_iso": "http://h/deploy.iso", "rescue_iso": "http://h/rescue.iso"});
        for (state, file) in [("deploying", "deploy"), ("cleaning", "deploy"), ("rescuing", "rescue")] {
            let task = task(json!({"driver_info": isos, "provision_state": state}));
            assert_eq!(ramdisk(&task).unwrap().as_str(), format!("http://h/{file}.iso"), "{state}");
        }
        let missing = ramdisk(&task(json!({"driver_info": {}}))).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::MissingParameter);
    }

    #[test]
    fn the_boot_mode_is_the_instances_else_the_machines() {
        let rows = [
            (json!({}), json!({}), None),
            (json!({}), json!({"capabilities": "profile:a, boot_mode:UEFI"}), Some(BootMode::Uefi)),
            (
                json!({"capabilities": {"boot_mode": "bios"}}),
                json!({"capabilities": "boot_mode:uefi"}),
                Some(BootMode::Bios),
            ),
            (json!({"capabilities": "{\"boot_mode\": \"bios\"}"}), json!({}), Some(BootMode::Bios)),
            (
                json!({"capabilities": "{\"secure_boot\": \"true\"}"}),
                json!({"capabilities": "boot_mode:bios"}),
                Some(BootMode::Uefi),
            ),
            (json!({"deploy_boot_mode": "bios"}), json!({}), Some(BootMode::Bios)),
            (json!({"capabilities": "boot_mode:floppy"}), json!({}), None),
        ];
        for (instance, properties, mode) in rows {
            let task = task(json!({"driver_info": {}, "instance_info": instance, "properties": properties}));
            assert_eq!(wanted_mode(task.node()), mode, "{:?}", task.node().instance_info);
        }
    }

    #[test]
    fn an_instance_may_be_an_image() {
        let of = |info: Value| boot_iso(&task(json!({"driver_info": {}, "instance_info": info})));

        assert_eq!(of(json!({})).unwrap(), None);
        assert_eq!(of(json!({"boot_iso": null})).unwrap(), None);
        assert_eq!(of(json!({"boot_iso": "http://h/x.iso"})).unwrap().unwrap().as_str(), "http://h/x.iso");
        for bad in [json!(7), json!("file:///x.iso"), json!("")] {
            let error = of(json!({"boot_iso": bad})).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{error}");
        }
    }
}

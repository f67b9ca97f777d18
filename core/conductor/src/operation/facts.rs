//! What is kept of a machine so that nobody has to ask its BMC: vendor, boot mode, BIOS settings, firmware.
//!
//! Source: Ironic's conductor utilities.

use std::collections::BTreeMap;

use farrier_sdk::error::{Chain, DriverError, ErrorKind};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::bios::BiosClient;
use farrier_sdk::interface::firmware::FirmwareClient;
use serde_json::Value;
use tracing::{debug, warn};

use crate::error::ConductorError;
use crate::task::ExclusiveTask;

/// The maker of the machine, among the properties of its node.
const VENDOR: &str = "vendor";

/// Reads anew what is kept of the machine, as far as its drivers can tell. A machine that does not answer is no
/// reason to stop: it is asked nothing more, and what was kept stays.
pub(crate) async fn refresh(task: &mut ExclusiveTask) {
    if let Err(error) = read(task).await {
        warn!(node = %task.node().uuid, error = %Chain(&error), "facts about a machine could not be read");
    }
}

/// Reads anew what a step of `interface` may have changed, as soon as it is over: BIOS settings or firmware. Who calls
/// meanwhile is told what is so, not what was so before a list of steps began.
pub(crate) async fn refresh_after_step(task: &mut ExclusiveTask, interface: InterfaceType) {
    let read = match interface {
        InterfaceType::Bios => bios(task).await,
        InterfaceType::Firmware => firmware(task).await,
        InterfaceType::Boot
        | InterfaceType::Deploy
        | InterfaceType::Management
        | InterfaceType::Network
        | InterfaceType::Power
        | InterfaceType::Console
        | InterfaceType::Inspect
        | InterfaceType::Raid
        | InterfaceType::Rescue
        | InterfaceType::Storage
        | InterfaceType::Vendor => return,
    };
    if let Err(error) = read {
        warn!(node = %task.node().uuid, %interface, error = %Chain(&error), "what a step changed could not be read");
    }
}

async fn read(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let management = task.management()?;
    if task.node().properties.get(VENDOR).is_none_or(Value::is_null)
        && let Some(vendor) =
            told(management.detect_vendor().await, &management.0, "detect_vendor")?.flatten()
    {
        task.node_mut().properties.insert(VENDOR.to_owned(), Value::String(vendor));
    }
    if let Some(mode) = told(management.get_boot_mode().await, &management.0, "get_boot_mode")? {
        task.node_mut().boot_mode = mode.map(|mode| mode.to_string());
    }
    let secure_boot = management.get_secure_boot_state().await;
    if let Some(state) = told(secure_boot, &management.0, "get_secure_boot_state")? {
        task.node_mut().secure_boot = state;
    }
    task.save().await?;
    bios(task).await?;
    firmware(task).await?;
    // What the drivers have saved meanwhile.
    task.save().await
}

async fn bios(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let bios = task.caller(InterfaceType::Bios).map(BiosClient)?;
    let Some(settings) = told(bios.cache_bios_settings().await, &bios.0, "cache_bios_settings")? else {
        return Ok(());
    };
    let found = settings.into_iter().map(|setting| (setting.name, text(setting.value))).collect();
    let (node, store) = (task.node().id, &task.shared().store);
    Ok(store.bios_settings_sync(node, &found).await?)
}

async fn firmware(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let firmware = task.caller(InterfaceType::Firmware).map(FirmwareClient)?;
    let asked = firmware.cache_firmware_components().await;
    let Some(components) = told(asked, &firmware.0, "cache_firmware_components")? else { return Ok(()) };
    let found: BTreeMap<_, _> =
        components.into_iter().map(|component| (component.component, component.current_version)).collect();
    let (node, store) = (task.node().id, &task.shared().store);
    Ok(store.firmware_sync(node, &found).await?)
}

/// The value of a setting as text; none when the machine does not say.
fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(other.to_string())
        }
    }
}

/// An answer; none when the driver cannot tell this. A machine that does not answer at all is an error.
fn told<T>(
    answer: Result<T, DriverError>,
    caller: &crate::dispatch::DriverCaller,
    operation: &'static str,
) -> Result<Option<T>, ConductorError> {
    let silent = |error: &DriverError| {
        matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::AuthFailed)
    };
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if silent(&error) => Err(caller.failed(operation)(error)),
        Err(error) => {
            debug!(operation, %error, "a driver does not tell this");
            Ok(None)
        }
    }
}

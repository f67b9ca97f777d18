//! What a node boots from: devices and flags, and the device to be set again before each start.

use farrier_sdk::prelude::*;
use farrier_sdk::task::Node;

use crate::chassis::boot::{BootFlags, GetBootFlags, SetBootOption, selector};
use crate::driver_info::IpmiInfo;
use crate::quirks;
use crate::shared::{Bmc, Shared};
use crate::transport::error::TransportError;

/// In `driver_internal_info`: the device to boot from whenever nothing else was asked for.
///
/// Source: Ironic `driver_internal_info`.
const STORED_DEVICE: &str = "persistent_boot_device";

/// In `driver_internal_info`: false when another device was asked for, for the next boot only.
///
/// Source: Ironic `driver_internal_info`.
const NEXT_IS_STORED: &str = "is_next_boot_persistent";

/// The devices there are, and their selectors.
const DEVICES: [(BootDevice, u8); 5] = [
    (BootDevice::Pxe, selector::PXE),
    (BootDevice::Disk, selector::DISK),
    (BootDevice::Cdrom, selector::CDROM),
    (BootDevice::Bios, selector::BIOS),
    (BootDevice::Safe, selector::SAFE),
];

/// Devices that can be set.
pub(crate) fn supported() -> Vec<BootDevice> {
    DEVICES.map(|(device, _)| device).to_vec()
}

/// Refuses a device that cannot be set.
///
/// # Errors
///
/// [`InvalidParameter`](ErrorKind::InvalidParameter) names the device and those there are.
pub(crate) fn check(device: &BootDevice) -> Result<()> {
    if DEVICES.iter().any(|(known, _)| known == device) {
        return Ok(());
    }
    let known = DEVICES.each_ref().map(|(known, _)| known.as_str()).join(", ");
    Err(DriverError::invalid_parameter(format!("boot device `{device}` is not one of {known}")))
}

/// Sets the device of the next boot, or of all to come.
///
/// With `ipmi_force_boot_device` a device for all boots is stored and set for one boot at a time, each time the
/// node starts.
///
/// # Errors
///
/// As [`check`], and those of the BMC.
pub(crate) async fn set(
    shared: &Shared,
    bmc: &Bmc<'_>,
    task: &DriverTask<IpmiInfo>,
    device: &BootDevice,
    persistent: bool,
) -> Result<()> {
    check(device)?;
    if !task.info().ipmi_force_boot_device {
        return send(shared, bmc, task, device, persistent).await;
    }
    task.save_internal_info(|info| {
        if persistent {
            info.remove(NEXT_IS_STORED);
            info.insert(STORED_DEVICE.to_owned(), device.as_str().into());
        } else {
            info.insert(NEXT_IS_STORED.to_owned(), false.into());
        }
    })
    .await?;
    send(shared, bmc, task, device, false).await
}

/// Sets the stored device again, as is to be done before each start of a node with `ipmi_force_boot_device`. A
/// device asked for since then, for one boot, takes its place once.
///
/// # Errors
///
/// Those of the BMC.
pub(crate) async fn set_again(shared: &Shared, bmc: &Bmc<'_>, task: &DriverTask<IpmiInfo>) -> Result<()> {
    if !task.info().ipmi_force_boot_device {
        return Ok(());
    }
    let internal = &task.node().driver_internal_info;
    if internal.get(NEXT_IS_STORED) == Some(&Value::Bool(false)) {
        return task.save_internal_info(|info| drop(info.remove(NEXT_IS_STORED))).await;
    }
    match stored(task.node()) {
        Some(device) => send(shared, bmc, task, &device, false).await,
        None => Ok(()),
    }
}

/// What the node boots from next.
///
/// # Errors
///
/// Those of the BMC.
pub(crate) async fn get(bmc: &Bmc<'_>, task: &DriverTask<IpmiInfo>) -> Result<CurrentBootDevice> {
    let node = task.node();
    let next_is_stored = node.driver_internal_info.get(NEXT_IS_STORED) != Some(&Value::Bool(false));
    if task.info().ipmi_force_boot_device
        && next_is_stored
        && let Some(device) = stored(node)
    {
        return Ok(CurrentBootDevice { boot_device: Some(device), persistent: Some(true) });
    }
    let flags = bmc.execute(GetBootFlags).await?;
    let boot_device = device_of(vendor(node), flags);
    let persistent = boot_device.is_some().then_some(flags.persistent);
    Ok(CurrentBootDevice { boot_device, persistent })
}

async fn send(
    shared: &Shared,
    bmc: &Bmc<'_>,
    task: &DriverTask<IpmiInfo>,
    device: &BootDevice,
    persistent: bool,
) -> Result<()> {
    if task.info().ipmi_disable_boot_timeout.unwrap_or(shared.options.disable_boot_timeout) {
        keep_flags(shared, bmc, task).await?;
    }
    let flags = flags_for(task.node(), device, persistent)?;
    let Err(error) = send_flags(bmc, SetBootOption::Flags(flags)).await else { return Ok(()) };
    let all_may_do = |code| quirks::takes_all_flags(vendor(task.node()), device, code);
    if !error.completion_code().is_some_and(all_may_do) {
        return Err(error.into());
    }
    info!(node = task.node().uuid, error = %Chain(&error), "boot device refused, trying it with all boot flags");
    Ok(send_flags(bmc, SetBootOption::AllFlags { selector: flags.selector }).await?)
}

async fn send_flags(bmc: &Bmc<'_>, flags: SetBootOption) -> Result<(), TransportError> {
    match bmc.execute(flags).await {
        Err(error) if is_changed_by_another(&error) => {
            // Somebody began a change and never ended it.
            bmc.execute(SetBootOption::EndChange).await?;
            bmc.execute(flags).await
        }
        other => other,
    }
}

/// Asks the BMC not to forget the flags; many cannot, which does no harm to those that start soon.
async fn keep_flags(shared: &Shared, bmc: &Bmc<'_>, task: &DriverTask<IpmiInfo>) -> Result<()> {
    let Err(error) = bmc.execute(SetBootOption::KeepFlags).await else { return Ok(()) };
    let refused = error.completion_code().is_some_and(quirks::keeps_no_flags)
        || matches!(error, TransportError::Authentication { .. });
    if !refused {
        return Err(error.into());
    }
    if shared.is_news(task, "flags not kept") {
        warn!(node = task.node().uuid, error = %Chain(&error), "the BMC may forget the boot device after 60 s");
    }
    Ok(())
}

fn is_changed_by_another(error: &TransportError) -> bool {
    error.completion_code().is_some_and(|code| code.0 == SetBootOption::CHANGE_IN_PROGRESS)
}

fn flags_for(node: &Node, device: &BootDevice, persistent: bool) -> Result<BootFlags> {
    check(device)?;
    let mode = boot_mode(node);
    let usual = DEVICES.iter().find(|(known, _)| known == device).map(|(_, selector)| *selector);
    let selector = quirks::boot_selector(vendor(node), mode, device).or(usual).unwrap_or(selector::NONE);
    Ok(BootFlags { valid: true, persistent, uefi: mode == BootMode::Uefi, selector })
}

/// The device that flags mean; none when they do not count.
fn device_of(vendor: Option<&str>, flags: BootFlags) -> Option<BootDevice> {
    if !flags.valid {
        return None;
    }
    let mode = if flags.uefi { BootMode::Uefi } else { BootMode::Bios };
    DEVICES
        .iter()
        .find(|(device, usual)| {
            quirks::boot_selector(vendor, mode, device).unwrap_or(*usual) == flags.selector
                || *usual == flags.selector
        })
        .map(|(device, _)| device.clone())
}

fn stored(node: &Node) -> Option<BootDevice> {
    let name = node.driver_internal_info.get(STORED_DEVICE)?.as_str()?;
    Some(BootDevice::from(name.to_owned()))
}

fn vendor(node: &Node) -> Option<&str> {
    node.properties.get("vendor")?.as_str()
}

/// The boot mode a node is meant to have: what its instance asks for, else what its properties say, else UEFI.
///
/// Source: Ironic `boot_mode_utils`.
fn boot_mode(node: &Node) -> BootMode {
    let instance = node.instance_info.get("capabilities");
    let machine = node.properties.get("capabilities");
    let secure = capability(instance, "secure_boot").or_else(|| capability(machine, "secure_boot"));
    if secure.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return BootMode::Uefi;
    }
    let deploy = || node.instance_info.get("deploy_boot_mode").and_then(Value::as_str).map(str::to_owned);
    capability(instance, "boot_mode")
        .or_else(|| capability(machine, "boot_mode"))
        .or_else(deploy)
        .and_then(|mode| mode.to_ascii_lowercase().parse().ok())
        .unwrap_or(BootMode::Uefi)
}

/// One of a node's capabilities: an object, or text such as `boot_mode:uefi,raid_level:1`, or JSON as text.
fn capability(capabilities: Option<&Value>, name: &str) -> Option<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match capabilities? {
        Value::Object(map) => map.get(name).map(text),
        Value::String(packed) => match serde_json::from_str::<Map<String, Value>>(packed) {
            Ok(map) => map.get(name).map(text),
            Err(_) => packed.split(',').find_map(|pair| {
                let (key, value) = pair.split_once(':')?;
                (key.trim() == name).then(|| value.trim().to_owned())
            }),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;

    use super::*;

    fn node(node: Value) -> Node {
        serde_json::from_value(node).unwrap()
    }

    #[test]
    fn the_boot_mode_is_that_of_the_instance_then_of_the_machine_then_uefi() {
        for (given, mode) in [
            (json!({}), BootMode::Uefi),
            (json!({"properties": {"capabilities": "boot_mode:bios"}}), BootMode::Bios),
            (json!({"properties": {"capabilities": "raid:1, boot_mode:bios"}}), BootMode::Bios),
            (json!({"properties": {"capabilities": {"boot_mode": "BIOS"}}}), BootMode::Bios),
            (json!({"instance_info": {"deploy_boot_mode": "bios"}}), BootMode::Bios),
            (
                json!({
                    "instance_info": {"capabilities": "{\"boot_mode\": \"uefi\"}"},
                    "properties": {"capabilities": "boot_mode:bios"},
                }),
                BootMode::Uefi,
            ),
            (
                json!({
                    "instance_info": {"capabilities": {"secure_boot": "true"}},
                    "properties": {"capabilities": "boot_mode:bios"},
                }),
                BootMode::Uefi,
            ),
            (json!({"properties": {"capabilities": "boot_mode:other"}}), BootMode::Uefi),
        ] {
            assert_eq!(boot_mode(&node(given.clone())), mode, "{given}");
        }
    }

    #[test]
    fn every_device_is_read_back_in_both_modes() {
        for vendor in ["dell", "Supermicro"] {
            for mode in ["bios", "uefi"] {
                let node = node(json!({
                    "properties": {"vendor": vendor, "capabilities": {"boot_mode": mode}},
                }));
                for device in supported() {
                    let flags = flags_for(&node, &device, true).unwrap();
                    assert_eq!(device_of(Some(vendor), flags), Some(device));
                }
            }
        }
    }

    #[test]
    fn a_supermicro_disk_is_known_to_supermicro_alone() {
        let flags = BootFlags {
            valid: true,
            persistent: false,
            uefi: true,
            selector: selector::SUPERMICRO_UEFI_DISK,
        };

        assert_eq!(device_of(Some("Super Micro Computer Inc."), flags), Some(BootDevice::Disk));
        assert_eq!(device_of(Some("dell"), flags), None);
    }

    #[test]
    fn flags_that_do_not_count_are_no_device() {
        let flags = BootFlags { valid: false, persistent: true, uefi: true, selector: selector::PXE };

        assert_eq!(device_of(None, flags), None);
    }

    #[test]
    fn an_unknown_device_is_refused_with_those_there_are() {
        let error = check(&BootDevice::Wanboot).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        assert_eq!(error.message(), "boot device `wanboot` is not one of pxe, disk, cdrom, bios, safe");
    }
}

//! `MGT`: boot device, boot mode, sensors, on a machine.

use std::collections::BTreeSet;

use farrier_sdk::error::ErrorKind;
use farrier_sdk::interface::InterfaceType;
use serde_json::json;

use super::stand::{self, Stand};
use crate::bench::Bench;
use crate::check::{Check, Finding, Judgement, Level, Needs, failed, none_of, not_applicable};

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "MGT-001", level: Level::Must, needs: Needs::Machine, run: lists_boot_devices,
        requirement: "`get_supported_boot_devices` lists at least one device, and none twice.",
        source: "ManagementInterface::get_supported_boot_devices" },
    Check { id: "MGT-002", level: Level::Must, needs: Needs::MachineChanged, run: boots_once,
        requirement: "A supported boot device that the machine accepts is set for the next boot and read back; it accepts at least one.",
        source: "ManagementInterface::set_boot_device" },
    Check { id: "MGT-003", level: Level::Must, needs: Needs::MachineChanged, run: boots_persistently,
        requirement: "A boot device can be set for good, and is read back as such.",
        source: "ManagementInterface::set_boot_device, persistent" },
    Check { id: "MGT-004", level: Level::Must, needs: Needs::Machine, run: refuses_other_devices,
        requirement: "A boot device that is not supported is refused as `invalid_parameter`.",
        source: "ManagementInterface::set_boot_device, errors" },
    Check { id: "MGT-005", level: Level::Must, needs: Needs::Machine, run: sensors_have_a_shape,
        requirement: "`get_sensors_data` answers readings by sensor type and then by sensor.",
        source: "ManagementInterface::get_sensors_data; Ironic's sensor notifications" },
    Check { id: "MGT-006", level: Level::Must, needs: Needs::MachineChanged, run: boot_mode_goes_round,
        requirement: "A supported boot mode that was set is read back.",
        source: "ManagementInterface::set_boot_mode" },
];

/// Does something with every implementation.
fn each(bench: &Bench, look: impl Fn(&Stand) -> Judgement) -> Judgement {
    stand::each(bench, InterfaceType::Management, look)
}

/// The same, and leaves a machine that outlives the check with the boot device that it had.
fn each_booting_otherwise(bench: &Bench, look: impl Fn(&Stand) -> Judgement) -> Judgement {
    each(bench, |stand| {
        let found =
            if stand.is_thrown_away() { None } else { stand.call("get_boot_device", &json!({})).ok() };
        let finding = look(stand);
        let had =
            found.as_ref().and_then(|found| found.get("boot_device")).filter(|device| !device.is_null());
        if let Some(device) = had {
            let persistent = found.as_ref().and_then(|found| found.get("persistent")?.as_bool());
            let arguments = json!({"device": device, "persistent": persistent.unwrap_or_default()});
            // Whether it can be set at all is what the checks are about.
            stand.call("set_boot_device", &arguments).ok();
        }
        finding
    })
}

fn devices(stand: &Stand) -> Result<Vec<String>, Finding> {
    let answer = stand.ask("get_supported_boot_devices", &json!({}))?;
    serde_json::from_value(answer.clone())
        .or_else(|_| failed(format!("`get_supported_boot_devices` answered {answer}")))
}

fn lists_boot_devices(bench: &Bench) -> Judgement {
    each(bench, |stand| {
        let devices = devices(stand)?;
        let distinct: BTreeSet<&String> = devices.iter().collect();
        if devices.is_empty() {
            return failed("it lists no boot device");
        }
        if distinct.len() == devices.len() {
            Ok(())
        } else {
            failed(format!("it lists a device twice: {devices:?}"))
        }
    })
}

/// What is wrong with a device as it is read back.
fn read_back(stand: &Stand, device: &str, persistent: bool) -> Result<Option<String>, Finding> {
    let read = stand.ask("get_boot_device", &json!({}))?;
    let same = read.get("boot_device").is_some_and(|read| read == device);
    // A BMC may not say whether it stays.
    let as_long = read.get("persistent").is_none_or(|read| read.is_null() || *read == persistent);
    Ok((!same || !as_long).then(|| format!("`{device}` (persistent: {persistent}) is read back as {read}")))
}

fn boots_once(bench: &Bench) -> Judgement {
    each_booting_otherwise(bench, |stand| {
        let (mut faults, mut accepted) = (Vec::new(), false);
        for device in devices(stand)? {
            let arguments = json!({"device": device, "persistent": false});
            match stand.call("set_boot_device", &arguments) {
                // The list is the implementation's; a machine may have less.
                Err(error) if error.kind() == ErrorKind::InvalidParameter => {}
                Err(error) => faults.push(format!("`{device}` is {:?}: {error}", error.kind())),
                Ok(_) => {
                    accepted = true;
                    faults.extend(read_back(stand, &device, false)?);
                }
            }
        }
        if !accepted && faults.is_empty() {
            return failed("the machine accepts none of its boot devices");
        }
        none_of(&faults)
    })
}

fn boots_persistently(bench: &Bench) -> Judgement {
    each_booting_otherwise(bench, |stand| {
        let devices = devices(stand)?;
        let Some(device) = devices.iter().find(|device| *device == "disk").or(devices.first()) else {
            return not_applicable("it lists no boot device");
        };
        stand.ask("set_boot_device", &json!({"device": device, "persistent": true}))?;
        none_of(&read_back(stand, device, true)?.into_iter().collect::<Vec<_>>())
    })
}

fn refuses_other_devices(bench: &Bench) -> Judgement {
    each(bench, |stand| {
        let arguments = json!({"device": "kit-punched-tape", "persistent": false});
        match stand.call("set_boot_device", &arguments) {
            Err(error) if error.kind() == ErrorKind::InvalidParameter => Ok(()),
            Err(error) => failed(format!("an unknown boot device is {:?}: {error}", error.kind())),
            Ok(_) => failed("an unknown boot device was set"),
        }
    })
}

fn sensors_have_a_shape(bench: &Bench) -> Judgement {
    each(bench, |stand| {
        if !stand.has("get_sensors_data") {
            return not_applicable("it reads no sensors");
        }
        let answer = stand.ask("get_sensors_data", &json!({}))?;
        let Some(types) = answer.as_object() else { return failed("`get_sensors_data` answered no object") };
        let mut faults = Vec::new();
        for (kind, sensors) in types {
            match sensors.as_object() {
                None => faults.push(format!("sensor type `{kind}` holds no sensors by name")),
                Some(sensors) => faults.extend(
                    sensors
                        .iter()
                        .filter(|(_, reading)| !reading.is_object())
                        .map(|(name, _)| format!("sensor `{kind}.{name}` has no members")),
                ),
            }
        }
        none_of(&faults)
    })
}

fn boot_mode_goes_round(bench: &Bench) -> Judgement {
    each(bench, |stand| {
        let needed = ["get_supported_boot_modes", "set_boot_mode", "get_boot_mode"];
        if !needed.iter().all(|method| stand.has(method)) {
            return not_applicable("it does not change the boot mode");
        }
        let modes = stand.ask("get_supported_boot_modes", &json!({}))?;
        let before = stand.ask("get_boot_mode", &json!({}))?;
        let mut faults = Vec::new();
        for mode in modes.as_array().into_iter().flatten().chain([&before]).filter(|mode| !mode.is_null()) {
            stand.ask("set_boot_mode", &json!({"mode": mode}))?;
            let read = stand.ask("get_boot_mode", &json!({}))?;
            if read != *mode {
                faults.push(format!("boot mode {mode} is read back as {read}"));
            }
        }
        none_of(&faults)
    })
}

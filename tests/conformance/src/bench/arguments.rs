//! Methods of interface types, and arguments they make sense with.

use farrier_sdk::descriptor::InterfaceDescriptor;
use farrier_sdk::interface::{
    InterfaceType, bios, boot, console, deploy, firmware, inspect, management, network, power, raid, rescue,
    storage, vendor,
};
use serde_json::{Value, json};

/// All methods of an interface type.
pub(crate) const fn methods(kind: InterfaceType) -> &'static [&'static str] {
    match kind {
        InterfaceType::Boot => boot::METHODS,
        InterfaceType::Deploy => deploy::METHODS,
        InterfaceType::Management => management::METHODS,
        InterfaceType::Network => network::METHODS,
        InterfaceType::Power => power::METHODS,
        InterfaceType::Bios => bios::METHODS,
        InterfaceType::Console => console::METHODS,
        InterfaceType::Firmware => firmware::METHODS,
        InterfaceType::Inspect => inspect::METHODS,
        InterfaceType::Raid => raid::METHODS,
        InterfaceType::Rescue => rescue::METHODS,
        InterfaceType::Storage => storage::METHODS,
        InterfaceType::Vendor => vendor::METHODS,
    }
}

/// Methods that ask and change nothing, besides those whose names say so.
const READS: [&str; 5] =
    ["vif_list", "should_write_image", "need_power_on", "switch_interface", "cache_bios_settings"];

/// Beginnings of the names of methods that ask and change nothing.
const READ_PREFIXES: [&str; 5] = ["get_", "validate", "supports_", "detect_", "cache_"];

/// Whether a method asks and changes nothing.
pub(crate) fn is_read(method: &str) -> bool {
    READS.contains(&method) || READ_PREFIXES.iter().any(|prefix| method.starts_with(prefix))
}

/// Whether a method changes the machine or the conductor's world.
pub(crate) fn changes_the_machine(method: &str) -> bool {
    !is_read(method)
}

/// Methods that ask the machine something, best first.
const READERS: [&str; 10] = [
    "get_power_state",
    "get_boot_device",
    "get_sensors_data",
    "cache_bios_settings",
    "cache_firmware_components",
    "get_console",
    "get_logical_disk_properties",
    "should_write_image",
    "vif_list",
    "validate",
];

/// How many of these answer nothing that they have not asked their machine.
const ASKING: usize = 5;

/// Whether a reader cannot answer without its machine.
pub(crate) fn asks_the_machine(method: &str) -> bool {
    READERS.iter().take(ASKING).any(|asking| *asking == method)
}

/// A method of this implementation that asks its machine something.
pub(crate) fn reader(interface: &InterfaceDescriptor) -> &'static str {
    READERS.into_iter().find(|method| interface.methods.contains(*method)).unwrap_or("validate")
}

/// Arguments for a method; times are short, addresses lead nowhere.
pub(crate) fn sample(method: &str) -> Value {
    let nowhere = "http://127.0.0.1:1/image.iso";
    match method {
        "set_power_state" => json!({"state": "power on", "timeout": 2}),
        "reboot" => json!({"timeout": 2}),
        "set_boot_device" => json!({"device": "pxe", "persistent": false}),
        "set_boot_mode" => json!({"mode": "uefi"}),
        "set_secure_boot_state" => json!({"state": false}),
        "get_supported_indicators" => json!({"component": null}),
        "set_indicator_state" => json!({"component": "system", "indicator": "led", "state": "off"}),
        "get_indicator_state" => json!({"component": "system", "indicator": "led"}),
        "attach_virtual_media" => json!({"device_type": "cdrom", "image_url": nowhere}),
        "detach_virtual_media" => json!({"device_types": null}),
        // Of BIOS settings, and of RAID volumes.
        "apply_configuration" => json!({"settings": [], "raid_config": {"logical_disks": []}}),
        "update" => json!({"settings": []}),
        "prepare_ramdisk" => json!({"params": {}}),
        "validate_raid_config" => json!({"raid_config": {"logical_disks": []}}),
        "continue_inspection" => json!({"inventory": {}, "plugin_data": null}),
        "heartbeat" => json!({"callback_url": nowhere, "agent_version": "1.0.0"}),
        "port_changed" | "get_current_vif" => {
            json!({"port": {"uuid": "f7b2f1d8-0000-4000-8000-000000000001"}})
        }
        "portgroup_changed" => json!({"portgroup": {"uuid": "f7b2f1d8-0000-4000-8000-000000000002"}}),
        "vif_attach" => json!({"vif_info": {"id": "vif-1"}}),
        "vif_detach" => json!({"vif_id": "vif-1"}),
        _ => json!({}),
    }
}

//! The methods of each interface type, so that `#[interface]` can tell them from what is a vendor's own.

use quote::ToTokens;
use syn::Ident;

/// Methods by interface type, besides `validate`, which every type has.
///
/// `#[contract]` compares each row with the trait it stands for, so the two cannot drift apart.
#[rustfmt::skip]
const METHODS: &[(&str, &[&str])] = &[
    ("boot", &["prepare_ramdisk", "clean_up_ramdisk", "prepare_instance", "clean_up_instance", "get_capabilities",
        "validate_rescue", "validate_inspection"]),
    ("deploy", &["deploy", "tear_down", "prepare", "clean_up", "take_over", "prepare_cleaning", "tear_down_cleaning",
        "prepare_service", "tear_down_service", "heartbeat", "switch_interface", "supports_deploy"]),
    ("management", &["get_supported_boot_devices", "set_boot_device", "get_boot_device", "get_sensors_data",
        "get_supported_boot_modes", "set_boot_mode", "get_boot_mode", "get_secure_boot_state",
        "set_secure_boot_state", "get_node_health", "inject_nmi", "get_supported_indicators", "set_indicator_state",
        "get_indicator_state", "detect_vendor", "get_mac_addresses", "get_virtual_media", "attach_virtual_media",
        "detach_virtual_media"]),
    ("network", &["port_changed", "portgroup_changed", "vif_attach", "vif_detach", "vif_list", "get_current_vif",
        "add_provisioning_network", "remove_provisioning_network", "configure_tenant_networks",
        "unconfigure_tenant_networks", "add_cleaning_network", "remove_cleaning_network", "validate_rescue",
        "add_rescuing_network", "remove_rescuing_network", "validate_inspection", "add_inspection_network",
        "remove_inspection_network", "add_servicing_network", "remove_servicing_network", "need_power_on",
        "get_node_network_data", "get_capabilities"]),
    ("power", &["get_power_state", "set_power_state", "reboot", "get_supported_power_states", "supports_power_sync"]),
    ("bios", &["apply_configuration", "factory_reset", "cache_bios_settings"]),
    ("console", &["start_console", "stop_console", "get_console"]),
    ("firmware", &["update", "cache_firmware_components"]),
    ("inspect", &["inspect_hardware", "abort", "continue_inspection", "tear_down"]),
    ("raid", &["create_configuration", "delete_configuration", "validate_raid_config", "apply_configuration",
        "get_logical_disk_properties"]),
    ("rescue", &["rescue", "unrescue", "clean_up"]),
    ("storage", &["attach_volumes", "detach_volumes", "should_write_image"]),
    ("vendor", &[]),
    // next interface type above this line
];

/// Those of them that answer without being overridden, as `validate` does; compared with the traits too.
#[rustfmt::skip]
const INHERITED: &[(&str, &[&str])] = &[
    ("boot", &["get_capabilities"]),
    ("deploy", &["prepare_cleaning", "tear_down_cleaning", "prepare_service", "tear_down_service", "heartbeat",
        "switch_interface", "supports_deploy"]),
    ("network", &["validate_rescue", "add_rescuing_network", "remove_rescuing_network", "add_inspection_network",
        "remove_inspection_network", "add_servicing_network", "remove_servicing_network", "need_power_on",
        "get_node_network_data", "get_capabilities"]),
    ("power", &["get_supported_power_states", "supports_power_sync"]),
    ("inspect", &["tear_down"]),
    ("raid", &["validate_raid_config", "apply_configuration", "get_logical_disk_properties"]),
    ("rescue", &["clean_up"]),
    // next interface type with such methods above this line
];

/// Refuses what is not the name of an interface type.
pub(crate) fn check_kind(kind: &Ident) -> syn::Result<()> {
    let kinds: Vec<&str> = METHODS.iter().map(|(row, _)| *row).collect();
    if kinds.iter().any(|known| kind == known) {
        return Ok(());
    }
    let text = format!("`{kind}` is not an interface type, expected one of {}", kinds.join(", "));
    Err(syn::Error::new(kind.span(), text))
}

/// Whether `name` is a method of the interface type `kind`.
pub(crate) fn contains(kind: &str, name: &str) -> bool {
    name == "validate" || row(METHODS, kind).contains(&name)
}

/// What an implementation of `kind` answers, with the methods it has itself: each once.
pub(crate) fn answered<'a>(kind: &str, own: &'a [String]) -> impl Iterator<Item = &'a str> {
    let inherited = ["validate"].into_iter().chain(row(INHERITED, kind).iter().copied());
    inherited.filter(|name| !own.iter().any(|own| own == name)).chain(own.iter().map(String::as_str))
}

fn row(table: &[(&str, &'static [&'static str])], kind: &str) -> &'static [&'static str] {
    table.iter().find(|(row, _)| *row == kind).map_or(&[], |(_, names)| names)
}

/// Compares the rows of `kind` with the methods of its trait; an error points at `at`.
pub(crate) fn check(
    kind: &str,
    names: &[String],
    inherited: &[String],
    at: &impl ToTokens,
) -> syn::Result<()> {
    for (table, rows, names) in [("METHODS", METHODS, names), ("INHERITED", INHERITED, inherited)] {
        let written: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| *name != "validate").collect();
        if written != row(rows, kind) {
            let text = format!(
                "the row `{kind}` of `{table}` in `sdk-macros/src/methods.rs` has to list {written:?}"
            );
            return Err(syn::Error::new_spanned(at, text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_overridden_is_answered_once() {
        let own = ["validate", "get_power_state", "supports_power_sync"].map(str::to_owned);

        let answered: Vec<&str> = answered("power", &own).collect();

        assert_eq!(
            answered,
            ["get_supported_power_states", "validate", "get_power_state", "supports_power_sync"]
        );
    }

    #[test]
    fn a_type_without_rows_answers_to_validate() {
        assert_eq!(answered("vendor", &[]).collect::<Vec<_>>(), ["validate"]);
    }
}

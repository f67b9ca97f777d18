//! Thirteen slots, filled: rows F33 to F43, F51 and F52.

use std::collections::BTreeSet;

use super::*;

/// Everything that is fake, and everything that does nothing.
fn all() -> DriverConfig {
    let both = |lacking: &str| names(&["fake", lacking]);
    DriverConfig {
        enabled_bios_interfaces: both("no-bios"),
        enabled_console_interfaces: both("no-console"),
        enabled_firmware_interfaces: both("no-firmware"),
        enabled_inspect_interfaces: both("no-inspect"),
        enabled_management_interfaces: names(&["fake"]),
        enabled_network_interfaces: names(&["noop"]),
        enabled_power_interfaces: names(&["fake"]),
        enabled_raid_interfaces: both("no-raid"),
        enabled_rescue_interfaces: both("no-rescue"),
        enabled_storage_interfaces: names(&["noop"]),
        enabled_vendor_interfaces: both("no-vendor"),
        ..config()
    }
}

fn filled(config: DriverConfig, mut node: Node) -> (Driver, Node) {
    let driver = registry(config).unwrap().assemble(&mut node).unwrap();
    for kind in InterfaceType::ALL {
        assert_eq!(driver.interface(kind).kind(), kind);
    }
    (driver, node)
}

#[test]
fn row_f33_a_hardware_type_is_found_by_its_name() {
    let registry = registry(all()).unwrap();

    assert_eq!(registry.hardware_type(FAKE_HARDWARE).unwrap().name, FAKE_HARDWARE);
}

#[test]
fn row_f34_an_unknown_driver_names_the_enabled_ones() {
    let registry = registry(all()).unwrap();

    let error = registry.hardware_type("fake_agent").map(drop).unwrap_err();

    assert_eq!(error.to_string(), "driver `fake_agent` could not be found, enabled are [fake-hardware]");
}

#[test]
fn row_f35_every_slot_holds_what_the_node_chose() {
    let mut node = node();
    for kind in InterfaceType::ALL {
        let name =
            if matches!(kind, InterfaceType::Network | InterfaceType::Storage) { "noop" } else { "fake" };
        node.interfaces.set(kind, Some(name.to_owned()));
    }

    let (driver, node) = filled(all(), node);

    for kind in InterfaceType::ALL {
        assert_eq!(Some(driver.interface(kind).name()), node.interfaces.get(kind));
    }
}

#[test]
fn row_f36_an_unknown_interface_names_the_valid_ones() {
    let mut node = node();
    node.interfaces.set(InterfaceType::Power, Some("foobar".to_owned()));

    let error = registry(all()).unwrap().assemble(&mut node).unwrap_err();

    assert_eq!(error.to_string(), "could not find power interface `foobar`, enabled are [fake]");
}

/// The fake driver without `no-raid` in its list.
fn without_no_raid() -> Plugin {
    fake_with(|descriptor| {
        let lists = descriptor.hardware_types.get_mut(FAKE_HARDWARE).unwrap();
        lists.insert(InterfaceType::Raid, names(&["fake"]));
        descriptor
            .hardware_types
            .insert("picky".to_owned(), descriptor.hardware_types[FAKE_HARDWARE].clone());
    })
}

fn with_no_raid(driver: &str) -> Node {
    let mut node = Node::new(Uuid::from_u128(1), driver);
    node.interfaces.set(InterfaceType::Raid, Some("no-raid".to_owned()));
    node
}

#[test]
fn row_f37_the_fake_hardware_type_takes_what_is_not_in_its_list() {
    let registry = Registry::new(all(), vec![without_no_raid(), networks()], Vec::new()).unwrap();

    let driver = registry.assemble(&mut with_no_raid(FAKE_HARDWARE)).unwrap();

    assert_eq!(driver.interface(InterfaceType::Raid).name(), "no-raid");
}

#[test]
fn row_f38_another_hardware_type_does_not() {
    let config = DriverConfig { enabled_hardware_types: names(&[FAKE_HARDWARE, "picky"]), ..all() };
    let registry = Registry::new(config, vec![without_no_raid(), networks()], Vec::new()).unwrap();

    let error = registry.assemble(&mut with_no_raid("picky")).unwrap_err();

    assert!(matches!(error, RegistryError::IncompatibleInterface { .. }), "{error}");
    assert_eq!(error.to_string(), "raid interface `no-raid` is not supported by hardware type `picky`");
}

#[test]
fn row_f39_lists_that_are_empty_are_calculated() {
    let config = DriverConfig {
        enabled_hardware_types: names(&[FAKE_HARDWARE]),
        enabled_bios_interfaces: Vec::new(),
        enabled_boot_interfaces: Vec::new(),
        enabled_console_interfaces: Vec::new(),
        enabled_deploy_interfaces: Vec::new(),
        enabled_firmware_interfaces: Vec::new(),
        enabled_inspect_interfaces: Vec::new(),
        enabled_raid_interfaces: Vec::new(),
        enabled_rescue_interfaces: Vec::new(),
        enabled_vendor_interfaces: Vec::new(),
        ..DriverConfig::default()
    };

    let (driver, _) = filled(config, node());

    assert_eq!(driver.interface(InterfaceType::Boot).name(), "fake");
    assert_eq!(driver.interface(InterfaceType::Vendor).name(), "fake");
}

#[test]
fn row_f40_a_node_that_chooses_nothing_gets_every_slot_filled() {
    let (driver, node) = filled(all(), node());

    for kind in InterfaceType::ALL {
        assert_eq!(node.interfaces.get(kind), Some(driver.interface(kind).name()));
    }
}

#[test]
fn row_f41_configured_defaults_fill_the_slots_and_show_on_the_node() {
    let lacking = |kind: &str| Some(format!("no-{kind}"));
    let config = DriverConfig {
        default_bios_interface: lacking("bios"),
        default_boot_interface: Some("fake".to_owned()),
        default_console_interface: lacking("console"),
        default_deploy_interface: Some("fake".to_owned()),
        default_firmware_interface: lacking("firmware"),
        default_inspect_interface: lacking("inspect"),
        default_management_interface: Some("fake".to_owned()),
        default_network_interface: Some("noop".to_owned()),
        default_power_interface: Some("fake".to_owned()),
        default_raid_interface: lacking("raid"),
        default_rescue_interface: lacking("rescue"),
        default_storage_interface: Some("noop".to_owned()),
        default_vendor_interface: lacking("vendor"),
        ..all()
    };

    let (driver, node) = filled(config.clone(), node());

    for kind in InterfaceType::ALL {
        assert_eq!(Some(driver.interface(kind).name()), config.default_of(kind), "{kind}");
        assert_eq!(node.interfaces.get(kind), config.default_of(kind), "{kind}");
    }
}

/// Differs: it is noticed when the conductor starts, not when the first node needs it.
#[test]
fn row_f42_a_configured_default_that_does_not_exist_is_refused() {
    let config = DriverConfig { default_power_interface: Some("foobar".to_owned()), ..all() };

    let error = registry(config).unwrap_err();

    assert!(matches!(error, RegistryError::InterfaceNotFound { .. }), "{error}");
}

#[test]
fn row_f43_what_is_overridden_for_one_deployment_wins() {
    let mut node = node();
    node.interfaces.set(InterfaceType::Network, Some("noop".to_owned()));
    node.instance_info.insert("network_interface".to_owned(), json!("neutron"));

    let (driver, node) = filled(config(), node);

    assert_eq!(driver.interface(InterfaceType::Network).name(), "neutron");
    assert_eq!(node.interfaces.get(InterfaceType::Network), Some("noop"));
}

/// What is enabled and supported, by interface type.
fn enabled(config: DriverConfig) -> Vec<(InterfaceType, BTreeSet<String>)> {
    let registry = registry(config).unwrap();
    let of = |kind| {
        registry.enabled_supported(FAKE_HARDWARE, kind).unwrap().into_iter().map(str::to_owned).collect()
    };
    InterfaceType::ALL.into_iter().map(|kind| (kind, of(kind))).collect()
}

#[test]
fn row_f51_enabled_is_what_is_loaded_and_supported() {
    let enabled = enabled(all());

    for (kind, found) in enabled {
        let expected: &[&str] = match kind {
            InterfaceType::Boot
            | InterfaceType::Deploy
            | InterfaceType::Management
            | InterfaceType::Power => &["fake"],
            InterfaceType::Network | InterfaceType::Storage => &["noop"],
            InterfaceType::Bios => &["fake", "no-bios"],
            InterfaceType::Console => &["fake", "no-console"],
            InterfaceType::Firmware => &["fake", "no-firmware"],
            InterfaceType::Inspect => &["fake", "no-inspect"],
            InterfaceType::Raid => &["fake", "no-raid"],
            InterfaceType::Rescue => &["fake", "no-rescue"],
            InterfaceType::Vendor => &["fake", "no-vendor"],
        };
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected, "{kind}");
    }
}

#[test]
fn row_f52_another_list_enables_something_else() {
    let config = DriverConfig {
        enabled_storage_interfaces: names(&["fake"]),
        default_storage_interface: None,
        ..all()
    };

    let storage = enabled(config).into_iter().find(|(kind, _)| *kind == InterfaceType::Storage).unwrap().1;

    assert_eq!(storage.into_iter().collect::<Vec<_>>(), ["fake"]);
}

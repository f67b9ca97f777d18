//! What a node gets that chooses nothing: rows F23 to F32.

use super::*;

/// Offers a hardware type whose machines are managed by hand.
fn by_hand() -> DriverConfig {
    DriverConfig {
        enabled_hardware_types: names(&[MANUAL]),
        enabled_deploy_interfaces: names(&["noop"]),
        enabled_network_interfaces: names(&["flat", "neutron", "noop"]),
        enabled_raid_interfaces: names(&["no-raid"]),
        ..DriverConfig::default()
    }
}

/// The default of one interface type.
fn default(config: DriverConfig, kind: InterfaceType, node: Option<&str>) -> Result<String, RegistryError> {
    let registry = Registry::new(config, vec![fake(), networks(), manual(&["no-raid"])], Vec::new())?;
    registry.default_interface(MANUAL, kind, node).map(|interface| interface.name().to_owned())
}

#[test]
fn row_f23_the_configured_default_is_the_answer() {
    let config = DriverConfig {
        enabled_deploy_interfaces: names(&["ansible", "direct"]),
        default_deploy_interface: Some("ansible".to_owned()),
        ..by_hand()
    };

    assert_eq!(default(config, InterfaceType::Deploy, None).unwrap(), "ansible");
}

#[test]
fn row_f24_storage_is_noop_unless_configured() {
    assert_eq!(default(by_hand(), InterfaceType::Storage, None).unwrap(), "noop");
}

#[test]
fn row_f25_the_only_enabled_network_is_the_default() {
    let config = DriverConfig { enabled_network_interfaces: names(&["neutron"]), ..by_hand() };

    assert_eq!(default(config, InterfaceType::Network, None).unwrap(), "neutron");
}

#[test]
fn row_f26_the_only_enabled_deploy_interface_is_the_default() {
    let config = DriverConfig { enabled_deploy_interfaces: names(&["ansible"]), ..by_hand() };

    assert_eq!(default(config, InterfaceType::Deploy, None).unwrap(), "ansible");
}

#[test]
fn row_f27_the_order_of_the_hardware_type_counts_and_not_that_of_the_option() {
    let config = DriverConfig { enabled_deploy_interfaces: names(&["ansible", "direct"]), ..by_hand() };

    assert_eq!(default(config, InterfaceType::Deploy, None).unwrap(), "direct");
}

#[test]
fn row_f28_what_the_hardware_type_does_not_support_is_no_default() {
    let config = DriverConfig { enabled_deploy_interfaces: names(&["fake", "ansible"]), ..by_hand() };

    assert_eq!(default(config, InterfaceType::Deploy, None).unwrap(), "ansible");
}

/// Differs: the name of the hardware type is its only one.
#[test]
fn row_f29_f30_f31_without_a_list_the_best_of_the_hardware_type_is_the_default() {
    let config = DriverConfig { enabled_power_interfaces: Vec::new(), ..by_hand() };

    assert_eq!(default(config.clone(), InterfaceType::Power, None).unwrap(), "agent");
    assert_eq!(default(config, InterfaceType::Power, Some("node-1")).unwrap(), "agent");
}

/// Differs: it is noticed when the conductor starts, not when the first node needs it.
#[test]
fn row_f32_a_configured_default_that_a_hardware_type_does_not_support_is_none() {
    let config = DriverConfig {
        enabled_deploy_interfaces: names(&["fake", "ansible"]),
        default_deploy_interface: Some("fake".to_owned()),
        ..by_hand()
    };

    let error = default(config, InterfaceType::Deploy, None).unwrap_err();

    let RegistryError::NoValidDefault { kind, hardware, .. } = &error else { panic!("{error}") };
    assert_eq!((*kind, hardware.as_str()), (InterfaceType::Deploy, MANUAL));
}

#[test]
fn a_hardware_type_without_any_usable_implementation_is_refused() {
    let plugins = vec![fake(), networks(), manual(&["agent"])];

    let error = Registry::new(by_hand(), plugins, Vec::new()).unwrap_err();

    let text = "no default raid interface could be determined for hardware type `manual-management`";
    assert!(error.to_string().starts_with(text), "{error}");
}

#[test]
fn the_node_is_named_that_lacks_a_default() {
    let node = RegistryError::NoValidDefault {
        kind: InterfaceType::Raid,
        hardware: MANUAL.to_owned(),
        node: Some("node-1".to_owned()),
    };

    assert!(node.to_string().contains("for node node-1 with hardware type `manual-management`"), "{node}");
}

use farrier_host::Plugin;
use farrier_model::node::Node;
use serde_json::{Map, json};
use uuid::Uuid;

use super::*;

fn config() -> DriverConfig {
    DriverConfig {
        enabled_hardware_types: vec![FAKE_HARDWARE.to_owned()],
        enabled_boot_interfaces: vec!["fake".to_owned()],
        enabled_deploy_interfaces: vec!["fake".to_owned()],
        ..DriverConfig::default()
    }
}

fn registry(config: DriverConfig) -> Result<Registry, RegistryError> {
    let fake = Plugin::linked(farrier_fake::farrier_plugin(), Map::new()).unwrap();
    Registry::new(config, vec![fake], Vec::new())
}

fn node() -> Node {
    Node::new(Uuid::from_u128(1), FAKE_HARDWARE)
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn an_empty_node_gets_every_default() {
    let registry = registry(config()).unwrap();
    let mut node = node();

    assert!(registry.check_and_update_interfaces(&mut node).unwrap());

    assert_eq!(node.interfaces.get(InterfaceType::Power), Some("fake"));
    assert_eq!(node.interfaces.get(InterfaceType::Storage), Some("noop"));
    assert_eq!(node.interfaces.get(InterfaceType::Network), Some("noop"));
    assert_eq!(node.interfaces.iter().count(), 13);
    assert!(!registry.check_and_update_interfaces(&mut node).unwrap());
}

#[test]
fn an_override_for_one_deployment_wins_and_null_is_none() {
    let mut config = config();
    config.enabled_raid_interfaces = names(&["no-raid", "fake"]);
    let registry = registry(config).unwrap();
    let mut node = node();
    node.interfaces.set(InterfaceType::Raid, Some("no-raid".to_owned()));
    node.instance_info.insert("raid_interface".to_owned(), json!("fake"));
    node.instance_info.insert("power_interface".to_owned(), json!(null));

    let driver = registry.assemble(&mut node).unwrap();

    assert_eq!(driver.interface(InterfaceType::Raid).name(), "fake");
    assert_eq!(driver.interface(InterfaceType::Power).name(), "fake");
    assert_eq!(node.interfaces.get(InterfaceType::Raid), Some("no-raid"));
}

#[test]
fn an_unknown_interface_names_the_valid_ones() {
    let registry = registry(config()).unwrap();
    let mut node = node();
    node.interfaces.set(InterfaceType::Power, Some("foobar".to_owned()));

    let error = registry.assemble(&mut node).unwrap_err();

    assert_eq!(error.to_string(), "could not find power interface `foobar`, enabled are [fake]");
}

#[test]
fn an_unknown_driver_names_the_enabled_ones() {
    let registry = registry(config()).unwrap();

    let error = registry.hardware_type("fake_agent").map(drop).unwrap_err();

    assert_eq!(error.to_string(), "driver `fake_agent` could not be found, enabled are [fake-hardware]");
}

#[test]
fn a_driver_that_a_refused_library_offers_says_why_it_was_refused() {
    let fake = Plugin::linked(farrier_fake::farrier_plugin(), Map::new()).unwrap();
    let refused = RefusedLibrary {
        file: "libacme.so".to_owned(),
        reason: "needs GLIBC 2.38, this system has 2.36".to_owned(),
        hardware_types: names(&["acme"]),
        interfaces: Vec::new(),
    };
    let registry = Registry::new(config(), vec![fake], vec![refused]).unwrap();

    let error = registry.hardware_type("acme").map(drop).unwrap_err();

    assert!(
        error
            .to_string()
            .ends_with("`libacme.so` offers it but was refused: needs GLIBC 2.38, this system has 2.36"),
        "{error}"
    );
}

#[test]
fn nothing_enabled_is_refused() {
    let config = DriverConfig { enabled_hardware_types: Vec::new(), ..config() };

    assert!(matches!(registry(config), Err(RegistryError::NoDriversLoaded)));
}

#[test]
fn an_enabled_name_that_nobody_offers_is_refused_with_its_group() {
    let config = DriverConfig { enabled_power_interfaces: names(&["fake", "telepathy"]), ..config() };

    let error = registry(config).unwrap_err();

    let RegistryError::DriverNotFoundInEntrypoint { names, group, .. } = &error else { panic!("{error}") };
    assert_eq!(names.to_string(), "[telepathy]");
    assert_eq!(group, "ironic.hardware.interfaces.power");
}

#[test]
fn repeated_and_empty_names_are_dropped() {
    let config =
        DriverConfig { enabled_hardware_types: names(&["", FAKE_HARDWARE, FAKE_HARDWARE]), ..config() };

    assert_eq!(registry(config).unwrap().hardware_types().count(), 1);
}

#[test]
fn a_configured_default_that_does_not_exist_is_refused() {
    let config = DriverConfig { default_power_interface: Some("foobar".to_owned()), ..config() };

    assert!(matches!(registry(config), Err(RegistryError::InterfaceNotFound { .. })));
}

#[test]
fn two_plugins_with_one_name_are_refused() {
    let fake = || Plugin::linked(farrier_fake::farrier_plugin(), Map::new()).unwrap();
    let mut descriptor = fake().descriptor().clone();
    descriptor.name = "other".to_owned();
    let options = farrier_host::OpenConfig { linked: true, ..Default::default() };
    let other =
        Plugin::open(farrier_fake::farrier_plugin(), descriptor, farrier_host::Origin::Linked, &options);

    let error = Registry::new(config(), vec![fake(), other.unwrap()], Vec::new()).unwrap_err();

    assert!(matches!(error, RegistryError::Duplicate { .. }), "{error}");
}

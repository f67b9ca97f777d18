//! What is checked and completed on a node: rows F10 to F22, and F44 to F50.

use super::*;

fn with_network(network: Option<&str>) -> Node {
    let mut node = node();
    node.interfaces.set(InterfaceType::Network, network.map(str::to_owned));
    node
}

/// The network a node has after it was checked, and whether it was changed.
fn checked(config: DriverConfig, mut node: Node, kind: InterfaceType) -> (bool, Option<String>) {
    let changed = registry(config).unwrap().check_and_update_interfaces(&mut node).unwrap();
    (changed, node.interfaces.get(kind).map(str::to_owned))
}

fn is_not_found(error: &RegistryError, kind: InterfaceType, name: &str) -> bool {
    matches!(error, RegistryError::InterfaceNotFound { kind: of, name: found, .. } if *of == kind && found == name)
}

#[test]
fn row_f10_nodes_with_one_network_share_its_implementation() {
    let registry = registry(config()).unwrap();
    let (mut first, mut second) = (with_network(Some("flat")), with_network(Some("flat")));

    let first = registry.assemble(&mut first).unwrap();
    let second = registry.assemble(&mut second).unwrap();

    let network = first.interface(InterfaceType::Network);
    assert_eq!(network.name(), "flat");
    assert!(Arc::ptr_eq(network, second.interface(InterfaceType::Network)));
    let enabled = registry.enabled_supported(FAKE_HARDWARE, InterfaceType::Network).unwrap();
    assert_eq!(enabled, ["flat", "neutron", "noop"]);
    assert_eq!(InterfaceType::Network.group(), "ironic.hardware.interfaces.network");
}

#[test]
fn row_f11_a_node_without_a_network_gets_the_best_that_is_enabled() {
    let registry = registry(config()).unwrap();

    let driver = registry.assemble(&mut with_network(None)).unwrap();

    assert_eq!(driver.interface(InterfaceType::Network).name(), "flat");
}

#[test]
fn row_f12_an_unknown_network_names_the_enabled_ones() {
    let registry = registry(config()).unwrap();

    let error = registry.assemble(&mut with_network(Some("meow"))).unwrap_err();

    assert_eq!(
        error.to_string(),
        "could not find network interface `meow`, enabled are [flat, neutron, noop]"
    );
}

#[test]
fn row_f13_a_node_without_a_storage_gets_noop_in_memory() {
    let registry = registry(config()).unwrap();
    let mut node = node();

    let driver = registry.assemble(&mut node).unwrap();

    assert_eq!(driver.interface(InterfaceType::Storage).name(), "noop");
    assert_eq!(node.interfaces.get(InterfaceType::Storage), Some("noop"));
}

/// Differs: a name that is null is not there; there is no third way to be unset.
#[test]
fn row_f14_f15_a_missing_network_is_filled_in_and_that_is_said() {
    let flat = (true, Some("flat".to_owned()));

    assert_eq!(checked(config(), with_network(None), InterfaceType::Network), flat);
}

#[test]
fn row_f16_a_configured_default_is_filled_in() {
    let config = DriverConfig { default_network_interface: Some("noop".to_owned()), ..config() };

    let noop = (true, Some("noop".to_owned()));
    assert_eq!(checked(config, with_network(None), InterfaceType::Network), noop);
}

#[test]
fn row_f17_what_a_node_chooses_stays_while_the_rest_is_filled_in() {
    let registry = registry(config()).unwrap();
    let mut node = with_network(Some("noop"));
    node.interfaces.set(InterfaceType::Storage, Some("noop".to_owned()));

    assert!(registry.check_and_update_interfaces(&mut node).unwrap());

    assert_eq!(node.interfaces.get(InterfaceType::Network), Some("noop"));
    assert_eq!(node.interfaces.get(InterfaceType::Storage), Some("noop"));
    assert_eq!(node.interfaces.iter().count(), 13);
    assert!(!registry.check_and_update_interfaces(&mut node).unwrap(), "nothing is left to fill in");
}

#[test]
fn row_f18_an_unknown_network_is_refused() {
    let registry = registry(config()).unwrap();

    let error = registry.check_and_update_interfaces(&mut with_network(Some("banana"))).unwrap_err();

    assert!(is_not_found(&error, InterfaceType::Network, "banana"), "{error}");
}

#[test]
fn row_f19_what_is_overridden_for_one_deployment_is_not_filled_in() {
    let registry = registry(config()).unwrap();
    let mut node = node();
    let overrides = json!({"network_interface": "noop", "storage_interface": "noop"});
    node.instance_info = overrides.as_object().unwrap().clone();

    assert!(registry.check_and_update_interfaces(&mut node).unwrap());

    assert_eq!(node.interfaces.get(InterfaceType::Network), None);
    assert_eq!(node.interfaces.get(InterfaceType::Storage), None);
    assert_eq!(serde_json::Value::Object(node.instance_info), overrides);
}

#[test]
fn row_f20_an_override_that_is_unknown_is_refused() {
    let registry = registry(config()).unwrap();
    let mut node = with_network(Some("flat"));
    node.instance_info.insert("network_interface".to_owned(), json!("banana"));

    let error = registry.check_and_update_interfaces(&mut node).unwrap_err();

    assert!(is_not_found(&error, InterfaceType::Network, "banana"), "{error}");
}

/// Differs: the check is the same for a node that is new and one that is not.
#[test]
fn row_f21_f22_every_interface_type_keeps_what_was_chosen() {
    let registry = registry(config()).unwrap();
    for kind in InterfaceType::ALL {
        let mut node = node();
        let enabled = registry.enabled_supported(FAKE_HARDWARE, kind).unwrap();
        let last = (*enabled.last().unwrap()).to_owned();
        node.interfaces.set(kind, Some(last.clone()));

        assert!(registry.check_and_update_interfaces(&mut node).unwrap());

        assert_eq!(node.interfaces.get(kind), Some(last.as_str()), "{kind}");
    }
}

/// Differs: as F14 and F15.
#[test]
fn row_f44_f45_a_missing_storage_is_filled_in_and_that_is_said() {
    assert_eq!(checked(config(), node(), InterfaceType::Storage), (true, Some("noop".to_owned())));
}

#[test]
fn row_f46_the_configured_default_storage_wins() {
    let config = DriverConfig {
        enabled_storage_interfaces: names(&["noop", "fake"]),
        default_storage_interface: Some("fake".to_owned()),
        ..config()
    };

    assert_eq!(checked(config, node(), InterfaceType::Storage), (true, Some("fake".to_owned())));
}

#[test]
fn row_f47_an_unknown_storage_is_refused() {
    let mut node = node();
    node.interfaces.set(InterfaceType::Storage, Some("scoop".to_owned()));

    let error = registry(config()).unwrap().check_and_update_interfaces(&mut node).unwrap_err();

    assert!(is_not_found(&error, InterfaceType::Storage, "scoop"), "{error}");
}

#[test]
fn row_f48_the_configured_default_rescue_wins() {
    let config = DriverConfig {
        enabled_rescue_interfaces: names(&["fake", "no-rescue"]),
        default_rescue_interface: Some("fake".to_owned()),
        ..config()
    };

    assert_eq!(checked(config, node(), InterfaceType::Rescue), (true, Some("fake".to_owned())));
}

#[test]
fn row_f49_an_unknown_rescue_is_refused() {
    let mut node = node();
    node.interfaces.set(InterfaceType::Rescue, Some("scoop".to_owned()));

    let error = registry(config()).unwrap().check_and_update_interfaces(&mut node).unwrap_err();

    assert!(is_not_found(&error, InterfaceType::Rescue, "scoop"), "{error}");
}

#[test]
fn row_f50_without_a_list_the_first_of_each_hardware_type_is_enabled() {
    let config = DriverConfig { enabled_raid_interfaces: Vec::new(), ..config() };

    assert_eq!(checked(config, node(), InterfaceType::Raid), (true, Some("fake".to_owned())));
}

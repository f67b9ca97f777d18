//! Reading what plugins say, then opening what is enabled: rows F53 to F60.
//!
//! The reference can load a group and construct its items later. Here the first half is done without any code of a
//! plugin, from descriptors, and the second makes the registry: there is nothing in between that could be asked.

use super::*;

/// The fake driver with a power interface that counts how often it is made.
fn counted(made: &Made) -> Vec<Plugin> {
    vec![fake(), networks(), Plugin::builtin("agent", vec![made.agent()]).unwrap()]
}

fn with_agent() -> DriverConfig {
    DriverConfig { enabled_power_interfaces: names(&["fake", "agent"]), ..config() }
}

fn enabled(plugins: &[Plugin], config: &DriverConfig) -> Enabled {
    let descriptors: Vec<&Descriptor> = plugins.iter().map(Plugin::descriptor).collect();
    Enabled::new(config, &descriptors, &[]).unwrap()
}

#[test]
fn row_f53_working_out_what_is_enabled_makes_nothing() {
    let made = Made::default();
    let plugins = counted(&made);

    let enabled = enabled(&plugins, &with_agent());

    assert_eq!(enabled.interfaces(InterfaceType::Power), names(&["fake", "agent"]));
    assert_eq!(made.count(), 0);
}

#[test]
fn row_f54_everything_enabled_is_described_before_it_is_made() {
    let made = Made::default();
    let plugins = counted(&made);

    let enabled = enabled(&plugins, &with_agent());

    for kind in [InterfaceType::Power, InterfaceType::Management, InterfaceType::Boot] {
        for name in enabled.interfaces(kind) {
            let described = plugins.iter().find_map(|plugin| plugin.descriptor().interface(kind, name));
            assert!(described.is_some_and(|described| !described.methods.is_empty()), "{kind} {name}");
        }
    }
    assert_eq!(made.count(), 0);
}

/// Differs: before it is made there is no registry to be asked, so nobody can ask too early.
#[test]
fn row_f55_f56_what_a_registry_hands_out_was_made_once() {
    let made = Made::default();

    let registry = Registry::new(with_agent(), counted(&made), Vec::new()).unwrap();

    assert_eq!(made.count(), 1);
    assert_eq!(registry.interface(FAKE_HARDWARE, InterfaceType::Power, "agent").unwrap().name(), "agent");
}

#[test]
fn row_f57_opening_again_makes_nothing_again() {
    let made = Made::default();
    let registry = Registry::new(with_agent(), counted(&made), Vec::new()).unwrap();
    let plugin = registry.plugins().iter().find(|plugin| plugin.name() == "agent").unwrap();

    let again = plugin.open_interface(InterfaceType::Power, "agent").unwrap();

    assert_eq!(made.count(), 1);
    let first = registry.interface(FAKE_HARDWARE, InterfaceType::Power, "agent").unwrap();
    assert!(Arc::ptr_eq(&again, first));
}

#[test]
fn row_f58_what_can_not_be_made_is_a_load_error() {
    let broken = fake_with(|descriptor| {
        let power = descriptor.interfaces.iter_mut().find(|found| found.kind == InterfaceType::Power);
        power.unwrap().name = "phantom".to_owned();
    });
    let config = DriverConfig { enabled_power_interfaces: names(&["phantom"]), ..config() };

    let error = Registry::new(config, vec![broken, networks()], Vec::new()).unwrap_err();

    assert!(matches!(error, RegistryError::DriverLoad { .. }), "{error}");
}

/// Differs: nothing to load is its own error.
#[test]
fn row_f59_without_a_hardware_type_there_is_no_registry() {
    let config = DriverConfig { enabled_hardware_types: Vec::new(), ..config() };

    assert!(matches!(registry(config), Err(RegistryError::NoDriversLoaded)));
}

#[test]
fn row_f60_what_was_made_is_what_was_described() {
    let made = Made::default();
    let plugins = counted(&made);
    let described = plugins[2].descriptor().interface(InterfaceType::Power, "agent").unwrap().clone();

    let registry = Registry::new(with_agent(), plugins, Vec::new()).unwrap();

    let opened = registry.interface(FAKE_HARDWARE, InterfaceType::Power, "agent").unwrap();
    assert_eq!(*opened.descriptor(), described);
}

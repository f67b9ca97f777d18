//! Rows F1 to F9.

use super::*;
use crate::log_capture::LogCapture;

/// The fake driver claiming a power interface that its library does not have.
fn boastful() -> Plugin {
    fake_with(|descriptor| {
        let mut phantom = descriptor.interface(InterfaceType::Power, "fake").unwrap().clone();
        phantom.name = "phantom".to_owned();
        descriptor.interfaces.push(phantom);
    })
}

/// Differs: whatever keeps an implementation from being opened is one error, with what the plugin said as its cause.
#[test]
fn row_f01_f02_an_enabled_implementation_that_can_not_be_opened_is_a_load_error() {
    let config = DriverConfig { enabled_power_interfaces: names(&["fake", "phantom"]), ..config() };

    let error = Registry::new(config, vec![boastful(), networks()], Vec::new()).unwrap_err();

    let RegistryError::DriverLoad { kind, name, plugin, source } = &error else { panic!("{error:?}") };
    assert_eq!((*kind, name.as_str(), plugin.as_str()), (InterfaceType::Power, "phantom", "fake"));
    assert!(source.to_string().contains("phantom"), "{source}");
}

#[test]
fn row_f03_what_is_not_enabled_may_be_broken() {
    let log = LogCapture::start();

    assert!(Registry::new(config(), vec![boastful(), networks()], Vec::new()).is_ok());

    let power = |line: &str| line.contains("interfaces are loaded") && line.contains("interface=power");
    let lines = log.lines(power);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("fake") && !lines[0].contains("phantom"), "{lines:?}");
}

#[test]
fn row_f04_a_name_that_is_enabled_twice_counts_once_and_is_warned_of() {
    let log = LogCapture::start();
    let config = DriverConfig {
        enabled_hardware_types: names(&[FAKE_HARDWARE, FAKE_HARDWARE]),
        enabled_network_interfaces: names(&["noop", "flat", "noop", "flat"]),
        ..config()
    };

    let registry = registry(config).unwrap();

    assert_eq!(registry.hardware_types().count(), 1);
    let warnings = log.lines(|line| line.starts_with("WARN") && line.contains("repeated names are ignored"));
    assert_eq!(warnings.len(), 2, "one for each list");
    assert!(warnings[0].contains("enabled_hardware_types"), "{warnings:?}");
    assert!(warnings[1].contains(r#"["noop", "flat"]"#), "{warnings:?}");
}

#[test]
fn row_f05_an_empty_name_is_left_out_and_warned_of() {
    let log = LogCapture::start();
    let config = DriverConfig { enabled_hardware_types: names(&["", FAKE_HARDWARE]), ..config() };

    let registry = registry(config).unwrap();

    assert_eq!(registry.hardware_types().count(), 1);
    let warnings = log.lines(|line| line.starts_with("WARN"));
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("empty") && warnings[0].contains("enabled_hardware_types"), "{warnings:?}");
}

/// Whether the use of `telepathy` is warned of, if it is described as `supported`.
fn warned_of(supported: bool) -> Vec<String> {
    let log = LogCapture::start();
    let fake = fake_with(|descriptor| {
        for interface in &mut descriptor.interfaces {
            if interface.kind == InterfaceType::Power {
                interface.supported = supported;
            }
        }
    });
    let registry = Registry::new(config(), vec![fake, networks()], Vec::new()).unwrap();
    assert_eq!(registry.hardware_types().count(), 1);
    log.lines(|line| line.starts_with("WARN"))
}

#[test]
fn row_f06_f07_what_is_supported_is_loaded_without_a_warning() {
    assert_eq!(warned_of(true), Vec::<String>::new());
}

#[test]
fn row_f08_what_nobody_supports_any_more_is_loaded_with_a_warning() {
    let warnings = warned_of(false);

    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("not supported") && warnings[0].contains("power"), "{warnings:?}");
}

/// Nobody answers for it any more.
struct Telepathy;

#[interface(power, name = "telepathy", unsupported)]
impl PowerInterface for Telepathy {
    type Info = NoInfo;

    async fn get_power_state(&self, _task: &DriverTask<NoInfo>) -> farrier_sdk::error::Result<PowerState> {
        Ok(PowerState::Unknown)
    }

    async fn set_power_state(
        &self,
        _task: &DriverTask<NoInfo>,
        _state: PowerState,
        _timeout: Option<Duration>,
    ) -> farrier_sdk::error::Result<()> {
        Ok(())
    }

    async fn reboot(
        &self,
        _task: &DriverTask<NoInfo>,
        _timeout: Option<Duration>,
    ) -> farrier_sdk::error::Result<()> {
        Ok(())
    }
}

#[test]
fn an_implementation_says_itself_that_it_is_not_supported() {
    let plugin = Plugin::builtin("mind", vec![Builtin::new(|| Telepathy), Builtin::new(|| Agent)]).unwrap();

    let supported: Vec<bool> =
        plugin.descriptor().interfaces.iter().map(|interface| interface.supported).collect();

    assert_eq!(supported, [false, true]);
}

/// Differs: the interface types are known for good, and an option for another one is refused.
#[test]
fn row_f09_there_are_no_unknown_groups() {
    assert!("unknown".parse::<InterfaceType>().is_err());

    let read = serde_json::from_value::<DriverConfig>(json!({"enabled_unknown_interfaces": ["fake"]}));

    assert!(read.unwrap_err().to_string().contains("enabled_unknown_interfaces"));
}

#[test]
fn a_name_that_nobody_offers_is_refused_with_its_group_and_all_others_missing() {
    let list = names(&["fake", "telepathy", "magic"]);
    let config = DriverConfig { enabled_power_interfaces: list, ..config() };

    let error = registry(config).unwrap_err();

    let RegistryError::DriverNotFoundInEntrypoint { names, group, .. } = &error else { panic!("{error}") };
    assert_eq!(names.to_string(), "[telepathy, magic]");
    assert_eq!(group, "ironic.hardware.interfaces.power");
}

#[test]
fn a_hardware_type_that_nobody_offers_is_refused_with_its_group() {
    let config = DriverConfig { enabled_hardware_types: names(&[FAKE_HARDWARE, "acme"]), ..config() };

    let error = registry(config).unwrap_err();

    let RegistryError::DriverNotFoundInEntrypoint { names, group, .. } = &error else { panic!("{error}") };
    assert_eq!((names.to_string(), group.as_str()), ("[acme]".to_owned(), "ironic.hardware.types"));
}

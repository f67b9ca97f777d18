//! Which drivers there are, and which a node gets. The rows F1 to F60 are those of the reference's own tests of its
//! driver factory.

mod assembly;
mod choice;
mod defaults;
mod loading;
mod phases;

use std::sync::atomic::{AtomicUsize, Ordering};

use farrier_host::{Builtin, OpenConfig, Origin, Plugin};
use farrier_model::node::Node;
use farrier_sdk::descriptor::Descriptor;
use farrier_sdk::prelude::{DriverTask, Duration, NoInfo, PowerInterface, PowerState, interface};
use serde_json::{Map, json};
use uuid::Uuid;

use super::builtin::{NoopDeploy, NoopNetwork};
use super::*;

const NETWORKS: [&str; 4] = ["flat", "neutron", "ironic-networking", "noop"];

/// Offers `fake-hardware` with three networks.
fn config() -> DriverConfig {
    DriverConfig {
        enabled_hardware_types: names(&[FAKE_HARDWARE]),
        enabled_boot_interfaces: names(&["fake"]),
        enabled_deploy_interfaces: names(&["fake"]),
        enabled_network_interfaces: names(&["flat", "neutron", "noop"]),
        ..DriverConfig::default()
    }
}

fn registry(config: DriverConfig) -> Result<Registry, RegistryError> {
    Registry::new(config, vec![fake(), networks()], Vec::new())
}

/// The fake driver; its hardware type supports all networks there are.
fn fake() -> Plugin {
    fake_with(|_| ())
}

/// The fake driver telling something else about itself.
fn fake_with(edit: impl FnOnce(&mut Descriptor)) -> Plugin {
    let linked = Plugin::linked(farrier_fake::farrier_plugin(), Map::new()).unwrap();
    let mut descriptor = linked.descriptor().clone();
    let lists = descriptor.hardware_types.get_mut(FAKE_HARDWARE).unwrap();
    lists.insert(InterfaceType::Network, names(&NETWORKS));
    edit(&mut descriptor);
    let options = OpenConfig { linked: true, ..OpenConfig::default() };
    Plugin::open(farrier_fake::farrier_plugin(), descriptor, Origin::Linked, &options).unwrap()
}

/// Two networks, each as idle as `noop`.
fn networks() -> Plugin {
    let network = |name| Builtin::new(|| NoopNetwork).named(name);
    Plugin::builtin("networks", vec![network("flat"), network("neutron")]).unwrap()
}

/// Switches nothing.
struct Agent;

#[interface(power, name = "agent")]
impl PowerInterface for Agent {
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

/// How often something was made.
#[derive(Clone, Default)]
struct Made(Arc<AtomicUsize>);

impl Made {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A power interface that counts.
    fn agent(&self) -> Builtin {
        let made = Arc::clone(&self.0);
        Builtin::new(move || {
            made.fetch_add(1, Ordering::SeqCst);
            Agent
        })
    }
}

const MANUAL: &str = "manual-management";

/// A hardware type whose machines are managed by hand, with the lists that the reference gives it but for RAID.
fn manual(raid: &[&str]) -> Plugin {
    let deploy = |name| Builtin::new(|| NoopDeploy).named(name);
    let parts = vec![Builtin::new(|| Agent), deploy("direct"), deploy("ansible")];
    let generic = ["autodetect", "direct", "ansible", "ramdisk", "anaconda", "bootc", "custom-agent", "noop"];
    let supported = BTreeMap::from([
        (InterfaceType::Boot, names(&["ipxe", "pxe", "noop"])),
        (InterfaceType::Deploy, names(&generic)),
        (InterfaceType::Management, names(&["noop", "fake"])),
        (InterfaceType::Network, names(&NETWORKS)),
        (InterfaceType::Power, names(&["agent", "fake"])),
        (InterfaceType::Raid, names(raid)),
        (InterfaceType::Storage, names(&["noop", "cinder"])),
    ]);
    Plugin::builtin("manual", parts).unwrap().offering(MANUAL, supported)
}

fn node() -> Node {
    Node::new(Uuid::from_u128(1), FAKE_HARDWARE)
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_driver_that_a_refused_library_offers_says_why_it_was_refused() {
    let refused = RefusedLibrary {
        file: "libacme.so".to_owned(),
        reason: "needs GLIBC 2.38, this system has 2.36".to_owned(),
        hardware_types: names(&["acme"]),
        interfaces: Vec::new(),
    };
    let registry = Registry::new(config(), vec![fake(), networks()], vec![refused]).unwrap();

    let error = registry.hardware_type("acme").map(drop).unwrap_err();

    assert!(
        error
            .to_string()
            .ends_with("`libacme.so` offers it but was refused: needs GLIBC 2.38, this system has 2.36"),
        "{error}"
    );
}

#[test]
fn two_plugins_with_one_name_are_refused() {
    let other = fake_with(|descriptor| descriptor.name = "other".to_owned());

    let error = Registry::new(config(), vec![fake(), other], Vec::new()).unwrap_err();

    assert!(matches!(error, RegistryError::Duplicate { .. }), "{error}");
}

#[test]
fn a_plugin_can_not_take_the_place_of_what_is_built_in() {
    let other = Plugin::builtin("other", vec![Builtin::new(|| NoopNetwork)]).unwrap();

    let error = Registry::new(config(), vec![fake(), networks(), other], Vec::new()).unwrap_err();

    assert_eq!(
        error.to_string(),
        "network interface `noop` is offered by plugin `builtin` and by plugin `other`, remove one of them"
    );
}

#[test]
fn an_override_for_one_deployment_that_is_null_is_none() {
    let registry = registry(config()).unwrap();
    let mut node = node();
    node.instance_info.insert("power_interface".to_owned(), json!(null));

    let driver = registry.assemble(&mut node).unwrap();

    assert_eq!(driver.interface(InterfaceType::Power).name(), "fake");
}

//! Hardware types and interface implementations, and which of them a node gets.
//!
//! Source: Ironic's driver factory.

mod builtin;
mod enabled;
mod error;

use std::collections::BTreeMap;
use std::sync::Arc;

use farrier_host::{Interface, Plugin};
use farrier_model::node::Node;
use farrier_sdk::descriptor::PropertyDescriptor;
use farrier_sdk::interface::InterfaceType;
use tracing::{debug, info, warn};

use crate::config::DriverConfig;

pub use builtin::{builtin_names, builtins};
pub use enabled::Enabled;
pub use error::{RefusedLibrary, RegistryError, RegistryNames};

/// The hardware type that accepts every implementation: it is there to test all combinations.
const FAKE_HARDWARE: &str = "fake-hardware";

/// Group name of hardware types that operators know from Ironic.
pub const HARDWARE_GROUP: &str = "ironic.hardware.types";

/// What this conductor offers. Never changes once it is made.
#[derive(Debug)]
pub struct Registry {
    config: DriverConfig,
    hardware: BTreeMap<String, HardwareType>,
    interfaces: BTreeMap<InterfaceType, BTreeMap<String, Arc<Interface>>>,
    refused: Vec<RefusedLibrary>,
    plugins: Vec<Plugin>,
}

/// A named list of the implementations that fit one kind of machine.
#[derive(Debug, Clone)]
pub struct HardwareType {
    /// Its name.
    pub name: String,
    /// The plugin that offers it.
    pub plugin: String,
    /// Supported implementations per interface type, best first.
    pub supported: BTreeMap<InterfaceType, Vec<String>>,
}

/// The 13 slots of one node, filled.
#[derive(Debug, Clone)]
pub struct Driver {
    /// The node's hardware type.
    pub hardware_type: String,
    slots: BTreeMap<InterfaceType, Arc<Interface>>,
}

impl Driver {
    /// The implementation in one slot.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a driver is only made with every slot filled")]
    pub fn interface(&self, kind: InterfaceType) -> &Arc<Interface> {
        self.slots.get(&kind).expect("every slot is filled when a driver is assembled")
    }

    /// Keys of `driver_info` that must not be shown, as far as the implementations declare them.
    #[must_use]
    pub fn secret_keys(&self) -> Vec<&str> {
        let properties = self.slots.values().flat_map(|interface| &interface.descriptor().properties);
        properties.filter(|property| property.secret).map(|property| property.name.as_str()).collect()
    }
}

impl Registry {
    /// Takes what is enabled from `plugins` and the built-in implementations.
    ///
    /// `refused` are libraries that were not loaded; errors quote them where they would have helped.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::NoDriversLoaded`]: no hardware type is enabled.
    /// - [`RegistryError::DriverNotFoundInEntrypoint`]: an enabled name is offered by nobody.
    /// - [`RegistryError::Duplicate`]: two plugins offer the same name.
    /// - [`RegistryError::DriverLoad`]: an implementation could not be opened.
    /// - [`RegistryError::NoValidDefault`] and kin: a hardware type lacks a usable implementation.
    pub fn new(
        config: DriverConfig,
        mut plugins: Vec<Plugin>,
        refused: Vec<RefusedLibrary>,
    ) -> Result<Self, RegistryError> {
        plugins.insert(0, builtins()?);
        refuse_duplicates(&plugins)?;
        let descriptors: Vec<_> = plugins.iter().map(Plugin::descriptor).collect();
        let enabled = Enabled::new(&config, &descriptors, &refused)?;
        let hardware = hardware_types(&enabled, &plugins);
        let mut interfaces = BTreeMap::new();
        for kind in InterfaceType::ALL {
            interfaces.insert(kind, open_interfaces(kind, enabled.interfaces(kind), &plugins)?);
        }
        let registry = Self { config, hardware, interfaces, refused, plugins };
        for name in registry.hardware.keys() {
            for kind in InterfaceType::ALL {
                registry.default_interface(name, kind, None)?;
            }
        }
        let types: Vec<_> = registry.hardware.keys().collect();
        info!(?types, "hardware types are loaded");
        Ok(registry)
    }

    /// Enabled hardware types, by name.
    pub fn hardware_types(&self) -> impl Iterator<Item = &HardwareType> {
        self.hardware.values()
    }

    /// Plugins in use; the built-in implementations are the first.
    #[must_use]
    pub fn plugins(&self) -> &[Plugin] {
        &self.plugins
    }

    /// A hardware type.
    ///
    /// # Errors
    ///
    /// [`RegistryError::DriverNotFound`], quoting the refused library that offers it, if one does.
    pub fn hardware_type(&self, name: &str) -> Result<&HardwareType, RegistryError> {
        self.hardware.get(name).ok_or_else(|| RegistryError::DriverNotFound {
            name: name.to_owned(),
            valid: RegistryNames(self.hardware.keys().cloned().collect()),
            refused: RefusedLibrary::of_hardware(&self.refused, name),
        })
    }

    /// Names of enabled implementations of `kind` that a hardware type supports, best first.
    ///
    /// # Errors
    ///
    /// [`RegistryError::DriverNotFound`].
    pub fn enabled_supported(&self, hardware: &str, kind: InterfaceType) -> Result<Vec<&str>, RegistryError> {
        let hardware = self.hardware_type(hardware)?;
        let supported = hardware.supported.get(&kind).map(Vec::as_slice).unwrap_or_default();
        Ok(supported.iter().filter_map(|name| self.find(kind, name)).map(|found| found.name()).collect())
    }

    /// Finds an implementation and checks that the hardware type supports it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::DriverNotFound`], [`RegistryError::InterfaceNotFound`],
    /// [`RegistryError::IncompatibleInterface`].
    pub fn interface(
        &self,
        hardware: &str,
        kind: InterfaceType,
        name: &str,
    ) -> Result<&Arc<Interface>, RegistryError> {
        let hardware = self.hardware_type(hardware)?;
        let found = self.find(kind, name).ok_or_else(|| RegistryError::InterfaceNotFound {
            kind,
            name: name.to_owned(),
            valid: RegistryNames(self.names(kind)),
            refused: RefusedLibrary::of_interface(&self.refused, kind, name),
        })?;
        let supported = hardware.supported.get(&kind).map(Vec::as_slice).unwrap_or_default();
        let compatible = supported.iter().any(|supported| found.descriptor().answers_to(supported));
        if !compatible && hardware.name != FAKE_HARDWARE {
            return Err(RegistryError::IncompatibleInterface {
                kind,
                name: name.to_owned(),
                hardware: hardware.name.clone(),
            });
        }
        Ok(found)
    }

    /// The implementation of nodes that choose none: the configured one, else the first enabled one of the
    /// hardware type's list.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NoValidDefault`], also for a configured default that the hardware type does not support;
    /// [`RegistryError::InterfaceNotFound`] for one that does not exist.
    pub fn default_interface(
        &self,
        hardware: &str,
        kind: InterfaceType,
        node: Option<&str>,
    ) -> Result<&Arc<Interface>, RegistryError> {
        let no_default = || RegistryError::NoValidDefault {
            kind,
            hardware: hardware.to_owned(),
            node: node.map(str::to_owned),
        };
        if let Some(name) = self.config.default_of(kind) {
            return self.interface(hardware, kind, name).map_err(|error| {
                let incompatible = matches!(error, RegistryError::IncompatibleInterface { .. });
                if incompatible { no_default() } else { error }
            });
        }
        let supported = &self.hardware_type(hardware)?.supported;
        let list = supported.get(&kind).map(Vec::as_slice).unwrap_or_default();
        list.iter().find_map(|name| self.find(kind, name)).ok_or_else(no_default)
    }

    /// Checks the interfaces of a node and fills in defaults for what it does not choose. Never saves.
    ///
    /// Answers whether the node was changed.
    ///
    /// # Errors
    ///
    /// As [`Registry::interface`] and [`Registry::default_interface`].
    pub fn check_and_update_interfaces(&self, node: &mut Node) -> Result<bool, RegistryError> {
        self.hardware_type(&node.driver)?;
        let mut changed = false;
        for kind in InterfaceType::ALL {
            let overridden = instance_override(node, kind).map(str::to_owned);
            let own = node.interfaces.get(kind).map(str::to_owned);
            for name in overridden.iter().chain(&own) {
                self.interface(&node.driver, kind, name)?;
            }
            if overridden.is_none() && own.is_none() {
                let default = self.default_interface(&node.driver, kind, Some(&node.uuid.to_string()))?;
                node.interfaces.set(kind, Some(default.name().to_owned()));
                changed = true;
            }
        }
        Ok(changed)
    }

    /// Fills the 13 slots of a node; missing names are filled in on `node`, in memory.
    ///
    /// # Errors
    ///
    /// As [`Registry::check_and_update_interfaces`].
    pub fn assemble(&self, node: &mut Node) -> Result<Driver, RegistryError> {
        self.check_and_update_interfaces(node)?;
        let mut slots = BTreeMap::new();
        for kind in InterfaceType::ALL {
            let name =
                instance_override(node, kind).or_else(|| node.interfaces.get(kind)).unwrap_or_default();
            slots.insert(kind, Arc::clone(self.interface(&node.driver, kind, name)?));
        }
        debug!(node = %node.uuid, hardware_type = node.driver, "driver is assembled");
        Ok(Driver { hardware_type: node.driver.clone(), slots })
    }

    /// What a hardware type reads from `driver_info`, with its default implementations.
    ///
    /// # Errors
    ///
    /// [`RegistryError::DriverNotFound`].
    pub fn properties(&self, hardware: &str) -> Result<BTreeMap<String, PropertyDescriptor>, RegistryError> {
        self.hardware_type(hardware)?;
        let mut properties = BTreeMap::new();
        for kind in InterfaceType::ALL {
            // A type without a valid default has nothing to add.
            let Ok(default) = self.default_interface(hardware, kind, None) else { continue };
            for property in &default.descriptor().properties {
                properties.insert(property.name.clone(), property.clone());
            }
        }
        Ok(properties)
    }

    /// Keys of `driver_info` that any implementation in use declares secret.
    #[must_use]
    pub fn secret_keys(&self) -> Vec<&str> {
        let interfaces = self.interfaces.values().flat_map(BTreeMap::values);
        let properties = interfaces.flat_map(|interface| &interface.descriptor().properties);
        properties.filter(|property| property.secret).map(|property| property.name.as_str()).collect()
    }

    fn find(&self, kind: InterfaceType, name: &str) -> Option<&Arc<Interface>> {
        let of_kind = self.interfaces.get(&kind)?;
        of_kind
            .get(name)
            .or_else(|| of_kind.values().find(|interface| interface.descriptor().answers_to(name)))
    }

    fn names(&self, kind: InterfaceType) -> Vec<String> {
        self.interfaces.get(&kind).map(|of_kind| of_kind.keys().cloned().collect()).unwrap_or_default()
    }
}

/// `instance_info` can override an interface for one deployment; null counts as absent.
pub(crate) fn instance_override(node: &Node, kind: InterfaceType) -> Option<&str> {
    node.instance_info.get(&format!("{kind}_interface"))?.as_str()
}

fn hardware_types(enabled: &Enabled, plugins: &[Plugin]) -> BTreeMap<String, HardwareType> {
    let mut types = BTreeMap::new();
    for plugin in plugins {
        for (name, supported) in &plugin.descriptor().hardware_types {
            if enabled.hardware_types().contains(name) {
                let hardware = HardwareType {
                    name: name.clone(),
                    plugin: plugin.name().to_owned(),
                    supported: enabled::with_inherited(supported),
                };
                types.insert(name.clone(), hardware);
            }
        }
    }
    types
}

fn open_interfaces(
    kind: InterfaceType,
    names: &[String],
    plugins: &[Plugin],
) -> Result<BTreeMap<String, Arc<Interface>>, RegistryError> {
    let mut opened = BTreeMap::new();
    for name in names {
        // `Enabled` has made sure that somebody offers it.
        let Some(plugin) = plugins.iter().find(|plugin| plugin.descriptor().interface(kind, name).is_some())
        else {
            continue;
        };
        let interface = plugin.open_interface(kind, name).map_err(|source| RegistryError::DriverLoad {
            kind,
            name: name.clone(),
            plugin: plugin.name().to_owned(),
            source: Box::new(source),
        })?;
        if !interface.descriptor().supported {
            warn!(interface = %kind, implementation = interface.name(), plugin = plugin.name(), "an implementation is not supported any more");
        }
        opened.insert(interface.name().to_owned(), interface);
    }
    let names: Vec<_> = opened.keys().collect();
    info!(interface = %kind, ?names, "interfaces are loaded");
    Ok(opened)
}

/// Two plugins that offer one name: which of them drives a machine must not depend on their order.
fn refuse_duplicates(plugins: &[Plugin]) -> Result<(), RegistryError> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for plugin in plugins {
        let descriptor = plugin.descriptor();
        let types = descriptor.hardware_types.keys().map(|name| format!("hardware type `{name}`"));
        let interfaces = descriptor.interfaces.iter().flat_map(|interface| {
            let names = std::iter::once(&interface.name).chain(&interface.aliases);
            names.map(|name| format!("{} interface `{name}`", interface.kind))
        });
        for what in types.chain(interfaces) {
            if let Some(first) = seen.insert(what.clone(), plugin.name()) {
                if first == plugin.name() {
                    warn!(what, plugin = first, "a plugin offers a name twice");
                    continue;
                }
                let second = plugin.name().to_owned();
                return Err(RegistryError::Duplicate { what, first: first.to_owned(), second });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

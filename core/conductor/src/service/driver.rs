//! What hardware types there are.

use std::collections::{BTreeMap, BTreeSet};

use farrier_model::conductor::HardwareInterface;
use farrier_sdk::descriptor::PropertyDescriptor;
use farrier_sdk::interface::InterfaceType;

use super::Conductor;
use crate::error::ConductorError;
use crate::registry::RegistryError;

/// A hardware type and the conductors that offer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverEntry {
    /// Its name.
    pub name: String,
    /// Conductors that offer it, sorted.
    pub hosts: Vec<String>,
    /// Its implementations, by interface type.
    pub interfaces: BTreeMap<InterfaceType, DriverInterfaces>,
}

/// What can be chosen for one slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriverInterfaces {
    /// What nodes get that choose none.
    pub default: Option<String>,
    /// What is enabled, sorted.
    pub enabled: BTreeSet<String>,
}

impl Conductor {
    /// Hardware types of all live conductors, by name.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn drivers(&self) -> Result<Vec<DriverEntry>, ConductorError> {
        let mut entries: BTreeMap<String, DriverEntry> = BTreeMap::new();
        for (conductor, alive) in self.conductors().await? {
            if !alive {
                continue;
            }
            for name in &conductor.drivers {
                let entry = entries.entry(name.clone()).or_insert_with(|| DriverEntry {
                    name: name.clone(),
                    hosts: Vec::new(),
                    interfaces: BTreeMap::new(),
                });
                entry.hosts.push(conductor.hostname.clone());
            }
            for interface in self.store().conductor_interfaces_list(&conductor).await? {
                if let Some(entry) = entries.get_mut(&interface.hardware_type) {
                    add(entry, interface);
                }
            }
        }
        Ok(entries.into_values().collect())
    }

    /// One hardware type.
    ///
    /// # Errors
    ///
    /// [`RegistryError::DriverNotFound`].
    pub async fn driver(&self, name: &str) -> Result<DriverEntry, ConductorError> {
        let found = self.drivers().await?.into_iter().find(|entry| entry.name == name);
        match found {
            Some(entry) => Ok(entry),
            None => match self.registry().hardware_type(name) {
                Err(error) => Err(error.into()),
                // Enabled here, but this conductor does not count as alive yet.
                Ok(_) => Err(RegistryError::NoDriversLoaded.into()),
            },
        }
    }

    /// What a hardware type reads from `driver_info`.
    ///
    /// # Errors
    ///
    /// [`RegistryError::DriverNotFound`].
    pub fn driver_properties(
        &self,
        name: &str,
    ) -> Result<BTreeMap<String, PropertyDescriptor>, ConductorError> {
        Ok(self.registry().properties(name)?)
    }
}

fn add(entry: &mut DriverEntry, interface: HardwareInterface) {
    let slot = entry.interfaces.entry(interface.interface_type).or_default();
    if interface.is_default {
        slot.default = Some(interface.interface_name.clone());
    }
    slot.enabled.insert(interface.interface_name);
}

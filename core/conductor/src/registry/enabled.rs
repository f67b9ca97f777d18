//! Which names are enabled, worked out from the configuration and from descriptors alone.

use std::collections::BTreeMap;

use farrier_sdk::descriptor::Descriptor;
use farrier_sdk::interface::InterfaceType;
use tracing::warn;

use super::builtin::builtin_names;
use super::error::{RefusedLibrary, RegistryError, RegistryNames};
use crate::config::DriverConfig;

/// Enabled hardware types and implementations. Needs no plugin to be loaded: what is not enabled never is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enabled {
    hardware_types: Vec<String>,
    interfaces: BTreeMap<InterfaceType, Vec<String>>,
}

impl Enabled {
    /// Cleans the configured lists and calculates the ones that are not given.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::NoDriversLoaded`]: no hardware type is enabled.
    /// - [`RegistryError::DriverNotFoundInEntrypoint`]: an enabled name is offered by nobody.
    /// - [`RegistryError::NothingSupported`]: a list is to be calculated and there is nothing to calculate from.
    pub fn new(
        config: &DriverConfig,
        descriptors: &[&Descriptor],
        refused: &[RefusedLibrary],
    ) -> Result<Self, RegistryError> {
        let hardware_types = cleaned("enabled_hardware_types", &config.enabled_hardware_types);
        if hardware_types.is_empty() {
            return Err(RegistryError::NoDriversLoaded);
        }
        let mut types = BTreeMap::new();
        for descriptor in descriptors {
            types.extend(
                descriptor.hardware_types.iter().map(|(name, lists)| (name.as_str(), with_inherited(lists))),
            );
        }
        let missing: Vec<_> =
            hardware_types.iter().filter(|name| !types.contains_key(name.as_str())).cloned().collect();
        if let Some(first) = missing.first() {
            return Err(RegistryError::DriverNotFoundInEntrypoint {
                refused: RefusedLibrary::of_hardware(refused, first),
                names: RegistryNames(missing),
                group: RegistryError::hardware_group(),
                valid: RegistryNames(types.keys().map(|name| (*name).to_owned()).collect()),
            });
        }
        let mut interfaces = BTreeMap::new();
        for kind in InterfaceType::ALL {
            let configured = cleaned(&format!("enabled_{kind}_interfaces"), config.enabled(kind));
            let names =
                if configured.is_empty() { calculated(kind, &hardware_types, &types)? } else { configured };
            check_offered(kind, &names, descriptors, refused)?;
            interfaces.insert(kind, names);
        }
        Ok(Self { hardware_types, interfaces })
    }

    /// Enabled hardware types, in the order of the configuration.
    #[must_use]
    pub fn hardware_types(&self) -> &[String] {
        &self.hardware_types
    }

    /// Enabled implementations of one type.
    #[must_use]
    pub fn interfaces(&self, kind: InterfaceType) -> &[String] {
        self.interfaces.get(&kind).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether anything of a plugin is enabled.
    #[must_use]
    pub fn uses(&self, descriptor: &Descriptor) -> bool {
        descriptor.hardware_types.keys().any(|name| self.hardware_types.contains(name))
            || descriptor.interfaces.iter().any(|interface| {
                self.interfaces(interface.kind).iter().any(|name| interface.answers_to(name))
            })
    }
}

/// Drops empty and repeated names, with a warning each; the order of first appearance stays.
fn cleaned(option: &str, names: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut repeated: Vec<&str> = Vec::new();
    for name in names.iter().map(|name| name.trim()) {
        if name.is_empty() {
            warn!(option, "an empty name is ignored");
        } else if kept.iter().any(|other| other == name) {
            repeated.push(name);
        } else {
            kept.push(name.to_owned());
        }
    }
    if !repeated.is_empty() {
        warn!(option, ?repeated, "repeated names are ignored");
    }
    kept
}

/// For every enabled hardware type the first implementation it supports.
fn calculated(
    kind: InterfaceType,
    hardware_types: &[String],
    types: &BTreeMap<&str, BTreeMap<InterfaceType, Vec<String>>>,
) -> Result<Vec<String>, RegistryError> {
    let mut names = Vec::new();
    for hardware in hardware_types {
        let first =
            types.get(hardware.as_str()).and_then(|lists| lists.get(&kind)).and_then(|list| list.first());
        let first =
            first.ok_or_else(|| RegistryError::NothingSupported { hardware: hardware.clone(), kind })?;
        if !names.contains(first) {
            names.push(first.clone());
        }
    }
    Ok(names)
}

fn check_offered(
    kind: InterfaceType,
    names: &[String],
    descriptors: &[&Descriptor],
    refused: &[RefusedLibrary],
) -> Result<(), RegistryError> {
    let offered = |name: &String| {
        builtin_names(kind).contains(&name.as_str())
            || descriptors.iter().any(|descriptor| descriptor.interface(kind, name).is_some())
    };
    let missing: Vec<_> = names.iter().filter(|name| !offered(name)).cloned().collect();
    let Some(first) = missing.first() else { return Ok(()) };
    let of_kind =
        descriptors.iter().flat_map(|descriptor| &descriptor.interfaces).filter(|found| found.kind == kind);
    let builtins = builtin_names(kind).iter().map(|name| (*name).to_owned());
    let mut valid: Vec<String> = of_kind.map(|found| found.name.clone()).chain(builtins).collect();
    valid.sort();
    valid.dedup();
    Err(RegistryError::DriverNotFoundInEntrypoint {
        refused: RefusedLibrary::of_interface(refused, kind, first),
        names: RegistryNames(missing),
        group: kind.group(),
        valid: RegistryNames(valid),
    })
}

/// What every hardware type supports that does not say otherwise.
///
/// Source: Ironic's driver factory: the abstract hardware type.
pub(super) fn with_inherited(
    lists: &BTreeMap<InterfaceType, Vec<String>>,
) -> BTreeMap<InterfaceType, Vec<String>> {
    const INHERITED: [(InterfaceType, &str); 9] = [
        (InterfaceType::Bios, "no-bios"),
        (InterfaceType::Console, "no-console"),
        (InterfaceType::Inspect, "no-inspect"),
        (InterfaceType::Network, "noop"),
        (InterfaceType::Raid, "no-raid"),
        (InterfaceType::Rescue, "no-rescue"),
        (InterfaceType::Storage, "noop"),
        (InterfaceType::Vendor, "no-vendor"),
        (InterfaceType::Firmware, "no-firmware"),
    ];
    let mut lists = lists.clone();
    for (kind, name) in INHERITED {
        lists.entry(kind).or_insert_with(|| vec![name.to_owned()]);
    }
    lists
}

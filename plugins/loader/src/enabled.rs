//! Step 10: what the configuration asks for.

use std::collections::{BTreeMap, BTreeSet};

use farrier_sdk::descriptor::Descriptor;
use farrier_sdk::interface::InterfaceType;
use serde::Serialize;

use crate::search::Scan;

/// Names the configuration enables; a plugin without any of them is never executed.
///
/// Source: Ironic's options `enabled_hardware_types` and `enabled_<type>_interfaces`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Enabled {
    /// Hardware types.
    pub hardware_types: BTreeSet<String>,
    /// Implementations by interface type.
    pub interfaces: BTreeMap<InterfaceType, BTreeSet<String>>,
}

impl Enabled {
    /// Everything that acceptable files of `scan` offer, as a tool wants it.
    #[must_use]
    pub fn everything_in(scan: &Scan) -> Self {
        let mut enabled = Self::default();
        for descriptor in scan.candidates.iter().filter_map(|candidate| candidate.descriptor.as_ref().ok()) {
            enabled.hardware_types.extend(descriptor.hardware_types.keys().cloned());
            for interface in &descriptor.interfaces {
                enabled.interfaces.entry(interface.kind).or_default().insert(interface.name.clone());
            }
        }
        enabled
    }

    /// Whether this implementation is enabled by this name.
    #[must_use]
    pub fn has(&self, kind: InterfaceType, name: &str) -> bool {
        self.interfaces.get(&kind).is_some_and(|names| names.contains(name))
    }

    /// Whether the configuration asks for anything of this plugin.
    #[must_use]
    pub fn wants(&self, descriptor: &Descriptor) -> bool {
        descriptor.hardware_types.keys().any(|name| self.hardware_types.contains(name))
            || !self.interfaces_of(descriptor).is_empty()
    }

    /// The plugin's implementations that are enabled, by name or alias; their own names.
    #[must_use]
    pub fn interfaces_of(&self, descriptor: &Descriptor) -> Vec<(InterfaceType, String)> {
        let enabled = descriptor.interfaces.iter().filter(|interface| {
            let names = self.interfaces.get(&interface.kind).into_iter().flatten();
            names.into_iter().any(|name| interface.answers_to(name))
        });
        enabled.map(|interface| (interface.kind, interface.name.clone())).collect()
    }
}

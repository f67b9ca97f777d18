//! Step 9: a name belongs to one plugin.

use std::collections::BTreeMap;
use std::fmt;

use farrier_sdk::descriptor::Descriptor;
use farrier_sdk::interface::InterfaceType;
use serde::{Deserialize, Serialize};

use crate::candidate::Candidate;
use crate::error::LoadError;

/// A name that only one plugin can have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Claim {
    /// Name of a plugin.
    Plugin {
        /// The name.
        name: String,
    },
    /// Name of a hardware type.
    HardwareType {
        /// The name.
        name: String,
    },
    /// Name or alias of an implementation.
    Interface {
        /// Its interface type.
        interface: InterfaceType,
        /// The name.
        name: String,
    },
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin { name } => write!(f, "plugin `{name}`"),
            Self::HardwareType { name } => write!(f, "hardware type `{name}`"),
            Self::Interface { interface, name } => write!(f, "{interface} interface `{name}`"),
        }
    }
}

impl Claim {
    /// All names a plugin takes.
    pub(crate) fn of(descriptor: &Descriptor) -> Vec<Self> {
        let mut claims = vec![Self::Plugin { name: descriptor.name.clone() }];
        claims.extend(descriptor.hardware_types.keys().map(|name| Self::HardwareType { name: name.clone() }));
        for interface in &descriptor.interfaces {
            claims.extend(
                std::iter::once(&interface.name)
                    .chain(&interface.aliases)
                    .map(|name| Self::Interface { interface: interface.kind, name: name.clone() }),
            );
        }
        claims
    }
}

/// Refuses each candidate that claims a name which an earlier one, or the host itself, has.
///
/// The first one keeps it: files are looked at in the order of their names, so that the outcome does not depend
/// on the file system.
pub(crate) fn refuse_duplicates(candidates: &mut [Candidate], reserved: &[Claim]) {
    let mut taken: BTreeMap<Claim, String> =
        reserved.iter().map(|claim| (claim.clone(), "the conductor itself".to_owned())).collect();
    for candidate in candidates {
        let Ok(descriptor) = &candidate.descriptor else { continue };
        let claims = Claim::of(descriptor);
        let double = claims.iter().find_map(|claim| taken.get_key_value(claim));
        if let Some((what, other)) = double {
            candidate.descriptor = Err(LoadError::Duplicate { what: what.clone(), other: other.clone() });
            continue;
        }
        let file = format!("`{}`", candidate.library.path.display());
        taken.extend(claims.into_iter().map(|claim| (claim, file.clone())));
    }
}

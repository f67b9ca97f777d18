//! What is known of a file without running it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use farrier_sdk::interface::InterfaceType;
use serde::{Serialize, Serializer};

use crate::enabled::Enabled;
use crate::sha256::Sha256;
use crate::text::tame;

/// A file of a plugin directory; all but the path is there as far as it could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Library {
    /// Its path.
    pub path: PathBuf,
    /// Name of the plugin.
    pub plugin: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Hash of what was read.
    pub sha256: Option<Sha256>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// When it was last changed; in JSON, seconds since 1970.
    #[serde(serialize_with = "seconds_since_1970")]
    pub modified: Option<SystemTime>,
    /// The linker's build id, for reports of crashes.
    pub build_id: Option<String>,
    /// What it offers.
    pub offers: Offers,
}

/// What a library says it offers, as far as that could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Offers {
    /// Hardware types.
    pub hardware_types: Vec<String>,
    /// Implementations by interface type; names, then aliases.
    pub interfaces: BTreeMap<InterfaceType, Vec<String>>,
}

impl Library {
    /// One of which nothing but its path is known.
    #[must_use]
    pub fn unread(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// The file's name alone.
    #[must_use]
    pub fn file_name(&self) -> String {
        let path: &Path = &self.path;
        tame(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy())
    }
}

impl Offers {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hardware_types.is_empty() && self.interfaces.is_empty()
    }

    /// Whether it would bring this hardware type.
    #[must_use]
    pub fn has_hardware_type(&self, name: &str) -> bool {
        self.hardware_types.iter().any(|offered| offered == name)
    }

    /// Whether it would bring this implementation.
    #[must_use]
    pub fn has_interface(&self, kind: InterfaceType, name: &str) -> bool {
        self.interfaces.get(&kind).is_some_and(|names| names.iter().any(|offered| offered == name))
    }

    /// The part of it that is enabled.
    #[must_use]
    pub fn enabled(&self, enabled: &Enabled) -> Self {
        let hardware_types = self.hardware_types.iter().filter(|name| enabled.hardware_types.contains(*name));
        let interfaces = self.interfaces.iter().filter_map(|(kind, names)| {
            let names: Vec<_> = names.iter().filter(|name| enabled.has(*kind, name)).cloned().collect();
            (!names.is_empty()).then_some((*kind, names))
        });
        Self { hardware_types: hardware_types.cloned().collect(), interfaces: interfaces.collect() }
    }
}

fn seconds_since_1970<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map(|since| since.as_secs()).serialize(serializer)
}

//! What is said about a plugin besides its file.
//!
//! A profile is data, TOML: how a node reaches its machine, which abilities are expected, which limits hold,
//! which checks are waived and why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use farrier_sdk::interface::InterfaceType;
use figment::Figment;
use figment::providers::{Format, Toml};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::check::Check;
use crate::verdict::Verdict;

/// Abilities that profiles can require by name.
const ABILITIES: &[(&str, &str)] = &[
    ("baseline-1", include_str!("profiles/baseline-1.toml")),
    ("virtual-media-1", include_str!("profiles/virtual-media-1.toml")),
    ("full-1", include_str!("profiles/full-1.toml")),
];

/// A profile could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It cannot be read.
    #[error("profile `{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a profile.
    #[error("profile `{name}` is not one")]
    Malformed {
        /// The file, or a name that is built in.
        name: String,
        /// What is wrong with it.
        source: Box<figment::Error>,
    },
    /// It requires abilities by a name nobody knows.
    #[error("`{name}` is none of the sets of abilities {known}")]
    UnknownAbilities {
        /// The name.
        name: String,
        /// Those there are.
        known: String,
    },
    /// It waives a check that does not exist.
    #[error("`{id}` is waived and no check; `farrier-conformance list` names them")]
    UnknownCheck {
        /// The name.
        id: String,
    },
    /// What the machine is said to lack is nothing that there is, or nobody says why.
    #[error("`target.lacks` has `{what}`, which {why}")]
    NothingToLack {
        /// What stands there.
        what: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A waiver says nothing.
    #[error("`{id}` is waived without a reason")]
    WithoutReason {
        /// The check.
        id: String,
    },
}

/// What a plugin is judged by.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// Its name, for the report.
    pub name: String,
    /// The level that is aimed at: below it the run has failed. `standard` unless it says otherwise.
    pub level: Verdict,
    /// What the plugin's machines speak: injected faults speak it too.
    pub protocol: Protocol,
    /// The hardware type nodes have; the first of the plugin unless it says otherwise.
    pub hardware_type: Option<String>,
    /// Names of sets of abilities that are required: `baseline-1`, `virtual-media-1`, `full-1`.
    pub requires: Vec<String>,
    /// Methods that are required besides, by interface type.
    pub expect: BTreeMap<InterfaceType, Vec<String>>,
    /// `driver_info` of every node. In texts, `${url}`, `${address}`, `${host}`, `${port}`, `${user}`, `${password}`,
    /// `${system}` and `${image}` stand for the machine the node has, and for an image that it can boot from.
    pub driver_info: Map<String, Value>,
    /// Properties that take any value, and complain when they are needed.
    pub takes_anything: Vec<String>,
    /// Options of the plugin.
    pub options: Map<String, Value>,
    /// Arguments of steps that need some, by `TYPE.STEP`.
    pub steps: BTreeMap<String, Map<String, Value>>,
    /// BIOS settings that may be changed, each with a value that it may have and has not.
    pub bios_settings: Map<String, Value>,
    /// Vendor methods that may be called on the machine, by name, with the arguments that each cannot do without.
    pub vendor_methods: BTreeMap<String, Map<String, Value>>,
    /// An update of firmware that may be made.
    pub firmware_update: Option<Update>,
    /// A RAID configuration that may be made, in the place of all volumes that there are.
    pub raid_config: Option<Map<String, Value>>,
    /// How much of what is allowed.
    pub limits: Limits,
    /// Checks that need not pass, with the reason for each.
    pub waive: BTreeMap<String, String>,
    /// The machine.
    pub target: TargetConfig,
    /// The release before this one.
    pub upgrade: Upgrade,
}

/// An update of firmware.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// What is updated: `bios`, `bmc`, `nic:...`.
    pub component: String,
    /// Where the image is.
    pub url: String,
    /// The version that the component has then.
    pub version: String,
}

/// What machines speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// There is no machine.
    #[default]
    None,
    /// HTTP, or HTTP over TLS.
    Http,
    /// IPMI over UDP.
    Ipmi,
    /// Datagrams of the kit's own, for plugins that test the kit.
    Datagram,
}

/// How much of what is allowed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Seconds one check may take.
    pub check_s: u64,
    /// Size of the library in memory, in MiB.
    pub size_mib: u64,
    /// Newest C library that may be needed, `2.34`.
    pub glibc: String,
    /// Milliseconds that loading may take.
    pub load_ms: u64,
    /// Calls after which nothing may have grown.
    pub calls: u32,
    /// Memory that may be kept after so many calls, in MiB.
    pub growth_mib: u64,
    /// Nodes that are worked on at once.
    pub nodes: usize,
    /// Seconds a method may take when its machine answers nothing.
    pub patience_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            check_s: 60,
            size_mib: 16,
            // Red Hat Enterprise Linux 9; Debian 12 and Ubuntu 22.04 have newer ones.
            glibc: "2.34".to_owned(),
            load_ms: 50,
            calls: 1000,
            growth_mib: 8,
            nodes: 64,
            patience_s: 30,
        }
    }
}

/// Where the machine is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetConfig {
    /// Which sort of machine it is.
    pub kind: TargetKind,
    /// An emulator of the kit: `redfish`, `sushy`, `ipmi`, `datagram`.
    pub emulator: Option<String>,
    /// The vendor's own emulator: a program that prints one line of JSON with `address` (`host:port`), and serves until
    /// it is ended. Members `user`, `password`, `system` and `url` are used if they are there.
    pub command: Vec<String>,
    /// What the machine does not have, by `TYPE` or `TYPE.METHOD`, and why that is so. What the profile expects cannot
    /// be lacking.
    pub lacks: BTreeMap<String, String>,
    /// What is known of a real machine.
    pub machine: Machine,
    /// The directory of a recording.
    pub recording: Option<PathBuf>,
}

/// Sorts of machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// None: only what needs no machine is checked.
    #[default]
    None,
    /// The plugin's machines exist in its own memory.
    Memory,
    /// An emulator.
    Emulator,
    /// Recorded answers of a machine.
    Replay,
    /// A real machine.
    Machine,
}

/// A real machine.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Machine {
    /// Its serial number, which has to be given on the command line too before anything changes it.
    pub serial: Option<String>,
    /// Its address, `host:port`.
    pub address: Option<String>,
    /// The account.
    pub user: Option<String>,
    /// That account's password.
    pub password: Option<String>,
    /// Where it finds an image that it can boot from, for plugins that let it.
    pub image: Option<String>,
    /// Model and firmware, for the report.
    pub description: Option<String>,
    /// Who says that it is the one with this serial number.
    pub identity: Identity,
    /// How often it may be switched or restarted: after that no check is begun that changes it.
    pub power_cycles_max: Option<u32>,
    /// Seconds it is left alone after a check that has switched it.
    pub settle_s: u64,
}

/// Who says which machine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// The machine, through the plugin's inspection, if it has one that tells.
    #[default]
    Inspect,
    /// Nobody but whoever confirms the serial number: for inspections that boot something.
    Operator,
}

/// The release before the one that is judged.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upgrade {
    /// What it left in `driver_internal_info`.
    pub internal_info: Option<Map<String, Value>>,
}

/// The members of a file with abilities.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Abilities {
    expect: BTreeMap<InterfaceType, Vec<String>>,
}

impl Profile {
    /// Reads a profile from TOML.
    ///
    /// # Errors
    ///
    /// All of [`ProfileError`].
    pub fn from_toml(name: &str, text: &str) -> Result<Self, ProfileError> {
        let mut profile: Self = Figment::from(Toml::string(text))
            .extract()
            .map_err(|error| ProfileError::Malformed { name: name.to_owned(), source: Box::new(error) })?;
        if profile.name.is_empty() {
            name.clone_into(&mut profile.name);
        }
        profile.check()?;
        Ok(profile)
    }

    /// Reads a profile from a file.
    ///
    /// # Errors
    ///
    /// All of [`ProfileError`].
    pub fn from_file(path: &Path) -> Result<Self, ProfileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ProfileError::Unreadable { path: path.to_owned(), source })?;
        let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
        Self::from_toml(&stem, &text)
    }

    /// Reads the target alone, from a file of its own.
    ///
    /// # Errors
    ///
    /// All of [`ProfileError`].
    pub fn set_target(&mut self, path: &Path) -> Result<(), ProfileError> {
        self.target = Self::from_file(path)?.target;
        Ok(())
    }

    fn check(&mut self) -> Result<(), ProfileError> {
        for (id, reason) in &self.waive {
            if Check::find(id).is_none() {
                return Err(ProfileError::UnknownCheck { id: id.clone() });
            }
            if reason.trim().is_empty() {
                return Err(ProfileError::WithoutReason { id: id.clone() });
            }
        }
        for (what, reason) in &self.target.lacks {
            let refused = |why| ProfileError::NothingToLack { what: what.clone(), why };
            let (kind, method) = what.split_once('.').map_or((&**what, None), |(kind, it)| (kind, Some(it)));
            if kind.parse::<InterfaceType>().is_err() {
                return Err(refused("is no interface type"));
            }
            // Vendor methods and steps have names of their own.
            if method == Some("") {
                return Err(refused("names no method"));
            }
            if reason.trim().is_empty() {
                return Err(refused("has no reason"));
            }
        }
        for name in &self.requires {
            for (kind, methods) in abilities(name)? {
                self.expect.entry(kind).or_default().extend(methods);
            }
        }
        Ok(())
    }

    /// Why a check need not pass.
    #[must_use]
    pub fn waiver(&self, id: &str) -> Option<&str> {
        self.waive
            .iter()
            .find(|(waived, _)| waived.eq_ignore_ascii_case(id))
            .map(|(_, reason)| reason.as_str())
    }

    /// Why the machine does not have a method, or a step or vendor method, of an interface type.
    #[must_use]
    pub(crate) fn absence(&self, kind: InterfaceType, method: &str) -> Option<&str> {
        let expects = |methods: &Vec<String>| methods.iter().any(|expected| expected == method);
        if self.expect.get(&kind).is_some_and(expects) {
            return None;
        }
        let lacks = &self.target.lacks;
        lacks.get(&format!("{kind}.{method}")).or_else(|| lacks.get(kind.as_str())).map(String::as_str)
    }

    /// How long one check may take.
    #[must_use]
    pub fn check_limit(&self) -> Duration {
        Duration::from_secs(self.limits.check_s.max(1))
    }
}

/// A set of abilities by its name.
fn abilities(name: &str) -> Result<BTreeMap<InterfaceType, Vec<String>>, ProfileError> {
    let Some((_, text)) = ABILITIES.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = ABILITIES.iter().map(|(known, _)| *known).collect();
        return Err(ProfileError::UnknownAbilities { name: name.to_owned(), known: known.join(", ") });
    };
    let read: Abilities = Figment::from(Toml::string(text))
        .extract()
        .map_err(|error| ProfileError::Malformed { name: name.to_owned(), source: Box::new(error) })?;
    Ok(read.expect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abilities_are_added_to_those_of_the_profile() {
        let text = "requires = [\"baseline-1\"]\n[expect]\nbios = [\"factory_reset\"]";

        let profile = Profile::from_toml("acme", text).unwrap();

        assert!(profile.expect[&InterfaceType::Power].contains(&"reboot".to_owned()));
        assert_eq!(profile.expect[&InterfaceType::Bios], ["factory_reset"]);
        assert_eq!(profile.name, "acme");
    }

    #[test]
    fn every_set_of_abilities_is_one_and_names_methods_that_exist() {
        for (name, _) in ABILITIES {
            for (kind, methods) in abilities(name).unwrap() {
                for method in methods {
                    assert!(
                        crate::bench::methods(kind).contains(&method.as_str()),
                        "{name}: {kind}.{method}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_waiver_names_a_check_and_has_a_reason() {
        let unknown = Profile::from_toml("acme", "[waive]\n\"XXX-001\" = \"why\"").unwrap_err();
        let silent = Profile::from_toml("acme", "[waive]\n\"PKG-001\" = \" \"").unwrap_err();

        assert_eq!(
            unknown.to_string(),
            "`XXX-001` is waived and no check; `farrier-conformance list` names them"
        );
        assert_eq!(silent.to_string(), "`PKG-001` is waived without a reason");
    }

    #[test]
    fn a_machine_lacks_what_is_said_so_of_and_is_not_expected() {
        let text = "[expect]\nbios = [\"factory_reset\"]\n[target.lacks]\nbios = \"none\"\n\"vendor.blink\" = \"dark\"";

        let profile = Profile::from_toml("acme", text).unwrap();

        assert_eq!(profile.absence(InterfaceType::Bios, "apply_configuration"), Some("none"));
        assert_eq!(profile.absence(InterfaceType::Bios, "factory_reset"), None);
        assert_eq!(profile.absence(InterfaceType::Vendor, "blink"), Some("dark"));
        assert_eq!(profile.absence(InterfaceType::Vendor, "beep"), None);
    }

    #[test]
    fn what_a_machine_lacks_is_something_and_has_a_reason() {
        let error = |text: &str| Profile::from_toml("acme", text).unwrap_err().to_string();

        let lamp = error("[target.lacks]\nlamp = \"none\"");
        let method = error("[target.lacks]\n\"bios.\" = \"none\"");
        let silent = error("[target.lacks]\nbios = \" \"");

        assert_eq!(lamp, "`target.lacks` has `lamp`, which is no interface type");
        assert_eq!(method, "`target.lacks` has `bios.`, which names no method");
        assert_eq!(silent, "`target.lacks` has `bios`, which has no reason");
    }

    #[test]
    fn a_misspelled_key_is_refused() {
        assert!(Profile::from_toml("acme", "drvier_info = {}").is_err());
    }
}

//! What a plugin says about itself without being run.
//!
//! The first half of this module builds the text while a plugin is compiled; the second half reads it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::interface::InterfaceType;

/// The members of the descriptor that tell how the plugin was built, up to the list of CPU features.
#[doc(hidden)]
pub const BUILD: &str = concat!(
    "\"schema\":1,\"abi\":1,\"abi_lib\":\"abi_stable/0.11\",\"panic\":\"unwind\",\"sdk\":\"",
    env!("CARGO_PKG_VERSION"),
    "\",\"rustc\":\"",
    env!("FARRIER_RUSTC"),
    "\","
);

/// The flavor of the C library the plugin was built for.
#[doc(hidden)]
pub const LIBC: &str = if cfg!(target_env = "gnu") {
    "\"libc\":\"gnu\","
} else if cfg!(target_env = "musl") {
    "\"libc\":\"musl\","
} else {
    "\"libc\":\"other\","
};

/// Opens the list of CPU features with what the target always has.
#[doc(hidden)]
pub const CPU_OPEN: &str =
    if cfg!(target_arch = "x86_64") { "\"cpu\":[\"sse2\"" } else { "\"cpu\":[\"neon\"" };

/// Length of all `parts` together.
#[doc(hidden)]
#[must_use]
#[expect(clippy::indexing_slicing, reason = "evaluated while compiling; the index is bounded by the loop")]
pub const fn size(parts: &[&str]) -> usize {
    let (mut size, mut index) = (0, 0);
    while index < parts.len() {
        size += parts[index].len();
        index += 1;
    }
    size
}

/// `size` rounded up to a multiple of four, as a note needs it.
#[doc(hidden)]
#[must_use]
pub const fn padded(size: usize) -> usize {
    size.next_multiple_of(4)
}

/// All `parts` one after the other, filled up with spaces.
#[doc(hidden)]
#[must_use]
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated while compiling; the indexes are bounded by the loops"
)]
pub const fn concat<const SIZE: usize>(parts: &[&str]) -> [u8; SIZE] {
    let mut bytes = [b' '; SIZE];
    let (mut at, mut index) = (0, 0);
    while index < parts.len() {
        let part = parts[index].as_bytes();
        let mut offset = 0;
        while offset < part.len() {
            bytes[at] = part[offset];
            at += 1;
            offset += 1;
        }
        index += 1;
    }
    bytes
}

/// The text of concatenated texts.
#[doc(hidden)]
#[must_use]
#[expect(clippy::panic, reason = "evaluated while compiling")]
pub const fn text(bytes: &'static [u8]) -> &'static str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("parts of a descriptor are UTF-8"),
    }
}

/// Everything a plugin says about itself.
///
/// Unknown members of a newer SDK are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// Version of this form; 1.
    pub schema: u32,
    /// Version of the boundary.
    pub abi: u32,
    /// The abi_stable line, `abi_stable/0.11`.
    pub abi_lib: String,
    /// Panic strategy, `unwind`.
    pub panic: String,
    /// Flavor of the C library, `gnu`.
    pub libc: String,
    /// CPU features the code was built to use.
    pub cpu: Vec<String>,
    /// Version of the SDK.
    pub sdk: String,
    /// Version of the compiler.
    pub rustc: String,
    /// Name of the plugin.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// Who makes it.
    #[serde(default)]
    pub vendor: String,
    /// SPDX expression.
    #[serde(default)]
    pub license: String,
    /// Where to read more.
    #[serde(default)]
    pub homepage: String,
    /// One line about it.
    #[serde(default)]
    pub description: String,
    /// Supported implementations per hardware type and interface type, best first.
    pub hardware_types: BTreeMap<String, BTreeMap<InterfaceType, Vec<String>>>,
    /// Implementations.
    pub interfaces: Vec<InterfaceDescriptor>,
    /// Options of the plugin's table in the configuration.
    #[serde(default)]
    pub options: Vec<PropertyDescriptor>,
}

/// One implementation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceDescriptor {
    /// Its interface type.
    #[serde(rename = "type")]
    pub kind: InterfaceType,
    /// Its name.
    pub name: String,
    /// Other names it answers to.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Version of the interface type it was written against.
    #[serde(default)]
    pub api: String,
    /// Whether its calls run on threads of their own.
    #[serde(default)]
    pub blocking: bool,
    /// Whether somebody answers for it; a conductor that uses one that is not supported warns.
    #[serde(default = "supported", skip_serializing_if = "Clone::clone")]
    pub supported: bool,
    /// Methods that answer; all others are unsupported.
    #[serde(default)]
    pub methods: BTreeSet<String>,
    /// Steps.
    #[serde(default)]
    pub steps: Vec<StepDescriptor>,
    /// Vendor methods.
    #[serde(default)]
    pub vendor_methods: Vec<VendorMethodDescriptor>,
    /// What it reads from `driver_info`.
    #[serde(default)]
    pub properties: Vec<PropertyDescriptor>,
}

/// A clean, deploy, verify or service step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepDescriptor {
    /// Which kinds of step it is: `clean`, `deploy`, `verify`, `service`.
    pub kinds: Vec<String>,
    /// Name of the step.
    pub step: String,
    /// Bigger runs first; 0 is not run automatically.
    pub priority: u32,
    /// Whether it may be cut short while it waits.
    #[serde(default)]
    pub abortable: bool,
    /// Whether it needs the deploy agent.
    #[serde(default)]
    pub requires_ramdisk: bool,
    /// What it does.
    #[serde(default)]
    pub doc: String,
    /// Its arguments.
    #[serde(default)]
    pub args: BTreeMap<String, ArgumentDescriptor>,
}

/// An argument of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArgumentDescriptor {
    /// What it means.
    pub description: String,
    /// Whether the step needs it.
    #[serde(default)]
    pub required: bool,
}

/// A vendor method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VendorMethodDescriptor {
    /// Its name in the API.
    pub name: String,
    /// HTTP methods it accepts, upper case.
    pub http_methods: Vec<String>,
    /// Whether it answers before it is done.
    #[serde(rename = "async")]
    pub asynchronous: bool,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// Whether its result is a file.
    #[serde(default)]
    pub attach: bool,
    /// Whether it needs the exclusive lock.
    pub require_exclusive_lock: bool,
}

/// A key of `driver_info`, or an option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertyDescriptor {
    /// The key.
    pub name: String,
    /// What it holds: `string`, `integer`, `boolean`, `number`, `list`, or a word of the plugin's own.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Whether it has to be there.
    #[serde(default)]
    pub required: bool,
    /// Whether it must not be shown.
    #[serde(default)]
    pub secret: bool,
    /// What it means.
    #[serde(default)]
    pub description: String,
    /// Its value when absent, if that can be said.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub default: serde_json::Value,
}

impl Descriptor {
    /// Finds an implementation by type and by name or alias.
    #[must_use]
    pub fn interface(&self, kind: InterfaceType, name: &str) -> Option<&InterfaceDescriptor> {
        self.interfaces.iter().find(|interface| interface.kind == kind && interface.answers_to(name))
    }
}

/// What an implementation is that does not say otherwise.
const fn supported() -> bool {
    true
}

impl InterfaceDescriptor {
    /// Whether `name` is its name or one of its aliases.
    #[must_use]
    pub fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias == name)
    }
}

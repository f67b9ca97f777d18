//! Why a driver could not be had.

use std::fmt;

use farrier_sdk::error::DriverError;
use farrier_sdk::interface::InterfaceType;

use super::HARDWARE_GROUP;

/// A driver, or a part of one, could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The hardware type is not enabled here. Ironic's `DriverNotFound`.
    #[error("driver `{name}` could not be found, enabled are {valid}{}", Quote(refused))]
    DriverNotFound {
        /// The hardware type.
        name: String,
        /// What is enabled.
        valid: RegistryNames,
        /// A library that offers it but was refused.
        refused: Option<Box<RefusedLibrary>>,
    },
    /// Enabled names that nobody offers. Ironic's `DriverNotFoundInEntrypoint`.
    #[error("enabled but offered by no plugin: {names} of `{group}`, offered are {valid}{}", Quote(refused))]
    DriverNotFoundInEntrypoint {
        /// All missing names.
        names: RegistryNames,
        /// The group they were looked for in.
        group: String,
        /// What is offered.
        valid: RegistryNames,
        /// A library that offers one of them but was refused.
        refused: Option<Box<RefusedLibrary>>,
    },
    /// The implementation is not enabled here. Ironic's `InterfaceNotFoundInEntrypoint`.
    #[error("could not find {kind} interface `{name}`, enabled are {valid}{}", Quote(refused))]
    InterfaceNotFound {
        /// Its interface type.
        kind: InterfaceType,
        /// Its name.
        name: String,
        /// What is enabled.
        valid: RegistryNames,
        /// A library that offers it but was refused.
        refused: Option<Box<RefusedLibrary>>,
    },
    /// The hardware type does not support the implementation.
    #[error("{kind} interface `{name}` is not supported by hardware type `{hardware}`")]
    IncompatibleInterface {
        /// The interface type.
        kind: InterfaceType,
        /// The implementation.
        name: String,
        /// The hardware type.
        hardware: String,
    },
    /// No implementation can be the default. Ironic's `NoValidDefaultForInterface`.
    #[error(
        "no default {kind} interface could be determined for{} hardware type `{hardware}`, set \
         `{kind}_interface` on the node or enable one that it supports",
        NodeWith(node)
    )]
    NoValidDefault {
        /// The interface type.
        kind: InterfaceType,
        /// The hardware type.
        hardware: String,
        /// The node it was wanted for, if for one.
        node: Option<String>,
    },
    /// An implementation could not be opened. Ironic's `DriverLoadError`.
    #[error("{kind} interface `{name}` of plugin `{plugin}` could not be opened")]
    DriverLoad {
        /// The interface type.
        kind: InterfaceType,
        /// The implementation.
        name: String,
        /// The plugin.
        plugin: String,
        /// What it said.
        #[source]
        source: Box<DriverError>,
    },
    /// The built-in implementations could not be started.
    #[error("the built-in interfaces could not be started")]
    Builtin(#[source] farrier_host::OpenError),
    /// No hardware type is enabled.
    #[error("no hardware type is enabled, set `enabled_hardware_types`")]
    NoDriversLoaded,
    /// Two plugins offer one name.
    #[error("{what} is offered by plugin `{first}` and by plugin `{second}`, remove one of them")]
    Duplicate {
        /// The name and what it names.
        what: String,
        /// The first plugin.
        first: String,
        /// The second plugin.
        second: String,
    },
    /// The first supported implementation of an enabled hardware type is offered by nobody.
    #[error("hardware type `{hardware}` supports no {kind} interface, and none is enabled")]
    NothingSupported {
        /// The hardware type.
        hardware: String,
        /// The interface type.
        kind: InterfaceType,
    },
}

impl RegistryError {
    /// The group a hardware type is looked for in.
    pub(super) fn hardware_group() -> String {
        HARDWARE_GROUP.to_owned()
    }
}

/// A list of names for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryNames(pub Vec<String>);

impl fmt::Display for RegistryNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0.join(", "))
    }
}

/// A library that was not loaded, and what it would have offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLibrary {
    /// Its file.
    pub file: String,
    /// Why it was refused.
    pub reason: String,
    /// Hardware types its descriptor names.
    pub hardware_types: Vec<String>,
    /// Implementations its descriptor names.
    pub interfaces: Vec<(InterfaceType, String)>,
}

impl RefusedLibrary {
    pub(super) fn of_hardware(refused: &[Self], name: &str) -> Option<Box<Self>> {
        refused
            .iter()
            .find(|library| library.hardware_types.iter().any(|offered| offered == name))
            .cloned()
            .map(Box::new)
    }

    pub(super) fn of_interface(refused: &[Self], kind: InterfaceType, name: &str) -> Option<Box<Self>> {
        let offers =
            |library: &&Self| library.interfaces.iter().any(|offered| offered.0 == kind && offered.1 == name);
        refused.iter().find(offers).cloned().map(Box::new)
    }
}

/// `: `acme.so` offers it but was refused: why`, or nothing.
struct Quote<'a>(&'a Option<Box<RefusedLibrary>>);

impl fmt::Display for Quote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(library) => write!(f, ": `{}` offers it but was refused: {}", library.file, library.reason),
            None => Ok(()),
        }
    }
}

/// ` node <id> with`, or nothing.
struct NodeWith<'a>(&'a Option<String>);

impl fmt::Display for NodeWith<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(node) => write!(f, " node {node} with"),
            None => Ok(()),
        }
    }
}

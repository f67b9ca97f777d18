//! Errors of a resource, with the texts that clients and their tests know.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{ErrorName, enclosed};
use crate::literal::{literal, quoted};

/// An error of the resource asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    name: ErrorName,
    code: u16,
    message: String,
}

impl Fault {
    /// An error with the status of its name.
    pub fn new(name: ErrorName, message: impl Into<String>) -> Self {
        Self { name, code: name.code(), message: message.into() }
    }

    /// The same error with another status, where the contract wants it: a node named inside a body that does not
    /// exist is 400, not 404.
    #[must_use]
    pub fn with_code(self, code: u16) -> Self {
        Self { code, ..self }
    }

    /// What kind of error it is.
    pub fn name(&self) -> ErrorName {
        self.name
    }

    /// The status of the answer.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// What is wrong, in words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The body of the answer.
    pub fn body(&self) -> String {
        let faultcode = if self.code < 500 { "Client" } else { "Server" };
        enclosed(&Body { faultcode, faultstring: &self.message, debuginfo: None })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// The texts of the contract.
impl Fault {
    /// 406: a field, parameter or verb is newer than the version of the request.
    pub fn not_acceptable() -> Self {
        Self::new(ErrorName::NotAcceptable, "Request not acceptable.")
    }

    /// 400 for a value that is wrong, in words of the caller.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorName::InvalidParameterValue, message)
    }

    /// 404: no node has this UUID or name.
    pub fn node_not_found(ident: &str) -> Self {
        Self::new(ErrorName::NodeNotFound, format!("Node {ident} could not be found."))
    }

    /// 404: no port has this UUID.
    pub fn port_not_found(ident: &str) -> Self {
        Self::new(ErrorName::PortNotFound, format!("Port {ident} could not be found."))
    }

    /// 404: no conductor has this host name.
    pub fn conductor_not_found(hostname: &str) -> Self {
        Self::new(ErrorName::ConductorNotFound, format!("Conductor {hostname} could not be found."))
    }

    /// 404: no conductor has enabled this hardware type.
    pub fn driver_not_found(name: &str) -> Self {
        let message = format!("Could not find the following driver(s) or hardware type(s): {name}.");
        Self::new(ErrorName::DriverNotFound, message)
    }

    /// A node was to have a driver that no conductor of its group offers; 400, since the driver stands in the body.
    pub fn no_valid_host(driver: &str, conductor_group: &str) -> Self {
        let message = format!(
            "No valid host was found. Reason: No conductor service registered which supports driver {driver} for \
             conductor group \"{conductor_group}\". Ensure the driver is valid and enabled."
        );
        Self::new(ErrorName::NoValidHost, message).with_code(400)
    }

    /// 400: an implementation that is not enabled; `valid` are those that are.
    pub fn interface_not_found(interface_type: &str, name: &str, valid: &[&str]) -> Self {
        let valid = literal(&Value::from(valid));
        let message = format!(
            "Could not find the following interface in the 'ironic.hardware.interfaces.{interface_type}' \
             entrypoint: {name}. Valid interfaces are {valid}."
        );
        Self::new(ErrorName::InterfaceNotFoundInEntrypoint, message)
    }

    /// 409: somebody else works on the node.
    pub fn node_locked(uuid: &str, host: &str) -> Self {
        let message = format!(
            "Node {uuid} is locked by host {host}, please retry after the current operation is completed."
        );
        Self::new(ErrorName::NodeLocked, message)
    }

    /// 409: a node has this UUID already.
    pub fn node_uuid_exists(uuid: &str) -> Self {
        Self::new(ErrorName::NodeAlreadyExists, format!("A node with UUID {uuid} already exists."))
    }

    /// 409: a node has this name already.
    pub fn node_name_exists(name: &str) -> Self {
        Self::new(ErrorName::NodeAlreadyExists, format!("A node with name {name} already exists."))
    }

    /// 409: a port has this UUID already.
    pub fn port_uuid_exists(uuid: &str) -> Self {
        Self::new(ErrorName::PortAlreadyExists, format!("A port with UUID {uuid} already exists."))
    }

    /// 409: a port has this MAC address already.
    pub fn mac_exists(address: &str) -> Self {
        Self::new(ErrorName::MacAlreadyExists, format!("A port with MAC address {address} already exists."))
    }

    /// 400: the node cannot do this in its present state.
    pub fn invalid_state_requested(action: &str, node: &str, state: &str) -> Self {
        let message = format!(
            "The requested action \"{action}\" can not be performed on node \"{node}\" while it is in state \"{state}\"."
        );
        Self::new(ErrorName::InvalidStateRequested, message)
    }

    /// 400: the node's driver lacks a method or an interface.
    pub fn unsupported(driver: &str, extension: &str) -> Self {
        let message = format!("Driver {driver} does not support {extension} (disabled or not implemented).");
        Self::new(ErrorName::UnsupportedDriverExtension, message)
    }

    /// 503: every worker of the conductor is busy.
    pub fn no_free_worker() -> Self {
        let message = "Requested action cannot be performed due to lack of free conductor workers.";
        Self::new(ErrorName::NoFreeConductorWorker, message)
    }

    /// 409: the node is in the middle of a transition.
    pub fn node_in_transition(node: &str) -> Self {
        let message = format!("Node {node} can not be updated while a state transition is in progress.");
        Self::new(ErrorName::Conflict, message)
    }

    /// 409: the node has an instance.
    pub fn node_associated(node: &str, instance: &str) -> Self {
        Self::new(ErrorName::NodeAssociated, format!("Node {node} is associated with instance {instance}."))
    }

    /// 409: only a node in use can be protected.
    pub fn protect_in_wrong_state(node: &str, state: &str) -> Self {
        let message = format!(
            "Node {node} can only be made protected in provision states 'active' or 'rescue', the current state is \
             '{state}'"
        );
        Self::new(ErrorName::InvalidState, message)
    }

    /// 400: the machine cannot boot from this device.
    pub fn invalid_boot_device(device: &str) -> Self {
        Self::invalid(format!("Invalid boot device {device} specified."))
    }

    /// 400: a filter names a provision state that does not exist.
    pub fn invalid_provision_state(state: &str) -> Self {
        Self::invalid(format!("Provision state \"{state}\" is not valid"))
    }

    /// 400: a node was to be renamed to what cannot be a name.
    pub fn invalid_new_name(node: &str, name: &str) -> Self {
        let message = format!("Node {node}: Cannot change name to invalid name {}", quoted(name));
        Self::new(ErrorName::InvalidName, message)
    }

    /// 400: a MAC address was expected in `member`.
    pub fn invalid_mac(member: &str, text: &str) -> Self {
        Self::new(ErrorName::InvalidMac, format!("Expected valid MAC address for {member}: {text}"))
    }

    /// 400: a UUID was expected in `member`.
    pub fn invalid_uuid(member: &str, text: &str) -> Self {
        Self::new(ErrorName::InvalidUuid, format!("Expected UUID for {member}: {text}"))
    }

    /// 400: a required query argument or member is missing.
    pub fn missing_parameter(name: &str) -> Self {
        Self::new(ErrorName::MissingParameterValue, format!("Missing mandatory parameter: {name}"))
    }

    /// 400: query arguments or members nobody knows.
    pub fn unexpected_arguments(names: &[&str]) -> Self {
        Self::new(ErrorName::ClientSideError, format!("Unexpected arguments: {}", names.join(", ")))
    }

    /// 400: a body does not fit; `subject` is `node`, `port` or `patch`, `problem` says how.
    pub fn schema(subject: &str, problem: impl fmt::Display) -> Self {
        Self::invalid(format!("Schema error for {subject}: {problem}"))
    }
}

#[derive(Serialize)]
struct Body<'a> {
    faultcode: &'static str,
    faultstring: &'a str,
    debuginfo: Option<()>,
}

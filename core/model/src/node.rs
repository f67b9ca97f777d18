//! Nodes: the machines under management.
//!
//! Source: Ironic's node object and Ironic's REST API.

mod ident;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::power::PowerState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::provision::{self, ProvisionState};

pub use ident::{InvalidIdentity, NodeIdent, NodeName};

/// A mapping of the API: `driver_info`, `extra` and their like. Empty when unset.
pub type Fields = Map<String, Value>;

/// The number the store gave a node; never used again after the node is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub i64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A machine under management, as the store has it.
///
/// Who may change what: `id`, `uuid` and `created_at` never change; `reservation`, its purpose and its time
/// belong to taking and releasing the lock; `updated_at`, `provision_updated_at` and the two inspection times
/// are kept by the store; everything else is changed under an exclusive lock. Unset texts are `None`, unset
/// mappings and lists are empty.
///
/// `Debug` shows who and where the node is, never its mappings: they hold credentials.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// The store's number.
    pub id: NodeId,
    /// The name that is never given to another node.
    pub uuid: Uuid,
    /// A name people chose; unique.
    pub name: Option<String>,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When a field other than the lock was last changed.
    pub updated_at: Option<Timestamp>,

    /// The conductor that holds it; the tag of the exclusive lock.
    pub reservation: Option<String>,
    /// What the lock was taken for.
    pub reservation_purpose: Option<String>,
    /// Since when the lock is held.
    pub reserved_at: Option<Timestamp>,
    /// The conductor that last prepared its local files.
    pub conductor_affinity: Option<i64>,
    /// Which group of conductors may own it; empty for the default group.
    pub conductor_group: String,

    /// Its hardware type.
    pub driver: String,
    /// The implementations chosen for it.
    pub interfaces: Interfaces,
    /// What its driver needs to reach its BMC; holds credentials.
    pub driver_info: Fields,
    /// What conductor and driver remember about it; holds credentials.
    pub driver_internal_info: Fields,
    /// Grows with every write of `driver_internal_info`.
    pub driver_internal_info_revision: i64,
    /// What is known about its hardware.
    pub properties: Fields,
    /// What its owner wants to remember.
    pub extra: Fields,
    /// Properties that the scheduler of instances sees as one word.
    pub resource_class: Option<String>,
    /// Properties that the scheduler of instances sees one by one; sorted.
    pub traits: Vec<String>,
    /// Labels; sorted.
    pub tags: Vec<String>,

    /// What is to be deployed; may hold credentials.
    pub instance_info: Fields,
    /// The instance that uses it.
    pub instance_uuid: Option<Uuid>,
    /// The name of that instance.
    pub instance_name: Option<String>,
    /// The allocation that led to that instance.
    pub allocation_uuid: Option<Uuid>,
    /// The chassis it is in.
    pub chassis_uuid: Option<Uuid>,
    /// The node it is a part of.
    pub parent_node: Option<Uuid>,

    /// Its recorded power state; none when unknown.
    pub power_state: Option<PowerState>,
    /// Where a running power action leads.
    pub target_power_state: Option<PowerState>,
    /// Whether it may never be powered off.
    pub disable_power_off: bool,

    /// Where it is in its life.
    pub provision_state: ProvisionState,
    /// Where it is going.
    pub target_provision_state: Option<ProvisionState>,
    /// When `provision_state` last changed, or an agent last called.
    pub provision_updated_at: Option<Timestamp>,
    /// The clean step that is running.
    pub clean_step: Fields,
    /// The deploy step that is running.
    pub deploy_step: Fields,
    /// The service step that is running.
    pub service_step: Fields,
    /// Whether it is cleaned automatically; none leaves it to the configuration.
    pub automated_clean: Option<bool>,
    /// When its inspection began.
    pub inspection_started_at: Option<Timestamp>,
    /// When its inspection ended.
    pub inspection_finished_at: Option<Timestamp>,

    /// Whether the conductor leaves it alone.
    pub maintenance: bool,
    /// Why.
    pub maintenance_reason: Option<String>,
    /// Why the conductor put it there; none when an operator did.
    pub fault: Option<Fault>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// Health as its BMC reports it.
    pub health: Option<String>,
    /// Whether its console is on.
    pub console_enabled: bool,

    /// RAID as it is.
    pub raid_config: Fields,
    /// RAID as it should be.
    pub target_raid_config: Fields,
    /// Boot mode as its BMC reports it.
    pub boot_mode: Option<String>,
    /// Secure boot as its BMC reports it.
    pub secure_boot: Option<bool>,
    /// Network configuration for the instance and the agent.
    pub network_data: Fields,

    /// Whether its instance is protected from being removed or rebuilt.
    pub protected: bool,
    /// Why.
    pub protected_reason: Option<String>,
    /// Whether it is not to be used any more.
    pub retired: bool,
    /// Why.
    pub retired_reason: Option<String>,
    /// Who owns it.
    pub owner: Option<String>,
    /// Who uses it.
    pub lessee: Option<String>,
    /// Which partition of the installation it belongs to.
    pub shard: Option<String>,
    /// What people want to remember about it.
    pub description: Option<String>,
}

impl Node {
    /// A node as it is enrolled: in [`Enroll`](ProvisionState::Enroll), every other field unset.
    ///
    /// The store fills in `id` and `created_at`.
    #[must_use]
    pub fn new(uuid: Uuid, driver: impl Into<String>) -> Self {
        Self {
            id: NodeId(0),
            uuid,
            name: None,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: None,
            reservation: None,
            reservation_purpose: None,
            reserved_at: None,
            conductor_affinity: None,
            conductor_group: String::new(),
            driver: driver.into(),
            interfaces: Interfaces::default(),
            driver_info: Fields::new(),
            driver_internal_info: Fields::new(),
            driver_internal_info_revision: 0,
            properties: Fields::new(),
            extra: Fields::new(),
            resource_class: None,
            traits: Vec::new(),
            tags: Vec::new(),
            instance_info: Fields::new(),
            instance_uuid: None,
            instance_name: None,
            allocation_uuid: None,
            chassis_uuid: None,
            parent_node: None,
            power_state: None,
            target_power_state: None,
            disable_power_off: false,
            provision_state: ProvisionState::Enroll,
            target_provision_state: None,
            provision_updated_at: None,
            clean_step: Fields::new(),
            deploy_step: Fields::new(),
            service_step: Fields::new(),
            automated_clean: None,
            inspection_started_at: None,
            inspection_finished_at: None,
            maintenance: false,
            maintenance_reason: None,
            fault: None,
            last_error: None,
            health: None,
            console_enabled: false,
            raid_config: Fields::new(),
            target_raid_config: Fields::new(),
            boot_mode: None,
            secure_boot: None,
            network_data: Fields::new(),
            protected: false,
            protected_reason: None,
            retired: false,
            retired_reason: None,
            owner: None,
            lessee: None,
            shard: None,
            description: None,
        }
    }

    /// What to call it in messages: its name, or its UUID when it has none.
    #[must_use]
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.uuid.to_string())
    }

    /// Whether a conductor holds it.
    #[must_use]
    pub const fn is_reserved(&self) -> bool {
        self.reservation.is_some()
    }

    /// Whether its driver and interfaces may be changed now: in some states, and in maintenance.
    #[must_use]
    pub fn allows_interface_change(&self) -> bool {
        self.maintenance || provision::INTERFACE_UPDATE_ALLOWED.contains(&self.provision_state)
    }

    /// Whether its fields may be changed now: not during a transition, unless in maintenance.
    #[must_use]
    pub fn allows_update(&self) -> bool {
        self.maintenance
            || self.target_provision_state.is_none()
            || provision::UPDATE_ALLOWED.contains(&self.provision_state)
    }

    /// Whether it may be deleted now.
    ///
    /// In maintenance always; otherwise in [`DELETE_ALLOWED`](provision::DELETE_ALLOWED) and, with
    /// `available`, in that state too. An instance and protection are looked at by the caller.
    #[must_use]
    pub fn allows_delete(&self, available: DeleteAvailable) -> bool {
        self.maintenance
            || provision::DELETE_ALLOWED.contains(&self.provision_state)
            || (available == DeleteAvailable::Allowed && self.provision_state == ProvisionState::Available)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.id)
            .field("uuid", &self.uuid)
            .field("name", &self.name)
            .field("driver", &self.driver)
            .field("provision_state", &self.provision_state)
            .field("target_provision_state", &self.target_provision_state)
            .field("power_state", &self.power_state)
            .field("target_power_state", &self.target_power_state)
            .field("maintenance", &self.maintenance)
            .field("reservation", &self.reservation)
            .finish_non_exhaustive()
    }
}

/// Option `allow_deleting_available_nodes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteAvailable {
    /// Available nodes may be deleted.
    Allowed,
    /// They may not.
    Refused,
}

/// The implementation chosen for each of the 13 interface types; the node's `*_interface` fields.
///
/// A type that is not set is resolved to its default when a driver is assembled.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Interfaces(BTreeMap<InterfaceType, String>);

impl Interfaces {
    /// The implementation chosen for `kind`.
    #[must_use]
    pub fn get(&self, kind: InterfaceType) -> Option<&str> {
        self.0.get(&kind).map(String::as_str)
    }

    /// Chooses `name` for `kind`, or nothing.
    pub fn set(&mut self, kind: InterfaceType, name: Option<String>) {
        match name {
            Some(name) => self.0.insert(kind, name),
            None => self.0.remove(&kind),
        };
    }

    /// What is chosen, in the order of [`InterfaceType::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (InterfaceType, &str)> {
        self.0.iter().map(|(&kind, name)| (kind, name.as_str()))
    }
}

impl FromIterator<(InterfaceType, String)> for Interfaces {
    fn from_iter<I: IntoIterator<Item = (InterfaceType, String)>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

/// Why the conductor put a node into maintenance.
///
/// Source: Ironic `faults`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Its power state could not be read or set.
    PowerFailure,
    /// A clean step failed.
    CleanFailure,
    /// The rescue system could not be given up.
    RescueAbortFailure,
    /// A service step failed.
    ServiceFailure,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 4] =
        [Self::PowerFailure, Self::CleanFailure, Self::RescueAbortFailure, Self::ServiceFailure];

    /// The text in API and store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PowerFailure => "power failure",
            Self::CleanFailure => "clean failure",
            Self::RescueAbortFailure => "rescue abort failure",
            Self::ServiceFailure => "service failure",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a fault")]
pub struct UnknownFault(pub String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|fault| fault.as_str() == text)
            .ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;

//! Ports: a node's network cards.

use jiff::Timestamp;
use uuid::Uuid;

use crate::node::{Fields, NodeId};

/// A network card of a node.
///
/// Source: Ironic's port object and Ironic's REST API.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// The store's number.
    pub id: i64,
    /// The name that is never given to another port.
    pub uuid: Uuid,
    /// The node it belongs to.
    pub node_id: NodeId,
    /// That node's UUID; read from the store, never written.
    pub node_uuid: Uuid,
    /// The port group it is a member of.
    pub portgroup_uuid: Option<Uuid>,
    /// MAC address in lower case; unique.
    pub address: String,
    /// A name people chose.
    pub name: Option<String>,
    /// What people want to remember about it.
    pub description: Option<String>,
    /// Which switch port it is plugged into.
    pub local_link_connection: Fields,
    /// Which physical network it is on.
    pub physical_network: Option<String>,
    /// Whether it may be booted from.
    pub pxe_enabled: bool,
    /// Whether it is a card with a system of its own.
    pub is_smartnic: bool,
    /// Whether it may join port groups that are made when they are needed.
    pub available_for_dynamic_portgroup: bool,
    /// Who made it.
    pub vendor: Option<String>,
    /// What it is used for.
    pub category: Option<String>,
    /// What its owner wants to remember.
    pub extra: Fields,
    /// What conductor and driver remember about it.
    pub internal_info: Fields,
    /// When it was made known.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

impl Port {
    /// A port with every field but these three at its default. The store fills in `id`, `node_uuid` and
    /// `created_at`, and turns the address to lower case.
    #[must_use]
    pub fn new(uuid: Uuid, node_id: NodeId, address: impl Into<String>) -> Self {
        Self {
            id: 0,
            uuid,
            node_id,
            node_uuid: Uuid::nil(),
            portgroup_uuid: None,
            address: address.into(),
            name: None,
            description: None,
            local_link_connection: Fields::new(),
            physical_network: None,
            pxe_enabled: true,
            is_smartnic: false,
            available_for_dynamic_portgroup: true,
            vendor: None,
            category: None,
            extra: Fields::new(),
            internal_info: Fields::new(),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: None,
        }
    }
}

/// `text` in lower case if it is a MAC address: six bytes in hexadecimal with colons.
#[must_use]
pub fn mac_address(text: &str) -> Option<String> {
    let is_byte = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let valid = text.split(':').count() == 6 && text.split(':').all(is_byte);
    valid.then(|| text.to_ascii_lowercase())
}

//! Port groups: network cards of a node that act as one.

use jiff::Timestamp;
use uuid::Uuid;

use crate::node::{Fields, NodeId};

/// The mode of a port group that was made without one.
pub const MODE_DEFAULT: &str = "active-backup";

/// Network cards of a node that act as one.
///
/// Source: Ironic's portgroup object and Ironic's REST API.
#[derive(Debug, Clone, PartialEq)]
pub struct Portgroup {
    /// The store's number.
    pub id: i64,
    /// The name that is never given to another port group.
    pub uuid: Uuid,
    /// The node it belongs to.
    pub node_id: NodeId,
    /// That node's UUID; read from the store, never written.
    pub node_uuid: Uuid,
    /// A name people chose; unique.
    pub name: Option<String>,
    /// MAC address in lower case; unique.
    pub address: Option<String>,
    /// How its members share the work, in the words of Linux bonding.
    pub mode: String,
    /// Settings of that mode.
    pub properties: Fields,
    /// Whether its members may be used alone.
    pub standalone_ports_supported: bool,
    /// Which physical network it is on.
    pub physical_network: Option<String>,
    /// What it is used for.
    pub category: Option<String>,
    /// Whether it was made because it was needed, and goes when it is not.
    pub dynamic_portgroup: bool,
    /// What its owner wants to remember.
    pub extra: Fields,
    /// What conductor and driver remember about it.
    pub internal_info: Fields,
    /// When it was made known.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

impl Portgroup {
    /// A port group with every field but these two at its default. The store fills in `id`, `node_uuid` and
    /// `created_at`, and turns the address to lower case.
    #[must_use]
    pub fn new(uuid: Uuid, node_id: NodeId) -> Self {
        Self {
            id: 0,
            uuid,
            node_id,
            node_uuid: Uuid::nil(),
            name: None,
            address: None,
            mode: MODE_DEFAULT.to_owned(),
            properties: Fields::new(),
            standalone_ports_supported: true,
            physical_network: None,
            category: None,
            dynamic_portgroup: false,
            extra: Fields::new(),
            internal_info: Fields::new(),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: None,
        }
    }
}

//! Volumes: remote storage of a node, and the node's ways to it.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

use crate::node::{Fields, NodeId};

/// A node's way to remote storage: an initiator name, a world wide name, an address.
///
/// Source: Ironic's volume connector object.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeConnector {
    /// The store's number.
    pub id: i64,
    /// The name that is never given to another connector.
    pub uuid: Uuid,
    /// The node it belongs to.
    pub node_id: NodeId,
    /// That node's UUID; read from the store, never written.
    pub node_uuid: Uuid,
    /// Its kind: `iqn`, `ip`, `mac`, `wwnn`, `wwpn`, `port` or `portgroup`.
    pub kind: String,
    /// What it is called within its kind; unique there.
    pub connector_id: String,
    /// What its owner wants to remember.
    pub extra: Fields,
    /// When it was made known.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

impl VolumeConnector {
    /// A connector with the other fields at their defaults. The store fills in `id`, `node_uuid` and
    /// `created_at`.
    #[must_use]
    pub fn new(
        uuid: Uuid,
        node_id: NodeId,
        kind: impl Into<String>,
        connector_id: impl Into<String>,
    ) -> Self {
        Self {
            id: 0,
            uuid,
            node_id,
            node_uuid: Uuid::nil(),
            kind: kind.into(),
            connector_id: connector_id.into(),
            extra: Fields::new(),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: None,
        }
    }
}

/// A remote volume of a node.
///
/// `Debug` leaves its properties out: they hold credentials.
///
/// Source: Ironic's volume target object.
#[derive(Clone, PartialEq)]
pub struct VolumeTarget {
    /// The store's number.
    pub id: i64,
    /// The name that is never given to another target.
    pub uuid: Uuid,
    /// The node it belongs to.
    pub node_id: NodeId,
    /// That node's UUID; read from the store, never written.
    pub node_uuid: Uuid,
    /// Its protocol: `iscsi`, `fibre_channel`.
    pub volume_type: String,
    /// What the storage calls it.
    pub volume_id: String,
    /// Its place in the boot order, 0 first; unique per node.
    pub boot_index: i64,
    /// How to reach it; may hold credentials.
    pub properties: Fields,
    /// What its owner wants to remember.
    pub extra: Fields,
    /// When it was made known.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

impl VolumeTarget {
    /// A target at `boot_index` with the other fields at their defaults. The store fills in `id`, `node_uuid`
    /// and `created_at`.
    #[must_use]
    pub fn new(
        uuid: Uuid,
        node_id: NodeId,
        boot_index: i64,
        volume_type: impl Into<String>,
        volume_id: impl Into<String>,
    ) -> Self {
        Self {
            id: 0,
            uuid,
            node_id,
            node_uuid: Uuid::nil(),
            volume_type: volume_type.into(),
            volume_id: volume_id.into(),
            boot_index,
            properties: Fields::new(),
            extra: Fields::new(),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: None,
        }
    }
}

impl fmt::Debug for VolumeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VolumeTarget")
            .field("id", &self.id)
            .field("uuid", &self.uuid)
            .field("node_uuid", &self.node_uuid)
            .field("volume_type", &self.volume_type)
            .field("volume_id", &self.volume_id)
            .field("boot_index", &self.boot_index)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_properties_of_a_target() {
        let mut target = VolumeTarget::new(Uuid::nil(), NodeId(1), 0, "iscsi", "v-1");
        target.properties.insert("auth_password".into(), "canary".into());

        assert!(!format!("{target:?}").contains("canary"));
    }
}

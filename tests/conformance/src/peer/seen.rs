//! What can be seen of a machine without the plugin.

use crate::target::{Control, Peer};

/// What somebody in front of a machine sees, besides whether it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// How many updates of firmware were begun.
    pub(crate) updates: u32,
    /// Images in its virtual drives.
    pub(crate) media: Vec<String>,
}

impl Peer {
    /// What can be seen of it; nothing where nobody can look.
    pub(crate) fn seen(&self) -> Option<Seen> {
        match &self.control {
            Control::Http(peer) => peer.seen(),
            Control::None
            | Control::Ipmi(_)
            | Control::Datagram(_)
            | Control::Sushy(_)
            | Control::Command { .. } => None,
        }
    }
}

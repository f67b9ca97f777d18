//! What can be seen of a machine without the plugin.

use serde::{Deserialize, Serialize};

use crate::target::{Control, Peer};

/// What somebody in front of a machine sees, besides whether it is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// How many updates of firmware were begun.
    pub(crate) updates: u32,
    /// Images in its virtual drives.
    pub(crate) media: Vec<String>,
    /// Whether somebody has its serial console.
    pub(crate) console: bool,
}

impl Peer {
    /// What can be seen of it; nothing where nobody can look.
    pub(crate) fn seen(&self) -> Option<Seen> {
        self.witness.look("seen", || match &self.control {
            Control::Http(peer) => peer.seen(),
            Control::Ipmi(bmc) => {
                Some(Seen { updates: 0, media: Vec::new(), console: bmc.state().has_console() })
            }
            Control::None | Control::Datagram(_) | Control::Foreign(_) | Control::Command { .. } => None,
        })
    }
}

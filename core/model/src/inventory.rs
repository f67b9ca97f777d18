//! What an inspection found.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use crate::node::{Fields, NodeId};
use crate::port::mac_address;

/// What the last inspection of a node found.
///
/// `Debug` shows whose it is, never what it holds: serial numbers and addresses belong to the operator.
///
/// Source: Ironic's REST API: inventory.
#[derive(Clone, PartialEq)]
pub struct Inventory {
    /// The node.
    pub node_id: NodeId,
    /// The machine in the agent's words: `cpu`, `memory`, `disks`, `interfaces`, `system_vendor`, `boot`.
    pub inventory: Fields,
    /// What else was found.
    pub plugin_data: Fields,
    /// When it was stored; the store fills it in.
    pub created_at: Timestamp,
}

impl Inventory {
    /// An inventory of a node.
    #[must_use]
    pub fn new(node_id: NodeId, inventory: Fields, plugin_data: Fields) -> Self {
        Self { node_id, inventory, plugin_data, created_at: Timestamp::UNIX_EPOCH }
    }
}

/// The network cards that `inventory` lists, each once. What has no MAC address is left out.
#[must_use]
pub fn network_cards(inventory: &Fields) -> Vec<NetworkCard> {
    let listed = inventory.get("interfaces").and_then(Value::as_array);
    let mut cards: Vec<NetworkCard> = Vec::new();
    for interface in listed.into_iter().flatten() {
        let address = interface.get("mac_address").and_then(Value::as_str);
        let Some(address) = address.and_then(mac_address) else { continue };
        if cards.iter().all(|card| card.address != address) {
            let pxe_enabled = interface.get("pxe_enabled").and_then(Value::as_bool);
            cards.push(NetworkCard { address, pxe_enabled: pxe_enabled.unwrap_or(true) });
        }
    }
    cards
}

impl fmt::Debug for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inventory")
            .field("node_id", &self.node_id)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// A network card that an inspection found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkCard {
    /// MAC address in lower case.
    pub address: String,
    /// Whether the machine may boot from it.
    pub pxe_enabled: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cards(interfaces: Value) -> Vec<(String, bool)> {
        let inventory = Fields::from_iter([("interfaces".to_owned(), interfaces)]);
        network_cards(&inventory).into_iter().map(|card| (card.address, card.pxe_enabled)).collect()
    }

    #[test]
    fn each_card_is_named_once_and_in_lower_case() {
        let found = cards(json!([
            {"name": "eth0", "mac_address": "52:54:00:AA:00:01"},
            {"name": "eth0.1", "mac_address": "52:54:00:aa:00:01"},
            {"name": "eth1", "mac_address": "52:54:00:aa:00:02", "pxe_enabled": false},
        ]));

        assert_eq!(found, [("52:54:00:aa:00:01".to_owned(), true), ("52:54:00:aa:00:02".to_owned(), false)]);
    }

    #[test]
    fn what_is_no_ethernet_address_is_left_out() {
        for interfaces in [
            json!([{"mac_address": "a0:00:02:20:fe:80:00:00:00:00:00:00:00:02:c9:03:00:1a:2b:3c"}]),
            json!([{"mac_address": "52-54-00-aa-00-01"}]),
            json!([{"mac_address": "52:54:00:aa:00:0g"}]),
            json!([{"mac_address": null}, {}, 7]),
            json!("eth0"),
        ] {
            assert!(cards(interfaces.clone()).is_empty(), "{interfaces}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_the_machine() {
        let inventory = Fields::from_iter([("system_vendor".to_owned(), json!("canary"))]);

        assert!(!format!("{:?}", Inventory::new(NodeId(1), inventory, Fields::new())).contains("canary"));
    }
}

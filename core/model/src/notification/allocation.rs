//! What is told of allocations.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Payload, Told, date};
use crate::node::Fields;

/// An allocation, as far as it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Allocation {
    /// Its UUID.
    pub uuid: Uuid,
    /// A name people chose.
    pub name: Option<String>,
    /// The node it was given.
    pub node_uuid: Option<Uuid>,
    /// `allocating`, `active` or `error`; none before it was stored.
    pub state: Option<String>,
    /// Why no node was found.
    pub last_error: Option<String>,
    /// Who owns it.
    pub owner: Option<String>,
    /// The resource class a node must have.
    pub resource_class: Option<String>,
    /// The traits a node must have.
    pub traits: Vec<String>,
    /// The nodes to choose from; empty for all.
    pub candidate_nodes: Vec<Uuid>,
    /// What its owner wants to remember.
    pub extra: Fields,
    /// When it was asked for; none before it was stored.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

impl Told for Allocation {
    const OBJECT: &'static str = "allocation";

    fn payload(&self, _declared: &[&str]) -> Payload {
        Payload::new(
            "AllocationCRUDPayload",
            "1.1",
            [
                ("uuid", json!(self.uuid)),
                ("name", json!(self.name)),
                ("node_uuid", json!(self.node_uuid)),
                ("state", json!(self.state)),
                ("last_error", json!(self.last_error)),
                ("owner", json!(self.owner)),
                ("resource_class", json!(self.resource_class)),
                ("traits", json!(self.traits)),
                ("candidate_nodes", json!(self.candidate_nodes)),
                ("extra", Value::Object(self.extra.clone())),
                ("created_at", date(self.created_at)),
                ("updated_at", date(self.updated_at)),
            ],
        )
    }
}

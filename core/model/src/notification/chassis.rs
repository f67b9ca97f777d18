//! What is told of chassis.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Payload, Told, date};
use crate::node::Fields;

/// A chassis, as far as it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Chassis {
    /// Its UUID.
    pub uuid: Uuid,
    /// What people want to remember about it.
    pub description: Option<String>,
    /// What its owner wants to remember.
    pub extra: Fields,
    /// When it was made known; none before it was stored.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

impl Told for Chassis {
    const OBJECT: &'static str = "chassis";

    fn payload(&self, _declared: &[&str]) -> Payload {
        Payload::new(
            "ChassisCRUDPayload",
            "1.0",
            [
                ("uuid", json!(self.uuid)),
                ("description", json!(self.description)),
                ("extra", Value::Object(self.extra.clone())),
                ("created_at", date(self.created_at)),
                ("updated_at", date(self.updated_at)),
            ],
        )
    }
}

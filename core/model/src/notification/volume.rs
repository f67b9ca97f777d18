//! What is told of volume connectors and volume targets.

use serde_json::{Value, json};

use super::secret::redacted;
use super::{Payload, Told, date, known};
use crate::volume::{VolumeConnector, VolumeTarget};

impl Told for VolumeConnector {
    const OBJECT: &'static str = "volumeconnector";

    fn payload(&self, _declared: &[&str]) -> Payload {
        Payload::new(
            "VolumeConnectorCRUDPayload",
            "1.0",
            [
                ("uuid", json!(self.uuid)),
                ("node_uuid", known(self.node_uuid)),
                ("type", json!(self.kind)),
                ("connector_id", json!(self.connector_id)),
                ("extra", Value::Object(self.extra.clone())),
                ("created_at", date(self.created_at)),
                ("updated_at", date(self.updated_at)),
            ],
        )
    }
}

impl Told for VolumeTarget {
    const OBJECT: &'static str = "volumetarget";

    fn payload(&self, _declared: &[&str]) -> Payload {
        Payload::new(
            "VolumeTargetCRUDPayload",
            "1.0",
            [
                ("uuid", json!(self.uuid)),
                ("node_uuid", known(self.node_uuid)),
                ("boot_index", json!(self.boot_index)),
                ("volume_id", json!(self.volume_id)),
                ("volume_type", json!(self.volume_type)),
                ("properties", if self.properties.is_empty() { json!({}) } else { redacted() }),
                ("extra", Value::Object(self.extra.clone())),
                ("created_at", date(self.created_at)),
                ("updated_at", date(self.updated_at)),
            ],
        )
    }
}

//! What is told of ports.

use serde_json::{Value, json};

use super::{Payload, Told, date, known};
use crate::port::Port;

impl Told for Port {
    const OBJECT: &'static str = "port";

    fn payload(&self, _declared: &[&str]) -> Payload {
        Payload::new(
            "PortCRUDPayload",
            "1.8",
            [
                ("uuid", json!(self.uuid)),
                ("address", json!(self.address)),
                ("name", json!(self.name)),
                ("description", json!(self.description)),
                ("node_uuid", known(self.node_uuid)),
                ("portgroup_uuid", json!(self.portgroup_uuid)),
                ("physical_network", json!(self.physical_network)),
                ("local_link_connection", Value::Object(self.local_link_connection.clone())),
                ("pxe_enabled", json!(self.pxe_enabled)),
                ("is_smartnic", json!(self.is_smartnic)),
                ("available_for_dynamic_portgroup", json!(self.available_for_dynamic_portgroup)),
                ("vendor", json!(self.vendor)),
                ("category", json!(self.category)),
                ("extra", Value::Object(self.extra.clone())),
                ("created_at", date(self.created_at)),
                ("updated_at", date(self.updated_at)),
            ],
        )
    }
}

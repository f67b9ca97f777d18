//! What is told of port groups.

use serde_json::{Value, json};

use super::{Payload, Told, date, known};
use crate::portgroup::Portgroup;

impl Told for Portgroup {
    const OBJECT: &'static str = "portgroup";

    fn payload(&self, _declared: &[&str]) -> Payload {
        Payload::new(
            "PortgroupCRUDPayload",
            "1.3",
            [
                ("uuid", json!(self.uuid)),
                ("name", json!(self.name)),
                ("node_uuid", known(self.node_uuid)),
                ("address", json!(self.address)),
                ("mode", json!(self.mode)),
                ("properties", Value::Object(self.properties.clone())),
                ("standalone_ports_supported", json!(self.standalone_ports_supported)),
                ("physical_network", json!(self.physical_network)),
                ("category", json!(self.category)),
                ("dynamic_portgroup", json!(self.dynamic_portgroup)),
                ("extra", Value::Object(self.extra.clone())),
                ("created_at", date(self.created_at)),
                ("updated_at", date(self.updated_at)),
            ],
        )
    }
}

//! What is told of what machines measure of themselves.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::secret::hidden;
use super::{Level, Notification, Payload};
use crate::node::Node;

/// How much readings matter.
pub const LEVEL: Level = Level::Info;

/// When readings were taken: UTC, with six digits behind the second and without a zone, as receivers expect it.
const TIMESTAMP_FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.6f";

/// The readings of a node's sensors, by type of sensor and then by sensor, taken at `timestamp`.
///
/// Plain fields, unlike anything else that is told: with a `message_id` of their own, and the readings within as
/// `payload`. `declared` names keys that drivers say are secret.
///
/// Source: Ironic's conductor manager.
#[must_use]
pub fn metrics(
    node: &Node,
    readings: &Map<String, Value>,
    message_id: Uuid,
    timestamp: Timestamp,
    declared: &[&str],
) -> Notification {
    let event_type = format!("hardware.{}.metrics", node.driver);
    let payload = Payload::plain([
        ("message_id", json!(message_id)),
        ("instance_uuid", json!(node.instance_uuid)),
        ("node_uuid", json!(node.uuid)),
        ("node_name", json!(node.name)),
        ("timestamp", json!(timestamp.strftime(TIMESTAMP_FORMAT).to_string())),
        ("event_type", json!(format!("{event_type}.update"))),
        ("payload", hidden(readings, declared)),
    ]);
    Notification { event_type, level: LEVEL, payload }
}

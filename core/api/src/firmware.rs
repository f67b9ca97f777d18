//! Firmware of a node's components on the wire.

use serde::{Deserialize, Serialize};

/// What `GET /v1/nodes/ID/firmware` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Firmware {
    /// The components, by name.
    pub firmware: Vec<FirmwareComponent>,
}

/// The firmware of one component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the members are the contract's and say what they mean")]
pub struct FirmwareComponent {
    pub created_at: Option<String>,
    pub updated_at: Option<String>,
    pub component: String,
    pub initial_version: String,
    pub current_version: String,
    pub last_version_flashed: Option<String>,
}

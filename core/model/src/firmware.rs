//! Firmware of a node's components, as it was last read.

use jiff::Timestamp;

/// The firmware of one component.
///
/// Source: Ironic's firmware component object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareComponent {
    /// What it is: `bios`, `bmc`, `nic:...`; unique on its node.
    pub component: String,
    /// The version it had when it was first read.
    pub initial_version: String,
    /// The version it has.
    pub current_version: String,
    /// The version it was last changed to; none when it was never changed.
    pub last_version_flashed: Option<String>,
    /// When it was first read.
    pub created_at: Timestamp,
    /// When it was last found changed.
    pub updated_at: Option<Timestamp>,
}

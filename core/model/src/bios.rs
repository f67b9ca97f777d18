//! BIOS settings of a node, as they were last read.

use jiff::Timestamp;

/// One BIOS setting.
///
/// Source: Ironic's BIOS setting object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BiosSetting {
    /// Its name; unique on its node.
    pub name: String,
    /// Its value; none when the machine does not say.
    pub value: Option<String>,
    /// When it was first read.
    pub created_at: Timestamp,
    /// When it was last found changed.
    pub updated_at: Option<Timestamp>,
}

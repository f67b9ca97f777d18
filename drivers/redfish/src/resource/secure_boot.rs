//! Secure boot of a machine.

use serde::Deserialize;

use super::{text, truth};

/// Source: DSP0268, SecureBoot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SecureBoot {
    /// Whether it is to be on at the next boot.
    #[serde(deserialize_with = "truth")]
    pub secure_boot_enable: Option<bool>,
    /// Whether it was on at the last boot.
    #[serde(deserialize_with = "text")]
    pub secure_boot_current_boot: Option<String>,
}

//! Secure boot of a machine.

use serde::Deserialize;

use super::{link, object, text, texts, truth};

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
    /// What it can be asked to do.
    #[serde(deserialize_with = "object")]
    pub actions: Option<SecureBootActions>,
}

/// Actions of secure boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SecureBootActions {
    /// Changes its keys.
    #[serde(rename = "#SecureBoot.ResetKeys", deserialize_with = "object")]
    pub reset_keys: Option<ResetKeysAction>,
}

/// Source: DSP0268, `SecureBoot.ResetKeys`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ResetKeysAction {
    /// Where to post it.
    #[serde(deserialize_with = "text")]
    pub target: Option<String>,
    /// Allowed types, where they stand beside the target.
    #[serde(rename = "ResetKeysType@Redfish.AllowableValues", deserialize_with = "texts")]
    pub allowed: Option<Vec<String>>,
    /// Where they stand otherwise.
    #[serde(rename = "@Redfish.ActionInfo", deserialize_with = "link")]
    pub info: Option<String>,
}

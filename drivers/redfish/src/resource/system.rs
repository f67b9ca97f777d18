//! A System: the machine as its BMC sees it.

use serde::{Deserialize, Serialize};

use super::action::ResetAction;
use super::{Status, link, links, object, text, texts};

/// Source: DSP0268, ComputerSystem.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct System {
    /// Main power: On, Off, PoweringOn, PoweringOff, Paused.
    #[serde(deserialize_with = "text")]
    pub power_state: Option<String>,
    /// What is booted.
    #[serde(deserialize_with = "object")]
    pub boot: Option<Boot>,
    /// What it can be asked to do.
    #[serde(deserialize_with = "object")]
    pub actions: Option<SystemActions>,
    /// Maker.
    #[serde(deserialize_with = "text")]
    pub manufacturer: Option<String>,
    /// Model.
    #[serde(deserialize_with = "text")]
    pub model: Option<String>,
    /// Health.
    #[serde(deserialize_with = "object")]
    pub status: Option<Status>,
    /// Where secure boot is.
    #[serde(deserialize_with = "link")]
    pub secure_boot: Option<String>,
    /// Collection of virtual media devices.
    #[serde(deserialize_with = "link")]
    pub virtual_media: Option<String>,
    /// BIOS settings.
    #[serde(deserialize_with = "link")]
    pub bios: Option<String>,
    /// Version of the BIOS.
    #[serde(deserialize_with = "text")]
    pub bios_version: Option<String>,
    /// When it was last reset.
    #[serde(deserialize_with = "text")]
    pub last_reset_time: Option<String>,
    /// How far the boot is.
    #[serde(deserialize_with = "object")]
    pub boot_progress: Option<BootProgress>,
    /// What it belongs to.
    #[serde(deserialize_with = "object")]
    pub links: Option<SystemLinks>,
    /// Where settings for the next boot are kept.
    #[serde(rename = "@Redfish.Settings", deserialize_with = "object")]
    pub settings: Option<Settings>,
}

/// What a machine boots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Boot {
    /// Disabled, Once or Continuous.
    #[serde(rename = "BootSourceOverrideEnabled", deserialize_with = "text")]
    pub enabled: Option<String>,
    /// What `enabled` may be.
    #[serde(rename = "BootSourceOverrideEnabled@Redfish.AllowableValues", deserialize_with = "texts")]
    pub enabled_allowed: Option<Vec<String>>,
    /// What is booted instead of the usual.
    #[serde(rename = "BootSourceOverrideTarget", deserialize_with = "text")]
    pub target: Option<String>,
    /// What `target` may be.
    #[serde(rename = "BootSourceOverrideTarget@Redfish.AllowableValues", deserialize_with = "texts")]
    pub target_allowed: Option<Vec<String>>,
    /// Legacy or UEFI.
    #[serde(rename = "BootSourceOverrideMode", deserialize_with = "text")]
    pub mode: Option<String>,
    /// What `mode` may be.
    #[serde(rename = "BootSourceOverrideMode@Redfish.AllowableValues", deserialize_with = "texts")]
    pub mode_allowed: Option<Vec<String>>,
}

/// Actions of a System.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SystemActions {
    /// Changes main power.
    #[serde(rename = "#ComputerSystem.Reset", deserialize_with = "object")]
    pub reset: Option<ResetAction>,
}

/// How far the boot is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct BootProgress {
    /// Last stage reached.
    #[serde(deserialize_with = "text")]
    pub last_state: Option<String>,
    /// When it was reached.
    #[serde(deserialize_with = "text")]
    pub last_state_time: Option<String>,
}

impl BootProgress {
    /// Whether it says anything.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.last_state.as_deref().is_some_and(|state| state != "None") || self.last_state_time.is_some()
    }
}

/// What a System belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SystemLinks {
    /// Its managers.
    #[serde(deserialize_with = "links")]
    pub managed_by: Vec<String>,
    /// Its managers, in the word of older services.
    #[serde(deserialize_with = "links")]
    pub managers: Vec<String>,
    /// Its chassis.
    #[serde(deserialize_with = "links")]
    pub chassis: Vec<String>,
}

/// Where settings for later are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The resource that takes them.
    #[serde(rename = "SettingsObject", deserialize_with = "link")]
    pub object: Option<String>,
    /// Its tag.
    #[serde(rename = "ETag", deserialize_with = "text")]
    pub etag: Option<String>,
}

impl System {
    /// The reset action with a place to post it.
    #[must_use]
    pub fn reset(&self) -> Option<(&ResetAction, &str)> {
        let action = self.actions.as_ref()?.reset.as_ref()?;
        Some((action, action.target.as_deref()?))
    }

    /// The resource that takes settings for later.
    #[must_use]
    pub fn settings_object(&self) -> Option<&str> {
        self.settings.as_ref()?.object.as_deref()
    }

    /// What changes with every restart, as far as this BMC shows it.
    #[must_use]
    pub fn boot_marks(&self) -> (Option<&str>, Option<&BootProgress>) {
        (self.last_reset_time.as_deref(), self.boot_progress.as_ref())
    }
}

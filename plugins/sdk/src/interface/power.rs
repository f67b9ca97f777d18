//! Main power of a machine.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A power state, or a change of it that can be asked for.
///
/// Source: Ironic `states`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum PowerState {
    /// Main power is on.
    #[serde(rename = "power on")]
    On,
    /// Main power is off.
    #[serde(rename = "power off")]
    Off,
    /// Off and on again; a request only.
    #[serde(rename = "rebooting")]
    Reboot,
    /// Off and on again by asking the operating system; a request only.
    #[serde(rename = "soft rebooting")]
    SoftReboot,
    /// Off by asking the operating system; a request only.
    #[serde(rename = "soft power off")]
    SoftOff,
    /// The BMC could not say.
    #[serde(rename = "error")]
    Error,
}

impl PowerState {
    /// All values.
    pub const ALL: [Self; 6] =
        [Self::On, Self::Off, Self::Reboot, Self::SoftReboot, Self::SoftOff, Self::Error];

    /// The name in API, store and notifications.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "power on",
            Self::Off => "power off",
            Self::Reboot => "rebooting",
            Self::SoftReboot => "soft rebooting",
            Self::SoftOff => "soft power off",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for PowerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no power state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a power state")]
pub struct UnknownPowerState(pub String);

impl FromStr for PowerState {
    type Err = UnknownPowerState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownPowerState(text.to_owned()))
    }
}

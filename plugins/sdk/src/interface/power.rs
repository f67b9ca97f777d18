//! Main power of a machine.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use farrier_sdk_macros::contract;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Result;
use crate::task::DriverTask;

/// A power state, or a change of it that can be asked for.
///
/// Source: Ironic `states`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PowerState {
    /// Main power is on.
    On,
    /// Main power is off.
    Off,
    /// Off and on again; a request only.
    Reboot,
    /// Off and on again by asking the operating system; a request only.
    SoftReboot,
    /// Off by asking the operating system; a request only.
    SoftOff,
    /// The BMC reports a failure in the place of a state.
    Error,
    /// The BMC answers but does not say, as in the middle of a change; null in JSON.
    Unknown,
}

impl PowerState {
    /// All values that have a name.
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
            Self::Unknown => "unknown",
        }
    }
}

impl Serialize for PowerState {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        if *self == Self::Unknown {
            return serializer.serialize_none();
        }
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for PowerState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match Option::<String>::deserialize(deserializer)? {
            None => Ok(Self::Unknown),
            Some(name) => name.parse().map_err(D::Error::custom),
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

/// Reads and changes the power state of one machine.
///
/// One instance serves every node; what it keeps between calls is a cache, never state. Each call has a
/// deadline and may be dropped at any `.await`. Calls that change the machine never overlap on one node, reads
/// may.
///
/// ```
/// use farrier_sdk::prelude::*;
///
/// struct AcmePower;
///
/// #[interface(power, name = "acme")]
/// impl PowerInterface for AcmePower {
///     type Info = NoInfo;
///
///     async fn get_power_state(&self, _task: &DriverTask<NoInfo>) -> Result<PowerState> {
///         Ok(PowerState::On)
///     }
///
///     async fn set_power_state(&self, _task: &DriverTask<NoInfo>, state: PowerState, _timeout: Option<Duration>) -> Result<()> {
///         Err(DriverError::invalid_parameter(format!("`{state}` is not a power state of this machine")))
///     }
///
///     async fn reboot(&self, task: &DriverTask<NoInfo>, timeout: Option<Duration>) -> Result<()> {
///         self.set_power_state(task, PowerState::Off, timeout).await?;
///         self.set_power_state(task, PowerState::On, timeout).await
///     }
/// }
/// # fn main() {}
/// ```
///
/// Source: Ironic `PowerInterface`.
#[contract(power)]
pub trait PowerInterface {
    /// Asks the BMC whether main power is on; never answers from a cache.
    ///
    /// # Errors
    ///
    /// - `Unreachable`: no answer within the time left.
    /// - `Protocol`: not an answer at all; one that says neither on nor off is [`PowerState::Unknown`].
    async fn get_power_state(&self, task: &DriverTask<Self::Info>) -> Result<PowerState>;

    /// Changes the power state and waits until the machine has it, at most for `timeout`.
    ///
    /// Asking for the present state succeeds without touching the machine.
    ///
    /// # Errors
    ///
    /// - `InvalidParameter`: `state` is not one the implementation supports.
    /// - `Timeout`: the machine did not get there.
    async fn set_power_state(
        &self,
        task: &DriverTask<Self::Info>,
        state: PowerState,
        timeout: Option<Duration>,
    ) -> Result<()>;

    /// Switches the machine off, if it is on, and on again; waits for it at most for `timeout` each time.
    async fn reboot(&self, task: &DriverTask<Self::Info>, timeout: Option<Duration>) -> Result<()>;

    /// What can be asked for; on, off and rebooting unless overridden.
    async fn get_supported_power_states(&self, task: &DriverTask<Self::Info>) -> Result<Vec<PowerState>> {
        Ok(vec![PowerState::On, PowerState::Off, PowerState::Reboot])
    }

    /// Whether the conductor may put the recorded power state back when it finds another; true unless overridden.
    async fn supports_power_sync(&self, task: &DriverTask<Self::Info>) -> Result<bool> {
        Ok(true)
    }
}

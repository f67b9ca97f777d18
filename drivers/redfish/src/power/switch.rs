//! Changing main power.

use std::time::Duration;

use farrier_sdk::prelude::{BootDevice, PowerState, warn};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::state_of;
use super::wait::{Goal, Marks, is_moving};
use crate::boot_device::PostPatience;
use crate::client::error::{Failure, RedfishError, Result};
use crate::client::operation::Operation;
use crate::discovery::Found;
use crate::options::{RedfishOptions, duration};

/// Most often a request is sent whose answer was lost.
const SENDS_MAX: u32 = 3;

/// What a BMC says when power on comes too soon after power off.
const CONFLICT: &str = "ActionParameterValueConflict";

/// Reset types for each wish, best first.
const ON: &[&str] = &["On", "ForceOn"];
/// A press of the button switches off a machine that is on, so that it is only for one that is known to be off.
const ON_FROM_OFF: &[&str] = &["On", "ForceOn", BUTTON];
const BUTTON: &str = "PushPowerButton";
const OFF: &[&str] = &["ForceOff"];
const SOFT_OFF: &[&str] = &["GracefulShutdown"];
const SOFT_RESTART: &[&str] = &["GracefulRestart"];
const RESTART: &[&str] = &["ForceRestart", "PowerCycle", "GracefulRestart"];
const NMI: &[&str] = &["Nmi"];

/// One change of the power of one machine.
pub(super) struct Switch<'a> {
    operation: Operation,
    options: &'a RedfishOptions,
    found: Found,
    /// To be set again before each start.
    boot_device: Option<&'a str>,
    timeout: Option<Duration>,
}

impl<'a> Switch<'a> {
    pub(super) fn new(
        operation: Operation,
        options: &'a RedfishOptions,
        found: Found,
        boot_device: Option<&'a str>,
        timeout: Option<Duration>,
    ) -> Self {
        Self { operation, options, found, boot_device, timeout }
    }

    pub(super) async fn on(mut self) -> Result<()> {
        self.settle("PoweringOff").await?;
        if state_of(&self.found.system) == PowerState::On {
            return if is_moving(&self.found) {
                self.arrive(PowerState::On, self.hard_timeout()).await
            } else {
                Ok(())
            };
        }
        self.start().await
    }

    pub(super) async fn off(mut self) -> Result<()> {
        self.settle("PoweringOn").await?;
        if state_of(&self.found.system) == PowerState::Off && !is_moving(&self.found) {
            return Ok(());
        }
        self.stop(OFF, self.hard_timeout()).await
    }

    pub(super) async fn soft_off(mut self) -> Result<()> {
        self.settle("PoweringOn").await?;
        if state_of(&self.found.system) == PowerState::Off && !is_moving(&self.found) {
            return Ok(());
        }
        self.stop(SOFT_OFF, self.soft_timeout()).await
    }

    /// Off and on again; without ever being off if `keep_on`.
    pub(super) async fn reboot(mut self, keep_on: bool) -> Result<()> {
        self.settle("PoweringOff").await?;
        if state_of(&self.found.system) == PowerState::Off {
            return self.start().await;
        }
        if keep_on {
            let kind = self.reset_type(RESTART).await?;
            return self.restart(&kind, self.hard_timeout()).await;
        }
        self.stop(OFF, self.hard_timeout()).await?;
        self.start().await
    }

    /// Off and on again by asking the operating system.
    pub(super) async fn soft_reboot(mut self, keep_on: bool) -> Result<()> {
        self.settle("PoweringOff").await?;
        if state_of(&self.found.system) == PowerState::Off {
            return self.start().await;
        }
        match self.reset_type(SOFT_RESTART).await {
            Ok(kind) => self.restart(&kind, self.soft_timeout()).await,
            Err(error) if keep_on || !matches!(error.failure, Failure::Unsupported(_)) => Err(error),
            Err(_) => {
                self.stop(SOFT_OFF, self.soft_timeout()).await?;
                self.start().await
            }
        }
    }

    /// Whether a machine arrives where it may have been sent before, given the time for it.
    pub(super) async fn shows(&self, goal: &Goal) -> Result<bool> {
        match self.operation.arrive(&self.found, goal, self.hard_timeout()).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.failure, Failure::PowerState(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Interrupts the operating system.
    pub(super) async fn nmi(self) -> Result<()> {
        let kind = self.reset_type(NMI).await?;
        self.post(&kind, None).await
    }

    fn hard_timeout(&self) -> Duration {
        self.timeout.unwrap_or_else(|| duration(self.options.power_state_change_timeout))
    }

    fn soft_timeout(&self) -> Duration {
        self.timeout.unwrap_or_else(|| duration(self.options.soft_power_off_timeout))
    }

    /// Lets a machine arrive that is on its way to where it is not wanted.
    async fn settle(&mut self, away: &str) -> Result<()> {
        if self.found.system.power_state.as_deref() == Some(away) {
            let limit = duration(self.options.power_settle_timeout);
            self.found = self.operation.settle_power(self.found.clone(), limit).await?;
        }
        Ok(())
    }

    async fn start(&mut self) -> Result<()> {
        let is_off = state_of(&self.found.system) == PowerState::Off && !is_moving(&self.found);
        let kind = self.reset_type(if is_off { ON_FROM_OFF } else { ON }).await?;
        self.set_boot_device_again().await;
        self.post(&kind, Some(PowerState::On)).await?;
        self.arrive(PowerState::On, self.hard_timeout()).await
    }

    async fn stop(&mut self, kinds: &[&str], timeout: Duration) -> Result<()> {
        let kind = self.reset_type(kinds).await?;
        self.post(&kind, Some(PowerState::Off)).await?;
        self.found = self.operation.arrive(&self.found, &Goal::State(PowerState::Off), timeout).await?;
        Ok(())
    }

    async fn restart(&mut self, kind: &str, timeout: Duration) -> Result<()> {
        self.set_boot_device_again().await;
        let before = Marks::of(&self.found);
        self.post(kind, None).await?;
        let goal = Goal::Restarted { before, settle: duration(self.options.restart_settle_time) };
        self.operation.arrive(&self.found, &goal, timeout).await.map(drop)
    }

    async fn arrive(&self, state: PowerState, timeout: Duration) -> Result<()> {
        self.operation.arrive(&self.found, &Goal::State(state), timeout).await.map(drop)
    }

    /// Sets the boot device that the BMC keeps for one boot only; the machine is started in any case.
    async fn set_boot_device_again(&self) {
        let Some(device) = self.boot_device else { return };
        let patience = PostPatience::of(self.options);
        let device = BootDevice::from(device.to_owned());
        if let Err(error) = self.operation.set_boot_device(&self.found, &device, false, patience).await {
            warn!(%error, %device, "the boot device could not be set again for this boot");
        }
    }

    /// The first of these reset types that the machine allows.
    async fn reset_type(&self, wanted: &[&str]) -> Result<String> {
        let path = &self.found.path;
        let unsupported = |text| Err(self.operation.error(Method::POST, path, Failure::Unsupported(text)));
        if self.found.system.reset().is_none() {
            return unsupported(format!("`{path}` cannot be reset"));
        }
        let allowed = self.operation.reset_types(&self.found).await?;
        let fits =
            |kind: &&&str| allowed.as_ref().is_none_or(|list| list.iter().any(|value| value == **kind));
        match wanted.iter().find(fits) {
            Some(kind) => Ok((*kind).to_owned()),
            None => {
                let allowed = allowed.unwrap_or_default().join("`, `");
                unsupported(format!("`{path}` knows none of `{}`, only `{allowed}`", wanted.join("`, `")))
            }
        }
    }

    /// Asks for a reset; `wanted` is the state it leads to, if it leads to one.
    ///
    /// An answer that gets lost, or a refusal because the machine is there already, is settled by looking at
    /// the machine.
    async fn post(&self, kind: &str, wanted: Option<PowerState>) -> Result<()> {
        let target = self.found.system.reset().and_then(|(_, target)| self.operation.link(target));
        let Some(target) = target else {
            let text = format!("`{}` does not say where it can be reset", self.found.path);
            return Err(self.operation.error(Method::POST, &self.found.path, Failure::Unsupported(text)));
        };
        let (mut sends, mut conflicts) = (0, 0);
        loop {
            sends += 1;
            let error = match self.operation.act(&target, &json!({"ResetType": kind})).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if error.is_outcome_unknown() {
                if self.was_carried_out(&error, wanted).await? {
                    return Ok(());
                }
                // A button is not pressed again: the first press may be about to take effect.
                if sends >= SENDS_MAX || kind == BUTTON {
                    return Err(error);
                }
                continue;
            }
            if !matches!(error.status(), Some(StatusCode::BAD_REQUEST | StatusCode::CONFLICT)) {
                return Err(error);
            }
            if self.is_there_already(&error, wanted).await {
                return Ok(());
            }
            conflicts += 1;
            let conflict = error.messages().is_some_and(|messages| messages.has(CONFLICT));
            let too_soon =
                wanted == Some(PowerState::On) && conflict && error.status() == Some(StatusCode::CONFLICT);
            if !too_soon || conflicts >= self.options.power_on_conflict_retry_attempts {
                return Err(error);
            }
            self.operation.pause(duration(self.options.power_on_conflict_retry_interval)).await;
        }
    }

    /// Whether a request without an answer was carried out; the error itself when that cannot be told.
    async fn was_carried_out(&self, error: &RedfishError, wanted: Option<PowerState>) -> Result<bool> {
        let part = self.operation.part(self.operation.request_time() * 2);
        let Ok(now) = part.again(&self.found).await else { return Err(error.clone()) };
        let before = Marks::of(&self.found);
        let changed = Marks::of(&now) != before;
        match wanted {
            Some(wanted) if state_of(&now.system) == wanted => Ok(true),
            Some(_) if state_of(&now.system) == state_of(&self.found.system) => Ok(false),
            None if changed => Ok(true),
            None if before.are_shown() => Ok(false),
            Some(_) | None => Err(error.clone()),
        }
    }

    /// Whether a refusal only says that the machine is where it is wanted.
    async fn is_there_already(&self, error: &RedfishError, wanted: Option<PowerState>) -> bool {
        let Some(wanted) = wanted else { return false };
        let state = match self.operation.again(&self.found).await {
            Ok(now) => state_of(&now.system),
            Err(_) => PowerState::Unknown,
        };
        if state != PowerState::Unknown {
            return state == wanted;
        }
        let word = if wanted == PowerState::On { "on" } else { "off" };
        let says = |text: &str| {
            error.messages().is_some_and(|messages| messages.mentions(&format!("{text} {word}")))
        };
        says("already powered") || says("host is powered")
    }
}

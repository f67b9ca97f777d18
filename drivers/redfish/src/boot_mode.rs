//! How firmware starts a machine: boot mode and secure boot.
//!
//! Some machines show a change at once, others only after they have started anew.

use farrier_sdk::prelude::{BootMode, PowerState, warn};
use reqwest::Method;
use serde_json::{Map, json};
use tokio::time::Instant;

use crate::boot_device::{ENABLED, MODE, PostPatience, TARGET, is_refusal};
use crate::client::error::{Failure, RedfishError, Result};
use crate::client::operation::Operation;
use crate::discovery::Found;
use crate::options::duration;
use crate::power::{Restart, state_of};
use crate::quirks::{Habit, Habits};
use crate::resource::action::ActionInfo;
use crate::resource::secure_boot::SecureBoot;
use crate::resource::system::System;

/// What a BMC says that wants a license for it.
const NO_LICENSE: &str = "OemLicenseNotPassed";

/// What can be done to the keys of secure boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetKeys {
    /// The maker's own again.
    ToDefault,
    /// None.
    Delete,
}

impl ResetKeys {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ToDefault => "ResetAllKeysToDefault",
            Self::Delete => "DeleteAllKeys",
        }
    }
}

/// A setting that may change only when the machine starts.
#[derive(Debug, Clone)]
enum Setting {
    Mode(BootMode),
    SecureBoot { path: String, on: bool },
}

impl Setting {
    fn text(&self) -> String {
        match self {
            Self::Mode(mode) => format!("boot mode `{mode}`"),
            Self::SecureBoot { on: true, .. } => "secure boot".to_owned(),
            Self::SecureBoot { on: false, .. } => "secure boot switched off".to_owned(),
        }
    }
}

impl Operation {
    /// The boot mode a machine shows, at its System or where settings are kept; `None` when it shows none.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub async fn boot_mode(&self, found: &Found) -> Result<Option<BootMode>> {
        if let Some(mode) = mode_of(&found.system) {
            return Ok(Some(mode));
        }
        let Some(path) = found.system.settings_object().and_then(|link| self.link(link)) else {
            return Ok(None);
        };
        Ok(self.read_optional::<System>(&path).await?.as_ref().and_then(mode_of))
    }

    /// Puts a machine into a boot mode; starts it anew if it does not show the mode otherwise.
    ///
    /// # Errors
    ///
    /// [`Failure::Unsupported`] when a machine without a boot mode refuses one; [`Failure::Failed`] when it does
    /// not take effect in time; those of a PATCH.
    pub(crate) async fn set_boot_mode(
        &self,
        found: &Found,
        mode: BootMode,
        restart: &Restart<'_>,
    ) -> Result<()> {
        let present = self.boot_mode(found).await?;
        if present == Some(mode) {
            return Ok(());
        }
        let mut place = self.boot_place(found, |boot| boot.mode.is_some()).await?;
        let root = self.root().await.ok();
        let mut boot = Map::from_iter([(MODE.to_owned(), json!(name_of(mode)))]);
        if Habits::of(root.as_deref(), &found.system).has(Habit::BootWhole) {
            boot.insert(TARGET.to_owned(), json!(place.boot.target.as_deref().unwrap_or("None")));
            boot.insert(ENABLED.to_owned(), json!(place.boot.enabled.as_deref().unwrap_or("Disabled")));
        }
        let patience = PostPatience::of(restart.options);
        match self.change_boot(found, &mut place, &json!({"Boot": boot}), patience).await {
            Err(error) if present.is_none() && is_refusal(&error) => {
                let text =
                    format!("`{}` has no boot mode that can be changed: {}", found.path, error.failure);
                return Err(self.error(Method::PATCH, &found.path, Failure::Unsupported(text)));
            }
            other => other?,
        };
        let setting = Setting::Mode(mode);
        match self.shows(found, &setting).await? {
            Some(true) => Ok(()),
            Some(false) => self.take_effect(found, &setting, restart).await,
            None => {
                warn!(system = found.path, %mode, "the boot mode was accepted, but the machine does not show any");
                Ok(())
            }
        }
    }

    /// Whether secure boot is on; `None` when the machine does not say, or not without a license.
    ///
    /// # Errors
    ///
    /// [`Failure::Unsupported`] when it has no secure boot; those of reading.
    pub async fn secure_boot(&self, found: &Found) -> Result<Option<bool>> {
        match self.read_secure_boot(found).await {
            Ok((_, secure_boot)) => Ok(secure_boot.secure_boot_enable),
            Err(error) if wants_license(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Switches secure boot on or off; starts the machine anew if it does not show it otherwise.
    ///
    /// # Errors
    ///
    /// [`Failure::Unsupported`] when it has no secure boot; [`Failure::Failed`] when it is to be on in a legacy boot
    /// mode, or does not take effect in time; those of a PATCH.
    pub(crate) async fn set_secure_boot(&self, found: &Found, on: bool, restart: &Restart<'_>) -> Result<()> {
        let (path, secure_boot) = self.read_secure_boot(found).await?;
        if secure_boot.secure_boot_enable == Some(on) {
            return Ok(());
        }
        if on && self.boot_mode(found).await? == Some(BootMode::Bios) {
            let text = "secure boot needs boot mode `uefi`, and the machine is in `bios`".to_owned();
            return Err(self.error(Method::PATCH, &path, Failure::Failed(text)));
        }
        self.patch(&path, &json!({"SecureBootEnable": on})).await?;
        let setting = Setting::SecureBoot { path, on };
        match self.shows(found, &setting).await? {
            Some(true) => Ok(()),
            Some(false) => self.take_effect(found, &setting, restart).await,
            None => {
                warn!(system = found.path, on, "secure boot was accepted, but the machine does not show it");
                Ok(())
            }
        }
    }

    /// Changes the keys of secure boot.
    ///
    /// # Errors
    ///
    /// [`Failure::Unsupported`] when the machine cannot; those of a POST.
    pub async fn reset_secure_boot_keys(&self, found: &Found, what: ResetKeys) -> Result<()> {
        let (path, secure_boot) = self.read_secure_boot(found).await?;
        let action = secure_boot.actions.and_then(|actions| actions.reset_keys).unwrap_or_default();
        let info = action.info.as_deref().and_then(|link| self.link(link));
        let allowed = match (action.allowed, info) {
            (Some(allowed), _) => Some(allowed),
            (None, Some(info)) => {
                let info = self.read_optional::<ActionInfo>(&info).await?;
                info.and_then(|info| info.allowed("ResetKeysType").map(<[String]>::to_vec))
            }
            (None, None) => None,
        };
        let fits = allowed.is_none_or(|allowed| allowed.iter().any(|value| value == what.as_str()));
        match action.target.as_deref().and_then(|target| self.link(target)).filter(|_| fits) {
            Some(target) => self.carry_out(&target, &json!({"ResetKeysType": what.as_str()})).await,
            None => {
                let text = format!("`{path}` cannot do `{}`", what.as_str());
                Err(self.error(Method::POST, &path, Failure::Unsupported(text)))
            }
        }
    }

    async fn read_secure_boot(&self, found: &Found) -> Result<(String, SecureBoot)> {
        let missing = || {
            let text = format!("`{}` has no secure boot", found.path);
            self.error(Method::GET, &found.path, Failure::Unsupported(text))
        };
        let path =
            found.system.secure_boot.as_deref().and_then(|link| self.link(link)).ok_or_else(missing)?;
        let secure_boot = self.read_optional(&path).await?.ok_or_else(missing)?;
        Ok((path, secure_boot))
    }

    /// Whether a setting is as wanted; `None` when the machine does not show it.
    async fn shows(&self, found: &Found, setting: &Setting) -> Result<Option<bool>> {
        match setting {
            Setting::Mode(mode) => {
                let now = self.again(found).await?;
                Ok(self.boot_mode(&now).await?.map(|shown| shown == *mode))
            }
            Setting::SecureBoot { path, on } => {
                let now: SecureBoot = self.read(path).await?;
                Ok(now.secure_boot_enable.map(|shown| shown == *on))
            }
        }
    }

    /// Starts a machine anew and waits until it shows a setting; puts its power back afterwards.
    async fn take_effect(&self, found: &Found, setting: &Setting, restart: &Restart<'_>) -> Result<()> {
        let limit = duration(restart.options.boot_mode_config_timeout);
        let before = self.again(found).await?;
        let was_off = state_of(&before.system) == PowerState::Off;
        restart.run(self.part(limit), before.clone()).await?;
        let end = Instant::now() + limit;
        let reached = loop {
            match self.part(self.request_time() * 2).shows(found, setting).await {
                Ok(Some(true)) => break Ok(()),
                Err(error) if !error.is_retryable() => break Err(error),
                Ok(_) | Err(_) if Instant::now() < end => {
                    tokio::time::sleep(duration(restart.options.boot_mode_config_interval)).await;
                }
                Ok(_) | Err(_) => {
                    let (what, seconds) = (setting.text(), limit.as_secs_f32());
                    let text = format!("timed out after {seconds} s: the machine does not show {what}");
                    break Err(self.error(Method::GET, &found.path, Failure::Failed(text)));
                }
            }
        };
        if was_off {
            let now = self.part(self.request_time() * 2).again(found).await?;
            restart.off(self.part(limit), now).await?;
        }
        reached
    }
}

const fn name_of(mode: BootMode) -> &'static str {
    match mode {
        BootMode::Bios => "Legacy",
        BootMode::Uefi | _ => "UEFI",
    }
}

fn mode_of(system: &System) -> Option<BootMode> {
    match system.boot.as_ref()?.mode.as_deref()? {
        "UEFI" => Some(BootMode::Uefi),
        "Legacy" => Some(BootMode::Bios),
        _ => None,
    }
}

fn wants_license(error: &RedfishError) -> bool {
    error.messages().is_some_and(|messages| messages.has(NO_LICENSE))
}

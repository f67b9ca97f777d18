//! What a machine boots next.

use std::time::Duration;

use farrier_sdk::prelude::{BootDevice, CurrentBootDevice, DriverTask, warn};
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::client::address::canonical;
use crate::client::error::{Failure, RedfishError, Result};
use crate::client::operation::Operation;
use crate::discovery::Found;
use crate::driver_info::RedfishInfo;
use crate::options::{RedfishOptions, duration};
use crate::power::BOOT_DEVICE_KEY;
use crate::quirks::{Habit, Habits};
use crate::resource::system::{Boot, System};

/// A growing pause is at most this many times the first.
const POST_PAUSE_GROWTH_MAX: u32 = 6;

/// Refused while the machine starts.
const IN_POST: &str = "UnableToModifyDuringSystemPOST";

/// Refused because the settings resource takes it.
const IN_SETTINGS: &str = "OperationSupportedInFutureStateURI";

pub(crate) const TARGET: &str = "BootSourceOverrideTarget";
pub(crate) const ENABLED: &str = "BootSourceOverrideEnabled";
pub(crate) const MODE: &str = "BootSourceOverrideMode";
const ONCE: &str = "Once";
const CONTINUOUS: &str = "Continuous";

/// Our names and the standard's.
#[rustfmt::skip]
const DEVICES: &[(BootDevice, &str)] = &[
    (BootDevice::Pxe,      "Pxe"),
    (BootDevice::Disk,     "Hdd"),
    (BootDevice::Cdrom,    "Cd"),
    (BootDevice::Bios,     "BiosSetup"),
    (BootDevice::UefiHttp, "UefiHttp"),
    (BootDevice::Floppy,   "Floppy"),
    (BootDevice::Usb,      "Usb"),
    (BootDevice::Safe,     "SafeMode"),
    (BootDevice::Cdrom,    "UsbCd"),
    // next device above this line
];

/// Targets of the standard without a name of ours; known by their own.
///
/// Source: DSP0268, ComputerSystem, BootSource.
const OTHER_TARGETS: &[&str] =
    &["Diags", "Recovery", "RemoteDrive", "SDCard", "UefiBootNext", "UefiShell", "UefiTarget", "Utilities"];

/// How patiently a change is tried that a starting machine refuses.
#[derive(Debug, Clone, Copy)]
pub struct PostPatience {
    /// How often.
    pub attempts: u32,
    /// First pause.
    pub delay: Duration,
}

impl PostPatience {
    /// What the options say.
    #[must_use]
    pub fn of(options: &RedfishOptions) -> Self {
        let delay = duration(options.post_boot_retry_delay);
        Self { attempts: options.post_boot_retry_attempts, delay }
    }
}

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The BMC keeps it as asked.
    AsAsked,
    /// The BMC keeps it for one boot only; it has to be set again before each.
    OnceOnly,
}

impl Kept {
    /// Keeps in the node what the BMC does not keep, and nothing else.
    ///
    /// # Errors
    ///
    /// Those of saving.
    pub(crate) async fn remember(
        self,
        task: &DriverTask<RedfishInfo>,
        device: &BootDevice,
    ) -> farrier_sdk::error::Result<()> {
        let remembered = task.node().driver_internal_info.contains_key(BOOT_DEVICE_KEY);
        match self {
            Self::OnceOnly => {
                task.save_internal_info(|info| {
                    info.insert(BOOT_DEVICE_KEY.to_owned(), Value::from(device.as_str()));
                })
                .await
            }
            Self::AsAsked if remembered => {
                task.save_internal_info(|info| {
                    info.remove(BOOT_DEVICE_KEY);
                })
                .await
            }
            Self::AsAsked => Ok(()),
        }
    }
}

/// Devices that have a name.
#[must_use]
pub fn supported() -> Vec<BootDevice> {
    let mut devices: Vec<BootDevice> = Vec::new();
    for (device, _) in DEVICES {
        if !devices.contains(device) {
            devices.push(device.clone());
        }
    }
    devices
}

/// What the machine boots next, as far as the System says.
#[must_use]
pub fn current(system: &System) -> CurrentBootDevice {
    let boot = system.boot.as_ref();
    let enabled = boot.and_then(|boot| boot.enabled.as_deref()).filter(|enabled| *enabled != "Disabled");
    let target = boot.and_then(|boot| boot.target.as_deref()).filter(|target| *target != "None");
    match (enabled, target) {
        (Some(enabled), Some(target)) => CurrentBootDevice {
            boot_device: Some(device_of(target)),
            persistent: Some(enabled == CONTINUOUS),
        },
        _ => CurrentBootDevice { boot_device: None, persistent: None },
    }
}

fn device_of(target: &str) -> BootDevice {
    let named = DEVICES.iter().find(|(_, name)| *name == target);
    named.map_or_else(|| BootDevice::Other(target.to_owned()), |(device, _)| device.clone())
}

/// Where boot settings are changed, and what they are there now.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The System, or its settings resource.
    pub(crate) path: String,
    /// Its boot settings.
    pub(crate) boot: Boot,
}

impl Operation {
    /// Sets what the machine boots next, or from now on.
    ///
    /// A BMC that keeps nothing beyond one boot gets it for one boot; see [`Kept`].
    ///
    /// # Errors
    ///
    /// [`Failure::Invalid`] before anything is sent, when the machine does not take the device; those of a PATCH.
    pub async fn set_boot_device(
        &self,
        found: &Found,
        device: &BootDevice,
        persistent: bool,
        patience: PostPatience,
    ) -> Result<Kept> {
        let root = self.root().await.ok();
        let habits = Habits::of(root.as_deref(), &found.system);
        let mut place = self.boot_place(found, |boot| boot.target.is_some()).await?;
        let target = self.target(device, &place, found, &habits)?;
        let continuous = persistent && target != "UefiTarget" && takes_continuous(&place, found);
        let mut kept = if persistent && !continuous { Kept::OnceOnly } else { Kept::AsAsked };
        let wish = |enabled| Wish { target: &target, enabled, habits: &habits, mode: mode_of(found) };
        let sent = self
            .send_wish(found, &mut place, &wish(if continuous { CONTINUOUS } else { ONCE }), patience)
            .await;
        let shown = match sent {
            Err(error) if continuous && is_refusal(&error) => {
                kept = Kept::OnceOnly;
                self.send_wish(found, &mut place, &wish(ONCE), patience).await?
            }
            other => other?,
        };
        let sent = wish(if kept == Kept::AsAsked && continuous { CONTINUOUS } else { ONCE });
        self.check_boot_device(found, &place, &sent, shown).await;
        Ok(kept)
    }

    /// The settings resource if it holds boot settings, else the System.
    pub(crate) async fn boot_place(&self, found: &Found, holds: fn(&Boot) -> bool) -> Result<Place> {
        let own = Place { path: found.path.clone(), boot: found.system.boot.clone().unwrap_or_default() };
        let settings = found.system.settings_object().and_then(|link| self.link(link));
        let Some(path) = settings.filter(|path| canonical(path) != canonical(&found.path)) else {
            return Ok(own);
        };
        let settings = self.read_optional::<System>(&path).await?;
        let boot = settings.and_then(|settings| settings.boot).filter(holds);
        Ok(boot.map_or(own, |boot| Place { path, boot }))
    }

    fn target(&self, device: &BootDevice, place: &Place, found: &Found, habits: &Habits) -> Result<String> {
        let own = found.system.boot.as_ref().and_then(|boot| boot.target_allowed.as_deref());
        let allowed = place.boot.target_allowed.as_deref().or(own);
        choose(device, allowed, habits)
            .map_err(|text| self.error(Method::PATCH, &place.path, Failure::Invalid(text)))
    }

    async fn send_wish(
        &self,
        found: &Found,
        place: &mut Place,
        wish: &Wish<'_>,
        patience: PostPatience,
    ) -> Result<Option<Boot>> {
        let body = wish.body(&place.boot);
        self.change_boot(found, place, &body, patience).await
    }

    /// Changes boot settings where the BMC takes them, and when: some refuse while the machine starts. What it shows
    /// of them in its answer.
    pub(crate) async fn change_boot(
        &self,
        found: &Found,
        place: &mut Place,
        body: &Value,
        patience: PostPatience,
    ) -> Result<Option<Boot>> {
        let mut moved = false;
        let mut refusals = 0;
        loop {
            let error = match self.patch_shown::<System>(&place.path, body).await {
                Ok(shown) => return Ok(shown.and_then(|shown| shown.boot)),
                Err(error) => error,
            };
            let says = |id: &str| error.messages().is_some_and(|messages| messages.has(id));
            if says(IN_SETTINGS) && !moved {
                moved = true;
                place.path = self.settings_named(found, &error);
            } else if says(IN_POST) && refusals + 1 < patience.attempts {
                refusals += 1;
                let factor = 1_u32.checked_shl(refusals - 1).unwrap_or(POST_PAUSE_GROWTH_MAX);
                self.pause(patience.delay * factor.min(POST_PAUSE_GROWTH_MAX)).await;
            } else {
                return Err(error);
            }
        }
    }

    /// Where a BMC wants boot settings that it does not take at the System.
    fn settings_named(&self, found: &Found, error: &RedfishError) -> String {
        let named = error.messages().and_then(|messages| messages.find(IN_SETTINGS)).and_then(|message| {
            let words = message.text.split(|c: char| c.is_whitespace() || "()'\"".contains(c));
            let words = words.chain(message.args.iter().map(String::as_str));
            words.map(|word| word.trim_end_matches(['.', ','])).find_map(|word| self.link(word))
        });
        let linked = found.system.settings_object().and_then(|link| self.link(link));
        named.or(linked).unwrap_or_else(|| format!("{}/SD", canonical(&found.path)))
    }

    /// Looks whether the BMC shows what was set; some show it only after a restart.
    async fn check_boot_device(&self, found: &Found, place: &Place, wish: &Wish<'_>, shown: Option<Boot>) {
        let boot = match shown.filter(|shown| shown.target.is_some()) {
            Some(shown) => shown,
            None => match self.read::<System>(&place.path).await {
                Ok(shown) => shown.boot.unwrap_or_default(),
                Err(error) => {
                    warn!(%error, "the boot device was set, but could not be read back");
                    return;
                }
            },
        };
        if boot.target.as_deref() != Some(wish.target) {
            let shown = boot.target.as_deref().unwrap_or("nothing");
            warn!(
                system = found.path,
                wanted = wish.target,
                shown,
                "the BMC does not show the boot device yet"
            );
        }
        let mode = mode_of(found);
        if wish.habits.has(Habit::ModeResets) && mode.is_some() && boot.mode.as_deref() != mode {
            let whole = json!({"Boot": {TARGET: wish.target, ENABLED: wish.enabled, MODE: mode}});
            if let Err(error) = self.patch(&place.path, &whole).await {
                warn!(%error, "the boot mode changed with the boot device and could not be put back");
            }
        }
    }
}

/// What is to be set.
struct Wish<'a> {
    target: &'a str,
    enabled: &'static str,
    habits: &'a Habits,
    /// Present mode of the machine.
    mode: Option<&'a str>,
}

impl Wish<'_> {
    /// Only what differs, unless the BMC wants more.
    fn body(&self, present: &Boot) -> Value {
        let whole = self.habits.has(Habit::BootWhole);
        let mut boot = Map::from_iter([(TARGET.to_owned(), json!(self.target))]);
        if whole || self.habits.has(Habit::EnabledAlways) || present.enabled.as_deref() != Some(self.enabled)
        {
            boot.insert(ENABLED.to_owned(), json!(self.enabled));
        }
        if whole {
            let mode = present.mode.as_deref().or(self.mode).unwrap_or("UEFI");
            boot.insert(MODE.to_owned(), json!(mode));
        }
        json!({"Boot": boot})
    }
}

fn mode_of(found: &Found) -> Option<&str> {
    found.system.boot.as_ref()?.mode.as_deref()
}

fn takes_continuous(place: &Place, found: &Found) -> bool {
    let own = found.system.boot.as_ref().and_then(|boot| boot.enabled_allowed.as_ref());
    let allowed = place.boot.enabled_allowed.as_ref().or(own);
    allowed.is_none_or(|allowed| allowed.iter().any(|value| value == CONTINUOUS))
}

/// Whether a BMC refused the content of a request, not the one who asked.
pub(crate) fn is_refusal(error: &RedfishError) -> bool {
    let refused = matches!(error.failure, Failure::Status { status, .. }
        if status.is_client_error() && status != StatusCode::NOT_FOUND && status != StatusCode::UNAUTHORIZED);
    refused && !error.messages().is_some_and(|messages| messages.has(IN_POST))
}

/// The target for a device, or why there is none.
fn choose(device: &BootDevice, allowed: Option<&[String]>, habits: &Habits) -> Result<String, String> {
    let mut wanted: Vec<&str> =
        DEVICES.iter().filter(|(named, _)| named == device).map(|(_, target)| *target).collect();
    if habits.has(Habit::CdromIsUsbCd) && allowed.is_some() {
        wanted.reverse();
    } else {
        wanted.truncate(1);
    }
    if let BootDevice::Other(name) = device {
        wanted.extend(OTHER_TARGETS.iter().filter(|target| target.eq_ignore_ascii_case(name)));
        let by_name = allowed.unwrap_or_default().iter().filter(|target| target.eq_ignore_ascii_case(name));
        wanted.extend(by_name.map(String::as_str).filter(|target| *target != "None"));
    }
    let fits = |target: &&&str| allowed.is_none_or(|allowed| allowed.iter().any(|value| value == **target));
    if let Some(target) = wanted.iter().find(fits) {
        return Ok((*target).to_owned());
    }
    let names = match allowed {
        Some(allowed) => {
            allowed.iter().filter(|target| *target != "None").map(|target| device_of(target)).collect()
        }
        None => supported(),
    };
    let names: Vec<String> = names.iter().map(|device| format!("`{device}`")).collect();
    Err(format!("`{device}` is not a boot device of this machine; it has {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn allowed(targets: &[&str]) -> Vec<String> {
        targets.iter().map(|target| (*target).to_owned()).collect()
    }

    fn supermicro() -> Habits {
        let system = System { manufacturer: Some("Supermicro".to_owned()), ..System::default() };
        Habits::of(None, &system)
    }

    fn ami() -> Habits {
        let system = System { manufacturer: Some("AMI".to_owned()), ..System::default() };
        Habits::of(None, &system)
    }

    #[test]
    fn names_become_targets() {
        let none = Habits::default();
        let cases = [
            (BootDevice::Pxe, None, &none, "Pxe"),
            (BootDevice::Disk, Some(allowed(&["Pxe", "Hdd"])), &none, "Hdd"),
            (BootDevice::Cdrom, Some(allowed(&["UsbCd", "Cd"])), &none, "Cd"),
            (BootDevice::Cdrom, Some(allowed(&["Cd", "UsbCd"])), &supermicro(), "UsbCd"),
            (BootDevice::Cdrom, Some(allowed(&["Cd"])), &supermicro(), "Cd"),
            (BootDevice::Cdrom, None, &supermicro(), "Cd"),
            (BootDevice::Other("uefishell".to_owned()), None, &none, "UefiShell"),
            (BootDevice::Other("AcmeStick".to_owned()), Some(allowed(&["AcmeStick"])), &none, "AcmeStick"),
        ];
        for (device, allowed, habits, target) in cases {
            assert_eq!(choose(&device, allowed.as_deref(), habits).as_deref(), Ok(target), "{device}");
        }
    }

    #[test]
    fn what_a_machine_does_not_take_is_refused_with_what_it_takes() {
        let some = allowed(&["None", "Pxe", "Hdd", "UefiShell"]);

        let error = choose(&BootDevice::Cdrom, Some(&some), &Habits::default()).unwrap_err();

        assert_snapshot!(error, @"`cdrom` is not a boot device of this machine; it has `pxe`, `disk`, `UefiShell`");
        assert!(choose(&BootDevice::Other("None".to_owned()), Some(&some), &Habits::default()).is_err());
        assert!(choose(&BootDevice::Wanboot, None, &Habits::default()).is_err());
    }

    #[test]
    fn only_what_differs_is_sent_unless_the_bmc_wants_more() {
        let present =
            Boot { enabled: Some(ONCE.to_owned()), mode: Some("Legacy".to_owned()), ..Boot::default() };
        let body = |habits: &Habits, enabled| {
            Wish { target: "Pxe", enabled, habits, mode: None }.body(&present)["Boot"].clone()
        };

        assert_eq!(body(&Habits::default(), ONCE), json!({TARGET: "Pxe"}));
        assert_eq!(body(&Habits::default(), CONTINUOUS), json!({TARGET: "Pxe", ENABLED: CONTINUOUS}));
        assert_eq!(body(&supermicro(), ONCE), json!({TARGET: "Pxe", ENABLED: ONCE}));
        assert_eq!(body(&ami(), ONCE), json!({TARGET: "Pxe", ENABLED: ONCE, MODE: "Legacy"}));
    }

    #[test]
    fn what_is_set_is_read_back_by_name() {
        let boot = |enabled: &str, target: &str| System {
            boot: Some(Boot {
                enabled: Some(enabled.to_owned()),
                target: Some(target.to_owned()),
                ..Boot::default()
            }),
            ..System::default()
        };
        let read = |system: &System| {
            let current = current(system);
            (current.boot_device.map(String::from), current.persistent)
        };

        assert_eq!(read(&boot("Once", "UsbCd")), (Some("cdrom".to_owned()), Some(false)));
        assert_eq!(read(&boot("Continuous", "Hdd")), (Some("disk".to_owned()), Some(true)));
        assert_eq!(read(&boot("Continuous", "UefiShell")), (Some("UefiShell".to_owned()), Some(true)));
        assert_eq!(read(&boot("Disabled", "Pxe")), (None, None));
        assert_eq!(read(&boot("Once", "None")), (None, None));
        assert_eq!(read(&System::default()), (None, None));
    }
}

//! BIOS settings.
//!
//! Settings are written into a resource of their own and take effect when the machine has started anew. A step
//! that does so takes minutes; where it stands is in the node, so that any conductor can go on with it. The call that
//! begins it only writes: a conductor that comes to its end in a later one leaves a node that waits.

mod registry;

use farrier_sdk::prelude::*;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::registry::{Registry, convert};
use crate::client::error::{Failure, RedfishError};
use crate::client::message::{Messages, Severity};
use crate::client::operation::Operation;
use crate::discovery::Found;
use crate::driver_info::RedfishInfo;
use crate::options::{RedfishOptions, duration};
use crate::power::{Restart, Turn};
use crate::progress;
use crate::resource::raw::Raw;
use crate::shared::{READ_LIMIT, Shared, WRITE_LIMIT};

/// Where a step stands, in `driver_internal_info`.
const PROGRESS: &str = "redfish_bios";

/// Where settings for later are when the BMC does not say, below its settings.
const PLACES: [&str; 3] = ["SD", "Settings", "Pending"];

/// Stages of a boot after which firmware has done its part.
const BOOTED: [&str; 2] = ["OSBootStarted", "OSRunning"];

/// How messages end that say nothing bad of settings, however severe they are: that a start is needed comes as a warning.
const HARMLESS: [&str; 2] = ["Success", "ResetRequired"];

/// Most settings named in an error.
const NAMES_SHOWN_MAX: usize = 20;

/// BIOS settings over Redfish.
///
/// Source: Ironic, redfish BIOS.
#[derive(Debug)]
pub struct RedfishBios {
    shared: Arc<Shared>,
}

/// Where a step stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Progress {
    /// Names of the settings that were asked for; none for a factory reset.
    names: Vec<String>,
    /// Their values, without those of passwords.
    wanted: Map<String, Value>,
    /// When it began, in seconds.
    started: i64,
    /// Whether the machine was started anew.
    restarted: bool,
    /// What is being done to start it anew.
    #[serde(default)]
    turn: Option<Turn>,
    /// What the BMC said of settings before: it may say so for years.
    said: String,
    /// How far it said the boot was before: one that never says anything else says nothing.
    #[serde(default)]
    booting: String,
}

/// The settings of a machine.
#[derive(Debug, Clone)]
struct Bios {
    path: String,
    raw: Raw,
    attributes: Map<String, Value>,
}

impl RedfishBios {
    /// An implementation with the clients of the plugin.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    async fn begin(
        &self,
        task: &DriverTask<RedfishInfo>,
        name: &'static str,
        limit: Duration,
    ) -> Result<(Operation, Found)> {
        let operation = self.shared.operation(task, name, limit).await?;
        let found = operation.system(task.info().system_id()).await?;
        Ok((operation, found))
    }

    fn wait(&self) -> StepOutcome {
        StepOutcome::wait(duration(self.shared.options().bios_config_interval))
    }

    /// Starts the machine anew, and notes each turn of that before it is made.
    async fn restart(
        &self,
        task: &DriverTask<RedfishInfo>,
        operation: &Operation,
        mut found: Found,
        mut progress: Progress,
    ) -> Result<StepOutcome> {
        let restart = Restart::of(task, self.shared.options());
        let mut may_be_asked = progress.turn.is_some();
        let mut turn = progress.turn.take().unwrap_or_else(|| restart.first(&found));
        loop {
            if !may_be_asked {
                progress.turn = Some(turn.clone());
                progress::save(task, PROGRESS, &progress).await?;
            }
            let made = restart.turn(operation.part(WRITE_LIMIT), found, &turn, may_be_asked).await;
            let Some(next) = self.unless_over(task, operation, &progress, made).await? else { break };
            (turn, may_be_asked) = (next, false);
            found = operation.system(task.info().system_id()).await?;
        }
        (progress.restarted, progress.turn) = (true, None);
        progress::save(task, PROGRESS, &progress).await?;
        Ok(self.wait())
    }

    /// Takes an error that may pass for the last one when the step has lasted too long.
    async fn unless_over<T>(
        &self,
        task: &DriverTask<RedfishInfo>,
        operation: &Operation,
        progress: &Progress,
        made: Result<T, RedfishError>,
    ) -> Result<T> {
        let limit = duration(self.shared.options().bios_config_timeout);
        match made {
            Err(error) if error.is_retryable() && progress::is_over(progress.started, limit) => {
                progress::clear(task, PROGRESS).await?;
                let text = format!("the machine could not be started anew in {} s: {error}", limit.as_secs());
                Err(operation.error(Method::POST, operation.name(), Failure::Failed(text)).into())
            }
            made => Ok(made?),
        }
    }

    /// Notes where a step stands that has written what it has to; the machine is started anew in its next call.
    async fn written(&self, task: &DriverTask<RedfishInfo>, progress: &Progress) -> Result<StepOutcome> {
        progress::save(task, PROGRESS, progress).await?;
        Ok(StepOutcome::wait(Duration::ZERO))
    }

    async fn begin_to_apply(
        &self,
        task: &DriverTask<RedfishInfo>,
        operation: &Operation,
        found: &Found,
        settings: &[BiosSetting],
    ) -> Result<StepOutcome> {
        let bios = operation.bios(found).await?;
        let registry = operation.attribute_registry(bios.raw.text("AttributeRegistry")).await?;
        let wanted = check(&bios, &registry, settings)?;
        let place = operation.settings_place(&bios).await?;
        let pending = operation.read_optional::<Raw>(&place).await?.unwrap_or_default().part("Attributes").0;
        let differs = |(name, value): &(&String, &Value)| {
            bios.attributes.get(*name) != Some(*value)
                || pending.get(*name).is_some_and(|later| later != *value)
        };
        let others_pend = pending.iter().any(|(name, later)| bios.attributes.get(name) != Some(later));
        let changes: Map<String, Value> =
            wanted.iter().filter(differs).map(|(name, value)| (name.clone(), value.clone())).collect();
        if changes.is_empty() && !others_pend {
            return Ok(StepOutcome::Done);
        }
        let changes = if changes.is_empty() { wanted.clone() } else { changes };
        let owner = bios.raw.part("@Redfish.Settings");
        let mut body = json!({"Attributes": changes});
        let times = owner.value("SupportedApplyTimes").and_then(Value::as_array);
        if let Some(body) =
            body.as_object_mut().filter(|_| times.is_some_and(|times| times.contains(&json!("OnReset"))))
        {
            body.insert("@Redfish.SettingsApplyTime".to_owned(), json!({"ApplyTime": "OnReset"}));
        }
        operation.patch_settings(&place, &body, owner.text("ETag")).await?;
        let progress = Progress {
            names: settings.iter().map(|setting| setting.name.clone()).collect(),
            wanted: without_passwords(&wanted, &registry),
            started: progress::now(),
            restarted: false,
            turn: None,
            said: complaints(&bios).unwrap_or_default(),
            booting: booting(found),
        };
        self.written(task, &progress).await
    }

    /// Looks whether settings have taken effect.
    async fn look_for_effect(
        &self,
        task: &DriverTask<RedfishInfo>,
        operation: &Operation,
        found: &Found,
        progress: &Progress,
    ) -> Result<StepOutcome> {
        let over = progress::is_over(progress.started, duration(self.shared.options().bios_config_timeout));
        let bios = operation.bios(found).await?;
        if let Some(said) = complaints(&bios).filter(|said| *said != progress.said) {
            progress::clear(task, PROGRESS).await?;
            let text = format!("the machine did not take its BIOS settings: {said}");
            return Err(operation.error(Method::PATCH, &bios.path, Failure::Failed(text)).into());
        }
        if !is_booted(found) && booting(found) != progress.booting && !over {
            return Ok(self.wait());
        }
        let missing = operation.missing(&bios, &progress.wanted).await?;
        if missing.is_empty() {
            progress::clear(task, PROGRESS).await?;
            return Ok(StepOutcome::Done);
        }
        if !over {
            return Ok(self.wait());
        }
        progress::clear(task, PROGRESS).await?;
        let seconds = self.shared.options().bios_config_timeout;
        let text = format!("timed out after {seconds} s: BIOS settings {} have not changed", shown(&missing));
        Err(operation.error(Method::GET, &bios.path, Failure::Failed(text)).into())
    }
}

#[interface(bios, name = "redfish")]
impl BiosInterface for RedfishBios {
    type Info = RedfishInfo;

    async fn validate(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        task.info().validate(task, self.shared.options()).await
    }

    /// Apply BIOS settings
    #[step(clean, deploy)]
    async fn apply_configuration(
        &self,
        task: &DriverTask<RedfishInfo>,
        settings: Vec<BiosSetting>,
    ) -> Result<StepOutcome> {
        check_list(&settings)?;
        let limit = step_limit(self.shared.options());
        let (operation, found) = self.begin(task, "apply bios configuration", limit).await?;
        let begun: Option<Progress> = progress::load(task, PROGRESS).await?;
        match begun.filter(|begun| is_of(begun, &settings)) {
            None => self.begin_to_apply(task, &operation, &found, &settings).await,
            Some(begun) if !begun.restarted => self.restart(task, &operation, found, begun).await,
            Some(begun) => self.look_for_effect(task, &operation, &found, &begun).await,
        }
    }

    /// Put all BIOS settings back to what they were at the factory
    #[step(clean, deploy)]
    async fn factory_reset(&self, task: &DriverTask<RedfishInfo>) -> Result<StepOutcome> {
        let limit = step_limit(self.shared.options());
        let (operation, found) = self.begin(task, "reset bios", limit).await?;
        let begun: Option<Progress> = progress::load(task, PROGRESS).await?;
        match begun.filter(|begun| begun.names.is_empty()) {
            None => {
                let bios = operation.bios(&found).await?;
                operation.reset_bios(&bios).await?;
                let progress = Progress {
                    names: Vec::new(),
                    wanted: Map::new(),
                    started: progress::now(),
                    restarted: false,
                    turn: None,
                    said: complaints(&bios).unwrap_or_default(),
                    booting: booting(&found),
                };
                self.written(task, &progress).await
            }
            Some(begun) if !begun.restarted => self.restart(task, &operation, found, begun).await,
            Some(begun) => self.look_for_effect(task, &operation, &found, &begun).await,
        }
    }

    async fn cache_bios_settings(&self, task: &DriverTask<RedfishInfo>) -> Result<Vec<BiosSetting>> {
        let (operation, found) = self.begin(task, "read bios settings", READ_LIMIT).await?;
        let bios = operation.bios(&found).await?;
        let setting = |(name, value): (String, Value)| {
            // Some makers describe a setting where its value should be.
            let value =
                if value.is_object() || value.is_array() { Value::from(value.to_string()) } else { value };
            BiosSetting { name, value }
        };
        Ok(bios.attributes.into_iter().map(setting).collect())
    }
}

impl Operation {
    async fn bios(&self, found: &Found) -> Result<Bios, RedfishError> {
        let missing = || {
            let text = format!("`{}` has no BIOS settings", found.path);
            self.error(Method::GET, &found.path, Failure::Unsupported(text))
        };
        let path = found.system.bios.as_deref().and_then(|link| self.link(link)).ok_or_else(missing)?;
        let raw: Raw = self.read_optional(&path).await?.ok_or_else(missing)?;
        let attributes = raw.part("Attributes").0;
        Ok(Bios { path, raw, attributes })
    }

    /// Where settings for later are written.
    async fn settings_place(&self, bios: &Bios) -> Result<String, RedfishError> {
        let named = bios.raw.part("@Redfish.Settings");
        if let Some(path) = named.link("SettingsObject").and_then(|link| self.link(link)) {
            return Ok(path);
        }
        for place in PLACES {
            let path = format!("{}/{place}", bios.path.trim_end_matches('/'));
            if self.look(&path).await?.is_some() {
                return Ok(path);
            }
        }
        let text = format!("`{}` has no place for settings to come", bios.path);
        Err(self.error(Method::GET, &bios.path, Failure::Unsupported(text)))
    }

    async fn reset_bios(&self, bios: &Bios) -> Result<(), RedfishError> {
        let action = bios.raw.part("Actions").part("#Bios.ResetBios");
        match action.text("target").and_then(|target| self.link(target)) {
            Some(target) => self.carry_out(&target, &json!({})).await,
            None => {
                let text = format!("`{}` cannot be reset", bios.path);
                Err(self.error(Method::POST, &bios.path, Failure::Unsupported(text)))
            }
        }
    }

    /// Settings that are not what they should be, or still pend where only changes are kept.
    async fn missing(&self, bios: &Bios, wanted: &Map<String, Value>) -> Result<Vec<String>, RedfishError> {
        // After a reset nothing is looked for, and some have no place for settings to come.
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let differs = |(name, value): (&String, &Value)| {
            (bios.attributes.get(name) != Some(value)).then(|| name.clone())
        };
        let mut missing: Vec<String> = wanted.iter().filter_map(differs).collect();
        let place = self.settings_place(bios).await?;
        let pending = self.read_optional::<Raw>(&place).await?.unwrap_or_default().part("Attributes").0;
        if pending.len() < bios.attributes.len() {
            let pends = |name: &&String| {
                pending.get(*name).is_some_and(|later| bios.attributes.get(*name) != Some(later))
            };
            missing.extend(wanted.keys().filter(pends).cloned());
        }
        missing.dedup();
        Ok(missing)
    }
}

/// Time for the longest call of a step: it starts the machine anew.
fn step_limit(options: &RedfishOptions) -> Duration {
    WRITE_LIMIT + duration(options.power_state_change_timeout) * 2
}

/// Whether a step that was begun is the one that is asked for now.
fn is_of(begun: &Progress, settings: &[BiosSetting]) -> bool {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned).to_lowercase();
    begun.names.iter().eq(settings.iter().map(|setting| &setting.name))
        && settings.iter().all(|setting| {
            begun.wanted.get(&setting.name).is_none_or(|value| text(value) == text(&setting.value))
        })
}

/// Refuses lists that make no sense on any machine.
fn check_list(settings: &[BiosSetting]) -> Result<()> {
    if settings.is_empty() {
        return Err(DriverError::invalid_parameter("`settings`: is empty"));
    }
    let mut wrong = Vec::new();
    for (index, setting) in settings.iter().enumerate() {
        if setting.name.is_empty() {
            wrong.push(format!("setting {} has no name", index + 1));
        } else if setting.value.is_null() {
            wrong.push(format!("`{}` has no value", setting.name));
        } else if settings.iter().take(index).any(|other| other.name == setting.name) {
            wrong.push(format!("`{}` is there twice", setting.name));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(DriverError::invalid_parameter(format!("`settings`: {}", wrong.join("; "))))
    }
}

/// The settings in the types of the machine, or everything that is wrong with them.
fn check(bios: &Bios, registry: &Registry, settings: &[BiosSetting]) -> Result<Map<String, Value>> {
    let (mut wanted, mut wrong) = (Map::new(), Vec::new());
    for setting in settings {
        let value = convert(registry, &bios.attributes, &setting.name, setting.value.clone());
        let described = bios.attributes.get(&setting.name).is_some_and(Value::is_object);
        let objection = if described {
            Some("can only be read on this machine".to_owned())
        } else if bios.attributes.contains_key(&setting.name) && !registry.knows(&setting.name) {
            None
        } else {
            registry.objection(&setting.name, &value)
        };
        if let Some(objection) = objection {
            wrong.push(format!("`{}` {objection}", setting.name));
        }
        wanted.insert(setting.name.clone(), value);
    }
    if wrong.is_empty() {
        Ok(wanted)
    } else {
        Err(DriverError::invalid_parameter(format!("BIOS settings: {}", wrong.join("; "))))
    }
}

fn without_passwords(wanted: &Map<String, Value>, registry: &Registry) -> Map<String, Value> {
    let shown = wanted.iter().filter(|(name, _)| !registry.is_password(name));
    shown.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What the BMC says is wrong with settings it was given.
fn complaints(bios: &Bios) -> Option<String> {
    let settings = bios.raw.part("@Redfish.Settings");
    let messages = Messages::of_list(settings.value("Messages")?);
    let bad = messages.list().iter().any(|message| {
        let is_wrong = message.severity >= Severity::Warning
            || message.id.ends_with("Failed")
            || message.id.ends_with("Error");
        is_wrong && !HARMLESS.iter().any(|end| message.id.ends_with(end))
    });
    let time = settings.text("Time").unwrap_or_default();
    bad.then(|| format!("{messages} {time}").trim_end().to_owned())
}

/// Whether firmware has done its part, as far as the machine shows it.
fn is_booted(found: &Found) -> bool {
    let progress = found.system.boot_progress.as_ref().and_then(|progress| progress.last_state.as_deref());
    progress.is_none_or(|state| state == "None" || BOOTED.contains(&state))
}

/// How far the boot is, as the machine says it.
fn booting(found: &Found) -> String {
    let progress = found.system.boot_progress.clone().unwrap_or_default();
    format!("{} {}", progress.last_state.unwrap_or_default(), progress.last_state_time.unwrap_or_default())
}

fn shown(names: &[String]) -> String {
    let names: Vec<_> = names.iter().take(NAMES_SHOWN_MAX).map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

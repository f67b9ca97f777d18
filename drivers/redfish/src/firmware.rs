//! Firmware updates: the BMC fetches an image and installs it, which takes from minutes to hours.
//!
//! Updates of one step are made one after the other. Where they stand is in the node, so that any conductor can
//! go on with them; a BMC that updates itself is away meanwhile, which is no error.

mod images;
mod order;
mod update;

use farrier_sdk::prelude::*;
use farrier_sdk::task::Node;

pub use self::images::{FirmwareImage, FirmwareImages};
use self::update::{Outcome, Stage, Surroundings, Updates};
use crate::client::error::RedfishError;
use crate::client::operation::Operation;
use crate::discovery::Found;
use crate::driver_info::RedfishInfo;
use crate::options::{RedfishOptions, duration};
use crate::power::Restart;
use crate::progress;
use crate::resource::manager::Manager;
use crate::shared::{READ_LIMIT, Shared, WRITE_LIMIT};
use crate::virtual_media::ImageUrl;

/// Where a step stands, in `driver_internal_info`. While it is there the conductor leaves the machine's power alone.
///
/// Source: Ironic, redfish firmware.
const PROGRESS: &str = "redfish_fw_updates";

/// Schemes from which BMCs fetch firmware.
const PROTOCOLS: [&str; 2] = ["HTTP", "HTTPS"];

/// States in which a step lasts that has ended a call.
///
/// Source: Ironic, states.
const WAITING: [&str; 3] = ["clean wait", "wait call-back", "service wait"];

/// Most network cards of one machine that are read.
const CARDS_MAX: usize = 32;

/// Longest wait after an update that can be asked for, in seconds: a day.
const WAIT_MAX: u64 = 86_400;

/// What a component is called that is a network card.
const CARD: &str = "nic:";

/// What the BMC itself is called among the components.
const BMC: &str = "bmc";

/// What an image is called of which nobody says what it is for.
const ANYTHING: &str = "firmware";

/// Firmware over Redfish.
///
/// Source: Ironic, redfish firmware.
#[derive(Debug)]
pub struct RedfishFirmware {
    shared: Arc<Shared>,
}

impl RedfishFirmware {
    /// An implementation with the clients of the plugin.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

/// Makes updates, or goes on with them; what is wrong with them was looked at.
pub(crate) async fn make_updates(
    shared: &Shared,
    task: &DriverTask<RedfishInfo>,
    queue: Vec<FirmwareUpdate>,
) -> Result<StepOutcome> {
    let begun: Option<Updates> = progress::load(task, PROGRESS).await?;
    let mut updates = begun.filter(|begun| begun.queue == queue).unwrap_or_else(|| Updates::new(queue));
    let operation = shared.operation(task, "update firmware", step_limit(shared.options())).await?;
    let outcome = go_on(shared.options(), task, &operation, &mut updates).await;
    match &outcome {
        Ok(_) => {}
        Err(error) if error.is_retryable() => progress::save(task, PROGRESS, &updates).await?,
        // What failed for good is not gone on with by the next step of the same kind.
        Err(_) => progress::clear(task, PROGRESS).await?,
    }
    outcome
}

/// Refuses to touch a machine whose BMC may be updating itself: no power or boot command goes to it then.
///
/// # Errors
///
/// [`Busy`](ErrorKind::Busy).
pub(crate) fn check_no_own_update(node: &Node) -> Result<()> {
    let kept = node.driver_internal_info.get(PROGRESS).cloned();
    let updates: Option<Updates> = kept.and_then(|kept| serde_json::from_value(kept).ok());
    // What is kept in any other state is of a step that was given up.
    let waits = WAITING.contains(&node.provision_state.as_str());
    if waits && updates.is_some_and(|updates| updates.is_of_bmc()) {
        let text = "the BMC updates its own firmware; the machine is left alone until that is over";
        return Err(DriverError::new(ErrorKind::Busy, text).retryable(true));
    }
    Ok(())
}

/// Goes on with the updates as far as that needs no waiting.
async fn go_on(
    options: &RedfishOptions,
    task: &DriverTask<RedfishInfo>,
    operation: &Operation,
    updates: &mut Updates,
) -> Result<StepOutcome> {
    let bmc_wait = task.info().firmware_update_unresponsive_bmc_wait;
    let surroundings = Surroundings {
        system: task.info().system_id(),
        restart: Restart::of(task, options),
        bmc_wait: duration(bmc_wait.unwrap_or(options.firmware_update_reboot_delay)),
    };
    loop {
        let outcome = updates.step(operation, &surroundings).await?;
        match outcome {
            Outcome::Moved => progress::save(task, PROGRESS, updates).await?,
            Outcome::Wait => {
                progress::save(task, PROGRESS, updates).await?;
                return Ok(pause(options, &updates.stage));
            }
            Outcome::Soon => {
                progress::save(task, PROGRESS, updates).await?;
                return Ok(StepOutcome::wait(Duration::ZERO));
            }
            Outcome::AllDone => {
                progress::clear(task, PROGRESS).await?;
                return Ok(StepOutcome::Done);
            }
        }
    }
}

fn pause(options: &RedfishOptions, stage: &Stage) -> StepOutcome {
    StepOutcome::wait(duration(match stage {
        Stage::Checking { .. } => options.firmware_update_validation_interval,
        Stage::Waiting { .. } | Stage::Idle | Stage::Asking { .. } | Stage::Running { .. } => {
            options.firmware_update_status_interval
        }
    }))
}

#[interface(firmware, name = "redfish")]
impl FirmwareInterface for RedfishFirmware {
    type Info = RedfishInfo;

    async fn validate(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        task.info().validate(task, self.shared.options()).await
    }

    /// Update firmware
    #[step(clean, deploy, service)]
    async fn update(
        &self,
        task: &DriverTask<RedfishInfo>,
        settings: Vec<FirmwareUpdate>,
    ) -> Result<StepOutcome> {
        check(&settings)?;
        make_updates(&self.shared, task, settings).await
    }

    async fn cache_firmware_components(
        &self,
        task: &DriverTask<RedfishInfo>,
    ) -> Result<Vec<FirmwareComponent>> {
        let operation = self.shared.operation(task, "read firmware versions", READ_LIMIT).await?;
        let found = operation.system(task.info().system_id()).await?;
        let mut components = Vec::new();
        if let Some(version) = &found.system.bios_version {
            components.push(component("bios", version));
        }
        if let Some(version) = operation.bmc_version(&found).await? {
            components.push(component(BMC, &version));
        }
        components.extend(operation.card_versions(&found).await?);
        if components.is_empty() {
            return Err(DriverError::unsupported(format!("`{}` shows no versions of firmware", found.path)));
        }
        Ok(components)
    }
}

impl Operation {
    /// Version of the machine's first BMC that has one.
    async fn bmc_version(&self, found: &Found) -> Result<Option<String>, RedfishError> {
        let mut first = None;
        for path in self.managers(found).await? {
            let Some(manager) = self.read_optional::<Manager>(&path).await? else { continue };
            let Some(version) = manager.firmware_version else { continue };
            if manager.manager_type.as_deref() == Some("BMC") {
                return Ok(Some(version));
            }
            first.get_or_insert(version);
        }
        Ok(first)
    }

    async fn card_versions(&self, found: &Found) -> Result<Vec<FirmwareComponent>, RedfishError> {
        let expand = self.expands(found).await;
        let mut cards: Vec<FirmwareComponent> = Vec::new();
        for path in self.chassis(found) {
            let Some(chassis) = self.look(&path).await? else { continue };
            for (path, card) in self.collection(&chassis, "NetworkAdapters", expand).await? {
                let version = card
                    .parts("Controllers")
                    .iter()
                    .find_map(|part| part.text("FirmwarePackageVersion").map(str::to_owned));
                let id = card.text("SerialNumber").map_or_else(|| card.id(&path), str::to_owned);
                let name = format!("{CARD}{id}");
                if let Some(version) = version.filter(|_| cards.iter().all(|known| known.component != name)) {
                    cards.push(component(&name, &version));
                }
                if cards.len() >= CARDS_MAX {
                    return Ok(cards);
                }
            }
        }
        Ok(cards)
    }
}

fn component(name: &str, version: &str) -> FirmwareComponent {
    FirmwareComponent { component: name.to_owned(), current_version: version.to_owned() }
}

/// Time for the longest call of a step: it starts the machine anew.
fn step_limit(options: &RedfishOptions) -> Duration {
    WRITE_LIMIT + duration(options.power_state_change_timeout) * 2
}

/// Refuses updates that make no sense on any machine.
fn check(updates: &[FirmwareUpdate]) -> Result<()> {
    if updates.is_empty() {
        return Err(DriverError::invalid_parameter("`settings`: is empty"));
    }
    let mut wrong = Vec::new();
    for update in updates {
        let name = &update.component;
        let known = matches!(name.as_str(), "bios" | BMC)
            || name.strip_prefix(CARD).is_some_and(|id| !id.trim().is_empty());
        if !known {
            let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            wrong.push(format!("`{name}` is not a component; expected `bios`, `bmc` or `nic:` with a name"));
        }
        match ImageUrl::parse(&update.url) {
            Err(text) => wrong.push(format!("the URL for `{name}` {text}")),
            Ok(image) if !PROTOCOLS.contains(&image.protocol()) => {
                wrong.push(format!("the URL for `{name}` is neither http nor https"));
            }
            Ok(_) => {}
        }
        if update.wait.is_some_and(|wait| wait > WAIT_MAX) {
            wrong.push(format!("`wait` for `{name}` is longer than {WAIT_MAX} s"));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(DriverError::invalid_parameter(format!("`settings`: {}", wrong.join("; "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(component: &str, url: &str) -> FirmwareUpdate {
        FirmwareUpdate { component: component.to_owned(), url: url.to_owned(), wait: None }
    }

    #[test]
    fn updates_that_make_no_sense_are_refused_all_at_once() {
        assert!(check(&[update("bios", "http://h/x"), update("nic:7", "https://h/x")]).is_ok());
        assert!(check(&[]).is_err());

        let wrong = [
            update("disk", "http://h/x"),
            update("nic:", "http://h/x"),
            update("bmc", "file:///x"),
            update("bmc", "nfs://h/x"),
        ];
        let error = check(&wrong).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        let parts = ["`disk` is not", "`nic:` is not", "for `bmc` is no URL", "for `bmc` is neither"];
        assert!(parts.iter().all(|part| error.message().contains(part)), "{error}");
    }
}

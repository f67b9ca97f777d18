//! A queue of updates and where it stands.

use std::time::Duration;

use farrier_sdk::prelude::{FirmwareUpdate, warn};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::order::Own;
use super::{ANYTHING, BMC, CARD};
use crate::client::error::{Failure, RedfishError, Result};
use crate::client::job::Look;
use crate::client::operation::Operation;
use crate::discovery::Found;
use crate::options::{RedfishOptions, duration};
use crate::power::{Restart, Turn};
use crate::progress;

/// Updates of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Updates {
    /// All of them, in order.
    pub(super) queue: Vec<FirmwareUpdate>,
    /// How many are done.
    done: usize,
    /// Where the one under way stands.
    pub(super) stage: Stage,
    /// Whether the stage was reached by ourselves; somebody else may have come to his end in one that was read.
    #[serde(skip)]
    own: bool,
}

/// Where one update stands; times are in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// It was not asked for.
    Idle,
    /// It is asked for: whether the BMC has begun is not known.
    Asking {
        since: i64,
        /// Version of the BMC before, if it updates itself.
        before: Option<String>,
    },
    /// The BMC is at it.
    Running {
        monitor: String,
        since: i64,
        restarted: bool,
        /// What is being done to start the machine anew.
        #[serde(default)]
        turn: Option<Turn>,
        /// Version of the BMC before, if it updates itself.
        before: Option<String>,
        /// Since when it does not answer.
        silent_since: Option<i64>,
    },
    /// The pause after it that was asked for.
    Waiting { since: i64 },
    /// The BMC has to answer well several times.
    Checking { since: i64, good: u32 },
}

/// What updates are made with.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    /// Path of the System, if the node names it.
    pub(super) system: Option<&'a str>,
    /// How the machine is started anew.
    pub(super) restart: Restart<'a>,
    /// The pause after an update of the BMC itself, unless another is asked for.
    pub(super) bmc_wait: Duration,
}

/// What came of going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Something has changed; there is more to do.
    Moved,
    /// Nothing to do for now.
    Wait,
    /// There is more to do, by another call: a step lasts that has ended its first one.
    Soon,
    /// All updates are made.
    AllDone,
}

impl Updates {
    pub(super) fn new(queue: Vec<FirmwareUpdate>) -> Self {
        Self { queue, done: 0, stage: Stage::Idle, own: true }
    }

    /// Whether the one under way may be of the BMC itself.
    pub(super) fn is_of_bmc(&self) -> bool {
        self.stage != Stage::Idle && self.queue.get(self.done).is_some_and(may_be_bmc)
    }

    /// Goes on by one stage.
    pub(super) async fn step(
        &mut self,
        operation: &Operation,
        surroundings: &Surroundings<'_>,
    ) -> Result<Outcome> {
        let Some(update) = self.queue.get(self.done).cloned() else { return Ok(Outcome::AllDone) };
        let Surroundings { system, restart, bmc_wait } = surroundings;
        let system = *system;
        match self.stage.clone() {
            Stage::Idle => {
                let found = operation.system(system).await?;
                let before = if may_be_bmc(&update) { operation.bmc_version(&found).await? } else { None };
                self.own = true;
                self.stage = Stage::Asking { since: progress::now(), before };
                Ok(Outcome::Moved)
            }
            Stage::Asking { since, before } => {
                self.stage = match self.ask(operation, system, &update.url, since).await {
                    Ok(Some(monitor)) => Stage::Running {
                        monitor,
                        since,
                        restarted: false,
                        turn: None,
                        before,
                        silent_since: None,
                    },
                    Ok(None) => Stage::Waiting { since: progress::now() },
                    Err(error) => {
                        // Nothing was begun, or what was is given up.
                        if self.own {
                            self.stage = Stage::Idle;
                        }
                        return Err(error);
                    }
                };
                Ok(Outcome::Soon)
            }
            Stage::Running { turn: Some(turn), .. } => {
                let found = operation.system(system).await?;
                let part = operation.part(operation.time_left());
                let next = restart.turn(part, found, &turn, !self.own).await?;
                self.own = true;
                if let Stage::Running { turn, .. } = &mut self.stage {
                    *turn = next;
                }
                Ok(Outcome::Moved)
            }
            Stage::Running { .. } => self.watch(operation, system, &update, restart).await,
            Stage::Waiting { since } => {
                let is_bmc = update.component == BMC;
                let default = if is_bmc { *bmc_wait } else { Duration::ZERO };
                if !progress::is_over(since, update.wait.map_or(default, Duration::from_secs)) {
                    return Ok(Outcome::Wait);
                }
                if may_be_bmc(&update) {
                    operation.forget();
                }
                self.stage = Stage::Checking { since: progress::now(), good: 0 };
                Ok(Outcome::Moved)
            }
            Stage::Checking { since, good } => {
                self.check(operation, system, since, good, restart.options).await
            }
        }
    }

    /// Asks for an update, or finds the one that somebody asked for who came to his end then.
    async fn ask(
        &self,
        operation: &Operation,
        system: Option<&str>,
        url: &str,
        since: i64,
    ) -> Result<Option<String>> {
        let found = operation.system(system).await?;
        let order = operation.order(&found, url).await?;
        if self.own {
            operation.begin_update(&order).await
        } else {
            operation.find_update(&order, &Own::Since(since)).await.map(Some)
        }
    }

    async fn watch(
        &mut self,
        operation: &Operation,
        system: Option<&str>,
        update: &FirmwareUpdate,
        restart: &Restart<'_>,
    ) -> Result<Outcome> {
        let options = restart.options;
        let Stage::Running { monitor, since, restarted, turn, before, silent_since } = &mut self.stage else {
            return Ok(Outcome::Moved);
        };
        let (path, name) = (monitor.clone(), &update.component);
        let over = progress::is_over(*since, duration(options.firmware_update_overall_timeout));
        let look = operation.part(operation.request_time() * 2).look_at_job(&path).await;
        match look {
            // What nobody knows may need a start to take effect.
            Ok(Look::Done | Look::Gone) if name == ANYTHING && !*restarted => {
                let found = operation.system(system).await?;
                (*restarted, *turn) = (true, Some(restart.first(&found)));
                self.own = true;
            }
            Ok(Look::Done) => self.stage = Stage::Waiting { since: progress::now() },
            Ok(Look::Gone) => {
                warn!(
                    monitor = path,
                    component = name,
                    "the task of an update is gone; it is taken for done"
                );
                self.stage = Stage::Waiting { since: progress::now() };
            }
            Ok(Look::Failed(text)) => {
                let text = format!("the update of `{name}` failed: {text}");
                return Err(operation.error(Method::POST, &path, Failure::Failed(text)));
            }
            Ok(Look::Running(_)) if over => {
                let seconds = options.firmware_update_overall_timeout;
                let text = format!("timed out after {seconds} s: the update of `{name}` goes on");
                return Err(operation.error(Method::POST, &path, Failure::Failed(text)));
            }
            Ok(Look::Running(state)) => {
                *silent_since = None;
                let starting = state.as_deref().is_none_or(|state| matches!(state, "New" | "Starting"));
                let patience = duration(options.firmware_update_nic_starting_wait);
                let wants_restart = match name.as_str() {
                    "bios" => true,
                    name if name.starts_with(CARD) || name == ANYTHING => {
                        starting && progress::is_over(*since, patience)
                    }
                    _ => false,
                };
                if *restarted || !wants_restart {
                    return Ok(Outcome::Wait);
                }
                // A machine is not to be started anew twice for one update.
                let found = operation.system(system).await?;
                (*restarted, *turn) = (true, Some(restart.first(&found)));
                self.own = true;
                return Ok(Outcome::Moved);
            }
            // A BMC that updates itself is away; any other may be away for a moment.
            Err(error) if error.is_retryable() && !over => {
                let since = *silent_since.get_or_insert_with(progress::now);
                if !progress::is_over(since, duration(options.firmware_update_bmc_timeout)) {
                    return Ok(Outcome::Wait);
                }
                let found = operation.system(system).await.map_err(|_| error.clone())?;
                let version = operation.bmc_version(&found).await?;
                if before.is_none() || version == *before {
                    return Err(error);
                }
                self.stage = Stage::Waiting { since: progress::now() };
            }
            Err(error) => return Err(error),
        }
        Ok(Outcome::Moved)
    }

    /// Looks whether the BMC answers well again, several times in a row.
    async fn check(
        &mut self,
        operation: &Operation,
        system: Option<&str>,
        since: i64,
        good: u32,
        options: &RedfishOptions,
    ) -> Result<Outcome> {
        let good = match operation.answers_well(system).await {
            Ok(_) => good + 1,
            Err(error) if !error.is_retryable() && !error.is_missing() => return Err(error),
            Err(error) => {
                if progress::is_over(since, duration(options.firmware_update_resource_validation_timeout)) {
                    return Err(error);
                }
                0
            }
        };
        if good < options.firmware_update_required_successes {
            self.stage = Stage::Checking { since, good };
            return Ok(Outcome::Wait);
        }
        self.done += 1;
        self.stage = Stage::Idle;
        Ok(Outcome::Moved)
    }
}

/// Whether an update may be one of the BMC itself.
fn may_be_bmc(update: &FirmwareUpdate) -> bool {
    matches!(update.component.as_str(), BMC | ANYTHING)
}

impl Operation {
    /// Reads the System and its first manager.
    async fn answers_well(&self, system: Option<&str>) -> Result<Found, RedfishError> {
        let part = self.part(self.request_time() * 2);
        let found = part.system(system).await?;
        part.bmc_version(&found).await?;
        Ok(found)
    }
}

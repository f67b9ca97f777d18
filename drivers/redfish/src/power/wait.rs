//! Waiting for a machine to arrive in a power state.

use std::time::Duration;

use farrier_sdk::prelude::PowerState;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::state_of;
use crate::client::error::{Failure, Result};
use crate::client::operation::Operation;
use crate::discovery::Found;
use crate::resource::system::BootProgress;
use crate::shared::READ_LIMIT;

/// What changes when a machine restarts, as far as its BMC shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marks {
    reset_time: Option<String>,
    progress: Option<BootProgress>,
}

impl Marks {
    pub(super) fn of(found: &Found) -> Self {
        let (reset_time, progress) = found.system.boot_marks();
        // A time of no year and a progress of nothing are the same before and after every restart.
        let reset_time = reset_time.filter(|time| !time.starts_with("0000"));
        let progress = progress.filter(|progress| progress.is_shown());
        Self { reset_time: reset_time.map(str::to_owned), progress: progress.cloned() }
    }

    /// Whether the BMC shows anything that would change.
    pub(super) fn are_shown(&self) -> bool {
        self.reset_time.is_some() || self.progress.is_some()
    }
}

/// What is waited for.
#[derive(Debug, Clone)]
pub(super) enum Goal {
    /// This state.
    State(PowerState),
    /// On again after a restart: it was seen off, a mark changed, or this much time has passed.
    Restarted { before: Marks, settle: Duration },
}

/// Pauses between two looks, in first pauses: 1, 1, 2, 3, 5, 5, ...
fn pause(first: Duration, look: u32) -> Duration {
    let factor = match look {
        0 | 1 => 1,
        2 => 2,
        3 => 3,
        _ => 5,
    };
    first * factor
}

impl Operation {
    /// Looks at a machine until it has arrived, at most for `timeout`; a look that fails but may be repeated
    /// counts as "not yet".
    pub(super) async fn arrive(&self, found: &Found, goal: &Goal, timeout: Duration) -> Result<Found> {
        let start = Instant::now();
        let end = start + timeout;
        let (mut look, mut seen_off) = (0, false);
        let mut last = state_of(&found.system).to_string();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            sleep(pause(self.poll_interval(), look).min(left)).await;
            look += 1;
            // The last look at the end of the time may still be answered.
            let left = end.saturating_duration_since(Instant::now()).max(self.last_look());
            match self.part(left.min(READ_LIMIT)).again(found).await {
                Ok(now) => {
                    let state = state_of(&now.system);
                    seen_off |= state == PowerState::Off;
                    if goal.is_reached(&now, seen_off, start.elapsed()) {
                        return Ok(now);
                    }
                    state.as_str().clone_into(&mut last);
                }
                Err(error) if error.is_retryable() => last = error.to_string(),
                Err(error) => return Err(error),
            }
            if Instant::now() >= end {
                let (goal, seconds) = (goal.state(), timeout.as_secs_f32());
                let text = format!("the machine is not `{goal}` after {seconds} s; last seen: {last}");
                return Err(self.error(Method::GET, &found.path, Failure::PowerState(text)));
            }
        }
    }

    /// Waits until a machine that is on its way has arrived somewhere; afterwards it is as it is.
    pub(super) async fn settle_power(&self, found: Found, timeout: Duration) -> Result<Found> {
        let end = Instant::now() + timeout;
        let (mut found, mut look) = (found, 0);
        while is_moving(&found) && Instant::now() < end {
            let left = end.saturating_duration_since(Instant::now());
            sleep(pause(self.poll_interval(), look).min(left)).await;
            look += 1;
            found = self.again(&found).await?;
        }
        Ok(found)
    }

    /// Time for one more look when none is left: a request that is answered at all is answered in this time.
    fn last_look(&self) -> Duration {
        self.request_time()
    }
}

impl Goal {
    fn state(&self) -> PowerState {
        match self {
            Self::State(state) => *state,
            Self::Restarted { .. } => PowerState::On,
        }
    }

    fn is_reached(&self, now: &Found, seen_off: bool, waited: Duration) -> bool {
        let arrived = state_of(&now.system) == self.state() && !is_moving(now);
        arrived
            && match self {
                Self::State(_) => true,
                Self::Restarted { before, settle } => {
                    seen_off || *settle <= waited || Marks::of(now) != *before
                }
            }
    }
}

/// Whether a machine is between two states.
pub(super) fn is_moving(found: &Found) -> bool {
    matches!(found.system.power_state.as_deref(), Some("PoweringOn" | "PoweringOff"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::system::System;

    fn found(state: &str, reset_time: Option<&str>) -> Found {
        let system = System {
            power_state: Some(state.to_owned()),
            last_reset_time: reset_time.map(str::to_owned),
            ..System::default()
        };
        Found { path: "/redfish/v1/Systems/1".to_owned(), system }
    }

    #[test]
    fn a_machine_on_its_way_has_not_arrived() {
        let goal = Goal::State(PowerState::On);
        let reached = |state| goal.is_reached(&found(state, None), false, Duration::ZERO);

        assert!(reached("On"));
        assert!(!reached("PoweringOn") && !reached("Off") && !reached("Paused"));
    }

    #[test]
    fn a_restart_is_believed_by_its_marks_or_by_time() {
        let before = Marks::of(&found("On", Some("1")));
        let goal = Goal::Restarted { before, settle: Duration::from_secs(15) };
        let early = Duration::from_secs(3);

        assert!(!goal.is_reached(&found("On", Some("1")), false, early));
        assert!(goal.is_reached(&found("On", Some("2")), false, early));
        assert!(goal.is_reached(&found("On", Some("1")), true, early));
        assert!(goal.is_reached(&found("On", Some("1")), false, Duration::from_secs(15)));
        assert!(!goal.is_reached(&found("Off", Some("2")), true, Duration::from_secs(60)));
    }

    #[test]
    fn what_no_restart_changes_is_no_mark() {
        let shown = |system: serde_json::Value| {
            let system = serde_json::from_value(system).unwrap();
            Marks::of(&Found { path: String::new(), system }).are_shown()
        };

        assert!(!shown(json!({"LastResetTime": "0000-00-00T00:00:00+00:00"})));
        assert!(
            !shown(json!({"BootProgress": {"LastState": "None"}})) && !shown(json!({"BootProgress": {}}))
        );
        assert!(shown(json!({"LastResetTime": "2026-01-01T00:00:00Z"})));
        assert!(shown(json!({"BootProgress": {"LastState": "OSRunning"}})));
    }

    #[test]
    fn pauses_grow_to_five_times_the_first() {
        let pauses: Vec<u64> = (0..7).map(|look| pause(Duration::from_secs(2), look).as_secs()).collect();

        assert_eq!(pauses, [2, 2, 4, 6, 10, 10, 10]);
    }
}

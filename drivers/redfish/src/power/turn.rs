//! A restart in turns, for steps that outlive their call: what was done is not done twice.
//!
//! Each turn is kept in the node before it is made. Whoever goes on with it looks where the machine is: one that was
//! to be switched off and is off, or was to be switched on and is on, is not switched again.

use std::time::Duration;

use farrier_sdk::prelude::PowerState;
use serde::{Deserialize, Serialize};

use super::switch::Switch;
use super::wait::{Goal, Marks};
use super::{Restart, state_of};
use crate::client::error::RedfishError;
use crate::client::operation::Operation;
use crate::discovery::Found;

/// What is to be done next to start a machine anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Turn {
    /// Switching it off.
    Off,
    /// Switching it on.
    On,
    /// Restarting it without being off.
    Over {
        /// What it showed before.
        before: Marks,
    },
}

impl Restart<'_> {
    /// The first turn for a machine as it is now.
    pub(crate) fn first(&self, found: &Found) -> Turn {
        if state_of(&found.system) == PowerState::Off {
            Turn::On
        } else if self.keep_on {
            Turn::Over { before: Marks::of(found) }
        } else {
            Turn::Off
        }
    }

    /// Makes a turn; the next one, none after the last.
    ///
    /// One that may have been asked for already, by somebody who came to his end in it, gets the time to show before it
    /// is asked for again.
    ///
    /// # Errors
    ///
    /// Those of changing the power state.
    pub(crate) async fn turn(
        &self,
        operation: Operation,
        found: Found,
        turn: &Turn,
        may_be_asked: bool,
    ) -> Result<Option<Turn>, RedfishError> {
        let switch = Switch::new(operation, self.options, found, self.boot_device, None);
        let next = match turn {
            Turn::Off => Some(Turn::On),
            Turn::On | Turn::Over { .. } => None,
        };
        if may_be_asked && switch.shows(&turn.goal()).await? {
            return Ok(next);
        }
        match turn {
            Turn::Off => switch.off().await?,
            Turn::On => switch.on().await?,
            Turn::Over { .. } => switch.reboot(true).await?,
        }
        Ok(next)
    }
}

impl Turn {
    /// What a machine shows after it.
    fn goal(&self) -> Goal {
        match self {
            Self::Off => Goal::State(PowerState::Off),
            Self::On => Goal::State(PowerState::On),
            // Without a mark that changes a restart is not seen afterwards: nothing settles this.
            Self::Over { before } => Goal::Restarted { before: before.clone(), settle: Duration::MAX },
        }
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::prelude::{Map, Options};
    use serde_json::json;

    use super::*;
    use crate::options::RedfishOptions;
    use crate::resource::system::System;

    fn found(state: &str) -> Found {
        let system = serde_json::from_value::<System>(json!({"PowerState": state})).unwrap();
        Found { path: "/redfish/v1/Systems/1".to_owned(), system }
    }

    #[test]
    fn a_machine_that_is_off_is_only_switched_on() {
        let options = RedfishOptions::from_map(&Map::new()).unwrap();
        let restart = |keep_on| Restart { options: &options, keep_on, boot_device: None };

        assert_eq!(restart(false).first(&found("Off")), Turn::On);
        assert_eq!(restart(true).first(&found("Off")), Turn::On);
        assert_eq!(restart(false).first(&found("On")), Turn::Off);
        assert!(matches!(restart(true).first(&found("On")), Turn::Over { .. }));
    }

    #[test]
    fn a_turn_is_read_as_it_was_kept() {
        let system: System =
            serde_json::from_value(json!({"LastResetTime": "1", "BootProgress": {"LastState": "x"}}))
                .unwrap();
        let before = Marks::of(&Found { path: String::new(), system });
        for turn in [Turn::Off, Turn::On, Turn::Over { before }] {
            let kept = serde_json::to_value(&turn).unwrap();
            assert_eq!(serde_json::from_value::<Turn>(kept).unwrap(), turn);
        }
    }
}

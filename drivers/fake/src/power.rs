//! Power that exists in the record only.

use farrier_sdk::prelude::*;

use crate::delay::{Delay, Delays};

/// Reports the node's recorded power state; every change succeeds, and the conductor records it.
pub(crate) struct FakePower {
    delay: Delay,
}

impl FakePower {
    pub(crate) fn new(delays: &Arc<Delays>) -> Self {
        Self { delay: delays.power }
    }
}

#[interface(power, name = "fake")]
impl PowerInterface for FakePower {
    type Info = NoInfo;

    async fn get_power_state(&self, task: &DriverTask<NoInfo>) -> Result<PowerState> {
        self.delay.pass(task).await?;
        let recorded = task.node().power_state.as_deref().and_then(|state| state.parse().ok());
        Ok(recorded.unwrap_or(PowerState::Unknown))
    }

    async fn set_power_state(
        &self,
        task: &DriverTask<NoInfo>,
        state: PowerState,
        _timeout: Option<Duration>,
    ) -> Result<()> {
        self.delay.pass(task).await?;
        if [PowerState::On, PowerState::Off, PowerState::SoftReboot, PowerState::SoftOff].contains(&state) {
            info!(%state, "power changes");
            return Ok(());
        }
        Err(DriverError::invalid_parameter(format!("`{state}` is not a power state to change to")))
    }

    async fn reboot(&self, task: &DriverTask<NoInfo>, _timeout: Option<Duration>) -> Result<()> {
        self.delay.pass(task).await
    }

    /// At once: no machine is asked.
    async fn get_supported_power_states(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<PowerState>> {
        Ok(vec![
            PowerState::On,
            PowerState::Off,
            PowerState::Reboot,
            PowerState::SoftReboot,
            PowerState::SoftOff,
        ])
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;
    use farrier_sdk::testing;

    use super::*;

    const POWER: FakePower = FakePower { delay: Delay::NONE };

    fn recorded(state: Value) -> DriverTask<NoInfo> {
        testing::task(json!({"power_state": state})).unwrap()
    }

    #[test]
    fn the_recorded_state_is_the_state() {
        let cases = [
            (json!("power on"), PowerState::On),
            (json!("power off"), PowerState::Off),
            (json!("error"), PowerState::Error),
            (json!(null), PowerState::Unknown),
        ];

        for (state, expected) in cases {
            let task = recorded(state);
            assert_eq!(task.block_on(POWER.get_power_state(&task)), Ok(expected));
        }
    }

    #[test]
    fn a_reboot_is_not_a_state_to_change_to() {
        let task = recorded(json!("power on"));

        let error = task.block_on(POWER.set_power_state(&task, PowerState::Reboot, None)).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        assert_eq!(error.message(), "`rebooting` is not a power state to change to");
    }

    #[test]
    fn everything_supported_can_be_done() {
        let task = recorded(json!("power on"));

        let states = task.block_on(POWER.get_supported_power_states(&task)).unwrap();

        assert_eq!(states.len(), 5);
        for state in states {
            let done = if state == PowerState::Reboot {
                task.block_on(POWER.reboot(&task, None))
            } else {
                task.block_on(POWER.set_power_state(&task, state, Some(Duration::from_secs(1))))
            };
            assert_eq!(done, Ok(()), "{state}");
        }
    }
}

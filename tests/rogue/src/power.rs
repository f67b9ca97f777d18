//! Main power.

use farrier_sdk::prelude::*;

use crate::calling::{Calling, RogueInfo, misbehave};
use crate::machine::Machines;

/// Power of machines in memory.
pub(crate) struct RoguePower {
    machines: Arc<Machines>,
}

impl RoguePower {
    pub(crate) fn new(machines: &Arc<Machines>) -> Self {
        if let Some(loading) = machines.loading() {
            loading.interface();
        }
        Self { machines: Arc::clone(machines) }
    }
}

#[interface(power, name = "rogue")]
impl PowerInterface for RoguePower {
    type Info = RogueInfo;

    async fn get_power_state(&self, task: &DriverTask<RogueInfo>) -> Result<PowerState> {
        misbehave(task).await?;
        if Calling::of(task)? == Some(Calling::Lie) {
            return Ok(PowerState::On);
        }
        Ok(self.machines.power(&task.node().uuid))
    }

    async fn set_power_state(
        &self,
        task: &DriverTask<RogueInfo>,
        state: PowerState,
        _timeout: Option<Duration>,
    ) -> Result<()> {
        misbehave(task).await?;
        let reached = match state {
            PowerState::On | PowerState::Off => state,
            PowerState::Reboot | PowerState::SoftReboot => PowerState::On,
            PowerState::SoftOff => PowerState::Off,
            PowerState::Error | PowerState::Unknown | _ => {
                return Err(DriverError::invalid_parameter(format!("power cannot be changed to `{state}`")));
            }
        };
        if Calling::of(task)? != Some(Calling::Lie) {
            self.machines.set_power(&task.node().uuid, reached);
        }
        Ok(())
    }

    async fn reboot(&self, task: &DriverTask<RogueInfo>, timeout: Option<Duration>) -> Result<()> {
        self.set_power_state(task, PowerState::Off, timeout).await?;
        self.set_power_state(task, PowerState::On, timeout).await
    }
}

//! Main power.

use farrier_sdk::prelude::*;

use crate::driver_info::WaywardInfo;
use crate::habits::Make;
use crate::machine;
use crate::shared::{Shared, lock};

/// The same question in a row that is too much for it.
const PATIENT_FOR: u32 = 3;

/// Power of the machine.
pub(crate) struct GoodPower {
    shared: Arc<Shared>,
}

impl Make for GoodPower {
    fn make(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

impl GoodPower {
    async fn switch(&self, task: &DriverTask<WaywardInfo>, on: bool) -> Result<()> {
        let present = machine::power(&self.shared, task).await?;
        if (present == PowerState::On) == on {
            if self.shared.breaks("POW-004") {
                return Err(DriverError::new(ErrorKind::Conflict, "the machine is like that already"));
            }
            return Ok(());
        }
        machine::switch(&self.shared, task, on).await
    }
}

#[interface(power, name = "wayward")]
impl PowerInterface for GoodPower {
    type Info = WaywardInfo;

    async fn get_power_state(&self, task: &DriverTask<WaywardInfo>) -> Result<PowerState> {
        let state = machine::power(&self.shared, task).await?;
        let info = task.info();
        let key = format!("{} {:?} {:?}", task.node().uuid, info.wayward_url, info.wayward_address);
        if self.shared.breaks("POW-001") {
            let mut repeated = lock(&self.shared.repeated);
            let last = repeated.entry(key.clone()).or_insert((state, 0));
            *last = (state, if last.0 == state { last.1 + 1 } else { 1 });
            if last.1 == PATIENT_FOR {
                return Ok(PowerState::Error);
            }
        }
        let known = lock(&self.shared.first_states).insert(key.clone(), state);
        if let Some(known) = known.filter(|_| self.shared.breaks("POW-009")) {
            lock(&self.shared.first_states).insert(key, known);
            return Ok(known);
        }
        Ok(state)
    }

    async fn set_power_state(
        &self,
        task: &DriverTask<WaywardInfo>,
        state: PowerState,
        _timeout: Option<Duration>,
    ) -> Result<()> {
        match state {
            PowerState::On if self.shared.breaks("POW-002") => Ok(()),
            PowerState::Off if self.shared.breaks("POW-003") => Ok(()),
            PowerState::SoftOff if self.shared.breaks("POW-006") => Ok(()),
            PowerState::On => self.switch(task, true).await,
            PowerState::Off | PowerState::SoftOff => self.switch(task, false).await,
            PowerState::Reboot => self.reboot(task, None).await,
            PowerState::SoftReboot | PowerState::Error | PowerState::Unknown | _ => {
                Err(DriverError::invalid_parameter(format!("power cannot be changed to `{state}`")))
            }
        }
    }

    async fn reboot(&self, task: &DriverTask<WaywardInfo>, _timeout: Option<Duration>) -> Result<()> {
        machine::switch(&self.shared, task, false).await?;
        if self.shared.breaks("POW-005") {
            return Ok(());
        }
        machine::switch(&self.shared, task, true).await
    }

    async fn get_supported_power_states(&self, _task: &DriverTask<WaywardInfo>) -> Result<Vec<PowerState>> {
        let mut states = vec![PowerState::On, PowerState::Off, PowerState::SoftOff];
        if !self.shared.breaks("POW-008") {
            states.push(PowerState::Reboot);
        }
        Ok(states)
    }
}

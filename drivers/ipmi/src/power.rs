//! Main power.

mod switch;

use farrier_sdk::prelude::*;

use crate::chassis::GetChassisStatus;
use crate::driver_info::{self, IpmiInfo};
use crate::shared::Shared;
use switch::Switch;

/// What can be asked for.
const SUPPORTED: [PowerState; 5] =
    [PowerState::On, PowerState::Off, PowerState::Reboot, PowerState::SoftReboot, PowerState::SoftOff];

/// Power through the BMC.
#[derive(Debug)]
pub struct IpmiPower {
    shared: Arc<Shared>,
}

impl IpmiPower {
    /// An implementation that shares sessions with the others.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

#[interface(power, name = "ipmitool", aliases = ["ipmi"])]
impl PowerInterface for IpmiPower {
    type Info = IpmiInfo;

    async fn validate(&self, task: &DriverTask<IpmiInfo>) -> Result<()> {
        driver_info::validate(&self.shared, task).await
    }

    async fn get_power_state(&self, task: &DriverTask<IpmiInfo>) -> Result<PowerState> {
        let status = self.shared.bmc(task).await?.look(GetChassisStatus).await?;
        Ok(if status.power_on { PowerState::On } else { PowerState::Off })
    }

    async fn set_power_state(
        &self,
        task: &DriverTask<IpmiInfo>,
        state: PowerState,
        timeout: Option<Duration>,
    ) -> Result<()> {
        if !SUPPORTED.contains(&state) {
            let supported = SUPPORTED.map(PowerState::as_str).join(", ");
            return Err(DriverError::invalid_parameter(format!("`{state}` is not one of {supported}")));
        }
        Switch::new(&self.shared, self.shared.bmc(task).await?, task, timeout).to(state).await
    }

    async fn reboot(&self, task: &DriverTask<IpmiInfo>, timeout: Option<Duration>) -> Result<()> {
        Switch::new(&self.shared, self.shared.bmc(task).await?, task, timeout).to(PowerState::Reboot).await
    }

    async fn get_supported_power_states(&self, _task: &DriverTask<IpmiInfo>) -> Result<Vec<PowerState>> {
        Ok(SUPPORTED.to_vec())
    }
}

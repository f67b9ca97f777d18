//! Main power.

use farrier_sdk::prelude::*;

use crate::device::Device;
use crate::driver_info::AcmeInfo;
use crate::options::Settings;

/// What can be asked for, the state that is reached by it, and the word of the device for it.
const CHANGES: [(PowerState, PowerState, &str); 3] = [
    (PowerState::On, PowerState::On, "on"),
    (PowerState::Off, PowerState::Off, "off"),
    (PowerState::SoftOff, PowerState::Off, "shutdown"),
];

/// Power through the device's own protocol.
pub(crate) struct AcmePower {
    settings: Arc<Settings>,
}

impl AcmePower {
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        Self { settings: Arc::clone(settings) }
    }

    /// Gives the command unless the machine is there already, and waits until it is.
    async fn change(
        &self,
        task: &DriverTask<AcmeInfo>,
        wanted: PowerState,
        command: &'static str,
        timeout: Option<Duration>,
    ) -> Result<()> {
        let device = Device::of(task, &self.settings);
        if device.power().await? == wanted {
            return Ok(());
        }
        info!(%wanted, "changing power");
        device.set_power(command).await?;
        let limit = timeout.unwrap_or(self.settings.power_timeout);
        task.poll_until(self.settings.poll_interval, limit, || async { Ok(device.power().await? == wanted) })
            .await
    }
}

// For a library that blocks write `#[interface(power, name = "acme", blocking)]` and plain `fn`s of
// `farrier_sdk::interface::power::blocking::PowerInterface`: each call then has a thread.
#[interface(power, name = "acme")]
impl PowerInterface for AcmePower {
    type Info = AcmeInfo;

    async fn get_power_state(&self, task: &DriverTask<AcmeInfo>) -> Result<PowerState> {
        Device::of(task, &self.settings).power().await
    }

    async fn set_power_state(
        &self,
        task: &DriverTask<AcmeInfo>,
        state: PowerState,
        timeout: Option<Duration>,
    ) -> Result<()> {
        let change = CHANGES.iter().find(|(asked, ..)| *asked == state);
        let (_, reached, command) = change
            .ok_or_else(|| DriverError::invalid_parameter(format!("power cannot be changed to `{state}`")))?;
        self.change(task, *reached, command, timeout).await
    }

    async fn reboot(&self, task: &DriverTask<AcmeInfo>, timeout: Option<Duration>) -> Result<()> {
        self.change(task, PowerState::Off, "off", timeout).await?;
        self.change(task, PowerState::On, "on", timeout).await
    }

    async fn get_supported_power_states(&self, _task: &DriverTask<AcmeInfo>) -> Result<Vec<PowerState>> {
        Ok(vec![PowerState::On, PowerState::Off, PowerState::Reboot, PowerState::SoftOff])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{Simulator, Trouble};

    fn power() -> AcmePower {
        AcmePower { settings: Arc::new(Simulator::settings()) }
    }

    #[test]
    fn a_machine_is_switched_on_and_off() {
        let simulator = Simulator::start(Trouble::None).unwrap();
        let task = simulator.task();

        for state in [PowerState::On, PowerState::Off] {
            task.block_on(power().set_power_state(&task, state, None)).unwrap();
            assert_eq!(task.block_on(power().get_power_state(&task)), Ok(state));
        }
    }

    #[test]
    fn a_machine_that_is_there_already_is_left_alone() {
        let simulator = Simulator::start(Trouble::None).unwrap();
        let task = simulator.task();

        task.block_on(power().set_power_state(&task, PowerState::Off, None)).unwrap();

        assert_eq!(simulator.changes(), 0);
    }

    #[test]
    fn a_reboot_is_off_and_on() {
        let simulator = Simulator::start(Trouble::None).unwrap();
        let task = simulator.task();
        task.block_on(power().set_power_state(&task, PowerState::On, None)).unwrap();

        task.block_on(power().reboot(&task, None)).unwrap();

        assert_eq!(simulator.changes(), 3);
        assert_eq!(task.block_on(power().get_power_state(&task)), Ok(PowerState::On));
    }

    #[test]
    fn a_machine_that_does_not_get_there_times_out() {
        let simulator = Simulator::start(Trouble::Stuck).unwrap();
        let task = simulator.task();

        let changed =
            task.block_on(power().set_power_state(&task, PowerState::SoftOff, Some(Duration::ZERO)));

        assert_eq!(changed.unwrap_err().kind(), ErrorKind::Timeout);
    }

    #[test]
    fn what_is_not_supported_is_refused_without_traffic() {
        let simulator = Simulator::start(Trouble::None).unwrap();
        let task = simulator.task();

        let changed = task.block_on(power().set_power_state(&task, PowerState::SoftReboot, None));

        assert_eq!(changed.unwrap_err().kind(), ErrorKind::InvalidParameter);
        assert_eq!(simulator.requests(), 0);
    }
}

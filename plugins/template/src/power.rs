//! Main power.

use farrier_sdk::interface::power;
use farrier_sdk::prelude::*;

use crate::device::{Command, ask};
use crate::driver_info::TemplateInfo;
use crate::options::Settings;

/// How often a machine is asked whether it is there yet.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// What can be asked for, the state that is reached by it, and the word of the device for it.
const CHANGES: [(PowerState, PowerState, &str); 3] = [
    (PowerState::On, PowerState::On, "on"),
    (PowerState::Off, PowerState::Off, "off"),
    (PowerState::SoftOff, PowerState::Off, "shutdown"),
];

/// Power through the device's own protocol.
pub(crate) struct TemplatePower {
    settings: Arc<Settings>,
}

impl TemplatePower {
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        Self { settings: Arc::clone(settings) }
    }

    fn state(&self, task: &DriverTask<TemplateInfo>) -> Result<PowerState> {
        let state: String = ask(task, &self.settings, &Command::Power)?;
        match state.as_str() {
            "on" => Ok(PowerState::On),
            "off" => Ok(PowerState::Off),
            _ => Ok(PowerState::Unknown),
        }
    }

    /// Gives the command unless the machine is there already, and waits until it is.
    fn change(
        &self,
        task: &DriverTask<TemplateInfo>,
        wanted: PowerState,
        command: &'static str,
        timeout: Option<Duration>,
    ) -> Result<()> {
        if self.state(task)? == wanted {
            return Ok(());
        }
        info!(%wanted, "changing power");
        ask::<()>(task, &self.settings, &Command::SetPower { state: command })?;
        let limit = timeout.unwrap_or(self.settings.power_timeout);
        task.block_on(task.poll_until(POLL_INTERVAL, limit, || async { Ok(self.state(task)? == wanted) }))
    }
}

// `blocking`: plain functions, each on a thread of the plugin's pool. For async libraries leave it out, implement
// `PowerInterface` with `async fn`s, and switch on the SDK's feature `tokio` if they need it.
#[interface(power, name = "template", blocking)]
impl power::blocking::PowerInterface for TemplatePower {
    type Info = TemplateInfo;

    fn get_power_state(&self, task: &DriverTask<TemplateInfo>) -> Result<PowerState> {
        self.state(task)
    }

    fn set_power_state(
        &self,
        task: &DriverTask<TemplateInfo>,
        state: PowerState,
        timeout: Option<Duration>,
    ) -> Result<()> {
        let change = CHANGES.iter().find(|(asked, ..)| *asked == state);
        let (_, reached, command) = change
            .ok_or_else(|| DriverError::invalid_parameter(format!("power cannot be changed to `{state}`")))?;
        self.change(task, *reached, command, timeout)
    }

    fn reboot(&self, task: &DriverTask<TemplateInfo>, timeout: Option<Duration>) -> Result<()> {
        self.change(task, PowerState::Off, "off", timeout)?;
        self.change(task, PowerState::On, "on", timeout)
    }

    fn get_supported_power_states(&self, _task: &DriverTask<TemplateInfo>) -> Result<Vec<PowerState>> {
        Ok(vec![PowerState::On, PowerState::Off, PowerState::Reboot, PowerState::SoftOff])
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::interface::power::blocking::PowerInterface as _;

    use super::*;
    use crate::simulator::{Simulator, Trouble};

    fn power() -> TemplatePower {
        TemplatePower { settings: Arc::new(Simulator::settings()) }
    }

    #[test]
    fn a_machine_is_switched_on_and_off() {
        let simulator = Simulator::start(Trouble::None);
        let task = simulator.task();

        for state in [PowerState::On, PowerState::Off] {
            power().set_power_state(&task, state, None).unwrap();
            assert_eq!(power().get_power_state(&task), Ok(state));
        }
    }

    #[test]
    fn a_machine_that_is_there_already_is_left_alone() {
        let simulator = Simulator::start(Trouble::None);

        power().set_power_state(&simulator.task(), PowerState::Off, None).unwrap();

        assert_eq!(simulator.changes(), 0);
    }

    #[test]
    fn a_reboot_is_off_and_on() {
        let simulator = Simulator::start(Trouble::None);
        let task = simulator.task();
        power().set_power_state(&task, PowerState::On, None).unwrap();

        power().reboot(&task, None).unwrap();

        assert_eq!(simulator.changes(), 3);
        assert_eq!(power().get_power_state(&task), Ok(PowerState::On));
    }

    #[test]
    fn a_machine_that_does_not_get_there_times_out() {
        let simulator = Simulator::start(Trouble::Stuck);

        let changed = power().set_power_state(&simulator.task(), PowerState::SoftOff, Some(Duration::ZERO));

        assert_eq!(changed.unwrap_err().kind(), ErrorKind::Timeout);
    }

    #[test]
    fn what_is_not_supported_is_refused_without_traffic() {
        let simulator = Simulator::start(Trouble::None);

        let changed = power().set_power_state(&simulator.task(), PowerState::SoftReboot, None);

        assert_eq!(changed.unwrap_err().kind(), ErrorKind::InvalidParameter);
        assert_eq!(simulator.requests(), 0);
    }
}

//! Main power.

mod switch;
mod turn;
mod wait;

use farrier_sdk::prelude::*;

use self::switch::Switch;
pub(crate) use self::turn::Turn;
use crate::client::error::RedfishError;
use crate::client::operation::Operation;
use crate::discovery::Found;
use crate::driver_info::RedfishInfo;
use crate::firmware::check_no_own_update;
use crate::options::RedfishOptions;
use crate::resource::system::System;
use crate::shared::{READ_LIMIT, Shared, WRITE_LIMIT};

/// Where a boot device is remembered that the BMC keeps for one boot only; in `driver_internal_info`.
pub(crate) const BOOT_DEVICE_KEY: &str = "redfish_boot_device";

/// Main power over Redfish.
///
/// Source: Ironic, redfish power.
#[derive(Debug)]
pub struct RedfishPower {
    shared: Arc<Shared>,
}

impl RedfishPower {
    /// An implementation with the clients of the plugin.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    async fn switch<'a>(
        &'a self,
        task: &'a DriverTask<RedfishInfo>,
        name: &'static str,
        timeout: Option<Duration>,
    ) -> Result<Switch<'a>> {
        check_no_own_update(task.node())?;
        let operation = self.shared.operation(task, name, WRITE_LIMIT).await?;
        let found = operation.system(task.info().system_id()).await?;
        let device = task.node().driver_internal_info.get(BOOT_DEVICE_KEY).and_then(Value::as_str);
        Ok(Switch::new(operation, self.shared.options(), found, device, timeout))
    }
}

#[interface(power, name = "redfish")]
impl PowerInterface for RedfishPower {
    type Info = RedfishInfo;

    async fn validate(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        task.info().validate(task, self.shared.options()).await
    }

    async fn get_power_state(&self, task: &DriverTask<RedfishInfo>) -> Result<PowerState> {
        let operation = self.shared.operation(task, "get power state", READ_LIMIT).await?;
        let found = operation.system_for_pass(task.info().system_id(), task.node().pass.as_deref()).await?;
        Ok(state_of(&found.system))
    }

    async fn set_power_state(
        &self,
        task: &DriverTask<RedfishInfo>,
        state: PowerState,
        timeout: Option<Duration>,
    ) -> Result<()> {
        match state {
            PowerState::On => self.switch(task, "power on", timeout).await?.on().await?,
            PowerState::Off => self.switch(task, "power off", timeout).await?.off().await?,
            PowerState::SoftOff => self.switch(task, "soft power off", timeout).await?.soft_off().await?,
            PowerState::Reboot => return self.reboot(task, timeout).await,
            PowerState::SoftReboot => {
                let keep_on = task.node().disable_power_off;
                self.switch(task, "soft reboot", timeout).await?.soft_reboot(keep_on).await?;
            }
            PowerState::Error | PowerState::Unknown | _ => {
                let text = format!("`{state}` is not a power state that can be asked for");
                return Err(DriverError::invalid_parameter(text));
            }
        }
        Ok(())
    }

    async fn reboot(&self, task: &DriverTask<RedfishInfo>, timeout: Option<Duration>) -> Result<()> {
        let keep_on = task.node().disable_power_off;
        Ok(self.switch(task, "reboot", timeout).await?.reboot(keep_on).await?)
    }

    async fn get_supported_power_states(&self, _task: &DriverTask<RedfishInfo>) -> Result<Vec<PowerState>> {
        Ok(vec![
            PowerState::On,
            PowerState::Off,
            PowerState::Reboot,
            PowerState::SoftReboot,
            PowerState::SoftOff,
        ])
    }
}

/// How a machine is started anew for the sake of a setting.
#[derive(Debug, Clone)]
pub(crate) struct Restart<'a> {
    /// The options of the driver.
    pub(crate) options: &'a RedfishOptions,
    /// Whether the machine must never be off.
    pub(crate) keep_on: bool,
    /// To be set again before the start.
    pub(crate) boot_device: Option<&'a str>,
}

impl<'a> Restart<'a> {
    /// As the node wants it.
    pub(crate) fn of(task: &'a DriverTask<RedfishInfo>, options: &'a RedfishOptions) -> Self {
        let boot_device = task.node().driver_internal_info.get(BOOT_DEVICE_KEY).and_then(Value::as_str);
        Self { options, keep_on: task.node().disable_power_off, boot_device }
    }

    /// Starts the machine anew, also one that is off.
    pub(crate) async fn run(&self, operation: Operation, found: Found) -> Result<(), RedfishError> {
        Switch::new(operation, self.options, found, self.boot_device, None).reboot(self.keep_on).await
    }

    /// Switches the machine off.
    pub(crate) async fn off(&self, operation: Operation, found: Found) -> Result<(), RedfishError> {
        Switch::new(operation, self.options, found, None, None).off().await
    }
}

/// Interrupts the operating system of a machine.
pub(crate) async fn interrupt(
    operation: Operation,
    options: &RedfishOptions,
    found: Found,
) -> Result<(), RedfishError> {
    Switch::new(operation, options, found, None, None).nmi().await
}

/// The power state a System shows; a machine on its way is where it goes.
#[must_use]
pub fn state_of(system: &System) -> PowerState {
    match system.power_state.as_deref() {
        Some("On" | "PoweringOn") => PowerState::On,
        Some("Off" | "PoweringOff") => PowerState::Off,
        Some(_) | None => PowerState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_as_the_table_says() {
        let rows = [
            (Some("On"), PowerState::On),
            (Some("PoweringOn"), PowerState::On),
            (Some("Off"), PowerState::Off),
            (Some("PoweringOff"), PowerState::Off),
            (Some("Paused"), PowerState::Unknown),
            (Some("on"), PowerState::Unknown),
            (None, PowerState::Unknown),
        ];
        for (text, state) in rows {
            let system = System { power_state: text.map(str::to_owned), ..System::default() };
            assert_eq!(state_of(&system), state, "{text:?}");
        }
    }
}

//! A boot device that cannot be changed, and two lights.

use farrier_sdk::prelude::*;

use crate::delay::{Delay, Delays};

/// A light: its component, its name, whether it cannot be changed, and the states it can have.
type Light = (&'static str, &'static str, bool, &'static [&'static str]);

const LIGHTS: [Light; 2] = [
    ("chassis", "led-0", true, &["off", "on"]),
    ("system", "led", false, &["blinking", "off", "on"]),
    // next light above this line
];

/// Boots from the network only, has no sensors, and two indicators that are always on.
pub(crate) struct FakeManagement {
    delay: Delay,
}

impl FakeManagement {
    pub(crate) fn new(delays: &Arc<Delays>) -> Self {
        Self { delay: delays.management }
    }
}

fn light(component: &str, indicator: &str) -> Result<&'static Light> {
    check_component(component)?;
    let found = LIGHTS.iter().find(|light| light.0 == component && light.1 == indicator);
    found.ok_or_else(|| {
        DriverError::invalid_parameter(format!("component `{component}` has no indicator `{indicator}`"))
    })
}

fn check_component(component: &str) -> Result<()> {
    if LIGHTS.iter().any(|light| light.0 == component) {
        return Ok(());
    }
    Err(DriverError::invalid_parameter(format!("there is no component `{component}` with indicators")))
}

#[interface(management, name = "fake")]
impl ManagementInterface for FakeManagement {
    type Info = NoInfo;

    /// At once: no machine is asked.
    async fn get_supported_boot_devices(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<BootDevice>> {
        Ok(vec![BootDevice::Pxe])
    }

    async fn set_boot_device(
        &self,
        task: &DriverTask<NoInfo>,
        device: BootDevice,
        _persistent: bool,
    ) -> Result<()> {
        self.delay.pass(task).await?;
        if device == BootDevice::Pxe {
            return Ok(());
        }
        Err(DriverError::invalid_parameter(format!("invalid boot device `{device}`, expected `pxe`")))
    }

    async fn get_boot_device(&self, task: &DriverTask<NoInfo>) -> Result<CurrentBootDevice> {
        self.delay.pass(task).await?;
        Ok(CurrentBootDevice { boot_device: Some(BootDevice::Pxe), persistent: Some(false) })
    }

    async fn get_sensors_data(&self, task: &DriverTask<NoInfo>) -> Result<Map<String, Value>> {
        self.delay.pass(task).await?;
        Ok(Map::new())
    }

    async fn get_supported_indicators(
        &self,
        task: &DriverTask<NoInfo>,
        component: Option<String>,
    ) -> Result<Vec<Indicator>> {
        self.delay.pass(task).await?;
        if let Some(component) = &component {
            check_component(component)?;
        }
        let wanted =
            LIGHTS.iter().filter(|light| component.as_deref().is_none_or(|wanted| wanted == light.0));
        let indicator = |light: &Light| Indicator {
            name: light.1.to_owned(),
            component: light.0.to_owned(),
            readonly: light.2,
            states: light.3.iter().map(|state| (*state).to_owned()).collect(),
        };
        Ok(wanted.map(indicator).collect())
    }

    async fn set_indicator_state(
        &self,
        task: &DriverTask<NoInfo>,
        component: String,
        indicator: String,
        state: String,
    ) -> Result<()> {
        self.delay.pass(task).await?;
        let light = light(&component, &indicator)?;
        if light.2 {
            let text = format!("indicator `{indicator}` of component `{component}` cannot be changed");
            return Err(DriverError::invalid_parameter(text));
        }
        if light.3.contains(&state.as_str()) {
            return Ok(());
        }
        let text = format!("indicator `{indicator}` cannot be `{state}`, only one of {}", light.3.join(", "));
        Err(DriverError::invalid_parameter(text))
    }

    async fn get_indicator_state(
        &self,
        task: &DriverTask<NoInfo>,
        component: String,
        indicator: String,
    ) -> Result<String> {
        self.delay.pass(task).await?;
        light(&component, &indicator).map(|_| "on".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;
    use farrier_sdk::testing;

    use super::*;

    const MANAGEMENT: FakeManagement = FakeManagement { delay: Delay::NONE };

    fn task() -> DriverTask<NoInfo> {
        testing::task(json!({})).unwrap()
    }

    #[test]
    fn a_machine_boots_from_the_network_only() {
        let task = task();

        let accepted = task.block_on(MANAGEMENT.set_boot_device(&task, BootDevice::Pxe, true));
        let refused = task.block_on(MANAGEMENT.set_boot_device(&task, BootDevice::Disk, false)).unwrap_err();

        assert_eq!(accepted, Ok(()));
        assert_eq!(refused.kind(), ErrorKind::InvalidParameter);
        assert_eq!(refused.message(), "invalid boot device `disk`, expected `pxe`");
    }

    #[test]
    fn a_persistent_boot_device_does_not_stay() {
        let task = task();

        task.block_on(MANAGEMENT.set_boot_device(&task, BootDevice::Pxe, true)).unwrap();

        let current = task.block_on(MANAGEMENT.get_boot_device(&task)).unwrap();
        assert_eq!(current.persistent, Some(false));
    }

    #[test]
    fn indicators_are_listed_by_component() {
        let task = task();

        let all = task.block_on(MANAGEMENT.get_supported_indicators(&task, None)).unwrap();
        let chassis =
            task.block_on(MANAGEMENT.get_supported_indicators(&task, Some("chassis".to_owned()))).unwrap();

        let names: Vec<_> = all.iter().map(|indicator| indicator.name.as_str()).collect();
        assert_eq!(names, ["led-0", "led"]);
        assert_eq!(chassis, all[..1]);
        assert!(chassis[0].readonly);
    }

    #[test]
    fn an_unknown_component_or_indicator_is_refused() {
        let task = task();
        let state = |component: &str, indicator: &str| {
            task.block_on(MANAGEMENT.get_indicator_state(&task, component.to_owned(), indicator.to_owned()))
        };

        assert_eq!(state("system", "led"), Ok("on".to_owned()));
        for (component, indicator) in [("disk", "led"), ("system", "led-0"), ("chassis", "led")] {
            assert_eq!(state(component, indicator).unwrap_err().kind(), ErrorKind::InvalidParameter);
        }
        let listed = task.block_on(MANAGEMENT.get_supported_indicators(&task, Some("disk".to_owned())));
        assert_eq!(listed.unwrap_err().kind(), ErrorKind::InvalidParameter);
    }

    #[test]
    fn an_indicator_takes_only_states_it_can_have() {
        let task = task();
        let set = |component: &str, indicator: &str, state: &str| {
            let [component, indicator, state] = [component, indicator, state].map(str::to_owned);
            task.block_on(MANAGEMENT.set_indicator_state(&task, component, indicator, state))
        };

        assert_eq!(set("system", "led", "blinking"), Ok(()));
        assert!(set("system", "led", "purple").is_err());
        assert!(set("chassis", "led-0", "off").is_err());
    }

    #[test]
    fn boot_mode_secure_boot_and_health_are_unsupported() {
        let task = task();

        let kinds = [
            task.block_on(MANAGEMENT.get_boot_mode(&task)).unwrap_err().kind(),
            task.block_on(MANAGEMENT.get_secure_boot_state(&task)).unwrap_err().kind(),
            task.block_on(MANAGEMENT.get_node_health(&task)).unwrap_err().kind(),
            task.block_on(MANAGEMENT.inject_nmi(&task)).unwrap_err().kind(),
            task.block_on(MANAGEMENT.detect_vendor(&task)).unwrap_err().kind(),
        ];

        assert_eq!(kinds, [ErrorKind::Unsupported; 5]);
    }
}

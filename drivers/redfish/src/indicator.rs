//! Lights that show a person which machine is meant.
//!
//! Newer resources have a switch, `LocationIndicatorActive`; older ones have `IndicatorLED`, which can also blink.

use farrier_sdk::prelude::Indicator;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::error::{Failure, Result};
use crate::client::operation::Operation;
use crate::discovery::Found;
use crate::resource::raw::Raw;

/// The newer property.
const ACTIVE: &str = "LocationIndicatorActive";
/// The older one.
const LED: &str = "IndicatorLED";

/// Our states and the standard's, for lights that can blink.
const LED_STATES: [(&str, &str); 3] = [("blinking", "Blinking"), ("off", "Off"), ("on", "Lit")];

/// States of lights that are only on or off.
const SWITCH_STATES: [&str; 2] = ["off", "on"];

/// Most drives looked at.
const DRIVES_MAX: usize = 64;

/// Parts of a machine that have lights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The System.
    System,
    /// Its chassis.
    Chassis,
    /// Its drives.
    Disk,
}

const COMPONENTS: [(&str, Component); 3] =
    [("system", Component::System), ("chassis", Component::Chassis), ("disk", Component::Disk)];

impl Component {
    /// The component of this name.
    ///
    /// # Errors
    ///
    /// A text that names the components.
    pub fn from_name(name: &str) -> Result<Self, String> {
        let found = COMPONENTS.iter().find(|(known, _)| *known == name);
        found.map(|(_, component)| *component).ok_or_else(|| {
            let names: Vec<_> = COMPONENTS.iter().map(|(name, _)| format!("`{name}`")).collect();
            format!("there is no component `{name}` with indicators; expected one of {}", names.join(", "))
        })
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Chassis => "chassis",
            Self::Disk => "disk",
        }
    }
}

/// A light of a machine.
#[derive(Debug, Clone)]
struct Light {
    component: Component,
    path: String,
    shown: Raw,
}

impl Light {
    fn name(&self) -> String {
        self.shown.id(&self.path)
    }

    /// Whether it is that of a part of a resource: what is written there would change the whole.
    fn is_part(&self) -> bool {
        self.path.contains('#')
    }

    fn is_switch(&self) -> bool {
        self.shown.truth(ACTIVE).is_some()
    }

    fn states(&self) -> Vec<String> {
        if self.is_switch() {
            SWITCH_STATES.map(str::to_owned).to_vec()
        } else {
            LED_STATES.map(|(state, _)| state.to_owned()).to_vec()
        }
    }

    fn state(&self) -> &'static str {
        if let Some(active) = self.shown.truth(ACTIVE) {
            return if active { "on" } else { "off" };
        }
        let led = self.shown.text(LED);
        LED_STATES.iter().find(|(_, name)| Some(*name) == led).map_or("unknown", |(state, _)| state)
    }
}

impl Operation {
    /// Lights of one component, or of all.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub async fn indicators(&self, found: &Found, component: Option<Component>) -> Result<Vec<Indicator>> {
        let lights = self.lights(found, component).await?;
        Ok(lights
            .iter()
            .map(|light| Indicator {
                name: light.name(),
                component: light.component.as_str().to_owned(),
                readonly: light.is_part(),
                states: light.states(),
            })
            .collect())
    }

    /// State of a light; `None` when there is no such light.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub async fn indicator_state(
        &self,
        found: &Found,
        component: Component,
        name: &str,
    ) -> Result<Option<&'static str>> {
        let lights = self.lights(found, Some(component)).await?;
        Ok(lights.iter().find(|light| light.name() == name).map(Light::state))
    }

    /// Changes a light; `false` when there is no such light.
    ///
    /// # Errors
    ///
    /// [`Failure::Invalid`] for a state it cannot have; those of a PATCH.
    pub async fn set_indicator(
        &self,
        found: &Found,
        component: Component,
        name: &str,
        state: &str,
    ) -> Result<bool> {
        let lights = self.lights(found, Some(component)).await?;
        let Some(light) = lights.iter().find(|light| light.name() == name) else { return Ok(false) };
        let body = if light.is_switch() {
            SWITCH_STATES.contains(&state).then(|| json!({ACTIVE: state == "on"}))
        } else {
            LED_STATES.iter().find(|(known, _)| *known == state).map(|(_, led)| json!({LED: led}))
        };
        let Some(body) = body else {
            let text =
                format!("indicator `{name}` cannot be `{state}`, only one of {}", light.states().join(", "));
            return Err(self.error(Method::PATCH, &light.path, Failure::Invalid(text)));
        };
        if light.is_part() {
            let text = format!("indicator `{name}` can only be read");
            return Err(self.error(Method::PATCH, &light.path, Failure::Unsupported(text)));
        }
        self.patch(&light.path, &body).await?;
        Ok(true)
    }

    async fn lights(&self, found: &Found, component: Option<Component>) -> Result<Vec<Light>> {
        let mut lights = Vec::new();
        for (_, kind) in COMPONENTS {
            if component.is_some_and(|wanted| wanted != kind) {
                continue;
            }
            let paths = match kind {
                Component::System => vec![found.path.clone()],
                Component::Chassis => self.chassis(found),
                Component::Disk => self.drives(found).await?,
            };
            for path in paths {
                let shown = match kind {
                    Component::System => Some(self.seen(&path).await?),
                    Component::Chassis | Component::Disk => self.read_optional::<Raw>(&path).await?,
                };
                let Some(shown) = shown else { continue };
                if shown.truth(ACTIVE).is_some() || shown.value(LED).is_some_and(Value::is_string) {
                    lights.push(Light { component: kind, path, shown });
                }
            }
        }
        Ok(lights)
    }

    /// Drives of a System, at most [`DRIVES_MAX`].
    async fn drives(&self, found: &Found) -> Result<Vec<String>> {
        let system = self.seen(&found.path).await?;
        let Some(storage) = system.link("Storage").and_then(|link| self.link(link)) else {
            return Ok(Vec::new());
        };
        let controllers = match self.resources::<Raw>(&storage, self.expands(found).await).await {
            Ok(controllers) => controllers,
            Err(error) if error.is_missing() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut drives = Vec::new();
        for (_, controller) in controllers {
            drives.extend(controller.links("Drives").into_iter().filter_map(|link| self.link(link)));
        }
        drives.truncate(DRIVES_MAX);
        Ok(drives)
    }
}

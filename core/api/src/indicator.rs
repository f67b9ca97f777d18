//! Indicators: the lights of a machine.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::argument;
use crate::error::Fault;
use crate::link::{Link, encoded, pair};

/// What stands between the name of an indicator and its component.
const SEPARATOR: char = '@';

/// An indicator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Indicator {
    /// Its name, unique on its node: `led@chassis`.
    pub name: String,
    /// The part of the machine it belongs to.
    pub component: String,
    /// Whether it cannot be changed.
    pub readonly: bool,
    /// States it can have, as `ON`.
    pub states: Vec<String>,
    /// Links to itself.
    pub links: Vec<Link>,
}

/// What `GET /v1/nodes/ID/management/indicators` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Indicators {
    /// The indicators.
    pub indicators: Vec<Indicator>,
}

/// What `GET` and `PUT /v1/nodes/ID/management/indicators/NAME@COMPONENT` say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndicatorState {
    /// `ON`, `OFF` or `BLINKING`.
    pub state: String,
}

impl Indicator {
    /// The indicator of a node that the path calls `ident`; `states` in any case.
    pub fn new(
        base: &str,
        ident: &str,
        name: &str,
        component: &str,
        readonly: bool,
        states: &[String],
    ) -> Self {
        let name = format!("{name}{SEPARATOR}{component}");
        let path = format!("nodes/{}/management/indicators/{name}", encoded(ident));
        Self {
            component: component.to_owned(),
            readonly,
            states: states.iter().map(|state| state.to_uppercase()).collect(),
            links: pair(base, &path),
            name,
        }
    }
}

impl IndicatorState {
    /// Reads and checks a body.
    ///
    /// # Errors
    ///
    /// 400: no state, or an unknown member.
    pub fn parse(body: &Value) -> Result<Self, Fault> {
        let arguments = argument::read(body, &["state"], &["state"])?;
        match argument::text(&arguments, "state")? {
            Some(state) => Ok(Self { state }),
            None => Err(Fault::missing_parameter("state")),
        }
    }
}

/// Takes the name of an indicator apart: into its name within the component, and the component.
///
/// # Errors
///
/// 400: it names no component.
pub fn parts(text: &str) -> Result<(&str, &str), Fault> {
    let parts =
        text.rsplit_once(SEPARATOR).filter(|(name, component)| !name.is_empty() && !component.is_empty());
    parts.ok_or_else(|| {
        Fault::invalid(format!("Indicator \"{text}\" is not of the form NAME{SEPARATOR}COMPONENT"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_indicator_is_named_with_its_component() {
        let light = Indicator::new("http://h", "n1", "led", "chassis", true, &["on".to_owned()]);

        assert_eq!((light.name.as_str(), light.states.as_slice()), ("led@chassis", &["ON".to_owned()][..]));
        assert_eq!(light.links[0].href, "http://h/v1/nodes/n1/management/indicators/led@chassis");
        assert_eq!(parts("led@chassis"), Ok(("led", "chassis")));
        for text in ["led", "@chassis", "led@", ""] {
            assert!(parts(text).is_err(), "{text}");
        }
    }
}

//! Changes of power.

use serde::Serialize;
use serde_json::Value;

use crate::argument;
use crate::error::Fault;
use crate::version::Microversion;
use crate::version::table::{Kind, Topic};

/// What a node's power can be told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerTarget {
    /// `power on`.
    On,
    /// `power off`, at once.
    Off,
    /// `rebooting`: off and on again, at once.
    Rebooting,
    /// `soft power off`: the operating system is asked to.
    SoftOff,
    /// `soft rebooting`: the operating system is asked to.
    SoftRebooting,
}

impl PowerTarget {
    /// Every target.
    pub const ALL: [Self; 5] = [Self::On, Self::Off, Self::Rebooting, Self::SoftOff, Self::SoftRebooting];

    /// As it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::On => "power on",
            Self::Off => "power off",
            Self::Rebooting => "rebooting",
            Self::SoftOff => "soft power off",
            Self::SoftRebooting => "soft rebooting",
        }
    }

    /// The target by its name on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.as_str() == text)
    }

    /// The power state in which the node is afterwards, by its name on the wire.
    pub fn final_state(self) -> &'static str {
        match self {
            Self::On | Self::Rebooting | Self::SoftRebooting => "power on",
            Self::Off | Self::SoftOff => "power off",
        }
    }
}

/// What `PUT /v1/nodes/ID/states/power` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PowerRequest {
    /// A name of a [`PowerTarget`]; any other is refused with the node's state, which this crate does not know.
    pub target: String,
    /// How long the change may take, in seconds; at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

impl PowerRequest {
    /// Reads and checks a body.
    ///
    /// # Errors
    ///
    /// - 400: no target, an unknown member, or a timeout that is no positive number.
    /// - 406: a soft target or a timeout under a version without them.
    pub fn parse(version: Microversion, body: &Value) -> Result<Self, Fault> {
        let arguments = argument::read(body, &["target", "timeout"], &["target"])?;
        let Some(target) = argument::text(&arguments, "target")? else {
            return Err(Fault::missing_parameter("target"));
        };
        let newer = !version.has(Topic::Power, Kind::Verb, &target)
            || (arguments.contains_key("timeout") && !version.has(Topic::Power, Kind::Parameter, "timeout"));
        if newer {
            return Err(Fault::not_acceptable());
        }
        let timeout = match argument::integer(&arguments, "timeout")?.map(u64::try_from) {
            None => None,
            Some(Ok(0) | Err(_)) => return Err(Fault::invalid("timeout has to be positive integer")),
            Some(Ok(seconds)) => Some(seconds),
        };
        Ok(Self { target, timeout })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::version::MAX;

    fn refused(minor: u16, body: Value) -> String {
        let fault = PowerRequest::parse(Microversion::new(minor), &body).unwrap_err();
        format!("{} {fault}", fault.code())
    }

    #[test]
    fn a_target_and_a_timeout_are_read() {
        let request =
            PowerRequest::parse(MAX, &json!({"target": "soft power off", "timeout": "30"})).unwrap();

        assert_eq!(PowerTarget::parse(&request.target), Some(PowerTarget::SoftOff));
        assert_eq!(request.timeout, Some(30));
    }

    #[test]
    fn wrong_requests_are_refused_in_the_words_of_the_reference() {
        let refusals = [
            refused(72, json!({})),
            refused(72, json!({"target": "power on", "bogus": 1})),
            refused(72, json!({"target": 1})),
            refused(72, json!({"target": "power off", "timeout": 0})),
            refused(72, json!({"target": "power off", "timeout": -5})),
            refused(72, json!({"target": "power off", "timeout": "soon"})),
            refused(26, json!({"target": "soft power off"})),
            refused(26, json!({"target": "power off", "timeout": 5})),
        ];

        insta::assert_snapshot!(refusals.join("\n"), @"
        400 Missing mandatory parameter: target
        400 Unexpected arguments: bogus
        400 Expected string for target: 1
        400 timeout has to be positive integer
        400 timeout has to be positive integer
        400 Expected an integer for timeout: soon
        406 Request not acceptable.
        406 Request not acceptable.
        ");
    }

    #[test]
    fn an_unknown_target_is_left_to_the_server() {
        let request = PowerRequest::parse(MAX, &json!({"target": "sideways"})).unwrap();

        assert_eq!(PowerTarget::parse(&request.target), None);
    }

    #[test]
    fn every_target_is_found_by_its_name() {
        for target in PowerTarget::ALL {
            assert_eq!(PowerTarget::parse(target.as_str()), Some(target));
        }
    }
}

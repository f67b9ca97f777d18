//! The console of a node.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::argument;
use crate::boolean;
use crate::error::Fault;

/// What `GET /v1/nodes/ID/states/console` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Console {
    /// Whether it is on.
    pub console_enabled: bool,
    /// Where it can be reached; null while it is off, or when it has no address.
    pub console_info: Option<ConsoleInfo>,
}

/// Where a console can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleInfo {
    /// Kind of console: `socat`, `shellinabox`, `vnc`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its address.
    pub url: String,
}

/// What `PUT /v1/nodes/ID/states/console` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ConsoleRequest {
    /// Whether the console is to be on.
    pub enabled: bool,
}

impl ConsoleRequest {
    /// Reads and checks a body.
    ///
    /// # Errors
    ///
    /// 400: `enabled` is missing or means no boolean, or an unknown member.
    pub fn parse(body: &Value) -> Result<Self, Fault> {
        let arguments = argument::read(body, &["enabled"], &["enabled"])?;
        let Some(enabled) = arguments.get("enabled") else { return Err(Fault::missing_parameter("enabled")) };
        Ok(Self { enabled: boolean::from_value("enabled", enabled)? })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_says_on_or_off() {
        assert!(ConsoleRequest::parse(&json!({"enabled": "True"})).unwrap().enabled);
        assert!(ConsoleRequest::parse(&json!({})).is_err());
        assert!(ConsoleRequest::parse(&json!({"enabled": 3})).is_err());
    }

    #[test]
    fn a_console_that_is_off_has_no_address() {
        let off = serde_json::to_value(Console::default()).unwrap();

        assert_eq!(off, json!({"console_enabled": false, "console_info": null}));
    }
}

//! The device a node boots from.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::argument;
use crate::boolean;
use crate::error::Fault;

/// What `GET /v1/nodes/ID/management/boot_device` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootDevice {
    /// `pxe`, `disk`, ...; null when the BMC does not say.
    pub boot_device: Option<String>,
    /// Whether it holds for every boot or for the next alone; null when the BMC does not say.
    pub persistent: Option<bool>,
}

/// What `PUT /v1/nodes/ID/management/boot_device` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootDeviceRequest {
    /// The device.
    pub boot_device: String,
    /// Whether it is to hold for every boot or for the next alone.
    pub persistent: bool,
}

impl BootDeviceRequest {
    /// Reads and checks a body.
    ///
    /// # Errors
    ///
    /// 400: no device, an unknown member, or a `persistent` that means no boolean.
    pub fn parse(body: &Value) -> Result<Self, Fault> {
        let arguments = argument::read(body, &["boot_device", "persistent"], &["boot_device"])?;
        let Some(boot_device) = argument::text(&arguments, "boot_device")? else {
            return Err(Fault::missing_parameter("boot_device"));
        };
        let persistent = match arguments.get("persistent") {
            None | Some(Value::Null) => false,
            Some(value) => boolean::from_value("persistent", value)?,
        };
        Ok(Self { boot_device, persistent })
    }
}

/// What `GET /v1/nodes/ID/management/boot_device/supported` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupportedBootDevices {
    /// The devices the node can be told to boot from.
    pub supported_boot_devices: Vec<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_device_holds_for_the_next_boot_unless_told_otherwise() {
        let read = |body| BootDeviceRequest::parse(&body).unwrap().persistent;

        assert!(!read(json!({"boot_device": "pxe"})));
        assert!(!read(json!({"boot_device": "pxe", "persistent": null})));
        assert!(read(json!({"boot_device": "pxe", "persistent": "True"})));
    }

    #[test]
    fn wrong_requests_are_refused() {
        let texts: Vec<String> = [
            json!({}),
            json!({"boot_device": 1}),
            json!({"boot_device": "pxe", "persistent": 1}),
            json!({"boot_device": "pxe", "x": 1}),
        ]
        .iter()
        .map(|body| BootDeviceRequest::parse(body).unwrap_err().to_string())
        .collect();

        insta::assert_snapshot!(texts.join("\n"), @"
        Missing mandatory parameter: boot_device
        Expected string for boot_device: 1
        Invalid persistent: Unrecognized value 1, acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'
        Unexpected arguments: x
        ");
    }
}

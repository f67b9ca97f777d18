//! How a machine starts: boot mode and secure boot.

use serde::Serialize;
use serde_json::Value;

use crate::argument;
use crate::boolean;
use crate::error::Fault;

/// The boot modes a machine can be put into.
pub const BOOT_MODES: &[&str] = &["bios", "uefi"];

/// What `PUT /v1/nodes/ID/states/boot_mode` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootModeRequest {
    /// One of [`BOOT_MODES`].
    pub target: String,
}

impl BootModeRequest {
    /// Reads and checks a body.
    ///
    /// # Errors
    ///
    /// 400: no target, an unknown member, or a boot mode that does not exist.
    pub fn parse(body: &Value) -> Result<Self, Fault> {
        let arguments = argument::read(body, &["target"], &["target"])?;
        let Some(target) = argument::text(&arguments, "target")? else {
            return Err(Fault::missing_parameter("target"));
        };
        if BOOT_MODES.contains(&target.as_str()) {
            return Ok(Self { target });
        }
        let text = format!(
            "Invalid boot mode {target} requested, allowed boot modes are: {}",
            BOOT_MODES.join(", ")
        );
        Err(Fault::invalid(text))
    }
}

/// What `PUT /v1/nodes/ID/states/secure_boot` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SecureBootRequest {
    /// Whether secure boot is to be on.
    pub target: bool,
}

impl SecureBootRequest {
    /// Reads and checks a body.
    ///
    /// # Errors
    ///
    /// 400: no target, an unknown member, or a target that means no boolean.
    pub fn parse(body: &Value) -> Result<Self, Fault> {
        let arguments = argument::read(body, &["target"], &["target"])?;
        let Some(target) = arguments.get("target") else { return Err(Fault::missing_parameter("target")) };
        Ok(Self { target: boolean::from_value("target", target)? })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn targets_are_read() {
        assert_eq!(BootModeRequest::parse(&json!({"target": "uefi"})).unwrap().target, "uefi");
        assert!(SecureBootRequest::parse(&json!({"target": "true"})).unwrap().target);
        assert!(!SecureBootRequest::parse(&json!({"target": false})).unwrap().target);
    }

    #[test]
    fn wrong_targets_are_refused() {
        let refused = |body| BootModeRequest::parse(&body).unwrap_err().to_string();
        let texts = [
            refused(json!({})),
            refused(json!({"target": "dos"})),
            refused(json!({"target": 1})),
            SecureBootRequest::parse(&json!({})).unwrap_err().to_string(),
            SecureBootRequest::parse(&json!({"target": "x", "y": 1})).unwrap_err().to_string(),
        ];

        insta::assert_snapshot!(texts.join("\n"), @r"
        Missing mandatory parameter: target
        Invalid boot mode dos requested, allowed boot modes are: bios, uefi
        Expected string for target: 1
        Missing mandatory parameter: target
        Unexpected arguments: y
        ");
    }
}

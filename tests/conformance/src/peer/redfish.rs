//! A small BMC that speaks Redfish: one System with power and boot settings, sessions and basic authentication.
//!
//! Source: DSP0266, sections 7 and 13; DSP2046, ComputerSystem.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::http::{Request, Response};
use crate::target::{PASSWORD, SYSTEM, USER};

const ROOT: &str = "/redfish/v1";
const SYSTEMS: &str = "/redfish/v1/Systems";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
const RESET: &str = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";

/// The BMC and its machine.
pub(super) struct Redfish {
    pub(super) on: bool,
    /// Members of the System's `Boot`.
    boot: Value,
    tokens: BTreeSet<String>,
    logins: u32,
}

impl Redfish {
    pub(super) fn new() -> Self {
        let boot = json!({
            "BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None",
            "BootSourceOverrideMode": "UEFI",
            "BootSourceOverrideMode@Redfish.AllowableValues": ["UEFI", "Legacy"],
            "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Floppy", "Cd", "Usb", "Hdd", "BiosSetup",
                "UefiHttp"],
        });
        Self { on: false, boot, tokens: BTreeSet::new(), logins: 0 }
    }

    pub(super) fn forget_sessions(&mut self) {
        self.tokens.clear();
    }

    pub(super) fn answer(&mut self, request: &Request) -> Response {
        let path = request.path.trim_end_matches('/');
        if path == ROOT && request.method == "GET" {
            return found(&json!({
                "@odata.id": "/redfish/v1/", "RedfishVersion": "1.6.0", "Systems": {"@odata.id": SYSTEMS},
                "Links": {"Sessions": {"@odata.id": SESSIONS}},
            }));
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        if path == SESSIONS && request.method == "POST" {
            return self.log_in(&body);
        }
        if !self.knows(request) {
            return status(401);
        }
        match (request.method.as_str(), path) {
            ("GET", SYSTEMS) => found(&json!({"Members": [{"@odata.id": SYSTEM}], "Members@odata.count": 1})),
            ("GET", SYSTEM) => found(&self.system()),
            ("PATCH", SYSTEM) => {
                merge(&mut self.boot, body.get("Boot").unwrap_or(&Value::Null));
                status(204)
            }
            ("POST", RESET) => self.reset(body.get("ResetType").and_then(Value::as_str).unwrap_or_default()),
            ("DELETE", path) if path.starts_with(SESSIONS) => {
                let token = path.rsplit('/').next().unwrap_or_default();
                self.tokens.remove(token);
                status(204)
            }
            _ => status(404),
        }
    }

    fn system(&self) -> Value {
        json!({
            "@odata.id": SYSTEM, "Id": "1", "Manufacturer": "Kit", "SerialNumber": "KIT-1",
            "PowerState": if self.on { "On" } else { "Off" }, "Status": {"Health": "OK"}, "Boot": self.boot,
            "Actions": {"#ComputerSystem.Reset": {"target": RESET, "ResetType@Redfish.AllowableValues":
                ["On", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart", "Nmi"]}},
        })
    }

    fn log_in(&mut self, body: &Value) -> Response {
        let member = |name: &str| body.get(name).and_then(Value::as_str);
        if (member("UserName"), member("Password")) != (Some(USER), Some(PASSWORD)) {
            return status(401);
        }
        self.logins += 1;
        let token = format!("token-{}", self.logins);
        self.tokens.insert(token.clone());
        let location = format!("{SESSIONS}/{token}");
        let headers = vec![("X-Auth-Token", token), ("Location", location.clone())];
        Response { status: 201, headers, body: json!({"@odata.id": location}).to_string() }
    }

    fn knows(&self, request: &Request) -> bool {
        match (request.header("x-auth-token"), request.header("authorization")) {
            (Some(token), _) => self.tokens.contains(token),
            (None, Some(given)) => {
                given == format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")))
            }
            (None, None) => false,
        }
    }

    fn reset(&mut self, kind: &str) -> Response {
        match kind {
            "On" | "GracefulRestart" | "ForceRestart" => self.on = true,
            "ForceOff" | "GracefulShutdown" => self.on = false,
            "Nmi" => {}
            _ => return status(400),
        }
        status(204)
    }
}

fn found(body: &Value) -> Response {
    Response { status: 200, headers: Vec::new(), body: body.to_string() }
}

fn status(status: u16) -> Response {
    Response { status, ..Response::default() }
}

fn merge(target: &mut Value, patch: &Value) {
    let (Some(target), Some(patch)) = (target.as_object_mut(), patch.as_object()) else { return };
    target.extend(patch.clone());
}

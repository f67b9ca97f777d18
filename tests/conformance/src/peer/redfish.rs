//! A small BMC that speaks Redfish: one System with power, boot and BIOS settings, its parts, firmware, virtual media,
//! subscriptions, sessions and basic authentication.
//!
//! Source: DSP0266, sections 7 and 13; DSP2046, ComputerSystem.

mod bios;
mod events;
mod firmware;
mod media;
mod parts;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use self::bios::Bios;
use self::events::Events;
use self::firmware::Firmware;
use self::media::Media;
use super::http::{Request, Response};
use super::seen::Seen;
use crate::target::{PASSWORD, SYSTEM, USER};

const ROOT: &str = "/redfish/v1";
const MANAGER: &str = "/redfish/v1/Managers/1";
const SYSTEMS: &str = "/redfish/v1/Systems";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
const RESET: &str = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";

/// The BMC and its machine.
pub(super) struct Redfish {
    pub(super) on: bool,
    /// Members of the System's `Boot`.
    boot: Value,
    bios: Bios,
    firmware: Firmware,
    media: Media,
    events: Events,
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
        Self {
            on: false,
            boot,
            bios: Bios::new(),
            firmware: Firmware::new(),
            media: Media::default(),
            events: Events::default(),
            tokens: BTreeSet::new(),
            logins: 0,
        }
    }

    /// What somebody in front of the machine sees.
    pub(super) fn seen(&self) -> Seen {
        Seen {
            updates: self.firmware.begun(),
            media: self.media.image().into_iter().collect(),
            console: false,
        }
    }

    pub(super) fn forget_sessions(&mut self) {
        self.tokens.clear();
    }

    pub(super) fn answer(&mut self, request: &Request) -> Response {
        let path = request.path.trim_end_matches('/');
        if path == ROOT && request.method == "GET" {
            return found(&json!({
                "@odata.id": "/redfish/v1/", "RedfishVersion": "1.6.0", "Systems": {"@odata.id": SYSTEMS},
                "Links": {"Sessions": {"@odata.id": SESSIONS}}, "Registries": {"@odata.id": bios::REGISTRIES},
                "UpdateService": {"@odata.id": firmware::SERVICE}, "EventService": {"@odata.id": events::SERVICE},
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
            (method, path) => self.part(method, path, &body),
        }
    }

    /// What is not of the System itself.
    fn part(&mut self, method: &str, path: &str, body: &Value) -> Response {
        if path == MANAGER && method == "GET" {
            return found(&json!({
                "@odata.id": MANAGER, "Id": "1", "ManagerType": "BMC", "FirmwareVersion": self.firmware.bmc,
                "VirtualMedia": {"@odata.id": media::COLLECTION},
            }));
        }
        self.bios
            .answer(method, path, body)
            .or_else(|| self.firmware.answer(method, path, body))
            .or_else(|| self.media.answer(method, path, body))
            .or_else(|| self.events.answer(method, path, body))
            .or_else(|| parts::answer(method, path))
            .unwrap_or_else(|| status(404))
    }

    fn system(&self) -> Value {
        json!({
            "BiosVersion": self.firmware.bios, "Bios": {"@odata.id": bios::BIOS},
            "MemorySummary": {"TotalSystemMemoryGiB": parts::MEMORY_GIB},
            "Processors": {"@odata.id": parts::PROCESSORS}, "Storage": {"@odata.id": parts::STORAGE},
            "EthernetInterfaces": {"@odata.id": parts::CARDS},
            "Links": {"ManagedBy": [{"@odata.id": MANAGER}]},
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
        let begins = !self.on || kind.ends_with("Restart");
        match kind {
            "On" | "GracefulRestart" | "ForceRestart" => {
                self.on = true;
                if begins {
                    self.bios.start();
                }
            }
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

/// A collection with these members.
fn collection(path: &str, members: &[String]) -> Response {
    let links: Vec<Value> = members.iter().map(|member| json!({"@odata.id": member})).collect();
    found(&json!({"@odata.id": path, "Members@odata.count": links.len(), "Members": links}))
}

fn status(status: u16) -> Response {
    Response { status, ..Response::default() }
}

fn merge(target: &mut Value, patch: &Value) {
    let (Some(target), Some(patch)) = (target.as_object_mut(), patch.as_object()) else { return };
    target.extend(patch.clone());
}

//! Reading recordings.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Renamed;

/// Root, versions, drivers, conductors.
pub(super) const DISCOVERY: &str = "01-discovery-drivers-conductors";

/// Nodes: enrolling, listing, showing, changing, deleting.
pub(super) const NODES: &str = "02-node-crud";

/// Ports.
pub(super) const PORTS: &str = "03-port-crud";

/// Power, boot device, validation.
pub(super) const POWER: &str = "04-power-boot";

/// Manage, inspect, provide, deploy, undeploy, adopt.
pub(super) const PROVISION: &str = "05-provision";

/// Manual cleaning, BIOS settings.
pub(super) const CLEAN: &str = "06-manual-clean";

/// Maintenance.
pub(super) const MAINTENANCE: &str = "07-maintenance";

/// What goes wrong in lists, bodies, patches and methods.
pub(super) const ERRORS: &str = "08-errors-common";

/// The same life cycle by another client.
pub(super) const SDK: &str = "09-openstacksdk-basic";

/// One recorded request and its answer.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) request_headers: Vec<(String, String)>,
    /// The body as it was sent; empty when there was none.
    pub(super) request: String,
    pub(super) status: u16,
    pub(super) response_headers: Vec<(String, String)>,
    /// The body; null when there was none.
    pub(super) response: Value,
}

impl Exchange {
    /// The exchange with UUIDs of ours in the place of recorded ones.
    pub(super) fn renamed(&self, renamed: &Renamed) -> Self {
        let rename = |text: &str| {
            renamed.iter().fold(text.to_owned(), |text, (recorded, ours)| text.replace(recorded, ours))
        };
        Self {
            path: rename(&self.path),
            request: rename(&self.request),
            response: serde_json::from_str(&rename(&self.response.to_string())).unwrap(),
            response_headers: self
                .response_headers
                .iter()
                .map(|(name, value)| (name.clone(), rename(value)))
                .collect(),
            ..self.clone()
        }
    }

    /// Whether this is a request to a path; `*` stands for one element.
    pub(super) fn is(&self, method: &str, path: &str) -> bool {
        let own = self.path.split('?').next().unwrap();
        let (own, path): (Vec<&str>, Vec<&str>) = (own.split('/').collect(), path.split('/').collect());
        self.method == method
            && own.len() == path.len()
            && own.iter().zip(path).all(|(own, element)| element == "*" || *own == element)
    }
}

/// The exchanges of a recording, each with the number of its step.
pub(super) fn recording(name: &str) -> Vec<(usize, Exchange)> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    let recording: Value = serde_json::from_str(&text).unwrap();
    let steps = recording["steps"].as_array().unwrap();
    let exchanges = steps.iter().enumerate().flat_map(|(at, step)| {
        let exchanges = step["exchanges"].as_array().unwrap();
        exchanges.iter().map(move |recorded| (at, exchange(recorded)))
    });
    exchanges.collect()
}

/// The folder with the recordings.
fn folder() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let labs = std::env::var_os("FARRIER_LABS")
        .map_or_else(|| workspace.join("../shared/labs"), |labs| workspace.join(labs));
    let folder = labs.join("api/recordings");
    assert!(
        folder.is_dir(),
        "no recorded exchanges in {}: set FARRIER_LABS to the folder that has api/recordings",
        folder.display()
    );
    folder
}

fn exchange(recorded: &Value) -> Exchange {
    let (request, response) = (&recorded["request"], &recorded["response"]);
    let body = &request["body"];
    let sent = if body.is_null() { String::new() } else { body.to_string() };
    Exchange {
        method: request["method"].as_str().unwrap().to_owned(),
        path: request["path"].as_str().unwrap().to_owned(),
        request_headers: headers(request),
        request: body["__raw__"].as_str().map_or(sent, str::to_owned),
        status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
        response_headers: headers(response),
        response: response["body"].clone(),
    }
}

fn headers(message: &Value) -> Vec<(String, String)> {
    let headers = message["headers"].as_object().unwrap();
    headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

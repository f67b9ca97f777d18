//! Firmware: an image called `COMPONENT-VERSION.bin` makes that version of that component.
//!
//! Source: DSP0268, UpdateService and Task.

use serde_json::{Value, json};

use super::{Response, found, status};

pub(super) const SERVICE: &str = "/redfish/v1/UpdateService";
const UPDATE: &str = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate";
const TASKS: &str = "/redfish/v1/TaskService/Tasks";

/// Looks at a task before it has ended.
const LOOKS: u32 = 2;

/// Versions, and updates under way.
pub(super) struct Firmware {
    pub(super) bios: String,
    pub(super) bmc: String,
    tasks: Vec<Task>,
}

/// One update.
struct Task {
    component: String,
    version: String,
    looks: u32,
}

impl Firmware {
    pub(super) fn new() -> Self {
        Self { bios: "1.4".to_owned(), bmc: "2.10".to_owned(), tasks: Vec::new() }
    }

    /// How many updates were begun.
    pub(super) fn begun(&self) -> u32 {
        u32::try_from(self.tasks.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn answer(&mut self, method: &str, path: &str, body: &Value) -> Option<Response> {
        Some(match (method, path) {
            ("GET", SERVICE) => found(&json!({
                "@odata.id": SERVICE, "Actions": {"#UpdateService.SimpleUpdate": {"target": UPDATE}},
            })),
            ("POST", UPDATE) => self.begin(body.get("ImageURI").and_then(Value::as_str).unwrap_or_default()),
            ("GET", path) => self.look(path, path.strip_prefix(TASKS)?.trim_start_matches('/').parse().ok()?),
            _ => return None,
        })
    }

    fn begin(&mut self, image: &str) -> Response {
        let name = image.rsplit('/').next().and_then(|file| file.strip_suffix(".bin"));
        let Some((component, version)) = name.and_then(|name| name.split_once('-')) else {
            return status(400);
        };
        self.tasks.push(Task { component: component.to_owned(), version: version.to_owned(), looks: 0 });
        let path = format!("{TASKS}/{}", self.tasks.len());
        let body = json!({"@odata.id": path, "TaskState": "New"}).to_string();
        Response { status: 202, headers: vec![("Location", path)], body }
    }

    fn look(&mut self, path: &str, number: usize) -> Response {
        let Some(task) = number.checked_sub(1).and_then(|index| self.tasks.get_mut(index)) else {
            return status(404);
        };
        task.looks += 1;
        if task.looks <= LOOKS {
            return found(&json!({"@odata.id": path, "TaskState": "Running"}));
        }
        match task.component.as_str() {
            "bios" => self.bios.clone_from(&task.version),
            "bmc" => self.bmc.clone_from(&task.version),
            _ => {
                return found(
                    &json!({"@odata.id": path, "TaskState": "Exception", "TaskStatus": "Critical"}),
                );
            }
        }
        found(&json!({"@odata.id": path, "TaskState": "Completed", "TaskStatus": "OK"}))
    }
}

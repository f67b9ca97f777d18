//! One virtual drive for discs.
//!
//! Source: DSP0268, VirtualMedia.

use serde_json::{Value, json};

use super::{Response, collection, found, status};

pub(super) const COLLECTION: &str = "/redfish/v1/Managers/1/VirtualMedia";
const DRIVE: &str = "/redfish/v1/Managers/1/VirtualMedia/Cd";
const INSERT: &str = "/redfish/v1/Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia";
const EJECT: &str = "/redfish/v1/Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.EjectMedia";

/// The drive.
#[derive(Default)]
pub(super) struct Media {
    image: Option<String>,
}

impl Media {
    /// What is in it.
    pub(super) fn image(&self) -> Option<String> {
        self.image.clone()
    }

    pub(super) fn answer(&mut self, method: &str, path: &str, body: &Value) -> Option<Response> {
        Some(match (method, path) {
            ("GET", COLLECTION) => collection(COLLECTION, &[DRIVE.to_owned()]),
            ("GET", DRIVE) => found(&json!({
                "@odata.id": DRIVE, "Id": "Cd", "MediaTypes": ["CD", "DVD"], "Image": self.image,
                "Inserted": self.image.is_some(), "WriteProtected": true,
                "ConnectedVia": if self.image.is_some() { "URI" } else { "NotConnected" },
                "Actions": {"#VirtualMedia.InsertMedia": {"target": INSERT},
                    "#VirtualMedia.EjectMedia": {"target": EJECT}},
            })),
            ("POST", INSERT) => match body.get("Image").and_then(Value::as_str) {
                Some(image) if self.image.is_none() => {
                    self.image = Some(image.to_owned());
                    status(204)
                }
                _ => status(400),
            },
            ("POST", EJECT) => {
                self.image = None;
                status(204)
            }
            _ => return None,
        })
    }
}

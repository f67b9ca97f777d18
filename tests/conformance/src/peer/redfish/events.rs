//! Subscriptions to events, which never come.
//!
//! Source: DSP0268, EventService and EventDestination.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Response, collection, found, status};

pub(super) const SERVICE: &str = "/redfish/v1/EventService";
const SUBSCRIPTIONS: &str = "/redfish/v1/EventService/Subscriptions";

/// Who wants to be told.
#[derive(Default)]
pub(super) struct Events {
    subscriptions: BTreeMap<String, Value>,
    number: u32,
}

impl Events {
    pub(super) fn answer(&mut self, method: &str, path: &str, body: &Value) -> Option<Response> {
        Some(match (method, path) {
            ("GET", SERVICE) => {
                found(&json!({"@odata.id": SERVICE, "Subscriptions": {"@odata.id": SUBSCRIPTIONS},
                    "EventTypesForSubscription": ["Alert"]}))
            }
            ("GET", SUBSCRIPTIONS) => {
                let members: Vec<String> = self.subscriptions.keys().cloned().collect();
                collection(SUBSCRIPTIONS, &members)
            }
            ("POST", SUBSCRIPTIONS) => self.subscribe(body),
            ("GET", path) => found(self.subscriptions.get(path)?),
            ("DELETE", path) => {
                self.subscriptions.remove(path)?;
                status(204)
            }
            _ => return None,
        })
    }

    fn subscribe(&mut self, body: &Value) -> Response {
        if body.get("Destination").and_then(Value::as_str).is_none() {
            return status(400);
        }
        self.number += 1;
        let path = format!("{SUBSCRIPTIONS}/{}", self.number);
        let mut subscription = json!({"@odata.id": path, "Id": self.number.to_string()});
        super::merge(&mut subscription, body);
        let answer = Response {
            status: 201,
            headers: vec![("Location", path.clone())],
            body: subscription.to_string(),
        };
        self.subscriptions.insert(path, subscription);
        answer
    }
}

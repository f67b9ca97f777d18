//! BIOS settings: what is written takes effect when the machine starts.
//!
//! Source: DSP0268, Bios; DSP0266, section 9.10, settings resources.

use serde_json::{Map, Value, json};

use super::{Response, collection, found, status};

pub(super) const REGISTRIES: &str = "/redfish/v1/Registries";
const REGISTRY_FILE: &str = "/redfish/v1/Registries/KitBios";
const REGISTRY: &str = "/redfish/v1/Registries/KitBios.1.0.json";
pub(super) const BIOS: &str = "/redfish/v1/Systems/1/Bios";
const SETTINGS: &str = "/redfish/v1/Systems/1/Bios/Settings";
const RESET: &str = "/redfish/v1/Systems/1/Bios/Actions/Bios.ResetBios";

/// The settings of the machine.
pub(super) struct Bios {
    attributes: Map<String, Value>,
    /// What is to be at the next start.
    pending: Map<String, Value>,
}

/// Settings as the factory made them.
fn factory() -> Map<String, Value> {
    let settings =
        json!({"AssetTag": "KIT-1", "BootTimeout": 5, "HyperThreading": "Enabled", "QuietBoot": true});
    settings.as_object().cloned().unwrap_or_default()
}

/// What is said of the settings.
fn registry() -> Value {
    let described = |(name, value): (String, Value)| match value {
        Value::Bool(_) => json!({"AttributeName": name, "Type": "Boolean"}),
        Value::Number(_) => {
            json!({"AttributeName": name, "Type": "Integer", "LowerBound": 0, "UpperBound": 60})
        }
        word if word == "Enabled" => json!({"AttributeName": name, "Type": "Enumeration",
            "Value": [{"ValueName": "Enabled"}, {"ValueName": "Disabled"}]}),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            json!({"AttributeName": name, "Type": "String"})
        }
    };
    let attributes: Vec<Value> = factory().into_iter().map(described).collect();
    json!({"Id": "KitBios.1.0", "RegistryEntries": {"Attributes": attributes}})
}

impl Bios {
    pub(super) fn new() -> Self {
        Self { attributes: factory(), pending: Map::new() }
    }

    /// The machine starts.
    pub(super) fn start(&mut self) {
        self.attributes.extend(std::mem::take(&mut self.pending));
    }

    pub(super) fn answer(&mut self, method: &str, path: &str, body: &Value) -> Option<Response> {
        Some(match (method, path) {
            ("GET", BIOS) => found(&json!({
                "@odata.id": BIOS, "Attributes": self.attributes,
                "AttributeRegistry": "KitBios.1.0",
                "@Redfish.Settings": {"SettingsObject": {"@odata.id": SETTINGS}},
                "Actions": {"#Bios.ResetBios": {"target": RESET}},
            })),
            ("GET", REGISTRIES) => collection(REGISTRIES, &[REGISTRY_FILE.to_owned()]),
            ("GET", REGISTRY_FILE) => found(&json!({
                "@odata.id": REGISTRY_FILE, "Id": "KitBios", "Registry": "KitBios.1.0",
                "Location": [{"Language": "en", "Uri": REGISTRY}],
            })),
            ("GET", REGISTRY) => found(&registry()),
            ("GET", SETTINGS) => found(&json!({"@odata.id": SETTINGS, "Attributes": self.pending})),
            ("PATCH", SETTINGS) => self.change(body.get("Attributes")?.as_object()?),
            ("POST", RESET) => {
                self.pending = factory();
                status(204)
            }
            _ => return None,
        })
    }

    fn change(&mut self, changes: &Map<String, Value>) -> Response {
        let fits = |(name, value): (&String, &Value)| {
            self.attributes
                .get(name)
                .is_some_and(|now| std::mem::discriminant(now) == std::mem::discriminant(value))
        };
        if !changes.iter().all(fits) {
            return status(400);
        }
        self.pending.extend(changes.clone());
        status(204)
    }
}

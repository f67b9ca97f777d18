//! What is said under `capabilities`, of a machine or of an instance.
//!
//! Source: Ironic's driver utilities.

use farrier_model::node::Fields;
use serde_json::Value;

/// The key, in `properties` and in `instance_info`.
const KEY: &str = "capabilities";

/// A capability: a member of an object, of the same as JSON in a text, or of `name:value,name:value`.
pub(crate) fn capability(fields: &Fields, name: &str) -> Option<String> {
    match fields.get(KEY)? {
        Value::Object(capabilities) => member(capabilities, name),
        Value::String(text) => match serde_json::from_str::<Fields>(text) {
            Ok(capabilities) => member(&capabilities, name),
            Err(_) => {
                let mut pairs = text.split(',').filter_map(|pair| pair.split_once(':'));
                pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

fn member(capabilities: &Fields, name: &str) -> Option<String> {
    capabilities.get(name).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_capability_is_found_in_every_form() {
        for capabilities in [
            json!({"boot_mode": "bios", "a": "b"}),
            json!("a:b,boot_mode:bios"),
            json!(" boot_mode : bios "),
            json!(r#"{"boot_mode": "bios"}"#),
        ] {
            let fields = json!({"capabilities": capabilities}).as_object().cloned().unwrap();
            assert_eq!(capability(&fields, "boot_mode").as_deref(), Some("bios"), "{fields:?}");
            assert_eq!(capability(&fields, "mode"), None);
        }
    }

    #[test]
    fn what_is_no_capability_is_none() {
        for fields in [json!({}), json!({"capabilities": null}), json!({"capabilities": ["boot_mode:bios"]})]
        {
            assert_eq!(capability(fields.as_object().unwrap(), "boot_mode"), None, "{fields}");
        }
    }
}

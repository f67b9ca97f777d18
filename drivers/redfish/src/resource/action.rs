//! Actions of resources and what they may be asked.

use serde::{Deserialize, Deserializer};

use super::{link, object, text, texts};

/// An action with a parameter of one type, such as a reset with its type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ResetAction {
    /// Where to post it.
    #[serde(deserialize_with = "text")]
    pub target: Option<String>,
    /// Allowed types, where they stand beside the target.
    #[serde(rename = "ResetType@Redfish.AllowableValues", deserialize_with = "texts")]
    pub allowed: Option<Vec<String>>,
    /// Where they stand otherwise.
    #[serde(rename = "@Redfish.ActionInfo", deserialize_with = "link")]
    pub info: Option<String>,
}

/// Description of an action in a resource of its own.
///
/// Source: DSP0268, ActionInfo.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ActionInfo {
    /// What the action takes.
    #[serde(deserialize_with = "parameters")]
    pub parameters: Vec<Parameter>,
}

impl ActionInfo {
    /// The values a parameter may have; `None` when the BMC does not say.
    #[must_use]
    pub fn allowed(&self, parameter: &str) -> Option<&[String]> {
        self.parameters.iter().find(|p| p.name.as_deref() == Some(parameter))?.allowable_values.as_deref()
    }
}

/// One parameter of an action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Parameter {
    /// Its name.
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    /// What it may be.
    #[serde(deserialize_with = "texts")]
    pub allowable_values: Option<Vec<String>>,
}

fn parameters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Parameter>, D::Error> {
    let Some(Lenient(list)) = Option::<Lenient>::deserialize(deserializer)? else { return Ok(Vec::new()) };
    Ok(list)
}

/// A list of parameters of which some may be no objects.
struct Lenient(Vec<Parameter>);

impl<'de> Deserialize<'de> for Lenient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let members = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let parameter = |member: &serde_json::Value| object(member).ok().flatten();
        Ok(Self(members.iter().filter_map(parameter).collect()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn action_info_is_a_path_or_an_object() {
        for info in [json!("/redfish/v1/x"), json!({"@odata.id": "/redfish/v1/x"})] {
            let action: ResetAction = serde_json::from_value(json!({"@Redfish.ActionInfo": info})).unwrap();
            assert_eq!(action.info.as_deref(), Some("/redfish/v1/x"));
        }
    }

    #[test]
    fn allowed_values_are_found_beside_bad_members() {
        let info: ActionInfo = serde_json::from_value(json!({"Parameters": [null, 3,
            {"Name": "Delay", "AllowableValues": []}, {"Name": "ResetType", "AllowableValues": ["On", 1, "ForceOff"]}]}))
        .unwrap();

        assert_eq!(info.allowed("ResetType").unwrap(), ["On", "ForceOff"]);
        assert_eq!(info.allowed("Delay"), None);
        assert_eq!(info.allowed("Other"), None);
    }
}

//! Collections of resources.

use farrier_sdk::prelude::warn;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::links;

/// Most members looked at; a collection with more is cut.
pub const MEMBERS_MAX: usize = 1000;

/// A list of resources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Collection {
    /// Links to the members; as the BMC gave them, at most [`MEMBERS_MAX`].
    #[serde(deserialize_with = "members")]
    pub members: Vec<String>,
}

fn members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let mut list = links(deserializer)?;
    cut(&mut list);
    Ok(list)
}

/// A list of resources that stand in it themselves, as far as the BMC did what it was asked.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Expanded {
    /// The members, or references to them; at most [`MEMBERS_MAX`].
    #[serde(deserialize_with = "objects")]
    pub members: Vec<Map<String, Value>>,
}

fn objects<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Map<String, Value>>, D::Error> {
    let Value::Array(list) = Value::deserialize(deserializer)? else { return Ok(Vec::new()) };
    let object = |value| if let Value::Object(object) = value { Some(object) } else { None };
    let mut list = list.into_iter().filter_map(object).collect();
    cut(&mut list);
    Ok(list)
}

fn cut<T>(list: &mut Vec<T>) {
    if list.len() > MEMBERS_MAX {
        warn!(
            members = list.len(),
            read = MEMBERS_MAX,
            "a collection is too long; the rest of it is not read"
        );
        list.truncate(MEMBERS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn members_of(value: &Value) -> Vec<String> {
        super::super::read::<Collection>(value.to_string().as_bytes()).unwrap().members
    }

    #[test]
    fn members_may_be_null_missing_or_partly_broken() {
        assert!(members_of(&json!({"Members": null})).is_empty());
        assert!(members_of(&json!({})).is_empty());
        assert!(members_of(&json!({"Members": 3})).is_empty());
        assert_eq!(
            members_of(&json!({"Members": [null, {"Id": "1"}, {"@odata.id": "/redfish/v1/a"}]})),
            ["/redfish/v1/a"]
        );
    }

    #[test]
    fn expanded_members_are_objects() {
        let body = json!({"Members": [null, 3, {"Id": "1"}, {"@odata.id": "/redfish/v1/a"}]}).to_string();

        let expanded: Expanded = super::super::read(body.as_bytes()).unwrap();

        assert_eq!(expanded.members.len(), 2);
    }

    #[test]
    fn too_many_members_are_cut() {
        let member = |n: usize| format!("{{\"@odata.id\":\"/redfish/v1/{n}\"}}");
        let list = (0..20_000).map(member).collect::<Vec<_>>().join(",");

        let collection: Collection =
            super::super::read(format!("{{\"Members\":[{list}]}}").as_bytes()).unwrap();

        assert_eq!(collection.members.len(), MEMBERS_MAX);
    }
}

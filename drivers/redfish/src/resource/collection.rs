//! Collections of resources.

use serde::{Deserialize, Deserializer};

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
    list.truncate(MEMBERS_MAX);
    Ok(list)
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
    fn too_many_members_are_cut() {
        let member = |n: usize| format!("{{\"@odata.id\":\"/redfish/v1/{n}\"}}");
        let list = (0..20_000).map(member).collect::<Vec<_>>().join(",");

        let collection: Collection =
            super::super::read(format!("{{\"Members\":[{list}]}}").as_bytes()).unwrap();

        assert_eq!(collection.members.len(), MEMBERS_MAX);
    }
}

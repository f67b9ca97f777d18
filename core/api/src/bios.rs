//! BIOS settings on the wire.

use serde::{Deserialize, Serialize};

use crate::error::{ErrorName, Fault};
use crate::link::{Link, encoded, pair};
use crate::resource::Resource;
use crate::version::table::Topic;

/// A BIOS setting with what its machine says about it, in the order of members on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the members are the contract's and say what they mean")]
pub struct BiosSetting {
    pub created_at: Option<String>,
    pub updated_at: Option<String>,
    pub name: String,
    pub value: Option<String>,
    pub attribute_type: Option<String>,
    pub allowable_values: Vec<String>,
    pub lower_bound: Option<i64>,
    pub max_length: Option<i64>,
    pub min_length: Option<i64>,
    pub read_only: Option<bool>,
    pub reset_required: Option<bool>,
    pub unique: Option<bool>,
    pub upper_bound: Option<i64>,
    pub links: Vec<Link>,
}

impl BiosSetting {
    /// Fills in the links of a setting of a node that links call `node`.
    #[must_use]
    pub fn with_links(mut self, base: &str, node: &str) -> Self {
        self.links = pair(base, &format!("nodes/{}/bios/{}", encoded(node), encoded(&self.name)));
        self
    }
}

/// The texts of the contract.
impl Fault {
    /// 404: a node does not have the setting.
    pub fn bios_setting_not_found(node: &str, name: &str) -> Self {
        let message = format!("Node {node} doesn't have a BIOS setting '{name}'");
        Self::new(ErrorName::BiosSettingNotFound, message)
    }
}

/// BIOS settings as a kind of resource; their lists have no pages.
#[rustfmt::skip]
pub const BIOS: Resource = Resource {
    topic: Topic::Bios,
    collection: "bios",
    key: "name",
    fields: &[
        "created_at", "updated_at", "name", "value", "attribute_type", "allowable_values", "lower_bound",
        "max_length", "min_length", "read_only", "reset_required", "unique", "upper_bound", "links",
    ],
    list_fields: None,
    summary: &["created_at", "updated_at", "name", "value"],
    unsortable: &[],
    derived: &[],
    filters: &[],
};

//! History of a node on the wire.

use serde::{Deserialize, Serialize};

use crate::link::{Link, encoded, pair};
use crate::resource::Resource;
use crate::version::table::Topic;

/// One thing that happened to a node, in the order of members on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the members are the contract's and say what they mean")]
pub struct HistoryEntry {
    pub uuid: String,
    pub created_at: Option<String>,
    pub severity: String,
    pub event: String,
    pub event_type: String,
    pub conductor: String,
    pub user: Option<String>,
    pub project: Option<String>,
    pub state: Option<String>,
    pub target_provision_state: Option<String>,
    pub duration_seconds: Option<i64>,
    pub links: Vec<Link>,
}

impl HistoryEntry {
    /// Fills in the links of an entry of a node that links call `node`.
    #[must_use]
    pub fn with_links(mut self, base: &str, node: &str) -> Self {
        self.links = pair(base, &format!("nodes/{}/history/{}", encoded(node), self.uuid));
        self
    }
}

/// History as a kind of resource.
#[rustfmt::skip]
pub const HISTORY: Resource = Resource {
    topic: Topic::History,
    collection: "history",
    key: "uuid",
    fields: &[
        "uuid", "created_at", "severity", "event", "event_type", "conductor", "user", "project", "state",
        "target_provision_state", "duration_seconds", "links",
    ],
    list_fields: None,
    summary: &["uuid", "created_at", "severity", "event"],
    unsortable: &[],
    derived: &["conductor", "event", "user", "project", "state", "target_provision_state", "duration_seconds", "links"],
    filters: &[],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::{MAX, Microversion};

    #[test]
    fn entries_grow_with_versions() {
        let entry = HistoryEntry::default().with_links("http://h", "n1");
        let has = |minor, name| HISTORY.view(&entry, Microversion::new(minor), None).contains_key(name);

        assert!(!has(112, "project") && has(113, "project"));
        assert!(!has(114, "duration_seconds") && has(115, "duration_seconds"));
        assert_eq!(HISTORY.view(&entry, MAX, None).len(), HISTORY.fields.len());
    }
}

//! A conductor on the wire.

use serde::{Deserialize, Serialize};

use crate::link::{Link, encoded, pair};
use crate::resource::Resource;
use crate::version::table::Topic;

/// A whole conductor, in the order of members on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conductor {
    /// When it was first seen.
    pub created_at: Option<String>,
    /// When it last gave a sign of life.
    pub updated_at: Option<String>,
    /// Its host name.
    pub hostname: String,
    /// The group of nodes it works for; empty for nodes without a group.
    pub conductor_group: String,
    /// The hardware types it has enabled.
    pub drivers: Vec<String>,
    /// Links to itself.
    pub links: Vec<Link>,
    /// Whether its last sign of life is recent.
    pub alive: bool,
}

impl Conductor {
    /// Fills in the links, for a conductor whose `hostname` is set.
    #[must_use]
    pub fn with_links(mut self, base: &str) -> Self {
        self.links = pair(base, &format!("{}/{}", CONDUCTOR.collection, encoded(&self.hostname)));
        self
    }
}

/// Conductors as a kind of resource.
pub const CONDUCTOR: Resource = Resource {
    topic: Topic::Conductor,
    collection: "conductors",
    key: "hostname",
    fields: &["created_at", "updated_at", "hostname", "conductor_group", "drivers", "links", "alive"],
    list_fields: None,
    summary: &["hostname", "conductor_group", "alive"],
    unsortable: &["drivers"],
    derived: &["alive", "links"],
    filters: &[],
};

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::version::MAX;

    #[test]
    fn the_list_of_members_is_the_type() {
        let conductor =
            Conductor { hostname: "c1".to_owned(), ..Conductor::default() }.with_links("http://h");

        let view = CONDUCTOR.view(&conductor, MAX, None);

        assert_eq!(view.len(), CONDUCTOR.fields.len());
        assert_eq!(view["alive"], Value::from(false));
        assert_eq!(conductor.links[0].href, "http://h/v1/conductors/c1");
    }

    #[test]
    fn the_short_form_has_no_times() {
        let summary = CONDUCTOR.summarize(&Conductor::default(), MAX);

        assert_eq!(summary.keys().collect::<Vec<_>>(), ["alive", "conductor_group", "hostname", "links"]);
    }
}

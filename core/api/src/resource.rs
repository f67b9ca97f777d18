//! What is common to every kind of resource: its members, its short form in lists, what lists can be asked for, and
//! which members one version shows.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::Fault;
use crate::version::Microversion;
use crate::version::table::{Kind, STATE_AVAILABLE, STATE_INSPECT_WAIT, TABLE, Topic};

/// The member that every selection shows.
pub const LINKS: &str = "links";

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// Under which topic its differences between versions stand.
    pub topic: Topic,
    /// Its collection, as in `/v1/nodes` and in `{"nodes": [...]}`.
    pub collection: &'static str,
    /// The member that names one, as markers do.
    pub key: &'static str,
    /// Every member, in the order of the wire.
    pub fields: &'static [&'static str],
    /// The members that lists can select, when those are not all.
    pub list_fields: Option<&'static [&'static str]>,
    /// The members of the short form in lists, in the order in which links to the next page name them.
    pub summary: &'static [&'static str],
    /// Members by which a list cannot be sorted though they are stored: mappings and lists.
    pub unsortable: &'static [&'static str],
    /// Members that are worked out for each answer and stored nowhere.
    pub derived: &'static [&'static str],
    /// What lists can be asked for.
    pub filters: &'static [Filter],
}

/// A query argument that narrows a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    /// Its name.
    pub name: &'static str,
    /// How its value is read.
    pub value: FilterValue,
}

/// How the value of a filter is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterValue {
    /// As it is.
    Text,
    /// As a boolean.
    Flag,
    /// As a UUID.
    Uuid,
    /// As texts separated by commas.
    List,
}

impl Resource {
    /// The resource as `version` shows it.
    ///
    /// Without `fields` that is every member the version knows, with them those and the links. A member may be named
    /// twice; names the resource does not have are left out, see [`check_fields`](Self::check_fields).
    pub fn view(
        &self,
        record: &impl Serialize,
        version: Microversion,
        fields: Option<&[String]>,
    ) -> Map<String, Value> {
        let record =
            serde_json::to_value(record).expect("wire types have text for keys and no custom serializer");
        let Value::Object(members) = record else { return Map::new() };
        self.view_members(members, version, fields)
    }

    /// [`view`](Self::view) of a resource that is JSON already.
    pub fn view_members(
        &self,
        mut members: Map<String, Value>,
        version: Microversion,
        fields: Option<&[String]>,
    ) -> Map<String, Value> {
        for row in TABLE.iter().filter(|row| row.topic == self.topic && row.kind == Kind::Field) {
            if version.minor() < row.minor {
                for name in row.names {
                    members.remove(*name);
                }
            }
        }
        if let Some(fields) = fields {
            members.retain(|name, _| name == LINKS || fields.contains(name));
        }
        if self.topic == Topic::Node {
            rename_provision_state(&mut members, version);
        }
        members
    }

    /// The short form that lists show unless asked for more.
    pub fn summarize(&self, record: &impl Serialize, version: Microversion) -> Map<String, Value> {
        let fields: Vec<String> = self.summary.iter().map(|name| (*name).to_owned()).collect();
        self.view(record, version, Some(&fields))
    }

    /// Whether `version` shows every member, and as it is stored.
    pub fn shows_all(&self, version: Microversion) -> bool {
        TABLE
            .iter()
            .filter(|row| row.topic == self.topic && matches!(row.kind, Kind::Field | Kind::Behavior))
            .all(|row| row.minor <= version.minor())
    }

    /// The members of the short form that `version` shows, links included; with `fields` those of them.
    ///
    /// None when `fields` asks for more than the short form has.
    pub fn summary_members(
        &self,
        version: Microversion,
        fields: Option<&[String]>,
    ) -> Option<Vec<&'static str>> {
        let mut members = self.summary.to_vec();
        if let Some(fields) = fields {
            if fields.iter().any(|name| name != LINKS && !members.contains(&name.as_str())) {
                return None;
            }
            members.retain(|member| fields.iter().any(|name| name == member));
        }
        members.retain(|member| version.has(self.topic, Kind::Field, member));
        members.push(LINKS);
        Some(members)
    }

    /// Checks the names that a request for one resource selects.
    ///
    /// # Errors
    ///
    /// - 400: no such member.
    /// - 406: a member is newer than `version`.
    pub fn check_fields(&self, fields: &[String], version: Microversion) -> Result<(), Fault> {
        self.check_selection(self.fields, fields, version)
    }

    /// Checks the names that a request for a list selects.
    ///
    /// # Errors
    ///
    /// - 400: no such member, or none that lists have.
    /// - 406: a member is newer than `version`.
    pub fn check_list_fields(&self, fields: &[String], version: Microversion) -> Result<(), Fault> {
        self.check_selection(self.list_fields.unwrap_or(self.fields), fields, version)
    }

    /// Checks the member by which a request sorts.
    ///
    /// # Errors
    ///
    /// - 400: no such member, or one that has no order.
    /// - 406: the member is newer than `version`.
    pub fn check_sort_key(&self, name: &str, version: Microversion) -> Result<(), Fault> {
        if self.unsortable.contains(&name) {
            return Err(Fault::invalid(format!("The sort_key value {name} is an invalid field for sorting")));
        }
        let stored = name == "id" || (self.fields.contains(&name) && !self.derived.contains(&name));
        if !stored {
            return Err(Fault::invalid(format!(
                "The sort_key value \"{name}\" is an invalid field for sorting"
            )));
        }
        if !version.has(self.topic, Kind::Field, name) {
            return Err(Fault::not_acceptable());
        }
        Ok(())
    }

    /// Checks selected names against those that can be.
    fn check_selection(&self, known: &[&str], fields: &[String], version: Microversion) -> Result<(), Fault> {
        let unknown: Vec<String> = fields
            .iter()
            .filter(|name| !known.contains(&name.as_str()))
            .map(|name| format!("\"{name}\""))
            .collect();
        if !unknown.is_empty() {
            return Err(Fault::invalid(format!("Field(s) {} are not valid", unknown.join(", "))));
        }
        if fields.iter().any(|name| !version.has(self.topic, Kind::Field, name)) {
            return Err(Fault::not_acceptable());
        }
        Ok(())
    }
}

/// Shows a provision state by the name that clients of the version know.
fn rename_provision_state(members: &mut Map<String, Value>, version: Microversion) {
    let Some(state) = members.get_mut("provision_state") else { return };
    if let Some(stored) = state.as_str() {
        let shown = shown_provision_state(stored, version);
        *state = shown.map_or(Value::Null, Value::from);
    }
}

/// A provision state by the name that clients of the version know: null for what the first ones call so.
pub fn shown_provision_state(state: &str, version: Microversion) -> Option<&str> {
    match state {
        "available" if !version.has(Topic::Node, Kind::Behavior, STATE_AVAILABLE) => None,
        "inspect wait" if !version.has(Topic::Node, Kind::Behavior, STATE_INSPECT_WAIT) => Some("inspecting"),
        _ => Some(state),
    }
}

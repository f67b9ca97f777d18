//! From records to what stands on the wire, as one version of the API shows it.
//!
//! Secrets are masked here and nowhere else: what handlers answer has been through this module.

pub(crate) mod conductor;
pub(crate) mod driver;
pub(crate) mod hardware;
pub(crate) mod history;
pub(crate) mod node;
pub(crate) mod port;
pub(crate) mod short;

use farrier_api::paging::ListQuery;
use farrier_api::resource::Resource;
use farrier_api::time::FORMAT;
use farrier_api::version::Microversion;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

/// How much of a resource to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Every member.
    Whole,
    /// The short form of lists.
    Short,
    /// These members.
    Fields(Vec<String>),
}

impl Selection {
    /// What a request for a list selects.
    pub(crate) fn of_list(query: &ListQuery) -> Self {
        match &query.fields {
            Some(fields) => Self::Fields(fields.clone()),
            None if query.detail => Self::Whole,
            None => Self::Short,
        }
    }

    /// What a request for one resource selects.
    pub(crate) fn of_one(fields: Option<Vec<String>>) -> Self {
        fields.map_or(Self::Whole, Self::Fields)
    }
}

/// A resource as `version` shows it.
pub(crate) fn shown(
    resource: &Resource,
    record: &impl Serialize,
    version: Microversion,
    selection: &Selection,
) -> Map<String, Value> {
    match selection {
        Selection::Whole => resource.view(record, version, None),
        Selection::Short => resource.summarize(record, version),
        Selection::Fields(fields) => resource.view(record, version, Some(fields)),
    }
}

/// A point in time as clients read it.
fn time(timestamp: Timestamp) -> String {
    timestamp.strftime(FORMAT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_digits_and_the_zone() {
        let moment: Timestamp = "2026-11-22T12:58:13.5Z".parse().unwrap();

        assert_eq!(time(moment), "2026-11-22T12:58:13.500000+00:00");
        assert!(farrier_api::time::is_timestamp(&time(moment)));
    }
}

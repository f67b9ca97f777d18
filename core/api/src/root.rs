//! What the API says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::link::{Link, pair};
use crate::version::table::{Kind, Topic};
use crate::version::{Microversion, Range};

/// The one major version.
const ID: &str = "v1";

/// What `GET /` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Name of the service.
    pub name: String,
    /// What it is, in a sentence.
    pub description: String,
    /// The version to use.
    pub default_version: VersionDocument,
    /// Every version there is.
    pub versions: Vec<VersionDocument>,
}

impl Root {
    /// The document of a server at `base` that offers `range`.
    pub fn new(base: &str, range: Range) -> Self {
        let version = VersionDocument::new(base, range);
        Self {
            name: "Farrier".to_owned(),
            description: "Manages bare metal machines; compatible with the Ironic API.".to_owned(),
            default_version: version.clone(),
            versions: vec![version],
        }
    }
}

/// One major version and the range of its minor versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionDocument {
    /// `v1`.
    pub id: String,
    /// Links to its document.
    pub links: Vec<Link>,
    /// `CURRENT`.
    pub status: String,
    /// The oldest minor version offered.
    pub min_version: String,
    /// The newest minor version offered.
    pub version: String,
}

impl VersionDocument {
    /// The version of a server at `base` that offers `range`.
    pub fn new(base: &str, range: Range) -> Self {
        Self {
            id: ID.to_owned(),
            links: vec![itself(base)],
            status: "CURRENT".to_owned(),
            min_version: range.min.to_string(),
            version: range.max.to_string(),
        }
    }
}

/// What `GET /v1` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct V1 {
    /// `v1`.
    pub id: String,
    /// Links to itself and to a description.
    pub links: Vec<Link>,
    /// What the answers are.
    pub media_types: MediaTypes,
    /// The range of minor versions.
    pub version: VersionDocument,
    /// Links to each collection, by its name.
    #[serde(flatten)]
    pub collections: BTreeMap<String, Vec<Link>>,
}

impl V1 {
    /// The document of a server at `base` that offers `range`, to a client that asks in `version`.
    ///
    /// `collections` are the names of what the server has below `/v1`; those newer than `version` are left out.
    pub fn new(base: &str, range: Range, version: Microversion, collections: &[&str]) -> Self {
        let shown = collections.iter().filter(|name| version.has(Topic::Root, Kind::Endpoint, name));
        Self {
            id: ID.to_owned(),
            links: vec![itself(base)],
            media_types: MediaTypes {
                base: "application/json".to_owned(),
                media_type: "application/vnd.openstack.ironic.v1+json".to_owned(),
            },
            version: VersionDocument::new(base, range),
            collections: shown.map(|name| ((*name).to_owned(), pair(base, &format!("{name}/")))).collect(),
        }
    }
}

/// What the answers are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaTypes {
    /// `application/json`.
    pub base: String,
    /// The media type that also names API and version.
    #[serde(rename = "type")]
    pub media_type: String,
}

/// The link to the document of the major version.
fn itself(base: &str) -> Link {
    Link::new("self", format!("{base}/{ID}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range = Range::up_to(Microversion::new(90));

    #[test]
    fn the_root_names_the_range() {
        let root = Root::new("http://h", RANGE);

        insta::assert_snapshot!(serde_json::to_string_pretty(&root).unwrap(), @r#"
        {
          "name": "Farrier",
          "description": "Manages bare metal machines; compatible with the Ironic API.",
          "default_version": {
            "id": "v1",
            "links": [
              {
                "href": "http://h/v1/",
                "rel": "self"
              }
            ],
            "status": "CURRENT",
            "min_version": "1.1",
            "version": "1.90"
          },
          "versions": [
            {
              "id": "v1",
              "links": [
                {
                  "href": "http://h/v1/",
                  "rel": "self"
                }
              ],
              "status": "CURRENT",
              "min_version": "1.1",
              "version": "1.90"
            }
          ]
        }
        "#);
    }

    #[test]
    fn collections_newer_than_the_version_are_left_out() {
        let shown = |minor| {
            let v1 =
                V1::new("http://h", RANGE, Microversion::new(minor), &["nodes", "drivers", "conductors"]);
            v1.collections.into_keys().collect::<Vec<_>>().join(" ")
        };

        assert_eq!(shown(48), "drivers nodes");
        assert_eq!(shown(49), "conductors drivers nodes");
    }

    #[test]
    fn links_to_collections_end_in_a_slash() {
        let v1 = V1::new("http://h", RANGE, Microversion::new(1), &["nodes"]);

        assert_eq!(v1.collections["nodes"], pair("http://h", "nodes/"));
    }
}

//! The root of a service.

use serde::Deserialize;

use super::{link, object, text, truth};

/// What a service says before anybody logs in.
///
/// Source: DSP0268, ServiceRoot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Root {
    /// Maker of the service.
    #[serde(deserialize_with = "text")]
    pub vendor: Option<String>,
    /// Product.
    #[serde(deserialize_with = "text")]
    pub product: Option<String>,
    /// Version of the protocol.
    #[serde(deserialize_with = "text")]
    pub redfish_version: Option<String>,
    /// Collection of Systems.
    #[serde(deserialize_with = "link")]
    pub systems: Option<String>,
    /// Collection of Managers.
    #[serde(deserialize_with = "link")]
    pub managers: Option<String>,
    /// Service of sessions.
    #[serde(deserialize_with = "link")]
    pub session_service: Option<String>,
    /// Service of firmware updates.
    #[serde(deserialize_with = "link")]
    pub update_service: Option<String>,
    /// Service of tasks.
    #[serde(deserialize_with = "link")]
    pub tasks: Option<String>,
    /// Service of events.
    #[serde(deserialize_with = "link")]
    pub event_service: Option<String>,
    /// Collection of registries.
    #[serde(deserialize_with = "link")]
    pub registries: Option<String>,
    /// What the service does beyond what every service does.
    #[serde(rename = "ProtocolFeaturesSupported", deserialize_with = "object")]
    pub features: Option<Features>,
    /// Other links.
    #[serde(deserialize_with = "object")]
    pub links: Option<RootLinks>,
}

/// Features of the protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Features {
    /// Whether and how `$expand` works.
    #[serde(deserialize_with = "object")]
    pub expand_query: Option<ExpandQuery>,
}

/// How `$expand` works.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ExpandQuery {
    /// Whether members of collections can be expanded.
    #[serde(deserialize_with = "truth")]
    pub no_links: Option<bool>,
}

/// Links of the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RootLinks {
    /// Collection of sessions.
    #[serde(deserialize_with = "link")]
    pub sessions: Option<String>,
}

impl Root {
    /// Collection of sessions, if the root names it itself.
    #[must_use]
    pub fn sessions(&self) -> Option<&str> {
        self.links.as_ref()?.sessions.as_deref()
    }

    /// Whether the members of a collection can be read together with it.
    #[must_use]
    pub fn expands(&self) -> bool {
        let query = self.features.as_ref().and_then(|features| features.expand_query.as_ref());
        query.and_then(|query| query.no_links).unwrap_or(false)
    }
}

/// The service of sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SessionService {
    /// Collection of sessions.
    #[serde(deserialize_with = "link")]
    pub sessions: Option<String>,
}

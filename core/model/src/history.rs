//! What happened to a node.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

use crate::node::NodeId;
use crate::provision::ProvisionState;

/// The event type of an entry that was made without one.
pub const EVENT_TYPE_DEFAULT: &str = "UNKNOWN";

/// One thing that happened to a node.
///
/// Source: Ironic's node history object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The store's number.
    pub id: i64,
    /// The name that is never given to another entry.
    pub uuid: Uuid,
    /// The node.
    pub node_id: NodeId,
    /// The conductor that wrote it.
    pub conductor: String,
    /// How bad it was.
    pub severity: Severity,
    /// What happened, for people.
    pub event: String,
    /// What kind of thing happened: `transition`, `cleaning`, `deployment_start` and so on.
    pub event_type: String,
    /// Who asked for it.
    pub user: Option<String>,
    /// On whose behalf.
    pub project: Option<String>,
    /// Where the node was.
    pub state: Option<ProvisionState>,
    /// Where it was going.
    pub target_provision_state: Option<ProvisionState>,
    /// How long it had been there, in seconds.
    pub duration_seconds: Option<i64>,
    /// When.
    pub created_at: Timestamp,
}

impl HistoryEntry {
    /// An entry of severity [`Info`](Severity::Info) without the rest. The store fills in `id` and `created_at`.
    #[must_use]
    pub fn new(uuid: Uuid, node_id: NodeId, conductor: impl Into<String>, event: impl Into<String>) -> Self {
        Self {
            id: 0,
            uuid,
            node_id,
            conductor: conductor.into(),
            severity: Severity::Info,
            event: event.into(),
            event_type: EVENT_TYPE_DEFAULT.to_owned(),
            user: None,
            project: None,
            state: None,
            target_provision_state: None,
            duration_seconds: None,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }
}

/// How bad something was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// As it should be.
    Info,
    /// Something failed.
    Error,
}

impl Severity {
    /// The text in API and store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Error => "ERROR",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no severity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a severity")]
pub struct UnknownSeverity(pub String);

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Info, Self::Error]
            .into_iter()
            .find(|severity| severity.as_str() == text)
            .ok_or_else(|| UnknownSeverity(text.to_owned()))
    }
}

//! What is told of inspection rules.

use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::secret::{hidden, redacted};
use super::{Payload, Told, date};
use crate::node::Fields;

/// The phase of a rule that names none.
const PHASE_DEFAULT: &str = "main";

/// An inspection rule, as far as it is told.
///
/// `Debug` leaves its actions and conditions out: those of a sensitive rule hold credentials.
#[derive(Clone, PartialEq)]
pub struct InspectionRule {
    /// Its UUID.
    pub uuid: Uuid,
    /// What people want to remember about it.
    pub description: Option<String>,
    /// When it is applied; none is the main phase.
    pub phase: Option<String>,
    /// Which of several goes first: the greater.
    pub priority: i64,
    /// What it is for.
    pub scope: Option<String>,
    /// Whether its actions and conditions must not be shown.
    pub sensitive: bool,
    /// What it does.
    pub actions: Vec<Fields>,
    /// When it does it.
    pub conditions: Vec<Fields>,
    /// When it was made; none before it was stored.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

impl std::fmt::Debug for InspectionRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InspectionRule")
            .field("uuid", &self.uuid)
            .field("sensitive", &self.sensitive)
            .finish_non_exhaustive()
    }
}

impl Told for InspectionRule {
    const OBJECT: &'static str = "inspectionrule";

    fn payload(&self, declared: &[&str]) -> Payload {
        let shown = |list: &[Fields]| match self.sensitive {
            true => json!([redacted()]),
            false => list.iter().map(|fields| hidden(fields, declared)).collect(),
        };
        Payload::new(
            "InspectionRuleCRUDPayload",
            "1.0",
            [
                ("uuid", json!(self.uuid)),
                ("description", json!(self.description)),
                ("phase", json!(self.phase.as_deref().unwrap_or(PHASE_DEFAULT))),
                ("priority", json!(self.priority)),
                ("scope", json!(self.scope)),
                ("sensitive", json!(self.sensitive)),
                ("actions", shown(&self.actions)),
                ("conditions", shown(&self.conditions)),
                ("created_at", date(self.created_at)),
                ("updated_at", date(self.updated_at)),
            ],
        )
    }
}

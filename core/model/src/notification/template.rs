//! What is told of deploy templates and runbooks: lists of steps with a name.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::secret::hidden;
use super::{Payload, Told, date};
use crate::node::Fields;

/// A deploy template, as far as it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct DeployTemplate {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its name, a trait.
    pub name: String,
    /// Its steps: interface, step, arguments and priority of each.
    pub steps: Vec<Fields>,
    /// What its owner wants to remember.
    pub extra: Fields,
    /// When it was made; none before it was stored.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

impl Told for DeployTemplate {
    const OBJECT: &'static str = "deploytemplate";

    fn payload(&self, declared: &[&str]) -> Payload {
        Payload::new(
            "DeployTemplateCRUDPayload",
            "1.0",
            [
                ("uuid", json!(self.uuid)),
                ("name", json!(self.name)),
                ("steps", shown(&self.steps, declared)),
                ("extra", Value::Object(self.extra.clone())),
                ("created_at", date(self.created_at)),
                ("updated_at", date(self.updated_at)),
            ],
        )
    }
}

/// A runbook, as far as it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Runbook {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// What people want to remember about it.
    pub description: Option<String>,
    /// Its steps: interface, step, arguments and order of each.
    pub steps: Vec<Fields>,
    /// The traits of the nodes it is for.
    pub traits: Vec<String>,
    /// Whether everybody may use it.
    pub public: bool,
    /// Who owns it.
    pub owner: Option<String>,
    /// Whether it runs without the agent.
    pub disable_ramdisk: bool,
    /// What its owner wants to remember.
    pub extra: Fields,
    /// When it was made; none before it was stored.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

impl Told for Runbook {
    const OBJECT: &'static str = "runbook";

    fn payload(&self, declared: &[&str]) -> Payload {
        Payload::new(
            "RunbookCRUDPayload",
            "1.1",
            [
                ("uuid", json!(self.uuid)),
                ("name", json!(self.name)),
                ("description", json!(self.description)),
                ("steps", shown(&self.steps, declared)),
                ("traits", json!(self.traits)),
                ("public", json!(self.public)),
                ("owner", json!(self.owner)),
                ("disable_ramdisk", json!(self.disable_ramdisk)),
                ("extra", Value::Object(self.extra.clone())),
                ("created_at", date(self.created_at)),
                ("updated_at", date(self.updated_at)),
            ],
        )
    }
}

/// Steps without the secrets in their arguments, which the reference shows.
fn shown(steps: &[Fields], declared: &[&str]) -> Value {
    steps.iter().map(|step| hidden(step, declared)).collect()
}

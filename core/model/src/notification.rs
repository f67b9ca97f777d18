//! Notifications: what the service tells others of its nodes, as they stand on the wire.
//!
//! | module | about |
//! |---|---|
//! | [`node`] | power, provision state and consoles; nodes changed through the API |
//! | [`sensor`] | what machines measure of themselves |
//! | [`port`], [`portgroup`], [`volume`] | what belongs to a node, changed through the API |
//! | [`allocation`], [`chassis`], [`inspection_rule`], [`template`] | the other resources of the reference's API |
//!
//! A payload is a list of fields with a name and a version. A new field is a new minor version of its payload and
//! of every payload derived from it. Secrets are masked while a payload is built: what is in a [`Payload`] may be
//! shown.
//!
//! Source: Ironic's notifications.

pub mod allocation;
pub mod chassis;
pub mod inspection_rule;
pub mod node;
pub mod port;
pub mod portgroup;
mod secret;
pub mod sensor;
pub mod template;
pub mod volume;

use std::fmt;
use std::ops::Index;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// How much a notification matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For people who look for a defect.
    Debug,
    /// Something happened as it should.
    Info,
    /// Something is not as it should be.
    Warning,
    /// Something failed.
    Error,
    /// Something failed that must not.
    Critical,
}

impl Level {
    /// All levels, the least first.
    pub const ALL: [Self; 5] = [Self::Debug, Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// The word on the wire, where a warning is called otherwise than in the configuration.
    #[must_use]
    pub const fn priority(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARN",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a level of notifications")]
pub struct UnknownLevel(pub String);

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| UnknownLevel(text.to_owned()))
    }
}

/// Which part of an action a notification tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It begins.
    Start,
    /// It has ended.
    End,
    /// It has failed.
    Error,
    /// It was done at once.
    Success,
}

impl Status {
    /// How much it matters: a failure is an error, anything else is information.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::Error => Level::Error,
            Self::Start | Self::End | Self::Success => Level::Info,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::End => "end",
            Self::Error => "error",
            Self::Success => "success",
        })
    }
}

/// What a notification tells: a versioned object, or plain fields where the reference has those.
///
/// Mappings are never null, empty ones are `{}`; anything else that is not known is null. Times have whole seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// None for plain fields.
    class: Option<Class>,
    data: Map<String, Value>,
}

/// Of what kind a versioned object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Class {
    name: &'static str,
    version: &'static str,
}

impl Payload {
    /// The name of its class; empty for plain fields.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.class {
            Some(Class { name, .. }) => name,
            None => "",
        }
    }

    /// Its version: `major.minor`; empty for plain fields.
    #[must_use]
    pub const fn version(&self) -> &'static str {
        match self.class {
            Some(Class { version, .. }) => version,
            None => "",
        }
    }

    /// Its fields.
    #[must_use]
    pub const fn data(&self) -> &Map<String, Value> {
        &self.data
    }

    fn new<const N: usize>(
        name: &'static str,
        version: &'static str,
        fields: [(&'static str, Value); N],
    ) -> Self {
        Self { class: Some(Class { name, version }), ..Self::plain(fields) }
    }

    /// Fields that are no versioned object.
    fn plain<const N: usize>(fields: [(&'static str, Value); N]) -> Self {
        let data = fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
        Self { class: None, data }
    }

    /// The payload called `name` that has all fields of this one and more.
    fn derived<const N: usize>(
        mut self,
        name: &'static str,
        version: &'static str,
        fields: [(&'static str, Value); N],
    ) -> Self {
        self.data.extend(fields.map(|(field, value)| (field.to_owned(), value)));
        Self { class: Some(Class { name, version }), ..self }
    }
}

/// A field; null when there is none of that name.
impl Index<&str> for Payload {
    type Output = Value;

    fn index(&self, field: &str) -> &Value {
        self.data.get(field).unwrap_or(&Value::Null)
    }
}

impl Serialize for Payload {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Versioned<'a> {
            #[serde(rename = "ironic_object.name")]
            name: &'a str,
            #[serde(rename = "ironic_object.namespace")]
            namespace: &'a str,
            #[serde(rename = "ironic_object.version")]
            version: &'a str,
            #[serde(rename = "ironic_object.data")]
            data: &'a Map<String, Value>,
        }
        let Self { class, data } = self;
        let Some(Class { name, version }) = *class else { return data.serialize(serializer) };
        Versioned { name, namespace: "ironic", version, data }.serialize(serializer)
    }
}

/// A record whose changes through the API are told.
pub trait Told {
    /// What event types call it.
    const OBJECT: &'static str;

    /// What is told of it; `declared` names keys that drivers say are secret.
    fn payload(&self, declared: &[&str]) -> Payload;
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// `baremetal.<object>.<action>.<status>`, or `hardware.<driver>.metrics`.
    pub event_type: String,
    /// How much it matters.
    pub level: Level,
    /// What it tells.
    pub payload: Payload,
}

impl Notification {
    /// Tells how far `action` on an object is.
    #[must_use]
    pub fn new(object: &str, action: &str, status: Status, payload: Payload) -> Self {
        let event_type = format!("baremetal.{object}.{action}.{status}");
        Self { event_type, level: status.level(), payload }
    }

    /// What is sent: `publisher_id` says it, at `timestamp`, under a fresh `message_id`.
    #[must_use]
    pub fn message<'a>(
        &'a self,
        message_id: Uuid,
        publisher_id: &'a str,
        timestamp: Timestamp,
    ) -> Message<'a> {
        Message {
            message_id,
            publisher_id,
            event_type: &self.event_type,
            priority: self.level.priority(),
            payload: &self.payload,
            timestamp: timestamp.strftime(TIMESTAMP_FORMAT).to_string(),
        }
    }
}

/// When a notification was sent: UTC, with six digits behind the second.
const TIMESTAMP_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.6f";

/// A notification as it stands on the wire.
#[derive(Debug, Clone, Serialize)]
pub struct Message<'a> {
    message_id: Uuid,
    publisher_id: &'a str,
    event_type: &'a str,
    priority: &'static str,
    payload: &'a Payload,
    timestamp: String,
}

/// A point in time within a payload; null for none and for the time of a record that was not stored yet.
fn date(at: impl Into<Option<Timestamp>>) -> Value {
    let at = at.into().filter(|at| *at != Timestamp::UNIX_EPOCH);
    json!(at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
}

/// The UUID of another record; null when it is not known yet.
fn known(uuid: Uuid) -> Value {
    json!((!uuid.is_nil()).then_some(uuid))
}

#[cfg(test)]
mod tests;

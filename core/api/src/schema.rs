//! Checks of what a body holds: which members, of which JSON types.
//!
//! Only as much as the contract's bodies need; the messages are those of a JSON schema validator.

use std::fmt;

use serde_json::{Map, Value};

use crate::boolean;
use crate::error::Fault;
use crate::literal::{literal, quoted};
use crate::secret::{MASK, is_secret_key};
use crate::version::Microversion;
use crate::version::table::{Kind, Topic};

/// What a member may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Text; null when the member may be unset.
    Text,
    /// Text that must be there.
    RequiredText,
    /// A boolean, or text that means one, or null.
    Flag,
    /// An object or null; its values may be secret.
    Mapping,
}

impl Shape {
    /// The JSON types, as messages list them.
    fn types(self) -> &'static [&'static str] {
        match self {
            Self::Text => &["string", "null"],
            Self::RequiredText => &["string"],
            Self::Flag => &["string", "boolean", "null"],
            Self::Mapping => &["object", "null"],
        }
    }
}

/// One member of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub shape: Shape,
    /// The most characters a text may have.
    pub length_max: usize,
}

/// The length of a text column, in characters.
const TEXT_LENGTH_MAX: usize = 255;

/// A member with the ordinary limit.
pub const fn member(name: &'static str, shape: Shape) -> Member {
    Member { name, shape, length_max: TEXT_LENGTH_MAX }
}

/// A text with a limit of its own.
pub const fn text(name: &'static str, length_max: usize) -> Member {
    Member { name, shape: Shape::Text, length_max }
}

/// The object a body must be.
///
/// # Errors
///
/// 400 for any other JSON.
pub fn object<'a>(subject: &str, body: &'a Value) -> Result<&'a Map<String, Value>, Fault> {
    body.as_object().ok_or_else(|| Fault::schema(subject, wrong_type(&literal(body), &["object"])))
}

/// Checks the body of a request that creates something: known members, none newer than `version`, right types.
///
/// `required` is checked first, in its order.
///
/// # Errors
///
/// - 400: a required member is missing, one is unknown or of the wrong type.
/// - 406: a member is newer than `version`.
pub fn check_new(
    subject: &str,
    topic: Topic,
    members: &[Member],
    required: &[&str],
    version: Microversion,
    body: &Map<String, Value>,
) -> Result<(), Fault> {
    if let Some(name) = required.iter().find(|name| !body.contains_key(**name)) {
        return Err(Fault::schema(subject, missing(name)));
    }
    let known = |name: &str| members.iter().find(|member| member.name == name);
    let unknown: Vec<&String> = body.keys().filter(|name| known(name).is_none()).collect();
    if !unknown.is_empty() {
        return Err(Fault::schema(subject, Unexpected(unknown)));
    }
    if body.keys().any(|name| !version.has(topic, Kind::Field, name)) {
        return Err(Fault::not_acceptable());
    }
    for (name, value) in body {
        if let Some(member) = known(name) {
            check(subject, member, value)?;
        }
    }
    Ok(())
}

/// Checks the type of one member.
///
/// # Errors
///
/// 400: the wrong JSON type, text that is too long, or text that should mean a boolean and does not.
pub fn check(subject: &str, member: &Member, value: &Value) -> Result<(), Fault> {
    match (member.shape, value) {
        (Shape::Text | Shape::Flag | Shape::Mapping, Value::Null) | (Shape::Mapping, Value::Object(_)) => {
            Ok(())
        }
        (Shape::Flag, Value::Bool(_) | Value::String(_)) => {
            boolean::from_value(member.name, value).map(|_| ())
        }
        (Shape::Text | Shape::RequiredText, Value::String(text))
            if member.length_max < text.chars().count() =>
        {
            let problem = format!("{} is longer than {} characters", quoted(member.name), member.length_max);
            Err(Fault::schema(subject, problem))
        }
        (Shape::Text | Shape::RequiredText, Value::String(_)) => Ok(()),
        (shape, _) => {
            let shown = if shape == Shape::Mapping && is_secret_holder(member.name) {
                quoted(MASK)
            } else {
                literal(value)
            };
            Err(Fault::schema(subject, wrong_type(&shown, shape.types())))
        }
    }
}

/// Refuses members of `subject` that are none of `known`.
///
/// # Errors
///
/// 400: there is another one.
pub fn only(subject: &str, members: &Map<String, Value>, known: &[&str]) -> Result<(), Fault> {
    let unknown: Vec<&String> = members.keys().filter(|name| !known.contains(&name.as_str())).collect();
    if unknown.is_empty() { Ok(()) } else { Err(Fault::schema(subject, Unexpected(unknown))) }
}

/// A required member is missing.
pub fn missing(name: &str) -> String {
    format!("{} is a required property", quoted(name))
}

/// A value is of none of the types; `shown` is the value as the message quotes it.
pub fn wrong_type(shown: &str, types: &[&str]) -> String {
    let types: Vec<String> = types.iter().map(|name| quoted(name)).collect();
    format!("{shown} is not of type {}", types.join(", "))
}

/// Whether a member's values may be secret, so that no message quotes them.
pub fn is_secret_holder(name: &str) -> bool {
    matches!(name, "driver_info" | "instance_info" | "driver_internal_info") || is_secret_key(name)
}

/// Takes a text out of a checked body; null counts as missing.
pub fn take_text(body: &mut Map<String, Value>, name: &str) -> Option<String> {
    match body.remove(name)? {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Takes a boolean out of a checked body; null counts as missing.
pub fn take_flag(body: &mut Map<String, Value>, name: &str) -> Option<bool> {
    boolean::from_value(name, &body.remove(name)?).ok()
}

/// Takes a mapping out of a checked body; null counts as missing.
pub fn take_mapping(body: &mut Map<String, Value>, name: &str) -> Option<Map<String, Value>> {
    match body.remove(name)? {
        Value::Object(members) => Some(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}

/// Members nobody knows.
struct Unexpected<'a>(Vec<&'a String>);

impl fmt::Display for Unexpected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(|name| quoted(name)).collect();
        let verb = if names.len() == 1 { "was" } else { "were" };
        write!(f, "Additional properties are not allowed ({} {verb} unexpected)", names.join(", "))
    }
}

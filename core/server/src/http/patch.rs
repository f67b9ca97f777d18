//! From the values of a request to the fields of a record.
//!
//! Schemas have been checked before: what is of the wrong type here is null.

use farrier_api::error::Fault;
use farrier_model::node::Fields;
use serde_json::Value;
use uuid::Uuid;

/// A mapping; empty for null.
pub(super) fn mapping(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Fields::new(),
    }
}

/// A text or nothing.
pub(super) fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A boolean; false for null. Texts that mean one have been turned into one.
pub(super) fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or_default()
}

/// A UUID or nothing.
///
/// # Errors
///
/// 400: the text of `member` is none.
pub(super) fn uuid(member: &str, text: Option<&str>) -> Result<Option<Uuid>, Fault> {
    let Some(text) = text else { return Ok(None) };
    Uuid::try_parse(text).map(Some).map_err(|_| Fault::invalid_uuid(member, text))
}

//! Hiding what a notification must not tell: whoever listens may not be allowed to see it.
//!
//! More is hidden here than in answers of the API, which are for the one who asked: more keys, and secrets that
//! stand inside texts.

mod text;

use serde_json::{Value, json};

use crate::node::Fields;
use crate::secret::{MASK, is_secret_key};

/// Keys that contain one of these are secret too, besides those of the API.
const MORE_SECRET_KEY_PARTS: &[&str] =
    &["passphrase", "private_key", "encrypted_key", "sslkey", "fernetkey", "credential", "authorization"];

/// What stands in the place of a field that is left out as a whole.
pub(super) fn redacted() -> Value {
    json!({"redacted_contents": "** Value redacted: not published on the notification bus. **"})
}

/// A copy of `fields` without secrets, at any depth; `declared` names keys that drivers say are secret.
pub(super) fn hidden(fields: &Fields, declared: &[&str]) -> Value {
    let members = fields.iter().map(|(key, value)| {
        let shown = if is_secret(key, declared) { MASK.into() } else { hidden_value(value, declared) };
        (key.clone(), shown)
    });
    Value::Object(members.collect())
}

fn hidden_value(value: &Value, declared: &[&str]) -> Value {
    match value {
        Value::Object(fields) => hidden(fields, declared),
        Value::Array(values) => values.iter().map(|value| hidden_value(value, declared)).collect(),
        Value::String(text) => hidden_text(text, declared).into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A text without secrets: JSON as what it says, anything else by what stands behind the name of a secret.
fn hidden_text(text: &str, declared: &[&str]) -> String {
    match serde_json::from_str(text) {
        Ok(inner @ (Value::Object(_) | Value::Array(_))) => {
            let shown = hidden_value(&inner, declared);
            if shown == inner { text.to_owned() } else { shown.to_string() }
        }
        Ok(_) | Err(_) => text::masked(text, &|word| is_secret(word, declared)),
    }
}

/// Whether the value under `key` must be hidden.
fn is_secret(key: &str, declared: &[&str]) -> bool {
    let lower = key.to_ascii_lowercase();
    is_secret_key(key)
        || MORE_SECRET_KEY_PARTS.iter().any(|part| lower.contains(part))
        || declared.iter().any(|declared| declared.eq_ignore_ascii_case(key))
}

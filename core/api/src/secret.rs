//! What of a node's mappings must not be shown.
//!
//! `driver_info`, `instance_info` and `driver_internal_info` hold credentials among other things. Answers show stars
//! in their place; the server sees to it that a client that writes the stars back changes nothing.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an answer shows in place of a secret.
pub const MASK: &str = "******";

/// A key that contains one of these names a secret, whatever its case.
///
/// The records have the same list: neither side depends on the other, so the server's tests compare them.
pub const SECRET_KEY_PARTS: &[&str] =
    &["password", "admin_pass", "auth_token", "new_pass", "secret", "token", "sys_pswd", "configdrive"];

/// A mapping that may hold credentials; its `Debug` shows the keys alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Info(pub Map<String, Value>);

impl Deref for Info {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Info {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl From<Map<String, Value>> for Info {
    fn from(members: Map<String, Value>) -> Self {
        Self(members)
    }
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Whether values under this key are secret by its name.
pub fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET_KEY_PARTS.iter().any(|part| key.contains(part))
}

/// Puts [`MASK`] in the place of every secret, at any depth.
///
/// Secret is what [`is_secret_key`] says, and what the driver declares: `declared` holds those keys.
pub fn mask(members: &mut Map<String, Value>, declared: &[&str]) {
    for (key, value) in members {
        if hides(key, declared) {
            *value = Value::from(MASK);
        } else {
            within(value, &mut |members| mask(members, declared));
        }
    }
}

/// Whether values under this key are secret.
fn hides(key: &str, declared: &[&str]) -> bool {
    is_secret_key(key) || declared.contains(&key)
}

/// Calls `visit` for the mappings that `value` is or holds directly within lists.
fn within(value: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(members) => visit(members),
        Value::Array(items) => {
            for item in items {
                within(item, visit);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn secrets_are_masked_at_any_depth_and_in_any_case() {
        let mut info = members(json!({
            "ipmi_Password": "a", "address": "b", "pin": 7,
            "deep": {"list": [{"auth_token": "c", "d": "d"}]}, "configdrive": {"e": "f"},
        }));

        mask(&mut info, &["pin"]);

        assert_eq!(
            Value::from(info),
            json!({
                "ipmi_Password": MASK, "address": "b", "pin": MASK,
                "deep": {"list": [{"auth_token": MASK, "d": "d"}]}, "configdrive": MASK,
            })
        );
    }

    #[test]
    fn debug_shows_keys_alone() {
        let info = Info(members(json!({"password": "hunter2", "address": "b"})));

        assert_eq!(format!("{info:?}"), r#"{"address", "password"}"#);
    }
}

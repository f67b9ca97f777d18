//! Values of secrets: put into requests, masked in what comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use farrier_sdk::error::DriverError;
use farrier_sdk::secret::Secret;
use serde_json::{Map, Value};

/// What a reference to a secret is called.
const REFERENCE: &str = "$secret";

/// What stands where a secret was.
pub(super) const MASK: &str = "******";

/// Deepest nesting of a body.
const DEPTH_MAX: u32 = 64;

/// The secrets of one request, by key.
#[derive(Default)]
pub(super) struct Wanted(BTreeMap<String, Secret<String>>);

impl Wanted {
    pub(super) fn add(&mut self, key: String, value: Secret<String>) {
        self.0.insert(key, value);
    }

    /// The same for the same values: who has another password gets another token.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (key, secret) in &self.0 {
            (key, secret.expose()).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The value of one.
    pub(super) fn value(&self, key: &str) -> Result<&str, DriverError> {
        let value = self.0.get(key).map(|secret| secret.expose().as_str());
        value.ok_or_else(|| DriverError::internal(format!("secret `{key}` was not asked for")))
    }

    /// A text, or the secret that stands for one.
    pub(super) fn text(&self, value: &Value) -> Result<String, DriverError> {
        if let Some(key) = reference(value) {
            return self.value(key).map(str::to_owned);
        }
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Array(_) | Value::Object(_) => {
                Err(DriverError::invalid_parameter("a list or an object cannot be a header or a field"))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        }
    }

    /// A document with all references replaced.
    pub(super) fn filled(&self, value: &Value) -> Result<Value, DriverError> {
        self.fill(value, 0)
    }

    fn fill(&self, value: &Value, depth: u32) -> Result<Value, DriverError> {
        if DEPTH_MAX < depth {
            return Err(DriverError::invalid_parameter(format!("a body is nested deeper than {DEPTH_MAX}")));
        }
        if let Some(key) = reference(value) {
            return self.value(key).map(Value::from);
        }
        Ok(match value {
            Value::Object(members) => {
                let mut filled = Map::new();
                for (name, member) in members {
                    filled.insert(name.clone(), self.fill(member, depth + 1)?);
                }
                Value::Object(filled)
            }
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.fill(item, depth + 1)).collect::<Result<_, _>>()?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        })
    }
}

/// The key of a secret, if `value` is a reference.
fn reference(value: &Value) -> Option<&str> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.get(REFERENCE)?.as_str()
}

/// Adds the keys of all references in `value`.
pub(super) fn collect(value: &Value, keys: &mut BTreeSet<String>) {
    if let Some(key) = reference(value) {
        keys.insert(key.to_owned());
        return;
    }
    match value {
        Value::Object(members) => members.values().for_each(|member| collect(member, keys)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, keys)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Values that must not be seen any more, in every form they may come back in; the longest first.
#[derive(Clone, Default)]
pub(super) struct Masked(Vec<Secret<String>>);

impl Masked {
    pub(super) fn add(&mut self, secret: &Secret<String>) {
        let value = secret.expose();
        if value.is_empty() {
            return;
        }
        let json = Value::from(value.as_str()).to_string();
        let json = json.trim_matches('"').to_owned();
        for form in [value.clone(), json, encoded(value), STANDARD.encode(value)] {
            let known = self.0.iter().any(|known| *known.expose() == form);
            if !known {
                self.0.push(Secret::new(form));
            }
        }
        self.0.sort_by_key(|form| std::cmp::Reverse(form.expose().len()));
    }

    /// `text` without them.
    pub(super) fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose().as_str(), MASK))
    }
}

/// A value as it stands in a query.
fn encoded(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted() -> Wanted {
        let mut wanted = Wanted::default();
        wanted.add("acme_password".to_owned(), Secret::new("hunter2".to_owned()));
        wanted
    }

    #[test]
    fn references_anywhere_in_a_body_are_found_and_replaced() {
        let body = json!({"user": "a", "login": [{"password": {"$secret": "acme_password"}}]});
        let mut keys = BTreeSet::new();

        collect(&body, &mut keys);

        assert_eq!(keys, BTreeSet::from(["acme_password".to_owned()]));
        assert_eq!(wanted().filled(&body).unwrap(), json!({"user": "a", "login": [{"password": "hunter2"}]}));
    }

    #[test]
    fn an_object_that_has_more_than_a_reference_is_left_alone() {
        let body = json!({"$secret": "acme_password", "and": "more"});

        assert_eq!(wanted().filled(&body).unwrap(), body);
    }

    #[test]
    fn a_body_without_end_is_refused() {
        let mut body = json!(1);
        for _ in 0..100 {
            body = json!([body]);
        }

        assert!(wanted().filled(&body).is_err());
    }

    #[test]
    fn every_form_of_a_secret_is_masked() {
        let mut masked = Masked::default();
        masked.add(&Secret::new("p\"ä/2".to_owned()));

        let text = r#"plain p"ä/2, json p\"ä/2, query p%22%C3%A4%2F2, base64 cCLDpC8y"#;

        assert_eq!(masked.text(text), "plain ******, json ******, query ******, base64 ******");
    }

    #[test]
    fn nothing_is_masked_for_an_empty_secret() {
        let mut masked = Masked::default();
        masked.add(&Secret::new(String::new()));

        assert_eq!(masked.text("abc"), "abc");
    }
}

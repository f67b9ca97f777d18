//! Structs read from `driver_info` and from the plugin's table in the configuration.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{DriverError, Result};

/// What an implementation reads from a node's `driver_info`. Written by `#[derive(Properties)]`.
///
/// ```
/// use farrier_sdk::prelude::*;
///
/// /// `driver_info` of an Acme node.
/// #[derive(Properties)]
/// struct AcmeInfo {
///     /// Base URL of the BMC
///     acme_address: String,
///     /// Password of the management account
///     #[property(secret)]
///     acme_password: Option<SecretRef>,
///     /// TCP port
///     #[property(default = 443)]
///     acme_port: u16,
/// }
///
/// let empty = farrier_sdk::serde_json::Map::new();
/// let error = AcmeInfo::from_map(&empty).err().unwrap();
/// assert_eq!(error.kind(), ErrorKind::MissingParameter);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from `driver_info`",
    note = "derive `Properties` for it, or use `NoInfo`"
)]
pub trait Properties: Sized + Send + Sync + 'static {
    /// The fields for the descriptor, a JSON list.
    const DESCRIPTOR: &'static str;

    /// Reads the struct.
    ///
    /// # Errors
    ///
    /// - [`MissingParameter`](crate::error::ErrorKind::MissingParameter): keys are absent; names all of them.
    /// - [`InvalidParameter`](crate::error::ErrorKind::InvalidParameter): values do not fit; names all keys.
    fn from_map(map: &Map<String, Value>) -> Result<Self>;
}

/// Options of the plugin. Written by `#[derive(Options)]`; every field has a default.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not describe options of a plugin",
    note = "derive `Options` for it"
)]
pub trait Options: Sized + Send + Sync + 'static {
    /// The fields for the descriptor, a JSON list.
    const DESCRIPTOR: &'static str;

    /// Reads the struct.
    ///
    /// # Errors
    ///
    /// [`InvalidParameter`](crate::error::ErrorKind::InvalidParameter): a value does not fit or a key is unknown.
    fn from_map(map: &Map<String, Value>) -> Result<Self>;
}

/// Reads nothing from `driver_info`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoInfo;

impl Properties for NoInfo {
    const DESCRIPTOR: &'static str = "[]";

    fn from_map(_map: &Map<String, Value>) -> Result<Self> {
        Ok(Self)
    }
}

/// A plugin without options.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOptions;

impl Options for NoOptions {
    const DESCRIPTOR: &'static str = "[]";

    fn from_map(map: &Map<String, Value>) -> Result<Self> {
        let mut reader = Reader::new(map);
        reader.refuse_unknown(&[]);
        if reader.succeeded() { Ok(Self) } else { Err(reader.into_error()) }
    }
}

/// Reads one value as `T`; the text says what is wrong with it, without repeating it.
///
/// # Errors
///
/// What a value of this type has to look like.
#[doc(hidden)]
pub fn parse<T: DeserializeOwned>(value: &Value) -> std::result::Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|error| {
        // The text of serde quotes the value, which may be a secret under the wrong key.
        let expected = error.to_string();
        match expected.split_once("expected ") {
            Some((_, what)) => format!("expected {what}"),
            None => "not acceptable".to_owned(),
        }
    })
}

/// Reads the fields of one struct and collects everything that is wrong.
#[doc(hidden)]
#[derive(Debug)]
pub struct Reader<'a> {
    map: &'a Map<String, Value>,
    missing: Vec<&'static str>,
    invalid: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Starts reading `map`.
    #[must_use]
    pub fn new(map: &'a Map<String, Value>) -> Self {
        Self { map, missing: Vec::new(), invalid: Vec::new() }
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        value: &Value,
        parse: impl FnOnce(&Value) -> std::result::Result<T, String>,
    ) -> Option<T> {
        match parse(value) {
            Ok(value) => Some(value),
            Err(why) => {
                self.invalid.push(format!("`{key}`: {why}"));
                None
            }
        }
    }

    /// A key that has to be there.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> std::result::Result<T, String>,
    ) -> Option<T> {
        match self.value(key) {
            Some(value) => self.read(key, value, parse),
            None => {
                self.missing.push(key);
                None
            }
        }
    }

    /// A key that may be absent.
    // Outer: whether it could be read; inner: whether it is there.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> std::result::Result<T, String>,
    ) -> Option<Option<T>> {
        match self.value(key) {
            Some(value) => self.read(key, value, parse).map(Some),
            None => Some(None),
        }
    }

    /// A key with a value for its absence.
    pub fn or_else<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> std::result::Result<T, String>,
        default: impl FnOnce() -> T,
    ) -> Option<T> {
        match self.value(key) {
            Some(value) => self.read(key, value, parse),
            None => Some(default()),
        }
    }

    /// A key whose absence means `default`, in the form a given value has.
    pub fn or_parse<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> std::result::Result<T, String>,
        default: Value,
    ) -> Option<T> {
        self.read(key, self.value(key).unwrap_or(&default), parse)
    }

    /// Refuses keys other than `known`.
    pub fn refuse_unknown(&mut self, known: &[&str]) {
        for key in self.map.keys().filter(|key| !known.contains(&key.as_str())) {
            self.invalid.push(format!("`{key}`: unknown, expected one of {}", known.join(", ")));
        }
    }

    /// Whether nothing was wrong so far.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.missing.is_empty() && self.invalid.is_empty()
    }

    /// Everything that was wrong.
    #[must_use]
    pub fn into_error(self) -> DriverError {
        let mut text = String::new();
        if !self.missing.is_empty() {
            text.push_str("missing ");
            for (index, key) in self.missing.iter().enumerate() {
                // Writing to a string cannot fail.
                write!(text, "{}`{key}`", if index == 0 { "" } else { ", " }).unwrap_or_default();
            }
        }
        for invalid in &self.invalid {
            text.push_str(if text.is_empty() { "" } else { "; " });
            text.push_str(invalid);
        }
        if self.missing.is_empty() {
            DriverError::invalid_parameter(text)
        } else {
            DriverError::missing_parameter(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_described_but_not_repeated() {
        let error = parse::<u16>(&Value::from("hunter2")).unwrap_err();

        assert_eq!(error, "expected u16");
    }
}

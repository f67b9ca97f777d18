//! `KEY=VALUE` arguments.

use std::fmt;
use std::str::FromStr;

use farrier_api::secret::is_secret_key;
use serde_json::{Map, Value};

/// One member of a mapping; its `Debug` does not show the value.
#[derive(Clone, PartialEq)]
pub(super) struct Pair {
    /// The member.
    pub(super) key: String,
    /// Its value: JSON where it is JSON, text otherwise. What stands for a secret is always text.
    pub(super) value: Value,
}

/// An argument without an equals sign.
#[derive(Debug, thiserror::Error)]
#[error("expected KEY=VALUE")]
pub(super) struct PairError;

impl FromStr for Pair {
    type Err = PairError;

    fn from_str(argument: &str) -> Result<Self, PairError> {
        let (key, text) = argument.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or(PairError)?;
        let value = if is_secret_key(key) { None } else { serde_json::from_str(text).ok() };
        Ok(Self { key: key.to_owned(), value: value.unwrap_or_else(|| Value::from(text)) })
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=..", self.key)
    }
}

/// The members as one mapping; the last of a key counts.
pub(super) fn mapping(pairs: &[Pair]) -> Map<String, Value> {
    pairs.iter().map(|pair| (pair.key.clone(), pair.value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(argument: &str) -> Value {
        argument.parse::<Pair>().unwrap().value
    }

    #[test]
    fn values_are_json_where_they_are_json() {
        assert_eq!(value("cpus=8"), json!(8));
        assert_eq!(value("pos={\"u\": 4}"), json!({"u": 4}));
        assert_eq!(value("flag=true"), json!(true));
        assert_eq!(value("arch=x86_64"), json!("x86_64"));
        assert_eq!(value("capabilities=boot_mode:uefi,a=b"), json!("boot_mode:uefi,a=b"));
        assert_eq!(value("empty="), json!(""));
    }

    #[test]
    fn secrets_are_text_even_if_they_look_like_numbers() {
        assert_eq!(value("ipmi_password=12345"), json!("12345"));
    }

    #[test]
    fn debug_output_shows_no_value() {
        assert_eq!(format!("{:?}", "ipmi_password=hunter2".parse::<Pair>().unwrap()), "ipmi_password=..");
    }

    #[test]
    fn a_pair_has_a_key() {
        assert!("novalue".parse::<Pair>().is_err());
        assert!("=value".parse::<Pair>().is_err());
    }
}

//! Booleans as clients write them: `true`, `"True"`, `"1"`, `"no"`, ...

use serde_json::Value;

use crate::error::Fault;
use crate::literal::literal;

/// What means true, in lower case.
const TRUE: [&str; 6] = ["1", "on", "t", "true", "y", "yes"];

/// What means false, in lower case.
const FALSE: [&str; 6] = ["0", "f", "false", "n", "no", "off"];

/// Reads a boolean from text, in any case and with blanks around it; `None` for any other text.
pub fn parse(text: &str) -> Option<bool> {
    let text = text.trim().to_ascii_lowercase();
    if TRUE.contains(&text.as_str()) {
        Some(true)
    } else if FALSE.contains(&text.as_str()) {
        Some(false)
    } else {
        None
    }
}

/// Reads the boolean `name` from text, as of a query argument.
///
/// # Errors
///
/// 400 with the accepted texts.
pub fn from_text(name: &str, text: &str) -> Result<bool, Fault> {
    parse(text).ok_or_else(|| unrecognized(name, &Value::from(text)))
}

/// Reads the boolean `name` from a member of a body: a boolean, or text that means one.
///
/// # Errors
///
/// 400 with the accepted texts.
pub fn from_value(name: &str, value: &Value) -> Result<bool, Fault> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) => from_text(name, text),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(unrecognized(name, value)),
    }
}

/// The error for a value that is no boolean.
fn unrecognized(name: &str, value: &Value) -> Fault {
    let mut accepted: Vec<String> =
        TRUE.iter().chain(&FALSE).map(|text| literal(&Value::from(*text))).collect();
    accepted.sort();
    Fault::invalid(format!(
        "Invalid {name}: Unrecognized value {}, acceptable values are: {}",
        literal(value),
        accepted.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_in_any_case_means_a_boolean() {
        for text in ["true", "True", "1", "YES", " on ", "y", "t"] {
            assert_eq!(parse(text), Some(true), "{text}");
        }
        for text in ["false", "False", "0", "NO", "off", "n", "f"] {
            assert_eq!(parse(text), Some(false), "{text}");
        }
    }

    #[test]
    fn other_text_is_refused_with_the_list() {
        insta::assert_snapshot!(from_text("maintenance", "maybe").unwrap_err(), @"Invalid maintenance: Unrecognized value 'maybe', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'");
    }

    #[test]
    fn numbers_are_not_booleans() {
        assert!(from_value("protected", &json!(1)).is_err());
        assert_eq!(from_value("protected", &json!("True")), Ok(true));
        assert_eq!(from_value("protected", &json!(false)), Ok(false));
    }
}

//! The members of a request's body where they are the arguments of an action.

use serde_json::{Map, Value};

use crate::error::Fault;
use crate::literal::literal;

/// Reads the arguments of an action; no body at all is none.
///
/// # Errors
///
/// 400: the body is no object, has a member that is not in `known`, or lacks one of `required`.
pub fn read(body: &Value, known: &[&str], required: &[&str]) -> Result<Map<String, Value>, Fault> {
    let arguments = match body {
        Value::Null => Map::new(),
        Value::Object(members) => members.clone(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(Fault::invalid("Expected a JSON object as the body of the request"));
        }
    };
    let unexpected: Vec<&str> =
        arguments.keys().map(String::as_str).filter(|name| !known.contains(name)).collect();
    if !unexpected.is_empty() {
        return Err(Fault::unexpected_arguments(&unexpected));
    }
    match required.iter().find(|name| arguments.get(**name).is_none_or(Value::is_null)) {
        Some(name) => Err(Fault::missing_parameter(name)),
        None => Ok(arguments),
    }
}

/// The text `name`; `None` when it is missing or null.
///
/// # Errors
///
/// 400 for anything but text.
pub fn text(arguments: &Map<String, Value>, name: &str) -> Result<Option<String>, Fault> {
    match arguments.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => {
            Err(Fault::invalid(format!("Expected string for {name}: {}", literal(value))))
        }
    }
}

/// The whole number `name`, given as a number or as text; `None` when it is missing or null.
///
/// # Errors
///
/// 400 for anything but a whole number.
pub fn integer(arguments: &Map<String, Value>, name: &str) -> Result<Option<i64>, Fault> {
    let Some(value) = arguments.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.as_i64()
        }
    };
    let shown = value.as_str().map_or_else(|| literal(value), str::to_owned);
    number.map(Some).ok_or_else(|| Fault::invalid(format!("Expected an integer for {name}: {shown}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_body_is_no_arguments() {
        assert_eq!(read(&Value::Null, &["reason"], &[]), Ok(Map::new()));
    }

    #[test]
    fn wrong_arguments_are_refused_in_the_words_of_the_reference() {
        let texts: Vec<String> =
            [json!({}), json!({"target": null}), json!({"target": 1, "b": 1, "a": 1}), json!([1])]
                .iter()
                .map(|body| read(body, &["target"], &["target"]).unwrap_err().to_string())
                .collect();

        insta::assert_snapshot!(texts.join("\n"), @"
        Missing mandatory parameter: target
        Missing mandatory parameter: target
        Unexpected arguments: a, b
        Expected a JSON object as the body of the request
        ");
    }

    #[test]
    fn integers_may_be_text() {
        let arguments =
            read(&json!({"a": 3, "b": "4", "c": "x", "d": 1.5}), &["a", "b", "c", "d"], &[]).unwrap();

        assert_eq!(integer(&arguments, "a"), Ok(Some(3)));
        assert_eq!(integer(&arguments, "b"), Ok(Some(4)));
        assert_eq!(integer(&arguments, "none"), Ok(None));
        assert_eq!(integer(&arguments, "c").unwrap_err().message(), "Expected an integer for c: x");
        assert_eq!(integer(&arguments, "d").unwrap_err().message(), "Expected an integer for d: 1.5");
    }
}

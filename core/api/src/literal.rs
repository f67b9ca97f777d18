//! JSON values as the reference writes them in its messages.

use serde_json::Value;

/// Writes a value the way error messages quote it: `{'a': [1, None, True]}`.
///
/// Members come in the order of their names.
pub fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{}: {}", quoted(name), literal(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// Writes text in single quotes, or in double ones when that saves escaping.
pub fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut written = String::with_capacity(text.len() + 2);
    written.push(quote);
    for character in text.chars() {
        match character {
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            _ if character == quote => {
                written.push('\\');
                written.push(character);
            }
            _ if character.is_control() => written.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ => written.push(character),
        }
    }
    written.push(quote);
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_the_reference_quotes_them() {
        let value = json!({"op": "add", "n": [1, null, true, false], "empty": {}});

        assert_eq!(literal(&value), "{'empty': {}, 'n': [1, None, True, False], 'op': 'add'}");
    }

    #[test]
    fn quotes_are_chosen_to_save_escapes() {
        assert_eq!(quoted("it's"), "\"it's\"");
        assert_eq!(quoted("it's \"so\""), r#"'it\'s "so"'"#);
        assert_eq!(quoted("a\\b\n\u{1}"), r"'a\\b\n\x01'");
    }
}

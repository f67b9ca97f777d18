//! How deep what clients send may be nested.

use serde_json::Value;

/// As many levels may a value of a client have.
///
/// Drivers get the node in documents of at most 64 levels; a deeper node could not be worked on by any of them.
pub const DEPTH_MAX: usize = 32;

/// Whether `value` has more levels than allowed; a text or a number has none.
pub fn is_too_deep(value: &Value) -> bool {
    exceeds(value, DEPTH_MAX)
}

/// Whether `value` has more levels than allowed where so many are above it.
pub fn is_too_deep_below(value: &Value, above: usize) -> bool {
    DEPTH_MAX.checked_sub(above).is_none_or(|levels| exceeds(value, levels))
}

fn exceeds(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| exceeds(item, levels - 1)),
        Value::Object(members) => levels == 0 || members.values().any(|member| exceeds(member, levels - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn as_many_levels_as_allowed_are_not_too_deep() {
        let nested = |levels| {
            (0..levels).fold(json!(1), |value, level| match level % 2 {
                0 => json!([value]),
                _ => json!({"a": value}),
            })
        };

        assert!(!is_too_deep(&json!("text")));
        assert!(!is_too_deep(&nested(DEPTH_MAX)));
        assert!(is_too_deep(&nested(DEPTH_MAX + 1)));
        assert!(!is_too_deep_below(&nested(DEPTH_MAX - 2), 2));
        assert!(is_too_deep_below(&nested(DEPTH_MAX - 1), 2));
        assert!(is_too_deep_below(&json!("text"), DEPTH_MAX + 1));
    }
}

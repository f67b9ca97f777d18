//! Which members of a mapping must not be shown, and hiding them.
//!
//! Source: Ironic's REST API and Ironic's notifications.

use serde_json::Value;

use crate::node::Fields;

/// What stands in the place of a hidden value.
pub const MASK: &str = "******";

/// A key that contains one of these, in any case, names a secret.
///
/// The API's types have the same list: neither side depends on the other, so the server's tests compare them.
pub const SECRET_KEY_PARTS: &[&str] =
    &["password", "admin_pass", "auth_token", "new_pass", "secret", "token", "sys_pswd", "configdrive"];

/// Whether `key` looks like the name of a secret.
#[must_use]
pub fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET_KEY_PARTS.iter().any(|part| key.contains(part))
}

/// A copy of `fields` in which every value whose key looks like a secret, at any depth, is [`MASK`].
///
/// `declared` names keys that the driver says are secret whatever they look like. The whole value is hidden,
/// also when it is a mapping or a list.
#[must_use]
pub fn masked(fields: &Fields, declared: &[&str]) -> Fields {
    fields
        .iter()
        .map(|(key, value)| {
            let value = if hides(key, declared) { MASK.into() } else { masked_value(value, declared) };
            (key.clone(), value)
        })
        .collect()
}

/// Puts the values of `stored` back where `edited` has [`MASK`] in the place of a secret.
///
/// A client reads a mapping with masks and writes it back changed: what it could not see stays as it was. A mask
/// where `stored` has nothing is kept as it is.
pub fn restore(edited: &mut Fields, stored: &Fields, declared: &[&str]) {
    for (key, value) in edited {
        let Some(before) = stored.get(key) else { continue };
        if hides(key, declared) {
            if value == MASK {
                *value = before.clone();
            }
        } else {
            restore_value(value, before, declared);
        }
    }
}

/// Whether the value under `key` must be hidden.
fn hides(key: &str, declared: &[&str]) -> bool {
    is_secret_key(key) || declared.contains(&key)
}

/// As [`masked`], for any value.
fn masked_value(value: &Value, declared: &[&str]) -> Value {
    match value {
        Value::Object(fields) => Value::Object(masked(fields, declared)),
        Value::Array(values) => values.iter().map(|value| masked_value(value, declared)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// As [`restore`], for any value; lists are compared place by place.
fn restore_value(edited: &mut Value, stored: &Value, declared: &[&str]) {
    match (edited, stored) {
        (Value::Object(edited), Value::Object(stored)) => restore(edited, stored, declared),
        (Value::Array(edited), Value::Array(stored)) => {
            for (edited, stored) in edited.iter_mut().zip(stored) {
                restore_value(edited, stored, declared);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        let Value::Object(fields) = value else { panic!("{value} is no mapping") };
        fields
    }

    #[test]
    fn every_key_of_the_list_is_a_secret_in_any_case() {
        for key in [
            "ipmi_password",
            "Redfish_PASSWORD",
            "admin_pass",
            "auth_token",
            "new_pass",
            "agent_secret_token",
            "sys_pswd",
            "configdrive",
        ] {
            assert!(is_secret_key(key), "{key}");
        }
    }

    #[test]
    fn ordinary_keys_are_shown() {
        for key in ["ipmi_address", "redfish_username", "pass", "config_drive", ""] {
            assert!(!is_secret_key(key), "{key}");
        }
    }

    #[test]
    fn secrets_are_hidden_at_any_depth() {
        let shown = masked(
            &fields(json!({
                "address": "10.0.0.1",
                "password": "a",
                "nested": {"token": {"value": "b"}, "list": [{"secret": 1}, "plain"]},
            })),
            &[],
        );

        assert_eq!(
            Value::Object(shown),
            json!({
                "address": "10.0.0.1",
                "password": "******",
                "nested": {"token": "******", "list": [{"secret": "******"}, "plain"]},
            })
        );
    }

    #[test]
    fn a_driver_can_declare_secrets_of_its_own() {
        let shown = masked(&fields(json!({"acme_pin": "1234"})), &["acme_pin"]);

        assert_eq!(Value::Object(shown), json!({"acme_pin": "******"}));
    }

    #[test]
    fn a_mask_written_back_leaves_the_secret() {
        let stored = fields(json!({"user": "a", "password": "s", "list": [{"token": "t"}]}));
        let mut edited = fields(json!({"user": "b", "password": "******", "list": [{"token": "******"}]}));

        restore(&mut edited, &stored, &[]);

        assert_eq!(Value::Object(edited), json!({"user": "b", "password": "s", "list": [{"token": "t"}]}));
    }

    #[test]
    fn a_new_secret_replaces_the_old_one() {
        let stored = fields(json!({"password": "s"}));
        let mut edited = fields(json!({"password": "new"}));

        restore(&mut edited, &stored, &[]);

        assert_eq!(Value::Object(edited), json!({"password": "new"}));
    }

    #[test]
    fn a_mask_that_hides_no_secret_is_kept() {
        let stored = fields(json!({"stars": "s"}));
        let mut edited = fields(json!({"stars": "******", "password": "******"}));

        restore(&mut edited, &stored, &[]);

        assert_eq!(Value::Object(edited), json!({"stars": "******", "password": "******"}));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let key = prop::sample::select(vec!["a", "b", "password", "Token", "x_secret_y", "configdrive"]);
        let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), Just(json!("canary"))];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn masking_and_restoring_gives_back_what_was_stored(value in any_value()) {
            let stored = fields(json!({"root": value}));
            let mut edited = masked(&stored, &[]);

            restore(&mut edited, &stored, &[]);

            prop_assert_eq!(edited, stored);
        }

        #[test]
        fn masking_twice_changes_nothing_more(value in any_value()) {
            let once = masked(&fields(json!({"root": value})), &[]);

            prop_assert_eq!(masked(&once, &[]), once);
        }
    }
}

//! What BMCs send, read leniently.
//!
//! Every property may be missing, null or of the wrong type, and is then absent: one bad value never loses
//! its resource, one bad member never its collection. Unknown words stay text. Only two things are required:
//! that a resource is a JSON object, and that a member of a collection has its `@odata.id`.

pub mod action;
pub mod collection;
pub mod manager;
pub mod raw;
pub mod root;
pub mod secure_boot;
pub mod system;
pub mod task;
pub mod virtual_media;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a resource.
///
/// # Errors
///
/// What is wrong with the body: empty, not JSON, no object.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    match body.first() {
        None => Err("an empty body".to_owned()),
        Some(b'{') => serde_json::from_slice(body).map_err(|error| format!("not JSON: {error}")),
        Some(_) => match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
            Ok(_) => Err("JSON, but no object".to_owned()),
            Err(error) => Err(format!("not JSON: {error}")),
        },
    }
}

/// Reads the part of a resource that a fragment names, such as `/PowerControl/0`.
///
/// # Errors
///
/// As [`read`], and when there is no such part.
pub fn read_part<T: DeserializeOwned>(body: &[u8], part: &str) -> Result<T, String> {
    let whole: serde_json::Map<String, Value> = read(body)?;
    let whole = Value::Object(whole);
    let part = whole.pointer(part).filter(|part| part.is_object());
    let part = part.ok_or("it lacks the part that the link names")?;
    T::deserialize(part).map_err(|error| format!("a part that cannot be read: {error}"))
}

/// A reference to another resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Link {
    /// Where it is; as the BMC gave it.
    #[serde(rename = "@odata.id", deserialize_with = "text")]
    pub odata_id: Option<String>,
}

/// Health of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Status {
    /// Of the resource itself.
    #[serde(deserialize_with = "text")]
    pub health: Option<String>,
    /// Of the resource and all it is made of.
    #[serde(deserialize_with = "text")]
    pub health_rollup: Option<String>,
}

/// Text; anything else is absent, and so is empty text.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(text_of(Value::deserialize(deserializer)?).filter(|text| !text.is_empty()))
}

/// A truth value; some BMCs send it as text.
pub(crate) fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let text = value.as_str().map(str::to_ascii_lowercase);
    Ok(value.as_bool().or(match text.as_deref() {
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) | None => None,
    }))
}

/// A number of percent; some BMCs send numbers as text.
pub(crate) fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    Ok(number.and_then(|number| u8::try_from(number).ok()).filter(|number| *number <= 100))
}

/// A list of texts; other members are left out. Anything but a list is absent, and so is a list of nothing: a BMC that
/// gives none as the values that are allowed does not say.
pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let Value::Array(list) = Value::deserialize(deserializer)? else { return Ok(None) };
    Ok(Some(list.into_iter().filter_map(text_of).collect()).filter(|texts: &Vec<String>| !texts.is_empty()))
}

/// An object that is read as `T`; anything else is absent.
pub(crate) fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    Ok(if value.is_object() { serde_json::from_value(value).ok() } else { None })
}

/// A reference, given as an object or as bare text.
pub(crate) fn link<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(link_of(Value::deserialize(deserializer)?))
}

/// A list of references; members without one are left out. One reference alone is a list of one.
pub(crate) fn links<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let list = if let Value::Array(list) = value { list } else { vec![value] };
    Ok(list.into_iter().filter_map(link_of).collect())
}

fn link_of(value: Value) -> Option<String> {
    let text = if let Value::Object(mut object) = value {
        object.remove("@odata.id").and_then(text_of)
    } else {
        text_of(value)
    };
    text.filter(|text| !text.is_empty())
}

fn text_of(value: Value) -> Option<String> {
    if let Value::String(text) = value { Some(text) } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::system::System;
    use super::*;

    fn system(body: &[u8]) -> Result<System, String> {
        read(body)
    }

    #[test]
    fn what_is_no_object_is_refused_with_the_reason() {
        let deep = "[".repeat(10_000);
        let deep_member = format!("{{\"Boot\": {}", "{\"a\":".repeat(10_000));
        let cases: [(&[u8], &str); 9] = [
            (b"", "an empty body"),
            (b"  \r\n", "an empty body"),
            (b"[]", "JSON, but no object"),
            (b"17", "JSON, but no object"),
            (b"null", "JSON, but no object"),
            (b"{\"PowerState\": \"On", "not JSON"),
            (b"<html></html>", "not JSON"),
            (deep.as_bytes(), "not JSON"),
            (deep_member.as_bytes(), "not JSON"),
        ];
        for (body, reason) in cases {
            let error = system(body).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }

    #[test]
    fn a_wrong_type_is_absent_and_the_rest_stays() {
        let body = json!({"PowerState": 1, "Boot": ["Pxe"], "Model": null, "Manufacturer": "Acme",
            "Links": {"ManagedBy": [{"@odata.id": 3}, null, {"@odata.id": "/redfish/v1/Managers/1"}], "Chassis": 7},
            "Actions": "none", "Status": {"Health": []}});

        let system = system(body.to_string().as_bytes()).unwrap();

        assert_eq!(system.power_state, None);
        assert_eq!(system.boot, None);
        assert_eq!(system.manufacturer.as_deref(), Some("Acme"));
        let links = system.links.unwrap();
        assert_eq!((links.managed_by, links.chassis), (vec!["/redfish/v1/Managers/1".to_owned()], vec![]));
    }

    #[test]
    fn a_fragment_names_a_part() {
        let body = json!({"Drives": [{"PowerState": "On"}, 7]}).to_string();
        let part = |part| read_part::<System>(body.as_bytes(), part).map(|system| system.power_state);

        assert_eq!(part("/Drives/0"), Ok(Some("On".to_owned())));
        for missing in ["/Drives/1", "/Drives/2", "/Drives", "Drives/0", "/"] {
            assert!(part(missing).is_err(), "{missing}");
        }
    }

    #[test]
    fn a_byte_order_mark_does_no_harm() {
        assert!(system(b"\xef\xbb\xbf{}").is_ok());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-zA-Z/.@]{0,12}".prop_map(Value::from),
        ];
        let name = prop::sample::select(vec![
            "PowerState",
            "Boot",
            "BootSourceOverrideTarget",
            "BootSourceOverrideTarget@Redfish.AllowableValues",
            "Actions",
            "#ComputerSystem.Reset",
            "target",
            "Links",
            "ManagedBy",
            "@odata.id",
            "Status",
            "@Redfish.Settings",
            "SettingsObject",
            "other",
        ]);
        leaf.prop_recursive(4, 48, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(name.clone().prop_map(str::to_owned), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_object_is_a_system(value in any_json()) {
            prop_assert_eq!(system(value.to_string().as_bytes()).is_ok(), value.is_object());
        }

        #[test]
        fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _read = system(&body);
        }
    }
}

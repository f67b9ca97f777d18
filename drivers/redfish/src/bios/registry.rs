//! The registry that describes BIOS settings: which there are, and what each may be.
//!
//! Source: DSP0268, `AttributeRegistry`.

use serde_json::{Map, Value};

use crate::client::error::Result;
use crate::client::operation::Operation;
use crate::resource::raw::Raw;

/// Most registries of a service that are looked through.
const REGISTRIES_MAX: usize = 64;

/// Most allowed values named in a text.
const VALUES_SHOWN_MAX: usize = 10;

/// The settings that a registry describes.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry {
    attributes: Vec<Raw>,
}

impl Registry {
    pub(super) fn new(registry: &Raw) -> Self {
        Self { attributes: registry.part("RegistryEntries").parts("Attributes") }
    }

    fn find(&self, name: &str) -> Option<&Raw> {
        self.attributes.iter().find(|attribute| attribute.text("AttributeName") == Some(name))
    }

    /// Whether it says anything of a setting; some leave out settings that the machine has.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether a setting is a password, which is shown and kept nowhere.
    pub(super) fn is_password(&self, name: &str) -> bool {
        let typed = self.find(name).is_some_and(|attribute| attribute.text("Type") == Some("Password"));
        typed || name.to_ascii_lowercase().contains("password")
    }

    /// What is wrong with a value; nothing when it may be set, or when nobody knows.
    pub(super) fn objection(&self, name: &str, value: &Value) -> Option<String> {
        if self.attributes.is_empty() {
            return None;
        }
        let Some(attribute) = self.find(name) else {
            return Some("is not a setting of this machine".to_owned());
        };
        let locked = |flag: &str| attribute.truth(flag) == Some(true);
        if locked("ReadOnly") || locked("Immutable") {
            return Some("cannot be changed".to_owned());
        }
        match attribute.text("Type") {
            Some("Enumeration") => objection_to_word(attribute, value),
            Some("Integer") => objection_to_number(attribute, value),
            Some("String" | "Password") => objection_to_text(attribute, value),
            Some("Boolean") if !value.is_boolean() => Some("expected true or false".to_owned()),
            Some(_) | None => None,
        }
    }
}

fn objection_to_word(attribute: &Raw, value: &Value) -> Option<String> {
    let values = attribute.parts("Value");
    let names: Vec<&str> = values.iter().filter_map(|value| value.text("ValueName")).collect();
    if names.is_empty() || value.as_str().is_some_and(|word| names.contains(&word)) {
        return None;
    }
    let shown: Vec<String> = names.iter().take(VALUES_SHOWN_MAX).map(|name| format!("`{name}`")).collect();
    Some(format!("expected one of {}", shown.join(", ")))
}

fn objection_to_number(attribute: &Raw, value: &Value) -> Option<String> {
    let Some(number) = value.as_f64() else { return Some("expected a number".to_owned()) };
    let (low, high) = (attribute.number("LowerBound"), attribute.number("UpperBound"));
    if low.is_some_and(|low| number < low) || high.is_some_and(|high| high < number) {
        let bound = |bound: Option<f64>| bound.map_or_else(|| "any".to_owned(), |bound| bound.to_string());
        return Some(format!("expected {} to {}", bound(low), bound(high)));
    }
    None
}

fn objection_to_text(attribute: &Raw, value: &Value) -> Option<String> {
    let Some(text) = value.as_str() else { return Some("expected text".to_owned()) };
    let length = text.chars().count() as u64;
    let (low, high) = (attribute.count("MinLength"), attribute.count("MaxLength"));
    // Some registries give 0 as the longest text and mean nothing by it.
    if low.is_some_and(|low| length < low) || high.is_some_and(|high| high > 0 && high < length) {
        return Some(format!("expected {} to {} characters", low.unwrap_or(0), high.unwrap_or(u64::MAX)));
    }
    None
}

/// Turns text into the number or truth value that a setting is: by its registry, else by its present value.
pub(super) fn convert(registry: &Registry, present: &Map<String, Value>, name: &str, value: Value) -> Value {
    let Some(text) = value.as_str() else { return value };
    let typed = registry.find(name).and_then(|attribute| attribute.text("Type"));
    let now = present.get(name);
    let number = || text.trim().parse::<i64>().ok().map(Value::from);
    let truth = || text.trim().to_ascii_lowercase().parse::<bool>().ok().map(Value::from);
    let converted = match typed {
        Some("Integer") => number(),
        Some("Boolean") => truth(),
        Some(_) => None,
        None if now.is_some_and(Value::is_number) => number(),
        None if now.is_some_and(Value::is_boolean) => truth(),
        None => None,
    };
    converted.unwrap_or(value)
}

impl Operation {
    /// The registry of this name; an empty one, which checks nothing, when it cannot be had.
    pub(super) async fn attribute_registry(&self, name: Option<&str>) -> Result<Registry> {
        let root = self.root().await?;
        let (Some(name), Some(collection)) =
            (name, root.registries.as_deref().and_then(|link| self.link(link)))
        else {
            return Ok(Registry::default());
        };
        let members = match self.members(&collection).await {
            Ok(members) => members,
            Err(error) if error.is_answer() => return Ok(Registry::default()),
            Err(error) => return Err(error),
        };
        let (likely, others): (Vec<_>, Vec<_>) = members.into_iter().partition(|path| {
            path.trim_end_matches('/').rsplit('/').next().is_some_and(|end| is_same(end, name))
        });
        let mut left = REGISTRIES_MAX;
        for paths in [likely, others] {
            // The same of another version is better than none.
            let mut kin = None;
            for path in paths {
                if left == 0 {
                    break;
                }
                left -= 1;
                let Some(file) = self.look(&path).await? else { continue };
                let named = [file.text("Registry"), file.text("Id")];
                let named = || named.into_iter().flatten();
                if named().any(|named| named.eq_ignore_ascii_case(name)) {
                    return self.registry_of(&file).await;
                }
                if kin.is_none() && named().any(|named| is_same(named, name)) {
                    kin = Some(file);
                }
            }
            if let Some(file) = kin {
                return self.registry_of(&file).await;
            }
        }
        Ok(Registry::default())
    }

    /// The registry that a file of the service tells of; an empty one when it cannot be had.
    async fn registry_of(&self, file: &Raw) -> Result<Registry> {
        let locations = file.parts("Location");
        let is_english = |place: &&Raw| {
            let language = place.text("Language");
            language.is_none_or(|language| language.eq_ignore_ascii_case("en") || language == "default")
        };
        let english = locations.iter().find(is_english);
        let uri = english.or(locations.first()).and_then(|place| place.link("Uri"));
        let Some(uri) = uri.and_then(|link| self.link(link)) else { return Ok(Registry::default()) };
        match self.read_registry::<Raw>(&uri).await {
            Ok(registry) => Ok(registry.as_ref().map(Registry::new).unwrap_or_default()),
            Err(error) if error.is_answer() => Ok(Registry::default()),
            Err(error) => Err(error),
        }
    }
}

/// Whether two names mean one registry, with or without its version.
fn is_same(one: &str, other: &str) -> bool {
    let bare = |name: &str| {
        let name = name.to_ascii_lowercase().replace('_', ".");
        let end = name.find(".v").or_else(|| name.find('.'));
        end.map_or(name.clone(), |end| name.chars().take(end).collect())
    };
    one.eq_ignore_ascii_case(other) || bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn registry() -> Registry {
        let raw = json!({"RegistryEntries": {"Attributes": [
            {"AttributeName": "Turbo", "Type": "Enumeration", "Value": [{"ValueName": "On"}, {"ValueName": "Off"}, null]},
            {"AttributeName": "Cores", "Type": "Integer", "LowerBound": 1, "UpperBound": 64},
            {"AttributeName": "Tag", "Type": "String", "MinLength": 2, "MaxLength": 4},
            {"AttributeName": "Quiet", "Type": "Boolean"},
            {"AttributeName": "Setup", "Type": "Password", "MaxLength": 8},
            {"AttributeName": "Serial", "Type": "String", "ReadOnly": true}, 7]}});
        Registry::new(&serde_json::from_value(raw).unwrap())
    }

    #[test]
    fn values_are_checked_as_their_types_say() {
        let rows = [
            ("Turbo", json!("On"), None),
            ("Turbo", json!("Maybe"), Some("expected one of `On`, `Off`")),
            ("Cores", json!(64), None),
            ("Cores", json!(65), Some("expected 1 to 64")),
            ("Cores", json!("many"), Some("expected a number")),
            ("Tag", json!("abc"), None),
            ("Tag", json!("a"), Some("expected 2 to 4 characters")),
            ("Quiet", json!("yes"), Some("expected true or false")),
            ("Setup", json!("12345678"), None),
            ("Serial", json!("x"), Some("cannot be changed")),
            ("Other", json!(1), Some("is not a setting of this machine")),
        ];
        for (name, value, objection) in rows {
            assert_eq!(registry().objection(name, &value).as_deref(), objection, "{name} {value}");
            assert_eq!(Registry::default().objection(name, &value), None);
        }
        assert!(registry().is_password("Setup") && registry().is_password("AdminPassword"));
    }

    #[test]
    fn text_becomes_what_the_setting_is() {
        let present = json!({"Count": 1, "Flag": true, "Name": "1"}).as_object().cloned().unwrap();
        let empty = Registry::default();

        assert_eq!(convert(&registry(), &present, "Cores", json!("8")), json!(8));
        assert_eq!(convert(&registry(), &present, "Quiet", json!("True")), json!(true));
        assert_eq!(convert(&registry(), &present, "Tag", json!("8")), json!("8"));
        assert_eq!(convert(&empty, &present, "Count", json!("8")), json!(8));
        assert_eq!(convert(&empty, &present, "Flag", json!("false")), json!(false));
        assert_eq!(convert(&empty, &present, "Name", json!("8")), json!("8"));
        assert_eq!(convert(&empty, &present, "Count", json!("x")), json!("x"));
    }

    #[test]
    fn registries_are_the_same_with_and_without_their_version() {
        assert!(is_same("BiosAttributeRegistry.v1_0_3", "BiosAttributeRegistry"));
        assert!(is_same("BiosAttributeRegistry.v1_0_3", "BiosAttributeRegistry.1.0.3"));
        assert!(is_same("BiosAttributeRegistry_v1_0_0", "BiosAttributeRegistry.v1_0_0"));
        assert!(!is_same("ManagerAttributeRegistry.v1_0_3", "BiosAttributeRegistry.v1_0_3"));
    }
}

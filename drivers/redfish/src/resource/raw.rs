//! Resources of which only a few properties are looked at, each on its own.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A resource or a part of one, as it was read; each look at it is as lenient as the others.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Raw(pub Map<String, Value>);

impl Raw {
    /// A property as it stands there; null is absent.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Text that is not empty, without spaces around it.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    /// A number, which may be given as text.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        let value = self.0.get(name)?;
        let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
        number.is_finite().then_some(number)
    }

    /// A number that is whole and not negative, which may be given as text or with a fraction of nothing.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u64> {
        let value = self.0.get(name)?;
        let whole = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
        whole.or_else(|| whole_of(self.number(name)?))
    }

    /// A truth value, which may be given as text.
    #[must_use]
    pub fn truth(&self, name: &str) -> Option<bool> {
        let value = self.0.get(name)?;
        value.as_bool().or_else(|| value.as_str()?.to_ascii_lowercase().parse().ok())
    }

    /// A reference to another resource.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?;
        let text = value.as_str().or_else(|| value.get("@odata.id")?.as_str());
        text.filter(|text| !text.is_empty())
    }

    /// References to other resources; members without one are left out.
    #[must_use]
    pub fn links<'a>(&'a self, name: &str) -> Vec<&'a str> {
        let list = self.0.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let link = |value: &'a Value| value.get("@odata.id")?.as_str();
        list.iter().filter_map(link).filter(|link| !link.is_empty()).collect()
    }

    /// A part of the resource; one without properties when it is not there.
    #[must_use]
    pub fn part(&self, name: &str) -> Self {
        Self(self.0.get(name).and_then(Value::as_object).cloned().unwrap_or_default())
    }

    /// Parts in a list; members that are no objects are left out.
    #[must_use]
    pub fn parts(&self, name: &str) -> Vec<Self> {
        let list = self.0.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(|value| value.as_object().cloned().map(Self)).collect()
    }

    /// What it is called among its kin: its identifier, else the end of its path.
    #[must_use]
    pub fn id(&self, path: &str) -> String {
        let id = self.text("Id").or_else(|| self.text("MemberId"));
        let end = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        id.unwrap_or(end).to_owned()
    }

    /// Whether it is neither absent nor switched off, as far as it says.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        let status = self.part("Status");
        !matches!(status.text("State"), Some("Absent" | "Disabled" | "UnavailableOffline"))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
fn whole_of(number: f64) -> Option<u64> {
    const MAX: f64 = 9_007_199_254_740_992.0;
    (0.0..=MAX).contains(&number).then(|| number.trunc() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn raw(value: Value) -> Raw {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn each_property_is_read_leniently() {
        let raw = raw(json!({"a": " x ", "b": "", "n": "7.5", "m": 3, "f": 96.0, "neg": -1, "t": "True",
            "l": {"@odata.id": "/redfish/v1/x"}, "ls": [{"@odata.id": "/a"}, {}, null, {"@odata.id": ""}],
            "p": {"q": 1}, "ps": [{"q": 1}, 2], "null": null}));

        assert_eq!(
            (raw.text("a"), raw.text("b"), raw.text("n"), raw.text("m")),
            (Some("x"), None, Some("7.5"), None)
        );
        assert_eq!((raw.number("n"), raw.number("m"), raw.number("a")), (Some(7.5), Some(3.0), None));
        assert_eq!(
            (raw.count("n"), raw.count("m"), raw.count("f"), raw.count("neg")),
            (Some(7), Some(3), Some(96), None)
        );
        assert_eq!((raw.truth("t"), raw.truth("m")), (Some(true), None));
        assert_eq!(
            (raw.link("l"), raw.link("m"), raw.links("ls")),
            (Some("/redfish/v1/x"), None, vec!["/a"])
        );
        assert_eq!(
            (raw.part("p").count("q"), raw.parts("ps").len(), raw.part("a")),
            (Some(1), 1, Raw::default())
        );
        assert_eq!((raw.value("null"), raw.id("/redfish/v1/Systems/7/")), (None, "7".to_owned()));
    }

    proptest! {
        #[test]
        fn no_number_panics(number in any::<f64>(), text in ".{0,20}") {
            let raw = raw(json!({"n": number, "t": text}));
            let _counts = (raw.count("n"), raw.count("t"), raw.number("t"));
        }
    }
}

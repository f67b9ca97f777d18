//! A driver on the wire: a hardware type that some conductor has enabled.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::link::{Link, pair};
use crate::resource::{Filter, FilterValue, Resource};
use crate::version::table::Topic;

/// The only type of driver there is; classic ones are long gone.
pub const DYNAMIC: &str = "dynamic";

/// What each property of a driver means, as `GET /v1/drivers/NAME/properties` answers.
pub type DriverProperties = BTreeMap<String, String>;

/// A driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Driver {
    /// Name of the hardware type.
    pub name: String,
    /// Host names of the conductors that have it.
    pub hosts: Vec<String>,
    /// Links to itself.
    pub links: Vec<Link>,
    /// Links to its properties.
    pub properties: Vec<Link>,
    /// [`DYNAMIC`].
    #[serde(rename = "type")]
    pub driver_type: String,
    /// The implementations it offers, by interface type; left out of the short form.
    #[serde(flatten)]
    pub interfaces: DriverInterfaces,
}

impl Driver {
    /// Fills in the links, for a driver whose `name` is set.
    #[must_use]
    pub fn with_links(mut self, base: &str) -> Self {
        let path = format!("{}/{}", DRIVER.collection, self.name);
        self.links = pair(base, &path);
        self.properties = pair(base, &format!("{path}/properties"));
        self
    }
}

/// The implementations a driver offers, by interface type as `power`.
///
/// On the wire each stands as the members `default_power_interface` and `enabled_power_interfaces`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct DriverInterfaces(pub BTreeMap<String, DriverInterface>);

/// The implementations a driver offers for one interface type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriverInterface {
    /// What a node gets that names none.
    pub default: Option<String>,
    /// What a node may name.
    pub enabled: Vec<String>,
}

impl From<DriverInterfaces> for Map<String, Value> {
    fn from(interfaces: DriverInterfaces) -> Self {
        let mut members = Self::new();
        for (name, interface) in interfaces.0 {
            members.insert(format!("default_{name}_interface"), Value::from(interface.default));
            members.insert(format!("enabled_{name}_interfaces"), Value::from(interface.enabled));
        }
        members
    }
}

impl From<Map<String, Value>> for DriverInterfaces {
    fn from(members: Map<String, Value>) -> Self {
        let mut interfaces: BTreeMap<String, DriverInterface> = BTreeMap::new();
        for (name, value) in members {
            if let Some(name) = between(&name, "default_", "_interface") {
                interfaces.entry(name.to_owned()).or_default().default = value.as_str().map(str::to_owned);
            } else if let Some(name) = between(&name, "enabled_", "_interfaces") {
                let enabled = value.as_array().into_iter().flatten().filter_map(Value::as_str);
                interfaces.entry(name.to_owned()).or_default().enabled = enabled.map(str::to_owned).collect();
            }
        }
        Self(interfaces)
    }
}

/// What stands between two ends.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.strip_prefix(start)?.strip_suffix(end)
}

/// Drivers as a kind of resource; their lists have no pages.
#[rustfmt::skip]
pub const DRIVER: Resource = Resource {
    topic: Topic::Driver,
    collection: "drivers",
    key: "name",
    fields: &[
        "name", "hosts", "links", "properties", "type",
        "default_bios_interface", "default_boot_interface", "default_console_interface", "default_deploy_interface",
        "default_firmware_interface", "default_inspect_interface", "default_management_interface",
        "default_network_interface", "default_power_interface", "default_raid_interface", "default_rescue_interface",
        "default_storage_interface", "default_vendor_interface",
        "enabled_bios_interfaces", "enabled_boot_interfaces", "enabled_console_interfaces",
        "enabled_deploy_interfaces", "enabled_firmware_interfaces", "enabled_inspect_interfaces",
        "enabled_management_interfaces", "enabled_network_interfaces", "enabled_power_interfaces",
        "enabled_raid_interfaces", "enabled_rescue_interfaces", "enabled_storage_interfaces",
        "enabled_vendor_interfaces",
    ],
    list_fields: Some(&["name", "hosts", "links", "properties", "type"]),
    summary: &["name", "hosts", "properties", "type"],
    unsortable: &[],
    derived: &[],
    filters: &[Filter { name: "type", value: FilterValue::Text }],
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::version::table::{Kind, TABLE};
    use crate::version::{MAX, Microversion};

    fn driver() -> Driver {
        let power = DriverInterface { default: Some("fake".to_owned()), enabled: vec!["fake".to_owned()] };
        let firmware = DriverInterface { default: None, enabled: Vec::new() };
        Driver {
            name: "fake-hardware".to_owned(),
            hosts: vec!["c1".to_owned()],
            driver_type: DYNAMIC.to_owned(),
            interfaces: DriverInterfaces(BTreeMap::from([
                ("power".to_owned(), power),
                ("firmware".to_owned(), firmware),
            ])),
            ..Driver::default()
        }
        .with_links("http://h")
    }

    #[test]
    fn implementations_stand_as_members() {
        let written = serde_json::to_value(driver()).unwrap();

        assert_eq!(written["default_power_interface"], "fake");
        assert_eq!(written["enabled_power_interfaces"], json!(["fake"]));
        assert_eq!(written["default_firmware_interface"], Value::Null);
        assert_eq!(serde_json::from_value::<Driver>(written).unwrap(), driver());
    }

    #[test]
    fn the_short_form_has_no_implementations() {
        let summary = DRIVER.summarize(&driver(), MAX);

        assert_eq!(summary.keys().collect::<Vec<_>>(), ["hosts", "links", "name", "properties", "type"]);
    }

    #[test]
    fn old_versions_know_less_of_drivers() {
        let shown = |minor| -> BTreeSet<String> {
            DRIVER.view(&driver(), Microversion::new(minor), None).keys().cloned().collect()
        };

        assert_eq!(shown(1), BTreeSet::from(["hosts", "links", "name"].map(str::to_owned)));
        assert!(shown(85).contains("default_power_interface"));
        assert!(!shown(85).contains("default_firmware_interface"));
        assert!(shown(86).contains("default_firmware_interface"));
    }

    #[test]
    fn every_member_that_versions_add_is_one_that_drivers_have() {
        for row in TABLE.iter().filter(|row| row.topic == Topic::Driver && row.kind == Kind::Field) {
            for name in row.names {
                assert!(DRIVER.fields.contains(name), "{name}");
            }
        }
    }

    #[test]
    fn an_unknown_member_cannot_be_selected() {
        let fault = DRIVER.check_fields(&["name".to_owned(), "bogus".to_owned()], MAX).unwrap_err();

        assert_eq!(fault.message(), "Field(s) \"bogus\" are not valid");
    }

    #[test]
    fn lists_cannot_select_implementations() {
        let fields = ["name".to_owned(), "default_power_interface".to_owned()];

        assert_eq!(DRIVER.check_fields(&fields, MAX), Ok(()));
        let fault = DRIVER.check_list_fields(&fields, MAX).unwrap_err();
        assert_eq!(fault.message(), "Field(s) \"default_power_interface\" are not valid");
    }
}

//! Drivers as clients see them: hardware types, and what each reads from `driver_info`.

use farrier_api::driver::{DYNAMIC, Driver, DriverInterface, DriverInterfaces};
use farrier_conductor::service::DriverEntry;
use farrier_sdk::descriptor::PropertyDescriptor;

/// A hardware type on the wire.
pub(crate) fn wire(base: &str, entry: DriverEntry) -> Driver {
    let interfaces = entry.interfaces.into_iter().map(|(kind, offered)| {
        let enabled = offered.enabled.into_iter().collect();
        (kind.as_str().to_owned(), DriverInterface { default: offered.default, enabled })
    });
    let driver = Driver {
        name: entry.name,
        hosts: entry.hosts,
        driver_type: DYNAMIC.to_owned(),
        interfaces: DriverInterfaces(interfaces.collect()),
        ..Driver::default()
    };
    driver.with_links(base)
}

/// What a property means, as one text: clients show it as it is. What it is by default, drivers say in it.
pub(crate) fn description(property: &PropertyDescriptor) -> String {
    let mut text = property.description.trim_end_matches('.').to_owned();
    text.push_str(if property.required { ". Required." } else { ". Optional." });
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn property(required: bool) -> PropertyDescriptor {
        PropertyDescriptor {
            name: "port".to_owned(),
            kind: "integer".to_owned(),
            required,
            secret: false,
            description: "Port of the BMC.".to_owned(),
            default: json!(623),
        }
    }

    #[test]
    fn a_property_says_whether_it_is_needed() {
        assert_eq!(description(&property(true)), "Port of the BMC. Required.");
        assert_eq!(description(&property(false)), "Port of the BMC. Optional.");
    }
}

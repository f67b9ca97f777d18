//! The hardware type `fake-hardware`, and the plugin as a whole.

use farrier_sdk::prelude::*;

use crate::bios::FakeBios;
use crate::boot::FakeBoot;
use crate::console::FakeConsole;
use crate::delay::{Delays, FakeOptions};
use crate::deploy::FakeDeploy;
use crate::firmware::FakeFirmware;
use crate::inspect::FakeInspect;
use crate::management::FakeManagement;
use crate::power::FakePower;
use crate::raid::FakeRaid;
use crate::rescue::FakeRescue;
use crate::storage::FakeStorage;
use crate::vendor::FakeVendor;

export_plugin! {
    name: "fake",
    options: FakeOptions,
    state: Delays::start,
    interfaces: [
        FakeBoot = FakeBoot::new,
        FakeDeploy = FakeDeploy::new,
        FakeManagement = FakeManagement::new,
        FakePower = FakePower::new,
        FakeBios = FakeBios::new,
        FakeConsole,
        FakeFirmware = FakeFirmware::new,
        FakeInspect = FakeInspect::new,
        FakeRaid = FakeRaid::new,
        FakeRescue = FakeRescue::new,
        FakeStorage = FakeStorage::new,
        FakeVendor = FakeVendor::new,
    ],
    hardware: {
        "fake-hardware" => {
            boot: ["fake", "noop"],
            deploy: ["fake", "ramdisk", "noop"],
            management: ["fake"],
            network: ["noop"],
            power: ["fake"],
            bios: ["fake", "no-bios"],
            console: ["fake", "no-console"],
            firmware: ["fake", "no-firmware"],
            inspect: ["fake", "no-inspect"],
            raid: ["fake", "no-raid"],
            rescue: ["fake", "no-rescue"],
            storage: ["fake", "noop"],
            vendor: ["fake", "no-vendor"],
        },
    },
}

#[cfg(test)]
mod tests {
    use farrier_sdk::descriptor::Descriptor;
    use farrier_sdk::serde_json;

    use super::*;

    fn descriptor() -> Descriptor {
        serde_json::from_str(farrier_plugin().descriptor()().as_str()).unwrap()
    }

    #[test]
    fn every_interface_type_but_network_is_implemented_as_fake() {
        let descriptor = descriptor();

        let lacking: Vec<_> = InterfaceType::ALL
            .into_iter()
            .filter(|kind| descriptor.interface(*kind, "fake").is_none())
            .collect();

        assert_eq!(lacking, [InterfaceType::Network]);
    }

    #[test]
    fn fake_is_preferred_wherever_it_exists() {
        let descriptor = descriptor();

        let supported = &descriptor.hardware_types["fake-hardware"];

        for kind in InterfaceType::ALL {
            let best = if kind == InterfaceType::Network { "noop" } else { "fake" };
            assert_eq!(supported[&kind][0], best, "{kind}");
        }
    }

    #[test]
    fn the_two_properties_of_the_vendor_interface_are_all_there_are() {
        let properties: Vec<_> = descriptor()
            .interfaces
            .into_iter()
            .flat_map(|interface| interface.properties)
            .map(|property| (property.name, property.required))
            .collect();

        assert_eq!(properties, [("B1".to_owned(), true), ("B2".to_owned(), true)]);
    }

    #[test]
    fn every_delay_is_none_unless_configured() {
        let options = descriptor().options;

        assert_eq!(options.len(), 11);
        for option in options {
            assert!(option.name.ends_with("_delay"), "{}", option.name);
            assert_eq!(option.default, "0", "{}", option.name);
        }
    }
}

//! The hardware type `ipmi`, and the plugin as a whole.

use farrier_sdk::prelude::*;

use crate::console::IpmiConsole;
use crate::management::IpmiManagement;
use crate::options::IpmiOptions;
use crate::power::IpmiPower;
use crate::shared::Shared;
use crate::vendor::IpmiVendor;

export_plugin! {
    name: "ipmi",
    options: IpmiOptions,
    state: Shared::start,
    close: Shared::close,
    interfaces: [
        IpmiPower = IpmiPower::new,
        IpmiManagement = IpmiManagement::new,
        IpmiVendor = IpmiVendor::new,
        IpmiConsole = IpmiConsole::new,
    ],
    hardware: {
        "ipmi" => {
            boot: ["ipxe", "pxe", "http-ipxe", "http", "noop"],
            deploy: ["autodetect", "direct", "ansible", "ramdisk", "anaconda", "bootc", "custom-agent", "noop"],
            inspect: ["agent", "no-inspect"],
            management: ["ipmitool", "noop"],
            network: ["flat", "neutron", "ironic-networking", "noop"],
            power: ["ipmitool"],
            raid: ["no-raid", "agent"],
            rescue: ["no-rescue", "agent"],
            storage: ["noop", "cinder", "external"],
            firmware: ["no-firmware"],
            console: ["ipmitool-socat", "no-console", "fake-graphical"],
            bios: ["no-bios"],
            vendor: ["ipmitool", "no-vendor"],
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
    fn every_implementation_answers_to_both_names() {
        let descriptor = descriptor();

        for kind in [InterfaceType::Power, InterfaceType::Management, InterfaceType::Vendor] {
            let implementation = descriptor.interface(kind, "ipmitool").unwrap();
            assert_eq!(implementation.aliases, ["ipmi"], "{kind}");
        }
        assert_eq!(descriptor.interface(InterfaceType::Console, "ipmitool-socat").unwrap().aliases, ["ipmi"]);
    }

    #[test]
    fn every_interface_type_has_a_list() {
        let lists = &descriptor().hardware_types["ipmi"];

        assert!(InterfaceType::ALL.iter().all(|kind| !lists[kind].is_empty()));
    }

    #[test]
    fn vendor_methods_and_steps_are_those_of_the_reference() {
        let descriptor = descriptor();
        let vendor = descriptor.interface(InterfaceType::Vendor, "ipmitool").unwrap();

        let methods: Vec<_> = vendor.vendor_methods.iter().map(|method| method.name.as_str()).collect();
        let [step] = vendor.steps.as_slice() else { panic!("{:?}", vendor.steps) };

        assert_eq!(methods, ["send_raw", "bmc_reset"]);
        assert!(
            vendor.vendor_methods.iter().all(|method| method.require_exclusive_lock && method.asynchronous)
        );
        assert_eq!(
            (step.step.as_str(), step.priority, step.abortable, step.requires_ramdisk),
            ("send_raw", 0, false, false)
        );
        assert_eq!(step.kinds.len(), 3);
    }

    #[test]
    fn what_is_secret_is_marked() {
        let descriptor = descriptor();
        let power = descriptor.interface(InterfaceType::Power, "ipmitool").unwrap();

        let secrets: Vec<_> =
            power.properties.iter().filter(|property| property.secret).map(|p| p.name.as_str()).collect();

        assert_eq!(secrets, ["ipmi_password", "ipmi_hex_kg_key"]);
    }
}

//! A driver plugin for Acme BMCs, which speak JSON over HTTP.
//!
//! The device is made up, everything around it is what a real driver has: `driver_info` with a secret, options, power,
//! management, a step with an argument, errors that name what was tried, and tests against a simulated device. Replace
//! `device.rs` by your protocol and `examples/simulator` by something that speaks it.
//!
//! The password never comes into this code: requests go through the conductor, which puts it in.
#![forbid(unsafe_code)]

mod device;
mod driver_info;
mod management;
mod options;
mod power;
#[cfg(test)]
#[path = "../examples/simulator/device.rs"]
mod simulator;

use farrier_sdk::prelude::*;

use crate::management::AcmeManagement;
use crate::options::{AcmeOptions, Settings};
use crate::power::AcmePower;

export_plugin! {
    name: "acme",
    options: AcmeOptions,
    state: Settings::start,
    interfaces: [
        AcmePower = AcmePower::new,
        AcmeManagement = AcmeManagement::new,
    ],
    hardware: {
        // Best first. Interface types that are not listed are those every machine can do without.
        "acme" => {
            power: ["acme"],
            management: ["acme", "noop"],
            boot: ["noop"],
            deploy: ["noop"],
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
    fn everything_the_hardware_type_prefers_for_its_bmc_is_exported() {
        let descriptor = descriptor();

        for kind in [InterfaceType::Power, InterfaceType::Management] {
            let best = &descriptor.hardware_types["acme"][&kind][0];
            assert!(descriptor.interface(kind, best).is_some(), "{kind} `{best}`");
        }
    }

    #[test]
    fn the_password_is_marked_as_a_secret() {
        let descriptor = descriptor();
        let power = descriptor.interface(InterfaceType::Power, "acme").unwrap();

        let secrets: Vec<_> =
            power.properties.iter().filter(|property| property.secret).map(|p| p.name.as_str()).collect();

        assert_eq!(secrets, ["acme_password"]);
    }
}

//! A complete plugin to start from: copy it, rename `template`, replace `device.rs` by your protocol.
//!
//! It drives a made-up device that takes one JSON object per TCP connection and answers with another. Everything
//! around that is what a real driver has too: `driver_info` with a secret, an option, power, management, a step with
//! an argument, errors that name what was tried, and tests against a simulated device.
#![forbid(unsafe_code)]

mod device;
mod driver_info;
mod management;
mod options;
mod power;
#[cfg(test)]
mod simulator;

use farrier_sdk::prelude::*;

use crate::management::TemplateManagement;
use crate::options::{Settings, TemplateOptions};
use crate::power::TemplatePower;

export_plugin! {
    name: "template",
    options: TemplateOptions,
    state: Settings::start,
    interfaces: [
        TemplatePower = TemplatePower::new,
        TemplateManagement = TemplateManagement::new,
    ],
    hardware: {
        // Best first. Interface types that are not listed are those every machine can do without.
        "template" => {
            power: ["template"],
            management: ["template", "noop"],
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
            let best = &descriptor.hardware_types["template"][&kind][0];
            assert!(descriptor.interface(kind, best).is_some(), "{kind} `{best}`");
        }
    }

    #[test]
    fn the_password_is_marked_as_a_secret() {
        let descriptor = descriptor();
        let power = descriptor.interface(InterfaceType::Power, "template").unwrap();

        let secrets: Vec<_> =
            power.properties.iter().filter(|property| property.secret).map(|p| p.name.as_str()).collect();

        assert_eq!(secrets, ["template_password"]);
    }
}

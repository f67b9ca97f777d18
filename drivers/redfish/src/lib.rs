//! The `redfish` driver of Farrier: power and management of machines whose BMCs speak Redfish.
//!
//! | module | what |
//! |---|---|
//! | [`driver_info`] | what a node says about its BMC |
//! | [`options`] | the table `[redfish]` of the configuration |
//! | [`shared`] | what all implementations share |
//! | [`power`] | main power |
//! | [`management`] | all that follows, as the conductor calls it |
//! | [`boot_device`], [`boot_mode`] | what a machine boots, and how; secure boot |
//! | [`indicator`], [`sensors`], [`clock`] | its lights, its readings, the clock of its BMC |
//! | [`boot`], [`virtual_media`] | images that machines boot |
//! | [`bios`], [`firmware`] | settings and updates; steps that take minutes, with their progress kept in the node |
//! | [`inspect`] | what a machine is made of |
//! | [`vendor`] | subscriptions to events |
//! | [`discovery`] | finding the System of a node |
//! | [`quirks`] | makers' deviations that nothing shows but their names |
//! | [`client`] | HTTP to BMCs: logins, retries, tags, tasks |
//! | [`resource`] | what BMCs send, read leniently |
//!
//! Source: DSP0266 (the protocol), DSP0268 (its resources), Ironic's redfish hardware type.

#![forbid(unsafe_code)]

pub mod bios;
pub mod boot;
pub mod boot_device;
pub mod boot_mode;
pub mod client;
pub mod clock;
pub mod discovery;
pub mod driver_info;
pub mod firmware;
pub mod indicator;
pub mod inspect;
pub mod management;
pub mod options;
pub mod power;
mod progress;
pub mod quirks;
pub mod resource;
pub mod sensors;
pub mod shared;
pub mod vendor;
pub mod virtual_media;

use farrier_sdk::prelude::export_plugin;

use crate::bios::RedfishBios;
use crate::boot::RedfishVirtualMediaBoot;
use crate::firmware::RedfishFirmware;
use crate::inspect::RedfishInspect;
use crate::management::RedfishManagement;
use crate::options::RedfishOptions;
use crate::power::RedfishPower;
use crate::shared::Shared;
use crate::vendor::RedfishVendor;

export_plugin! {
    name: "redfish",
    options: RedfishOptions,
    state: Shared::start,
    close: Shared::close,
    interfaces: [
        RedfishPower = RedfishPower::new,
        RedfishManagement = RedfishManagement::new,
        RedfishVirtualMediaBoot = RedfishVirtualMediaBoot::new,
        RedfishBios = RedfishBios::new,
        RedfishFirmware = RedfishFirmware::new,
        RedfishInspect = RedfishInspect::new,
        RedfishVendor = RedfishVendor::new,
    ],
    // Best first; names that no plugin offers are passed over. Source: Ironic, `RedfishHardware`.
    hardware: {
        "redfish" => {
            boot: ["ipxe", "pxe", "http-ipxe", "http", "redfish-virtual-media", "redfish-https", "noop"],
            deploy: ["autodetect", "direct", "ansible", "ramdisk", "anaconda", "bootc", "custom-agent", "noop"],
            management: ["redfish", "noop"],
            network: ["flat", "neutron", "ironic-networking", "noop"],
            power: ["redfish"],
            bios: ["redfish", "no-bios"],
            console: ["redfish-graphical", "ipmitool-socat", "no-console", "fake-graphical"],
            firmware: ["redfish", "no-firmware"],
            inspect: ["redfish", "agent", "no-inspect"],
            raid: ["redfish", "no-raid", "agent"],
            rescue: ["no-rescue", "agent"],
            storage: ["noop", "cinder", "external"],
            vendor: ["redfish", "no-vendor"],
        },
    },
}

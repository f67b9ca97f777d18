//! A driver that breaks one rule at a time, so that the conformance kit can be seen to notice.
//!
//! Left alone it is a good one: it does all that the kit looks at with a machine that speaks a little Redfish, and power
//! with one that speaks the datagrams of the kit. Its option `rule` is the name of the check it is to fail; what it does then stands where it does it, and
//! nowhere else does it behave otherwise.
//!
//! | module | which rules |
//! |---|---|
//! | `options` | what goes wrong before it starts |
//! | `shared` | when it starts |
//! | `habits` | in any call |
//! | `http`, `datagram` | between it and its machine |
//! | `power`, `management` and the other interface types | what it does with its machine |
#![forbid(unsafe_code)]

mod bios;
mod boot;
mod console;
mod datagram;
mod driver_info;
mod firmware;
mod habits;
mod http;
mod inspect;
mod machine;
mod management;
mod options;
mod power;
mod raid;
mod rescue;
mod shared;
mod storage;
mod vendor;

use farrier_sdk::prelude::*;

use crate::bios::GoodBios;
use crate::boot::GoodBoot;
use crate::console::GoodConsole;
use crate::firmware::GoodFirmware;
use crate::habits::Wayward;
use crate::inspect::GoodInspect;
use crate::management::GoodManagement;
use crate::options::WaywardOptions;
use crate::power::GoodPower;
use crate::raid::GoodRaid;
use crate::rescue::GoodRescue;
use crate::shared::Shared;
use crate::storage::GoodStorage;
use crate::vendor::GoodVendor;

export_plugin! {
    name: "wayward",
    options: WaywardOptions,
    state: Shared::start,
    interfaces: [
        Wayward<GoodPower> = Wayward::<GoodPower>::new,
        Wayward<GoodManagement> = Wayward::<GoodManagement>::new,
        Wayward<GoodBios> = Wayward::<GoodBios>::new,
        Wayward<GoodFirmware> = Wayward::<GoodFirmware>::new,
        Wayward<GoodInspect> = Wayward::<GoodInspect>::new,
        Wayward<GoodVendor> = Wayward::<GoodVendor>::new,
        Wayward<GoodConsole> = Wayward::<GoodConsole>::new,
        Wayward<GoodBoot> = Wayward::<GoodBoot>::new,
        Wayward<GoodRaid> = Wayward::<GoodRaid>::new,
        Wayward<GoodStorage> = Wayward::<GoodStorage>::new,
        Wayward<GoodRescue> = Wayward::<GoodRescue>::new,
    ],
    hardware: {
        "wayward" => {
            power: ["wayward"], management: ["wayward"], boot: ["wayward", "noop"], deploy: ["noop"],
            bios: ["wayward"], firmware: ["wayward"], inspect: ["wayward"], vendor: ["wayward"],
            console: ["wayward"], raid: ["wayward"], storage: ["wayward"], rescue: ["wayward"],
        },
    },
}

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
mod datagram;
mod driver_info;
mod habits;
mod http;
mod inspect;
mod machine;
mod management;
mod options;
mod power;
mod shared;
mod vendor;

use farrier_sdk::prelude::*;

use crate::bios::GoodBios;
use crate::habits::Wayward;
use crate::inspect::GoodInspect;
use crate::management::GoodManagement;
use crate::options::WaywardOptions;
use crate::power::GoodPower;
use crate::shared::Shared;
use crate::vendor::GoodVendor;

export_plugin! {
    name: "wayward",
    options: WaywardOptions,
    state: Shared::start,
    interfaces: [
        Wayward<GoodPower> = Wayward::<GoodPower>::new,
        Wayward<GoodManagement> = Wayward::<GoodManagement>::new,
        Wayward<GoodBios> = Wayward::<GoodBios>::new,
        Wayward<GoodInspect> = Wayward::<GoodInspect>::new,
        Wayward<GoodVendor> = Wayward::<GoodVendor>::new,
    ],
    hardware: {
        "wayward" => {
            power: ["wayward"], management: ["wayward"], boot: ["noop"], deploy: ["noop"],
            bios: ["wayward"], inspect: ["wayward"], vendor: ["wayward"],
        },
    },
}

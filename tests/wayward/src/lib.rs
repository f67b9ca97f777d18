//! A driver that breaks one rule at a time, so that the conformance kit can be seen to notice.
//!
//! Left alone it is a good one: power and management of a machine that speaks a little Redfish, or the datagrams of
//! the kit. Its option `rule` is the name of the check it is to fail; what it does then stands where it does it, and
//! nowhere else does it behave otherwise.
//!
//! | module | which rules |
//! |---|---|
//! | `options` | what goes wrong before it starts |
//! | `shared` | when it starts |
//! | `habits` | in any call |
//! | `http`, `datagram` | between it and its machine |
//! | `power`, `management` | what it does with its machine |
#![forbid(unsafe_code)]

mod datagram;
mod driver_info;
mod habits;
mod http;
mod machine;
mod management;
mod options;
mod power;
mod shared;

use farrier_sdk::prelude::*;

use crate::habits::Wayward;
use crate::management::GoodManagement;
use crate::options::WaywardOptions;
use crate::power::GoodPower;
use crate::shared::Shared;

export_plugin! {
    name: "wayward",
    options: WaywardOptions,
    state: Shared::start,
    interfaces: [Wayward<GoodPower> = Wayward::<GoodPower>::new, Wayward<GoodManagement> = Wayward::<GoodManagement>::new],
    hardware: {
        "wayward" => { power: ["wayward"], management: ["wayward"], boot: ["noop"], deploy: ["noop"] },
    },
}

//! A plugin that misbehaves on request, so that everything that has to survive it can be tested.
//!
//! Left alone it is a good one: hardware type, power and management interface `rogue` for a machine that exists
//! in memory. What it does wrong is asked for
//!
//! - when it is loaded and started: by the environment variable `FARRIER_ROGUE` or, from the start on, by its
//!   option `rogue_start`, which wins; see `Loading`;
//! - in a call: by `rogue_mode` in the node's `driver_info`; see `Calling`.
//!
//! Unlike any other plugin it has unsafe code: a library's constructors are no Rust.

mod calling;
mod loading;
mod machine;
mod management;
mod power;

use farrier_sdk::prelude::*;

#[cfg(doc)]
use crate::calling::Calling;
#[cfg(doc)]
use crate::loading::Loading;
use crate::loading::RogueOptions;
use crate::machine::Machines;
use crate::management::RogueManagement;
use crate::power::RoguePower;

export_plugin! {
    name: "rogue",
    options: RogueOptions,
    state: Machines::start,
    interfaces: [RoguePower = RoguePower::new, RogueManagement = RogueManagement::new],
    hardware: {
        "rogue" => { power: ["rogue"], management: ["rogue", "noop"], boot: ["noop"], deploy: ["noop"] },
    },
}

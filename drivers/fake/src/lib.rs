//! The `fake` driver: does everything it is asked for, after a delay, on machines that do not exist.
//!
//! It is what the conductor is tested with, and what an operator tries the API on. It keeps nothing: a node's
//! recorded power state is its power state, and the BIOS settings that were applied are in the node's internal
//! data.
//!
//! Source: Ironic's driver factory.
#![forbid(unsafe_code)]

mod bios;
mod boot;
mod console;
mod delay;
mod deploy;
mod firmware;
mod hardware;
mod inspect;
mod management;
mod power;
mod raid;
mod rescue;
mod storage;
mod vendor;

pub use hardware::farrier_plugin;

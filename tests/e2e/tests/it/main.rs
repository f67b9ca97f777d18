//! The product, tested from outside: programs that are started and asked over their interfaces.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helper functions of tests may panic as tests do"
)]

mod architecture;
mod client;
mod crash;
mod daemon;
mod deploy;
mod harness;
mod labs;
mod locks;
mod logs;
mod manual;
mod notifications;
mod options;
mod plugins;
mod power;
mod power_sync;
mod redfish_fleet;
mod reference;
mod rows;
mod rpc;
mod sdk;
mod secrets;
mod sensors;
mod steps;

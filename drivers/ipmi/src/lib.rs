//! The `ipmi` driver: power and boot device of machines whose BMC speaks IPMI 2.0 over LAN.
//!
//! | module | what |
//! |---|---|
//! | [`hardware`] | the hardware type `ipmi` and the plugin |
//! | [`driver_info`], [`options`] | what operators set: per node, and for all |
//! | [`power`], [`management`], [`vendor`], [`console`], `boot_device` | the interfaces |
//! | `shared` | sessions and options, shared by the interfaces |
//! | [`sensors`] | what a machine measures of itself |
//! | `quirks`, `manufacturer` | what differs between machines |
//! | [`command`], [`chassis`] | IPMI commands, on the command traits of `ipmi-rs` |
//! | [`transport`] | RMCP+ over UDP: sessions kept, lost datagrams repeated |
//! | [`session`], [`sol`] | without I/O: login, sealing, opening; characters of a console |
//! | [`packet`], [`crypto`], [`target`] | bytes, codes, and who speaks to whom |
//!
//! A power state asked for takes this way: [`power`] → `shared` → [`transport`] → the link of the BMC → a
//! [`session`] → a datagram.
#![forbid(unsafe_code)]

mod boot_device;
pub mod chassis;
pub mod command;
pub mod console;
pub mod crypto;
pub mod driver_info;
pub mod hardware;
pub mod management;
mod manufacturer;
pub mod options;
pub mod packet;
pub mod power;
mod quirks;
pub mod sensors;
pub mod session;
pub mod shared;
pub mod sol;
pub mod target;
pub mod transport;
pub mod vendor;

pub use hardware::farrier_plugin;

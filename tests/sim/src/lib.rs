//! The peers of a test or a demonstration: simulated BMCs, databases, clients.
//!
//! | module | what |
//! |---|---|
//! | [`farrierd`] | the daemon |
//! | [`ipmi`] | our own BMCs that speak IPMI, many of them, with switches for trouble |
//! | [`machine`], [`sensors`] | the machine behind such a BMC |
//! | [`inject`], [`network`] | what is wrong with it, and with the network in front of it |
//! | [`switch`] | trouble by name, for the command line |
//! | [`ipmi_sim`] | somebody else's BMC that speaks IPMI |
//! | [`pyghmi`] | another one, as virtual machines have it |
//! | [`lab_vm`] | a virtual machine with a BMC |
//! | [`redfish_vm`] | virtual machines with a BMC that speaks Redfish |
//! | [`boot_iso`] | a CD that such a machine boots |
//! | [`process`] | a program that ends with the test that started it |
//! | [`program`] | where an installed program is |
//! | [`plugin`] | our plugins as shared libraries |
//! | [`open_files`] | how many files a process may have open |
//! | [`port`] | ports nobody else takes |
//! | [`wait`] | waiting for a state, with a deadline |
//! | [`http`] | requests to a server on this machine |
//! | [`files`] | a server of files on this machine |
//! | [`postgres`] | a PostgreSQL of its own |
//! | [`sushy`] | a BMC that speaks Redfish |
//! | [`mockup`] | vendors' BMCs that speak Redfish |
//! | [`webhook`] | a receiver of notifications |
//! | [`venv`] | the Python clients and simulators |
//! | [`labs`] | data that cannot be part of this repository |
//!
//! Everything blocks: a peer is started before a test's runtime has work to do. Our own BMCs run on a thread
//! of theirs. The binary `farrier-sim` starts them for people without hardware.
//!
//! Nothing here installs anything; `cargo xtask test` does, and each error names
//! what is missing.

pub mod boot_iso;
pub mod error;
pub mod farrierd;
pub mod files;
pub mod http;
pub mod inject;
pub mod ipmi;
pub mod ipmi_sim;
pub mod lab_vm;
pub mod labs;
pub mod machine;
pub mod mockup;
pub mod network;
pub mod open_files;
pub mod plugin;
pub mod port;
pub mod postgres;
pub mod process;
pub mod program;
pub mod pyghmi;
pub mod redfish_vm;
mod runtime;
pub mod sensors;
pub mod sushy;
pub mod switch;
pub mod venv;
pub mod wait;
pub mod webhook;

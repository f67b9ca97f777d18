//! The peers of a test or a demonstration: simulated BMCs, databases, clients.
//!
//! | module | what |
//! |---|---|
//! | [`farrierd`] | the daemon |
//! | [`ipmi_sim`] | a BMC that speaks IPMI |
//! | [`process`] | a program that ends with the test that started it |
//! | [`program`] | where an installed program is |
//! | [`plugin`] | our plugins as shared libraries |
//! | [`port`] | ports nobody else takes |
//! | [`wait`] | waiting for a state, with a deadline |
//! | [`http`] | requests to a server on this machine |
//! | [`postgres`] | a PostgreSQL of its own |
//! | [`sushy`] | a BMC that speaks Redfish |
//! | [`venv`] | the Python clients and simulators |
//! | [`labs`] | data that cannot be part of this repository |
//!
//! Everything blocks: a peer is started before a test's runtime has work to do.
//! Nothing here installs anything; `cargo xtask test` does, and each error names
//! what is missing.

pub mod error;
pub mod farrierd;
pub mod http;
pub mod ipmi_sim;
pub mod labs;
pub mod plugin;
pub mod port;
pub mod postgres;
pub mod process;
pub mod program;
pub mod sushy;
pub mod venv;
pub mod wait;

//! All a hardware vendor needs to write a Farrier driver plugin: depend on this crate alone.
//!
//! A plugin is a shared library with implementations of interface types (power, management, ...) and hardware
//! types that say which implementations fit together. This is a complete one:
//!
//! ```
//! #![forbid(unsafe_code)]
//! use farrier_sdk::prelude::*;
//!
//! /// `driver_info` of an Acme node.
//! #[derive(Properties)]
//! pub struct AcmeInfo {
//!     /// Address of the BMC
//!     acme_address: String,
//! }
//!
//! struct AcmePower;
//!
//! #[interface(power, name = "acme")]
//! impl PowerInterface for AcmePower {
//!     type Info = AcmeInfo;
//!
//!     async fn get_power_state(&self, task: &DriverTask<AcmeInfo>) -> Result<PowerState> {
//!         info!(address = task.info().acme_address, "asking for the power state");
//!         Ok(PowerState::Off)
//!     }
//!
//!     async fn set_power_state(&self, task: &DriverTask<AcmeInfo>, state: PowerState, _timeout: Option<Duration>) -> Result<()> {
//!         task.progress(10, "switching").await?;
//!         Err(DriverError::unreachable(format!("no answer from `{}` to `{state}`", task.info().acme_address)))
//!     }
//!
//!     async fn reboot(&self, task: &DriverTask<AcmeInfo>, timeout: Option<Duration>) -> Result<()> {
//!         self.set_power_state(task, PowerState::Off, timeout).await?;
//!         self.set_power_state(task, PowerState::On, timeout).await
//!     }
//! }
//!
//! export_plugin! {
//!     name: "acme",
//!     interfaces: [AcmePower],
//!     hardware: { "acme" => { power: ["acme"], management: ["noop"], boot: ["noop"], deploy: ["noop"] } },
//! }
//! # fn main() {}
//! ```
//!
//! Built with `crate-type = ["cdylib", "rlib"]`, that is a file the conductor loads; the `rlib` is what the
//! plugin's own tests link. Methods are plain `async fn`s; `#[interface(..., blocking)]` takes plain `fn`s
//! instead, for libraries that block. With the feature `tokio`, tokio's sockets and timers work inside.

// The macros name this crate as a vendor does.
extern crate self as farrier_sdk;

pub mod descriptor;
pub mod error;
#[doc(hidden)]
pub mod export;
#[doc(hidden)]
pub mod glue;
pub mod http;
pub mod interface;
mod log;
pub mod prelude;
pub mod property;
#[doc(hidden)]
pub mod runtime;
pub mod secret;
pub mod step;
pub mod task;
pub mod testing;

#[doc(hidden)]
pub use serde_json;

/// The examples of the manual's page for vendors, compiled with those of this crate.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/src/vendor/write.md")]
mod manual {}

//! The conductor's half of the plugin boundary.
//!
//! A [`Plugin`] is a library that was opened: it has an executor of its own, so that one plugin that blocks
//! stalls nobody else, a host object it calls back into, and [`Interface`]s that nodes share. Each [`Call`] has a
//! task, a deadline and a span; dropping it cancels it.
//!
//! **Invariant:** nothing here opens files, cassettes apart, or knows a node's record. Where libraries come from is the loader's
//! business, what a call may see and change of its node is what the conductor hands in as [`NodeAccess`].

mod call;
mod executor;
mod health;
mod host;
mod http;
mod interface;
mod plugin;
mod task;

pub use call::{Call, CallOptions};
pub use http::cassette::{Cassette, CassetteError};
pub use interface::Interface;
pub use plugin::{Builtin, OpenConfig, OpenError, Origin, Plugin};
pub use task::NodeAccess;

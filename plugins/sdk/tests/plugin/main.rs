//! A plugin with one of everything, called over the boundary as a host calls it.
//!
//! It is linked into the test; what only a shared library does is in `tests/loaded`.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the whole program is a test"
)]

mod acme;
mod blocking;
mod calls;
mod descriptor;
mod host;
mod inherit;
mod open;
mod panics;
mod steps;
mod task;
mod tasks;
#[cfg(feature = "tokio")]
mod tokio_context;

use farrier_abi::InterfaceBox;
use serde_json::{Value, json};

use crate::host::FakeHost;
use crate::task::FakeTask;

/// An implementation of the plugin, opened for this test.
fn implementation(kind: &str) -> InterfaceBox {
    implementation_of(kind, &FakeHost::default())
}

/// The same with a host to look at afterwards.
fn implementation_of(kind: &str, host: &FakeHost) -> InterfaceBox {
    let plugin = host::open(acme::farrier_plugin(), host, &json!({})).unwrap();
    host::interface(&plugin, kind, "acme").unwrap()
}

/// Calls a vendor method.
fn vendor_call(method: &str, task: &FakeTask) -> farrier_sdk::error::Result<Value> {
    host::call(&implementation("vendor"), "vendor_call", &json!({"method": method}), task.to_box())
}

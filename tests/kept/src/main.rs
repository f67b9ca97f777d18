//! The smallest host: loads every plugin of a directory and calls it, with nothing that could change later.
//!
//! It is built now and kept, so that later builds of plugins can be loaded by a host that is older than they are. It is
//! given a directory, `driver_info` as JSON, and prints one line for each call.

#![expect(clippy::print_stdout, reason = "what it prints is its result")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use farrier_host::{CallOptions, NodeAccess, Plugin};
use farrier_loader::{Enabled, Loader, Search};
use farrier_sdk::error::DriverError;
use farrier_sdk::glue::BoxFuture;
use farrier_sdk::interface::InterfaceType;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// What is called, on every power interface.
const CALLS: [(&str, &str); 3] = [
    ("validate", "{}"),
    ("set_power_state", r#"{"state":"power on","timeout":5}"#),
    ("get_power_state", "{}"),
];

/// A node of which nothing is known but how to reach its machine.
struct Node(Value);

impl NodeAccess for Node {
    fn snapshot(&self) -> Vec<u8> {
        let uuid = "0f0f0f0f-0000-4000-8000-000000000001";
        let node = json!({"uuid": uuid, "driver": "kept", "driver_info": self.0, "power_state": "power on"});
        node.to_string().into_bytes()
    }

    fn call(&self, method: String, _arguments: Vec<u8>) -> BoxFuture<Result<Vec<u8>, DriverError>> {
        Box::pin(async move {
            match method.as_str() {
                "progress" | "event" => Ok(b"null".to_vec()),
                _ => Err(DriverError::unsupported(format!("this host has no `{method}`"))),
            }
        })
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(directory), Some(driver_info)) = (arguments.next(), arguments.next()) else {
        println!("farrier-kept DIRECTORY DRIVER_INFO");
        return ExitCode::FAILURE;
    };
    let scan = Search::new([directory]).scan();
    let report = Loader::new(Enabled::everything_in(&scan)).load(scan);
    for refusal in &report.refused {
        println!("{refusal}");
    }
    let (Ok(runtime), Ok(info)) = (
        tokio::runtime::Builder::new_current_thread().enable_time().build(),
        serde_json::from_str(&driver_info),
    ) else {
        println!("no runtime, or `{driver_info}` is not JSON");
        return ExitCode::FAILURE;
    };
    let node = Arc::new(Node(info));
    let good = report.plugins.iter().all(|plugin| call(&runtime, plugin, &node));
    let loaded = report.refused.is_empty() && !report.plugins.is_empty();
    if good && loaded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Calls every power interface of a plugin; whether all answered well.
fn call(runtime: &Runtime, plugin: &Plugin, node: &Arc<Node>) -> bool {
    let mut good = true;
    for described in plugin.descriptor().interfaces.iter().filter(|one| one.kind == InterfaceType::Power) {
        for (method, arguments) in CALLS {
            let answer = plugin.open_interface(described.kind, &described.name).and_then(|interface| {
                let options =
                    CallOptions { timeout: Some(Duration::from_secs(30)), ..CallOptions::default() };
                let (arguments, node) = (arguments.as_bytes().to_vec(), Arc::clone(node));
                runtime.block_on(async { interface.call(method, arguments, node, &options).await })
            });
            good &= answer.is_ok();
            let shown = answer.map_or_else(
                |error| error.to_string(),
                |answer| String::from_utf8_lossy(&answer).into_owned(),
            );
            println!("{} {} {method}: {shown}", plugin.name(), described.name);
        }
    }
    good
}

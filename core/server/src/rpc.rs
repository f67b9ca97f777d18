//! Conductor to conductor: requests about a node go to the conductor that owns it, by JSON-RPC 2.0 over HTTP.
//!
//! The method is that of the conductor's service, as in [`methods`]; its parameters are the request as the client made
//! it, and its result is the whole answer. So an error is the same whoever was asked, and there is nothing to keep in
//! step when a method gets a parameter.
//!
//! Whoever is asked by another conductor does the work, whether he believes that he owns the node or not: nothing is
//! passed on twice, and the lock of the node keeps two who disagree apart.
//!
//! Both directions are signed with a secret that all conductors share ([`sign`]). They are not encrypted: the network
//! between conductors has to be a private one, since requests can contain credentials of BMCs.
//!
//! Source: Ironic's JSON-RPC transport, whose default port and naming of conductors are kept.

mod client;
mod listener;
pub(crate) mod methods;
mod sign;
#[cfg(test)]
mod tests;

use std::net::Ipv6Addr;

use farrier_conductor::config::JSON_RPC_PORT;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use client::{Client, RpcError};
pub(crate) use listener::serve;
pub(crate) use sign::Key;

/// The version of JSON-RPC.
const VERSION: &str = "2.0";

/// A call.
#[derive(Debug, Serialize, Deserialize)]
struct Call {
    jsonrpc: String,
    id: Value,
    method: String,
    params: Forwarded,
}

/// A request on its way to the conductor that owns its node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forwarded {
    /// The HTTP method.
    pub(crate) verb: String,
    /// Path and query.
    pub(crate) path: String,
    /// What the request says of its form: never its credentials.
    pub(crate) headers: Vec<(String, String)>,
    /// The version in force.
    pub(crate) version: String,
    /// The id the client knows the request by.
    pub(crate) request_id: String,
    /// The user, as whoever took the request found out.
    pub(crate) user: Option<String>,
    /// The body.
    pub(crate) body: String,
}

/// The answer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: String,
}

/// What can be wrong with a call itself, by the codes of JSON-RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallFault {
    /// Not JSON.
    Parse = -32700,
    /// Not a call.
    Invalid = -32600,
    /// A method that does not exist, or not for this request.
    NoMethod = -32601,
    /// The work failed in a way that has no answer.
    Internal = -32603,
}

impl CallFault {
    /// The answer that says so.
    fn answer(self, id: &Value, message: &str) -> Value {
        json!({"jsonrpc": VERSION, "id": id, "error": {"code": self as i32, "message": message}})
    }
}

/// Where the conductor of this name listens.
fn address(name: &str) -> String {
    if name.parse::<Ipv6Addr>().is_ok() {
        return format!("http://[{name}]:{JSON_RPC_PORT}/");
    }
    let behind_host = name.rsplit_once(']').map_or(name, |(_, rest)| rest);
    let has_port = behind_host.matches(':').count() == 1;
    if has_port { format!("http://{name}/") } else { format!("http://{name}:{JSON_RPC_PORT}/") }
}

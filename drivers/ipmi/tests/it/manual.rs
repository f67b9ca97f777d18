//! The operators' page says what the code does: keys, options and messages are compared with it.
//!
//! `FARRIER_WRITE_MANUAL=1` writes the two tables of the page anew.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use farrier_ipmi::command::completion::CompletionCode;
use farrier_ipmi::target::{Endpoint, Privilege};
use farrier_ipmi::transport::error::{AuthenticationFault, Effort, TransportError};
use farrier_sdk::descriptor::{Descriptor, PropertyDescriptor};
use farrier_sdk::prelude::*;
use farrier_sdk::serde_json;

/// The page, from this crate.
const PAGE: &str = "../../docs/src/operate/ipmi.md";

/// Says that the tables are to be written.
const WRITE: &str = "FARRIER_WRITE_MANUAL";

fn page() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)
}

fn descriptor() -> Descriptor {
    serde_json::from_str(farrier_ipmi::farrier_plugin().descriptor()().as_str()).unwrap()
}

fn row(property: &PropertyDescriptor) -> String {
    let default = match &property.default {
        _ if property.required => "required".to_owned(),
        Value::Null => "none".to_owned(),
        Value::String(text) if text.is_empty() => "empty".to_owned(),
        Value::String(text) => format!("`{text}`"),
        value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            format!("`{value}`")
        }
    };
    let secret = if property.secret { ", secret" } else { "" };
    let (name, kind, text) = (&property.name, &property.kind, property.description.trim_end_matches('.'));
    format!("| `{name}` | {kind}{secret} | {default} | {text} |\n")
}

/// The two tables, by the comment that stands behind them.
fn tables() -> BTreeMap<&'static str, String> {
    let descriptor = descriptor();
    let power = descriptor.interface(InterfaceType::Power, "ipmitool").unwrap();
    let table = |properties: &[PropertyDescriptor]| properties.iter().map(row).collect::<String>();
    [("<!-- properties -->", table(&power.properties)), ("<!-- options -->", table(&descriptor.options))]
        .into()
}

#[test]
fn the_page_lists_all_keys_and_options_with_their_defaults() {
    let mut text = std::fs::read_to_string(page()).unwrap();

    for (end, table) in tables() {
        let (before, after) = text.split_once(end).unwrap();
        let head = "|---|---|---|---|\n";
        let (before, found) = before.rsplit_once(head).unwrap();
        if std::env::var_os(WRITE).is_some() {
            text = format!("{before}{head}{table}{end}{after}");
            continue;
        }
        assert_eq!(found, table, "write it with {WRITE}=1");
    }
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(page(), text).unwrap();
    }
}

#[test]
fn every_interface_reads_the_same_keys() {
    let descriptor = descriptor();
    let [first, others @ ..] = descriptor.interfaces.as_slice() else { panic!("there are interfaces") };

    for other in others {
        assert_eq!(other.properties, first.properties, "{}", other.name);
    }
}

fn endpoint() -> Endpoint {
    Endpoint { host: "192.0.2.7".into(), port: 623 }
}

/// One of each kind of error.
fn errors() -> Vec<TransportError> {
    let (effort, reason, wait) = (Effort::default(), "reason".to_owned(), Duration::from_secs(30));
    let faults = [
        AuthenticationFault::User,
        AuthenticationFault::Password,
        AuthenticationFault::BmcKey,
        AuthenticationFault::Privilege(Privilege::Administrator),
        AuthenticationFault::Insufficient(Privilege::User),
    ];
    let mut errors: Vec<_> = faults
        .into_iter()
        .map(|fault| TransportError::Authentication { endpoint: endpoint(), fault })
        .collect();
    let (fault, tried, command) = (AuthenticationFault::Password, "17, 3".to_owned(), "Chassis Control");
    let (netfn, cmd, code) = (0, 2, CompletionCode::NOT_IN_THIS_STATE);
    errors.extend([
        TransportError::Unresolved { endpoint: endpoint(), reason: reason.clone(), effort },
        TransportError::Unsent { endpoint: endpoint(), reason: reason.clone(), effort },
        TransportError::NoReply { endpoint: endpoint(), effort },
        TransportError::Refused { endpoint: endpoint(), effort },
        TransportError::LoginUnanswered { endpoint: endpoint(), effort },
        TransportError::AuthenticationHeld { endpoint: endpoint(), fault, wait },
        TransportError::NoCipherSuite { endpoint: endpoint(), tried: tried.clone(), reason: reason.clone() },
        TransportError::Downgrade { endpoint: endpoint(), tried, reason: reason.clone() },
        TransportError::TooManySessions { endpoint: endpoint(), effort },
        TransportError::Login { endpoint: endpoint(), reason },
        TransportError::HeldBack { endpoint: endpoint(), wait },
        TransportError::Queued { endpoint: endpoint(), effort },
        TransportError::Completion { endpoint: endpoint(), command, netfn, cmd, code },
        TransportError::Malformed { endpoint: endpoint(), command, netfn, cmd },
        TransportError::OutcomeUnknown { endpoint: endpoint(), command, effort },
        TransportError::Closing(endpoint()),
    ]);
    errors
}

/// Whether the parts of a message that always read the same are in `text`, in this order.
fn matches(message: &str, text: &str) -> bool {
    let mut rest = text;
    message.split("...").all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[test]
fn the_page_explains_every_message_and_no_other() {
    let text = std::fs::read_to_string(page()).unwrap();
    let (_, troubles) = text.split_once("## Troubleshooting").unwrap();
    let (troubles, _) = troubles.split_once("\n## ").unwrap();
    let rows = troubles.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| message"));
    let messages: Vec<&str> =
        rows.map(|line| line.split(" | ").next().unwrap().trim_start_matches("| ")).collect();
    let errors: Vec<String> = errors().iter().map(ToString::to_string).collect();

    for error in &errors {
        assert!(messages.iter().any(|message| matches(message, error)), "not explained: {error}");
    }
    for message in messages {
        assert!(errors.iter().any(|error| matches(message, error)), "nobody says: {message}");
    }
}

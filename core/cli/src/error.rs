//! What can go wrong, how it is told and with which code the program ends.

use std::time::Duration;

use farrier_api::error::ErrorName;
use serde_json::{Value, json};

use crate::command::plugin::PluginError;

/// The codes with which the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The server or the machine failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// There is no such node, port, driver or conductor.
    NotFound = 3,
    /// Somebody else holds the node, or the name is taken.
    Conflict = 4,
    /// The node's present state forbids it.
    WrongState = 5,
    /// It took too long.
    TimedOut = 6,
    /// No server answers at the address.
    Unreachable = 7,
}

/// A request that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The address of the server cannot be used.
    #[error("`{url}` is not an address of a server")]
    Address { url: String },
    /// The program cannot speak HTTP at all.
    #[error("the HTTP client cannot start")]
    Start { source: RootCause },
    /// No connection.
    #[error("no connection to `{url}`")]
    Unreachable { url: String, source: RootCause },
    /// The connection broke before the answer was complete.
    #[error("no answer from `{url}`")]
    NoAnswer { url: String, source: RootCause },
    /// No answer in time.
    #[error("no answer from `{url}` within {} s", .limit.as_secs())]
    TimedOut { url: String, limit: Duration },
    /// Something else answers there.
    #[error("`{url}` answers, but not as a bare metal API (HTTP {status})")]
    Foreign { url: String, status: u16 },
    /// The server refused.
    #[error("{message} (HTTP {status})")]
    Refused { status: u16, message: String, name: Option<ErrorName>, request_id: Option<String> },
}

/// What lies at the bottom of an error of the HTTP client; the layers above it tell an operator nothing.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct RootCause(String);

impl From<reqwest::Error> for RootCause {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut bottom: &dyn std::error::Error = &error;
        while let Some(below) = bottom.source() {
            bottom = below;
        }
        Self(bottom.to_string())
    }
}

impl ClientError {
    /// Whether the same request may succeed a moment later.
    ///
    /// Decided by the error's name where the server tells it. Of other servers every conflict and every lack of
    /// workers counts, as clients of this API do.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Refused { name: Some(name), .. } => name.is_transient(),
            Self::Refused { name: None, status, .. } => matches!(status, 409 | 503),
            Self::Address { .. }
            | Self::Start { .. }
            | Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::TimedOut { .. }
            | Self::Foreign { .. } => false,
        }
    }

    /// The code with which the program ends.
    fn exit(&self) -> Exit {
        match self {
            Self::Address { .. } => Exit::Usage,
            Self::Start { .. } => Exit::Failed,
            Self::Unreachable { .. } | Self::NoAnswer { .. } | Self::Foreign { .. } => Exit::Unreachable,
            Self::TimedOut { .. } => Exit::TimedOut,
            Self::Refused { name: Some(name), .. } if name.is_state_refusal() => Exit::WrongState,
            Self::Refused { status: 404, .. } => Exit::NotFound,
            Self::Refused { status: 409, .. } => Exit::Conflict,
            Self::Refused { status: 403, .. } => Exit::WrongState,
            Self::Refused { status: 400, name: None, message, .. } if tells_of_state(message) => {
                Exit::WrongState
            }
            Self::Refused { .. } => Exit::Failed,
        }
    }

    /// What to do about it.
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Address { .. } => Some("an address looks like `http://127.0.0.1:6385`"),
            Self::Unreachable { source: RootCause(cause), .. } if cause.contains("certificate") => {
                Some("SSL_CERT_FILE names a file of certificates to trust")
            }
            Self::Unreachable { .. } => {
                Some("is farrierd running? Its address comes from `--url`, FARRIER_URL or OS_ENDPOINT")
            }
            Self::Foreign { .. } => Some("check the address: `--url`, FARRIER_URL or OS_ENDPOINT"),
            Self::TimedOut { .. } | Self::NoAnswer { .. } => Some("the server's log tells what it was doing"),
            Self::Refused { status: 401, .. } => {
                Some("the server wants credentials: FARRIER_USERNAME and FARRIER_PASSWORD")
            }
            Self::Refused { status: 406, .. } => Some("the server is older than what the command needs"),
            Self::Refused { .. } => match self.exit() {
                Exit::NotFound => Some("`list` shows what there is"),
                Exit::Conflict if self.is_transient() => {
                    Some("another operation has the node; `--retries` tells how often to try again")
                }
                Exit::WrongState => Some("`farrier node show` tells the states of the node"),
                Exit::Failed | Exit::Usage | Exit::Conflict | Exit::TimedOut | Exit::Unreachable => None,
            },
            Self::Start { .. } => None,
        }
    }
}

/// Whether a refusal without a name speaks of the node's state, as the contract words it.
fn tells_of_state(message: &str) -> bool {
    message.contains("can not be performed on node") || message.contains("while it is in state")
}

/// A command that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// A request failed.
    #[error("cannot {action}")]
    Request { action: String, source: ClientError },
    /// The arguments contradict each other or the server's answer.
    #[error("{message}")]
    Usage { message: String },
    /// Nothing has these properties.
    #[error("there is no {what}")]
    NotFound { what: String },
    /// The operator said no.
    #[error("nothing was deleted")]
    Declined,
    /// A node's power did not change in time.
    #[error("power of node `{node}` did not become `{expected}` within {} s", .limit.as_secs())]
    PowerTimedOut { node: String, expected: &'static str, limit: Duration },
    /// A node's power changed to something else, or not at all.
    #[error("power of node `{node}` is `{state}` instead of `{expected}`")]
    PowerFailed { node: String, expected: &'static str, state: String, last_error: Option<String> },
    /// A node did not get to where it was sent in time.
    #[error("`{target}` of node `{node}` did not end within {} s", .limit.as_secs())]
    ProvisionTimedOut { node: String, target: &'static str, limit: Duration },
    /// A node ended elsewhere than where it was sent.
    #[error("`{target}` of node `{node}` ended in state `{state}`")]
    ProvisionFailed { node: String, target: &'static str, state: String, last_error: Option<String> },
    /// A node's console was not switched in time.
    #[error("console of node `{node}` did not become `{switch}` within {} s", .limit.as_secs())]
    ConsoleTimedOut { node: String, switch: &'static str, limit: Duration },
    /// A node's console was not switched.
    #[error("console of node `{node}` did not become `{switch}`")]
    ConsoleFailed { node: String, switch: &'static str, last_error: Option<String> },
    /// A plugin, or the making of one, is not as it should be.
    #[error(transparent)]
    Plugin(#[from] Box<PluginError>),
    /// The result cannot be written.
    #[error("cannot write the result")]
    Output { source: std::io::Error },
    /// The result cannot be told in this format.
    #[error("cannot write the result as YAML")]
    Yaml { source: serde_saphyr::SerializeError },
}

impl CliError {
    /// Says what the program tried when the request failed; `action` completes "cannot".
    pub(crate) fn request(action: impl Into<String>) -> impl FnOnce(ClientError) -> Self {
        let action = action.into();
        move |source| Self::Request { action, source }
    }

    /// The code with which the program ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Request { source, .. } => source.exit(),
            Self::Plugin(error) => error.exit(),
            Self::Usage { .. } => Exit::Usage,
            Self::NotFound { .. } => Exit::NotFound,
            Self::PowerTimedOut { .. } | Self::ProvisionTimedOut { .. } | Self::ConsoleTimedOut { .. } => {
                Exit::TimedOut
            }
            Self::Declined
            | Self::PowerFailed { .. }
            | Self::ProvisionFailed { .. }
            | Self::ConsoleFailed { .. }
            | Self::Output { .. }
            | Self::Yaml { .. } => Exit::Failed,
        }
    }

    /// What to do about it.
    fn hint(&self) -> Option<String> {
        match self {
            Self::Request { source, .. } => source.hint().map(str::to_owned),
            Self::PowerTimedOut { node, .. } => {
                Some(format!("it may still happen: `farrier node power status {node}`"))
            }
            Self::ProvisionTimedOut { node, .. } => {
                Some(format!("it may still end: `farrier node show {node}`"))
            }
            Self::ProvisionFailed { node, .. } => {
                Some(format!("`farrier node history {node}` tells what happened before"))
            }
            Self::ConsoleTimedOut { node, .. } => {
                Some(format!("it may still happen: `farrier node console {node}`"))
            }
            Self::PowerFailed { node, .. } | Self::ConsoleFailed { node, .. } => {
                Some(format!("`farrier node validate {node}` checks the BMC's settings"))
            }
            Self::Declined => Some("`--yes` does not ask".to_owned()),
            Self::Plugin(error) => error.hint(),
            Self::Usage { .. } | Self::NotFound { .. } | Self::Output { .. } | Self::Yaml { .. } => None,
        }
    }

    /// The causes, nearest first.
    fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        if let Self::PowerFailed { last_error: Some(error), .. }
        | Self::ProvisionFailed { last_error: Some(error), .. }
        | Self::ConsoleFailed { last_error: Some(error), .. } = self
        {
            causes.push(error.clone());
        }
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            causes.push(error.to_string());
            next = error.source();
        }
        causes
    }

    /// The id under which the server logged the request.
    fn request_id(&self) -> Option<&str> {
        match self {
            Self::Request { source: ClientError::Refused { request_id, .. }, .. } => request_id.as_deref(),
            Self::Request { .. }
            | Self::Usage { .. }
            | Self::NotFound { .. }
            | Self::Plugin(_)
            | Self::Declined
            | Self::PowerTimedOut { .. }
            | Self::PowerFailed { .. }
            | Self::ProvisionTimedOut { .. }
            | Self::ProvisionFailed { .. }
            | Self::ConsoleTimedOut { .. }
            | Self::ConsoleFailed { .. }
            | Self::Output { .. }
            | Self::Yaml { .. } => None,
        }
    }

    /// The status and the name of the error that the server answered with.
    fn answer(&self) -> (Option<u16>, Option<&'static str>) {
        match self {
            Self::Request { source: ClientError::Refused { status, name, .. }, .. } => {
                (Some(*status), name.map(ErrorName::as_str))
            }
            Self::Request { .. }
            | Self::Usage { .. }
            | Self::NotFound { .. }
            | Self::Plugin(_)
            | Self::Declined
            | Self::PowerTimedOut { .. }
            | Self::PowerFailed { .. }
            | Self::ProvisionTimedOut { .. }
            | Self::ProvisionFailed { .. }
            | Self::ConsoleTimedOut { .. }
            | Self::ConsoleFailed { .. }
            | Self::Output { .. }
            | Self::Yaml { .. } => (None, None),
        }
    }

    /// The error for people.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![format!("error: {self}")];
        lines.extend(self.causes().iter().map(|cause| format!("  cause: {cause}")));
        lines.extend(self.hint().iter().map(|hint| format!("  hint: {hint}")));
        lines.extend(self.request_id().iter().map(|id| format!("  request: {id}")));
        lines.join("\n")
    }

    /// The error for programs.
    pub(crate) fn json(&self) -> Value {
        let (status, name) = self.answer();
        json!({
            "error": self.to_string(),
            "causes": self.causes(),
            "hint": self.hint(),
            "status": status,
            "name": name,
            "request_id": self.request_id(),
            "exit_code": self.exit() as u8,
        })
    }
}

impl From<PluginError> for CliError {
    fn from(error: PluginError) -> Self {
        Self::Plugin(Box::new(error))
    }
}

/// What went wrong with the things one command worked on; at least one.
#[derive(Debug)]
pub(crate) struct Failures(pub(crate) Vec<CliError>);

impl From<CliError> for Failures {
    fn from(error: CliError) -> Self {
        Self(vec![error])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, message: &str, name: Option<ErrorName>) -> CliError {
        let source = ClientError::Refused {
            status,
            message: message.to_owned(),
            name,
            request_id: Some("req-1".to_owned()),
        };
        CliError::request("power on node `n1`")(source)
    }

    #[test]
    fn the_code_follows_from_the_answer() {
        for (status, name, exit) in [
            (400, None, Exit::Failed),
            (400, Some(ErrorName::InvalidStateRequested), Exit::WrongState),
            (403, None, Exit::WrongState),
            (404, None, Exit::NotFound),
            (409, None, Exit::Conflict),
            (409, Some(ErrorName::NodeLocked), Exit::Conflict),
            (409, Some(ErrorName::PowerStateFailure), Exit::WrongState),
            (500, None, Exit::Failed),
            (503, None, Exit::Failed),
        ] {
            assert_eq!(refused(status, "no", name).exit(), exit, "{status} {name:?}");
        }
    }

    #[test]
    fn waiting_too_long_has_a_code_of_its_own() {
        let error = CliError::PowerTimedOut {
            node: "n1".to_owned(),
            expected: "power on",
            limit: Duration::from_secs(40),
        };

        assert_eq!(error.exit() as u8, 6);
        insta::assert_snapshot!(error.text(), @"
        error: power of node `n1` did not become `power on` within 40 s
          hint: it may still happen: `farrier node power status n1`
        ");
    }

    #[test]
    fn a_refusal_that_speaks_of_the_state_is_one_of_the_state() {
        let message =
            "The requested action \"x\" can not be performed on node \"n\" while it is in state \"enroll\".";

        assert_eq!(refused(400, message, None).exit(), Exit::WrongState);
    }

    #[test]
    fn a_locked_node_is_worth_another_try_and_a_taken_name_is_not() {
        let error =
            |status, name| ClientError::Refused { status, message: String::new(), name, request_id: None };

        assert!(error(409, Some(ErrorName::NodeLocked)).is_transient());
        assert!(!error(409, Some(ErrorName::NodeAlreadyExists)).is_transient());
        assert!(error(409, None).is_transient());
        assert!(error(503, None).is_transient());
        assert!(!error(404, None).is_transient());
    }

    #[test]
    fn people_read_cause_and_hint() {
        let error = refused(409, "Node n1 is locked by host c1.", Some(ErrorName::NodeLocked));

        insta::assert_snapshot!(error.text(), @"
        error: cannot power on node `n1`
          cause: Node n1 is locked by host c1. (HTTP 409)
          hint: another operation has the node; `--retries` tells how often to try again
          request: req-1
        ");
    }

    #[test]
    fn a_failed_change_of_power_tells_the_last_error() {
        let error = CliError::PowerFailed {
            node: "n1".to_owned(),
            expected: "power on",
            state: "power off".to_owned(),
            last_error: Some("no answer from the BMC".to_owned()),
        };

        insta::assert_snapshot!(error.text(), @"
        error: power of node `n1` is `power off` instead of `power on`
          cause: no answer from the BMC
          hint: `farrier node validate n1` checks the BMC's settings
        ");
    }

    #[test]
    fn programs_read_the_same_as_members() {
        let error = refused(409, "Node n1 is locked by host c1.", Some(ErrorName::NodeLocked));

        insta::assert_json_snapshot!(error.json(), @r#"
        {
          "causes": [
            "Node n1 is locked by host c1. (HTTP 409)"
          ],
          "error": "cannot power on node `n1`",
          "exit_code": 4,
          "hint": "another operation has the node; `--retries` tells how often to try again",
          "name": "NodeLocked",
          "request_id": "req-1",
          "status": 409
        }
        "#);
    }
}

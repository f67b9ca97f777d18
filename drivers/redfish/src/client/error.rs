//! Why a request, or what was made of it, failed.

use std::fmt;
use std::time::Duration;

use farrier_sdk::error::{DriverError, ErrorKind};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::message::Messages;

/// The result of asking a BMC.
pub type Result<T, E = RedfishError> = std::result::Result<T, E>;

/// What was asked when it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What the conductor wanted, such as `get power state`.
    pub operation: &'static str,
    /// Scheme, host and port of the BMC.
    pub origin: String,
    /// Method of the request.
    pub method: Method,
    /// Path of the request, without its query.
    pub path: String,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}` at `{}`", self.method, self.path, self.origin)
    }
}

/// How far a connection got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking up the name.
    Resolve,
    /// Opening the connection.
    Connect,
    /// Agreeing on TLS and looking at the certificate.
    Tls,
    /// Sending the request and waiting for its answer.
    Exchange,
    /// The limit of the whole operation ended it.
    Limit,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "cannot resolve the name",
            Self::Connect => "cannot connect",
            Self::Tls => "TLS failed",
            Self::Exchange => "no answer",
            Self::Limit => "no answer in time",
        })
    }
}

/// A request to a BMC that did not lead to what was wanted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{} failed: {failure}", asked.operation)]
pub struct RedfishError {
    /// The request.
    pub asked: Box<Asked>,
    /// What happened to it.
    pub failure: Failure,
}

/// What happened to a request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    /// No connection, or none that lasted.
    #[error("{phase} for {request}: {reason} ({} in {:.1} s)", times(*attempts), elapsed.as_secs_f32())]
    Connection {
        /// The request, for the text.
        request: String,
        /// How far it got.
        phase: Phase,
        /// What the network or TLS library said.
        reason: String,
        /// How often it was tried.
        attempts: u32,
        /// From the first try to giving up.
        elapsed: Duration,
        /// The request may have reached the BMC; what it changes has to be read back.
        outcome_unknown: bool,
    },
    /// The BMC refused user or password.
    #[error(
        "authentication failed for user `{user}` at `{origin}` ({} s until the next try)",
        retry_in.as_secs()
    )]
    Authentication {
        /// Name of the account.
        user: String,
        /// The BMC.
        origin: String,
        /// How long the refusal is remembered.
        retry_in: Duration,
    },
    /// All sessions of the BMC are taken.
    #[error("the BMC at `{origin}` has no free session ({id})")]
    SessionLimit {
        /// The BMC.
        origin: String,
        /// The message that said so.
        id: String,
    },
    /// The account is not allowed to do this, or must change its password first.
    #[error("{request} was denied: {}", denial(messages))]
    Denied {
        /// The request, for the text.
        request: String,
        /// What the BMC said.
        messages: Messages,
    },
    /// An answer other than 2xx.
    #[error("{request} answered {}{}", status.as_u16(), said(*status, messages))]
    Status {
        /// The request, for the text.
        request: String,
        /// Status of the answer.
        status: StatusCode,
        /// What the BMC said.
        messages: Messages,
    },
    /// The BMC went on saying that it is busy.
    #[error("the BMC is not ready: {request} answered {} after {}{}", status.as_u16(), times(*attempts), said(*status, messages))]
    NotReady {
        /// The request, for the text.
        request: String,
        /// Status of the last answer.
        status: StatusCode,
        /// What the BMC said last.
        messages: Messages,
        /// How often it was tried.
        attempts: u32,
    },
    /// A good status with content that is none, or a redirect that must not be followed.
    #[error("unexpected answer to {request}: {reason}")]
    Unexpected {
        /// The request, for the text.
        request: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The machine lacks what was asked for.
    #[error("{0}")]
    Unsupported(String),
    /// An argument that this machine does not take.
    #[error("{0}")]
    Invalid(String),
    /// The BMC did what it was asked, and failed.
    #[error("{0}")]
    Failed(String),
    /// A power state was not reached.
    #[error("{0}")]
    PowerState(String),
}

impl RedfishError {
    /// Puts together what was asked and what came of it.
    #[must_use]
    pub fn new(asked: Asked, failure: Failure) -> Self {
        Self { asked: Box::new(asked), failure }
    }

    /// Status of the answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match &self.failure {
            Failure::Status { status, .. } | Failure::NotReady { status, .. } => Some(*status),
            Failure::Denied { .. } => Some(StatusCode::FORBIDDEN),
            Failure::Authentication { .. } => Some(StatusCode::UNAUTHORIZED),
            Failure::Connection { .. }
            | Failure::SessionLimit { .. }
            | Failure::Unexpected { .. }
            | Failure::Unsupported(_)
            | Failure::Invalid(_)
            | Failure::Failed(_)
            | Failure::PowerState(_) => None,
        }
    }

    /// What the BMC said, if it said anything.
    #[must_use]
    pub fn messages(&self) -> Option<&Messages> {
        match &self.failure {
            Failure::Status { messages, .. }
            | Failure::NotReady { messages, .. }
            | Failure::Denied { messages, .. } => Some(messages),
            Failure::Connection { .. }
            | Failure::Authentication { .. }
            | Failure::SessionLimit { .. }
            | Failure::Unexpected { .. }
            | Failure::Unsupported(_)
            | Failure::Invalid(_)
            | Failure::Failed(_)
            | Failure::PowerState(_) => None,
        }
    }

    /// Whether the request may have been carried out although no answer came.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self.failure, Failure::Connection { outcome_unknown: true, .. })
    }

    /// Whether the resource is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.status(), Some(StatusCode::NOT_FOUND | StatusCode::GONE))
    }

    /// Whether the BMC answered, with something that only concerns what it was asked for.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        self.is_nonsense()
            || matches!(
                self.failure,
                Failure::Status { .. } | Failure::NotReady { .. } | Failure::Denied { .. }
            )
    }

    /// Whether there was a good status with content that is none.
    #[must_use]
    pub fn is_nonsense(&self) -> bool {
        matches!(self.failure, Failure::Unexpected { .. })
    }

    /// Whether asking again later may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match &self.failure {
            Failure::Connection { phase, .. } => *phase != Phase::Tls,
            Failure::Authentication { .. }
            | Failure::SessionLimit { .. }
            | Failure::NotReady { .. }
            | Failure::Unexpected { .. }
            | Failure::PowerState(_) => true,
            Failure::Status { status, .. } => {
                *status == StatusCode::CONFLICT
                    || *status == StatusCode::TOO_MANY_REQUESTS
                    || (status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED)
            }
            Failure::Denied { .. } | Failure::Unsupported(_) | Failure::Invalid(_) | Failure::Failed(_) => {
                false
            }
        }
    }

    fn kind(&self) -> ErrorKind {
        match &self.failure {
            Failure::Connection { .. } => ErrorKind::Unreachable,
            Failure::Authentication { .. } | Failure::Denied { .. } => ErrorKind::AuthFailed,
            Failure::SessionLimit { .. } | Failure::NotReady { .. } => ErrorKind::Busy,
            Failure::Unexpected { .. } => ErrorKind::Protocol,
            Failure::Unsupported(_) => ErrorKind::Unsupported,
            Failure::Invalid(_) => ErrorKind::InvalidParameter,
            Failure::Failed(_) => ErrorKind::Hardware,
            Failure::PowerState(_) => ErrorKind::Timeout,
            Failure::Status { status, .. } => match *status {
                StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => ErrorKind::Unsupported,
                StatusCode::CONFLICT => ErrorKind::Conflict,
                status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                    ErrorKind::Busy
                }
                _ => ErrorKind::Hardware,
            },
        }
    }

    /// The error's name in Ironic.
    fn ironic_name(&self) -> &'static str {
        const NAMES: [(ErrorKind, &str); 4] = [
            (ErrorKind::Unreachable, "RedfishConnectionError"),
            (ErrorKind::Unsupported, "UnsupportedDriverExtension"),
            (ErrorKind::InvalidParameter, "InvalidParameterValue"),
            (ErrorKind::Timeout, "PowerStateFailure"),
        ];
        let kind = self.kind();
        NAMES.iter().find(|(named, _)| *named == kind).map_or("RedfishError", |(_, name)| name)
    }
}

impl From<RedfishError> for DriverError {
    fn from(error: RedfishError) -> Self {
        let status = error.status().map(|status| status.as_u16());
        let id = error.messages().and_then(Messages::worst).map(|message| message.id.clone());
        Self::new(error.kind(), error.to_string()).retryable(error.is_retryable()).with_details(json!({
            "error": error.ironic_name(),
            "status": status,
            "message_id": id,
        }))
    }
}

fn denial(messages: &Messages) -> String {
    if messages.has("PasswordChangeRequired") {
        "the password of the account must be changed first".to_owned()
    } else if messages.is_empty() {
        "the account has no privilege for it".to_owned()
    } else {
        messages.to_string()
    }
}

fn times(attempts: u32) -> String {
    if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") }
}

/// What the BMC said, else what its status means.
fn said(status: StatusCode, messages: &Messages) -> String {
    if !messages.is_empty() {
        return format!(": {messages}");
    }
    status.canonical_reason().map_or_else(String::new, |reason| format!(": {reason}"))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn asked() -> Asked {
        Asked {
            operation: "get power state",
            origin: "https://bmc1".to_owned(),
            method: Method::GET,
            path: "/redfish/v1/Systems/1".to_owned(),
        }
    }

    fn error(failure: Failure) -> RedfishError {
        RedfishError::new(asked(), failure)
    }

    fn status(code: u16, body: &str) -> RedfishError {
        error(Failure::Status {
            request: asked().to_string(),
            status: StatusCode::from_u16(code).unwrap(),
            messages: Messages::read(body.as_bytes()),
        })
    }

    #[test]
    fn texts_name_operation_request_status_and_reason() {
        let refused = error(Failure::Connection {
            request: asked().to_string(),
            phase: Phase::Connect,
            reason: "connection refused".to_owned(),
            attempts: 5,
            elapsed: Duration::from_millis(16_040),
            outcome_unknown: false,
        });

        assert_snapshot!(refused, @"get power state failed: cannot connect for GET `/redfish/v1/Systems/1` at `https://bmc1`: connection refused (5 attempts in 16.0 s)");
        assert_snapshot!(
            status(404, r#"{"error": {"message": "Gone."}}"#),
            @"get power state failed: GET `/redfish/v1/Systems/1` at `https://bmc1` answered 404: Gone."
        );
        assert_snapshot!(status(400, ""), @"get power state failed: GET `/redfish/v1/Systems/1` at `https://bmc1` answered 400: Bad Request");
        assert_snapshot!(status(599, ""), @"get power state failed: GET `/redfish/v1/Systems/1` at `https://bmc1` answered 599");
    }

    #[test]
    fn kinds_and_retries_follow_the_table() {
        let cases = [
            (400, ErrorKind::Hardware, false),
            (404, ErrorKind::Hardware, false),
            (405, ErrorKind::Unsupported, false),
            (409, ErrorKind::Conflict, true),
            (412, ErrorKind::Hardware, false),
            (429, ErrorKind::Busy, true),
            (500, ErrorKind::Busy, true),
            (501, ErrorKind::Unsupported, false),
        ];
        for (code, kind, retryable) in cases {
            let driver: DriverError = status(code, "").into();
            assert_eq!((driver.kind(), driver.is_retryable()), (kind, retryable), "{code}");
            assert_eq!(driver.details()["status"], code);
        }
    }
}

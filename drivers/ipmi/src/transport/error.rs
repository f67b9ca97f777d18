//! What can go wrong between a command and its answer.

use std::fmt;
use std::time::Duration;

use farrier_sdk::error::{DriverError, ErrorKind};
use serde_json::json;

use crate::command::completion::CompletionCode;
use crate::target::{Endpoint, Privilege};

/// Result of speaking to a BMC.
pub type Result<T, E = TransportError> = std::result::Result<T, E>;

/// What to look at when a BMC does not answer at all: several vendors deliver theirs so.
const HINT: &str = "IPMI over LAN may be disabled there";

/// Why a command has no answer, or not the one wanted. Every message names the BMC.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The host name leads to no address.
    #[error("cannot resolve `{endpoint}`: {reason}; {effort}")]
    Unresolved {
        /// The BMC.
        endpoint: Endpoint,
        /// What the resolver says.
        reason: String,
        /// What was tried.
        effort: Effort,
    },
    /// No datagram could be sent.
    #[error("cannot send to `{endpoint}`: {reason}; {effort}")]
    Unsent {
        /// The BMC.
        endpoint: Endpoint,
        /// What the operating system says.
        reason: String,
        /// What was tried.
        effort: Effort,
    },
    /// The BMC answered nothing.
    #[error("no reply from `{endpoint}`: {effort}; {HINT}")]
    NoReply {
        /// The BMC.
        endpoint: Endpoint,
        /// What was tried.
        effort: Effort,
    },
    /// Nothing listens on the BMC's port.
    #[error("connection refused by `{endpoint}`: {effort}; {HINT}")]
    Refused {
        /// The BMC.
        endpoint: Endpoint,
        /// What was tried.
        effort: Effort,
    },
    /// The BMC offers sessions but falls silent when told who asks.
    #[error("no answer to login from `{endpoint}`, user name or password probably wrong: {effort}")]
    LoginUnanswered {
        /// The BMC.
        endpoint: Endpoint,
        /// What was tried.
        effort: Effort,
    },
    /// The BMC refused who we are.
    #[error("authentication with `{endpoint}` failed: {fault}")]
    Authentication {
        /// The BMC.
        endpoint: Endpoint,
        /// What it refused.
        fault: AuthenticationFault,
    },
    /// The BMC refused who we are a little while ago, and it would be asked again in the background only.
    #[error(
        "authentication with `{endpoint}` failed: {fault}; not tried again in the background for {} s, so that no account \
         is locked",
        wait.as_secs()
    )]
    AuthenticationHeld {
        /// The BMC.
        endpoint: Endpoint,
        /// What it refused.
        fault: AuthenticationFault,
        /// How much longer.
        wait: Duration,
    },
    /// The BMC and we have no cipher suite in common.
    #[error("no usable cipher suite with `{endpoint}` (tried {tried}); the BMC said: {reason}")]
    NoCipherSuite {
        /// The BMC.
        endpoint: Endpoint,
        /// Suites tried, in order.
        tried: String,
        /// What the BMC said to the last of them.
        reason: String,
    },
    /// The BMC chose algorithms nobody asked for.
    #[error("`{endpoint}` tried to downgrade the session (tried cipher suites {tried}): {reason}")]
    Downgrade {
        /// The BMC.
        endpoint: Endpoint,
        /// Suites tried, in order.
        tried: String,
        /// What it chose.
        reason: String,
    },
    /// All sessions the BMC can have are taken.
    #[error("too many sessions on the BMC `{endpoint}`: {effort}")]
    TooManySessions {
        /// The BMC.
        endpoint: Endpoint,
        /// What was tried.
        effort: Effort,
    },
    /// The BMC broke the protocol of the login.
    #[error("login to `{endpoint}` failed: {reason}")]
    Login {
        /// The BMC.
        endpoint: Endpoint,
        /// What it said.
        reason: String,
    },
    /// A login has to wait longer than the command may take.
    #[error(
        "login to `{endpoint}` is held back for {wait:?} by `[ipmi]min_command_interval`, or because the BMC resets itself"
    )]
    HeldBack {
        /// The BMC.
        endpoint: Endpoint,
        /// How much longer.
        wait: Duration,
    },
    /// Others kept the BMC busy for the whole time the command had.
    #[error("`{endpoint}` was busy with other commands: {effort}")]
    Queued {
        /// The BMC.
        endpoint: Endpoint,
        /// What was tried.
        effort: Effort,
    },
    /// The BMC answered that it did not do it.
    #[error("`{endpoint}` refused {command}: {} ({code})", code.text(*netfn, *cmd))]
    Completion {
        /// The BMC.
        endpoint: Endpoint,
        /// Name of the command.
        command: &'static str,
        /// Its network function.
        netfn: u8,
        /// Its number.
        cmd: u8,
        /// What the BMC answered.
        code: CompletionCode,
    },
    /// The BMC's answer has not the form of the command.
    #[error("malformed reply of `{endpoint}` to {command} ({netfn:02x}h/{cmd:02x}h)")]
    Malformed {
        /// The BMC.
        endpoint: Endpoint,
        /// Name of the command.
        command: &'static str,
        /// Its network function.
        netfn: u8,
        /// Its number.
        cmd: u8,
    },
    /// The request was sent and must not be repeated; whether it was carried out is not known.
    #[error("no reply of `{endpoint}` to {command}, its outcome is unknown: {effort}")]
    OutcomeUnknown {
        /// The BMC.
        endpoint: Endpoint,
        /// Name of the command.
        command: &'static str,
        /// What was tried.
        effort: Effort,
    },
    /// The plugin is being closed.
    #[error("the transport is closing, `{0}` was not asked")]
    Closing(Endpoint),
}

/// What about our credentials a BMC refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationFault {
    /// No user of this name.
    #[error("user name")]
    User,
    /// The password does not fit.
    #[error("password")]
    Password,
    /// The key of the BMC does not fit.
    #[error("K_g, the BMC key")]
    BmcKey,
    /// The user may not have this level.
    #[error("privilege level {0} not allowed")]
    Privilege(Privilege),
    /// The user has the level, but the command wants a higher one.
    #[error("insufficient privilege: {0} may not do this")]
    Insufficient(Privilege),
}

/// What was tried until a command was given up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Datagrams sent.
    pub sends: u32,
    /// Logins started.
    pub logins: u32,
    /// How long it took.
    pub elapsed: Duration,
}

/// Prints `11 datagrams in 4 logins, 44.0 s`.
impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u32| if count == 1 { "" } else { "s" };
        write!(f, "sent {} datagram{}", self.sends, plural(self.sends))?;
        if self.logins > 0 {
            write!(f, " in {} login attempt{}", self.logins, plural(self.logins))?;
        }
        write!(f, ", waited {:.1} s", self.elapsed.as_secs_f64())
    }
}

impl TransportError {
    /// The completion code, if the BMC answered one.
    #[must_use]
    pub fn completion_code(&self) -> Option<CompletionCode> {
        if let Self::Completion { code, .. } = self { Some(*code) } else { None }
    }

    /// Whether the command may have been carried out though no answer says so.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. })
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unresolved { .. }
            | Self::Unsent { .. }
            | Self::NoReply { .. }
            | Self::Refused { .. }
            | Self::LoginUnanswered { .. } => ErrorKind::Unreachable,
            Self::Authentication { .. } | Self::AuthenticationHeld { .. } => ErrorKind::AuthFailed,
            Self::NoCipherSuite { .. }
            | Self::Downgrade { .. }
            | Self::Login { .. }
            | Self::Malformed { .. } => ErrorKind::Protocol,
            Self::TooManySessions { .. } | Self::HeldBack { .. } | Self::Queued { .. } => ErrorKind::Busy,
            Self::Completion { code, .. } if CompletionCode::RETRYABLE.contains(code) => ErrorKind::Busy,
            Self::Completion { .. } => ErrorKind::Hardware,
            Self::OutcomeUnknown { .. } => ErrorKind::Timeout,
            Self::Closing(_) => ErrorKind::Cancelled,
        }
    }
}

impl From<TransportError> for DriverError {
    fn from(error: TransportError) -> Self {
        let converted = Self::new(error.kind(), error.to_string());
        if let TransportError::Completion { netfn, cmd, code, .. } = &error {
            return converted.with_details(json!({"netfn": netfn, "cmd": cmd, "completion_code": code.0}));
        }
        // A lock-out follows repeated logins with bad credentials.
        if matches!(error, TransportError::LoginUnanswered { .. }) {
            return converted.retryable(false);
        }
        converted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint { host: "192.0.2.7".into(), port: 623 }
    }

    #[test]
    fn an_unreachable_bmc_is_named_with_what_was_tried() {
        let effort = Effort { sends: 16, logins: 4, elapsed: Duration::from_secs(44) };

        let error = DriverError::from(TransportError::NoReply { endpoint: endpoint(), effort });

        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert_eq!(
            error.message(),
            "no reply from `192.0.2.7:623`: sent 16 datagrams in 4 login attempts, waited 44.0 s; \
             IPMI over LAN may be disabled there"
        );
    }

    #[test]
    fn a_refusal_carries_its_code() {
        let error = DriverError::from(TransportError::Completion {
            endpoint: endpoint(),
            command: "Chassis Control",
            netfn: 0,
            cmd: 2,
            code: CompletionCode::NOT_IN_THIS_STATE,
        });

        assert_eq!(error.kind(), ErrorKind::Hardware);
        assert_eq!(error.details(), &json!({"netfn": 0, "cmd": 2, "completion_code": 0xD5}));
        assert_eq!(
            error.message(),
            "`192.0.2.7:623` refused Chassis Control: command not supported in the present state (d5h)"
        );
    }
}

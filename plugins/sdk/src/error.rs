//! What a driver answers when it cannot do what was asked.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The result of a driver method.
pub type Result<T, E = DriverError> = std::result::Result<T, E>;

/// Longest message kept, in bytes; longer ones are cut.
const MESSAGE_SIZE_MAX: usize = 4096;

/// Why a driver could not do what was asked.
///
/// The kind decides what the conductor does; the message is for people. It says what was attempted and on
/// what, in lower case, without period, values in backticks, and it never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverError {
    kind: ErrorKind,
    message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(default)]
    retryable: bool,
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    details: serde_json::Value,
}

impl DriverError {
    /// An error of `kind`; [`ErrorKind::is_retryable`] sets whether trying again may help.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MESSAGE_SIZE_MAX {
            message.truncate(message.floor_char_boundary(MESSAGE_SIZE_MAX));
        }
        let retryable = kind.is_retryable();
        Self { kind, message, causes: Vec::new(), retryable, details: serde_json::Value::Null }
    }

    /// The implementation lacks what was asked for.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, what)
    }

    /// Required values are missing; the message names all of them.
    pub fn missing_parameter(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::MissingParameter, message)
    }

    /// A value is not acceptable; the message names it and what is allowed.
    pub fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidParameter, message)
    }

    /// The BMC did not answer; the message names its address.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unreachable, message)
    }

    /// The BMC refused the credentials.
    pub fn auth_failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::AuthFailed, message)
    }

    /// Something was not reached in time.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Timeout, message)
    }

    /// The BMC answered what its protocol does not allow.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, message)
    }

    /// The machine or its BMC reported a failure.
    pub fn hardware(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Hardware, message)
    }

    /// A defect of the driver.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Takes the chain of `source` as the causes of this error.
    #[must_use]
    pub fn caused_by(mut self, source: &(dyn Error + 'static)) -> Self {
        let mut next = Some(source);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            next = error.source();
        }
        self
    }

    /// Says whether trying again may help, against the habit of the kind.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    /// Attaches data for programs, such as a completion code.
    #[must_use]
    pub fn with_details(mut self, details: serde_json::Value) -> Self {
        self.details = details;
        self
    }

    /// What went wrong, for the conductor.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What went wrong, for people; without its causes.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Why, outermost first.
    #[must_use]
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// Whether trying again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// Data for programs, null if none.
    #[must_use]
    pub fn details(&self) -> &serde_json::Value {
        &self.details
    }
}

/// Prints the message and then each cause, separated by colons: the chain was flattened when it was made.
impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl Error for DriverError {}

/// What went wrong, as far as the conductor acts on it.
///
/// Kinds of a newer plugin that this host does not know are read as [`Internal`](Self::Internal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The implementation lacks the method, or the machine the ability.
    Unsupported,
    /// A required value is absent.
    MissingParameter,
    /// A value is not acceptable.
    InvalidParameter,
    /// The BMC refused the credentials or the privilege.
    AuthFailed,
    /// The BMC did not answer.
    Unreachable,
    /// Something was not reached in time.
    Timeout,
    /// The BMC answered what its protocol does not allow.
    Protocol,
    /// The BMC is busy and says so.
    Busy,
    /// The data was changed by somebody else, or the state of the machine forbids it.
    Conflict,
    /// The machine or its BMC reported a failure.
    Hardware,
    /// The host asked the call to end.
    Cancelled,
    /// The task was used after its call had ended.
    TaskClosed,
    /// A document was too large, too deep or not JSON.
    BadPayload,
    /// The plugin panicked. Made by the host's side of the boundary only.
    PluginPanicked,
    /// The plugin's process died. Made by the host only.
    PluginCrashed,
    /// The plugin does not let its executor go on. Made by the host only.
    PluginStalled,
    /// A defect.
    #[serde(other)]
    Internal,
}

impl ErrorKind {
    /// Whether trying again usually helps.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::Timeout | Self::Busy | Self::PluginStalled | Self::PluginCrashed
        )
    }
}

/// Prints an error and all its sources, separated by colons.
///
/// ```
/// use farrier_sdk::error::{Chain, DriverError};
///
/// let error = DriverError::unreachable("no answer from `192.0.2.1`");
/// assert_eq!(Chain(&error).to_string(), "no answer from `192.0.2.1`");
/// ```
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_kind_is_internal() {
        let error: DriverError = serde_json::from_str(r#"{"kind":"meltdown","message":"hot"}"#).unwrap();

        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(!error.is_retryable());
    }

    #[test]
    fn causes_are_flattened() {
        let source = std::io::Error::other(std::io::Error::other("inner"));

        let error = DriverError::unreachable("no answer from `192.0.2.1`").caused_by(&source);

        assert!(Chain(&error).to_string().starts_with("no answer from `192.0.2.1`: inner"));
    }
}

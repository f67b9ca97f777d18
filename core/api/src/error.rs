//! Errors as clients see them: Ironic's names with their codes, and the three shapes of an error's body.
//!
//! - A [`Fault`] comes from the resource asked for. Its body is an object whose `error_message` is a string that
//!   holds JSON once more; clients depend on that.
//! - A [`Refusal`] comes before any resource is reached: no such path, wrong method, bad version.
//! - An [`AuthFault`] asks for other credentials.
//!
//! Source: Ironic REST API, errors.

mod fault;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use fault::Fault;

/// The header in which Farrier names the error as Ironic does, as `NodeLocked`.
///
/// The body has no place for the name. Clients that know this header decide by it, others by the status.
pub const ERROR_NAME_HEADER: &str = "X-Farrier-Error";

/// The name of an error, as Ironic calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the reference's and say what they mean; row() has the table")]
pub enum ErrorName {
    BiosSettingNotFound,
    BootModeNotAllowed,
    ChildNodeLocked,
    ClientSideError,
    ConcurrentActionLimit,
    ConductorNotFound,
    Conflict,
    DriverLoadError,
    DriverNotFound,
    ExclusiveLockRequired,
    HardwareFailure,
    IncompatibleInterface,
    InstanceAssociated,
    InstanceDeployFailure,
    InstanceRescueFailure,
    InstanceUnrescueFailure,
    InterfaceNotFoundInEntrypoint,
    InternalError,
    Invalid,
    InvalidIdentity,
    InvalidMac,
    InvalidName,
    InvalidParameterValue,
    InvalidState,
    InvalidStateRequested,
    InvalidUuid,
    MacAlreadyExists,
    MissingParameterValue,
    NoFreeConductorWorker,
    NoValidDefaultForInterface,
    NoValidHost,
    NodeAlreadyExists,
    NodeAssociated,
    NodeInMaintenance,
    NodeIsRetired,
    NodeLocked,
    NodeNotFound,
    NodeNotLocked,
    NodeProtected,
    NodeTraitNotFound,
    NotAcceptable,
    NotFound,
    ParentNodeLocked,
    PatchError,
    PortAlreadyExists,
    PortNotFound,
    PowerStateFailure,
    StepNotAllowed,
    TemporaryFailure,
    UnsupportedDriverExtension,
    VendorPassthruException,
}

impl ErrorName {
    /// The status this error is answered with, unless a place in the contract says otherwise.
    pub fn code(self) -> u16 {
        self.row().1
    }

    /// The name as text, for logs and for [`ERROR_NAME_HEADER`].
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// Whether the same request may succeed a moment later, because somebody else was in the way.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::NodeLocked
                | Self::ParentNodeLocked
                | Self::ChildNodeLocked
                | Self::NoFreeConductorWorker
                | Self::ConcurrentActionLimit
                | Self::TemporaryFailure
        )
    }

    /// Whether the node's present state is what forbids the request.
    pub fn is_state_refusal(self) -> bool {
        matches!(
            self,
            Self::InvalidStateRequested
                | Self::InvalidState
                | Self::NodeInMaintenance
                | Self::NodeIsRetired
                | Self::NodeProtected
                | Self::PowerStateFailure
        )
    }

    /// The error with this name.
    pub fn parse(name: &str) -> Option<Self> {
        ALL.iter().copied().find(|error| error.as_str() == name)
    }

    /// Name and status of every error.
    #[rustfmt::skip]
    fn row(self) -> (&'static str, u16) {
        match self {
            Self::BiosSettingNotFound => ("BIOSSettingNotFound", 404),
            Self::BootModeNotAllowed => ("BootModeNotAllowed", 400),
            Self::ChildNodeLocked => ("ChildNodeLocked", 409),
            Self::ClientSideError => ("ClientSideError", 400),
            Self::ConcurrentActionLimit => ("ConcurrentActionLimit", 503),
            Self::ConductorNotFound => ("ConductorNotFound", 404),
            Self::Conflict => ("Conflict", 409),
            Self::DriverLoadError => ("DriverLoadError", 500),
            Self::DriverNotFound => ("DriverNotFound", 404),
            Self::ExclusiveLockRequired => ("ExclusiveLockRequired", 403),
            Self::HardwareFailure => ("HardwareFailure", 500),
            Self::IncompatibleInterface => ("IncompatibleInterface", 400),
            Self::InstanceAssociated => ("InstanceAssociated", 409),
            Self::InstanceDeployFailure => ("InstanceDeployFailure", 500),
            Self::InstanceRescueFailure => ("InstanceRescueFailure", 500),
            Self::InstanceUnrescueFailure => ("InstanceUnrescueFailure", 500),
            Self::InterfaceNotFoundInEntrypoint => ("InterfaceNotFoundInEntrypoint", 400),
            Self::InternalError => ("InternalError", 500),
            Self::Invalid => ("Invalid", 400),
            Self::InvalidIdentity => ("InvalidIdentity", 400),
            Self::InvalidMac => ("InvalidMAC", 400),
            Self::InvalidName => ("InvalidName", 400),
            Self::InvalidParameterValue => ("InvalidParameterValue", 400),
            Self::InvalidState => ("InvalidState", 409),
            Self::InvalidStateRequested => ("InvalidStateRequested", 400),
            Self::InvalidUuid => ("InvalidUUID", 400),
            Self::MacAlreadyExists => ("MACAlreadyExists", 409),
            Self::MissingParameterValue => ("MissingParameterValue", 400),
            Self::NoFreeConductorWorker => ("NoFreeConductorWorker", 503),
            Self::NoValidDefaultForInterface => ("NoValidDefaultForInterface", 400),
            Self::NoValidHost => ("NoValidHost", 404),
            Self::NodeAlreadyExists => ("NodeAlreadyExists", 409),
            Self::NodeAssociated => ("NodeAssociated", 409),
            Self::NodeInMaintenance => ("NodeInMaintenance", 400),
            Self::NodeIsRetired => ("NodeIsRetired", 400),
            Self::NodeLocked => ("NodeLocked", 409),
            Self::NodeNotFound => ("NodeNotFound", 404),
            Self::NodeNotLocked => ("NodeNotLocked", 400),
            Self::NodeProtected => ("NodeProtected", 403),
            Self::NodeTraitNotFound => ("NodeTraitNotFound", 404),
            Self::NotAcceptable => ("NotAcceptable", 406),
            Self::NotFound => ("NotFound", 404),
            Self::ParentNodeLocked => ("ParentNodeLocked", 409),
            Self::PatchError => ("PatchError", 400),
            Self::PortAlreadyExists => ("PortAlreadyExists", 409),
            Self::PortNotFound => ("PortNotFound", 404),
            Self::PowerStateFailure => ("PowerStateFailure", 409),
            Self::StepNotAllowed => ("StepNotAllowed", 400),
            Self::TemporaryFailure => ("TemporaryFailure", 503),
            Self::UnsupportedDriverExtension => ("UnsupportedDriverExtension", 400),
            Self::VendorPassthruException => ("VendorPassthruException", 500),
        }
    }
}

impl fmt::Display for ErrorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Every error, for looking one up by its name.
#[rustfmt::skip]
const ALL: &[ErrorName] = &[
    ErrorName::BiosSettingNotFound,
    ErrorName::BootModeNotAllowed,
    ErrorName::ChildNodeLocked,
    ErrorName::ClientSideError,
    ErrorName::ConcurrentActionLimit,
    ErrorName::ConductorNotFound,
    ErrorName::Conflict,
    ErrorName::DriverLoadError,
    ErrorName::DriverNotFound,
    ErrorName::ExclusiveLockRequired,
    ErrorName::HardwareFailure,
    ErrorName::IncompatibleInterface,
    ErrorName::InstanceAssociated,
    ErrorName::InstanceDeployFailure,
    ErrorName::InstanceRescueFailure,
    ErrorName::InstanceUnrescueFailure,
    ErrorName::InterfaceNotFoundInEntrypoint,
    ErrorName::InternalError,
    ErrorName::Invalid,
    ErrorName::InvalidIdentity,
    ErrorName::InvalidMac,
    ErrorName::InvalidName,
    ErrorName::InvalidParameterValue,
    ErrorName::InvalidState,
    ErrorName::InvalidStateRequested,
    ErrorName::InvalidUuid,
    ErrorName::MacAlreadyExists,
    ErrorName::MissingParameterValue,
    ErrorName::NoFreeConductorWorker,
    ErrorName::NoValidDefaultForInterface,
    ErrorName::NoValidHost,
    ErrorName::NodeAlreadyExists,
    ErrorName::NodeAssociated,
    ErrorName::NodeInMaintenance,
    ErrorName::NodeIsRetired,
    ErrorName::NodeLocked,
    ErrorName::NodeNotFound,
    ErrorName::NodeNotLocked,
    ErrorName::NodeProtected,
    ErrorName::NodeTraitNotFound,
    ErrorName::NotAcceptable,
    ErrorName::NotFound,
    ErrorName::ParentNodeLocked,
    ErrorName::PatchError,
    ErrorName::PortAlreadyExists,
    ErrorName::PortNotFound,
    ErrorName::PowerStateFailure,
    ErrorName::StepNotAllowed,
    ErrorName::TemporaryFailure,
    ErrorName::UnsupportedDriverExtension,
    ErrorName::VendorPassthruException,
];

/// A request refused before any resource is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The status.
    pub code: u16,
    /// The status in words.
    pub title: String,
    /// What is wrong; often empty.
    #[serde(default)]
    pub description: String,
}

impl Refusal {
    /// A refusal whose title follows from its status.
    pub fn new(code: u16, description: impl Into<String>) -> Self {
        Self { code, title: reason(code).to_owned(), description: description.into() }
    }

    /// 404 for a path that leads nowhere, or not yet in the version asked for.
    pub fn no_such_path() -> Self {
        Self::new(404, "")
    }

    /// 405 for a method the path does not have; the answer also carries `Allow`.
    pub fn no_such_method() -> Self {
        Self::new(405, "")
    }

    /// The body of the answer.
    pub fn body(&self) -> String {
        enclosed(self)
    }
}

/// A request without credentials, or with wrong ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthFault {
    /// What is wrong.
    pub message: String,
    /// The status: 401, or 400 for a header that cannot be read.
    pub code: u16,
}

impl AuthFault {
    /// The body of the answer.
    pub fn body(&self) -> String {
        json(&AuthBody { error: self.clone() })
    }
}

/// What a client finds in the body of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorBody {
    /// An error of the resource.
    Fault {
        /// `Client` or `Server`.
        faultcode: String,
        /// What is wrong.
        faultstring: String,
    },
    /// A refusal before the resource.
    Refusal(Refusal),
    /// Wrong credentials.
    Auth(AuthFault),
}

impl ErrorBody {
    /// Reads the body of an error; `None` when it has none of the three shapes, as from a proxy.
    ///
    /// The doubly encoded message is also understood when it is encoded only once.
    pub fn parse(body: &str) -> Option<Self> {
        if let Ok(auth) = serde_json::from_str::<AuthBody>(body) {
            return Some(Self::Auth(auth.error));
        }
        match serde_json::from_str::<Enclosed<Message>>(body).ok()?.error_message {
            Message::Encoded(text) => Some(serde_json::from_str::<Inner>(&text).ok()?.into()),
            Message::Plain(inner) => Some(inner.into()),
        }
    }

    /// What is wrong, in the words of the server; for a refusal without words its title.
    pub fn message(&self) -> &str {
        match self {
            Self::Fault { faultstring, .. } => faultstring,
            Self::Refusal(refusal) if refusal.description.is_empty() => &refusal.title,
            Self::Refusal(refusal) => &refusal.description,
            Self::Auth(auth) => &auth.message,
        }
    }
}

/// The status in words; empty for one this API never answers.
pub fn reason(code: u16) -> &'static str {
    match code {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "",
    }
}

#[derive(Serialize, Deserialize)]
struct AuthBody {
    error: AuthFault,
}

#[derive(Serialize, Deserialize)]
struct Enclosed<T> {
    error_message: T,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Encoded(String),
    Plain(Inner),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Inner {
    Fault { faultcode: String, faultstring: String },
    Refusal(Refusal),
}

impl From<Inner> for ErrorBody {
    fn from(inner: Inner) -> Self {
        match inner {
            Inner::Fault { faultcode, faultstring } => Self::Fault { faultcode, faultstring },
            Inner::Refusal(refusal) => Self::Refusal(refusal),
        }
    }
}

/// `value` as JSON within a string within an object.
fn enclosed(value: &impl Serialize) -> String {
    json(&Enclosed { error_message: json(value) })
}

/// `value` as JSON.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("these types have no keys but text and no custom serializer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_errors_lacks_none() {
        for (index, error) in ALL.iter().enumerate() {
            assert_eq!(*error as usize, index, "the one before {error} is missing");
        }
        assert_eq!(ALL.last(), Some(&ErrorName::VendorPassthruException));
    }

    #[test]
    fn every_error_is_found_by_its_name() {
        for error in ALL {
            assert_eq!(ErrorName::parse(error.as_str()), Some(*error));
        }
        assert_eq!(ErrorName::parse("Nonsense"), None);
    }

    #[test]
    fn a_fault_is_json_in_a_string() {
        insta::assert_snapshot!(Fault::node_not_found("n\"1").body(), @r#"{"error_message":"{\"faultcode\":\"Client\",\"faultstring\":\"Node n\\\"1 could not be found.\",\"debuginfo\":null}"}"#);
    }

    #[test]
    fn a_refusal_is_json_in_a_string_too() {
        insta::assert_snapshot!(Refusal::no_such_path().body(), @r#"{"error_message":"{\"code\":404,\"title\":\"Not Found\",\"description\":\"\"}"}"#);
    }

    #[test]
    fn an_auth_fault_is_an_object() {
        let fault = AuthFault { message: "Incorrect username or password".to_owned(), code: 401 };

        insta::assert_snapshot!(fault.body(), @r#"{"error":{"message":"Incorrect username or password","code":401}}"#);
    }

    #[test]
    fn defects_of_the_server_say_so() {
        let body = Fault::new(ErrorName::InternalError, "oops").body();

        assert!(body.contains("Server"), "{body}");
    }

    #[test]
    fn every_shape_is_read_back() {
        let fault = Fault::node_not_found("n1");
        let refusal = Refusal::new(406, "no");
        let auth = AuthFault { message: "who?".to_owned(), code: 401 };

        let messages: Vec<String> =
            [fault.body(), refusal.body(), auth.body(), Refusal::no_such_path().body()]
                .iter()
                .map(|body| ErrorBody::parse(body).unwrap().message().to_owned())
                .collect();

        assert_eq!(messages, ["Node n1 could not be found.", "no", "who?", "Not Found"]);
    }

    #[test]
    fn a_body_of_somebody_else_is_not_taken_for_an_error() {
        for body in ["", "<html>", "{}", "[]", r#"{"error_message": "plain"}"#] {
            assert_eq!(ErrorBody::parse(body), None, "{body}");
        }
    }
}

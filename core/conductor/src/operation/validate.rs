//! Asking every interface of a node whether it has what it needs.

use farrier_model::node::Node;
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::glue::Caller;
use farrier_sdk::interface::InterfaceType;

use crate::error::ConductorError;
use crate::task::SharedTask;

/// What one interface answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// The interface type.
    pub kind: InterfaceType,
    /// Whether it has what it needs; `None`: not supported.
    pub result: Option<bool>,
    /// Why not.
    pub reason: Option<String>,
}

/// Validates every interface but vendor, in their usual order.
pub(crate) async fn validate(task: &mut SharedTask, host: &str) -> Result<Vec<Validation>, ConductorError> {
    let mut answers = Vec::new();
    for kind in InterfaceType::NON_VENDOR {
        let caller = task.caller(kind)?;
        let answer = caller.call("validate", b"{}".to_vec()).await;
        let reason = answer.err().map(|error| reason(task.node(), kind, host, &error));
        answers.push(Validation { kind, result: Some(reason.is_none()), reason });
    }
    Ok(answers)
}

/// Why an interface cannot work, for the operator.
fn reason(node: &Node, kind: InterfaceType, host: &str, error: &DriverError) -> String {
    if error.kind() == ErrorKind::Unsupported {
        return format!("Driver {} does not support {kind} (disabled or not implemented).", node.driver);
    }
    if matches!(error.kind(), ErrorKind::MissingParameter | ErrorKind::InvalidParameter) {
        return error.to_string();
    }
    tracing::warn!(node = %node.uuid, interface = %kind, %error, "validation failed");
    format!("The driver could not find out; the log of conductor {host} says more: {error}")
}

//! Asking every interface of a node whether it has what it needs.

use farrier_sdk::error::ErrorKind;
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
        let (result, reason) = match answer {
            Ok(_) => (Some(true), None),
            Err(error) => match error.kind() {
                ErrorKind::Unsupported => {
                    let driver = &task.node().driver;
                    let text =
                        format!("Driver {driver} does not support {kind} (disabled or not implemented).");
                    (Some(false), Some(text))
                }
                ErrorKind::MissingParameter | ErrorKind::InvalidParameter => {
                    (Some(false), Some(error.to_string()))
                }
                _ => {
                    tracing::warn!(node = %task.node().uuid, interface = %kind, %error, "validation failed");
                    let text = format!(
                        "Unexpected exception, traceback saved into log by ironic conductor service that is running on {host}: {error}"
                    );
                    (Some(false), Some(text))
                }
            },
        };
        answers.push(Validation { kind, result, reason });
    }
    Ok(answers)
}

//! Whether the interfaces of a node could work with what they are given.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What `GET /v1/nodes/ID/validate` answers: a result for each interface type but `vendor`.
pub type Validation = BTreeMap<String, ValidationResult>;

/// The result for one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidationResult {
    /// Whether it could work; null when the node does not have the interface.
    pub result: Option<bool>,
    /// Why it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ValidationResult {
    /// It could work.
    pub fn ok() -> Self {
        Self { result: Some(true), reason: None }
    }

    /// It could not, and why.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self { result: Some(false), reason: Some(reason.into()) }
    }

    /// The node does not have it, and why.
    pub fn unsupported(reason: impl Into<String>) -> Self {
        Self { result: None, reason: Some(reason.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_result_has_no_reason() {
        assert_eq!(serde_json::to_string(&ValidationResult::ok()).unwrap(), r#"{"result":true}"#);
        assert_eq!(
            serde_json::to_string(&ValidationResult::failed("no address")).unwrap(),
            r#"{"result":false,"reason":"no address"}"#
        );
        assert_eq!(
            serde_json::to_string(&ValidationResult::unsupported("none")).unwrap(),
            r#"{"result":null,"reason":"none"}"#
        );
    }
}

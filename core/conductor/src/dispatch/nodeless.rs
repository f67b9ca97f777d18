//! Calls about a hardware type, without a node.

use std::sync::Arc;
use std::time::Duration;

use farrier_host::{CallOptions, Interface, NodeAccess};
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::glue::{BoxFuture, Caller, encode};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::task::Node;
use tracing::{Level, span};

use crate::error::ConductorError;
use crate::service::Conductor;

/// Carries calls to the implementation that nodes of a hardware type get unless they choose another.
#[derive(Debug, Clone)]
pub(crate) struct NodelessCaller {
    interface: Arc<Interface>,
    hardware_type: String,
    timeout: Duration,
}

impl NodelessCaller {
    /// Names the hardware type in an error.
    pub(crate) fn failed(
        &self,
        operation: &'static str,
    ) -> impl FnOnce(DriverError) -> ConductorError + use<> {
        let hardware_type = self.hardware_type.clone();
        move |source| ConductorError::HardwareType { hardware_type, operation, source: Box::new(source) }
    }
}

impl Caller for NodelessCaller {
    async fn call(&self, method: &'static str, arguments: Vec<u8>) -> Result<Vec<u8>, DriverError> {
        let span = span!(
            Level::INFO,
            "call",
            hardware_type = self.hardware_type,
            interface = %self.interface.kind(),
            implementation = self.interface.name(),
            method,
        );
        let options = CallOptions { timeout: Some(self.timeout), span, ..CallOptions::default() };
        self.interface.call(method, arguments, Arc::new(NoNode), &options).await
    }
}

impl Conductor {
    /// Reaches the default implementation of a hardware type.
    pub(crate) fn nodeless(
        &self,
        hardware_type: &str,
        kind: InterfaceType,
    ) -> Result<NodelessCaller, ConductorError> {
        let interface = self.registry().default_interface(hardware_type, kind, None)?;
        Ok(NodelessCaller {
            interface: Arc::clone(interface),
            hardware_type: hardware_type.to_owned(),
            timeout: self.tasks().shared().call_timeout(),
        })
    }
}

/// What a call without a node sees: a node without anything.
struct NoNode;

impl NodeAccess for NoNode {
    fn snapshot(&self) -> Vec<u8> {
        encode(&Node::default()).unwrap_or_default()
    }

    fn call(&self, method: String, _arguments: Vec<u8>) -> BoxFuture<Result<Vec<u8>, DriverError>> {
        let text = format!("`{method}` needs a node, and there is none");
        Box::pin(async move { Err(DriverError::new(ErrorKind::Unsupported, text)) })
    }
}

//! An implementation that was opened.

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use farrier_abi::InterfaceBox;
use farrier_sdk::descriptor::InterfaceDescriptor;
use farrier_sdk::interface::InterfaceType;

use crate::call::{Call, CallOptions};
use crate::plugin::Shared;
use crate::task::NodeAccess;

/// One implementation, shared by all nodes that use it.
pub struct Interface {
    descriptor: InterfaceDescriptor,
    /// Never dropped, as its plugin.
    object: Arc<ManuallyDrop<InterfaceBox>>,
    shared: Arc<Shared>,
}

impl fmt::Debug for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interface")
            .field("kind", &self.descriptor.kind)
            .field("name", &self.descriptor.name)
            .field("plugin", &self.shared.name())
            .finish_non_exhaustive()
    }
}

impl Interface {
    pub(crate) fn new(descriptor: InterfaceDescriptor, object: InterfaceBox, shared: Arc<Shared>) -> Self {
        Self { descriptor, object: Arc::new(ManuallyDrop::new(object)), shared }
    }

    /// What it says about itself.
    #[must_use]
    pub fn descriptor(&self) -> &InterfaceDescriptor {
        &self.descriptor
    }

    /// Its interface type.
    #[must_use]
    pub fn kind(&self) -> InterfaceType {
        self.descriptor.kind
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.descriptor.name
    }

    /// The plugin it belongs to.
    #[must_use]
    pub fn plugin(&self) -> &str {
        self.shared.name()
    }

    /// Calls one method with a JSON object; the answer is the JSON of the result.
    ///
    /// Must be called inside a tokio runtime, where the node's own part of the work then runs. The call itself
    /// runs on the plugin's executor; dropping the answer cancels it.
    ///
    /// # Errors of the answer
    ///
    /// - `Unsupported`: the implementation does not list `method`; nothing was called.
    /// - `Timeout`: the deadline has passed, and the grace after it.
    /// - `PluginPanicked`, `PluginStalled`: the plugin is broken or does not come back.
    /// - Whatever the driver answers.
    pub fn call(
        &self,
        method: &str,
        arguments: Vec<u8>,
        access: Arc<dyn NodeAccess>,
        options: &CallOptions,
    ) -> Call {
        Call::start(&self.shared, &self.object, self.check(method), method, arguments, access, options)
    }

    /// As [`call`](Self::call), also of a method that is not listed: for tools that judge plugins.
    pub fn call_unlisted(
        &self,
        method: &str,
        arguments: Vec<u8>,
        access: Arc<dyn NodeAccess>,
        options: &CallOptions,
    ) -> Call {
        Call::start(&self.shared, &self.object, Ok(()), method, arguments, access, options)
    }

    /// Steps and vendor methods are not methods of the interface type; the plugin looks for them itself.
    fn check(&self, method: &str) -> Result<(), farrier_sdk::error::DriverError> {
        if matches!(method, "execute_step" | "vendor_call") || self.descriptor.methods.contains(method) {
            return Ok(());
        }
        Err(farrier_sdk::glue::unsupported(self.descriptor.kind.as_str(), method))
    }
}

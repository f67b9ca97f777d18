//! Vendor methods: what only one vendor's driver has.

use farrier_model::node::{Fields, NodeName};
use farrier_sdk::descriptor::VendorMethodDescriptor;
use farrier_sdk::error::Chain;
use farrier_sdk::glue::Caller;
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::vendor::VendorClient;
use serde_json::{Value, json};
use tracing::warn;

use super::Conductor;
use super::management::start;
use crate::dispatch::DriverCaller;
use crate::error::ConductorError;
use crate::task::{Acquire, Job, JobError, RequestContext, SharedTask};

/// One call of a vendor method.
#[derive(Debug, Clone)]
pub struct VendorCall {
    /// The method.
    pub method: String,
    /// The HTTP method the client used, upper case.
    pub http_method: String,
    /// What the client sent.
    pub arguments: Fields,
}

/// What became of a call of a vendor method.
#[derive(Debug, Clone, PartialEq)]
pub enum VendorAnswer {
    /// The method goes on in the background.
    Started,
    /// The method has ended with this value.
    Value(Value),
    /// The method has ended with this content, to be sent as a file.
    File(Value),
}

impl Conductor {
    /// The vendor methods of a node. Takes no lock.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`; those of the registry.
    pub async fn vendor_methods(
        &self,
        context: RequestContext,
        name: &NodeName,
    ) -> Result<Vec<VendorMethodDescriptor>, ConductorError> {
        let node = self.node(name).await?;
        let acquire = Acquire { context, ..Acquire::new("listing vendor passthru methods") };
        let task = self.tasks.acquire_shared(&node, acquire).await?;
        Ok(methods(&task).to_vec())
    }

    /// Calls a vendor method, under the lock if it needs that.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked`, an unknown method, what the driver says of the arguments or answers,
    /// `NoFreeConductorWorker`.
    pub async fn call_vendor_method(
        &self,
        context: RequestContext,
        name: &NodeName,
        call: VendorCall,
    ) -> Result<VendorAnswer, ConductorError> {
        let node = self.node(name).await?;
        let acquire = Acquire { context, ..Acquire::new("calling vendor passthru") };
        let task = self.tasks.acquire_shared(&node, acquire).await?;
        let found = methods(&task).iter().find(|method| method.name == call.method).cloned();
        let Some(method) = found else {
            return Err(ConductorError::invalid_parameter(format!("No handler for method {}", call.method)));
        };
        if !method.http_methods.contains(&call.http_method) {
            let VendorCall { method, http_method, .. } = call;
            let text = format!("The method {method} does not support HTTP {http_method}");
            return Err(ConductorError::invalid_parameter(text));
        }
        if method.require_exclusive_lock {
            call_locked(task, &method, call).await
        } else {
            self.call_shared(task, &method, call).await
        }
    }

    async fn call_shared(
        &self,
        mut task: SharedTask,
        method: &VendorMethodDescriptor,
        call: VendorCall,
    ) -> Result<VendorAnswer, ConductorError> {
        let vendor = task.caller(InterfaceType::Vendor)?;
        validate(&vendor, &call).await?;
        if !method.asynchronous {
            return Ok(answer(method, run(&vendor, call).await.inspect_err(told_to_the_log)?));
        }
        let workers = &self.tasks.shared().workers;
        let permit = workers.acquire()?;
        workers.spawn(permit, async move {
            // Nobody waits for the answer.
            run(&vendor, call).await.map(drop).unwrap_or_else(|error| told_to_the_log(&error));
            drop(task);
        });
        Ok(VendorAnswer::Started)
    }
}

async fn call_locked(
    task: SharedTask,
    method: &VendorMethodDescriptor,
    call: VendorCall,
) -> Result<VendorAnswer, ConductorError> {
    let mut task = task.upgrade(|_| ()).await.map_err(|(_, error)| error)?;
    let validated = async {
        let vendor = task.caller(InterfaceType::Vendor)?;
        validate(&vendor, &call).await?;
        Ok(vendor)
    };
    let vendor = match validated.await {
        Ok(vendor) => vendor,
        Err(error) => return super::abandon(task, error).await,
    };
    if !method.asynchronous {
        let value = run(&vendor, call).await.inspect_err(told_to_the_log);
        let saved = match value {
            // The driver may have written its internal data.
            Ok(value) => task.save().await.map(|()| value),
            Err(error) => Err(error),
        };
        return super::end(task, saved).await.map(|value| answer(method, value));
    }
    let job = Job::new("vendor_passthru", move |task| {
        Box::pin(async move {
            let vendor = task.caller(InterfaceType::Vendor).map_err(JobError::from)?;
            run(&vendor, call).await.map_err(JobError::from)?;
            task.save().await.map_err(JobError::from)
        })
    });
    start(task, job).await.map(|()| VendorAnswer::Started)
}

/// What the node's vendor interface says it has.
fn methods(task: &SharedTask) -> &[VendorMethodDescriptor] {
    task.driver().map_or(&[], |driver| &driver.interface(InterfaceType::Vendor).descriptor().vendor_methods)
}

async fn validate(vendor: &DriverCaller, call: &VendorCall) -> Result<(), ConductorError> {
    let client = VendorClient(vendor.clone());
    let validated = client.validate(Some(call.method.clone()), call.arguments.clone()).await;
    validated.map_err(vendor.failed("validate"))
}

async fn run(vendor: &DriverCaller, call: VendorCall) -> Result<Value, ConductorError> {
    let VendorCall { method, arguments, http_method } = call;
    let outgoing = json!({"method": method, "http_method": http_method, "arguments": arguments});
    let outgoing = outgoing.to_string().into_bytes();
    let answered = vendor.call("vendor_call", outgoing).await.map_err(vendor.failed("vendor_call"))?;
    farrier_sdk::glue::decode(&answered).map_err(vendor.failed("vendor_call"))
}

/// Clients learn of a failure only what is theirs to know.
fn told_to_the_log(error: &ConductorError) {
    warn!(error = %Chain(error), "a vendor method failed");
}

fn answer(method: &VendorMethodDescriptor, value: Value) -> VendorAnswer {
    if method.attach { VendorAnswer::File(value) } else { VendorAnswer::Value(value) }
}

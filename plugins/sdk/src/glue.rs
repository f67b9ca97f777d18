//! The one adapter between the interface traits and the generic call of the boundary.
//!
//! Vendors do not use this module: the macros do, and a host does to call implementations linked into it.

mod depth;
mod guard;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use farrier_abi::abi_stable::std_types::{RResult, RSlice, RStr, RVec};
use farrier_abi::{BFuture, Bytes, CallFuture, DOCUMENT_SIZE_MAX, Interface, Poisoned, Reply, TaskBox};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{DriverError, ErrorKind, Result};
use crate::interface::InterfaceType;
use crate::property::Properties;
use crate::runtime::Runtime;
use crate::step::StepOutcome;
use crate::task::{DriverTask, TaskShared};

use depth::DOCUMENT_DEPTH_MAX;
pub(crate) use guard::current_task;
pub use guard::{Guarded, guard, install_panic_hook};

/// A boxed future that may move between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One implementation of an interface type. Written by `#[interface]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an implementation of an interface type",
    note = "write `#[interface(<type>, name = \"...\")]` above its `impl` of the interface trait"
)]
pub trait Implementation: Send + Sync + Sized + 'static {
    /// Its interface type.
    const KIND: InterfaceType;
    /// Its name.
    const NAME: &'static str;
    /// Other names it answers to.
    const ALIASES: &'static [&'static str];
    /// Its part of the descriptor, a JSON object.
    const DESCRIPTOR: &'static str;

    /// Answers one call with a JSON document.
    fn call(self: Arc<Self>, call: Call) -> BoxFuture<Result<Vec<u8>>>;
}

/// One call on its way to an implementation.
#[derive(Debug)]
pub struct Call {
    method: String,
    arguments: Vec<u8>,
    task: Arc<TaskShared>,
}

/// What a call is for.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// A method of the interface type.
    Method,
    /// The step of this name.
    Step(String),
    /// The vendor method of this name.
    VendorMethod(String),
}

impl Call {
    /// A call of `method` with a JSON object of arguments.
    #[must_use]
    pub fn new(method: String, arguments: Vec<u8>, task: TaskBox, runtime: Runtime) -> Self {
        Self { method, arguments, task: Arc::new(TaskShared::new(task, runtime)) }
    }

    /// Name of the method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// What the call is for.
    ///
    /// # Errors
    ///
    /// [`BadPayload`](ErrorKind::BadPayload), or a missing name.
    pub fn target(&self) -> Result<Target> {
        match self.method.as_str() {
            "execute_step" => Ok(Target::Step(self.arguments()?.take("step")?)),
            "vendor_call" => Ok(Target::VendorMethod(self.arguments()?.take("method")?)),
            _ => Ok(Target::Method),
        }
    }

    /// The task, with `driver_info` read as `I`.
    ///
    /// # Errors
    ///
    /// As [`Properties::from_map`].
    pub fn task<I: Properties>(&self) -> Result<DriverTask<I>> {
        DriverTask::new(Arc::clone(&self.task))
    }

    /// The arguments.
    ///
    /// # Errors
    ///
    /// [`BadPayload`](ErrorKind::BadPayload): not a JSON object, or too large.
    pub fn arguments(&self) -> Result<Arguments> {
        Arguments::new(&self.arguments)
    }

    /// The `args` of a step.
    ///
    /// # Errors
    ///
    /// [`InvalidParameter`](ErrorKind::InvalidParameter): they do not fit the step.
    pub fn step_args<T: DeserializeOwned>(&self) -> Result<T> {
        let mut arguments = self.arguments()?;
        let step: String = arguments.take("step")?;
        inner_arguments(&mut arguments, "args", &format!("step `{step}`"))
    }

    /// The call of a step that is a method of its interface type, as the call of that method.
    ///
    /// # Errors
    ///
    /// [`BadPayload`](ErrorKind::BadPayload), or a missing name.
    pub fn step_as_method(self) -> Result<Self> {
        let mut arguments = self.arguments()?;
        let method = arguments.take("step")?;
        let arguments = encode(&arguments.take_or("args", Map::new())?)?;
        Ok(Self { method, arguments, task: self.task })
    }

    /// The `arguments` of a vendor method.
    ///
    /// # Errors
    ///
    /// [`InvalidParameter`](ErrorKind::InvalidParameter): they do not fit the method.
    pub fn vendor_args<T: DeserializeOwned>(&self) -> Result<T> {
        let mut arguments = self.arguments()?;
        let method: String = arguments.take("method")?;
        inner_arguments(&mut arguments, "arguments", &format!("vendor method `{method}`"))
    }
}

fn inner_arguments<T: DeserializeOwned>(arguments: &mut Arguments, key: &str, of: &str) -> Result<T> {
    let inner = match arguments.0.remove(key) {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(inner) => inner,
    };
    serde_json::from_value(inner)
        .map_err(|error| DriverError::invalid_parameter(format!("arguments of {of}: {error}")))
}

/// The arguments of a call, taken one by one.
#[derive(Debug)]
pub struct Arguments(Map<String, Value>);

impl Arguments {
    fn new(bytes: &[u8]) -> Result<Self> {
        if matches!(bytes, b"" | b"{}") {
            return Ok(Self(Map::new()));
        }
        decode(bytes).map(Self)
    }

    /// The argument `key`.
    ///
    /// # Errors
    ///
    /// [`MissingParameter`](ErrorKind::MissingParameter) or [`InvalidParameter`](ErrorKind::InvalidParameter).
    pub fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<T> {
        let missing = || DriverError::missing_parameter(format!("argument `{key}` is missing"));
        let value = self.0.remove(key).ok_or_else(missing)?;
        let null = value.is_null();
        serde_json::from_value(value).map_err(|error| {
            if null {
                missing()
            } else {
                DriverError::invalid_parameter(format!("argument `{key}`: {error}"))
            }
        })
    }

    /// The argument `key`, which is an `Option`: null and absent are none.
    ///
    /// # Errors
    ///
    /// [`InvalidParameter`](ErrorKind::InvalidParameter).
    pub fn take_optional<T: DeserializeOwned>(&mut self, key: &str) -> Result<T> {
        self.0.entry(key).or_insert(Value::Null);
        self.take(key)
    }

    /// The argument `key`, or `default` when it is absent.
    ///
    /// # Errors
    ///
    /// [`InvalidParameter`](ErrorKind::InvalidParameter).
    pub fn take_or<T: DeserializeOwned>(&mut self, key: &str, default: T) -> Result<T> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(_) => self.take(key),
        }
    }

    /// A duration in seconds.
    ///
    /// # Errors
    ///
    /// As [`Arguments::take`]; a negative or endless duration is not one.
    pub fn take_duration(&mut self, key: &str) -> Result<Duration> {
        let seconds: f64 = self.take(key)?;
        Duration::try_from_secs_f64(seconds)
            .map_err(|error| DriverError::invalid_parameter(format!("argument `{key}`: {error}")))
    }

    /// A duration in seconds, or none.
    ///
    /// # Errors
    ///
    /// As [`Arguments::take_duration`].
    pub fn take_optional_duration(&mut self, key: &str) -> Result<Option<Duration>> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.take_duration(key).map(Some),
        }
    }
}

/// Collects the arguments of a call.
#[derive(Debug, Default)]
pub struct ArgumentsWriter(Map<String, Value>);

impl ArgumentsWriter {
    /// No arguments yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    ///
    /// # Errors
    ///
    /// [`BadPayload`](ErrorKind::BadPayload): it has no JSON form.
    pub fn put<T: Serialize>(&mut self, key: &str, value: &T) -> Result<()> {
        let value = serde_json::to_value(value)
            .map_err(|error| DriverError::new(ErrorKind::BadPayload, format!("argument `{key}`: {error}")))?;
        self.0.insert(key.to_owned(), value);
        Ok(())
    }

    /// The JSON object.
    ///
    /// # Errors
    ///
    /// [`BadPayload`](ErrorKind::BadPayload).
    pub fn finish(self) -> Result<Vec<u8>> {
        encode(&self.0)
    }
}

/// Carries calls to an implementation: the side of a boundary that asks.
pub trait Caller: Send + Sync {
    /// Calls `method` with a JSON object; answers the JSON of the result.
    fn call(&self, method: &'static str, arguments: Vec<u8>) -> impl Future<Output = Result<Vec<u8>>> + Send;
}

/// A value as JSON.
///
/// # Errors
///
/// [`BadPayload`](ErrorKind::BadPayload): it has no JSON form.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| DriverError::new(ErrorKind::BadPayload, format!("encoding failed: {error}")))
}

/// A value from JSON; nothing reads as null.
///
/// # Errors
///
/// [`BadPayload`](ErrorKind::BadPayload): too large, too deep, not JSON, or of another shape.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    if DOCUMENT_SIZE_MAX < bytes.len() {
        let text = format!("document has {} bytes, at most {DOCUMENT_SIZE_MAX} are allowed", bytes.len());
        return Err(DriverError::new(ErrorKind::BadPayload, text));
    }
    if depth::is_too_deep(bytes) {
        let text = format!("document has more than the {DOCUMENT_DEPTH_MAX} levels that are allowed");
        return Err(DriverError::new(ErrorKind::BadPayload, text));
    }
    let bytes = if bytes.is_empty() { b"null" } else { bytes };
    serde_json::from_slice(bytes)
        .map_err(|error| DriverError::new(ErrorKind::BadPayload, format!("unexpected document: {error}")))
}

/// The outcome of a step that is a method of its interface type.
///
/// A method that answers something else than an outcome is done; whoever wants its answer calls the method.
///
/// # Errors
///
/// [`BadPayload`](ErrorKind::BadPayload).
pub fn method_outcome(reply: Vec<u8>) -> Result<Vec<u8>> {
    match decode::<StepOutcome>(&reply) {
        Ok(_) => Ok(reply),
        Err(_) => encode(&StepOutcome::Done),
    }
}

/// The implementation lacks `method`.
#[must_use]
pub fn unsupported(kind: &str, method: &str) -> DriverError {
    DriverError::unsupported(format!("`{method}` is not supported by this {kind} interface"))
}

/// An error as it crosses the boundary.
#[must_use]
pub fn error_bytes(error: &DriverError) -> Bytes {
    let bytes = serde_json::to_vec(error)
        .unwrap_or_else(|_| br#"{"kind":"internal","message":"error without text"}"#.to_vec());
    RVec::from(bytes)
}

/// A result as it crosses the boundary.
#[must_use]
pub fn to_reply(result: Result<Vec<u8>>) -> Reply {
    match result {
        Ok(bytes) => RResult::ROk(RVec::from(bytes)),
        Err(error) => RResult::RErr(error_bytes(&error)),
    }
}

/// A result as it arrived over the boundary.
///
/// # Errors
///
/// What the other side answered, or [`PluginPanicked`](ErrorKind::PluginPanicked).
pub fn from_reply(reply: Result<Reply, Poisoned>) -> Result<Vec<u8>> {
    match reply {
        Ok(RResult::ROk(bytes)) if DOCUMENT_SIZE_MAX < bytes.len() => {
            let text =
                format!("the answer has {} bytes, at most {DOCUMENT_SIZE_MAX} are allowed", bytes.len());
            Err(DriverError::new(ErrorKind::BadPayload, text))
        }
        Ok(RResult::ROk(bytes)) => Ok(bytes.into_vec()),
        Ok(RResult::RErr(bytes)) => Err(decode(&bytes).unwrap_or_else(|error| error)),
        Err(poisoned) => Err(DriverError::new(ErrorKind::PluginPanicked, poisoned.to_string())),
    }
}

/// An implementation as the boundary sees it.
#[derive(Debug)]
pub struct ExportedInterface<T> {
    implementation: Arc<T>,
    runtime: Runtime,
}

impl<T: Implementation> ExportedInterface<T> {
    /// Exports `implementation`.
    pub fn new(implementation: T, runtime: Runtime) -> Self {
        Self { implementation: Arc::new(implementation), runtime }
    }
}

impl<T: Implementation> Interface for ExportedInterface<T> {
    fn call(&self, method: RStr<'_>, args: RSlice<'_, u8>, task: TaskBox) -> CallFuture {
        let id = task.id();
        let call = Call::new(method.as_str().to_owned(), args.to_vec(), task, self.runtime.clone());
        let implementation = Arc::clone(&self.implementation);
        // The call starts at the first poll, so that whatever panics, panics inside the guard.
        let work = async move { implementation.call(call).await };
        let guarded = Guarded::new(self.runtime.enter_polls(work), id);
        BFuture::new(async move { to_reply(guarded.await) })
    }
}

/// Runs `work` on a thread of the plugin's blocking pool and awaits it.
///
/// # Errors
///
/// What `work` answers; [`PluginPanicked`](ErrorKind::PluginPanicked).
pub async fn run_blocking<T, F>(call: Call, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    let slot = Arc::new(Slot { state: Mutex::new(SlotState { value: None, waker: None }) });
    let answer = Arc::clone(&slot);
    let id = call.task.id();
    let job = BFuture::new(async move { answer.fill(guard(id, work)) });
    call.task.runtime().spawn(job, JobClass::Blocking);
    std::future::poll_fn(move |context| slot.poll(context.waker())).await
}

/// How a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobClass {
    /// It never blocks.
    Asynchronous,
    /// It may block, and gets a thread.
    Blocking,
}

/// A value handed from a job to the future that waits for it.
struct Slot<T> {
    state: Mutex<SlotState<T>>,
}

struct SlotState<T> {
    value: Option<Result<T>>,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    fn fill(&self, value: Result<T>) {
        let waker = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.value = Some(value);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, waker: &Waker) -> Poll<Result<T>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                state.waker = Some(waker.clone());
                Poll::Pending
            }
        }
    }
}

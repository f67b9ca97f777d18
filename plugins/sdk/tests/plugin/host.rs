//! A host in memory, and an executor that knows nothing of tokio.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use farrier_abi::abi_stable::sabi_trait::TD_Opaque;
use farrier_abi::abi_stable::std_types::{RArc, RResult, RSlice, RStr};
use farrier_abi::{
    BFuture, Bytes, CallFuture, Host, Host_TO, HostBox, InterfaceBox, LogRecord, PluginBox, TaskBox,
};
use farrier_sdk::error::{DriverError, Result};
use farrier_sdk::export::PluginModRef;
use farrier_sdk::glue::{decode, encode, from_reply, to_reply};
use serde_json::{Value, json};

/// Longest wait for anything that is sure to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A log record as the host got it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Logged {
    pub(crate) level: u8,
    pub(crate) task: u64,
    pub(crate) target: String,
    pub(crate) file: String,
    pub(crate) message: String,
    pub(crate) fields: Value,
}

/// Keeps what the plugin logs, runs its jobs on threads of their own, and has a service that echoes.
#[derive(Clone, Default)]
pub(crate) struct FakeHost {
    logged: Arc<Mutex<Vec<Logged>>>,
    observed: Arc<Mutex<BTreeMap<String, f64>>>,
}

impl FakeHost {
    pub(crate) fn to_box(&self) -> HostBox {
        Host_TO::from_ptr(RArc::new(self.clone()), TD_Opaque)
    }

    /// What was logged during one call.
    pub(crate) fn logged(&self, task: u64) -> Vec<Logged> {
        self.logged.lock().unwrap().iter().filter(|record| record.task == task).cloned().collect()
    }

    /// The last value of each metric.
    pub(crate) fn observed(&self) -> BTreeMap<String, f64> {
        self.observed.lock().unwrap().clone()
    }
}

impl Host for FakeHost {
    fn log(&self, record: &LogRecord<'_>) {
        assert_ne!(record.line, 0, "a record says where it comes from");
        let fields = record.fields.as_str();
        self.logged.lock().unwrap().push(Logged {
            level: record.level,
            task: record.task,
            target: record.target.to_string(),
            file: record.file.to_string(),
            message: record.message.to_string(),
            fields: if fields.is_empty() { Value::Null } else { serde_json::from_str(fields).unwrap() },
        });
    }

    fn log_enabled(&self, level: u8, _target: RStr<'_>) -> bool {
        level <= 3
    }

    fn call(&self, service: RStr<'_>, method: RStr<'_>, args: Bytes) -> CallFuture {
        let arguments: Value = decode(&args).unwrap();
        let answer = match (service.as_str(), method.as_str()) {
            ("metric", "observe") => {
                let labels = arguments["labels"].as_object().unwrap();
                let labels = labels.iter().map(|(label, value)| format!(" {label}={value}"));
                let name = arguments["name"].as_str().unwrap().to_owned() + &labels.collect::<String>();
                self.observed.lock().unwrap().insert(name, arguments["value"].as_f64().unwrap());
                encode(&())
            }
            (service, method) => Err(DriverError::unsupported(format!("there is no `{service}.{method}`"))),
        };
        BFuture::ready(to_reply(answer))
    }

    fn spawn(&self, job: BFuture<()>, class: u8) -> u64 {
        assert_eq!(class, 1, "the SDK spawns blocking jobs only");
        std::thread::spawn(move || block_on(job.into_future()).unwrap());
        1
    }

    fn cancel(&self, _job: u64) {}
}

/// Opens a plugin that is linked into this program.
pub(crate) fn open(module: PluginModRef, host: &FakeHost, options: &Value) -> Result<PluginBox> {
    open_with(module, host, &json!({"options": options, "linked": true}))
}

/// Opens a plugin with a whole configuration.
pub(crate) fn open_with(module: PluginModRef, host: &FakeHost, config: &Value) -> Result<PluginBox> {
    let config = serde_json::to_vec(config).unwrap();
    result(module.open()(host.to_box(), RSlice::from_slice(&config)))
}

/// Opens an implementation.
pub(crate) fn interface(plugin: &PluginBox, kind: &str, name: &str) -> Result<InterfaceBox> {
    result(plugin.open_interface(RStr::from_str(kind), RStr::from_str(name)))
}

fn result<T>(result: RResult<T, Bytes>) -> Result<T> {
    match result {
        RResult::ROk(value) => Ok(value),
        RResult::RErr(error) => Err(decode(&error).unwrap()),
    }
}

/// Calls a method and waits for its answer.
pub(crate) fn call(
    interface: &InterfaceBox,
    method: &str,
    arguments: &Value,
    task: TaskBox,
) -> Result<Value> {
    let arguments = serde_json::to_vec(arguments).unwrap();
    call_raw(interface, method, &arguments, task)
}

/// The same with arguments that need not be JSON.
pub(crate) fn call_raw(
    interface: &InterfaceBox,
    method: &str,
    arguments: &[u8],
    task: TaskBox,
) -> Result<Value> {
    let reply =
        block_on(interface.call(RStr::from_str(method), RSlice::from_slice(arguments), task).into_future());
    from_reply(reply).map(|bytes| decode(&bytes).unwrap())
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let deadline = Instant::now() + PATIENCE;
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let left = deadline.checked_duration_since(Instant::now()).expect("no answer came");
        std::thread::park_timeout(left);
    }
}

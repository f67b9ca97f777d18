//! Tasks without a conductor, for the unit tests of a driver.
//!
//! ```
//! use farrier_sdk::prelude::*;
//! use farrier_sdk::serde_json::json;
//! use farrier_sdk::testing;
//!
//! /// `driver_info` of an Acme node.
//! #[derive(Properties)]
//! struct AcmeInfo {
//!     /// Password
//!     #[property(secret)]
//!     acme_password: SecretRef,
//! }
//!
//! let task = testing::task::<AcmeInfo>(json!({"driver_info": {"acme_password": "pw"}})).unwrap();
//! let password = task.block_on(task.reveal(&task.info().acme_password)).unwrap();
//! assert_eq!(password.expose(), "pw");
//! ```
//!
//! Requests through [`http`](crate::http) are made too, to addresses that begin with `http://`: to a simulated device
//! in another thread of the test, or one in the next room.

mod http;

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use farrier_abi::abi_stable::sabi_trait::TD_Opaque;
use farrier_abi::abi_stable::std_types::{RArc, RStr, RVec};
use farrier_abi::{BFuture, Bytes, CallFuture, Host, Host_TO, HostBox, LogRecord, Task, Task_TO, TaskBox};
use serde_json::{Map, Value, json};

use crate::descriptor::PropertyDescriptor;
use crate::error::{DriverError, ErrorKind, Result};
use crate::glue::{decode, encode, to_reply};
use crate::property::Properties;
use crate::runtime::Runtime;
use crate::secret::SecretRef;
use crate::task::{DriverTask, TaskShared};

/// A task on a node made of `node`, with the values of secret properties replaced as a conductor does.
///
/// Saves of internal data and of what an inspection found, progress and events succeed; sibling interfaces are
/// unsupported; timers work, and so do requests without TLS.
///
/// # Errors
///
/// As [`Properties::from_map`].
pub fn task<I: Properties>(mut node: Value) -> Result<DriverTask<I>> {
    let secrets = hide_secrets::<I>(&mut node)?;
    let scripted = Scripted { state: Arc::new(Mutex::new(node)), secrets };
    let task: TaskBox = Task_TO::from_ptr(RArc::new(scripted), TD_Opaque);
    let host: HostBox = Host_TO::from_ptr(RArc::new(TimerHost), TD_Opaque);
    DriverTask::new(Arc::new(TaskShared::new(task, Runtime::start(host, "test")?)))
}

fn hide_secrets<I: Properties>(node: &mut Value) -> Result<HashMap<String, String>> {
    let described: Vec<PropertyDescriptor> = decode(I::DESCRIPTOR.as_bytes())?;
    let mut secrets = HashMap::new();
    let Some(info) = node.get_mut("driver_info").and_then(Value::as_object_mut) else { return Ok(secrets) };
    for property in described.into_iter().filter(|property| property.secret) {
        if let Some(value) = info.get_mut(&property.name).filter(|value| !value.is_null()) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            *value = serde_json::to_value(SecretRef::new(&property.name)).unwrap_or_default();
            secrets.insert(property.name, text);
        }
    }
    Ok(secrets)
}

/// A task that keeps its node in memory.
struct Scripted {
    state: Arc<Mutex<Value>>,
    secrets: HashMap<String, String>,
}

impl Scripted {
    fn answer(&self, method: &str, arguments: &Map<String, Value>) -> Result<Vec<u8>> {
        match method {
            "secret.reveal" => {
                let key = arguments.get("key").and_then(Value::as_str).unwrap_or_default();
                let secret = self.secrets.get(key);
                encode(
                    secret.ok_or_else(|| {
                        DriverError::missing_parameter(format!("there is no secret `{key}`"))
                    })?,
                )
            }
            // Nothing is kept between the requests of a test.
            "http.session" => encode(&json!({"session": "of-a-test"})),
            "http.request" => http::request(arguments, &self.secrets),
            "secret.reveal_instance" => self.reveal_instance(arguments),
            "node.refresh" => encode(&*self.state.lock().unwrap_or_else(PoisonError::into_inner)),
            "internal_info.save" => self.save(arguments),
            "progress" | "event" | "inspection.save" => encode(&()),
            "raid_config.save" => {
                let mut node = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let target = arguments.get("target").cloned().unwrap_or_default();
                if let Some(node) = node.as_object_mut() {
                    node.insert("target_raid_config".to_owned(), target);
                }
                encode(&())
            }
            other => Err(DriverError::unsupported(format!("`{other}` is not part of a test's task"))),
        }
    }

    fn reveal_instance(&self, arguments: &Map<String, Value>) -> Result<Vec<u8>> {
        let key = arguments.get("key").and_then(Value::as_str).unwrap_or_default();
        let node = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match node.get("instance_info").and_then(|info| info.get(key)) {
            None | Some(Value::Null) => Err(DriverError::missing_parameter(format!("there is no `{key}`"))),
            Some(Value::String(text)) => encode(text),
            Some(other) => encode(&other.to_string()),
        }
    }

    fn save(&self, arguments: &Map<String, Value>) -> Result<Vec<u8>> {
        let mut node = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let revision = node.get("internal_info_revision").and_then(Value::as_u64).unwrap_or(0);
        if arguments.get("expect").and_then(Value::as_u64) != Some(revision) {
            return Err(DriverError::new(ErrorKind::Conflict, "internal data has changed").retryable(true));
        }
        let mut info =
            node.get("driver_internal_info").and_then(Value::as_object).cloned().unwrap_or_default();
        for key in
            arguments.get("unset").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            info.remove(key);
        }
        info.extend(arguments.get("set").and_then(Value::as_object).cloned().unwrap_or_default());
        if let Some(node) = node.as_object_mut() {
            node.insert("driver_internal_info".to_owned(), Value::Object(info));
            node.insert("internal_info_revision".to_owned(), json!(revision + 1));
        }
        encode(&json!({"revision": revision + 1}))
    }
}

impl Task for Scripted {
    fn id(&self) -> u64 {
        1
    }

    fn snapshot(&self) -> Bytes {
        let node = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        RVec::from(encode(&*node).unwrap_or_default())
    }

    fn time_left_ms(&self) -> u64 {
        u64::MAX
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn when_cancelled(&self) -> BFuture<()> {
        BFuture::new(std::future::pending())
    }

    fn call(&self, method: RStr<'_>, args: Bytes) -> CallFuture {
        let answer = decode(&args).and_then(|arguments| self.answer(method.as_str(), &arguments));
        BFuture::ready(to_reply(answer))
    }
}

/// A host with a timer and threads, and nothing else.
struct TimerHost;

impl Host for TimerHost {
    fn log(&self, _record: &LogRecord<'_>) {}

    fn log_enabled(&self, _level: u8, _target: RStr<'_>) -> bool {
        false
    }

    fn call(&self, service: RStr<'_>, method: RStr<'_>, args: Bytes) -> CallFuture {
        match (service.as_str(), method.as_str()) {
            ("timer", "sleep") => {
                let arguments: Map<String, Value> = decode(&args).unwrap_or_default();
                let pause = Duration::from_millis(arguments.get("ms").and_then(Value::as_u64).unwrap_or(0));
                BFuture::new(async move { to_reply(sleep(pause).await) })
            }
            ("metric", "observe") => BFuture::ready(to_reply(encode(&()))),
            (service, method) => BFuture::ready(to_reply(Err(DriverError::unsupported(format!(
                "`{service}.{method}` is not part of a test's host"
            ))))),
        }
    }

    fn spawn(&self, job: BFuture<()>, _class: u8) -> u64 {
        std::thread::spawn(move || run(job));
        1
    }

    fn cancel(&self, _job: u64) {}
}

/// Runs a job to its end on the present thread.
fn run(job: BFuture<()>) {
    let signal = Arc::new(Signal::default());
    let waker = Waker::from(Arc::clone(&signal));
    let mut future = std::pin::pin!(job.into_future());
    while future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        signal.wait(None);
    }
}

/// Waits on a thread of its own.
async fn sleep(pause: Duration) -> Result<Vec<u8>> {
    let passed = Arc::new(AtomicBool::new(false));
    let mut started = false;
    std::future::poll_fn(move |context| {
        if passed.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut started, true) {
            let (passed, waker) = (Arc::clone(&passed), context.waker().clone());
            std::thread::spawn(move || {
                Signal::default().wait(Some(pause));
                passed.store(true, Ordering::Release);
                waker.wake();
            });
        }
        Poll::Pending
    })
    .await;
    encode(&())
}

/// Set once by a waker.
#[derive(Default)]
struct Signal {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    fn wait(&self, limit: Option<Duration>) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        match limit {
            None => {
                while !*set {
                    set = self.changed.wait(set).unwrap_or_else(PoisonError::into_inner);
                }
            }
            Some(limit) => {
                let (after, _) = self
                    .changed
                    .wait_timeout_while(set, limit, |set| !*set)
                    .unwrap_or_else(PoisonError::into_inner);
                set = after;
            }
        }
        *set = false;
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::inspect::Inspection;
    use crate::property::NoInfo;

    #[test]
    fn what_the_instance_hides_is_told() {
        let node = json!({"instance_info": {"hash": "$5$", "drive": {"a": 1}}});
        let task = task::<NoInfo>(node).unwrap();
        let ask = |key| task.block_on(task.reveal_instance(key)).map(|secret| secret.expose().clone());

        assert_eq!(ask("hash").as_deref(), Ok("$5$"));
        assert_eq!(ask("drive").as_deref(), Ok("{\"a\":1}"));
        assert_eq!(ask("nosuch").unwrap_err().kind(), ErrorKind::MissingParameter);
    }

    #[test]
    fn what_was_found_is_taken() {
        let task = task::<NoInfo>(json!({})).unwrap();

        assert_eq!(task.block_on(task.save_inspection(&Inspection::default())), Ok(()));
    }
}

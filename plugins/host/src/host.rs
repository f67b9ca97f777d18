//! The host object a plugin calls back into: log, timer, options, metrics, jobs.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use farrier_abi::abi_stable::std_types::RStr;
use farrier_abi::{BFuture, Bytes, CallFuture, Host, LogRecord};
use farrier_sdk::error::DriverError;
use farrier_sdk::glue::{decode, encode, to_reply};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::task::AbortHandle;
use tracing::{Level, Span};

use crate::executor::Runner;
use crate::task::{HostTask, contain};

/// As many metrics may a plugin have.
const METRICS_MAX: usize = 1024;

/// Longest name of a metric with its labels, in bytes.
const METRIC_NAME_MAX: usize = 1024;

/// What the host keeps for one plugin.
pub(crate) struct HostState {
    plugin: String,
    options: Map<String, Value>,
    runner: Runner,
    jobs: Mutex<HashMap<u64, AbortHandle>>,
    next_job: AtomicU64,
    metrics: Mutex<BTreeMap<String, f64>>,
    /// Spans of running calls, for records that are not written while the host polls the call.
    calls: Mutex<HashMap<u64, Weak<SpanOf>>>,
}

/// Without the options, which may hold passwords.
impl std::fmt::Debug for HostState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostState").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

/// Keeps the span of a call findable while the call runs.
#[derive(Debug)]
pub(crate) struct SpanOf(Span);

impl HostState {
    pub(crate) fn new(plugin: &str, options: Map<String, Value>, runner: Runner) -> Self {
        Self {
            plugin: plugin.to_owned(),
            options,
            runner,
            jobs: Mutex::default(),
            next_job: AtomicU64::new(1),
            metrics: Mutex::default(),
            calls: Mutex::default(),
        }
    }

    /// Lets log records find the span of `task` until the answer is dropped.
    pub(crate) fn register(&self, task: &HostTask) -> Arc<SpanOf> {
        let span = Arc::new(SpanOf(task.span().clone()));
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.retain(|_, span| span.strong_count() != 0);
        calls.insert(task.number(), Arc::downgrade(&span));
        span
    }

    fn span(&self, task: u64) -> Option<Arc<SpanOf>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).get(&task)?.upgrade()
    }

    /// What the plugin has counted, by name.
    pub(crate) fn metrics(&self) -> BTreeMap<String, f64> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self, record: &LogRecord<'_>) {
        let (plugin, module) = (self.plugin.as_str(), record.target.as_str());
        let (message, fields) = (record.message.as_str(), record.fields.as_str());
        // A callsite has a fixed level, hence one for each.
        match record.level {
            1 => tracing::error!(target: "plugin", plugin, module, fields, "{message}"),
            2 => tracing::warn!(target: "plugin", plugin, module, fields, "{message}"),
            3 => tracing::info!(target: "plugin", plugin, module, fields, "{message}"),
            4 => tracing::debug!(target: "plugin", plugin, module, fields, "{message}"),
            _ => tracing::trace!(target: "plugin", plugin, module, fields, "{message}"),
        }
    }

    fn observe(&self, arguments: &Bytes) -> Result<(), DriverError> {
        let observation: Observation = decode(arguments)?;
        if let Some(label) = observation.labels.keys().find(|label| !is_label(label)) {
            let text = format!("`{label}` is no name of a label: letters, digits and `_`, no digit first");
            return Err(DriverError::invalid_parameter(text));
        }
        let name = observation.key(&self.plugin);
        if METRIC_NAME_MAX < name.len() {
            let text = format!("a metric has at most {METRIC_NAME_MAX} bytes of name and labels");
            return Err(DriverError::invalid_parameter(text));
        }
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        if METRICS_MAX <= metrics.len() && !metrics.contains_key(&name) {
            return Err(DriverError::invalid_parameter(format!(
                "a plugin has at most {METRICS_MAX} metrics"
            )));
        }
        metrics.insert(name, observation.value);
        Ok(())
    }
}

#[derive(Deserialize)]
struct Observation {
    name: String,
    value: f64,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl Observation {
    /// What it is kept by: name and labels, as in the text form of Prometheus.
    fn key(&self, plugin: &str) -> String {
        let name = format!("{plugin}_{}", self.name);
        if self.labels.is_empty() {
            return name;
        }
        let labels = self.labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
        format!("{name}{{{}}}", labels.collect::<Vec<_>>().join(","))
    }
}

/// A value as it stands between quotes in the text form of Prometheus.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Whether a label may have this name.
fn is_label(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
}

#[derive(Deserialize)]
struct Pause {
    ms: u64,
}

#[derive(Deserialize)]
struct Key {
    key: String,
}

/// The host as the boundary hands it over.
pub(crate) struct SharedHost(pub(crate) Arc<HostState>);

impl SharedHost {
    fn service(&self, service: &str, method: &str, arguments: &Bytes) -> CallFuture {
        match (service, method) {
            ("timer", "sleep") => match decode::<Pause>(arguments) {
                Ok(pause) => self.sleep(Duration::from_millis(pause.ms)),
                Err(error) => BFuture::ready(to_reply(Err(error))),
            },
            ("config", "get") => {
                let value = decode::<Key>(arguments).map(|key| self.0.options.get(&key.key).cloned());
                BFuture::ready(to_reply(value.and_then(|value| encode(&value))))
            }
            ("metric", "observe") => {
                BFuture::ready(to_reply(self.0.observe(arguments).and_then(|()| encode(&()))))
            }
            _ => {
                let version = env!("CARGO_PKG_VERSION");
                let text = format!("host {version} has no service `{service}.{method}`");
                BFuture::ready(to_reply(Err(DriverError::unsupported(text))))
            }
        }
    }

    /// Sleeps on the plugin's executor, whoever polls.
    fn sleep(&self, pause: Duration) -> CallFuture {
        let sleep = {
            let _entered = self.0.runner.handle().enter();
            tokio::time::sleep(pause)
        };
        BFuture::new(async move {
            sleep.await;
            to_reply(encode(&()))
        })
    }

    fn start(&self, job: BFuture<()>, class: u8) -> u64 {
        let number = self.0.next_job.fetch_add(1, Ordering::Relaxed);
        let state = Arc::clone(&self.0);
        let ended = async move {
            // A panic of the job was contained and reported by the plugin's own side.
            job.await.unwrap_or_default();
            state.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        };
        // Held over the start, so that a quick job cannot leave before it is listed.
        let mut jobs = self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let abort = if class == 0 {
            self.0.runner.handle().spawn(self.0.runner.timed(ended, "job".to_owned())).abort_handle()
        } else {
            let handle = self.0.runner.handle().clone();
            self.0.runner.handle().spawn_blocking(move || handle.block_on(ended)).abort_handle()
        };
        jobs.insert(number, abort);
        number
    }
}

impl Host for SharedHost {
    fn log(&self, record: &LogRecord<'_>) {
        contain(|| match self.0.span(record.task) {
            Some(span) => span.0.in_scope(|| self.0.write(record)),
            None => self.0.write(record),
        });
    }

    fn log_enabled(&self, level: u8, _target: RStr<'_>) -> bool {
        contain(|| match level {
            1 => tracing::enabled!(target: "plugin", Level::ERROR),
            2 => tracing::enabled!(target: "plugin", Level::WARN),
            3 => tracing::enabled!(target: "plugin", Level::INFO),
            4 => tracing::enabled!(target: "plugin", Level::DEBUG),
            _ => tracing::enabled!(target: "plugin", Level::TRACE),
        })
        .unwrap_or(false)
    }

    fn call(&self, service: RStr<'_>, method: RStr<'_>, args: Bytes) -> CallFuture {
        contain(|| self.service(service.as_str(), method.as_str(), &args))
            .unwrap_or_else(|| BFuture::ready(to_reply(Err(crate::task::host_panicked()))))
    }

    fn spawn(&self, job: BFuture<()>, class: u8) -> u64 {
        contain(|| self.start(job, class)).unwrap_or(0)
    }

    fn cancel(&self, job: u64) {
        contain(|| {
            let job = self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(&job);
            if let Some(job) = job {
                job.abort();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_metric_is_kept_by_its_name_and_its_labels() {
        let key =
            |observation: Value| serde_json::from_value::<Observation>(observation).unwrap().key("acme");

        let plain = key(json!({"name": "resets", "value": 1.0}));
        let labelled =
            key(json!({"name": "resets", "value": 1, "labels": {"why": "a \"b\"", "kind": "warm"}}));

        let odd = key(json!({"name": "resets", "value": 1, "labels": {"why": "a\\\t\nä"}}));

        assert_eq!(plain, "acme_resets");
        assert_eq!(odd, "acme_resets{why=\"a\\\\\t\\nä\"}");
        assert_eq!(labelled, r#"acme_resets{kind="warm",why="a \"b\""}"#);
    }

    #[test]
    fn a_label_is_named_as_a_variable_is() {
        assert!(is_label("why") && is_label("_Why2"));
        assert!(!is_label("") && !is_label("2nd") && !is_label("a=\"x\",b") && !is_label("ä"));
    }
}

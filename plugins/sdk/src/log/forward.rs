//! Log events of the plugin on their way to the conductor's log.
//!
//! A plugin has its own copy of `tracing`. This subscriber hands each event to the host while the host polls
//! the call, so that it appears inside the span of that call.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use farrier_abi::LogRecord;
use farrier_abi::abi_stable::std_types::RStr;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::glue::current_task;
use crate::runtime::Runtime;

/// Sends this plugin's events to `runtime`'s host from now on.
pub(crate) fn install(runtime: &Runtime) {
    let forward = Forward { runtime: runtime.clone(), spans: AtomicU64::new(1) };
    // Fails only when the plugin installed a subscriber of its own, which is then its wish.
    tracing::subscriber::set_global_default(forward).unwrap_or_default();
}

struct Forward {
    runtime: Runtime,
    spans: AtomicU64,
}

/// The number of a level at the boundary.
fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

impl Subscriber for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.runtime.host().log_enabled(number(*metadata.level()), RStr::from_str(metadata.target()))
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let text = if fields.values.is_empty() {
            String::new()
        } else {
            serde_json::to_string(&fields.values).unwrap_or_default()
        };
        self.runtime.host().log(&LogRecord {
            level: number(*metadata.level()),
            line: metadata.line().unwrap_or(0),
            task: current_task(),
            target: RStr::from_str(metadata.target()),
            file: RStr::from_str(metadata.file().unwrap_or("")),
            message: RStr::from_str(&fields.message),
            fields: RStr::from_str(&text),
        });
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// Collects message and fields of one event.
#[derive(Default)]
struct Fields {
    message: String,
    values: Map<String, Value>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a string cannot fail.
            write!(self.message, "{value:?}").unwrap_or_default();
        } else {
            self.values.insert(field.name().to_owned(), Value::String(format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.values.insert(field.name().to_owned(), Value::from(value));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.values.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.values.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.values.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.values.insert(field.name().to_owned(), Value::from(value));
    }
}

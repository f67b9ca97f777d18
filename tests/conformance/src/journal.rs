//! What a plugin logs, and what the host says of it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// Most records that are kept: of a thousand calls the last ones.
const RECORDS_MAX: usize = 4096;

/// What the host says when a poll took longer than it may.
const BLOCKED: &str = "plugin blocked its executor";

/// One record.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) level: Level,
    /// Whether the plugin wrote it, or the host.
    pub(crate) by_plugin: bool,
    pub(crate) text: String,
}

/// The log of this process.
#[derive(Debug, Clone)]
pub(crate) struct Journal(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    records: VecDeque<Record>,
    /// How many were dropped.
    dropped: usize,
}

/// A place in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark(usize);

impl Journal {
    /// The only one of this process; begun by the first to ask.
    pub(crate) fn get() -> &'static Self {
        static JOURNAL: OnceLock<Journal> = OnceLock::new();
        JOURNAL.get_or_init(|| {
            let journal = Self(Arc::default());
            let subscriber = tracing_subscriber::registry().with(Writer(journal.clone()));
            // In a vendor's test somebody may have been quicker; then the log stays empty here.
            tracing::subscriber::set_global_default(subscriber).unwrap_or_default();
            journal
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the log has got to.
    pub(crate) fn mark(&self) -> Mark {
        let state = self.state();
        Mark(state.dropped + state.records.len())
    }

    /// What was written since.
    pub(crate) fn since(&self, mark: Mark) -> Vec<Record> {
        let state = self.state();
        state.records.iter().skip(mark.0.saturating_sub(state.dropped)).cloned().collect()
    }

    /// How long polls took that were too long, since.
    pub(crate) fn blocked_since(&self, mark: Mark) -> Duration {
        let slow = self.since(mark).into_iter().filter(|record| !record.by_plugin);
        slow.filter_map(|record| {
            let fields = record.text.strip_prefix(BLOCKED)?.to_owned();
            let elapsed = fields.split_once("elapsed_ms=")?.1.split(' ').next()?.parse().ok()?;
            Some(Duration::from_millis(elapsed))
        })
        .sum()
    }

    /// The end of it as text, at most so many bytes.
    pub(crate) fn tail(&self, size: usize) -> String {
        let mut lines = Vec::new();
        let mut left = size;
        for record in self.state().records.iter().rev() {
            let line = format!("{:5} {}\n", record.level.as_str(), record.text);
            let Some(rest) = left.checked_sub(line.len()) else { break };
            left = rest;
            lines.push(line);
        }
        lines.reverse();
        lines.concat()
    }
}

/// Writes events down.
struct Writer(Journal);

impl<S: Subscriber> Layer<S> for Writer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let by_plugin = metadata.target() == "plugin";
        if !by_plugin && !metadata.target().starts_with("farrier") {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let text = format!("{}{}", text.message, text.fields);
        let mut state = self.0.state();
        if RECORDS_MAX <= state.records.len() {
            state.records.pop_front();
            state.dropped += 1;
        }
        state.records.push_back(Record { level: *metadata.level(), by_plugin, text });
    }
}

/// Fields of an event as text.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string cannot fail.
        if field.name() == "message" {
            write!(self.message, "{value:?}").unwrap_or_default();
        } else {
            write!(self.fields, " {}={value:?}", field.name()).unwrap_or_default();
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let (text, name) = if field.name() == "message" {
            (&mut self.message, String::new())
        } else {
            (&mut self.fields, format!(" {}=", field.name()))
        };
        text.push_str(&name);
        text.push_str(value);
    }
}

//! Nodes that change: waiting for them, and telling how it ended.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::super::Context;
use crate::error::{CliError, Failures};
use crate::output::Column;

/// The pause between two looks at a node, at first.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The pause between two looks at a node, at last.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A node that changes.
pub(super) struct Change<S> {
    pub(super) node: String,
    pub(super) deadline: Instant,
    /// What was shown of its progress last.
    pub(super) shown: Option<S>,
}

impl<S> Change<S> {
    /// One that has begun now and may take so long.
    pub(super) fn new(node: &str, limit: Duration) -> Self {
        Self { node: node.to_owned(), deadline: Instant::now() + limit, shown: None }
    }
}

/// What is told of nodes in the end.
#[derive(Default)]
pub(super) struct Told {
    pub(super) rows: Vec<Value>,
    pub(super) failed: Vec<CliError>,
}

impl Told {
    /// Adds a node by its row, or why there is none.
    pub(super) fn add(&mut self, told: Result<Value, CliError>) {
        match told {
            Ok(row) => self.rows.push(row),
            Err(error) => self.failed.push(error),
        }
    }

    /// Looks at the nodes, with pauses, until none changes any more; `look` answers `None` for one that does.
    pub(super) async fn wait_for<S, R>(
        &mut self,
        context: &Context<'_>,
        mut changes: Vec<Change<S>>,
        mut look: impl AsyncFnMut(&mut Change<S>) -> Result<Option<R>, CliError>,
        row: fn(&str, &R) -> Value,
    ) {
        let mut pause = PAUSE_MIN;
        while !changes.is_empty() {
            let mut left = Vec::new();
            for mut change in changes {
                match look(&mut change).await {
                    Ok(Some(end)) => self.rows.push(row(&change.node, &end)),
                    Ok(None) => left.push(change),
                    Err(error) => self.failed.push(error),
                }
            }
            changes = left;
            if !changes.is_empty() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
        context.progress.clear();
    }

    /// Writes what is known; the rest is the error.
    ///
    /// # Errors
    ///
    /// What failed.
    pub(super) fn end(self, context: &Context<'_>, columns: &[Column]) -> Result<(), Failures> {
        if !self.rows.is_empty() {
            context.output.list(columns, &["node"], &self.rows)?;
        }
        if self.failed.is_empty() { Ok(()) } else { Err(Failures(self.failed)) }
    }
}

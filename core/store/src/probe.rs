//! Watching statements by the store method they belong to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::StoreError;

/// Counts the statements of a store and, for tests, lets those of a method fail.
#[derive(Debug, Default)]
pub struct Probe {
    operations: Mutex<BTreeMap<&'static str, Operation>>,
}

/// What is known of a method.
#[derive(Debug, Default)]
struct Operation {
    count: u64,
    fails: bool,
}

impl Probe {
    /// How many statements were run, or tried, since the database was opened.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.operations().values().map(|operation| operation.count).sum()
    }

    /// How many of them for one method, such as `node_reserve`.
    #[must_use]
    pub fn count(&self, method: &str) -> u64 {
        self.operations().get(method).map_or(0, |operation| operation.count)
    }

    /// From now on statements of a method fail as if the database had hung up.
    pub fn fail(&self, method: &'static str) {
        self.operations().entry(method).or_default().fails = true;
    }

    /// From now on they do not any more.
    pub fn heal(&self, method: &'static str) {
        self.operations().entry(method).or_default().fails = false;
    }

    /// Counts a statement that is about to run.
    pub(crate) fn enter(&self, method: &'static str) -> Result<(), StoreError> {
        let mut operations = self.operations();
        let operation = operations.entry(method).or_default();
        operation.count += 1;
        if operation.fails {
            let error = io::Error::from(io::ErrorKind::ConnectionReset);
            return Err(StoreError::database(method, sqlx::Error::Io(error)));
        }
        Ok(())
    }

    fn operations(&self) -> MutexGuard<'_, BTreeMap<&'static str, Operation>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

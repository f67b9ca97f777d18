//! What has changed between two reports.

use std::fmt;

use super::{Entry, Outcome, Report};

/// A check with another outcome than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The check.
    pub id: String,
    /// What became of it before; none if it was not there.
    pub before: Option<Outcome>,
    /// What became of it now; none if it is not there any more.
    pub now: Option<Outcome>,
    /// What was found now.
    pub reason: String,
}

impl Change {
    /// Whether something that was good is not any more, or something new is bad.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        let rank = |outcome: Option<Outcome>| outcome.unwrap_or(Outcome::Passed);
        rank(self.now) < rank(self.before)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |outcome: Option<Outcome>| outcome.map_or("absent".to_owned(), |outcome| outcome.to_string());
        write!(f, "{}: {} -> {}", self.id, shown(self.before), shown(self.now))?;
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        Ok(())
    }
}

/// All checks with another outcome in `now` than in `before`, in the order of `now`.
#[must_use]
pub fn diff(before: &Report, now: &Report) -> Vec<Change> {
    let find = |report: &Report, id: &str| report.checks.iter().find(|entry| entry.id == id).cloned();
    let change = |entry: &Entry, before: Option<Outcome>, now: Option<Outcome>| Change {
        id: entry.id.clone(),
        before,
        now,
        reason: if now.is_some() { entry.reason.clone() } else { String::new() },
    };
    let mut changes: Vec<Change> = now
        .checks
        .iter()
        .map(|entry| change(entry, find(before, &entry.id).map(|entry| entry.outcome), Some(entry.outcome)))
        .collect();
    let gone = before.checks.iter().filter(|entry| find(now, &entry.id).is_none());
    changes.extend(gone.map(|entry| change(entry, Some(entry.outcome), None)));
    changes.retain(|change| change.before != change.now);
    changes
}

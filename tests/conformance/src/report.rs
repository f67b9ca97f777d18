//! What was found, in a form that is kept.

mod diff;
mod html;
mod junit;
mod text;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::certificate::Signature;
use crate::check::{Check, Level};
use crate::verdict::Verdict;

pub use diff::{Change, diff};

/// Version of the form below.
pub const SCHEMA: u32 = 1;

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The process of the check died.
    Crashed,
    /// It did not end.
    TimedOut,
    /// The requirement is not met.
    Failed,
    /// The same, of a requirement that only should be met.
    Warned,
    /// It was not looked at; the reason says why.
    Skipped,
    /// The requirement is met.
    Passed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Crashed => "crashed",
            Self::TimedOut => "timed out",
            Self::Failed => "failed",
            Self::Warned => "warned",
            Self::Skipped => "skipped",
            Self::Passed => "passed",
        })
    }
}

/// Why a check was skipped, as far as the verdict cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It was not skipped.
    Said,
    /// The plugin has nothing of the sort.
    NotApplicable,
    /// The plugin declares it and says that this machine has nothing of the sort; nobody else does.
    Lacking,
    /// The plugin says so, and so does whoever has described the machine.
    Absent,
    /// The profile waives it.
    Waived,
    /// Something needed for it was missing: nobody knows.
    NotRun,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The check.
    pub id: String,
    /// Its group.
    pub group: String,
    /// How much it matters.
    pub level: Level,
    /// What it requires.
    pub requirement: String,
    /// Where that comes from.
    pub source: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was skipped, if it was.
    pub why: Why,
    /// What was found; empty for a check that passed.
    pub reason: String,
    /// How long it took.
    pub duration_ms: u64,
    /// The end of what was logged and printed meanwhile, of a check that did not pass.
    pub log: String,
    /// How often it may have switched or restarted the machine.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub switched: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Entry {
    pub(crate) fn new(check: &Check, outcome: Outcome, why: Why, reason: String) -> Self {
        Self {
            id: check.id.to_owned(),
            group: check.group().to_owned(),
            level: check.level,
            requirement: check.requirement.to_owned(),
            source: check.source.to_owned(),
            outcome,
            why,
            reason,
            duration_ms: 0,
            log: String::new(),
            switched: 0,
        }
    }

    /// Whether the plugin declares what this is about and was not seen to have it.
    #[must_use]
    pub fn is_untested(&self) -> bool {
        self.outcome == Outcome::Skipped && matches!(self.why, Why::Lacking | Why::Absent)
    }

    /// Whether it is the plugin's fault.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self.outcome {
            Outcome::Crashed | Outcome::TimedOut | Outcome::Failed => true,
            Outcome::Warned | Outcome::Skipped | Outcome::Passed => false,
        }
    }
}

/// The library that was judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Name of the file.
    pub file: String,
    /// SHA-256 of the file: the report is about these bytes and no others.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// Name of the plugin, as far as it says.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SDK it was built with.
    pub sdk: String,
    /// The compiler it was built with.
    pub rustc: String,
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this form.
    pub schema: u32,
    /// Version of the kit.
    pub kit: String,
    /// The profile.
    pub profile: String,
    /// The level that was aimed at.
    pub aim: Verdict,
    /// The level that was reached.
    pub verdict: Verdict,
    /// What is missing for the next level.
    pub missing: Vec<String>,
    /// Checks of what the plugin declares and the target does not have: nobody knows whether it works.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untested: Vec<String>,
    /// Patterns that left checks out; a report with some is no certificate.
    pub filter: Vec<String>,
    /// The seed of everything random.
    pub seed: u64,
    /// The library.
    pub plugin: Subject,
    /// What it was tried on.
    pub target: String,
    /// What else is to be known about this run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Results in the order of the table.
    pub checks: Vec<Entry>,
    /// Who vouches for all this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

impl Report {
    /// Whether the aim was reached; of a part of the checks, whether none has failed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        if self.filter.is_empty() {
            self.aim <= self.verdict
        } else {
            !self.checks.iter().any(Entry::is_failure)
        }
    }

    /// How many checks came out so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|entry| entry.outcome == outcome).count()
    }

    /// For people: failures first, then the verdict.
    #[must_use]
    pub fn text(&self) -> String {
        text::render(self)
    }

    /// For programs.
    ///
    /// # Errors
    ///
    /// None in practice: everything in it has a JSON form.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// For CI systems: a suite for each group.
    #[must_use]
    pub fn junit(&self) -> String {
        junit::render(self)
    }

    /// For a browser.
    #[must_use]
    pub fn html(&self) -> String {
        html::render(self)
    }
}

/// Text that may stand in XML and HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 has no place for others.
            '\n' | '\t' => escaped.push(letter),
            _ if letter.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;

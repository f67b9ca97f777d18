//! What a check is, and the table of all.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bench::Bench;
use crate::checks::GROUPS;

/// How much a requirement matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A conductor or its operator comes to harm otherwise.
    Must,
    /// Good plugins do; who does not gets a warning.
    Should,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Must => "must",
            Self::Should => "should",
        })
    }
}

/// What has to be there for a check to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The file alone; nothing of it is run.
    File,
    /// The plugin, loaded; nodes are scripted and have no machine.
    Plugin,
    /// A machine that is only looked at.
    Machine,
    /// A machine that is changed: on a real one, only after its serial number was confirmed.
    MachineChanged,
    /// An emulator: what is wrong with the machine is injected.
    Faults,
}

impl Needs {
    /// In a few words, for lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Plugin => "plugin",
            Self::Machine => "machine",
            Self::MachineChanged => "machine, changed",
            Self::Faults => "injected faults",
        }
    }
}

/// One check.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Its name for ever: group and number.
    pub id: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What it requires, in one sentence.
    pub requirement: &'static str,
    /// Where that comes from.
    pub source: &'static str,
    /// What has to be there.
    pub needs: Needs,
    /// Looks whether it is so.
    pub(crate) run: fn(&Bench) -> Judgement,
}

impl Check {
    /// The group it belongs to.
    #[must_use]
    pub fn group(&self) -> &'static str {
        self.id.split('-').next().unwrap_or(self.id)
    }

    /// The check of this name.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        checks().find(|check| check.id.eq_ignore_ascii_case(id))
    }

    /// Whether one of `patterns` names it: `CON`, `CON-003` or `CON-*`. None at all name every check.
    #[must_use]
    pub fn matches(&self, patterns: &[String]) -> bool {
        patterns.is_empty()
            || patterns.iter().any(|pattern| {
                let pattern = pattern.to_ascii_uppercase();
                match pattern.strip_suffix('*') {
                    Some(prefix) => self.id.starts_with(prefix),
                    None => self.id == pattern || self.group() == pattern,
                }
            })
    }
}

/// A group of checks.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// Its three letters.
    pub id: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// Its checks.
    pub checks: &'static [Check],
}

/// All groups in the order in which they run.
pub const CHECKS: &[Group] = GROUPS;

/// All checks in that order.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    CHECKS.iter().flat_map(|group| group.checks)
}

/// What a check found.
pub(crate) type Judgement = Result<(), Finding>;

/// Why a check did not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Finding {
    /// The requirement is not met.
    Failed(String),
    /// The plugin has nothing of what the check is about.
    NotApplicable(String),
    /// The plugin declares it, and says that this machine has nothing of the sort. Nobody else says so.
    Lacking(String),
    /// The plugin says so, and so does the profile.
    Absent(String),
    /// It could not be looked at; the plugin may be good or bad.
    NotRun(String),
}

/// The requirement is not met.
pub(crate) fn failed<T>(reason: impl Into<String>) -> Result<T, Finding> {
    Err(Finding::Failed(reason.into()))
}

/// The plugin has nothing of what the check is about.
pub(crate) fn not_applicable<T>(reason: impl Into<String>) -> Result<T, Finding> {
    Err(Finding::NotApplicable(reason.into()))
}

/// It could not be looked at.
pub(crate) fn not_run<T>(reason: impl Into<String>) -> Result<T, Finding> {
    Err(Finding::NotRun(reason.into()))
}

/// Fails with all of `faults`, if there are any.
pub(crate) fn none_of(faults: &[String]) -> Judgement {
    if faults.is_empty() { Ok(()) } else { failed(faults.join("; ")) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_check_has_a_name_of_its_own_in_its_group() {
        let mut names = BTreeSet::new();

        for group in CHECKS {
            for check in group.checks {
                assert_eq!(check.group(), group.id, "{}", check.id);
                assert!(names.insert(check.id), "{} is there twice", check.id);
            }
        }
    }

    #[test]
    fn every_check_says_what_it_requires_and_why() {
        for check in checks() {
            assert!(check.requirement.ends_with('.'), "{}: {}", check.id, check.requirement);
            assert!(!check.source.is_empty(), "{}", check.id);
        }
    }

    #[test]
    fn patterns_name_groups_checks_and_beginnings() {
        let check = Check::find("pkg-001").unwrap();

        for pattern in ["PKG", "pkg-001", "PKG-0*", "*"] {
            assert!(check.matches(&[pattern.to_owned()]), "{pattern}");
        }
        assert!(!check.matches(&["LOD".to_owned()]));
        assert!(check.matches(&[]));
    }
}

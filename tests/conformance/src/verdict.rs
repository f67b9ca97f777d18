//! What all that was found comes to: the level a plugin reaches.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::check::Level;
use crate::report::{Entry, Outcome, Why};

/// Groups that have to pass before a plugin is of any use: they need no machine.
const BASIC_GROUPS: [&str; 3] = ["PKG", "LOD", "CON"];

/// Most checks that are named as missing for the next level.
const MISSING_MAX: usize = 10;

/// The level a plugin reaches; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It fails a basic requirement.
    None,
    /// It is a sound library and keeps the contract: every `must` of `PKG`, `LOD` and `CON`.
    Basic,
    /// It works on its machine, also when things go wrong there: every `must`, and each was looked at.
    #[default]
    Standard,
    /// It also meets every `should`.
    Full,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "basic",
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }

    /// The level after this one.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::None => Some(Self::Basic),
            Self::Basic => Some(Self::Standard),
            Self::Standard => Some(Self::Full),
            Self::Full => None,
        }
    }

    /// The level that these results reach.
    #[must_use]
    pub fn of(entries: &[Entry]) -> Self {
        [Self::Full, Self::Standard, Self::Basic]
            .into_iter()
            .find(|level| entries.iter().all(|entry| !level.is_prevented_by(entry)))
            .unwrap_or(Self::None)
    }

    /// What is missing for the next level, a line each.
    #[must_use]
    pub fn missing(self, entries: &[Entry]) -> Vec<String> {
        let Some(next) = self.next() else { return Vec::new() };
        let lacking: Vec<&Entry> = entries.iter().filter(|entry| next.is_prevented_by(entry)).collect();
        let mut lines: Vec<String> = lacking
            .iter()
            .take(MISSING_MAX)
            .map(|entry| format!("{} {}: {}", entry.id, entry.outcome, entry.requirement))
            .collect();
        if MISSING_MAX < lacking.len() {
            lines.push(format!("and {} more", lacking.len() - MISSING_MAX));
        }
        lines
    }

    /// Whether this result keeps a plugin from reaching this level.
    fn is_prevented_by(self, entry: &Entry) -> bool {
        let counts = match self {
            Self::None => false,
            Self::Basic => entry.level == Level::Must && BASIC_GROUPS.contains(&entry.group.as_str()),
            Self::Standard => entry.level == Level::Must,
            Self::Full => true,
        };
        counts
            && match entry.outcome {
                Outcome::Passed => false,
                // What the plugin alone says of its machine may be an excuse.
                Outcome::Skipped => matches!(entry.why, Why::NotRun | Why::Lacking),
                Outcome::Failed | Outcome::Crashed | Outcome::TimedOut | Outcome::Warned => true,
            }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, level: Level, outcome: Outcome, why: Why) -> Entry {
        Entry {
            id: id.to_owned(),
            group: id.split('-').next().unwrap().to_owned(),
            level,
            requirement: "It works.".to_owned(),
            source: "nature".to_owned(),
            outcome,
            why,
            reason: String::new(),
            duration_ms: 1,
            log: String::new(),
            switched: 0,
        }
    }

    #[test]
    fn each_level_asks_for_more() {
        let pass = entry("PKG-001", Level::Must, Outcome::Passed, Why::Said);
        let warned = entry("PKG-004", Level::Should, Outcome::Warned, Why::Said);
        let unseen = entry("POW-001", Level::Must, Outcome::Skipped, Why::NotRun);
        let bad = entry("LOD-001", Level::Must, Outcome::Crashed, Why::Said);

        assert_eq!(Verdict::of(std::slice::from_ref(&pass)), Verdict::Full);
        assert_eq!(Verdict::of(&[pass.clone(), warned.clone()]), Verdict::Standard);
        assert_eq!(Verdict::of(&[pass.clone(), warned.clone(), unseen.clone()]), Verdict::Basic);
        assert_eq!(Verdict::of(&[pass, warned, unseen, bad]), Verdict::None);
    }

    #[test]
    fn what_a_plugin_does_not_have_or_was_waived_is_not_missing() {
        for why in [Why::NotApplicable, Why::Absent, Why::Waived] {
            let skipped = entry("POW-001", Level::Must, Outcome::Skipped, why);
            assert_eq!(Verdict::of(&[skipped]), Verdict::Full);
        }
    }

    #[test]
    fn what_the_plugin_alone_says_of_its_machine_keeps_it_from_a_level() {
        let lacking = entry("BIO-001", Level::Must, Outcome::Skipped, Why::Lacking);

        assert_eq!(Verdict::of(std::slice::from_ref(&lacking)), Verdict::Basic);
        assert_eq!(Verdict::Basic.missing(&[lacking]), ["BIO-001 skipped: It works."]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let entries = [entry("POW-001", Level::Must, Outcome::Skipped, Why::NotRun)];

        assert_eq!(Verdict::Basic.missing(&entries), ["POW-001 skipped: It works."]);
        assert!(Verdict::Full.missing(&entries).is_empty());
    }
}

//! The steps of loading, in their order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One step of loading; code of the plugin runs from [`Step::Trial`] on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// 1: the directory is ours, nobody else writes it, and it may hold programs.
    Directory,
    /// 2: the file is regular, ours, and nobody else writes it.
    File,
    /// 3: a shared library for this machine.
    Format,
    /// 4: all that is to be mapped is inside the file.
    Extent,
    /// 5: it describes itself.
    Descriptor,
    /// 6: it was built for this host.
    Build,
    /// 7: what it needs is here, and it asks for nothing unsafe.
    Libraries,
    /// 8: somebody we trust vouches for it. Not checked yet.
    Trust,
    /// 9: its names are not taken.
    Names,
    /// 10: the configuration asks for it.
    Enabled,
    /// 11: a child process loaded it.
    Trial,
    /// 12: opened from a copy nobody can change.
    Open,
    /// 13: both sides lay out the boundary's types alike.
    Layout,
    /// 14: its root module is the one described.
    Module,
    /// 15: it started.
    Start,
    /// 16: it handed out its implementations.
    Interfaces,
}

impl Step {
    /// All steps in their order.
    pub const ALL: [Self; 16] = [
        Self::Directory,
        Self::File,
        Self::Format,
        Self::Extent,
        Self::Descriptor,
        Self::Build,
        Self::Libraries,
        Self::Trust,
        Self::Names,
        Self::Enabled,
        Self::Trial,
        Self::Open,
        Self::Layout,
        Self::Module,
        Self::Start,
        Self::Interfaces,
    ];

    /// Its number, from 1.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }

    /// What is checked, in a few words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File => "file",
            Self::Format => "file format",
            Self::Extent => "file size",
            Self::Descriptor => "descriptor",
            Self::Build => "build",
            Self::Libraries => "needed libraries",
            Self::Trust => "trust",
            Self::Names => "names",
            Self::Enabled => "enabled",
            Self::Trial => "trial load",
            Self::Open => "opening",
            Self::Layout => "layout",
            Self::Module => "root module",
            Self::Start => "start",
            Self::Interfaces => "interfaces",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.number(), self.title())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbered_in_their_order() {
        let numbers: Vec<u8> = Step::ALL.iter().map(|step| step.number()).collect();

        assert_eq!(numbers, (1..=16).collect::<Vec<u8>>());
        assert_eq!(Step::Trial.to_string(), "11 (trial load)");
    }
}

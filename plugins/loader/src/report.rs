//! What became of each file.

use std::collections::BTreeSet;
use std::fmt;

use farrier_host::Plugin;
use farrier_sdk::interface::InterfaceType;
use serde::Serialize;

use crate::claims::Claim;
use crate::enabled::Enabled;
use crate::library::Library;
use crate::refusal::Refusal;

/// What loading came to.
#[derive(Debug)]
pub struct Report {
    /// Plugins that started, in the order of their files.
    pub plugins: Vec<Plugin>,
    /// Their files.
    pub loaded: Vec<Library>,
    /// Acceptable, but not enabled: never executed.
    pub available: Vec<Library>,
    /// Files and directories that were refused.
    pub refused: Vec<Refusal>,
}

/// One file in a table.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The file.
    pub library: Library,
    /// What became of it.
    pub state: State,
    /// Why it was refused.
    pub refusal: Option<Refusal>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It runs.
    Loaded,
    /// It would be loaded, and a child has done so.
    Loadable,
    /// Nothing of it is enabled.
    Available,
    /// It is not acceptable.
    Refused,
}

impl State {
    /// The word in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Loadable => "loadable",
            Self::Available => "available",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Report {
    /// Refusals without which something enabled is missing now: with `strict`, reasons not to start.
    #[must_use]
    pub fn needed(&self, enabled: &Enabled) -> Vec<&Refusal> {
        let provided: BTreeSet<Claim> =
            self.plugins.iter().flat_map(|plugin| Claim::of(plugin.descriptor())).collect();
        let is_missing = |claim: Claim| !provided.contains(&claim);
        let needed = self.refused.iter().filter(|refusal| {
            let wanted = refusal.library.offers.enabled(enabled);
            let types = wanted.hardware_types.into_iter().map(|name| Claim::HardwareType { name });
            let interfaces = wanted.interfaces.into_iter().flat_map(|(interface, names)| {
                names.into_iter().map(move |name| Claim::Interface { interface, name })
            });
            types.chain(interfaces).any(is_missing)
        });
        needed.collect()
    }

    /// Refused files that would have brought this hardware type.
    pub fn refused_with_hardware_type(&self, name: &str) -> impl Iterator<Item = &Refusal> {
        self.refused.iter().filter(move |refusal| refusal.library.offers.has_hardware_type(name))
    }

    /// Refused files that would have brought this implementation.
    pub fn refused_with_interface(&self, kind: InterfaceType, name: &str) -> impl Iterator<Item = &Refusal> {
        self.refused.iter().filter(move |refusal| refusal.library.offers.has_interface(kind, name))
    }

    /// One row for each file, in the order of their paths.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        rows(self.loaded.iter().map(|library| (library, State::Loaded)), &self.available, &self.refused)
    }
}

/// One row for each file, in the order of their paths.
pub(crate) fn rows<'a>(
    good: impl Iterator<Item = (&'a Library, State)>,
    available: &'a [Library],
    refused: &[Refusal],
) -> Vec<Row> {
    let available = available.iter().map(|library| (library, State::Available));
    let accepted =
        good.chain(available).map(|(library, state)| Row { library: library.clone(), state, refusal: None });
    let refused = refused.iter().map(|refusal| Row {
        library: refusal.library.clone(),
        state: State::Refused,
        refusal: Some(refusal.clone()),
    });
    let mut rows: Vec<Row> = accepted.chain(refused).collect();
    rows.sort_by(|left, right| left.library.path.cmp(&right.library.path));
    rows
}

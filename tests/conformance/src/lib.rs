//! Judges somebody's plugin from outside: a built library, nothing of its source.
//!
//! A [`Check`] is a requirement with its source and a function. Each runs in a process of its own, so that a
//! plugin that crashes or hangs has failed one check and not ended the run. The [`Report`] says what was found
//! and which level is reached.
//!
//! | module | what |
//! |---|---|
//! | [`mod@check`] | what a check is, and the table of all |
//! | `checks` | the checks, a file for each group |
//! | [`profile`] | what is said about a plugin besides its file: how to reach its machine, what it should do |
//! | [`mod@run`] | all checks, each in its process |
//! | `sandbox` | that process |
//! | [`recording`], `witness` | what a machine said in a run, for a run without it |
//! | [`report`], [`verdict`] | what was found, and what it comes to |
//! | [`certificate`] | reports that are signed |
//! | `bench`, `node`, `journal`, `residue` | what checks work with: a loaded plugin, a node, its log, what it leaves behind |
//! | `identity` | whether a real machine is the one that was meant |
//! | `target`, `peer` | machines, and what can be wrong with them |
//! | `symbols` | what a library exports and imports |
//!
//! The binary `farrier-conformance` is for people and for certifiers. From a vendor's own tests it is one call,
//! see [`check()`].
//!
//! **Invariant:** a plugin is opened by `farrier-loader` and called by `farrier-host`, as the conductor does it.

mod bench;
pub mod certificate;
pub mod check;
mod checks;
mod identity;
mod in_tests;
mod journal;
mod node;
mod peer;
pub mod profile;
pub mod recording;
pub mod report;
mod residue;
pub mod run;
mod sandbox;
mod symbols;
mod target;
pub mod verdict;
mod witness;

pub use check::{CHECKS, Check, Level};
pub use in_tests::check;
pub use profile::Profile;
pub use report::{Outcome, Report};
pub use run::{Options, Program, RunError, run};
pub use sandbox::{child_main, is_child};
pub use target::serve_emulator;
pub use verdict::Verdict;

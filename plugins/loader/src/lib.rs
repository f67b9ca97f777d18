//! From directories of shared libraries to opened plugins.
//!
//! A library passes sixteen [`Step`]s, its own code runs from the eleventh on. Each way to fail is a
//! [`LoadError`] of its own, and one bad file never keeps the others from loading.
//!
//! | module | steps | what |
//! |---|---|---|
//! | `search` | 1, 2 | directories that only their owner writes, files opened once |
//! | `elf` | 3 to 5, 7 | the file format, read from the bytes that will run |
//! | `descriptor` | 5, 6 | what a plugin says about itself, and whether that fits this host |
//! | `system` | 6, 7 | what this host has: CPU features, libraries, GLIBC |
//! | | 8 | trust: signatures and a lock file will stand here |
//! | `claims` | 9 | names taken once |
//! | `enabled` | 10 | what the configuration asks for |
//! | [`probe`] | 11 | a trial load in a child process |
//! | `sealed`, `open`, `layout` | 12 to 14 | a copy nobody can change, opened and checked |
//! | `start` | 15, 16 | the plugin's own `open`, then its implementations |
//! | `load` | all | the sequence |
//! | `examine` | 1 to 7 | one file by itself, each step whatever the others say |
//!
//! ```no_run
//! use farrier_loader::{Enabled, Loader, Search, probe};
//!
//! let scan = Search::new(["/usr/lib/farrier/plugins"]).scan();
//! let mut loader = Loader::new(Enabled::everything_in(&scan));
//! // `main` calls `probe::child_main` when its first argument is this one.
//! loader.prober = Some(probe::Prober::new(probe::Command::this_program("plugin-probe")));
//! let report = loader.load(scan);
//! for refusal in &report.refused {
//!     eprintln!("{refusal}");
//! }
//! ```
//!
//! **Invariant:** a library that was opened is never closed, and its memory file stays open: wakers, log
//! call sites and panic hooks point into it until the process ends.

mod candidate;
mod claims;
mod descriptor;
mod elf;
mod enabled;
mod error;
mod examine;
mod layout;
mod library;
mod load;
mod open;
pub mod probe;
mod refusal;
mod report;
mod sealed;
mod search;
mod sha256;
mod start;
mod step;
mod system;
mod text;

pub use candidate::Candidate;
pub use claims::Claim;
pub use enabled::Enabled;
pub use error::{Hazard, LoadError, Untrusted};
pub use examine::{Examination, Needs, Trust};
pub use library::{Library, Offers};
pub use load::{Loader, Plan};
pub use refusal::Refusal;
pub use report::{Report, Row, State};
pub use search::{Scan, Search};
pub use sha256::Sha256;
pub use step::Step;
pub use text::tame;

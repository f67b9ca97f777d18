//! Every refusal of the loader by a real bad file, and what a good file does after it was loaded.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails; helper functions of tests are not recognized as tests"
)]

mod bad_file;
mod bench;
mod building;
mod calling;
mod descriptor;
mod enabled;
mod examine;
mod file;
mod libraries;
mod loaded;
mod node;
mod opening;
mod search;
mod starting;
mod trial;

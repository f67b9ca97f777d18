//! The kit against plugins that are good and plugins that are not.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail anywhere")]

mod command;
mod kept;
mod labs;
mod ours;
mod patch;
mod replay;
mod rogues;

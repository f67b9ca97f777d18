//! The product, tested from outside.
//!
//! The tests are in `tests/it`: `harness.rs` starts the daemon, the other files ask it things. [`rows`] finds the
//! tests, here and elsewhere, that prove what is promised of the reference, [`options`] what operators can configure.

pub mod options;
pub mod rows;

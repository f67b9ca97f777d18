//! The product, tested from outside.
//!
//! All of it is in `tests/it`: `harness.rs` starts the daemon, the other files ask it things.

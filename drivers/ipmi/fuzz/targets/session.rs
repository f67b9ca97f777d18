//! Fuzz target `session`: see `../entries.rs`.

#![no_main]
#![allow(dead_code, reason = "a target has no need of the seeds")]

#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::run("session", data));

//! Simulated BMCs.

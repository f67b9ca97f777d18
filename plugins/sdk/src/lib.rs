//! All a hardware vendor needs to write a Farrier driver plugin.

pub mod error;
pub mod interface;
pub mod secret;

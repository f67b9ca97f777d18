//! The `ipmi` driver of Farrier.
#![forbid(unsafe_code)]

pub mod chassis;
pub mod command;
pub mod crypto;
pub mod packet;
pub mod session;
pub mod target;
pub mod transport;

//! Owns nodes and works on them.
//!
//! | module | about |
//! |---|---|
//! | [`registry`] | hardware types, implementations, which of them a node gets |
//! | [`task`] | scopes over one node: locks, resources, background work, events |
//! | [`workers`] | bounded background work |
//! | [`notify`] | what happened |
//! | [`images`] | files of this machine as images of nodes |
//! | [`config`], [`error`] | options, and what can go wrong |

mod access;
pub mod config;
mod dispatch;
pub mod error;
pub mod images;
mod lifecycle;
mod lock;
#[cfg(test)]
mod log_capture;
pub mod notify;
mod operation;
mod periodic;
#[cfg(test)]
mod power_script;
pub mod registry;
pub mod ring;
#[cfg(test)]
mod script;
pub mod service;
mod steps;
pub mod task;
pub mod workers;

pub use lifecycle::{Departure, Pace, Registered};
pub use lock::Retry;

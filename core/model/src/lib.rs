//! Records of the conductor and the rules between them.
//!
//! Pure: nothing here reads a file, a clock or a socket, and nothing is async. The store writes these records,
//! the conductor works on them, the daemon shows them. Words that drivers also use (`PowerState`,
//! `InterfaceType`) come from `farrier-sdk`.
//!
//! | module | about |
//! |---|---|
//! | [`node`] | a machine under management, and how clients name it |
//! | [`port`], [`portgroup`], [`volume`] | what belongs to a node |
//! | [`bios`], [`firmware`] | what was read from a machine |
//! | [`conductor`] | a process that owns nodes |
//! | [`history`] | what happened to a node |
//! | [`notification`] | what others are told, without secrets |
//! | [`inventory`] | what an inspection found |
//! | [`provision`] | states, events, verbs, groups of states |
//! | [`provision::machine`] | which event leads where |
//! | [`power`] | power requests and which of them a node allows |
//! | [`step`] | steps: which run, in which order, with which arguments |
//! | [`secret`] | which members of a mapping must not be shown |

pub mod bios;
pub mod conductor;
pub mod firmware;
pub mod history;
pub mod inventory;
pub mod node;
pub mod notification;
pub mod port;
pub mod portgroup;
pub mod power;
pub mod provision;
pub mod secret;
pub mod step;
pub mod volume;

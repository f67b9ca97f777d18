//! The REST contract as types: what stands on the wire, in which version of the API, and how errors read.
//!
//! The API is the one Ironic defined, so that its clients work unchanged. This crate does no I/O and knows neither
//! records nor drivers: the server turns its records into these types and asks them what a request means; the command
//! line builds its requests of them.
//!
//! - [`version`]: microversions, and the one table of what each added.
//! - [`resource`], [`paging`]: which members a version shows, and what a list can be asked for.
//! - [`node`], [`port`], [`driver`], [`conductor`], [`root`]: the resources.
//! - [`power`], [`provision`], [`boot_device`], [`boot_mode`], [`console`], [`indicator`], [`media`], [`bios`],
//!   [`firmware`], [`history`], [`traits`], [`vendor`], [`validation`]: what belongs to a node and has a path of its own.
//! - [`agent`]: what the deploy agent says and hears.
//! - [`patch`]: changes to a resource.
//! - [`error`]: names, statuses and bodies of errors, with the texts that clients know.
//! - [`secret`]: what answers hide of a node's mappings.
//! - [`argument`], [`boolean`], [`depth`], [`identity`], [`link`], [`literal`], [`schema`], [`time`]: the small pieces.
//!
//! Source: Ironic REST API, 1.1 to 1.115.

pub mod agent;
pub mod argument;
pub mod bios;
pub mod boolean;
pub mod boot_device;
pub mod boot_mode;
pub mod conductor;
pub mod console;
pub mod depth;
pub mod driver;
pub mod error;
pub mod firmware;
pub mod history;
pub mod identity;
pub mod indicator;
pub mod link;
pub mod literal;
pub mod media;
pub mod node;
pub mod paging;
pub mod patch;
pub mod port;
pub mod power;
pub mod provision;
pub mod resource;
pub mod root;
pub mod schema;
pub mod secret;
pub mod time;
pub mod traits;
pub mod validation;
pub mod vendor;
pub mod version;

//! Machines and faults of the kit's own.

pub(crate) mod datagram;
pub(crate) mod http;
mod redfish;
pub(crate) mod seen;
mod tls;

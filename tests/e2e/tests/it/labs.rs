//! The product with BMCs from the labs.

mod ipmi;
mod redfish;
mod redfish_steps;

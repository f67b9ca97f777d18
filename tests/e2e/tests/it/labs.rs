//! The product with vendors' BMCs from the labs.

mod redfish;

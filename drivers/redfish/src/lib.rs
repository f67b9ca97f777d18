//! The `redfish` driver of Farrier.

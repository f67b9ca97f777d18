//! Copy this to start a plugin.

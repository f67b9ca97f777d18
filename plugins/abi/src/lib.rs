//! Frozen types of the plugin boundary.

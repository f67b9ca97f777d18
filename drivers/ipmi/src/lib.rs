//! The `ipmi` driver of Farrier.

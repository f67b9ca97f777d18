//! The `fake` driver of Farrier.

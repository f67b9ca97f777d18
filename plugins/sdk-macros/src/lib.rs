//! Macros of the Farrier plugin SDK.

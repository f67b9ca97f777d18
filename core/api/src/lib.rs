//! The REST contract as types.

//! Owns nodes and works on them.

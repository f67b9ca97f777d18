//! What the conductor does with a node, one module per operation.

pub(crate) mod power;
pub(crate) mod validate;

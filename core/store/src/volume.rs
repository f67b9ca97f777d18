//! Volume connectors and targets.

mod connector;
mod target;
#[cfg(test)]
mod tests;

use uuid::Uuid;

use crate::statement::Statement;

/// Which volume connectors or targets a list contains; one must pass every filter that is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumeFilter {
    /// Of this node.
    pub node: Option<Uuid>,
}

impl VolumeFilter {
    fn push(&self, statement: &mut Statement) {
        statement.push(" WHERE 1 = 1");
        if let Some(node) = self.node {
            statement.push(" AND node_id = (SELECT nodes.id FROM nodes WHERE nodes.uuid = ");
            statement.push_bind(node);
            statement.push(")");
        }
    }
}

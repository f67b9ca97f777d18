//! Letting a limited number of nodes into some states.

use farrier_model::node::Node;
use farrier_model::provision::ProvisionState;

use super::filter::NodeFilter;
use crate::error::StoreError;
use crate::pool::WriteTransaction;
use crate::statement::Statement;
use crate::store::Store;

/// How many nodes may be in some states at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Nodes in one of these count.
    pub states: Vec<ProvisionState>,
    /// Only nodes of this conductor group count; of all if there is none.
    pub conductor_group: Option<String>,
    /// The most there may be.
    pub most: u32,
}

impl Admission {
    /// The nodes that count.
    #[must_use]
    pub fn filter(&self) -> NodeFilter {
        NodeFilter {
            provision_states: self.states.clone(),
            conductor_group: self.conductor_group.clone(),
            ..NodeFilter::default()
        }
    }
}

impl Store {
    /// As [`node_update`](Self::node_update), unless as many nodes as allowed are in the states of `admission`.
    ///
    /// Counting and writing are one: of any number of callers on any number of conductors no more get through than
    /// there is room for.
    ///
    /// # Errors
    ///
    /// - [`LimitReached`](StoreError::LimitReached): nothing has changed.
    /// - Those of [`node_update`](Self::node_update).
    pub async fn node_admit(
        &self,
        before: &Node,
        after: &Node,
        admission: &Admission,
    ) -> Result<Node, StoreError> {
        self.node_change(before, after, Some(admission)).await
    }

    /// Lets only one transaction at a time go on from here, and refuses it when there is no room.
    pub(super) async fn check_room(
        &self,
        transaction: &mut WriteTransaction,
        operation: &'static str,
        admission: &Admission,
    ) -> Result<(), StoreError> {
        if let Some(sql) = self.dialect().one_at_a_time() {
            transaction.run(Statement::new(operation, sql)).await?;
        }
        let mut statement = Statement::new(operation, "SELECT COUNT(*) AS number FROM nodes");
        admission.filter().push(&mut statement);
        let rows = transaction.run(statement).await?;
        let running = rows.first().map_or(Ok(0), |row| row.integer("number"))?;
        if i64::from(admission.most) <= running {
            return Err(StoreError::LimitReached { running, most: admission.most });
        }
        Ok(())
    }
}

//! Nodes as passes over many of them need them.

use farrier_model::node::{Node, NodeId};
use uuid::Uuid;

use super::NodeFilter;
use crate::error::{RecordKind, StoreError};
use crate::page::Page;
use crate::record::{Assignment, Record, SortKind, select};
use crate::statement::Row;
use crate::store::Store;

/// What decides whether a node is whose business: little enough to hold it for every node there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeBrief {
    /// Its number.
    pub id: NodeId,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its hardware type.
    pub driver: String,
    /// The group of conductors it belongs to.
    pub conductor_group: String,
}

impl Store {
    /// The nodes that `filter` lets through, in few words each.
    ///
    /// # Errors
    ///
    /// As [`Store::node_list`].
    pub async fn node_brief_list(
        &self,
        filter: &NodeFilter,
        page: &Page,
    ) -> Result<Vec<NodeBrief>, StoreError> {
        const OPERATION: &str = "node_brief_list";
        let mut statement = select::<NodeBrief>(OPERATION);
        filter.push(&mut statement);
        self.list(OPERATION, statement, page).await
    }
}

impl Record for NodeBrief {
    const KIND: RecordKind = Node::KIND;
    const TABLE: &'static str = Node::TABLE;
    const COLUMNS: &'static str = "id, uuid, driver, conductor_group";
    const SORT: &'static [(&'static str, SortKind)] = Node::SORT;

    fn values(&self) -> Vec<Assignment> {
        // Nobody writes a node through this.
        Vec::new()
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: NodeId(row.integer("id")?),
            uuid: row.parsed("uuid")?,
            driver: row.text("driver")?,
            conductor_group: row.text("conductor_group")?,
        })
    }

    fn not_found(ident: String) -> StoreError {
        Node::not_found(ident)
    }
}

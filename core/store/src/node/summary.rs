//! Nodes as lists show them.

use farrier_model::node::Node;
use farrier_model::provision::ProvisionState;
use farrier_sdk::interface::power::PowerState;
use uuid::Uuid;

use super::NodeFilter;
use crate::error::{RecordKind, StoreError};
use crate::page::Page;
use crate::record::{Assignment, Record, SortKind, select};
use crate::statement::Row;
use crate::store::Store;

/// What the short form of lists shows of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSummary {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its name.
    pub name: Option<String>,
    /// The instance that uses it.
    pub instance_uuid: Option<Uuid>,
    /// Whether it is in maintenance.
    pub maintenance: bool,
    /// Whether it was on when last looked.
    pub power_state: Option<PowerState>,
    /// Where it is in its life.
    pub provision_state: ProvisionState,
}

impl Store {
    /// The nodes that `filter` lets through, as lists show them.
    ///
    /// # Errors
    ///
    /// As [`Store::node_list`].
    pub async fn node_summary_list(
        &self,
        filter: &NodeFilter,
        page: &Page,
    ) -> Result<Vec<NodeSummary>, StoreError> {
        const OPERATION: &str = "node_summary_list";
        let mut statement = select::<NodeSummary>(OPERATION);
        filter.push(&mut statement);
        self.list(OPERATION, statement, page).await
    }
}

impl Record for NodeSummary {
    const KIND: RecordKind = Node::KIND;
    const TABLE: &'static str = Node::TABLE;
    const COLUMNS: &'static str = "uuid, name, instance_uuid, maintenance, power_state, provision_state";
    const SORT: &'static [(&'static str, SortKind)] = Node::SORT;

    fn values(&self) -> Vec<Assignment> {
        // Nobody writes a node through this.
        Vec::new()
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            uuid: row.parsed("uuid")?,
            name: row.text_or_null("name")?,
            instance_uuid: row.parsed_or_null("instance_uuid")?,
            maintenance: row.boolean("maintenance")?,
            power_state: row.parsed_or_null("power_state")?,
            provision_state: row.parsed("provision_state")?,
        })
    }

    fn not_found(ident: String) -> StoreError {
        Node::not_found(ident)
    }
}

//! What happened to a node.

use farrier_model::history::HistoryEntry;
use farrier_model::node::Node;
use farrier_store::Page;
use uuid::Uuid;

use super::Conductor;
use crate::error::ConductorError;

impl Conductor {
    /// A page of a node's history.
    ///
    /// # Errors
    ///
    /// Those of the store: an unknown marker, a key that cannot be sorted by.
    pub async fn history(&self, node: &Node, page: &Page) -> Result<Vec<HistoryEntry>, ConductorError> {
        Ok(self.store().history_list(node.id, page).await?)
    }

    /// One entry of a node's history.
    ///
    /// # Errors
    ///
    /// `NotFound`, also when the entry is another node's.
    pub async fn history_entry(&self, node: &Node, uuid: Uuid) -> Result<HistoryEntry, ConductorError> {
        Ok(self.store().history_get(node.id, uuid).await?)
    }
}

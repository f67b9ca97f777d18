//! Creating, changing, listing and deleting ports.

use farrier_model::node::{Node, NodeName};
use farrier_model::port::Port;
use farrier_store::{Page, PortFilter, PortSummary};
use uuid::Uuid;

use super::{Conductor, abandon, end};
use crate::error::ConductorError;
use crate::task::{Acquire, RequestContext};

impl Conductor {
    /// A page of ports.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn ports(&self, filter: &PortFilter, page: &Page) -> Result<Vec<Port>, ConductorError> {
        Ok(self.store().port_list(filter, page).await?)
    }

    /// A page of ports, as far as the short form of lists shows them.
    ///
    /// # Errors
    ///
    /// As [`ports`](Self::ports).
    pub async fn port_summaries(
        &self,
        filter: &PortFilter,
        page: &Page,
    ) -> Result<Vec<PortSummary>, ConductorError> {
        Ok(self.store().port_summary_list(filter, page).await?)
    }

    /// One port.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub async fn port(&self, uuid: Uuid) -> Result<Port, ConductorError> {
        Ok(self.store().port_get(uuid).await?)
    }

    /// The node that a port belongs to.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub async fn node_of_port(&self, uuid: Uuid) -> Result<Node, ConductorError> {
        let port = self.port(uuid).await?;
        Ok(self.store().node_get(port.node_id).await?)
    }

    /// Adds a port to a node, under a shared task: others may work on the node meanwhile.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`; `Duplicate` by address or UUID.
    pub async fn port_create(
        &self,
        context: RequestContext,
        node: &NodeName,
        make: impl FnOnce(&farrier_model::node::Node) -> Port,
    ) -> Result<Port, ConductorError> {
        let node = self.node(node).await?;
        let acquire = Acquire { context, ..Acquire::new("port create") };
        let task = self.tasks.acquire_shared(&node, acquire).await?;
        Ok(self.store().port_create(&make(task.node())).await?)
    }

    /// Changes a port, under the lock of its node.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NodeLocked`, `Duplicate`; what `edit` answers.
    pub async fn port_update(
        &self,
        context: RequestContext,
        uuid: Uuid,
        edit: &(dyn Fn(&Port) -> Result<Port, ConductorError> + Send + Sync),
    ) -> Result<Port, ConductorError> {
        let port = self.port(uuid).await?;
        edit(&port)?;
        let acquire = Acquire { context, ..Acquire::new("port update") };
        let task = self.tasks.acquire_exclusive(port.node_id, acquire).await?;
        let update = async {
            let before = self.store().port_get(uuid).await?;
            let after = edit(&before)?;
            Ok(self.store().port_update(&before, &after).await?)
        };
        let updated = update.await;
        end(task, updated).await
    }

    /// Deletes a port, under the lock of its node.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NodeLocked`.
    pub async fn port_delete(&self, context: RequestContext, uuid: Uuid) -> Result<(), ConductorError> {
        let port = self.port(uuid).await?;
        let acquire = Acquire { context, ..Acquire::new("port deletion") };
        let task = self.tasks.acquire_exclusive(port.node_id, acquire).await?;
        match self.store().port_destroy(uuid).await {
            Ok(()) => task.finish().await,
            Err(error) => abandon(task, error.into()).await,
        }
    }
}

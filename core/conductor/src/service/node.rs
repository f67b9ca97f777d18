//! Creating, changing, listing and deleting nodes.

use farrier_model::node::{DeleteAvailable, Node, NodeName};
use farrier_model::provision::ProvisionState;
use farrier_sdk::interface::InterfaceType;
use farrier_store::{NodeFilter, NodeSummary, Page};
use tracing::info;

use super::{Conductor, abandon, console, end};
use crate::error::ConductorError;
use crate::operation::interface;
use crate::task::{Acquire, ExclusiveTask, RequestContext};

/// Whether an update empties the interfaces that it does not set itself, so that defaults are worked out anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetInterfaces {
    /// Interfaces stay; a new driver must support them.
    No,
    /// Interfaces are chosen anew.
    Yes,
}

/// A change of a node, made on the node as it is under the lock.
pub struct NodeUpdate<'a> {
    /// Makes the changed node out of the stored one; may be called twice.
    pub edit: &'a (dyn Fn(&Node) -> Result<Node, ConductorError> + Send + Sync),
    /// Whether interfaces are chosen anew.
    pub reset_interfaces: ResetInterfaces,
}

impl std::fmt::Debug for NodeUpdate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeUpdate").field("reset_interfaces", &self.reset_interfaces).finish_non_exhaustive()
    }
}

impl Conductor {
    /// A page of nodes.
    ///
    /// # Errors
    ///
    /// Those of the store: an unknown marker, a key that cannot be sorted by.
    pub async fn nodes(&self, filter: &NodeFilter, page: &Page) -> Result<Vec<Node>, ConductorError> {
        Ok(self.store().node_list(filter, page).await?)
    }

    /// A page of nodes, as far as the short form of lists shows them.
    ///
    /// # Errors
    ///
    /// As [`nodes`](Self::nodes).
    pub async fn node_summaries(
        &self,
        filter: &NodeFilter,
        page: &Page,
    ) -> Result<Vec<NodeSummary>, ConductorError> {
        Ok(self.store().node_summary_list(filter, page).await?)
    }

    /// Enrols a node; interfaces that are not chosen get their defaults.
    ///
    /// # Errors
    ///
    /// `NoValidHost`; those of the registry; `Duplicate` by name, UUID or instance.
    pub async fn node_create(
        &self,
        _context: RequestContext,
        mut node: Node,
    ) -> Result<Node, ConductorError> {
        self.owner(&node).await?;
        self.registry().check_and_update_interfaces(&mut node)?;
        let node = self.store().node_create(&node).await?;
        info!(node = %node.uuid, hardware_type = node.driver, "node is enrolled");
        Ok(node)
    }

    /// Changes a node: checked as a whole, then saved once, or nothing is.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked`, `NoValidHost`, what `edit` answers, and what the node does not allow now.
    pub async fn node_update(
        &self,
        context: RequestContext,
        name: &NodeName,
        update: NodeUpdate<'_>,
    ) -> Result<Node, ConductorError> {
        let node = self.node(name).await?;
        // A change that makes no sense is refused before anybody waits for a lock.
        let changed = (update.edit)(&node)?;
        check_update(&node, &changed, update.reset_interfaces)?;
        if node.driver != changed.driver || node.conductor_group != changed.conductor_group {
            self.owner(&changed).await?;
        }
        if changed == node && update.reset_interfaces == ResetInterfaces::No {
            return Ok(node);
        }
        let acquire = Acquire { context, ..Acquire::new("node update") }.without_driver();
        let mut task = self.tasks.acquire_exclusive(&node, acquire).await?;
        let saved = self.update_locked(&mut task, &update).await;
        match saved {
            Ok(()) => {
                let mut node = task.node().clone();
                task.finish().await?;
                node.reservation = None;
                node.reservation_purpose = None;
                node.reserved_at = None;
                Ok(node)
            }
            Err(error) => abandon(task, error).await,
        }
    }

    async fn update_locked(
        &self,
        task: &mut ExclusiveTask,
        update: &NodeUpdate<'_>,
    ) -> Result<(), ConductorError> {
        let before = task.node().clone();
        let mut after = (update.edit)(&before)?;
        check_update(&before, &after, update.reset_interfaces)?;
        if update.reset_interfaces == ResetInterfaces::Yes {
            for kind in InterfaceType::ALL {
                if after.interfaces.get(kind) == before.interfaces.get(kind) {
                    after.interfaces.set(kind, None);
                }
            }
        }
        if changes_driver(&before, &after) || update.reset_interfaces == ResetInterfaces::Yes {
            self.registry().check_and_update_interfaces(&mut after)?;
        }
        let deploy = |node: &Node| node.interfaces.get(InterfaceType::Deploy).map(str::to_owned);
        if deploy(&before) != deploy(&after) || update.reset_interfaces == ResetInterfaces::Yes {
            interface::forget_original(&mut after);
        }
        if before.maintenance && !after.maintenance {
            after.maintenance_reason = None;
            after.fault = None;
        }
        if before.protected && !after.protected {
            after.protected_reason = None;
        }
        if before.retired && !after.retired {
            after.retired_reason = None;
        }
        *task.node_mut() = after;
        task.save().await
    }

    /// Deletes a node with all that belongs to it.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked`, [`ConductorError::NodeAssociated`], [`ConductorError::NodeProtected`],
    /// [`ConductorError::WrongState`].
    pub async fn node_delete(&self, context: RequestContext, name: &NodeName) -> Result<(), ConductorError> {
        let node = self.node(name).await?;
        let acquire = Acquire { context, ..Acquire::new("node deletion") }.without_driver();
        let mut task = self.tasks.acquire_exclusive(&node, acquire).await?;
        let deleted = self.delete_locked(&mut task).await;
        end(task, deleted).await
    }

    async fn delete_locked(&self, task: &mut ExclusiveTask) -> Result<(), ConductorError> {
        let node = task.node();
        if let (Some(instance), false) = (node.instance_uuid, node.maintenance) {
            return Err(ConductorError::NodeAssociated { node: node.uuid, instance });
        }
        if node.protected {
            return Err(ConductorError::NodeProtected { node: node.uuid, what: "deleted" });
        }
        let available = if self.tasks.shared().config.allow_deleting_available_nodes {
            DeleteAvailable::Allowed
        } else {
            DeleteAvailable::Refused
        };
        if !node.allows_delete(available) {
            let state = node.provision_state;
            return Err(ConductorError::WrongState { node: node.uuid, what: "be deleted", state });
        }
        let (id, uuid) = (node.id, node.uuid);
        console::stop_with_node(task).await;
        self.store().node_destroy(id).await?;
        task.node_destroyed();
        info!(node = %uuid, "node is deleted");
        Ok(())
    }
}

fn changes_driver(before: &Node, after: &Node) -> bool {
    before.driver != after.driver || before.interfaces != after.interfaces
}

/// What a node does not allow now.
fn check_update(before: &Node, after: &Node, reset: ResetInterfaces) -> Result<(), ConductorError> {
    let node = before.uuid;
    let released = before.instance_uuid.is_some() && after.instance_uuid.is_none();
    if !before.allows_update() && !released && before.maintenance == after.maintenance {
        return Err(ConductorError::InTransition { node });
    }
    if (changes_driver(before, after) || reset == ResetInterfaces::Yes) && !before.allows_interface_change() {
        let state = before.provision_state;
        return Err(ConductorError::WrongState { node, what: "change its driver or interfaces", state });
    }
    if let (Some(instance), Some(other)) = (before.instance_uuid, after.instance_uuid)
        && instance != other
    {
        return Err(ConductorError::NodeAssociated { node, instance });
    }
    let protectable = matches!(before.provision_state, ProvisionState::Active | ProvisionState::Rescue);
    let state = before.provision_state;
    if after.protected && !before.protected && !protectable {
        return Err(ConductorError::NotProtectable { node, state });
    }
    if after.retired && !before.retired && state == ProvisionState::Available {
        let message = format!("node {node} can not be retired while it is in state `{state}`");
        return Err(ConductorError::Conflict { message });
    }
    Ok(())
}

#[cfg(test)]
mod tests;

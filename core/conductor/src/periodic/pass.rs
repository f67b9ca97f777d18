//! Going through nodes: which of them, and what goes wrong with one without ending the pass.

use std::collections::HashMap;

use farrier_model::node::{Node, NodeId};
use farrier_sdk::interface::InterfaceType;
use farrier_store::{NodeBrief, NodeFilter, Page};
use tracing::{info, warn};

use super::Pass;
use crate::error::ConductorError;
use crate::task::{Acquire, ExclusiveTask, SharedTask};

/// How many nodes are read at once.
const BATCH_SIZE: usize = 100;

/// What was done to one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Something: it counts.
    Acted,
    /// Nothing: it does not count.
    Nothing,
    /// Something, and that was the last node of this pass.
    Stop,
}

/// Which nodes a pass goes through.
///
/// A node must pass all of: the filter, in the database; being mapped to this conductor; the predicate and the
/// implementation, both before any lock.
pub(crate) struct NodePass<'a> {
    /// What for; shown with locks and in the log.
    pub(crate) purpose: &'static str,
    /// Asked of the database.
    pub(crate) filter: NodeFilter,
    /// The field that says which nodes come first: those with the smallest value.
    pub(crate) sort_key: &'static str,
    /// Asked of the node as it is without a lock; all pass without one.
    pub(crate) predicate: Option<&'a (dyn Fn(&Node) -> bool + Sync)>,
    /// The implementation that nodes must have for this interface type: exactly this one.
    pub(crate) implementation: Option<(InterfaceType, &'a str)>,
    /// The most nodes to act on.
    pub(crate) limit: Option<usize>,
    /// What becomes of a node whose driver cannot be assembled.
    pub(crate) without_driver: WithoutDriver,
}

/// What becomes of a node whose driver cannot be assembled, because its plugin is gone for example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WithoutDriver {
    /// It is skipped, which the log tells.
    Skipped,
    /// It is worked on: tasks come without their driver, which is assembled when it is called.
    Worked,
}

impl NodePass<'_> {
    /// All nodes of this conductor that `filter` lets through, oldest first.
    pub(crate) fn new(purpose: &'static str, filter: NodeFilter) -> Self {
        Self {
            purpose,
            filter,
            sort_key: "id",
            predicate: None,
            implementation: None,
            limit: None,
            without_driver: WithoutDriver::Skipped,
        }
    }

    /// Does `work` with a shared task on each node; answers on how many it acted.
    ///
    /// A node that is gone or locked is skipped, and so may be one whose driver cannot be assembled.
    ///
    /// # Errors
    ///
    /// Those of the store; those of `work`, which end the pass.
    #[cfg_attr(not(test), expect(dead_code, reason = "no task goes through nodes without a lock yet"))]
    pub(crate) async fn run_shared<F>(
        &self,
        pass: &Pass,
        work: impl Fn(SharedTask) -> F,
    ) -> Result<usize, ConductorError>
    where
        F: Future<Output = Result<Outcome, ConductorError>>,
    {
        let (tasks, work) = (pass.conductor.tasks(), &work);
        self.run(pass, |node| async move { work(tasks.acquire_shared(node, self.acquire()).await?).await })
            .await
    }

    /// Does `work` with an exclusive task on each node; answers on how many it acted. The work ends the task.
    ///
    /// A node that is gone or locked is skipped, and so is one whose driver cannot be assembled.
    ///
    /// # Errors
    ///
    /// Those of the store; those of `work`, which end the pass.
    pub(crate) async fn run_exclusive<F>(
        &self,
        pass: &Pass,
        work: impl Fn(ExclusiveTask) -> F,
    ) -> Result<usize, ConductorError>
    where
        F: Future<Output = Result<Outcome, ConductorError>>,
    {
        let (tasks, work) = (pass.conductor.tasks(), &work);
        self.run(pass, |node| async move { work(tasks.acquire_exclusive(node, self.acquire()).await?).await })
            .await
    }

    fn acquire(&self) -> Acquire {
        let acquire = Acquire::new(self.purpose);
        match self.without_driver {
            WithoutDriver::Skipped => acquire,
            WithoutDriver::Worked => acquire.without_driver(),
        }
    }

    async fn run<F>(&self, pass: &Pass, visit: impl Fn(NodeId) -> F) -> Result<usize, ConductorError>
    where
        F: Future<Output = Result<Outcome, ConductorError>>,
    {
        let briefs = self.candidates(pass).await?;
        let mut acted = 0;
        for batch in briefs.chunks(BATCH_SIZE) {
            let mut nodes = read(pass, batch).await?;
            for brief in batch {
                if pass.stop.is_cancelled() || self.limit.is_some_and(|limit| limit <= acted) {
                    return Ok(acted);
                }
                let Some(node) = nodes.remove(&brief.id) else {
                    info!(node = %brief.uuid, purpose = self.purpose, "node is gone, skipped");
                    continue;
                };
                if !self.wants(pass, &node) {
                    continue;
                }
                match self.settle(&node, visit(node.id).await)? {
                    Outcome::Acted => acted += 1,
                    Outcome::Nothing => {}
                    Outcome::Stop => return Ok(acted + 1),
                }
            }
        }
        Ok(acted)
    }

    /// The nodes of this conductor that the filter lets through.
    async fn candidates(&self, pass: &Pass) -> Result<Vec<NodeBrief>, ConductorError> {
        let page = Page { sort_key: self.sort_key.to_owned(), ..Page::default() };
        let mut briefs = pass.conductor.store().node_brief_list(&self.filter, &page).await?;
        pass.conductor.retain_mapped(&mut briefs).await?;
        Ok(briefs)
    }

    /// Whether the pass is about this node, as far as can be said without a lock.
    fn wants(&self, pass: &Pass, node: &Node) -> bool {
        if self.predicate.is_some_and(|predicate| !predicate(node)) {
            return false;
        }
        let Some((kind, name)) = self.implementation else { return true };
        match pass.conductor.registry().assemble(&mut node.clone()) {
            Ok(driver) => driver.interface(kind).name() == name,
            Err(error) => {
                warn!(node = %node.uuid, purpose = self.purpose, %error, "node has no driver, skipped");
                false
            }
        }
    }

    /// What an error of one node means for the others.
    fn settle(
        &self,
        node: &Node,
        result: Result<Outcome, ConductorError>,
    ) -> Result<Outcome, ConductorError> {
        let (node, purpose) = (node.uuid, self.purpose);
        match result {
            Err(error) if error.is_node_not_found() => {
                info!(%node, purpose, "node is gone, skipped");
                Ok(Outcome::Nothing)
            }
            Err(error) if error.is_node_locked() => {
                info!(%node, purpose, %error, "node is locked, skipped");
                Ok(Outcome::Nothing)
            }
            // The node's own fault: it must not keep the others from being looked after.
            Err(ConductorError::Registry(error)) => {
                warn!(%node, purpose, %error, "node has no driver, skipped");
                Ok(Outcome::Nothing)
            }
            other => other,
        }
    }
}

/// The nodes of a batch by their numbers, those that still exist.
async fn read(pass: &Pass, batch: &[NodeBrief]) -> Result<HashMap<NodeId, Node>, ConductorError> {
    let ids = batch.iter().map(|brief| brief.id).collect();
    let filter = NodeFilter { ids: Some(ids), ..NodeFilter::default() };
    let nodes = pass.conductor.store().node_list(&filter, &Page::default()).await?;
    Ok(nodes.into_iter().map(|node| (node.id, node)).collect())
}

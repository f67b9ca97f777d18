//! Traits of a node.

use std::collections::BTreeSet;

use farrier_model::node::NodeName;

use super::{Conductor, end};
use crate::error::ConductorError;
use crate::task::{Acquire, RequestContext};

/// The most traits a node may have.
const TRAITS_MAX: usize = 50;

/// What becomes of a node's traits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraitChange {
    /// These and no others.
    Replace(Vec<String>),
    /// This one too.
    Add(String),
    /// All but this one.
    Remove(String),
}

impl Conductor {
    /// Changes the traits of a node, under its lock.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked`, too many traits, [`ConductorError::TraitNotFound`] for one to remove.
    pub async fn change_traits(
        &self,
        context: RequestContext,
        name: &NodeName,
        change: TraitChange,
    ) -> Result<(), ConductorError> {
        let node = self.node(name).await?;
        let acquire = Acquire { context, ..Acquire::new("changing traits") }.without_driver();
        let task = self.tasks.acquire_exclusive(&node, acquire).await?;
        let change = async {
            let node = task.node();
            let mut traits: BTreeSet<String> = node.traits.iter().cloned().collect();
            match change {
                TraitChange::Replace(all) => traits = all.into_iter().collect(),
                TraitChange::Add(name) => drop(traits.insert(name)),
                TraitChange::Remove(name) if traits.remove(&name) => {}
                TraitChange::Remove(name) => {
                    return Err(ConductorError::TraitNotFound { node: node.uuid, name });
                }
            }
            if TRAITS_MAX < traits.len() {
                let text = format!("A node cannot have more than {TRAITS_MAX} traits");
                return Err(ConductorError::invalid_parameter(text));
            }
            let traits: Vec<String> = traits.into_iter().collect();
            Ok(self.store().node_traits_set(node.id, &traits).await?)
        };
        let answer = change.await;
        end(task, answer).await
    }
}

//! Moving a node through the state machine.
//!
//! Source: Ironic's task manager.

use std::future::Future;
use std::pin::Pin;

use farrier_model::node::Node;
use farrier_model::notification::node::StateChange;
use farrier_model::provision::{Event, ProvisionState};
use farrier_store::Admission;
use tracing::{error, info};

use super::{ExclusiveTask, Job};
use crate::error::ConductorError;

/// Puts the node back when the job of an event could not be started: gets the state and target before it.
pub type ErrorHandler = Box<
    dyn for<'a> FnOnce(
            &'a ConductorError,
            &'a mut ExclusiveTask,
            ProvisionState,
            Option<ProvisionState>,
        ) -> Pin<Box<dyn Future<Output = Result<(), ConductorError>> + Send + 'a>>
        + Send
        + Sync,
>;

/// How an event is processed.
#[derive(Default)]
pub struct ProcessEvent {
    /// Work that the event starts at the end of the scope.
    pub job: Option<Job>,
    /// What to do if that work cannot be started.
    pub error_handler: Option<ErrorHandler>,
    /// Where the node is going, if not to the default target.
    pub target: Option<ProvisionState>,
    /// What to leave as the node's last error.
    pub last_error: Option<String>,
    /// How many nodes may be where the event leads.
    pub admission: Option<Admission>,
}

impl std::fmt::Debug for ProcessEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessEvent")
            .field("job", &self.job)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// A processed event that was not published yet, with the node as it was saved.
#[derive(Debug)]
pub(super) struct Pending {
    change: StateChange,
    node: Node,
}

impl ExclusiveTask {
    /// Processes an event: moves the machine, saves the node, remembers the job.
    ///
    /// Without a job the change is published at once, with one when the job is about to run.
    ///
    /// # Errors
    ///
    /// - [`ConductorError::InvalidState`]: there is no such move; nothing has changed.
    /// - [`LimitReached`](farrier_store::StoreError::LimitReached): there is no room; nothing has changed in the
    ///   store.
    /// - Those of the store; [`ConductorError::Released`].
    pub async fn process_event(&mut self, event: Event, options: ProcessEvent) -> Result<(), ConductorError> {
        self.core().check_released()?;
        let ProcessEvent { job, error_handler, target, last_error, admission } = options;
        let (previous, previous_target) = (self.node().provision_state, self.node().target_provision_state);
        self.machine_mut().process_event(event, target)?;
        let (state, target) = (self.machine().current(), self.machine().target());
        if let (Some(_), Some(handler)) = (&job, error_handler) {
            self.set_spawn_error_hook(Box::new(move |error, task| {
                handler(error, task, previous, previous_target)
            }));
        }
        let settled = job.is_none() && state.is_stable();
        let node = self.node_mut();
        node.provision_state = state;
        node.target_provision_state = if settled { None } else { target };
        if job.is_some() || last_error.is_some() {
            node.last_error = last_error;
        }
        let has_job = job.is_some();
        if let Some(job) = job {
            self.spawn_after(job);
        }
        self.save_if(admission.as_ref()).await?;
        log_transition(self.node(), event, previous);
        self.pending = Some(Pending {
            change: StateChange { event, previous, previous_target },
            node: self.node().clone(),
        });
        if !has_job {
            self.publish_pending();
        }
        Ok(())
    }

    /// Publishes the last processed event, once.
    pub(crate) fn publish_pending(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.shared().notifier.provision_set(&pending.node, pending.change);
        }
    }
}

fn log_transition(node: &Node, event: Event, from: ProvisionState) {
    let (node, to) = (node.uuid, node.provision_state);
    if to.is_failure() || to == ProvisionState::Error {
        error!(%node, %event, %from, %to, "node changed its provision state");
    } else {
        info!(%node, %event, %from, %to, "node changed its provision state");
    }
}

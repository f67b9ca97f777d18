//! Consoles that were on before the conductor started.
//!
//! Source: Ironic's conductor manager.

use farrier_sdk::error::Chain;
use farrier_store::{NodeFilter, Page};
use tracing::error;

use crate::error::ConductorError;
use crate::operation::takeover;
use crate::periodic::{NodePass, Outcome, Pass};
use crate::service::Conductor;

/// Most nodes a filter can name.
const NAMED_MAX: usize = 10_000;

/// Makes the consoles of this conductor's nodes reachable again, in the background: those that are on now. Whoever
/// switches one on later starts it himself.
///
/// Nodes that are locked are left out: whoever holds them was there before.
///
/// # Errors
///
/// Those of the store.
pub(super) async fn restore_consoles(conductor: &Conductor) -> Result<(), ConductorError> {
    let filter = NodeFilter { console_enabled: Some(true), ..NodeFilter::default() };
    let nodes = conductor.tasks().shared().store.node_list(&filter, &Page::default()).await?;
    let ids: Vec<_> = nodes.iter().map(|node| node.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let filter = NodeFilter { ids: (ids.len() <= NAMED_MAX).then_some(ids), ..filter };
    let pass = Pass::new(conductor);
    // One node after the other: that is no reason to take a worker from those who ask for something.
    conductor.tasks().shared().workers.spawn_cleanup(async move {
        if let Err(error) = run(&pass, filter).await {
            error!(error = %Chain(&error), "not every console could be restarted");
        }
    });
    Ok(())
}

async fn run(pass: &Pass, filter: NodeFilter) -> Result<(), ConductorError> {
    let nodes = NodePass::new("restarting the console", filter);
    nodes
        .run_exclusive(pass, async |mut task| {
            if task.node().console_enabled
                && let Err(error) = takeover::restore_console(&mut task).await
            {
                task.abandon().await;
                return Err(error);
            }
            task.finish().await?;
            Ok(Outcome::Acted)
        })
        .await
        .map(drop)
}

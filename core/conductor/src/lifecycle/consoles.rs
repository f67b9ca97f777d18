//! Consoles that were on before the conductor started.
//!
//! Source: Ironic's conductor manager.

use farrier_sdk::error::Chain;
use farrier_store::NodeFilter;
use tracing::error;

use crate::error::ConductorError;
use crate::operation::takeover;
use crate::periodic::{NodePass, Outcome, Pass};
use crate::service::Conductor;

/// Makes the consoles of this conductor's nodes reachable again, in the background.
///
/// Nodes that are locked are left out: whoever holds them was there before.
pub(super) fn restore_consoles(conductor: &Conductor) {
    let pass = Pass::new(conductor);
    // One node after the other: that is no reason to take a worker from those who ask for something.
    conductor.tasks().shared().workers.spawn_cleanup(async move {
        if let Err(error) = run(&pass).await {
            error!(error = %Chain(&error), "not every console could be restarted");
        }
    });
}

async fn run(pass: &Pass) -> Result<(), ConductorError> {
    let filter = NodeFilter { console_enabled: Some(true), ..NodeFilter::default() };
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

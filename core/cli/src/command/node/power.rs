//! `farrier node power`.

use std::time::Duration;

use clap::{Args, Subcommand};
use farrier_api::node::{NODE, NodeStates};
use farrier_api::power::{PowerRequest, PowerTarget};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::{Context, path};
use super::change::{Change, Told};
use crate::error::{CliError, Failures};
use crate::output::{Cell, Column};

/// How long a change of power may take unless the operator says.
const TIMEOUT: Duration = Duration::from_secs(300);

/// How long one may take that asks the operating system: servers give it ten minutes.
const SOFT_TIMEOUT: Duration = Duration::from_secs(660);

/// What a given timeout is exceeded by before this program gives up: the server tells better what happened.
const GRACE: Duration = Duration::from_secs(10);

/// What can be done with power.
#[derive(Debug, Subcommand)]
pub(crate) enum PowerCommand {
    /// Switch on
    On {
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Switch off
    Off {
        #[command(flatten)]
        change: ChangeArguments,
        /// Ask the operating system to
        #[arg(long)]
        soft: bool,
    },
    /// Switch off and on again
    Reboot {
        #[command(flatten)]
        change: ChangeArguments,
        /// Ask the operating system to
        #[arg(long)]
        soft: bool,
    },
    /// Tell whether it is on
    Status {
        /// UUIDs or names of the nodes
        #[arg(required = true, value_name = "NODE")]
        nodes: Vec<String>,
    },
}

/// Which nodes, and how long.
#[derive(Debug, Args)]
pub(crate) struct ChangeArguments {
    /// UUIDs or names of the nodes
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
    /// Wait until it has happened
    #[arg(long)]
    wait: bool,
    /// How long it may take
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
}

/// Does what the command says.
pub(super) async fn run(context: &Context<'_>, command: &PowerCommand) -> Result<(), Failures> {
    match command {
        PowerCommand::On { change } => switch(context, change, PowerTarget::On).await,
        PowerCommand::Off { change, soft: false } => switch(context, change, PowerTarget::Off).await,
        PowerCommand::Off { change, soft: true } => switch(context, change, PowerTarget::SoftOff).await,
        PowerCommand::Reboot { change, soft: false } => switch(context, change, PowerTarget::Rebooting).await,
        PowerCommand::Reboot { change, soft: true } => {
            switch(context, change, PowerTarget::SoftRebooting).await
        }
        PowerCommand::Status { nodes } => status(context, nodes).await,
    }
}

/// Tells the power of nodes.
async fn status(context: &Context<'_>, nodes: &[String]) -> Result<(), Failures> {
    let mut told = Told::default();
    for node in nodes {
        told.add(states(context, node).await.map(|states| row(node, &states)));
    }
    told.end(context, &columns())
}

/// Asks for the change on every node, and then waits for all of them together.
async fn switch(
    context: &Context<'_>,
    arguments: &ChangeArguments,
    target: PowerTarget,
) -> Result<(), Failures> {
    let request = PowerRequest { target: target.as_str().to_owned(), timeout: arguments.timeout };
    let body = json!(request);
    let limit = limit(arguments.timeout, target);
    let (mut changes, mut told) = (Vec::new(), Told::default());
    for node in &arguments.nodes {
        let action = CliError::request(format!("request `{}` of node `{node}`", target.as_str()));
        let asked = context.client.put(&format!("{}/states/power", path(&NODE, node)), &body).await;
        match asked.map_err(action) {
            Ok(()) => changes.push(Change::new(node, limit)),
            Err(error) => told.failed.push(error),
        }
    }
    if arguments.wait {
        let look = async |change: &mut Change<NodeStates>| look(context, change, target, limit).await;
        told.wait_for(context, changes, look, row).await;
    } else {
        for change in changes {
            told.add(states(context, &change.node).await.map(|states| row(&change.node, &states)));
        }
    }
    told.end(context, &columns())
}

/// Looks at one node; `None` while its power still changes.
async fn look(
    context: &Context<'_>,
    change: &mut Change<NodeStates>,
    target: PowerTarget,
    limit: Duration,
) -> Result<Option<NodeStates>, CliError> {
    let states = states(context, &change.node).await?;
    if has_changed(&change.node, &states, target)? {
        return Ok(Some(states));
    }
    let expected = target.final_state();
    if change.deadline <= Instant::now() {
        return Err(CliError::PowerTimedOut { node: change.node.clone(), expected, limit });
    }
    if change.shown.as_ref() != Some(&states) {
        let present = states.power_state.as_deref().unwrap_or("unknown");
        let wanted = states.target_power_state.as_deref().unwrap_or(expected);
        context.progress.show(&format!("{}: {present}, becoming {wanted}", change.node));
        change.shown = Some(states);
    }
    Ok(None)
}

/// Whether a node's power has changed as it should; the error tells that it ended otherwise.
fn has_changed(node: &str, states: &NodeStates, target: PowerTarget) -> Result<bool, CliError> {
    if states.target_power_state.is_some() {
        return Ok(false);
    }
    let expected = target.final_state();
    let state = states.power_state.as_deref().unwrap_or("unknown");
    if state == expected {
        return Ok(true);
    }
    let (node, state, last_error) = (node.to_owned(), state.to_owned(), states.last_error.clone());
    Err(CliError::PowerFailed { node, expected, state, last_error })
}

/// How long this program waits.
fn limit(timeout: Option<u64>, target: PowerTarget) -> Duration {
    match (timeout, target) {
        (Some(seconds), _) => Duration::from_secs(seconds).saturating_add(GRACE),
        (None, PowerTarget::SoftOff | PowerTarget::SoftRebooting) => SOFT_TIMEOUT,
        (None, PowerTarget::On | PowerTarget::Off | PowerTarget::Rebooting) => TIMEOUT,
    }
}

/// Reads the states of a node.
async fn states(context: &Context<'_>, node: &str) -> Result<NodeStates, CliError> {
    let answer = context.client.get(&format!("{}/states", path(&NODE, node))).await;
    let answer = answer.map_err(CliError::request(format!("read the power of node `{node}`")))?;
    Ok(serde_json::from_value(answer).unwrap_or_default())
}

/// What is told of one node.
fn row(node: &str, states: &NodeStates) -> Value {
    json!({
        "node": node,
        "power_state": states.power_state,
        "target_power_state": states.target_power_state,
        "last_error": states.last_error,
    })
}

fn columns() -> [Column; 4] {
    [
        Column::new("NODE", "node", Cell::Text),
        Column::new("POWER", "power_state", Cell::State),
        Column::new("TARGET", "target_power_state", Cell::State),
        Column::wide("LAST ERROR", "last_error", Cell::Text),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_ends_with_its_target() {
        let states = |power: Option<&str>, target: Option<&str>| NodeStates {
            power_state: power.map(str::to_owned),
            target_power_state: target.map(str::to_owned),
            ..NodeStates::default()
        };
        let ended = |states| has_changed("n1", &states, PowerTarget::Rebooting).ok();

        assert_eq!(ended(states(Some("power on"), Some("power on"))), Some(false));
        assert_eq!(ended(states(Some("power on"), None)), Some(true));
        assert_eq!(ended(states(Some("power off"), None)), None);
        assert_eq!(ended(states(None, None)), None);
    }

    #[test]
    fn the_server_has_the_last_word_before_the_deadline() {
        assert_eq!(limit(Some(30), PowerTarget::On), Duration::from_secs(40));
        assert_eq!(limit(None, PowerTarget::On), TIMEOUT);
        assert_eq!(limit(None, PowerTarget::SoftOff), SOFT_TIMEOUT);
        assert!(Duration::from_secs(1) < limit(Some(u64::MAX), PowerTarget::On));
    }
}

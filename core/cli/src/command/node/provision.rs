//! `farrier node manage`, `provide`, `deploy` and the other ways through a node's life.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use farrier_api::node::{NODE, NodeStates};
use farrier_api::provision::ProvisionRequest;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::{Context, path};
use super::change::{Change, Told};
use crate::error::{CliError, Failures};
use crate::output::{Cell, Column};

/// How long a way may take unless the operator says: a deployment with slow disks, or a cleaning that erases them.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// Which nodes, and how long.
#[derive(Debug, Args)]
pub(crate) struct MoveArguments {
    /// UUIDs or names of the nodes
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
    /// Wait until it has ended
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "SECONDS", requires = "wait", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
}

/// Steps of a cleaning or a service.
#[derive(Debug, Args)]
pub(crate) struct StepArguments {
    #[command(flatten)]
    pub(super) moved: MoveArguments,
    /// The steps, a JSON list: [{"interface": "bios", "step": "factory_reset"}]
    #[arg(long, value_name = "JSON|@FILE")]
    steps: String,
    /// Do without the deploy agent
    #[arg(long)]
    disable_ramdisk: bool,
}

/// What to deploy with.
#[derive(Debug, Args)]
pub(crate) struct DeployArguments {
    #[command(flatten)]
    pub(super) moved: MoveArguments,
    /// Steps beside those of the drivers, a JSON list of interface, step, args and priority
    #[arg(long, value_name = "JSON|@FILE")]
    steps: Option<String>,
    /// Configuration for the instance: an address, text in base64, or a JSON object of its parts
    #[arg(long, value_name = "TEXT|@FILE")]
    config_drive: Option<String>,
}

/// How to rescue.
#[derive(Debug, Args)]
pub(crate) struct RescueArguments {
    #[command(flatten)]
    pub(super) moved: MoveArguments,
    /// The file whose first line is the password of the rescue system
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
}

/// A way through the life of nodes.
pub(super) struct Way {
    /// The target as the server knows it.
    target: &'static str,
    /// The states in which a node may be afterwards; any that it stays in, if there are none.
    expected: &'static [&'static str],
}

#[rustfmt::skip]
impl Way {
    pub(super) const MANAGE: Self = Self { target: "manage", expected: &["manageable"] };
    /// A node that is retired ends where it was.
    pub(super) const PROVIDE: Self = Self { target: "provide", expected: &["available", "manageable"] };
    pub(super) const INSPECT: Self = Self { target: "inspect", expected: &["manageable"] };
    pub(super) const CLEAN: Self = Self { target: "clean", expected: &["manageable", "clean hold"] };
    pub(super) const DEPLOY: Self = Self { target: "active", expected: &["active", "deploy hold"] };
    pub(super) const REBUILD: Self = Self { target: "rebuild", expected: &["active", "deploy hold"] };
    pub(super) const UNDEPLOY: Self = Self { target: "deleted", expected: &["available", "manageable"] };
    pub(super) const ADOPT: Self = Self { target: "adopt", expected: &["active"] };
    pub(super) const RESCUE: Self = Self { target: "rescue", expected: &["rescue"] };
    pub(super) const UNRESCUE: Self = Self { target: "unrescue", expected: &["active"] };
    pub(super) const SERVICE: Self = Self { target: "service", expected: &["active", "service hold"] };
    /// What is given up has failed, and that is what was wanted.
    pub(super) const ABORT: Self = Self { target: "abort", expected: &[] };
    pub(super) const UNHOLD: Self = Self {
        target: "unhold",
        expected: &["manageable", "available", "active", "clean hold", "deploy hold", "service hold"],
    };
}

/// Runs a verb that needs nothing but nodes.
pub(super) async fn plain(context: &Context<'_>, way: Way, moved: &MoveArguments) -> Result<(), Failures> {
    go(context, &way, moved, ProvisionRequest::default()).await
}

/// Runs steps.
pub(super) async fn steps(context: &Context<'_>, way: Way, given: &StepArguments) -> Result<(), Failures> {
    let steps = Some(list(&given.steps)?);
    let disable_ramdisk = given.disable_ramdisk.then_some(true);
    let request = if way.target == "clean" {
        ProvisionRequest { clean_steps: steps, disable_ramdisk, ..ProvisionRequest::default() }
    } else {
        ProvisionRequest { service_steps: steps, disable_ramdisk, ..ProvisionRequest::default() }
    };
    go(context, &way, &given.moved, request).await
}

/// Deploys, or deploys again.
pub(super) async fn deploy(context: &Context<'_>, way: Way, given: &DeployArguments) -> Result<(), Failures> {
    let deploy_steps = given.steps.as_deref().map(list).transpose()?;
    // Only an object is parts of a drive; a number could be base64.
    let drive = |text: String| {
        serde_json::from_str(&text).ok().filter(Value::is_object).unwrap_or_else(|| Value::from(text))
    };
    let configdrive = given.config_drive.as_deref().map(text).transpose()?.map(drive);
    let request = ProvisionRequest { deploy_steps, configdrive, ..ProvisionRequest::default() };
    go(context, &way, &given.moved, request).await
}

/// Starts the rescue system.
pub(super) async fn rescue(context: &Context<'_>, given: &RescueArguments) -> Result<(), Failures> {
    let text = read(&given.password_file)?;
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() {
        let message = format!("the first line of `{}` has no password", given.password_file.display());
        return Err(CliError::Usage { message }.into());
    }
    let request =
        ProvisionRequest { rescue_password: Some(password.to_owned()), ..ProvisionRequest::default() };
    go(context, &Way::RESCUE, &given.moved, request).await
}

/// Asks for the way on every node, and then waits for all of them together.
async fn go(
    context: &Context<'_>,
    way: &Way,
    arguments: &MoveArguments,
    request: ProvisionRequest,
) -> Result<(), Failures> {
    let body = json!(ProvisionRequest { target: way.target.to_owned(), ..request });
    let limit = arguments.timeout.map_or(TIMEOUT, Duration::from_secs);
    let (mut changes, mut told) = (Vec::new(), Told::default());
    for node in &arguments.nodes {
        let action = CliError::request(format!("request `{}` of node `{node}`", way.target));
        let asked = context.client.put(&format!("{}/states/provision", path(&NODE, node)), &body).await;
        match asked.map_err(action) {
            Ok(()) => changes.push(Change::new(node, limit)),
            Err(error) => told.failed.push(error),
        }
    }
    let look = async |change: &mut Change<String>| look(context, change, way, arguments.wait, limit).await;
    told.wait_for(context, changes, look, row).await;
    told.end(context, &columns())
}

/// Looks at one node; `None` while it is to be waited for.
async fn look(
    context: &Context<'_>,
    change: &mut Change<String>,
    way: &Way,
    wait: bool,
    limit: Duration,
) -> Result<Option<NodeStates>, CliError> {
    let action = CliError::request(format!("read the states of node `{}`", change.node));
    let answer =
        context.client.get(&format!("{}/states", path(&NODE, &change.node))).await.map_err(action)?;
    let states: NodeStates = serde_json::from_value(answer).unwrap_or_default();
    if !wait || has_ended(&change.node, &states, way)? {
        return Ok(Some(states));
    }
    if change.deadline <= Instant::now() {
        return Err(CliError::ProvisionTimedOut { node: change.node.clone(), target: way.target, limit });
    }
    let state = states.provision_state.unwrap_or_default();
    if change.shown.as_ref() != Some(&state) {
        context.progress.show(&format!("{}: {state}", change.node));
        change.shown = Some(state);
    }
    Ok(None)
}

/// Whether a node is where it should be; the error tells that it ended elsewhere.
fn has_ended(node: &str, states: &NodeStates, way: &Way) -> Result<bool, CliError> {
    let state = states.provision_state.as_deref().unwrap_or_default();
    let stays = states.target_provision_state.is_none()
        || [" failed", " hold"].iter().any(|end| state.ends_with(end));
    if !stays {
        return Ok(false);
    }
    if way.expected.is_empty() || way.expected.contains(&state) {
        return Ok(true);
    }
    Err(CliError::ProvisionFailed {
        node: node.to_owned(),
        target: way.target,
        state: state.to_owned(),
        last_error: states.last_error.clone(),
    })
}

/// The text of an argument, or of the file that it names after an `@`.
fn text(argument: &str) -> Result<String, CliError> {
    match argument.strip_prefix('@') {
        Some(file) => Ok(read(&PathBuf::from(file))?.trim().to_owned()),
        None => Ok(argument.to_owned()),
    }
}

fn read(file: &PathBuf) -> Result<String, CliError> {
    std::fs::read_to_string(file)
        .map_err(|error| CliError::Usage { message: format!("cannot read `{}`: {error}", file.display()) })
}

/// A JSON list.
fn list(argument: &str) -> Result<Vec<Value>, CliError> {
    serde_json::from_str(&text(argument)?)
        .map_err(|error| CliError::Usage { message: format!("the steps are no JSON list: {error}") })
}

/// What is told of one node.
fn row(node: &str, states: &NodeStates) -> Value {
    json!({
        "node": node,
        "provision_state": states.provision_state,
        "target_provision_state": states.target_provision_state,
        "last_error": states.last_error,
    })
}

fn columns() -> [Column; 4] {
    [
        Column::new("NODE", "node", Cell::Text),
        Column::new("PROVISION", "provision_state", Cell::State),
        Column::new("TARGET", "target_provision_state", Cell::State),
        Column::wide("LAST ERROR", "last_error", Cell::Text),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_ends_where_it_leads_or_fails() {
        let ended = |way: Way, state: &str, target: Option<&str>| {
            let states = NodeStates {
                provision_state: Some(state.to_owned()),
                target_provision_state: target.map(str::to_owned),
                ..NodeStates::default()
            };
            has_ended("n1", &states, &way).ok()
        };

        assert_eq!(ended(Way::MANAGE, "verifying", Some("manageable")), Some(false));
        assert_eq!(ended(Way::MANAGE, "manageable", None), Some(true));
        assert_eq!(ended(Way::MANAGE, "enroll", None), None);
        assert_eq!(ended(Way::CLEAN, "clean failed", Some("manageable")), None);
        assert_eq!(ended(Way::CLEAN, "clean hold", Some("manageable")), Some(true));
        assert_eq!(ended(Way::CLEAN, "clean wait", Some("manageable")), Some(false));
        assert_eq!(ended(Way::UNDEPLOY, "error", None), None);
        assert_eq!(ended(Way::ABORT, "deploy failed", Some("active")), Some(true));
    }
}

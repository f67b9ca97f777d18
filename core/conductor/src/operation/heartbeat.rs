//! The deploy agent calls.
//!
//! Each call is recorded. On a node that waits, it is also asked of the deploy interface, which talks to the agent,
//! and then ends the wait: the current step is over, unless somebody else asks for its end (`polling`). A deploy
//! interface whose step is not over yet sets that flag when the step begins and removes it when a heartbeat finds
//! the step over.
//!
//! Source: Ironic's agent deploy interface.

use std::fmt;

use farrier_model::node::{Fields, Node};
use farrier_model::provision::{HEARTBEAT_ALLOWED, HEARTBEAT_RECORD_ONLY, ProvisionState};
use farrier_sdk::error::{Chain, ErrorKind};
use farrier_sdk::interface::deploy::DeployClient;
use farrier_sdk::secret::Secret;
use jiff::Timestamp;
use serde_json::json;
use tracing::{debug, info, warn};

use super::agent::{TOKEN, URL};
use crate::config::ConductorConfig;
use crate::error::ConductorError;
use crate::operation::{deploy, process, rescue, upkeep};
use crate::steps::wake::{self, Asked};
use crate::steps::{Flow, STEPS_VALIDATED, call_back, flag, step_timeout};
use crate::task::ExclusiveTask;

/// What an agent says of its deployment, if it says anything.
const STATUSES: [&str; 3] = ["start", "end", "error"];

/// States in which an agent that stays running between operations is heard too.
const FAST_TRACK_ALSO: [ProvisionState; 3] =
    [ProvisionState::Enroll, ProvisionState::Manageable, ProvisionState::Available];

/// What goes wrong with a node in maintenance.
const IN_MAINTENANCE: &str = "Operation was aborted because the node is in maintenance";

/// What the deploy agent says of itself. `Debug` shows where it is and nothing else.
#[derive(Clone)]
pub struct Heartbeat {
    /// Where it can be reached.
    pub callback_url: String,
    /// Its version.
    pub agent_version: Option<String>,
    /// What proves that it is the agent of this node.
    pub agent_token: Option<Secret<String>>,
    /// The certificate it answers with, if it made one itself.
    pub agent_verify_ca: Option<String>,
    /// Where it is in its deployment: `start`, `end` or `error`.
    pub agent_status: Option<String>,
    /// The same for people.
    pub agent_status_message: Option<String>,
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat").field("callback_url", &self.callback_url).finish_non_exhaustive()
    }
}

/// Checks a heartbeat before anybody is kept busy with it.
///
/// # Errors
///
/// [`ConductorError::InvalidParameter`]: this is not the agent of the node, or it says too little.
pub(crate) fn check(
    node: &Node,
    heartbeat: &Heartbeat,
    config: &ConductorConfig,
) -> Result<(), ConductorError> {
    let refused = |text: String| Err(ConductorError::InvalidParameter { message: text });
    let uuid = node.uuid;
    let known = |key| node.driver_internal_info.get(key).and_then(serde_json::Value::as_str);
    let url = &heartbeat.callback_url;
    if !is_address(url) {
        return refused(format!(
            "`callback_url` of node {uuid} is no address that begins with http:// or https://"
        ));
    }
    if let Some(status) = heartbeat.agent_status.as_deref().filter(|status| !STATUSES.contains(status)) {
        return refused(format!("`agent_status` `{status}` is none of {}", STATUSES.join(", ")));
    }
    if heartbeat.agent_version.is_none() && heartbeat.agent_status.is_none() {
        return refused(format!("the agent of node {uuid} tells neither its version nor its status"));
    }
    let token = heartbeat.agent_token.as_ref().map(|token| token.expose().as_str()).unwrap_or_default();
    if token.is_empty() {
        return refused(format!("the agent of node {uuid} sends no token"));
    }
    if !known(TOKEN).is_some_and(|known| is_same(known, token)) {
        return refused(format!("the agent of node {uuid} sends another token than the one it was given"));
    }
    if config.require_tls && !url.starts_with("https://") {
        return refused(format!("`callback_url` of node {uuid} has to begin with https://"));
    }
    if known(URL).is_some_and(|known| known != url) {
        return refused(format!("`callback_url` of node {uuid} is not the one of its first heartbeat"));
    }
    let certificate = heartbeat.agent_verify_ca.as_deref();
    if certificate.is_some_and(|given| known("agent_verify_ca").is_some_and(|known| known != given)) {
        return refused(format!("the agent of node {uuid} sends another certificate than at first"));
    }
    Ok(())
}

/// Whether `text` is the address of something that speaks HTTP, as far as can be seen.
fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && !text.chars().any(|letter| letter.is_whitespace() || letter.is_control())
    })
}

/// Compares in a time that does not tell where the texts differ.
fn is_same(one: &str, other: &str) -> bool {
    let differences = one.bytes().zip(other.bytes()).fold(0, |sum, (one, other)| sum | (one ^ other));
    one.len() == other.len() && differences == 0
}

/// Whether a node in `state` hears its agent.
pub(crate) fn is_heard(state: ProvisionState, config: &ConductorConfig) -> bool {
    HEARTBEAT_ALLOWED.contains(&state) || (config.fast_track && FAST_TRACK_ALSO.contains(&state))
}

/// Records a heartbeat and, on a node that waits, goes on.
///
/// # Errors
///
/// Those of the store. What goes wrong otherwise ends the operation, and on the node.
pub(crate) async fn beat(task: &mut ExclusiveTask, heartbeat: Heartbeat) -> Result<(), ConductorError> {
    let (node, state) = (task.node().uuid, task.node().provision_state);
    if !is_heard(state, &task.shared().config) {
        debug!(%node, %state, "nobody listens to the agent in this state");
        return Ok(());
    }
    record(&mut task.node_mut().driver_internal_info, &heartbeat);
    task.save().await?;
    if HEARTBEAT_RECORD_ONLY.contains(&state) {
        return Ok(());
    }
    task.shared().store.node_touch_provisioning(task.node().id).await?;
    if task.node().maintenance {
        return in_maintenance(task).await;
    }
    if let Err(error) = ask(task, heartbeat).await {
        return refused(task, &error).await;
    }
    go_on(task).await
}

fn record(info: &mut Fields, heartbeat: &Heartbeat) {
    info.insert(URL.to_owned(), json!(heartbeat.callback_url));
    info.insert("agent_last_heartbeat".to_owned(), json!(Timestamp::now().to_string()));
    for (key, value) in [
        ("agent_version", &heartbeat.agent_version),
        ("agent_verify_ca", &heartbeat.agent_verify_ca),
        ("agent_status", &heartbeat.agent_status),
        ("agent_status_message", &heartbeat.agent_status_message),
    ] {
        if let Some(value) = value {
            info.insert(key.to_owned(), json!(value));
        }
    }
}

/// Work pauses in maintenance, or ends.
async fn in_maintenance(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    if task.shared().config.allow_provisioning_in_maintenance {
        debug!(node = %task.node().uuid, "the agent waits until the node leaves maintenance");
        return Ok(());
    }
    fail(task, IN_MAINTENANCE).await
}

/// Lets the deploy interface talk to the agent.
async fn ask(task: &mut ExclusiveTask, heartbeat: Heartbeat) -> Result<(), ConductorError> {
    let limit = step_timeout(task);
    let deploy = task.deploy()?;
    let deploy = DeployClient(deploy.0.with_timeout(limit));
    let Heartbeat {
        callback_url, agent_version, agent_verify_ca, agent_status, agent_status_message, ..
    } = heartbeat;
    let asked = deploy
        .heartbeat(
            callback_url,
            agent_version.unwrap_or_default(),
            agent_verify_ca,
            agent_status,
            agent_status_message,
        )
        .await;
    match asked {
        Err(error) if error.kind() == ErrorKind::Unsupported => {}
        asked => asked.map_err(deploy.0.failed("heartbeat"))?,
    }
    // What the driver has saved is the node's from here on.
    task.save().await
}

/// An agent that cannot be reached now is heard again; anything else ends the operation.
async fn refused(task: &mut ExclusiveTask, error: &ConductorError) -> Result<(), ConductorError> {
    if let ConductorError::Driver { source, .. } = error
        && source.is_retryable()
    {
        warn!(node = %task.node().uuid, error = %Chain(error), "the next heartbeat will do");
        return Ok(());
    }
    fail(task, &format!("The call of the agent could not be answered: {}", Chain(error))).await
}

/// The wait is over.
async fn go_on(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let state = task.node().provision_state;
    if state == ProvisionState::RescueWait && !wake::is_polling(task.node(), Asked::Rescue) {
        return rescue::finalize(task).await;
    }
    let Some(flow) = Flow::of(state).filter(|flow| flow.waiting() == state) else { return Ok(()) };
    if flow.is_polling(task.node()) {
        debug!(node = %task.node().uuid, "somebody else asks for the end of the step");
        return Ok(());
    }
    if flow == Flow::Deploy && flag(task.node(), STEPS_VALIDATED) != Some(true) {
        let composed = deploy::compose_again(task).await;
        if let Err(error) = composed {
            return fail(task, &format!("The steps of the deployment do not fit: {}", Chain(&error))).await;
        }
    }
    info!(node = %task.node().uuid, %state, "the agent has called, work goes on");
    call_back(task, flow).await
}

/// Ends the operation that the node waits in.
async fn fail(task: &mut ExclusiveTask, message: &str) -> Result<(), ConductorError> {
    let state = task.node().provision_state;
    if state == ProvisionState::RescueWait {
        rescue::clean_up(task, message.to_owned()).await?;
        return process(task, farrier_model::provision::Event::Fail).await;
    }
    let Some(flow) = Flow::of(state) else { return Ok(()) };
    flow.fail(task, message).await?;
    if flow == Flow::Deploy && task.shared().config.power_off_after_deploy_failure {
        // The agent would go on calling, and its machine would go on doing nothing else.
        upkeep::power_off(task).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

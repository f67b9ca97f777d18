//! What the deploy agent asks for.
//!
//! Source: Ironic's REST API, the deploy agent.

use farrier_model::inventory::network_cards;
use farrier_model::node::{Fields, Node, NodeName};
use farrier_model::port::mac_address;
use farrier_model::provision::{FASTTRACK_LOOKUP_ALLOWED_ALSO, LOOKUP_ALLOWED, ProvisionState};
use farrier_sdk::error::Chain;
use farrier_sdk::secret::Secret;
use farrier_store::{NodeFilter, Page, StoreError};
use serde_json::{Value, json};
use tracing::{error, info};
use uuid::Uuid;

use super::{Conductor, end};
use crate::Retry;
use crate::error::ConductorError;
use crate::operation::{agent, heartbeat, inspect};
use crate::task::{Acquire, RequestContext};

pub use crate::operation::heartbeat::Heartbeat;

/// Most addresses that a machine is looked for by.
const ADDRESSES_MAX: usize = 256;

/// How an agent looks for the node it runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lookup {
    /// MAC addresses of the machine; what is none is left out.
    pub addresses: Vec<String>,
    /// The node, if the agent was told.
    pub node_uuid: Option<Uuid>,
}

/// The node of an agent.
#[derive(Debug)]
pub struct LookedUp {
    /// The node.
    pub node: Node,
    /// What proves the agent to us; none when it was given away before.
    pub token: Option<Secret<String>>,
}

/// What an agent found.
#[derive(Clone, Default, PartialEq)]
pub struct AgentInventory {
    /// The node, if the agent was told.
    pub node_uuid: Option<Uuid>,
    /// The machine.
    pub inventory: Fields,
    /// What else it found.
    pub plugin_data: Fields,
}

impl std::fmt::Debug for AgentInventory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentInventory").field("node_uuid", &self.node_uuid).finish_non_exhaustive()
    }
}

impl Conductor {
    /// Hears the agent of a node: checks who calls, then works in the background.
    ///
    /// # Errors
    ///
    /// - `NodeNotFound`; `NodeLocked`: somebody works on the node, and it is the agent's first call.
    /// - [`ConductorError::InvalidParameter`]: this is not the agent of the node.
    /// - [`ConductorError::NoFreeConductorWorker`]: the reserved part of the pool is not for agents.
    pub async fn heartbeat(
        &self,
        context: RequestContext,
        name: &NodeName,
        heartbeat: Heartbeat,
    ) -> Result<(), ConductorError> {
        let node = self.node(name).await?;
        let shared = self.tasks.shared();
        heartbeat::check(&node, &heartbeat, &shared.config)?;
        if let Some(holder) = node.reservation.clone().filter(|_| !agent::is_known(&node)) {
            // The agent comes again in seconds instead of a whole interval.
            return Err(StoreError::NodeLocked { node: node.uuid, holder }.into());
        }
        let permit = shared.workers.acquire_normal()?;
        let (conductor, uuid) = (self.clone(), node.uuid);
        shared.workers.spawn(permit, async move {
            match conductor.beat(context, &node, heartbeat).await {
                Ok(()) => {}
                Err(error) if error.is_node_locked() || is_full(&error) => {
                    info!(node = %uuid, %error, "heartbeat is left out");
                }
                Err(error) => {
                    error!(node = %uuid, error = %Chain(&error), "heartbeat failed");
                }
            }
        });
        Ok(())
    }

    async fn beat(
        &self,
        context: RequestContext,
        node: &Node,
        heartbeat: Heartbeat,
    ) -> Result<(), ConductorError> {
        if !heartbeat::is_heard(node.provision_state, &self.tasks.shared().config) {
            return Ok(());
        }
        let acquire = Acquire { context, retry: Retry::Never, ..Acquire::new("heartbeat") };
        let mut task = self.tasks.acquire_exclusive(node, acquire).await?;
        let beaten = Box::pin(heartbeat::beat(&mut task, heartbeat)).await;
        end(task, beaten).await
    }

    /// Tells an agent which node it runs on, and gives it its token the first time.
    ///
    /// # Errors
    ///
    /// - [`ConductorError::InvalidParameter`]: neither an address nor a UUID.
    /// - [`ConductorError::NoNodeForAgent`]: no such node, or none that expects an agent now; which of the two is
    ///   nobody's business.
    /// - `NodeLocked`: somebody works on the node, and it has no token yet.
    pub async fn lookup(&self, context: RequestContext, lookup: &Lookup) -> Result<LookedUp, ConductorError> {
        let node = self.looked_for(lookup).await?;
        if !self.expects_agent(node.provision_state) {
            return Err(ConductorError::NoNodeForAgent);
        }
        if has_token(&node) {
            return Ok(LookedUp { node, token: None });
        }
        let acquire = Acquire { context, retry: Retry::Never, ..Acquire::new("agent token generation") };
        let mut task = self.tasks.acquire_exclusive(&node, acquire.without_driver()).await?;
        if !self.expects_agent(task.node().provision_state) {
            return super::abandon(task, ConductorError::NoNodeForAgent).await;
        }
        let mut token = None;
        if !has_token(task.node()) {
            let made = new_token();
            task.node_mut().driver_internal_info.insert(agent::TOKEN.to_owned(), json!(made.expose()));
            token = Some(made);
        }
        let saved = task.save().await.map(|()| task.node().clone());
        let node = Node { reservation: None, ..end(task, saved).await? };
        Ok(LookedUp { node, token })
    }

    fn expects_agent(&self, state: ProvisionState) -> bool {
        let fast_track = self.tasks.shared().config.fast_track;
        LOOKUP_ALLOWED.contains(&state) || (fast_track && FASTTRACK_LOOKUP_ALLOWED_ALSO.contains(&state))
    }

    /// The one node that is meant.
    async fn looked_for(&self, lookup: &Lookup) -> Result<Node, ConductorError> {
        let mut addresses: Vec<String> =
            lookup.addresses.iter().filter_map(|text| mac_address(text.trim())).collect();
        addresses.truncate(ADDRESSES_MAX);
        if let Some(uuid) = lookup.node_uuid {
            return self.store().node_get(uuid).await.map_err(no_node);
        }
        if addresses.is_empty() {
            let message = "neither `addresses` with a MAC address nor `node_uuid` is given".to_owned();
            return Err(ConductorError::InvalidParameter { message });
        }
        let filter = NodeFilter { port_addresses: addresses, ..NodeFilter::default() };
        self.only(filter).await
    }

    /// The only node that `filter` lets through.
    async fn only(&self, filter: NodeFilter) -> Result<Node, ConductorError> {
        let page = Page { limit: Some(2), ..Page::default() };
        let mut nodes = self.store().node_list(&filter, &page).await?.into_iter();
        match (nodes.next(), nodes.next()) {
            (Some(node), None) => Ok(node),
            (Some(_), Some(_)) | (None, _) => Err(ConductorError::NoNodeForAgent),
        }
    }

    /// Takes what an agent found on the node that waits for it; the rest is done in the background.
    ///
    /// Answers the node.
    ///
    /// # Errors
    ///
    /// [`ConductorError::NoNodeForAgent`]: no node waits for this; `NodeLocked`;
    /// [`ConductorError::NoFreeConductorWorker`].
    pub async fn continue_inspection(
        &self,
        context: RequestContext,
        found: AgentInventory,
    ) -> Result<Node, ConductorError> {
        let node = self.inspected_by(&found).await?;
        let mut task = self.exclusive(context, &node, "continue inspection").await?;
        if task.node().provision_state != ProvisionState::InspectWait {
            return super::abandon(task, ConductorError::NoNodeForAgent).await;
        }
        let resumed = inspect::resume(&mut task, found.inventory, found.plugin_data).await;
        let resumed = resumed.map(|()| Node { reservation: None, ..task.node().clone() });
        end(task, resumed).await
    }

    /// The node in `inspect wait` that is meant: by UUID, by the addresses of its ports, or by that of its BMC.
    async fn inspected_by(&self, found: &AgentInventory) -> Result<Node, ConductorError> {
        let waiting =
            NodeFilter { provision_states: vec![ProvisionState::InspectWait], ..NodeFilter::default() };
        if let Some(uuid) = found.node_uuid {
            let node = self.store().node_get(uuid).await.map_err(no_node)?;
            let waits = node.provision_state == ProvisionState::InspectWait;
            return if waits { Ok(node) } else { Err(ConductorError::NoNodeForAgent) };
        }
        let cards = network_cards(&found.inventory);
        let mut addresses: Vec<String> = cards.into_iter().map(|card| card.address).collect();
        addresses.truncate(ADDRESSES_MAX);
        if !addresses.is_empty() {
            let filter = NodeFilter { port_addresses: addresses, ..waiting.clone() };
            match self.only(filter).await {
                Err(ConductorError::NoNodeForAgent) => {}
                other => return other,
            }
        }
        let bmc: Vec<&str> = ["bmc_address", "bmc_v6address"]
            .into_iter()
            .filter_map(|key| found.inventory.get(key).and_then(Value::as_str))
            .filter(|address| !matches!(*address, "" | "0.0.0.0" | "::/0" | "::"))
            .collect();
        if bmc.is_empty() {
            return Err(ConductorError::NoNodeForAgent);
        }
        let nodes = self.store().node_list(&waiting, &Page::default()).await?;
        let mut nodes = nodes.into_iter().filter(|node| bmc.iter().any(|address| has_bmc(node, address)));
        match (nodes.next(), nodes.next()) {
            (Some(node), None) => Ok(node),
            (Some(_), Some(_)) | (None, _) => Err(ConductorError::NoNodeForAgent),
        }
    }
}

/// Whether there was no worker for what a heartbeat leads to; the next one tries again.
fn is_full(error: &ConductorError) -> bool {
    matches!(error, ConductorError::NoFreeConductorWorker { .. })
}

/// Whether the node's token was given to an agent, or put into what it boots.
fn has_token(node: &Node) -> bool {
    node.driver_internal_info.get(agent::TOKEN).and_then(Value::as_str).is_some_and(|token| !token.is_empty())
}

/// 244 random bits that fit into an address.
fn new_token() -> Secret<String> {
    Secret::new(format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()))
}

/// Nobody learns from the answer which nodes there are.
fn no_node(error: StoreError) -> ConductorError {
    let error = ConductorError::from(error);
    if error.is_node_not_found() { ConductorError::NoNodeForAgent } else { error }
}

/// Whether a node is reached at this address of its BMC.
fn has_bmc(node: &Node, address: &str) -> bool {
    let texts = node.driver_info.iter().filter(|(key, _)| key.ends_with("_address"));
    texts.filter_map(|(_, value)| value.as_str()).any(|text| host_of(text) == address)
}

/// The host in `host`, `host:port`, `scheme://host:port/path`.
fn host_of(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some(bracketed) = rest.strip_prefix('[') {
        return bracketed.split(']').next().unwrap_or_default();
    }
    match rest.split_once(':') {
        // More than one colon: an IPv6 address without a port.
        Some((host, port)) if !port.contains(':') => host,
        Some(_) | None => rest,
    }
}

#[cfg(test)]
mod tests;

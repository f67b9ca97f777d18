//! A conductor whose nodes use the scripted driver where they say so, and what is asked of it.

use farrier_model::history::Severity;
use farrier_model::node::Node;
use farrier_model::provision::{ProvisionState, Verb};
use farrier_model::step::{RequestedStep, StepId, StepKind};
use farrier_sdk::interface::InterfaceType;
use farrier_store::Page;
use serde_json::Value;
use uuid::Uuid;

use super::{NAME, Script};
use crate::config::{ConductorConfig, DriverConfig};
use crate::error::ConductorError;
use crate::service::ProvisionRequest;
use crate::task::RequestContext;
use crate::task::tests::{Fixture, fake_drivers};

/// A conductor whose nodes do what the test says.
pub(crate) struct Stage {
    pub(crate) fixture: Fixture,
    pub(crate) script: Script,
}

impl std::ops::Deref for Stage {
    type Target = Fixture;

    fn deref(&self) -> &Fixture {
        &self.fixture
    }
}

impl Stage {
    /// With these options, but for the patience with a busy node: a lock is free in the store a moment before it is
    /// free for others of this conductor.
    pub(crate) async fn new(config: ConductorConfig) -> Self {
        let config = ConductorConfig { node_locked_retry_interval: 0.05, ..config };
        let script = Script::default();
        let fixture = Fixture::with_drivers(config, drivers(), vec![script.plugin()]).await;
        Self { fixture, script }
    }

    /// A node in `state` that uses the implementations of this module.
    pub(crate) async fn node_in(&self, state: ProvisionState) -> Node {
        self.enrol(node(state)).await
    }

    /// Asks for `request`.
    pub(crate) async fn ask(&self, node: &Node, request: ProvisionRequest) -> Result<(), ConductorError> {
        self.conductor.provision(context(), &node.uuid.into(), request).await
    }

    /// Asks for a verb without anything else, which must be accepted.
    pub(crate) async fn verb(&self, node: &Node, verb: Verb) {
        self.ask(node, ProvisionRequest::new(verb)).await.unwrap();
    }

    /// Says that the current step is over.
    pub(crate) async fn call_back(&self, node: &Node, kind: StepKind) -> Result<(), ConductorError> {
        self.conductor.continue_steps(context(), &node.uuid.into(), kind).await
    }

    /// What the history has: severity, event type and event, oldest first.
    pub(crate) async fn history(&self, node: &Node) -> Vec<(Severity, String, String)> {
        let entries = self.store.history_list(node.id, &Page::default()).await.unwrap();
        entries.into_iter().map(|entry| (entry.severity, entry.event_type, entry.event)).collect()
    }

    /// Puts a node that was changed by hand into the store.
    pub(crate) async fn change(&self, node: &Node, change: impl FnOnce(&mut Node)) -> Node {
        let before = self.stored(node).await;
        let mut after = before.clone();
        change(&mut after);
        self.store.node_update(&before, &after).await.unwrap()
    }

    /// The node once it is in `state` and nobody works on it.
    pub(crate) async fn settled(&self, node: &Node, state: ProvisionState) -> Node {
        self.eventually(node, |node| node.provision_state == state && node.reservation.is_none()).await
    }
}

fn drivers() -> DriverConfig {
    let two = |other: &str| vec![NAME.to_owned(), other.to_owned()];
    DriverConfig {
        enabled_power_interfaces: two("fake"),
        enabled_management_interfaces: two("fake"),
        enabled_deploy_interfaces: vec![NAME.to_owned(), "fake".to_owned(), "noop".to_owned()],
        enabled_vendor_interfaces: two("fake"),
        enabled_network_interfaces: two("noop"),
        enabled_console_interfaces: two("fake"),
        enabled_rescue_interfaces: two("fake"),
        enabled_bios_interfaces: two("no-bios"),
        enabled_firmware_interfaces: two("no-firmware"),
        ..fake_drivers()
    }
}

/// Who asks in tests.
pub(crate) fn context() -> RequestContext {
    RequestContext {
        request_id: Some("req-1".to_owned()),
        user: Some("alice".to_owned()),
        project: Some("test".to_owned()),
    }
}

/// A step to ask for, as `management.first`.
pub(crate) fn step(id: &str) -> RequestedStep {
    let id: StepId = id.parse().unwrap();
    RequestedStep::new(id.interface, id.step)
}

/// The same with arguments.
pub(crate) fn step_with(id: &str, args: Value) -> RequestedStep {
    RequestedStep { args: args.as_object().cloned(), ..step(id) }
}

/// A deploy step to ask for.
pub(crate) fn deploy_step(id: &str, priority: u32, args: Value) -> RequestedStep {
    RequestedStep { priority: Some(priority), ..step_with(id, args) }
}

/// A request with steps.
pub(crate) fn with_steps(verb: Verb, steps: Vec<RequestedStep>) -> ProvisionRequest {
    ProvisionRequest { steps: Some(steps), ..ProvisionRequest::new(verb) }
}

/// A node in `state` that uses the implementations of this module.
pub(crate) fn node(state: ProvisionState) -> Node {
    let mut node = Node::new(Uuid::new_v4(), "fake-hardware");
    node.provision_state = state;
    node.target_provision_state = state.default_target();
    for kind in [
        InterfaceType::Power,
        InterfaceType::Management,
        InterfaceType::Deploy,
        InterfaceType::Vendor,
        InterfaceType::Network,
        InterfaceType::Console,
        InterfaceType::Rescue,
    ] {
        node.interfaces.set(kind, Some(NAME.to_owned()));
    }
    node
}

//! A plugin that was loaded, and calls of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use farrier_host::{Call, CallOptions, Cassette, Interface, Plugin};
use farrier_loader::{Enabled, Loader, Search};
use farrier_sdk::descriptor::{Descriptor, InterfaceDescriptor};
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::interface::InterfaceType;
use serde_json::{Map, Value};
use tokio::runtime::Runtime;
use tracing::Span;

use crate::check::{Finding, failed, not_run};
use crate::node::Node;
use crate::profile::Profile;
use crate::target::Peer;

/// How long a call may go on after its deadline before it is dropped.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Methods that switch or restart a machine, or may, and are no steps.
const SWITCHES: [&str; 4] = ["set_power_state", "reboot", "set_boot_mode", "set_secure_boot_state"];

/// Calls of this process that may have switched or restarted a machine.
static SWITCHED: AtomicU32 = AtomicU32::new(0);

/// Counts one more.
pub(crate) fn note_switched() {
    SWITCHED.fetch_add(1, Ordering::Relaxed);
}

/// Counts a call of this method, if it is one of those.
pub(crate) fn note_call(method: &str) {
    if SWITCHES.contains(&method) {
        note_switched();
    }
}

/// How many there were so far.
pub(crate) fn switched() -> u32 {
    SWITCHED.load(Ordering::Relaxed)
}

/// What a method answered.
pub(crate) type Answer = Result<Value, DriverError>;

/// A loaded plugin.
pub(crate) struct Session {
    pub(crate) plugin: Plugin,
    pub(crate) runtime: Runtime,
    driver: String,
    patience: Duration,
    nodes: AtomicU64,
}

impl Session {
    /// Loads what is alone in its directory: steps 1 to 16, without a trial in a child, for this is one.
    pub(crate) fn load(
        library: &Path,
        profile: &Profile,
        cassette: Option<Cassette>,
    ) -> Result<Self, Finding> {
        Self::load_from(library, profile, profile.options.clone(), cassette)
    }

    /// The same with other options.
    pub(crate) fn load_with(
        library: &Path,
        profile: &Profile,
        options: Map<String, Value>,
    ) -> Result<Self, Finding> {
        Self::load_from(library, profile, options, None)
    }

    fn load_from(
        library: &Path,
        profile: &Profile,
        options: Map<String, Value>,
        cassette: Option<Cassette>,
    ) -> Result<Self, Finding> {
        let search = Search::new(library.parent());
        let scan = search.scan();
        let mut loader = Loader::new(Enabled::everything_in(&scan));
        loader.cassette = cassette;
        let name = scan.candidates.first().and_then(|candidate| candidate.library.plugin.clone());
        loader.options.insert(name.unwrap_or_default(), options);
        let mut report = loader.load(scan);
        if let Some(refusal) = report.refused.first() {
            let error = &refusal.error;
            return failed(format!(
                "refused at step {}: {}",
                refusal.step(),
                farrier_sdk::error::Chain(error)
            ));
        }
        if report.plugins.is_empty() {
            return failed("nothing of it could be loaded");
        }
        let plugin = report.plugins.remove(0);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("kit-host")
            .enable_time()
            .build();
        let Ok(runtime) = runtime else { return not_run("the kit has no threads") };
        let first = plugin.descriptor().hardware_types.keys().next().cloned();
        let driver = profile.hardware_type.clone().or(first).unwrap_or_default();
        let patience = Duration::from_secs(profile.limits.patience_s);
        Ok(Self { plugin, runtime, driver, patience, nodes: AtomicU64::new(1) })
    }

    /// What the plugin says about itself.
    pub(crate) fn descriptor(&self) -> &Descriptor {
        self.plugin.descriptor()
    }

    /// All implementations with what they say about themselves.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = &InterfaceDescriptor> {
        self.descriptor().interfaces.iter()
    }

    /// An implementation.
    pub(crate) fn open(&self, kind: InterfaceType, name: &str) -> Result<Arc<Interface>, Finding> {
        self.plugin.open_interface(kind, name).or_else(|error| failed(format!("{kind} `{name}`: {error}")))
    }

    /// A new node whose machine is `peer`.
    pub(crate) fn node(&self, profile: &Profile, peer: &Peer) -> Node {
        self.node_with(peer.fill(&profile.driver_info))
    }

    /// A new node with this `driver_info`.
    pub(crate) fn node_with(&self, driver_info: Map<String, Value>) -> Node {
        let number = self.nodes.fetch_add(1, Ordering::Relaxed);
        self.node_called(&format!("0f0f0f0f-0000-4000-8000-{number:012}"), driver_info)
    }

    /// A node with this UUID and `driver_info`.
    pub(crate) fn node_called(&self, uuid: &str, driver_info: Map<String, Value>) -> Node {
        let mut siblings = BTreeMap::new();
        for interface in &self.descriptor().interfaces {
            if !siblings.contains_key(&interface.kind)
                && let Ok(opened) = self.plugin.open_interface(interface.kind, &interface.name)
            {
                siblings.insert(interface.kind, opened);
            }
        }
        Node::new(uuid, &self.driver, driver_info, self.descriptor(), siblings)
    }

    /// How long a method may take.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Begins a call.
    pub(crate) fn begin(
        &self,
        interface: &Interface,
        method: &str,
        arguments: &Value,
        node: &Node,
        timeout: Duration,
    ) -> Call {
        let _entered = self.runtime.enter();
        let options = CallOptions { timeout: Some(timeout), grace: GRACE, span: Span::none() };
        interface.call(method, arguments.to_string().into_bytes(), Arc::new(node.clone()), &options)
    }

    /// Calls a method and waits for its answer, as long as the profile allows.
    pub(crate) fn call(&self, interface: &Interface, method: &str, arguments: &Value, node: &Node) -> Answer {
        self.call_within(interface, method, arguments, node, self.patience)
    }

    /// The same with a deadline of one's own.
    pub(crate) fn call_within(
        &self,
        interface: &Interface,
        method: &str,
        arguments: &Value,
        node: &Node,
        timeout: Duration,
    ) -> Answer {
        note_call(method);
        let call = self.begin(interface, method, arguments, node, timeout);
        let answer = self.runtime.block_on(call)?;
        node.record_power(method, arguments);
        read(answer)
    }
}

/// The JSON of an answer.
pub(crate) fn read(answer: Vec<u8>) -> Answer {
    let answer = if answer.is_empty() { b"null".to_vec() } else { answer };
    serde_json::from_slice(&answer)
        .map_err(|error| DriverError::new(ErrorKind::BadPayload, format!("the answer is not JSON: {error}")))
}

impl Session {
    /// Calls a method that the descriptor does not list.
    pub(crate) fn call_unlisted(
        &self,
        interface: &Interface,
        method: &str,
        arguments: &Value,
        node: &Node,
    ) -> Answer {
        let options = CallOptions { timeout: Some(self.patience), grace: GRACE, span: Span::none() };
        let access = Arc::new(node.clone());
        let call = {
            let _entered = self.runtime.enter();
            interface.call_unlisted(method, arguments.to_string().into_bytes(), access, &options)
        };
        read(self.runtime.block_on(call)?)
    }
}

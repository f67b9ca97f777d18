//! Implementations that do what a test tells them: for tests of operations.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::PoisonError;

use farrier_host::{Builtin, Plugin};
use farrier_model::history::Severity;
use farrier_model::node::Node;
use farrier_model::provision::{ProvisionState, Verb};
use farrier_model::step::{RequestedStep, StepId, StepKind};
use farrier_sdk::prelude::*;
use farrier_store::Page;
use serde_json::json;
use uuid::Uuid;

use crate::config::{ConductorConfig, DriverConfig};
use crate::error::ConductorError;
use crate::service::ProvisionRequest;
use crate::task::RequestContext;
use crate::task::tests::{Fixture, fake_drivers};

/// What a method answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// It is over.
    Done,
    /// It waits for somebody.
    Wait,
    /// It waits, and wants to be asked again after so many milliseconds.
    Poll(u64),
    /// It fails.
    Error(DriverError),
    /// It panics.
    Panic,
}

/// What was called, and what is to be answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    calls: Vec<String>,
    answers: HashMap<String, VecDeque<Answer>>,
}

impl Script {
    /// Lets the next call of `method`, as `deploy.prepare`, be answered so; one after the other, then `Done`.
    pub(crate) fn answer(&self, method: &str, answer: Answer) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.answers.entry(method.to_owned()).or_default().push_back(answer);
    }

    /// Lets the next call of `method` fail.
    pub(crate) fn fail(&self, method: &str, message: &str) {
        self.answer(method, Answer::Error(DriverError::hardware(message)));
    }

    /// What was called, in order; without questions about power and checks.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).calls.clone()
    }

    /// How often `method` was called.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.calls().iter().filter(|call| call.split(' ').next() == Some(method)).count()
    }

    fn play(&self, method: &str, record: Option<String>) -> Result<StepOutcome> {
        let answer = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.calls.extend(record);
            state.answers.get_mut(method).and_then(VecDeque::pop_front).unwrap_or(Answer::Done)
        };
        match answer {
            Answer::Done => Ok(StepOutcome::Done),
            Answer::Wait => Ok(StepOutcome::Wait { poll_after_ms: None }),
            Answer::Poll(milliseconds) => Ok(StepOutcome::Wait { poll_after_ms: Some(milliseconds) }),
            Answer::Error(error) => Err(error),
            Answer::Panic => panic!("as the test wants it"),
        }
    }

    /// A method that does something: recorded, with its arguments if it has some.
    fn step(&self, method: &str, arguments: &Map<String, Value>) -> Result<StepOutcome> {
        let shown = if arguments.is_empty() {
            method.to_owned()
        } else {
            format!("{method} {}", Value::Object(arguments.clone()))
        };
        self.play(method, Some(shown))
    }

    fn call(&self, method: &str) -> Result<()> {
        self.play(method, Some(method.to_owned())).map(drop)
    }

    /// A method that only looks: not recorded.
    fn look(&self, method: &str) -> Result<()> {
        self.play(method, None).map(drop)
    }

    fn plugin(&self) -> Plugin {
        let (power, management, deploy, vendor, network, console, rescue) = (
            self.clone(),
            self.clone(),
            self.clone(),
            self.clone(),
            self.clone(),
            self.clone(),
            self.clone(),
        );
        let implementations = vec![
            Builtin::new(move || ScriptPower(power.clone())),
            Builtin::new(move || ScriptManagement(management.clone())),
            Builtin::new(move || ScriptDeploy(deploy.clone())),
            Builtin::new(move || ScriptVendor(vendor.clone())),
            Builtin::new(move || ScriptNetwork(network.clone())),
            Builtin::new(move || ScriptConsole(console.clone())),
            Builtin::new(move || ScriptRescue(rescue.clone())),
        ];
        Plugin::builtin("stage", implementations).unwrap()
    }
}

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
    let two = |other: &str| vec!["stage".to_owned(), other.to_owned()];
    DriverConfig {
        enabled_power_interfaces: two("fake"),
        enabled_management_interfaces: two("fake"),
        enabled_deploy_interfaces: vec!["stage".to_owned(), "fake".to_owned(), "noop".to_owned()],
        enabled_vendor_interfaces: two("fake"),
        enabled_network_interfaces: two("noop"),
        enabled_console_interfaces: two("fake"),
        enabled_rescue_interfaces: two("fake"),
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
        node.interfaces.set(kind, Some("stage".to_owned()));
    }
    node
}

struct ScriptPower(Script);

#[interface(power, name = "stage")]
impl PowerInterface for ScriptPower {
    type Info = NoInfo;

    async fn validate(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.look("power.validate")
    }

    async fn get_power_state(&self, task: &DriverTask<NoInfo>) -> Result<PowerState> {
        self.0.look("power.get_power_state")?;
        Ok(if task.node().extra.get("power") == Some(&json!("off")) {
            PowerState::Off
        } else {
            PowerState::On
        })
    }

    async fn set_power_state(
        &self,
        _task: &DriverTask<NoInfo>,
        state: PowerState,
        _timeout: Option<Duration>,
    ) -> Result<()> {
        self.0.play("power.set_power_state", Some(format!("power.set_power_state {state}"))).map(drop)
    }

    async fn reboot(&self, _task: &DriverTask<NoInfo>, _timeout: Option<Duration>) -> Result<()> {
        self.0.call("power.reboot")
    }

    /// Check something first
    #[step(verify, priority = 1)]
    async fn verify_late(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("power.verify_late", &Map::new())
    }
}

/// Arguments of the steps that have some.
#[derive(Debug, Default, serde::Deserialize, serde::Serialize, StepArgs)]
pub(crate) struct ScriptArgs {
    /// What has to be told
    what: String,
    /// What may be told
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

struct ScriptManagement(Script);

#[interface(management, name = "stage")]
impl ManagementInterface for ScriptManagement {
    type Info = NoInfo;

    async fn get_supported_boot_devices(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<BootDevice>> {
        Ok(vec![BootDevice::Pxe])
    }

    async fn set_boot_device(
        &self,
        _task: &DriverTask<NoInfo>,
        _device: BootDevice,
        _persistent: bool,
    ) -> Result<()> {
        Ok(())
    }

    async fn get_boot_device(&self, _task: &DriverTask<NoInfo>) -> Result<CurrentBootDevice> {
        Ok(CurrentBootDevice { boot_device: Some(BootDevice::Pxe), persistent: None })
    }

    async fn get_sensors_data(&self, _task: &DriverTask<NoInfo>) -> Result<Map<String, Value>> {
        Ok(Map::new())
    }

    async fn detect_vendor(&self, _task: &DriverTask<NoInfo>) -> Result<Option<String>> {
        self.0.look("management.detect_vendor")?;
        Ok(Some("acme".to_owned()))
    }

    async fn get_boot_mode(&self, _task: &DriverTask<NoInfo>) -> Result<Option<BootMode>> {
        Ok(Some(BootMode::Uefi))
    }

    /// Do the first thing
    #[step(clean, priority = 30, abortable)]
    #[step(deploy, priority = 90)]
    #[step(service)]
    async fn first(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("management.first", &Map::new())
    }

    /// Do the second thing
    #[step(clean, priority = 20)]
    #[step(service)]
    async fn second(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        let outcome = self.0.step("management.second", &Map::new());
        task.save_internal_info(|info| {
            let asked = info.get("asked").and_then(Value::as_u64).unwrap_or_default();
            info.insert("asked".to_owned(), json!(asked + 1));
        })
        .await?;
        outcome
    }

    /// Do something if told what
    #[step(clean, abortable)]
    #[step(deploy)]
    #[step(service)]
    async fn told(&self, _task: &DriverTask<NoInfo>, args: ScriptArgs) -> Result<StepOutcome> {
        let arguments = serde_json::to_value(args).unwrap_or_default();
        self.0.step("management.told", arguments.as_object().unwrap_or(&Map::new()))
    }

    /// Do something through the agent
    #[step(clean, service, requires_ramdisk)]
    async fn in_band(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("management.in_band", &Map::new())
    }

    /// Check something
    #[step(verify, priority = 10)]
    async fn verify_first(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("management.verify_first", &Map::new())
    }

    /// Check nothing unless told to
    #[step(verify)]
    async fn verify_never(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("management.verify_never", &Map::new())
    }
}

struct ScriptVendor(Script);

#[interface(vendor, name = "stage")]
impl VendorInterface for ScriptVendor {
    type Info = NoInfo;

    /// Do what has the priority of another step
    #[step(clean, priority = 20, abortable)]
    async fn equal(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("vendor.equal", &Map::new())
    }
}

struct ScriptDeploy(Script);

#[interface(deploy, name = "stage")]
impl DeployInterface for ScriptDeploy {
    type Info = NoInfo;

    async fn validate(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.look("deploy.validate")
    }

    /// Deploy the instance
    #[step(deploy, priority = 100)]
    async fn deploy(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("deploy.deploy", &Map::new())
    }

    async fn tear_down(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("deploy.tear_down", &Map::new())
    }

    async fn prepare(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("deploy.prepare")
    }

    async fn clean_up(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("deploy.clean_up")
    }

    async fn take_over(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("deploy.take_over")
    }

    async fn prepare_cleaning(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("deploy.prepare_cleaning", &Map::new())
    }

    async fn tear_down_cleaning(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("deploy.tear_down_cleaning")
    }

    async fn prepare_service(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("deploy.prepare_service", &Map::new())
    }

    async fn tear_down_service(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("deploy.tear_down_service")
    }

    /// The node says which interface it wants instead.
    async fn switch_interface(&self, task: &DriverTask<NoInfo>) -> Result<Option<String>> {
        self.0.look("deploy.switch_interface")?;
        Ok(task.node().extra.get("switch_to").and_then(Value::as_str).map(str::to_owned))
    }

    async fn supports_deploy(&self, task: &DriverTask<NoInfo>) -> Result<bool> {
        Ok(task.node().extra.get("supports_deploy") != Some(&json!(false)))
    }
}

struct ScriptNetwork(Script);

#[interface(network, name = "stage")]
impl NetworkInterface for ScriptNetwork {
    type Info = NoInfo;

    async fn validate(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.look("network.validate")
    }

    async fn port_changed(&self, _task: &DriverTask<NoInfo>, _port: PortData) -> Result<()> {
        Ok(())
    }

    async fn portgroup_changed(&self, _task: &DriverTask<NoInfo>, _portgroup: PortData) -> Result<()> {
        Ok(())
    }

    async fn vif_attach(&self, _task: &DriverTask<NoInfo>, _vif_info: Map<String, Value>) -> Result<()> {
        Ok(())
    }

    async fn vif_detach(&self, _task: &DriverTask<NoInfo>, vif_id: String) -> Result<()> {
        self.0.play("network.vif_detach", Some(format!("network.vif_detach {vif_id}"))).map(drop)
    }

    async fn vif_list(&self, task: &DriverTask<NoInfo>) -> Result<Vec<Map<String, Value>>> {
        self.0.look("network.vif_list")?;
        let attached = task.node().extra.get("vifs").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(attached.into_iter().map(|id| Map::from_iter([("id".to_owned(), id)])).collect())
    }

    async fn get_current_vif(&self, _task: &DriverTask<NoInfo>, _port: PortData) -> Result<Option<String>> {
        Ok(None)
    }

    async fn add_provisioning_network(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn remove_provisioning_network(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn configure_tenant_networks(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn unconfigure_tenant_networks(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn add_cleaning_network(&self, _task: &DriverTask<NoInfo>) -> Result<Map<String, Value>> {
        Ok(Map::new())
    }

    async fn remove_cleaning_network(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }
}

struct ScriptConsole(Script);

#[interface(console, name = "stage")]
impl ConsoleInterface for ScriptConsole {
    type Info = NoInfo;

    async fn start_console(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("console.start_console")
    }

    async fn stop_console(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("console.stop_console")
    }

    async fn get_console(&self, _task: &DriverTask<NoInfo>) -> Result<Option<ConsoleInfo>> {
        Ok(None)
    }
}

struct ScriptRescue(Script);

#[interface(rescue, name = "stage")]
impl RescueInterface for ScriptRescue {
    type Info = NoInfo;

    async fn rescue(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("rescue.rescue", &Map::new())
    }

    async fn unrescue(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("rescue.unrescue", &Map::new())
    }

    async fn clean_up(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("rescue.clean_up")
    }
}

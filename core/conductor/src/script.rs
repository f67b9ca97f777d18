//! A driver for tests that does what a test says, and remembers what it was asked.
//!
//! It is reached as `script` on nodes of `fake-hardware`. A method nobody says anything about is done at once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use farrier_host::{Builtin, Plugin};
use farrier_model::history::HistoryEntry;
use farrier_model::node::Node;
use farrier_sdk::prelude::*;
use farrier_store::Page;
use uuid::Uuid;

use crate::config::{ConductorConfig, DriverConfig};
use crate::task::tests::{Fixture, fake_drivers};
use crate::workers::Permit;

/// The name of every scripted implementation.
const NAME: &str = "script";

/// What the driver is to do, and what it did.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: HashMap<&'static str, VecDeque<Answer>>,
    calls: Vec<&'static str>,
}

/// What a method does when it is called next.
pub(crate) enum Answer {
    /// Says that it goes on by itself.
    Wait,
    /// The same, and wants to be asked again after so many milliseconds.
    Poll(u64),
    /// Fails.
    Fail(DriverError),
    /// Hands over what an inspection found.
    Found(Inspection),
    /// Hands over what an inspection found, and fails.
    FoundAndFail(Inspection, DriverError),
    /// Changes a member of the node's internal data; null removes it.
    Save(&'static str, Value),
}

impl Script {
    /// The next call of `method`, as in `inspect.abort`, does this; then it is done at once again.
    pub(crate) fn will(&self, method: &'static str, answer: Answer) {
        self.state(|state| state.answers.entry(method).or_default().push_back(answer));
    }

    /// The next call of `method` fails with this text.
    pub(crate) fn will_fail(&self, method: &'static str, text: &str) {
        self.will(method, Answer::Fail(DriverError::hardware(text)));
    }

    /// What the driver was asked, in order, without what only looks.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.state(|state| state.calls.clone())
    }

    /// Forgets what the driver was asked.
    pub(crate) fn forget_calls(&self) {
        self.state(|state| state.calls.clear());
    }

    fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn call(&self, method: &'static str, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        let answer = self.state(|state| {
            state.calls.push(method);
            state.answers.get_mut(method).and_then(VecDeque::pop_front)
        });
        match answer {
            None => Ok(StepOutcome::Done),
            Some(Answer::Wait) => Ok(StepOutcome::Wait { poll_after_ms: None }),
            Some(Answer::Poll(milliseconds)) => Ok(StepOutcome::Wait { poll_after_ms: Some(milliseconds) }),
            Some(Answer::Fail(error)) => Err(error),
            Some(Answer::Found(found)) => {
                task.save_inspection(&found).await?;
                Ok(StepOutcome::Done)
            }
            Some(Answer::FoundAndFail(found, error)) => {
                task.save_inspection(&found).await?;
                Err(error)
            }
            Some(Answer::Save(key, value)) => {
                let change = |info: &mut Map<String, Value>| {
                    if value.is_null() {
                        info.remove(key);
                    } else {
                        info.insert(key.to_owned(), value.clone());
                    }
                };
                task.save_internal_info(change).await?;
                Ok(StepOutcome::Done)
            }
        }
    }
}

/// A conductor whose nodes have this driver, unless they choose another.
pub(crate) async fn fixture(config: ConductorConfig) -> (Fixture, Script) {
    let script = Script::default();
    let fixture = Fixture::with_drivers(config, drivers(), vec![plugin(&script)]).await;
    (fixture, script)
}

/// The scripted implementations.
pub(crate) fn plugin(script: &Script) -> Plugin {
    let implementations = vec![
        with(script, Boot),
        with(script, Console),
        with(script, Deploy),
        with(script, Inspect),
        with(script, Network),
        with(script, Power),
        with(script, Rescue),
        with(script, Storage),
    ];
    Plugin::builtin(NAME, implementations).unwrap()
}

fn with<T: farrier_sdk::glue::Implementation>(
    script: &Script,
    make: impl Fn(Script) -> T + Send + Sync + 'static,
) -> Builtin {
    let script = script.clone();
    Builtin::new(move || make(script.clone()))
}

/// Offers the scripted implementations and those of the fake driver.
pub(crate) fn drivers() -> DriverConfig {
    let both = |other: &str| vec![NAME.to_owned(), other.to_owned()];
    let default = || Some(NAME.to_owned());
    DriverConfig {
        enabled_boot_interfaces: both("fake"),
        enabled_console_interfaces: both("no-console"),
        enabled_deploy_interfaces: both("fake"),
        enabled_inspect_interfaces: both("no-inspect"),
        enabled_network_interfaces: both("noop"),
        enabled_power_interfaces: both("fake"),
        enabled_rescue_interfaces: both("no-rescue"),
        enabled_storage_interfaces: both("noop"),
        default_boot_interface: default(),
        default_console_interface: default(),
        default_deploy_interface: default(),
        default_inspect_interface: default(),
        default_network_interface: default(),
        default_power_interface: default(),
        default_rescue_interface: default(),
        ..fake_drivers()
    }
}

/// A node in `state`, with the target that belongs to it.
pub(crate) async fn node_in(fixture: &Fixture, state: farrier_model::provision::ProvisionState) -> Node {
    let node = Node {
        provision_state: state,
        target_provision_state: state.default_target(),
        ..Node::new(Uuid::new_v4(), "fake-hardware")
    };
    fixture.enrol(node).await
}

/// All workers of a conductor, also those that are still busy with its start.
pub(crate) async fn all_workers(fixture: &Fixture) -> Vec<Permit> {
    fixture.all_workers(fixture.tasks().shared().config.workers_pool_size).await
}

/// What became of a node, oldest first.
pub(crate) async fn history(fixture: &Fixture, node: &Node) -> Vec<HistoryEntry> {
    fixture.store.history_list(node.id, &Page::default()).await.unwrap()
}

struct Boot(Script);

#[interface(boot, name = "script")]
impl BootInterface for Boot {
    type Info = NoInfo;

    async fn validate(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("boot.validate", task).await.map(drop)
    }

    async fn prepare_ramdisk(&self, task: &DriverTask<NoInfo>, _params: Map<String, Value>) -> Result<()> {
        self.0.call("boot.prepare_ramdisk", task).await.map(drop)
    }

    async fn clean_up_ramdisk(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("boot.clean_up_ramdisk", task).await.map(drop)
    }

    async fn prepare_instance(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("boot.prepare_instance", task).await.map(drop)
    }

    async fn clean_up_instance(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("boot.clean_up_instance", task).await.map(drop)
    }
}

struct Console(Script);

#[interface(console, name = "script")]
impl ConsoleInterface for Console {
    type Info = NoInfo;

    async fn start_console(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("console.start_console", task).await.map(drop)
    }

    async fn stop_console(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("console.stop_console", task).await.map(drop)
    }

    async fn get_console(&self, _task: &DriverTask<NoInfo>) -> Result<Option<ConsoleInfo>> {
        Ok(None)
    }
}

struct Deploy(Script);

#[interface(deploy, name = "script")]
impl DeployInterface for Deploy {
    type Info = NoInfo;

    async fn deploy(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.call("deploy.deploy", task).await
    }

    async fn tear_down(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.call("deploy.tear_down", task).await
    }

    async fn prepare(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("deploy.prepare", task).await.map(drop)
    }

    async fn clean_up(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("deploy.clean_up", task).await.map(drop)
    }

    async fn take_over(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("deploy.take_over", task).await.map(drop)
    }

    async fn prepare_cleaning(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.call("deploy.prepare_cleaning", task).await
    }

    async fn tear_down_cleaning(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("deploy.tear_down_cleaning", task).await.map(drop)
    }

    async fn prepare_service(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.call("deploy.prepare_service", task).await
    }

    async fn tear_down_service(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("deploy.tear_down_service", task).await.map(drop)
    }

    async fn heartbeat(
        &self,
        task: &DriverTask<NoInfo>,
        _callback_url: String,
        _agent_version: String,
        _agent_verify_ca: Option<String>,
        _agent_status: Option<String>,
        _agent_status_message: Option<String>,
    ) -> Result<()> {
        self.0.call("deploy.heartbeat", task).await.map(drop)
    }
}

struct Inspect(Script);

#[interface(inspect, name = "script")]
impl InspectInterface for Inspect {
    type Info = NoInfo;

    async fn validate(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("inspect.validate", task).await.map(drop)
    }

    async fn inspect_hardware(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.call("inspect.inspect_hardware", task).await
    }

    async fn abort(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("inspect.abort", task).await.map(drop)
    }

    async fn continue_inspection(
        &self,
        task: &DriverTask<NoInfo>,
        _inventory: Map<String, Value>,
        _plugin_data: Option<Map<String, Value>>,
    ) -> Result<StepOutcome> {
        self.0.call("inspect.continue_inspection", task).await
    }

    async fn tear_down(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("inspect.tear_down", task).await.map(drop)
    }
}

struct Network(Script);

#[interface(network, name = "script")]
impl NetworkInterface for Network {
    type Info = NoInfo;

    async fn validate(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("network.validate", task).await.map(drop)
    }

    async fn port_changed(&self, task: &DriverTask<NoInfo>, _port: PortData) -> Result<()> {
        self.0.call("network.port_changed", task).await.map(drop)
    }

    async fn portgroup_changed(&self, task: &DriverTask<NoInfo>, _portgroup: PortData) -> Result<()> {
        self.0.call("network.portgroup_changed", task).await.map(drop)
    }

    async fn vif_attach(&self, task: &DriverTask<NoInfo>, _vif_info: Map<String, Value>) -> Result<()> {
        self.0.call("network.vif_attach", task).await.map(drop)
    }

    async fn vif_detach(&self, task: &DriverTask<NoInfo>, _vif_id: String) -> Result<()> {
        self.0.call("network.vif_detach", task).await.map(drop)
    }

    async fn vif_list(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<Map<String, Value>>> {
        Ok(Vec::new())
    }

    async fn get_current_vif(&self, _task: &DriverTask<NoInfo>, _port: PortData) -> Result<Option<String>> {
        Ok(None)
    }

    async fn add_provisioning_network(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("network.add_provisioning_network", task).await.map(drop)
    }

    async fn remove_provisioning_network(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("network.remove_provisioning_network", task).await.map(drop)
    }

    async fn configure_tenant_networks(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("network.configure_tenant_networks", task).await.map(drop)
    }

    async fn unconfigure_tenant_networks(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("network.unconfigure_tenant_networks", task).await.map(drop)
    }

    async fn add_cleaning_network(&self, task: &DriverTask<NoInfo>) -> Result<Map<String, Value>> {
        self.0.call("network.add_cleaning_network", task).await.map(|_| Map::new())
    }

    async fn remove_cleaning_network(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("network.remove_cleaning_network", task).await.map(drop)
    }
}

struct Power(Script);

#[interface(power, name = "script")]
impl PowerInterface for Power {
    type Info = NoInfo;

    async fn validate(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("power.validate", task).await.map(drop)
    }

    async fn get_power_state(&self, task: &DriverTask<NoInfo>) -> Result<PowerState> {
        let recorded = task.node().power_state.as_deref().and_then(|state| state.parse().ok());
        Ok(recorded.unwrap_or(PowerState::Unknown))
    }

    async fn set_power_state(
        &self,
        task: &DriverTask<NoInfo>,
        _state: PowerState,
        _timeout: Option<Duration>,
    ) -> Result<()> {
        self.0.call("power.set_power_state", task).await.map(drop)
    }

    async fn reboot(&self, task: &DriverTask<NoInfo>, _timeout: Option<Duration>) -> Result<()> {
        self.0.call("power.reboot", task).await.map(drop)
    }
}

struct Rescue(Script);

#[interface(rescue, name = "script")]
impl RescueInterface for Rescue {
    type Info = NoInfo;

    async fn validate(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("rescue.validate", task).await.map(drop)
    }

    async fn rescue(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.call("rescue.rescue", task).await
    }

    async fn unrescue(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.call("rescue.unrescue", task).await
    }

    async fn clean_up(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("rescue.clean_up", task).await.map(drop)
    }
}

struct Storage(Script);

/// Nodes choose it by name.
#[interface(storage, name = "script")]
impl StorageInterface for Storage {
    type Info = NoInfo;

    async fn attach_volumes(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("storage.attach_volumes", task).await.map(drop)
    }

    async fn detach_volumes(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("storage.detach_volumes", task).await.map(drop)
    }

    async fn should_write_image(&self, _task: &DriverTask<NoInfo>) -> Result<bool> {
        Ok(true)
    }
}

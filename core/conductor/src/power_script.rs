//! Machines for tests whose power answers what a test says; they remember what they were asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use farrier_host::{Builtin, Plugin};
use farrier_model::node::{Interfaces, Node};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::prelude::{
    BootDevice, CurrentBootDevice, DriverError, DriverTask, ManagementInterface, NoInfo, PowerInterface,
    PowerState, interface,
};
use serde_json::{Map, Value};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::config::{ConductorConfig, DriverConfig};
use crate::task::tests::{Fixture, fake_drivers};

type Result<T> = std::result::Result<T, DriverError>;

/// What a machine does when it is asked.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// It says this.
    State(PowerState),
    /// It fails with this text.
    Fails(&'static str),
    /// It says this once [`Script::release`] is called.
    Held(PowerState),
}

/// What a machine does when its sensors are read.
#[derive(Debug, Clone)]
pub(crate) enum Readings {
    /// They read this, by type of sensor.
    Read(Value),
    /// It fails with this text.
    Fail(&'static str),
    /// Its driver has no sensors.
    Unsupported,
    /// It has none, but says so only once [`Script::release`] is called.
    Held,
}

/// Short for a machine that is on.
pub(crate) const ON: Answer = Answer::State(PowerState::On);
/// Short for a machine that is off.
pub(crate) const OFF: Answer = Answer::State(PowerState::Off);

/// What the driver answers. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<State>);

#[derive(Default)]
struct State {
    plan: Mutex<Plan>,
    asked: Notify,
    released: Notify,
}

#[derive(Default)]
struct Plan {
    /// Answers to reading the power state by node; the last one stays.
    reads: HashMap<String, VecDeque<Answer>>,
    /// What sensors read by node.
    sensors: HashMap<String, Readings>,
    /// Why every change of power fails.
    change_fails: Option<&'static str>,
    /// Why validation fails.
    invalid: Option<&'static str>,
    no_power_sync: bool,
    vendor: Option<String>,
    health: Option<String>,
    /// Method and node of every call.
    calls: Vec<(String, String)>,
    /// The pass that each of them belongs to.
    passes: Vec<Option<String>>,
}

impl Script {
    fn plan<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        change(&mut self.0.plan.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A conductor whose nodes can have this driver.
    pub(crate) async fn fixture(&self, config: ConductorConfig) -> Fixture {
        let names = || vec!["fake".to_owned(), "scripted".to_owned()];
        let drivers = DriverConfig {
            enabled_power_interfaces: names(),
            enabled_management_interfaces: names(),
            ..fake_drivers()
        };
        let (power, management) = (self.clone(), self.clone());
        let implementations = vec![
            Builtin::new(move || Power(power.clone())),
            Builtin::new(move || Management(management.clone())),
        ];
        let plugin = Plugin::builtin("scripted", implementations).unwrap();
        Fixture::with_drivers(config, drivers, vec![plugin]).await
    }

    /// A new node with this driver, in `available` with `power_state`, still to be enrolled.
    pub(crate) fn node(power_state: Option<PowerState>) -> Node {
        let kinds = [InterfaceType::Power, InterfaceType::Management];
        let interfaces: Interfaces = kinds.into_iter().map(|kind| (kind, "scripted".to_owned())).collect();
        Node {
            interfaces,
            power_state,
            provision_state: farrier_model::provision::ProvisionState::Available,
            ..Node::new(Uuid::new_v4(), "fake-hardware")
        }
    }

    /// What reading the power state of a node answers, in this order; the last answer stays.
    pub(crate) fn reads(&self, node: &Node, answers: impl IntoIterator<Item = Answer>) {
        let answers = answers.into_iter().collect();
        self.plan(|plan| plan.reads.insert(node.uuid.to_string(), answers));
    }

    /// What the sensors of a node read; none unless this is said.
    pub(crate) fn sensors(&self, node: &Node, readings: Readings) {
        self.plan(|plan| plan.sensors.insert(node.uuid.to_string(), readings));
    }

    /// Makes every change of power fail.
    pub(crate) fn change_fails(&self, text: &'static str) {
        self.plan(|plan| plan.change_fails = Some(text));
    }

    /// Makes validation fail.
    pub(crate) fn is_invalid(&self, text: &'static str) {
        self.plan(|plan| plan.invalid = Some(text));
    }

    /// Makes the driver refuse to have machines follow the record.
    pub(crate) fn no_power_sync(&self) {
        self.plan(|plan| plan.no_power_sync = true);
    }

    /// Makes the machines say who made them.
    pub(crate) fn vendor(&self, vendor: &str) {
        self.plan(|plan| plan.vendor = Some(vendor.to_owned()));
    }

    /// Makes the machines say how they are.
    pub(crate) fn health(&self, health: &str) {
        self.plan(|plan| plan.health = Some(health.to_owned()));
    }

    /// Lets all held answers go that are asked for now.
    pub(crate) fn release(&self) {
        self.0.released.notify_waiters();
    }

    /// Waits until `method` was called `times` times.
    pub(crate) async fn asked(&self, method: &str, times: usize) {
        let wait = async {
            loop {
                let asked = self.0.asked.notified();
                if times <= self.count(method) {
                    return;
                }
                asked.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.expect("the driver is asked");
    }

    /// How often `method` was called.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.plan(|plan| plan.calls.iter().filter(|(called, _)| called == method).count())
    }

    /// How often `method` was called for a node.
    pub(crate) fn count_for(&self, method: &str, node: &Node) -> usize {
        let wanted = (method.to_owned(), node.uuid.to_string());
        self.plan(|plan| plan.calls.iter().filter(|call| **call == wanted).count())
    }

    /// The passes that the calls so far belong to.
    pub(crate) fn passes(&self) -> Vec<Option<String>> {
        self.plan(|plan| plan.passes.clone())
    }

    fn call(&self, method: impl Into<String>, task: &DriverTask<NoInfo>) {
        self.plan(|plan| {
            plan.calls.push((method.into(), task.node().uuid.clone()));
            plan.passes.push(task.node().pass.clone());
        });
        self.0.asked.notify_waiters();
    }

    fn changed(&self, change: String, task: &DriverTask<NoInfo>) -> Result<()> {
        self.call(change, task);
        self.plan(|plan| plan.change_fails).map_or(Ok(()), |text| Err(DriverError::hardware(text)))
    }
}

struct Power(Script);

#[interface(power, name = "scripted")]
impl PowerInterface for Power {
    type Info = NoInfo;

    async fn validate(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("validate", task);
        self.0.plan(|plan| plan.invalid).map_or(Ok(()), |text| Err(DriverError::invalid_parameter(text)))
    }

    async fn get_power_state(&self, task: &DriverTask<NoInfo>) -> Result<PowerState> {
        let answer = self.0.plan(|plan| {
            let answers = plan.reads.get_mut(&task.node().uuid)?;
            if 1 < answers.len() { answers.pop_front() } else { answers.front().cloned() }
        });
        let released = self.0.0.released.notified();
        tokio::pin!(released);
        released.as_mut().enable();
        self.0.call("get_power_state", task);
        match answer.unwrap_or(Answer::Fails("the test says nothing about this node")) {
            Answer::State(state) => Ok(state),
            Answer::Fails(text) => Err(DriverError::unreachable(text)),
            Answer::Held(state) => {
                released.await;
                Ok(state)
            }
        }
    }

    async fn set_power_state(
        &self,
        task: &DriverTask<NoInfo>,
        state: PowerState,
        _timeout: Option<Duration>,
    ) -> Result<()> {
        self.0.changed(format!("set {state}"), task)
    }

    async fn reboot(&self, task: &DriverTask<NoInfo>, _timeout: Option<Duration>) -> Result<()> {
        self.0.changed("reboot".to_owned(), task)
    }

    async fn supports_power_sync(&self, _task: &DriverTask<NoInfo>) -> Result<bool> {
        Ok(!self.0.plan(|plan| plan.no_power_sync))
    }
}

struct Management(Script);

#[interface(management, name = "scripted")]
impl ManagementInterface for Management {
    type Info = NoInfo;

    async fn get_supported_boot_devices(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<BootDevice>> {
        Ok(Vec::new())
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
        Ok(CurrentBootDevice { boot_device: None, persistent: None })
    }

    async fn get_sensors_data(&self, task: &DriverTask<NoInfo>) -> Result<Map<String, Value>> {
        let readings = self.0.plan(|plan| plan.sensors.get(&task.node().uuid).cloned());
        let released = self.0.0.released.notified();
        tokio::pin!(released);
        released.as_mut().enable();
        self.0.call("get_sensors_data", task);
        match readings {
            Some(Readings::Read(Value::Object(readings))) => Ok(readings),
            Some(Readings::Fail(text)) => Err(DriverError::unreachable(text)),
            Some(Readings::Unsupported) => Err(DriverError::unsupported("sensors")),
            Some(Readings::Held) => {
                released.await;
                Ok(Map::new())
            }
            Some(Readings::Read(_)) | None => Ok(Map::new()),
        }
    }

    async fn detect_vendor(&self, task: &DriverTask<NoInfo>) -> Result<Option<String>> {
        self.0.call("detect_vendor", task);
        Ok(self.0.plan(|plan| plan.vendor.clone()))
    }

    async fn get_node_health(&self, task: &DriverTask<NoInfo>) -> Result<Option<String>> {
        self.0.call("get_node_health", task);
        Ok(self.0.plan(|plan| plan.health.clone()))
    }
}

//! A driver for tests that does what a test says, and remembers what it was asked.
//!
//! It is reached as `script` on nodes of `fake-hardware`. A method nobody says anything about is done at once.
//!
//! | module | about |
//! |---|---|
//! | [`stage`] | a conductor whose nodes use it where they say so, with steps and verbs to ask for |
//! | [`machine`], [`operation`] | its implementations |

mod machine;
mod operation;
pub(crate) mod stage;

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

/// What the driver is to do, and what it did. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    answers: HashMap<String, VecDeque<Answer>>,
    calls: Vec<Call>,
    /// How long each change of power might take.
    limits: Vec<Option<Duration>>,
}

#[derive(Debug)]
struct Call {
    /// The method, with its arguments if it has some.
    shown: String,
    weight: Weight,
}

/// What a call is to those who count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// It does something.
    Deed,
    /// It checks whether something could be done.
    Check,
}

/// What a method does when it is called next.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// It is over.
    Done,
    /// It goes on by itself, and somebody calls.
    Wait,
    /// The same, and wants to be asked again after so many milliseconds.
    Poll(u64),
    /// It fails.
    Fail(DriverError),
    /// It panics.
    Panic,
    /// It hands over what an inspection found.
    Found(Inspection),
    /// It hands over what an inspection found, and fails.
    FoundAndFail(Inspection, DriverError),
    /// It changes a member of the node's internal data; null removes it.
    Save(&'static str, Value),
}

impl Script {
    /// The next call of `method`, as in `inspect.abort`, does this; one after the other, then it is done at once again.
    pub(crate) fn will(&self, method: &str, answer: Answer) {
        self.state(|state| state.answers.entry(method.to_owned()).or_default().push_back(answer));
    }

    /// The next call of `method` fails with this text.
    pub(crate) fn will_fail(&self, method: &str, text: &str) {
        self.will(method, Answer::Fail(DriverError::hardware(text)));
    }

    /// What the driver was asked to do, in order, without checks.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.state(|state| {
            let deeds = state.calls.iter().filter(|call| call.weight == Weight::Deed);
            deeds.map(|call| call.shown.clone()).collect()
        })
    }

    /// The same with checks.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state(|state| state.calls.iter().map(|call| call.shown.clone()).collect())
    }

    /// How often `method` was called.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.asked().iter().filter(|call| call.split(' ').next() == Some(method)).count()
    }

    /// How long each change of power might take, in order.
    pub(crate) fn limits(&self) -> Vec<Option<Duration>> {
        self.state(|state| state.limits.clone())
    }

    /// Remembers how long a change of power may take.
    fn given(&self, limit: Option<Duration>) {
        self.state(|state| state.limits.push(limit));
    }

    /// Forgets what the driver was asked.
    pub(crate) fn forget_calls(&self) {
        self.state(|state| state.calls.clear());
    }

    fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn record(&self, shown: String, weight: Weight) {
        self.state(|state| state.calls.push(Call { shown, weight }));
    }

    /// Does what `method` is to do next.
    async fn play(&self, method: &str, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        let answer = self.state(|state| state.answers.get_mut(method).and_then(VecDeque::pop_front));
        match answer.unwrap_or(Answer::Done) {
            Answer::Done => Ok(StepOutcome::Done),
            Answer::Wait => Ok(StepOutcome::Wait { poll_after_ms: None }),
            Answer::Poll(milliseconds) => Ok(StepOutcome::Wait { poll_after_ms: Some(milliseconds) }),
            Answer::Fail(error) => Err(error),
            Answer::Panic => panic!("as the test wants it"),
            Answer::Found(found) => {
                task.save_inspection(&found).await?;
                Ok(StepOutcome::Done)
            }
            Answer::FoundAndFail(found, error) => {
                task.save_inspection(&found).await?;
                Err(error)
            }
            Answer::Save(key, value) => {
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

    /// A method that does something.
    async fn step(&self, method: &str, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.record(method.to_owned(), Weight::Deed);
        self.play(method, task).await
    }

    /// The same with arguments.
    async fn step_with(
        &self,
        method: &str,
        arguments: impl std::fmt::Display,
        task: &DriverTask<NoInfo>,
    ) -> Result<StepOutcome> {
        self.record(format!("{method} {arguments}"), Weight::Deed);
        self.play(method, task).await
    }

    /// A method that does something and has nothing to answer.
    async fn call(&self, method: &str, task: &DriverTask<NoInfo>) -> Result<()> {
        self.step(method, task).await.map(drop)
    }

    /// A method that checks something.
    async fn check(&self, method: &str, task: &DriverTask<NoInfo>) -> Result<()> {
        self.record(method.to_owned(), Weight::Check);
        self.play(method, task).await.map(drop)
    }

    /// A method that only looks: nobody counts it.
    async fn look(&self, method: &str, task: &DriverTask<NoInfo>) -> Result<()> {
        self.play(method, task).await.map(drop)
    }

    /// The scripted implementations.
    fn plugin(&self) -> Plugin {
        let implementations = vec![
            self.implementation(machine::Bios),
            self.implementation(machine::Boot),
            self.implementation(machine::Console),
            self.implementation(machine::Firmware),
            self.implementation(machine::Management),
            self.implementation(machine::Power),
            self.implementation(machine::Storage),
            self.implementation(machine::Vendor),
            self.implementation(operation::Deploy),
            self.implementation(operation::Inspect),
            self.implementation(operation::Network),
            self.implementation(operation::Rescue),
        ];
        Plugin::builtin(NAME, implementations).unwrap()
    }

    fn implementation<T: farrier_sdk::glue::Implementation>(
        &self,
        make: impl Fn(Self) -> T + Send + Sync + 'static,
    ) -> Builtin {
        let script = self.clone();
        Builtin::new(move || make(script.clone()))
    }
}

/// A conductor whose nodes have this driver, unless they choose another.
pub(crate) async fn fixture(config: ConductorConfig) -> (Fixture, Script) {
    let script = Script::default();
    let fixture = Fixture::with_drivers(config, drivers(), vec![script.plugin()]).await;
    (fixture, script)
}

/// Offers the scripted implementations and those of the fake driver.
fn drivers() -> DriverConfig {
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

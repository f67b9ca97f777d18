//! What a driver may see, change and log of its node while a call runs.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use farrier_abi::TaskBox;
use farrier_abi::abi_stable::std_types::{RStr, RVec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::{DriverError, ErrorKind, Result};
use crate::glue::{Caller, decode, encode, from_reply};
use crate::http::Session;
use crate::interface::InterfaceType;
use crate::interface::{
    bios::BiosClient, boot::BootClient, console::ConsoleClient, deploy::DeployClient,
    firmware::FirmwareClient, inspect::InspectClient, inspect::Inspection, management::ManagementClient,
    network::NetworkClient, power::PowerClient, raid::RaidClient, rescue::RescueClient,
    storage::StorageClient,
};
use crate::log;
use crate::property::Properties;
use crate::runtime::Runtime;
use crate::secret::{Secret, SecretRef};

/// Most often a save of node-internal data is tried again after somebody else's.
const SAVE_ATTEMPTS_MAX: u32 = 8;

/// The node as of the call, secrets replaced by references.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Node {
    /// UUID of the node.
    pub uuid: String,
    /// Name of the node, if it has one.
    pub name: Option<String>,
    /// Its hardware type.
    pub driver: String,
    /// How to reach its BMC.
    pub driver_info: Map<String, Value>,
    /// What drivers remember about it.
    pub driver_internal_info: Map<String, Value>,
    /// Counts the saves of `driver_internal_info`.
    pub internal_info_revision: u64,
    /// What is, or is to be, installed on it.
    pub instance_info: Map<String, Value>,
    /// UUID of the instance on it.
    pub instance_uuid: Option<String>,
    /// What is known about the machine.
    pub properties: Map<String, Value>,
    /// The operator's own data.
    pub extra: Map<String, Value>,
    /// Recorded power state.
    pub power_state: Option<String>,
    /// Power state being worked towards.
    pub target_power_state: Option<String>,
    /// Provision state.
    pub provision_state: String,
    /// Provision state being worked towards.
    pub target_provision_state: Option<String>,
    /// Recorded boot mode, `uefi` or `bios`.
    pub boot_mode: Option<String>,
    /// Recorded secure boot state.
    pub secure_boot: Option<bool>,
    /// Whether it may never be powered off.
    pub disable_power_off: bool,
    /// Resource class.
    pub resource_class: Option<String>,
    /// Network configuration of the instance.
    pub network_data: Map<String, Value>,
    /// RAID configuration asked for.
    pub target_raid_config: Map<String, Value>,
    /// Names the pass that asks, when the conductor asks several things about the machine one after the other: what was
    /// read for one of them may answer the next. Whoever knows nothing of it reads anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass: Option<String>,
}

/// What the clones of a task share.
pub struct TaskShared {
    task: TaskBox,
    id: u64,
    runtime: Runtime,
    node: OnceLock<Node>,
    /// Newest known internal info, after a save or refresh.
    internal: Mutex<Option<(u64, Map<String, Value>)>>,
}

impl fmt::Debug for TaskShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("id", &self.id).finish_non_exhaustive()
    }
}

impl TaskShared {
    pub(crate) fn new(task: TaskBox, runtime: Runtime) -> Self {
        let id = task.id();
        Self { task, id, runtime, node: OnceLock::new(), internal: Mutex::new(None) }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn node(&self) -> Result<&Node> {
        if let Some(node) = self.node.get() {
            return Ok(node);
        }
        let node = decode(&self.task.snapshot())?;
        Ok(self.node.get_or_init(|| node))
    }

    pub(crate) async fn call<A: Serialize>(&self, method: &str, arguments: &A) -> Result<Vec<u8>> {
        self.call_raw(method, encode(arguments)?).await
    }

    async fn call_raw(&self, method: &str, arguments: Vec<u8>) -> Result<Vec<u8>> {
        let reply = self.task.call(RStr::from_str(method), RVec::from(arguments));
        from_reply(reply.await)
    }
}

/// One call on one node, as the driver holds it. Cheap to clone; dead once the call has ended.
pub struct DriverTask<I> {
    shared: Arc<TaskShared>,
    info: Arc<I>,
}

impl<I> Clone for DriverTask<I> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), info: Arc::clone(&self.info) }
    }
}

impl<I> fmt::Debug for DriverTask<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl<I: Properties> DriverTask<I> {
    pub(crate) fn new(shared: Arc<TaskShared>) -> Result<Self> {
        // The node is only read when something is wanted of it: most calls without properties never look.
        let info = if I::DESCRIPTOR == "[]" {
            I::from_map(&Map::new())?
        } else {
            I::from_map(&shared.node()?.driver_info)?
        };
        Ok(Self { shared, info: Arc::new(info) })
    }
}

impl<I> DriverTask<I> {
    /// `driver_info`, read and checked.
    #[must_use]
    pub fn info(&self) -> &I {
        &self.info
    }

    /// The node as of the call.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "the host makes the snapshot; a broken one is its defect, reported as a panic"
    )]
    pub fn node(&self) -> &Node {
        self.shared.node().expect("the host's snapshot is a node")
    }

    /// What is left until the deadline of the call; `None` without one.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        match self.shared.task.time_left_ms() {
            u64::MAX => None,
            left => Some(Duration::from_millis(left)),
        }
    }

    /// Whether the host wants the call to end.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.shared.task.cancelled()
    }

    /// Waits until the host wants the call to end.
    ///
    /// For work the driver started elsewhere; the call itself is dropped.
    pub async fn when_cancelled(&self) {
        // A broken host future means that nobody is left to ask.
        self.shared.task.when_cancelled().await.unwrap_or_default();
    }

    /// Asks the host for a secret of `driver_info`; the host records that it was asked.
    ///
    /// # Errors
    ///
    /// [`MissingParameter`](ErrorKind::MissingParameter): there is none;
    /// [`TaskClosed`](ErrorKind::TaskClosed): the call has ended.
    pub async fn reveal(&self, secret: &SecretRef) -> Result<Secret<String>> {
        let reply = self.shared.call("secret.reveal", &json!({"key": secret.key()})).await?;
        decode(&reply)
    }

    /// Asks the host for a member of `instance_info` that the node shows as `******`: a config drive, the hash of the
    /// rescue system's password. What is not a text comes as JSON. The host records that it was asked.
    ///
    /// # Errors
    ///
    /// [`MissingParameter`](ErrorKind::MissingParameter): there is none; [`Unsupported`](ErrorKind::Unsupported): the
    /// host is older than this; [`TaskClosed`](ErrorKind::TaskClosed).
    pub async fn reveal_instance(&self, key: &str) -> Result<Secret<String>> {
        let reply = self.shared.call("secret.reveal_instance", &json!({"key": key})).await?;
        decode(&reply)
    }

    /// Tells how far the call is: `percent` from 0 to 100, and what it is doing.
    ///
    /// # Errors
    ///
    /// [`TaskClosed`](ErrorKind::TaskClosed).
    pub async fn progress(&self, percent: u8, message: &str) -> Result<()> {
        self.shared.call("progress", &json!({"percent": percent, "message": message})).await.map(drop)
    }

    /// Adds an entry to the node's history.
    ///
    /// # Errors
    ///
    /// [`TaskClosed`](ErrorKind::TaskClosed).
    pub async fn event(&self, message: &str) -> Result<()> {
        self.shared.call("event", &json!({"message": message})).await.map(drop)
    }

    /// Hands over what an inspection found; the conductor stores it when the inspection has ended well.
    ///
    /// A second time replaces the first. Needs the exclusive lock.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict): the lock is not ours; [`Unsupported`](ErrorKind::Unsupported): the host
    /// is older than this; [`TaskClosed`](ErrorKind::TaskClosed).
    pub async fn save_inspection(&self, found: &Inspection) -> Result<()> {
        self.shared.call("inspection.save", found).await.map(drop)
    }

    /// Makes `config` the node's target RAID configuration, which other calls of this task see from then on. Needs the
    /// exclusive lock.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict): the lock is not ours; [`Unsupported`](ErrorKind::Unsupported): the host
    /// is older than this; [`TaskClosed`](ErrorKind::TaskClosed).
    pub async fn save_target_raid_config(&self, config: &Map<String, Value>) -> Result<()> {
        self.shared.call("raid_config.save", &json!({"target": config})).await.map(drop)
    }

    /// Changes the node's `driver_internal_info`: compare and save, tried again when somebody else was quicker.
    ///
    /// `change` may run several times, each time on the newest data. Needs the exclusive lock.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict): others kept being quicker, or the lock is not ours.
    pub async fn save_internal_info(
        &self,
        mut change: impl FnMut(&mut Map<String, Value>) + Send,
    ) -> Result<()> {
        let (mut revision, mut current) = self.internal_info();
        for _ in 0..SAVE_ATTEMPTS_MAX {
            let mut wanted = current.clone();
            change(&mut wanted);
            let set: Map<_, _> = wanted
                .iter()
                .filter(|(key, value)| current.get(*key) != Some(value))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            let unset: Vec<_> = current.keys().filter(|key| !wanted.contains_key(*key)).collect();
            if set.is_empty() && unset.is_empty() {
                return Ok(());
            }
            let save = json!({"expect": revision, "set": set, "unset": unset});
            match self.shared.call("internal_info.save", &save).await {
                Ok(reply) => {
                    let saved: Saved = decode(&reply)?;
                    self.remember(saved.revision, wanted);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Conflict && error.is_retryable() => {
                    let node = self.refresh().await?;
                    (revision, current) = (node.internal_info_revision, node.driver_internal_info);
                }
                Err(error) => return Err(error),
            }
        }
        Err(DriverError::new(
            ErrorKind::Conflict,
            "internal data was changed by others at every attempt to save it",
        ))
    }

    /// The node as it is now; [`node`](Self::node) stays as it was when the call began.
    ///
    /// # Errors
    ///
    /// [`TaskClosed`](ErrorKind::TaskClosed).
    pub async fn refresh(&self) -> Result<Node> {
        decode(&self.shared.call("node.refresh", &json!({})).await?)
    }

    /// The newest known `driver_internal_info` with its revision.
    fn internal_info(&self) -> (u64, Map<String, Value>) {
        let newest = self.shared.internal.lock().unwrap_or_else(PoisonError::into_inner);
        newest
            .clone()
            .unwrap_or_else(|| (self.node().internal_info_revision, self.node().driver_internal_info.clone()))
    }

    fn remember(&self, revision: u64, info: Map<String, Value>) {
        *self.shared.internal.lock().unwrap_or_else(PoisonError::into_inner) = Some((revision, info));
    }

    /// Warns in the SDK's own name.
    pub(crate) fn warn(&self, message: &str) {
        log::warn(&self.shared, message);
    }

    /// Waits; ends early only by the call being dropped.
    ///
    /// # Errors
    ///
    /// Those of the host's timer.
    pub async fn sleep(&self, pause: Duration) -> Result<()> {
        let milliseconds = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.shared.runtime.service("timer", "sleep", &json!({"ms": milliseconds})).await.map(drop)
    }

    /// Asks `done` every `interval` until it answers true, at most for `limit`.
    ///
    /// The first question comes at once. An error of `done` ends the wait.
    ///
    /// # Errors
    ///
    /// [`Timeout`](ErrorKind::Timeout): `limit` has passed; otherwise what `done` answers.
    pub async fn poll_until<F, R>(&self, interval: Duration, limit: Duration, mut done: F) -> Result<()>
    where
        F: FnMut() -> R + Send,
        R: Future<Output = Result<bool>> + Send,
    {
        let start = std::time::Instant::now();
        loop {
            if done().await? {
                return Ok(());
            }
            let waited = start.elapsed();
            if limit <= waited {
                return Err(DriverError::timeout(format!("not reached within {} s", limit.as_secs())));
            }
            self.sleep(interval.min(limit.saturating_sub(waited))).await?;
        }
    }

    /// Requests to the device at `base`, as `https://host:port`, made by the host: see [`http`](crate::http).
    #[must_use]
    pub fn http(&self, base: &str) -> Session<'_> {
        Session::new(&self.shared, base)
    }

    /// Counts something: `name` gets the plugin's name in front.
    ///
    /// # Errors
    ///
    /// Those of the host.
    pub async fn observe(&self, name: &str, value: f64) -> Result<()> {
        self.observe_with(name, value, &[]).await
    }

    /// As [`observe`](Self::observe), apart for each value of its labels; a node's name is none, for nodes are many.
    ///
    /// # Errors
    ///
    /// Those of the host.
    pub async fn observe_with(&self, name: &str, value: f64, labels: &[(&str, &str)]) -> Result<()> {
        let labels: Map<String, Value> =
            labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).into())).collect();
        let observation = json!({"name": name, "value": value, "labels": labels});
        self.shared.runtime.service("metric", "observe", &observation).await.map(drop)
    }

    /// Runs a future to its end on this thread: for the blocking style only, where a thread may wait.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.shared.runtime.enter(|| park::block_on(future))
    }

    fn sibling(&self, kind: InterfaceType) -> Sibling {
        Sibling { shared: Arc::clone(&self.shared), kind }
    }
}

/// Interfaces of the same node, called under the same task and lock.
impl<I> DriverTask<I> {
    /// The node's power interface.
    #[must_use]
    pub fn power(&self) -> PowerClient<Sibling> {
        PowerClient(self.sibling(InterfaceType::Power))
    }

    /// The node's management interface.
    #[must_use]
    pub fn management(&self) -> ManagementClient<Sibling> {
        ManagementClient(self.sibling(InterfaceType::Management))
    }

    /// The node's boot interface.
    #[must_use]
    pub fn boot(&self) -> BootClient<Sibling> {
        BootClient(self.sibling(InterfaceType::Boot))
    }

    /// The node's deploy interface.
    #[must_use]
    pub fn deploy(&self) -> DeployClient<Sibling> {
        DeployClient(self.sibling(InterfaceType::Deploy))
    }

    /// The node's network interface.
    #[must_use]
    pub fn network(&self) -> NetworkClient<Sibling> {
        NetworkClient(self.sibling(InterfaceType::Network))
    }

    /// The node's BIOS interface.
    #[must_use]
    pub fn bios(&self) -> BiosClient<Sibling> {
        BiosClient(self.sibling(InterfaceType::Bios))
    }

    /// The node's console interface.
    #[must_use]
    pub fn console(&self) -> ConsoleClient<Sibling> {
        ConsoleClient(self.sibling(InterfaceType::Console))
    }

    /// The node's firmware interface.
    #[must_use]
    pub fn firmware(&self) -> FirmwareClient<Sibling> {
        FirmwareClient(self.sibling(InterfaceType::Firmware))
    }

    /// The node's inspect interface.
    #[must_use]
    pub fn inspect(&self) -> InspectClient<Sibling> {
        InspectClient(self.sibling(InterfaceType::Inspect))
    }

    /// The node's RAID interface.
    #[must_use]
    pub fn raid(&self) -> RaidClient<Sibling> {
        RaidClient(self.sibling(InterfaceType::Raid))
    }

    /// The node's rescue interface.
    #[must_use]
    pub fn rescue(&self) -> RescueClient<Sibling> {
        RescueClient(self.sibling(InterfaceType::Rescue))
    }

    /// The node's storage interface.
    #[must_use]
    pub fn storage(&self) -> StorageClient<Sibling> {
        StorageClient(self.sibling(InterfaceType::Storage))
    }
}

/// Carries calls to another interface of the same node, through the host.
#[derive(Debug, Clone)]
pub struct Sibling {
    shared: Arc<TaskShared>,
    kind: InterfaceType,
}

impl Caller for Sibling {
    async fn call(&self, method: &'static str, arguments: Vec<u8>) -> Result<Vec<u8>> {
        self.shared.call_raw(&format!("{}.{method}", self.kind), arguments).await
    }
}

/// What the host answers to a save.
#[derive(Deserialize)]
struct Saved {
    revision: u64,
}

mod park {
    //! A future run to its end by a thread that sleeps in between.

    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};
    use std::thread::Thread;

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    pub(super) fn block_on<F: Future>(future: F) -> F::Output {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(value) => return value,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

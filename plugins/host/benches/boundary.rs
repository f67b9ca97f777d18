//! What the boundary costs: against a plain call, and step by step.
//!
//! `cargo bench -p farrier-host`. The figures are for comparison with each other, in one run on one machine.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use divan::Bencher;
use farrier_abi::abi_stable::sabi_trait::TD_Opaque;
use farrier_abi::abi_stable::std_types::{RArc, RSlice, RStr, RVec};
use farrier_abi::{
    BFuture, Bytes, CallFuture, Host, Host_TO, HostBox, InterfaceBox, LogRecord, Task, Task_TO, TaskBox,
};
use farrier_host::{Builtin, CallOptions, Interface, NodeAccess, Plugin};
use farrier_sdk::glue::{encode, from_reply, to_reply};
use farrier_sdk::prelude::*;
use farrier_sdk::runtime::Runtime;
use farrier_sdk::serde_json::json;

fn main() {
    divan::main();
}

/// Answers at once, and reads nothing.
struct Bare;

#[interface(power, name = "bare")]
impl PowerInterface for Bare {
    type Info = NoInfo;

    async fn get_power_state(&self, _task: &DriverTask<NoInfo>) -> Result<PowerState> {
        Ok(PowerState::On)
    }

    async fn set_power_state(
        &self,
        task: &DriverTask<NoInfo>,
        _state: PowerState,
        _timeout: Option<Duration>,
    ) -> Result<()> {
        task.progress(1, "on the way").await
    }

    /// Never ends by itself.
    async fn reboot(&self, task: &DriverTask<NoInfo>, _timeout: Option<Duration>) -> Result<()> {
        task.when_cancelled().await;
        Ok(())
    }
}

/// `driver_info` of a node with a BMC.
#[derive(Properties)]
struct BmcInfo {
    /// Address
    bmc_address: String,
    /// User
    bmc_username: Option<String>,
    /// Password
    #[property(secret)]
    bmc_password: Option<SecretRef>,
    /// Port
    #[property(default = 623)]
    bmc_port: u16,
}

/// Reads its properties for every call, as drivers do.
struct Typed;

#[interface(power, name = "typed")]
impl PowerInterface for Typed {
    type Info = BmcInfo;

    async fn get_power_state(&self, task: &DriverTask<BmcInfo>) -> Result<PowerState> {
        let info = task.info();
        let known = info.bmc_username.is_some() && info.bmc_password.is_some() && info.bmc_port != 0;
        Ok(if known && info.bmc_address.is_empty() { PowerState::Off } else { PowerState::On })
    }

    async fn set_power_state(
        &self,
        _task: &DriverTask<BmcInfo>,
        _state: PowerState,
        _timeout: Option<Duration>,
    ) -> Result<()> {
        Ok(())
    }

    async fn reboot(&self, _task: &DriverTask<BmcInfo>, _timeout: Option<Duration>) -> Result<()> {
        Ok(())
    }
}

/// The same as [`Bare`] on a thread of the pool.
struct Sync;

#[interface(power, name = "sync", blocking)]
impl farrier_sdk::interface::power::blocking::PowerInterface for Sync {
    type Info = NoInfo;

    fn get_power_state(&self, _task: &DriverTask<NoInfo>) -> Result<PowerState> {
        Ok(PowerState::On)
    }

    fn set_power_state(
        &self,
        _task: &DriverTask<NoInfo>,
        _state: PowerState,
        _timeout: Option<Duration>,
    ) -> Result<()> {
        Ok(())
    }

    fn reboot(&self, _task: &DriverTask<NoInfo>, _timeout: Option<Duration>) -> Result<()> {
        Ok(())
    }
}

fn node() -> Vec<u8> {
    encode(&json!({
        "uuid": "a1b2c3d4-0001-4000-8000-000000000001", "name": "node-1", "driver": "bmc",
        "driver_info": {
            "bmc_address": "192.0.2.1", "bmc_username": "admin", "bmc_password": {"$secret": "bmc_password"}
        },
        "properties": {"cpus": 8, "memory_mb": 16384, "local_gb": 100, "cpu_arch": "x86_64"},
        "power_state": "power on", "provision_state": "active",
    }))
    .unwrap()
}

/// A task and host that cost nothing.
struct Nothing(Vec<u8>);

impl Task for Nothing {
    fn id(&self) -> u64 {
        1
    }
    fn snapshot(&self) -> Bytes {
        RVec::from(self.0.clone())
    }
    fn time_left_ms(&self) -> u64 {
        u64::MAX
    }
    fn cancelled(&self) -> bool {
        false
    }
    fn when_cancelled(&self) -> BFuture<()> {
        BFuture::new(std::future::pending())
    }
    fn call(&self, _method: RStr<'_>, _args: Bytes) -> CallFuture {
        BFuture::ready(to_reply(encode(&())))
    }
}

impl Host for Nothing {
    fn log(&self, _record: &LogRecord<'_>) {}
    fn log_enabled(&self, _level: u8, _target: RStr<'_>) -> bool {
        false
    }
    fn call(&self, _service: RStr<'_>, _method: RStr<'_>, _args: Bytes) -> CallFuture {
        BFuture::ready(to_reply(encode(&())))
    }
    fn spawn(&self, _job: BFuture<()>, _class: u8) -> u64 {
        0
    }
    fn cancel(&self, _job: u64) {}
}

impl NodeAccess for Nothing {
    fn snapshot(&self) -> Vec<u8> {
        self.0.clone()
    }
    fn call(&self, _method: String, _arguments: Vec<u8>) -> farrier_sdk::glue::BoxFuture<Result<Vec<u8>>> {
        Box::pin(async { encode(&()) })
    }
}

fn task(node: &[u8]) -> TaskBox {
    Task_TO::from_ptr(RArc::new(Nothing(node.to_vec())), TD_Opaque)
}

fn runtime() -> Runtime {
    let host: HostBox = Host_TO::from_ptr(RArc::new(Nothing(Vec::new())), TD_Opaque);
    Runtime::start(host, "bench").unwrap()
}

/// Polls a future that is ready at once, or nearly.
fn finish<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

trait Plain: Send {
    fn get(&self) -> u8;
    fn get_later(&self) -> Pin<Box<dyn Future<Output = u8> + Send + '_>>;
}

struct InProcess;

impl Plain for InProcess {
    fn get(&self) -> u8 {
        black_box(1)
    }
    fn get_later(&self) -> Pin<Box<dyn Future<Output = u8> + Send + '_>> {
        Box::pin(async { black_box(1) })
    }
}

#[divan::bench(sample_size = 1000)]
fn a1_plain_trait_call(bencher: Bencher<'_, '_>) {
    let object: Box<dyn Plain> = black_box(Box::new(InProcess));
    bencher.bench_local(|| object.get());
}

#[divan::bench(sample_size = 1000)]
fn a2_plain_async_call(bencher: Bencher<'_, '_>) {
    let object: Box<dyn Plain> = black_box(Box::new(InProcess));
    bencher.bench_local(|| finish(object.get_later()));
}

#[divan::bench(sample_size = 1000)]
fn a3_boundary_future_ready(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| finish(BFuture::new(async { black_box(1_u64) }).into_future()));
}

fn boundary(bencher: Bencher<'_, '_>, interface: &InterfaceBox, method: &'static str, arguments: &[u8]) {
    let node = node();
    bencher.bench_local(|| {
        let call = interface.call(RStr::from_str(method), RSlice::from_slice(arguments), task(&node));
        from_reply(finish(call.into_future())).unwrap()
    });
}

#[divan::bench(sample_size = 1000)]
fn b1_call_through_the_boundary(bencher: Bencher<'_, '_>) {
    let interface = farrier_sdk::export::interface(Bare, &runtime());
    boundary(bencher, &interface, "get_power_state", b"{}");
}

#[divan::bench(sample_size = 1000)]
fn b2_the_same_with_typed_driver_info(bencher: Bencher<'_, '_>) {
    let interface = farrier_sdk::export::interface(Typed, &runtime());
    boundary(bencher, &interface, "get_power_state", b"{}");
}

#[divan::bench(sample_size = 1000)]
fn b3_the_same_with_a_call_back_into_the_host(bencher: Bencher<'_, '_>) {
    let interface = farrier_sdk::export::interface(Bare, &runtime());
    boundary(bencher, &interface, "set_power_state", br#"{"state":"power on","timeout":60}"#);
}

struct Setup {
    tokio: tokio::runtime::Runtime,
    interface: Arc<Interface>,
    node: Arc<Nothing>,
    _plugin: Plugin,
}

/// A conductor's way to an implementation: executor, task, deadline, span.
fn setup(name: &str) -> Setup {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let builtins = vec![Builtin::new(|| Bare), Builtin::new(|| Typed), Builtin::new(|| Sync)];
    let plugin = Plugin::builtin("bench", builtins).unwrap();
    let interface = plugin.open_interface(InterfaceType::Power, name).unwrap();
    Setup { tokio, interface, node: Arc::new(Nothing(node())), _plugin: plugin }
}

fn dispatched(bencher: Bencher<'_, '_>, name: &str) {
    let setup = setup(name);
    let options = CallOptions { timeout: Some(Duration::from_secs(60)), ..CallOptions::default() };
    let _entered = setup.tokio.enter();
    bencher.bench_local(|| {
        let access: Arc<dyn NodeAccess> = Arc::clone(&setup.node) as _;
        let call = setup.interface.call("get_power_state", b"{}".to_vec(), access, &options);
        setup.tokio.block_on(call).unwrap()
    });
}

#[divan::bench(sample_size = 50)]
fn c1_call_on_the_plugin_s_executor(bencher: Bencher<'_, '_>) {
    dispatched(bencher, "bare");
}

#[divan::bench(sample_size = 50)]
fn c2_the_same_with_typed_driver_info(bencher: Bencher<'_, '_>) {
    dispatched(bencher, "typed");
}

#[divan::bench(sample_size = 50)]
fn c3_the_same_in_the_blocking_style(bencher: Bencher<'_, '_>) {
    dispatched(bencher, "sync");
}

#[divan::bench(sample_size = 50)]
fn c4_start_and_cancel(bencher: Bencher<'_, '_>) {
    let setup = setup("bare");
    let options = CallOptions { timeout: Some(Duration::from_secs(60)), ..CallOptions::default() };
    let _entered = setup.tokio.enter();
    bencher.bench_local(|| {
        let access: Arc<dyn NodeAccess> = Arc::clone(&setup.node) as _;
        drop(setup.interface.call("reboot", b"{}".to_vec(), access, &options));
    });
}

//! The plugin boundary: the only types that conductor and plugin share in memory.
//!
//! One root module, four traits, four structs. Every method of every interface type crosses the boundary
//! through [`Interface::call`] as JSON, so new methods, arguments and results never change this crate.
//!
//! **Invariant:** names, order and types here are frozen from the first published SDK on. A new ability is, in
//! order of preference, a new JSON field, a new method name, a new host service, a method appended with a
//! default body; never a changed signature. `farrier-abi` stays 1.x: the layout check compares package name and
//! major version.
//!
//! Source: `docs/src/contribute/abi.md`.
#![expect(
    unsafe_code,
    non_local_definitions,
    reason = "abi_stable's derives expand to unsafe impls inside functions; the future crosses by raw pointer"
)]
#![allow(
    missing_docs,
    missing_debug_implementations,
    clippy::allow_attributes,
    reason = "sabi_trait generates items that cannot carry documentation; everything written by hand is documented"
)]

pub mod export;
pub mod future;
pub mod note;

use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::package_version_strings;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RArc, RBox, RResult, RSlice, RStr, RVec};

pub use abi_stable;
pub use future::{BFuture, Poisoned};

/// The version of this boundary, as the descriptor of a plugin names it.
pub const ABI_VERSION: u32 = 1;

/// The line of abi_stable that both sides must share, as the descriptor of a plugin names it.
pub const ABI_LIB: &str = "abi_stable/0.11";

/// Longest JSON document that crosses the boundary, in bytes.
pub const DOCUMENT_SIZE_MAX: usize = 16 * 1024 * 1024;

/// A JSON document in UTF-8, or nothing. Freed by the side that made it, through its own vtable.
pub type Bytes = RVec<u8>;

/// What a call answers: a result or a `DriverError`, both as JSON.
pub type Reply = RResult<Bytes, Bytes>;

/// The future of a call.
pub type CallFuture = BFuture<Reply>;

/// The host as a plugin holds it.
pub type HostBox = Host_TO<'static, RArc<()>>;

/// The task of one call as a plugin holds it.
pub type TaskBox = Task_TO<'static, RArc<()>>;

/// A plugin as the host holds it.
pub type PluginBox = Plugin_TO<'static, RBox<()>>;

/// An interface implementation as the host holds it.
pub type InterfaceBox = Interface_TO<'static, RBox<()>>;

/// What a library exports. Its constructor and functions never run vendor code, except `open`.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModRef)))]
#[sabi(missing_field(panic))]
pub struct PluginMod {
    /// The same bytes as the ELF note.
    pub descriptor: extern "C" fn() -> RStr<'static>,
    /// Starts the plugin with its configuration, a JSON object. A second call is refused.
    #[sabi(last_prefix_field)]
    pub open: extern "C" fn(HostBox, RSlice<'_, u8>) -> RResult<PluginBox, Bytes>,
}

impl RootModule for PluginModRef {
    abi_stable::declare_root_module_statics! {PluginModRef}
    const BASE_NAME: &'static str = "farrier_plugin";
    const NAME: &'static str = "farrier_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

/// A plugin, called by the host.
#[abi_stable::sabi_trait]
pub trait Plugin: Send + Sync {
    /// Hands out one implementation by interface type (`power`) and name.
    fn open_interface(&self, kind: RStr<'_>, name: RStr<'_>) -> RResult<InterfaceBox, Bytes>;
    /// Supported lists of a hardware type that are computed at run time, if any.
    fn hardware(&self, name: RStr<'_>) -> RResult<Bytes, Bytes>;
    /// Takes new options, all or nothing.
    fn configure(&self, config: RSlice<'_, u8>) -> RResult<(), Bytes>;
    /// Counters and cache sizes, free form.
    fn health(&self) -> Bytes;
    /// Ends what the plugin runs on its own; at most `deadline_ms`.
    #[sabi(last_prefix_field)]
    fn close(&self, deadline_ms: u64) -> CallFuture;
}

/// One interface implementation, shared by all nodes.
#[abi_stable::sabi_trait]
pub trait Interface: Send + Sync {
    /// Calls one method. `args` is a JSON object; dropping the future cancels the call.
    #[sabi(last_prefix_field)]
    fn call(&self, method: RStr<'_>, args: RSlice<'_, u8>, task: TaskBox) -> CallFuture;
}

/// The host, called by a plugin. One per plugin.
#[abi_stable::sabi_trait]
pub trait Host: Send + Sync {
    /// Hands a log record to the conductor's log.
    fn log(&self, record: &LogRecord<'_>);
    /// Whether a record of this level and target would be kept.
    fn log_enabled(&self, level: u8, target: RStr<'_>) -> bool;
    /// Calls a host service, such as `timer` `sleep`.
    fn call(&self, service: RStr<'_>, method: RStr<'_>, args: Bytes) -> CallFuture;
    /// Runs a job on the plugin's executor: class 0 is asynchronous, class 1 may block and gets a thread.
    fn spawn(&self, job: BFuture<()>, class: u8) -> u64;
    /// Drops a job that has not ended.
    #[sabi(last_prefix_field)]
    fn cancel(&self, job: u64);
}

/// The task of one call: what a driver may see and change of its node while the call runs.
#[abi_stable::sabi_trait]
pub trait Task: Send + Sync {
    /// Names this call in log records.
    fn id(&self) -> u64;
    /// The node as of the call as JSON, secrets replaced.
    fn snapshot(&self) -> Bytes;
    /// Milliseconds until the deadline; [`u64::MAX`] without one.
    fn time_left_ms(&self) -> u64;
    /// Whether the host wants the call to end.
    fn cancelled(&self) -> bool;
    /// Ready once the host wants the call to end.
    fn when_cancelled(&self) -> BFuture<()>;
    /// Calls back into the task: sibling interfaces, progress, saving node-internal data.
    #[sabi(last_prefix_field)]
    fn call(&self, method: RStr<'_>, args: Bytes) -> CallFuture;
}

/// One log record of a plugin.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct LogRecord<'a> {
    /// 1 error, 2 warn, 3 info, 4 debug, 5 trace.
    pub level: u8,
    /// Line in `file`, or 0.
    pub line: u32,
    /// [`Task::id`] of the call it belongs to, or 0.
    pub task: u64,
    /// Module path.
    pub target: RStr<'a>,
    /// Source file, or empty.
    pub file: RStr<'a>,
    /// The constant message.
    pub message: RStr<'a>,
    /// Fields as a JSON object, or empty.
    pub fields: RStr<'a>,
}

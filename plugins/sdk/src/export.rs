//! What `export_plugin!` expands to uses this; vendors do not.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use farrier_abi::abi_stable::prefix_type::PrefixTypeTrait;
use farrier_abi::abi_stable::sabi_trait::TD_Opaque;
use farrier_abi::abi_stable::std_types::{RResult, RSlice, RStr, RVec};
use farrier_abi::{
    BFuture, Bytes, CallFuture, HostBox, Interface_TO, Plugin, Plugin_TO, PluginBox, PluginMod,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{DriverError, Result};
use crate::glue::{
    ExportedInterface, Guarded, Implementation, decode, error_bytes, guard, install_panic_hook, to_reply,
};
use crate::interface::InterfaceType;
use crate::property::Options;

pub use crate::runtime::Runtime;
pub use farrier_abi::export::{LibHeader, header};
pub use farrier_abi::note::Note;
pub use farrier_abi::{InterfaceBox, PluginModRef};

/// A plugin as `export_plugin!` describes it.
pub trait Spec: 'static {
    /// Its options.
    type Options: Options;
    /// What its implementations share.
    type State: Send + Sync + 'static;

    /// Its name.
    const NAME: &'static str;

    /// The descriptor's text.
    fn descriptor() -> &'static str;

    /// Starts the plugin.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting; the loader refuses the library with it.
    fn start(options: Self::Options) -> Result<Self::State>;

    /// Makes an implementation, if there is one of this type and name.
    fn open(
        state: &Arc<Self::State>,
        runtime: &Runtime,
        kind: InterfaceType,
        name: &str,
    ) -> Option<InterfaceBox>;

    /// Ends what the plugin runs.
    fn close(state: Arc<Self::State>, patience: Duration) -> impl Future<Output = ()> + Send;
}

/// Leads from the exported header to the plugin.
pub struct Exported<S>(PhantomData<S>);

impl<S> fmt::Debug for Exported<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exported")
    }
}

impl<S: Spec> farrier_abi::export::Exported for Exported<S> {
    fn module() -> PluginModRef {
        module::<S>()
    }
}

/// The root module of a plugin. Runs no vendor code.
#[must_use]
pub fn module<S: Spec>() -> PluginModRef {
    PluginMod { descriptor: descriptor::<S>, open: open::<S> }.leak_into_prefix()
}

/// An implementation for the boundary.
#[must_use]
pub fn interface<T: Implementation>(implementation: T, runtime: &Runtime) -> InterfaceBox {
    Interface_TO::from_value(ExportedInterface::new(implementation, runtime.clone()), TD_Opaque)
}

/// Whether `T` is the implementation of this type and name.
#[must_use]
pub fn is<T: Implementation>(kind: InterfaceType, name: &str) -> bool {
    kind == T::KIND && (name == T::NAME || T::ALIASES.contains(&name))
}

/// Whether two implementations are of one type and answer to one name.
#[must_use]
#[expect(clippy::indexing_slicing, reason = "evaluated while compiling; the index is bounded by the loop")]
pub const fn collide<A: Implementation, B: Implementation>() -> bool {
    let mut index = 0;
    while index < B::ALIASES.len() {
        if answers_to::<A>(B::ALIASES[index]) {
            return A::KIND as u8 == B::KIND as u8;
        }
        index += 1;
    }
    A::KIND as u8 == B::KIND as u8 && answers_to::<A>(B::NAME)
}

#[expect(clippy::indexing_slicing, reason = "evaluated while compiling; the index is bounded by the loop")]
const fn answers_to<T: Implementation>(name: &str) -> bool {
    let mut index = 0;
    while index < T::ALIASES.len() {
        if equal(T::ALIASES[index], name) {
            return true;
        }
        index += 1;
    }
    equal(T::NAME, name)
}

#[expect(clippy::indexing_slicing, reason = "evaluated while compiling; the index is bounded by the loop")]
const fn equal(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}

extern "C" fn descriptor<S: Spec>() -> RStr<'static> {
    RStr::from_str(S::descriptor())
}

/// What the host hands to `open`, as JSON. Unknown members of a newer host are ignored.
#[derive(Deserialize)]
struct OpenConfig {
    /// The plugin's table of the configuration.
    #[serde(default)]
    options: Map<String, Value>,
    /// Whether host and plugin are one program: then they share panic hook and log.
    #[serde(default)]
    linked: bool,
}

extern "C" fn open<S: Spec>(host: HostBox, config: RSlice<'_, u8>) -> RResult<PluginBox, Bytes> {
    match guard(0, || open_plugin::<S>(host, config.as_slice())) {
        Ok(plugin) => RResult::ROk(plugin),
        Err(error) => RResult::RErr(error_bytes(&error)),
    }
}

fn open_plugin<S: Spec>(host: HostBox, config: &[u8]) -> Result<PluginBox> {
    static OPENED: AtomicBool = AtomicBool::new(false);

    let config: OpenConfig = decode(config)?;
    if !config.linked && OPENED.swap(true, Ordering::SeqCst) {
        return Err(DriverError::internal("the plugin is open already"));
    }
    install_panic_hook(!config.linked);
    let options = S::Options::from_map(&config.options)?;
    let runtime = Runtime::start(host, S::NAME)?;
    #[cfg(feature = "tracing")]
    if !config.linked {
        crate::log::forward::install(&runtime);
    }
    let state = Arc::new(runtime.enter(|| S::start(options))?);
    Ok(Plugin_TO::from_value(OpenPlugin::<S> { state, runtime }, TD_Opaque))
}

/// A started plugin.
struct OpenPlugin<S: Spec> {
    state: Arc<S::State>,
    runtime: Runtime,
}

impl<S: Spec> Plugin for OpenPlugin<S> {
    fn open_interface(&self, kind: RStr<'_>, name: RStr<'_>) -> RResult<InterfaceBox, Bytes> {
        let opened = guard(0, || {
            let kind: InterfaceType = kind
                .as_str()
                .parse()
                .map_err(|_| DriverError::unsupported(format!("`{kind}` is not an interface type")))?;
            let opened = self.runtime.enter(|| S::open(&self.state, &self.runtime, kind, name.as_str()));
            opened.ok_or_else(|| {
                DriverError::unsupported(format!("there is no {kind} implementation `{name}`"))
            })
        });
        match opened {
            Ok(interface) => RResult::ROk(interface),
            Err(error) => RResult::RErr(error_bytes(&error)),
        }
    }

    fn hardware(&self, name: RStr<'_>) -> RResult<Bytes, Bytes> {
        let text = format!("supported lists of `{name}` are those of the descriptor");
        RResult::RErr(error_bytes(&DriverError::unsupported(text)))
    }

    fn configure(&self, _config: RSlice<'_, u8>) -> RResult<(), Bytes> {
        RResult::RErr(error_bytes(&DriverError::unsupported("options change at the next start")))
    }

    fn health(&self) -> Bytes {
        RVec::from(b"{}".as_slice())
    }

    fn close(&self, deadline_ms: u64) -> CallFuture {
        let (state, runtime) = (Arc::clone(&self.state), self.runtime.clone());
        let work = self.runtime.enter_polls(async move {
            S::close(state, Duration::from_millis(deadline_ms)).await;
            Ok(Vec::new())
        });
        let guarded = Guarded::new(work, 0);
        BFuture::new(async move {
            let result = guarded.await;
            runtime.stop();
            to_reply(result)
        })
    }
}

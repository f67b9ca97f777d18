//! A plugin that was opened.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use farrier_abi::abi_stable::sabi_trait::TD_Opaque;
use farrier_abi::abi_stable::std_types::{RArc, RResult, RSlice, RStr};
use farrier_abi::{Host_TO, HostBox, InterfaceBox, PluginBox, PluginModRef};
use farrier_sdk::descriptor::{Descriptor, InterfaceDescriptor};
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::glue::{Implementation, decode, from_reply};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::runtime::Runtime;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::executor::Executor;
use crate::health::Health;
use crate::host::{HostState, SharedHost};
use crate::http::Http;
use crate::http::cassette::Cassette;
use crate::interface::Interface;

/// How long a plugin may take to open.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a plugin came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A shared library.
    File {
        /// Its path.
        path: PathBuf,
        /// SHA-256 of its content, lower-case hex.
        sha256: String,
    },
    /// Linked into this program.
    Linked,
    /// Part of the conductor.
    Builtin,
}

/// How a plugin is opened.
#[derive(Clone)]
pub struct OpenConfig {
    /// Its table of the configuration.
    pub options: Map<String, Value>,
    /// Whether it is linked into this program, and so shares panic hook and log with it.
    pub linked: bool,
    /// How long `open` may take.
    pub timeout: Duration,
    /// Where its HTTP requests are recorded, or answered from; none to make them, as a conductor does.
    pub cassette: Option<Cassette>,
}

/// Without the options, which may hold passwords.
impl fmt::Debug for OpenConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenConfig")
            .field("linked", &self.linked)
            .field("timeout", &self.timeout)
            .field("cassette", &self.cassette)
            .finish_non_exhaustive()
    }
}

impl Default for OpenConfig {
    fn default() -> Self {
        Self { options: Map::new(), linked: false, timeout: OPEN_TIMEOUT, cassette: None }
    }
}

/// A plugin could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The plugin said no, or panicked.
    #[error("{}refused to start", if .0.kind() == ErrorKind::PluginPanicked { "panicked and so " } else { "" })]
    Refused(#[source] DriverError),
    /// It did not come back; its thread is left behind.
    #[error("did not start within {:.1} s", after.as_secs_f64())]
    Hung {
        /// How long was waited.
        after: Duration,
    },
    /// The descriptor cannot be read.
    #[error("descriptor cannot be read")]
    Descriptor(#[source] DriverError),
    /// The conductor has no thread for it.
    #[error("no thread could be started for it")]
    Thread(#[source] std::io::Error),
}

/// What plugin, interfaces and calls share.
#[derive(Debug)]
pub(crate) struct Shared {
    name: String,
    executor: Executor,
    host: Arc<HostState>,
    http: Arc<Http>,
    health: Health,
    closed: AtomicBool,
}

impl Shared {
    fn start(
        name: &str,
        options: Map<String, Value>,
        cassette: Option<Cassette>,
    ) -> std::io::Result<Arc<Self>> {
        let executor = Executor::start(name)?;
        let host = Arc::new(HostState::new(name, options, executor.runner()));
        let http = Arc::new(Http::new(executor.runner(), cassette));
        let (health, closed) = (Health::default(), AtomicBool::new(false));
        Ok(Arc::new(Self { name: name.to_owned(), executor, host, http, health, closed }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.executor
    }

    pub(crate) fn host(&self) -> &HostState {
        &self.host
    }

    pub(crate) fn http(&self) -> &Arc<Http> {
        &self.http
    }

    fn host_box(&self) -> HostBox {
        Host_TO::from_ptr(RArc::new(SharedHost(Arc::clone(&self.host))), TD_Opaque)
    }

    /// Lets a call through unless the plugin is broken at present.
    pub(crate) fn admit(&self) -> Result<(), DriverError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(DriverError::new(ErrorKind::Cancelled, format!("plugin `{}` is closed", self.name)));
        }
        if let Some(running) = self.executor.stalled() {
            let text =
                format!("plugin `{}` has been blocking its executor for {} s", self.name, running.as_secs());
            return Err(DriverError::new(ErrorKind::PluginStalled, text));
        }
        self.health.admit(&self.name)
    }

    pub(crate) fn record<T>(&self, result: &Result<T, DriverError>) {
        self.health.record(&self.name, result);
    }
}

/// An opened plugin.
pub struct Plugin {
    descriptor: Descriptor,
    origin: Origin,
    shared: Arc<Shared>,
    source: Source,
    opened: Mutex<HashMap<(InterfaceType, String), Arc<Interface>>>,
}

/// Where interfaces come from.
enum Source {
    /// Never dropped: its destructor is the plugin's own code, which runs unguarded there, and the library stays
    /// until the process ends anyway.
    Library(Box<ManuallyDrop<PluginBox>>),
    Builtin(Vec<Builtin>, Runtime),
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.descriptor.name)
            .field("version", &self.descriptor.version)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Plugin {
    /// Opens a plugin through its root module, on a thread of its own, at most for the time given.
    ///
    /// Blocks the calling thread meanwhile: not for async workers.
    ///
    /// # Errors
    ///
    /// [`OpenError::Refused`], [`OpenError::Hung`], [`OpenError::Thread`].
    pub fn open(
        module: PluginModRef,
        descriptor: Descriptor,
        origin: Origin,
        config: &OpenConfig,
    ) -> Result<Self, OpenError> {
        let shared = Shared::start(&descriptor.name, config.options.clone(), config.cassette.clone())
            .map_err(OpenError::Thread)?;
        let host = shared.host_box();
        let text = json!({
            "options": config.options,
            "linked": config.linked,
            "host": env!("CARGO_PKG_VERSION"),
        });
        let (sender, receiver) = channel();
        let open = module.open();
        std::thread::Builder::new()
            .name(format!("open-{}", descriptor.name))
            .spawn(move || {
                let opened = open(host, RSlice::from_slice(text.to_string().as_bytes()));
                // The receiver is gone when this came too late.
                sender.send(opened).unwrap_or_default();
            })
            .map_err(OpenError::Thread)?;
        let opened = match receiver.recv_timeout(config.timeout) {
            Ok(RResult::ROk(plugin)) => plugin,
            Ok(RResult::RErr(error)) => {
                return Err(OpenError::Refused(decode(&error).unwrap_or_else(|error| error)));
            }
            Err(RecvTimeoutError::Timeout) => return Err(OpenError::Hung { after: config.timeout }),
            Err(RecvTimeoutError::Disconnected) => {
                let text = "`open` ended without an answer";
                return Err(OpenError::Refused(DriverError::new(ErrorKind::PluginPanicked, text)));
            }
        };
        let source = Source::Library(Box::new(ManuallyDrop::new(opened)));
        Ok(Self { descriptor, origin, shared, source, opened: Mutex::default() })
    }

    /// Opens a plugin that is linked into this program; its descriptor comes from the module.
    ///
    /// # Errors
    ///
    /// As [`Plugin::open`], and [`OpenError::Descriptor`].
    pub fn linked(module: PluginModRef, options: Map<String, Value>) -> Result<Self, OpenError> {
        let text = (module.descriptor())();
        let descriptor = decode(text.as_str().as_bytes()).map_err(OpenError::Descriptor)?;
        Self::open(
            module,
            descriptor,
            Origin::Linked,
            &OpenConfig { options, linked: true, ..OpenConfig::default() },
        )
    }

    /// A plugin made of implementations that are part of this program and offer no hardware type.
    ///
    /// # Errors
    ///
    /// [`OpenError::Descriptor`]: an implementation describes itself wrongly; [`OpenError::Thread`].
    pub fn builtin(name: &str, implementations: Vec<Builtin>) -> Result<Self, OpenError> {
        let shared = Shared::start(name, Map::new(), None).map_err(OpenError::Thread)?;
        let runtime = Runtime::start(shared.host_box(), name).map_err(OpenError::Refused)?;
        let interfaces = implementations.iter().map(Builtin::descriptor).collect::<Result<_, _>>()?;
        let descriptor = Descriptor {
            schema: 1,
            abi: farrier_abi::ABI_VERSION,
            abi_lib: farrier_abi::ABI_LIB.to_owned(),
            panic: "unwind".to_owned(),
            libc: "gnu".to_owned(),
            cpu: Vec::new(),
            sdk: env!("CARGO_PKG_VERSION").to_owned(),
            rustc: String::new(),
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            vendor: String::new(),
            license: String::new(),
            homepage: String::new(),
            description: String::new(),
            hardware_types: BTreeMap::new(),
            interfaces,
            options: Vec::new(),
        };
        let source = Source::Builtin(implementations, runtime);
        Ok(Self { descriptor, origin: Origin::Builtin, shared, source, opened: Mutex::default() })
    }

    /// The same offering a hardware type that supports these implementations, best first: for one that is made of
    /// parts of this program.
    #[must_use]
    pub fn offering(mut self, hardware: &str, supported: BTreeMap<InterfaceType, Vec<String>>) -> Self {
        self.descriptor.hardware_types.insert(hardware.to_owned(), supported);
        self
    }

    /// What it says about itself.
    #[must_use]
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.descriptor.name
    }

    /// Where it came from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What it has counted, by name.
    #[must_use]
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        self.shared.host.metrics()
    }

    /// The implementation of this type and name or alias; opened once, shared from then on.
    ///
    /// # Errors
    ///
    /// `Unsupported`: it offers none; otherwise what the plugin answers.
    pub fn open_interface(&self, kind: InterfaceType, name: &str) -> Result<Arc<Interface>, DriverError> {
        let described = self.descriptor.interface(kind, name).ok_or_else(|| {
            DriverError::unsupported(format!("plugin `{}` offers no {kind} interface `{name}`", self.name()))
        })?;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(interface) = opened.get(&(kind, described.name.clone())) {
            return Ok(Arc::clone(interface));
        }
        let object = self.source.open(kind, &described.name)?;
        let interface = Arc::new(Interface::new(described.clone(), object, Arc::clone(&self.shared)));
        opened.insert((kind, described.name.clone()), Arc::clone(&interface));
        Ok(interface)
    }

    /// Lets the plugin end what it runs, at most for `patience`. Its implementations are not called any more.
    ///
    /// # Errors
    ///
    /// What the plugin answers; `Timeout`.
    pub async fn close(&self, patience: Duration) -> Result<(), DriverError> {
        self.shared.closed.store(true, Ordering::Release);
        let Source::Library(library) = &self.source else { return Ok(()) };
        let milliseconds = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let closing =
            self.shared.executor.timed(library.close(milliseconds).into_future(), "close".to_owned());
        let job = self.shared.executor.handle().spawn(closing);
        match tokio::time::timeout(patience, job).await {
            Ok(Ok(reply)) => from_reply(reply).map(drop),
            Ok(Err(_)) => Err(DriverError::new(ErrorKind::PluginPanicked, "`close` panicked")),
            Err(_) => Err(DriverError::timeout(format!(
                "plugin `{}` did not close within {:.1} s",
                self.name(),
                patience.as_secs_f64()
            ))),
        }
    }
}

impl Source {
    fn open(&self, kind: InterfaceType, name: &str) -> Result<InterfaceBox, DriverError> {
        match self {
            Self::Library(plugin) => {
                match plugin.open_interface(RStr::from_str(kind.as_str()), RStr::from_str(name)) {
                    RResult::ROk(interface) => Ok(interface),
                    RResult::RErr(error) => Err(decode(&error).unwrap_or_else(|error| error)),
                }
            }
            Self::Builtin(implementations, runtime) => implementations
                .iter()
                .find(|builtin| builtin.kind == kind && builtin.name == name)
                .map(|builtin| (builtin.make)(runtime))
                .ok_or_else(|| {
                    DriverError::unsupported(format!("there is no {kind} implementation `{name}`"))
                }),
        }
    }
}

/// An implementation that is part of this program.
pub struct Builtin {
    kind: InterfaceType,
    /// Its own, or another that it was given.
    name: String,
    text: &'static str,
    make: Box<dyn Fn(&Runtime) -> InterfaceBox + Send + Sync>,
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Builtin({} {})", self.kind, self.name)
    }
}

impl Builtin {
    /// An implementation, made anew when it is opened.
    pub fn new<T: Implementation>(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self {
            kind: T::KIND,
            name: T::NAME.to_owned(),
            text: T::DESCRIPTOR,
            make: Box::new(move |runtime| farrier_sdk::export::interface(make(), runtime)),
        }
    }

    /// The same under another name: several names can do the same.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    fn descriptor(&self) -> Result<InterfaceDescriptor, OpenError> {
        let descriptor: InterfaceDescriptor = decode(self.text.as_bytes()).map_err(OpenError::Descriptor)?;
        Ok(InterfaceDescriptor { name: self.name.clone(), ..descriptor })
    }
}

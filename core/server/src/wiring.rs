//! Store, plugins, registry, conductor, listener: in this order, and the end in the reverse one.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use farrier_conductor::config::RpcTransport;
use farrier_conductor::registry::Registry;
use farrier_conductor::service::Conductor;
use farrier_sdk::error::Chain;
use farrier_store::Store;
use rustix::fs::{FlockOperation, flock};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::{Config, JsonRpcConfig};
use crate::http::{self, ApiState, Auth};
use crate::image_server::ImageServer;
use crate::plugins::{self, Plans};
use crate::{rpc, signals};

/// Runs the daemon until it is told to stop.
///
/// # Errors
///
/// Whatever keeps it from starting; the conductor is not registered then.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    let config = Arc::new(config);
    // Before anything is taken over in the database: a second daemon by mistake ends here.
    let address = SocketAddr::new(config.api.host_ip, config.api.port);
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("`{address}` could not be listened on"))?;
    let auth = Auth::new(&config.api).context("the API could not be started")?;
    let rpc = match config.conductor.rpc_transport {
        RpcTransport::None => None,
        RpcTransport::JsonRpc => Some(Rpc::prepare(&config.json_rpc).await?),
    };
    let image_server = ImageServer::prepare(&config.image_server).await?;
    let stop = CancellationToken::new();
    // Before the conductor: a signal that nobody hears ends the process with what it has begun.
    let departure = signals::watch(stop.clone());
    let registry = load(&config).await?;
    let store = Store::open(&config.database).await.context("the database could not be opened")?;
    let _only = only_user(&store)?;
    let (own, notifications) = (config.conductor(), &config.notifications);
    let images = image_server.as_ref().map(ImageServer::images);
    let conductor = Conductor::start_with(own, notifications, store.clone(), Arc::new(registry), images)
        .await
        .context("the conductor could not be started")?;
    let image_server = image_server.map(|server| server.serve(conductor.clone())).transpose()?;
    let mut state = ApiState::new(conductor.clone(), &config.api, auth);
    let calls = match rpc {
        Some(rpc) => {
            state.rpc = Some(rpc.client.clone());
            Some(rpc.serve(&conductor, &state)?)
        }
        None => None,
    };
    let served = serve(listener, state, &stop).await;
    stop.cancel();
    conductor.stop_work(departure.await.unwrap_or_default()).await;
    // Others may have sent work until they noticed.
    if let Some(calls) = calls {
        calls.end().await;
    }
    // Deployments may have been waiting for a BMC that fetches.
    if let Some(image_server) = image_server {
        image_server.end().await;
    }
    conductor.end().await;
    store.close().await;
    served
}

/// What is needed to hear other conductors.
struct Rpc {
    listener: TcpListener,
    key: Arc<rpc::Key>,
    client: rpc::Client,
}

/// Hearing other conductors.
struct Calls {
    stop: CancellationToken,
    job: JoinHandle<std::io::Result<()>>,
}

impl Rpc {
    async fn prepare(config: &JsonRpcConfig) -> anyhow::Result<Self> {
        let what = "other conductors could not be listened to";
        let key = Arc::new(rpc::Key::new(config.secret.as_ref()).context(what)?);
        let address = SocketAddr::new(config.host_ip, config.port);
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("`{address}` could not be listened on"))?;
        let client = rpc::Client::new(Arc::clone(&key), Duration::from_secs(config.timeout)).context(what)?;
        Ok(Self { listener, key, client })
    }

    fn serve(self, conductor: &Conductor, state: &ApiState) -> anyhow::Result<Calls> {
        let address = self.listener.local_addr().context("the listener has no address")?;
        info!(%address, conductor = conductor.host(), "other conductors are listened to");
        let stop = CancellationToken::new();
        let (listener, key, conductor) = (self.listener, self.key, conductor.clone());
        let (routes, until) = (http::routes(state.clone()), stop.clone());
        let job = tokio::spawn(async move { rpc::serve(listener, &conductor, key, routes, until).await });
        Ok(Calls { stop, job })
    }
}

impl Calls {
    async fn end(self) {
        self.stop.cancel();
        match self.job.await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => warn!(error = %Chain(&failure), "listening to other conductors failed"),
            Err(failure) => warn!(error = %failure, "listening to other conductors failed"),
        }
    }
}

/// Loads plugins and works out what is offered.
async fn load(config: &Arc<Config>) -> anyhow::Result<Registry> {
    let for_plan = Arc::clone(config);
    let (report, enabled) = tokio::task::spawn_blocking(move || {
        let Plans { plan, enabled, problem } = plugins::plan(&for_plan);
        match problem {
            Some(problem) => Err(problem),
            None => Ok((plan.load(), enabled)),
        }
    })
    .await
    .context("loading plugins failed")??;
    for refusal in &report.refused {
        warn!(path = %refusal.library.path.display(), step = %refusal.step(), error = refusal.reason(), "plugin is refused");
    }
    for library in &report.loaded {
        let (plugin, version) = (library.plugin.as_deref(), library.version.as_deref());
        info!(plugin, version, path = %library.path.display(), "plugin is loaded");
    }
    let needed =
        if config.plugins.strict { report.refused.iter().collect() } else { report.needed(&enabled) };
    if let Some(refusal) = needed.first() {
        bail!("{refusal}");
    }
    let refused = report.refused.iter().map(plugins::quotable).collect();
    Ok(Registry::new(config.drivers.clone(), report.plugins, refused)?)
}

/// Makes sure that nobody else works on a database that cannot be shared; until the answer is dropped.
fn only_user(store: &Store) -> anyhow::Result<Option<File>> {
    let database = store.label();
    if store.is_shared() || !Path::new(database).is_file() {
        return Ok(None);
    }
    let path = format!("{database}.lock");
    let file = File::create(&path).with_context(|| format!("`{path}` could not be made"))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .with_context(|| format!("database `{database}` is in use by another farrierd"))?;
    Ok(Some(file))
}

/// Answers requests until told to stop.
async fn serve(listener: TcpListener, state: ApiState, stop: &CancellationToken) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the listener has no address")?;
    info!(%address, "API is listening");
    axum::serve(listener, http::router(state))
        .with_graceful_shutdown(stop.clone().cancelled_owned())
        .await
        .context("the listener failed")
}

//! Store, plugins, registry, conductor, listener: in this order, and the end in the reverse one.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use farrier_conductor::registry::Registry;
use farrier_conductor::service::Conductor;
use farrier_sdk::error::Chain;
use farrier_store::Store;
use rustix::fs::{FlockOperation, flock};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::config::Config;
use crate::http::{self, Auth};
use crate::plugins::{self, Plans};

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
    let registry = load(&config).await?;
    let store = Store::open(&config.database).await.context("the database could not be opened")?;
    let _only = only_user(&store)?;
    let (own, notifications) = (config.conductor.clone(), &config.notifications);
    let conductor = Conductor::start_with(own, notifications, store.clone(), Arc::new(registry))
        .await
        .context("the conductor could not be started")?;
    let served = serve(&config, listener, &conductor, auth).await;
    conductor.stop().await;
    store.close().await;
    served
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

/// Answers requests until a signal says stop.
async fn serve(
    config: &Config,
    listener: TcpListener,
    conductor: &Conductor,
    auth: Auth,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the listener has no address")?;
    info!(%address, "API is listening");
    let router = http::router(http::ApiState::new(conductor.clone(), &config.api, auth));
    axum::serve(listener, router).with_graceful_shutdown(stop_signal()).await.context("the listener failed")
}

/// Ready at SIGTERM or SIGINT.
async fn stop_signal() {
    let (mut terminate, mut interrupt) =
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
            (Err(error), _) | (_, Err(error)) => {
                warn!(error = %Chain(&error), "signals can not be heard, only a kill ends this process");
                return std::future::pending().await;
            }
        };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("stopping");
}

//! Store, plugins, registry, conductor, listener: in this order, and the end in the reverse one.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use farrier_conductor::registry::Registry;
use farrier_conductor::service::Conductor;
use farrier_sdk::error::Chain;
use farrier_store::Store;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::config::Config;
use crate::http;
use crate::plugins::{self, Plans};

/// Runs the daemon until it is told to stop.
///
/// # Errors
///
/// Whatever keeps it from starting; the conductor is not registered then.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    let config = Arc::new(config);
    let registry = load(&config).await?;
    let store = Store::open(&config.database).await.context("the database could not be opened")?;
    let conductor = Conductor::start(config.conductor.clone(), store.clone(), Arc::new(registry))
        .await
        .context("the conductor could not be started")?;
    let served = serve(&config, &conductor).await;
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

/// Answers requests until a signal says stop.
async fn serve(config: &Config, conductor: &Conductor) -> anyhow::Result<()> {
    let address = SocketAddr::new(config.api.host_ip, config.api.port);
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("`{address}` could not be listened on"))?;
    let address = listener.local_addr().context("the listener has no address")?;
    info!(%address, "API is listening");
    let router = http::router(http::ApiState::new(conductor.clone(), &config.api));
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

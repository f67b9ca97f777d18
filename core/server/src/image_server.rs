//! Images for BMCs: files of this machine, each under an address that is signed for one node and expires.
//!
//! | module | what |
//! |---|---|
//! | [`shelf`] | which files may be served, and their addresses |
//! | [`file`](mod@file) | one file as an answer, or the part of it that was asked for |
//!
//! The address names the node, the time it expires and the file's name, never its path: what is served is the image
//! that the node has when it is fetched. A request without a signature of ours reads neither database nor disk.

mod file;
mod shelf;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use farrier_conductor::images::{self, Images};
use farrier_conductor::service::Conductor;
use farrier_sdk::error::Chain;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::config::ImageServerConfig;
use shelf::{Shelf, Ticket};

/// Most files sent at once; a BMC that comes too late is told to come again.
const TRANSFERS_MAX: usize = 256;

/// How long files that are being sent may take to end when the daemon does.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A server of images, listening and not answering yet.
pub(crate) struct ImageServer {
    listener: TcpListener,
    shelf: Arc<Shelf>,
}

/// A server of images at work.
pub(crate) struct Serving {
    stop: CancellationToken,
    job: JoinHandle<std::io::Result<()>>,
}

/// What a request needs.
#[derive(Clone)]
struct Desk {
    conductor: Conductor,
    shelf: Arc<Shelf>,
    transfers: Arc<Semaphore>,
}

impl ImageServer {
    /// Listens, unless no directory is served.
    pub(crate) async fn prepare(config: &ImageServerConfig) -> anyhow::Result<Option<Self>> {
        if config.directories.is_empty() {
            return Ok(None);
        }
        let address = SocketAddr::new(config.host_ip, config.port);
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("`{address}` could not be listened on for images"))?;
        let address = listener.local_addr().context("the listener for images has no address")?;
        let shelf = Shelf::new(config, address).context("images could not be served")?;
        Ok(Some(Self { listener, shelf: Arc::new(shelf) }))
    }

    /// Who hands out addresses.
    pub(crate) fn images(&self) -> Arc<dyn Images> {
        let shelf: Arc<Shelf> = Arc::clone(&self.shelf);
        shelf
    }

    /// Answers BMCs about the nodes of `conductor`.
    pub(crate) fn serve(self, conductor: Conductor) -> anyhow::Result<Serving> {
        let address = self.listener.local_addr().context("the listener for images has no address")?;
        info!(%address, "images are served");
        let stop = CancellationToken::new();
        let desk = Desk { conductor, shelf: self.shelf, transfers: Arc::new(Semaphore::new(TRANSFERS_MAX)) };
        let (routes, until) = (router(desk), stop.clone());
        let job = tokio::spawn(async move {
            axum::serve(self.listener, routes).with_graceful_shutdown(until.cancelled_owned()).await
        });
        Ok(Serving { stop, job })
    }
}

impl Serving {
    /// Ends it, and in the end whatever it is sending.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        match tokio::time::timeout(STOP_PATIENCE, &mut self.job).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(failure))) => warn!(error = %Chain(&failure), "serving images failed"),
            Ok(Err(failure)) => warn!(error = %failure, "serving images failed"),
            Err(_) => self.job.abort(),
        }
    }
}

fn router(desk: Desk) -> Router {
    Router::new().route(shelf::ROUTE, get(image)).with_state(desk)
}

/// Sends an image to whoever has its address. Every refusal looks the same.
async fn image(
    State(desk): State<Desk>,
    Path((node, expires, signature, name)): Path<(Uuid, u64, String, String)>,
    headers: HeaderMap,
) -> Response {
    let ticket = Ticket { node, expires, name: &name };
    if !desk.shelf.accepts(ticket, &signature, SystemTime::now()) {
        debug!(%node, "an image was asked for with an address that is not valid, or no longer");
        return StatusCode::NOT_FOUND.into_response();
    }
    let Some(path) = desk.path(node, &name).await else {
        debug!(%node, "an image was asked for that its node does not have any more");
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(permit) = Arc::clone(&desk.transfers).try_acquire_owned() else {
        warn!(%node, most = TRANSFERS_MAX, "an image is not sent, too many are");
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    match file::answer(&path, &headers, permit).await {
        Ok(response) => {
            debug!(%node, status = response.status().as_u16(), "an image is fetched");
            response
        }
        Err(error) => {
            warn!(%node, path = %path.display(), %error, "an image could not be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

impl Desk {
    /// The file of a node's image as it is now, if it still is called so and may be served.
    async fn path(&self, node: Uuid, name: &str) -> Option<std::path::PathBuf> {
        let node = self.conductor.node(&node.into()).await.ok()?;
        let path = self.shelf.path(images::file_of(&node)?)?;
        (shelf::name(&path) == name).then_some(path)
    }
}

#[cfg(test)]
mod tests;

//! Hearing of locks that other processes release.
//!
//! Where several conductors share a database, whoever waits for a lock says so in its row, and the release of such a
//! lock is told to all of them as part of its own transaction. One connection of each [`Store`](crate::Store)
//! listens. While it is down nothing is lost but time: those who wait try again at intervals, and are told to look
//! as soon as it is back.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use farrier_model::node::NodeId;
use farrier_sdk::secret::Secret;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use crate::error::DatabaseError;
use crate::node::{Release, ReleaseSender};

/// Where PostgreSQL tells of releases.
pub(crate) const CHANNEL: &str = "farrier_node_released";

/// Pauses between attempts to connect.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The connection that listens, made again whenever it is lost. Dropping this ends it.
#[derive(Debug)]
pub(crate) struct Listener(JoinHandle<()>);

impl Listener {
    /// Starts to listen in the background.
    pub(crate) fn start(url: Secret<String>, releases: ReleaseSender) -> Self {
        Self(tokio::spawn(async move {
            let mut pause = PAUSE_MIN;
            loop {
                let Err(error) = listen(&url, &releases, &mut pause).await;
                warn!(error = %DatabaseError::new(error), "releases of locks are not heard, waiting takes longer");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }))
    }

    /// Ends it.
    pub(crate) fn stop(&self) {
        self.0.abort();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Listens until the database cannot be reached.
async fn listen(
    url: &Secret<String>,
    releases: &ReleaseSender,
    pause: &mut Duration,
) -> Result<Infallible, sqlx::Error> {
    let options = PgConnectOptions::from_str(url.expose())?.application_name("farrier-listener");
    let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
    let mut listener = PgListener::connect_with(&pool.connect_with(options).await?).await?;
    listener.listen(CHANNEL).await?;
    *pause = PAUSE_MIN;
    debug!("releases of locks are heard");
    releases.missed();
    loop {
        match listener.try_recv().await? {
            Some(told) => match told.payload().parse() {
                Ok(id) => releases.send(Release::Node(NodeId(id))),
                Err(_) => releases.missed(),
            },
            // It was lost, and is back.
            None => releases.missed(),
        }
    }
}

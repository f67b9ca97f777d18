//! The API as its clients see it: requests in, answers out, over a real conductor with the fake driver.

mod agent;
mod discovery;
mod drivers;
mod frame;
mod hardware;
mod labs;
mod management;
mod nodes;
mod ports;
mod power;
mod provision;
mod refusals;
mod tell;
mod vendor;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use axum::response::Response;
use farrier_api::error::ErrorBody;
use farrier_api::version::VERSION_HEADER;
use farrier_conductor::config::{ConductorConfig, DriverConfig};
use farrier_conductor::registry::Registry;
use farrier_conductor::service::Conductor;
use farrier_host::Plugin;
use farrier_store::{Store, StoreConfig};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::{ApiState, Auth};
use crate::config::ApiConfig;

/// The host every request asks for.
const HOST: &str = "127.0.0.1:6385";

/// How long a node may take to get where a test wants it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node that tests enroll.
const NODE: &str = "a1b2c3d4-0001-4000-8000-000000000001";

/// The API over a conductor with the fake driver, on a database of its own.
struct Api {
    router: Router,
    conductor: Conductor,
    store: Store,
    _directory: TempDir,
}

/// What a client gets.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    /// A header that must be there.
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}")).to_str().unwrap()
    }

    /// Status and text of an error.
    fn error(&self) -> String {
        let error = ErrorBody::parse(&self.body.to_string());
        let error = error.unwrap_or_else(|| panic!("no error in {self:?}"));
        format!("{} {}", self.status, error.message())
    }

    /// The members of a mapping, by name.
    fn names(&self) -> Vec<&str> {
        self.body.as_object().unwrap().keys().map(String::as_str).collect()
    }

    /// A member of each item of a list.
    fn column(&self, list: &str, member: &str) -> Vec<&str> {
        self.body[list].as_array().unwrap().iter().map(|item| item[member].as_str().unwrap()).collect()
    }
}

impl Api {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// The API with a state that `change` has changed.
    async fn with(change: impl FnOnce(&mut ApiState)) -> Self {
        Self::start(drivers(), "host-1", change).await
    }

    async fn start(drivers: DriverConfig, host: &str, change: impl FnOnce(&mut ApiState)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("farrier.db").display());
        let store = Store::open(&StoreConfig::new(url)).await.unwrap();
        let fake = Plugin::linked(farrier_fake::farrier_plugin(), Map::new()).unwrap();
        let registry = Arc::new(Registry::new(drivers, vec![fake], Vec::new()).unwrap());
        let config = ConductorConfig {
            host: host.to_owned(),
            // Long enough for a task of this conductor that is just giving its lock back.
            node_locked_retry_attempts: 2,
            node_locked_retry_interval: 0.2,
            ..ConductorConfig::default()
        };
        let conductor = Conductor::start(config, store.clone(), registry).await.unwrap();
        let mut state = ApiState::new(conductor.clone(), &ApiConfig::default(), Auth::None);
        change(&mut state);
        Self { router: super::router(state), conductor, store, _directory: directory }
    }

    /// Sends a request as it is.
    async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = match bytes.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&bytes).unwrap(),
        };
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Sends a request in a version, with a body of JSON unless it is null.
    async fn call(&self, version: &str, method: Method, path: &str, body: Value) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", HOST)
            .header("content-type", "application/json")
            .header(VERSION_HEADER, version);
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("latest", Method::GET, path, Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("latest", Method::POST, path, body).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.call("latest", Method::PUT, path, body).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call("latest", Method::PATCH, path, body).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.call("latest", Method::DELETE, path, Value::Null).await
    }

    /// Enrolls [`NODE`], called `node-1`, with some members of its own.
    async fn enroll(&self, members: Value) -> Answer {
        let mut body = json!({"driver": "fake-hardware", "uuid": NODE, "name": "node-1"});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let answer = self.post("/v1/nodes", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer
    }

    /// Moves a node on without the work that leads there.
    async fn put_into(&self, node: &str, state: &str, target: Option<&str>) {
        let before = self.store.node_get_by_name(node).await.unwrap();
        let mut after = before.clone();
        after.provision_state = state.parse().unwrap();
        after.target_provision_state = target.map(|target| target.parse().unwrap());
        self.store.node_update(&before, &after).await.unwrap();
    }

    /// Waits until nobody holds a node; the node.
    async fn idle(&self, node: &str) -> Value {
        let path = format!("/v1/nodes/{node}");
        let wait = async {
            loop {
                let node = self.get(&path).await.body;
                if node["reservation"].is_null() && node["target_power_state"].is_null() {
                    return node;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the node gets free")
    }
}

/// Offers `fake-hardware` with all its implementations.
fn drivers() -> DriverConfig {
    let both = |other: &str| vec!["fake".to_owned(), other.to_owned()];
    DriverConfig {
        enabled_hardware_types: vec!["fake-hardware".to_owned()],
        enabled_bios_interfaces: both("no-bios"),
        enabled_boot_interfaces: both("noop"),
        enabled_console_interfaces: both("no-console"),
        enabled_deploy_interfaces: both("noop"),
        enabled_firmware_interfaces: both("no-firmware"),
        enabled_inspect_interfaces: both("no-inspect"),
        enabled_management_interfaces: vec!["fake".to_owned()],
        enabled_power_interfaces: vec!["fake".to_owned()],
        enabled_raid_interfaces: both("no-raid"),
        enabled_rescue_interfaces: both("no-rescue"),
        enabled_storage_interfaces: both("noop"),
        enabled_vendor_interfaces: both("no-vendor"),
        ..DriverConfig::default()
    }
}

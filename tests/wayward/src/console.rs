//! A console on which nobody ever says anything.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use farrier_sdk::prelude::*;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::driver_info::WaywardInfo;
use crate::habits::Make;
use crate::shared::{Shared, lock, stray};

/// Consoles of all nodes.
pub(crate) struct GoodConsole {
    shared: Arc<Shared>,
    running: Mutex<HashMap<String, Running>>,
}

/// One console.
struct Running {
    address: SocketAddr,
    served: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.served.abort();
    }
}

impl Make for GoodConsole {
    fn make(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), running: Mutex::default() }
    }
}

/// Takes everybody in, and keeps them.
async fn serve(listener: TcpListener) {
    let mut clients = Vec::new();
    while let Ok((client, _)) = listener.accept().await {
        clients.push(client);
    }
}

impl GoodConsole {
    async fn start(&self, node: &str) -> Result<()> {
        let host = if self.shared.breaks("CNS-002") { "0.0.0.0" } else { "127.0.0.1" };
        let occupied = |_| DriverError::new(ErrorKind::Conflict, "no port is free");
        let listener = TcpListener::bind((host, 0)).await.map_err(occupied)?;
        let address = listener.local_addr().map_err(occupied)?;
        let running = Running { address, served: tokio::spawn(serve(listener)) };
        // One that runs already ends with this.
        lock(&self.running).insert(node.to_owned(), running);
        Ok(())
    }

    fn address(&self, node: &str) -> Option<SocketAddr> {
        lock(&self.running).get(node).map(|running| running.address)
    }
}

#[interface(console, name = "wayward")]
impl ConsoleInterface for GoodConsole {
    type Info = WaywardInfo;

    async fn start_console(&self, task: &DriverTask<WaywardInfo>) -> Result<()> {
        let node = task.node().uuid.as_str();
        if self.shared.breaks("CNS-003") && self.address(node).is_some() {
            return Err(DriverError::new(ErrorKind::Conflict, "the console runs already"));
        }
        self.start(node).await
    }

    async fn stop_console(&self, task: &DriverTask<WaywardInfo>) -> Result<()> {
        if self.shared.breaks("CNS-006") {
            stray("wayward-console");
        }
        if !self.shared.breaks("CNS-004") {
            lock(&self.running).remove(&task.node().uuid);
        }
        Ok(())
    }

    async fn get_console(&self, task: &DriverTask<WaywardInfo>) -> Result<Option<ConsoleInfo>> {
        let node = task.node().uuid.as_str();
        if self.shared.breaks("CNS-005") && self.address(node).is_some() {
            self.start(node).await?;
        }
        let scheme = if self.shared.breaks("CNS-001") { "" } else { "tcp://" };
        let told = |address| ConsoleInfo { kind: "socat".to_owned(), url: format!("{scheme}{address}") };
        Ok(self.address(node).map(told))
    }
}

//! Serial console: Serial over LAN towards the BMC, plain TCP towards one client.

mod line;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use farrier_sdk::prelude::*;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::command::payload::DeactivateConsole;
use crate::driver_info::{self, IpmiInfo};
use crate::options::duration;
use crate::shared::Shared;
use crate::target::Version;
use crate::transport::error::TransportError;
use line::Line;

/// In `driver_internal_info`: the port a console was given from the range.
///
/// Source: Ironic `driver_internal_info`.
const STORED_PORT: &str = "allocated_ipmi_terminal_port";

/// Longest time a console may take to be given back.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// Console through the BMC.
#[derive(Debug)]
pub struct IpmiConsole {
    shared: Arc<Shared>,
}

impl IpmiConsole {
    /// An implementation that shares sessions and consoles with the others.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

#[interface(console, name = "ipmitool-socat", aliases = ["ipmi"])]
impl ConsoleInterface for IpmiConsole {
    type Info = IpmiInfo;

    async fn validate(&self, task: &DriverTask<IpmiInfo>) -> Result<()> {
        driver_info::validate(&self.shared, task).await?;
        ports(&self.shared, task).map(drop)
    }

    async fn start_console(&self, task: &DriverTask<IpmiInfo>) -> Result<()> {
        let ports = ports(&self.shared, task)?;
        let node = task.node().uuid.clone();
        // A new one takes the place of an old one.
        self.shared.consoles.stop(&node).await;
        let bmc = self.shared.bmc(task).await?;
        let (listener, address) = listen(self.shared.options.console_address, &ports).await?;
        let (opener, target) = bmc.serial();
        let serial = opener.open(&target, bmc.deadline_from_now()).await?;
        info!(node, %address, "console started");
        let idle = Some(duration(self.shared.options.console_idle_timeout)).filter(|idle| !idle.is_zero());
        let line = Line { node: node.clone(), opener, target, listener, idle };
        self.shared.consoles.insert(node, address, |stop| line.run(serial, stop));
        if task.info().ipmi_terminal_port.is_none() {
            task.save_internal_info(|info| drop(info.insert(STORED_PORT.to_owned(), address.port().into())))
                .await?;
        }
        Ok(())
    }

    async fn stop_console(&self, task: &DriverTask<IpmiInfo>) -> Result<()> {
        let node = task.node().uuid.as_str();
        if !self.shared.consoles.stop(node).await {
            // It was started by somebody who is no more; a free one is what is wanted.
            match self.shared.bmc(task).await?.execute(DeactivateConsole).await {
                Ok(()) | Err(TransportError::Completion { code: DeactivateConsole::FREE, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        info!(node, "console stopped");
        if task.node().driver_internal_info.contains_key(STORED_PORT) {
            task.save_internal_info(|info| drop(info.remove(STORED_PORT))).await?;
        }
        Ok(())
    }

    async fn get_console(&self, task: &DriverTask<IpmiInfo>) -> Result<Option<ConsoleInfo>> {
        let running = self.shared.consoles.address(&task.node().uuid);
        let known = || {
            let port = task.info().ipmi_terminal_port.or_else(|| stored_port(task))?;
            Some(SocketAddr::new(self.shared.options.console_address, port))
        };
        let address = running.or_else(known);
        Ok(address.map(|address| ConsoleInfo { kind: "socat".to_owned(), url: format!("tcp://{address}") }))
    }
}

/// The ports a node's console may have, best first.
///
/// # Errors
///
/// - [`InvalidParameter`](ErrorKind::InvalidParameter): there is no console with the older protocol.
/// - [`MissingParameter`](ErrorKind::MissingParameter): neither a port nor a range of them.
fn ports(shared: &Shared, task: &DriverTask<IpmiInfo>) -> Result<Vec<u16>> {
    if task.info().ipmi_protocol_version == Version::V1_5 {
        let text = "`ipmi_protocol_version`: version 1.5 has no serial console";
        return Err(DriverError::invalid_parameter(text));
    }
    if let Some(port) = task.info().ipmi_terminal_port {
        return Ok(vec![port]);
    }
    let Some((first, last)) = shared.options.console_port_range else {
        let text = "`ipmi_terminal_port` is missing, and `[ipmi]console_port_range` is not set";
        return Err(DriverError::missing_parameter(text));
    };
    let stored = stored_port(task).filter(|port| (first..=last).contains(port));
    Ok(stored.into_iter().chain((first..=last).filter(|port| Some(*port) != stored)).collect())
}

fn stored_port(task: &DriverTask<IpmiInfo>) -> Option<u16> {
    task.node().driver_internal_info.get(STORED_PORT)?.as_u64()?.try_into().ok()
}

/// Listens on the first of the ports that is free.
async fn listen(address: IpAddr, ports: &[u16]) -> Result<(TcpListener, SocketAddr)> {
    let mut refusal = None;
    for port in ports {
        match TcpListener::bind((address, *port)).await.and_then(|bound| Ok((bound.local_addr()?, bound))) {
            Ok((local, listener)) => return Ok((listener, local)),
            Err(error) => refusal = Some((*port, error)),
        }
    }
    let text = match (ports, &refusal) {
        ([_, _, ..], _) => format!("no port of `[ipmi]console_port_range` is free on `{address}`"),
        (_, Some((port, error))) => {
            format!("cannot listen on `{address}`, port {port}, for the console: {error}")
        }
        (_, None) => format!("there is no port for the console on `{address}`"),
    };
    Err(DriverError::new(ErrorKind::Conflict, text))
}

/// The consoles that run in this process, by node.
#[derive(Debug, Default)]
pub(crate) struct Consoles(Mutex<HashMap<String, Running>>);

/// A running console.
#[derive(Debug)]
struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    ended: JoinHandle<()>,
}

impl Consoles {
    fn insert<F>(&self, node: String, address: SocketAddr, run: impl FnOnce(watch::Receiver<bool>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        let running = Running { address, stop, ended: tokio::spawn(run(stopped)) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(node, running);
    }

    /// Where the console of a node listens, if it runs.
    fn address(&self, node: &str) -> Option<SocketAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(node).map(|running| running.address)
    }

    /// Ends the console of a node and waits until it is given back; false when none ran.
    async fn stop(&self, node: &str) -> bool {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(node);
        match running {
            Some(running) => {
                running.end().await;
                true
            }
            None => false,
        }
    }

    /// Ends all consoles.
    pub(crate) async fn stop_all(&self) {
        let all: Vec<_> = self.0.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        for (_, running) in &all {
            running.stop.send_replace(true);
        }
        for (_, running) in all {
            running.end().await;
        }
    }
}

impl Running {
    async fn end(self) {
        self.stop.send_replace(true);
        // A console that does not end leaves its session to the BMC's time limit.
        if timeout(STOP_PATIENCE, self.ended).await.is_err() {
            warn!(address = %self.address, "a console could not be given back in time");
        }
    }
}

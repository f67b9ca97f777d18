//! Sockets: one per BMC, all on one thread.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, sleep_until};

use super::Settings;
use super::controller::{Controller, Outgoing};
use crate::error::SimError;
use crate::inject::{CommandId, Trouble};
use crate::network::Way;
use crate::open_files;
use crate::runtime;

/// Largest datagram that is received whole.
const DATAGRAM_MAX: usize = 2048;

/// Most datagrams answered before another BMC gets its turn.
const TURN: usize = 16;

/// How long the end of a BMC may take.
const END_PATIENCE: Duration = Duration::from_secs(60);

/// One BMC. Dropping it ends it, and closes its port.
#[derive(Debug)]
pub struct Bmc {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
    ended: Mutex<mpsc::Receiver<()>>,
}

/// What a BMC shares with those who look at it.
#[derive(Debug)]
struct Shared {
    controller: Mutex<Controller>,
    /// Something was printed to the console, or taken away.
    changed: Notify,
    /// Datagrams that are late.
    under_way: AtomicU32,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Controller> {
        self.controller.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bmc {
    /// Starts one on a port of 127.0.0.1 that the system chooses.
    ///
    /// # Errors
    ///
    /// [`Io`](SimError::Io) when there is no socket to be had.
    pub fn start(settings: Settings) -> Result<Self, SimError> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), settings)
    }

    /// Starts one with trouble and nothing else that is special.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn with(trouble: Trouble) -> Result<Self, SimError> {
        Self::start(Settings { trouble, ..Settings::default() })
    }

    /// Starts one at an address.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_at(address: SocketAddr, settings: Settings) -> Result<Self, SimError> {
        let socket = runtime::socket(address)?;
        let address = socket.local_addr().map_err(SimError::io("look at a socket"))?;
        let controller = Mutex::new(Controller::new(settings, address));
        let shared = Arc::new(Shared { controller, changed: Notify::new(), under_way: AtomicU32::new(0) });
        let (alive, ended) = mpsc::channel();
        let task = runtime::spawn(run(Arc::new(socket), Arc::clone(&shared), alive));
        Ok(Self { address, shared, task, ended: Mutex::new(ended) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The BMC itself, to look at and to change. Whoever holds it keeps it from answering.
    pub fn state(&self) -> MutexGuard<'_, Controller> {
        self.shared.lock()
    }

    /// Whether the machine is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.state().machine.is_on()
    }

    /// Turns the machine on or off, as somebody in front of it would.
    pub fn set_power(&self, on: bool) {
        self.state().machine.set_power(on);
    }

    /// Sessions it has now.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.state().sessions()
    }

    /// Open session requests it has seen.
    #[must_use]
    pub fn open_requests(&self) -> u32 {
        let [open, ..] = self.state().logins;
        open
    }

    /// RAKP 1 messages it has seen.
    #[must_use]
    pub fn rakp_1(&self) -> u32 {
        let [_, rakp_1, _] = self.state().logins;
        rakp_1
    }

    /// How often a command was carried out.
    #[must_use]
    pub fn count(&self, command: CommandId) -> usize {
        self.state().count(command)
    }

    /// Prints something on the serial console of the machine.
    pub fn print(&self, text: &[u8]) {
        self.state().machine.console.print(text);
        self.shared.changed.notify_one();
    }

    /// Takes the serial console away from whoever has it.
    pub fn take_console(&self) {
        self.state().deactivate_console();
        self.shared.changed.notify_one();
    }

    /// Whether no datagram is late any longer.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.shared.under_way.load(Ordering::SeqCst) == 0
    }

    /// Ends it and waits until its port is closed.
    pub fn stop(self) {
        self.task.abort();
        // The sender goes with the task, so this ends either way.
        self.ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv_timeout(END_PATIENCE)
            .unwrap_or_default();
    }
}

impl Drop for Bmc {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How the addresses of many BMCs follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// One address, ports from this one upwards.
    Ports(SocketAddr),
    /// One port, addresses from this one upwards.
    Addresses(SocketAddr),
    /// One address, ports that the system chooses.
    Any(IpAddr),
}

impl Place {
    /// The address of BMC `index`.
    fn address(self, index: usize) -> Result<SocketAddr, SimError> {
        let beyond =
            || SimError::io("find an address for another BMC")(io::ErrorKind::AddrNotAvailable.into());
        match self {
            Self::Any(ip) => Ok((ip, 0).into()),
            Self::Ports(first) => {
                let port = u16::try_from(index).ok().and_then(|index| first.port().checked_add(index));
                port.map(|port| (first.ip(), port).into()).ok_or_else(beyond)
            }
            Self::Addresses(first) => {
                let IpAddr::V4(ip) = first.ip() else { return Err(beyond()) };
                let number = u32::try_from(index).ok().and_then(|index| ip.to_bits().checked_add(index));
                number.map(|number| (Ipv4Addr::from_bits(number), first.port()).into()).ok_or_else(beyond)
            }
        }
    }
}

/// Many BMCs. Dropping them ends them.
#[derive(Debug)]
pub struct Fleet {
    /// The BMCs, in the order of their addresses.
    pub bmcs: Vec<Bmc>,
}

impl Fleet {
    /// Starts `count` BMCs; `settings` makes those of each, by its number.
    ///
    /// # Errors
    ///
    /// [`Io`](SimError::Io) when there is no socket to be had.
    pub fn start(
        count: usize,
        place: Place,
        mut settings: impl FnMut(usize) -> Settings,
    ) -> Result<Self, SimError> {
        open_files::raise_limit()?;
        let start = |index| Bmc::start_at(place.address(index)?, settings(index));
        Ok(Self { bmcs: (0..count).map(start).collect::<Result<_, _>>()? })
    }
}

async fn run(socket: Arc<UdpSocket>, shared: Arc<Shared>, alive: mpsc::Sender<()>) {
    loop {
        let due = shared.lock().console_due();
        tokio::select! {
            ready = socket.readable() => {
                if ready.is_ok() {
                    take_turn(&socket, &shared).await;
                }
            }
            () = shared.changed.notified() => send_all(&socket, &shared, poll(&shared)).await,
            () = wait_for(due) => send_all(&socket, &shared, poll(&shared)).await,
        }
        // Keeps the sender in this future, whose end it is to tell of.
        let _: &mpsc::Sender<()> = &alive;
    }
}

async fn wait_for(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn poll(shared: &Shared) -> Vec<Outgoing> {
    shared.lock().poll_console()
}

/// Takes what has arrived.
async fn take_turn(socket: &Arc<UdpSocket>, shared: &Arc<Shared>) {
    for _ in 0..TURN {
        // On the stack of this turn only: ten thousand idle BMCs have no buffers.
        let (deliveries, from) = {
            let mut buffer = [0; DATAGRAM_MAX];
            let Ok((size, from)) = socket.try_recv_from(&mut buffer) else { return };
            let datagram = buffer.get(..size).unwrap_or_default().to_vec();
            (shared.lock().dice.pass(Way::ToBmc, datagram), from)
        };
        for (delay, datagram) in deliveries {
            if delay.is_zero() {
                let answers = shared.lock().receive(from, &datagram);
                send_all(socket, shared, answers).await;
                continue;
            }
            later(delay, socket, shared, move |shared| shared.lock().receive(from, &datagram));
        }
    }
}

/// Does something later, and sends what comes of it.
fn later(
    delay: Duration,
    socket: &Arc<UdpSocket>,
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> Vec<Outgoing> + Send + 'static,
) {
    let (socket, shared) = (Arc::clone(socket), Arc::clone(shared));
    shared.under_way.fetch_add(1, Ordering::SeqCst);
    runtime::spawn(async move {
        sleep(delay).await;
        let answers = work(&shared);
        Box::pin(send_all(&socket, &shared, answers)).await;
        shared.under_way.fetch_sub(1, Ordering::SeqCst);
    });
}

async fn send_all(socket: &Arc<UdpSocket>, shared: &Arc<Shared>, outgoing: Vec<Outgoing>) {
    for Outgoing { to, bytes, delay: own } in outgoing {
        let deliveries = shared.lock().dice.pass(Way::ToClient, bytes);
        for (network, bytes) in deliveries {
            let delay = own + network;
            if delay.is_zero() {
                // A closed port on the other side is one of the things that happen.
                socket.send_to(&bytes, to).await.unwrap_or_default();
                continue;
            }
            let (socket, shared) = (Arc::clone(socket), Arc::clone(shared));
            shared.under_way.fetch_add(1, Ordering::SeqCst);
            runtime::spawn(async move {
                sleep(delay).await;
                socket.send_to(&bytes, to).await.unwrap_or_default();
                shared.under_way.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }
}

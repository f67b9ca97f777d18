//! A network between client and BMC that loses, repeats, delays, reorders and damages datagrams.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, JoinSet};

/// Where a datagram is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    ToBmc,
    ToClient,
}

/// What happens to a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Drop,
    Duplicate,
    /// Arrives this much later.
    Late(Duration),
    /// Arrives after the next one.
    Overtaken,
    /// One byte in its middle is changed.
    Corrupt,
    /// Its second half is missing.
    Truncate,
}

/// When what happens.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    /// To the datagram of this number only, counted from 1 in each direction.
    Once(Way, u32, Fault),
    /// To any datagram, with a probability in thousandths.
    Random { seed: u64, rates: Vec<(u32, Fault)> },
}

/// A running proxy; dropping it ends it.
pub(crate) struct Faults {
    pub(crate) address: SocketAddr,
    task: AbortHandle,
    delayed: Arc<AtomicU32>,
}

impl Faults {
    pub(crate) async fn between(bmc: SocketAddr, plan: Plan) -> Self {
        let front = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let address = front.local_addr().unwrap();
        let delayed = Arc::default();
        let dice = Arc::new(Mutex::new(Dice::new(plan)));
        let task = tokio::spawn(run(front, bmc, dice, Arc::clone(&delayed))).abort_handle();
        Self { address, task, delayed }
    }

    /// Whether nothing is late any longer.
    pub(crate) fn is_settled(&self) -> bool {
        self.delayed.load(Ordering::SeqCst) == 0
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(front: Arc<UdpSocket>, bmc: SocketAddr, dice: Arc<Mutex<Dice>>, delayed: Arc<AtomicU32>) {
    let mut clients: HashMap<SocketAddr, Line> = HashMap::new();
    let mut returns = JoinSet::new();
    let mut buffer = [0; 2048];
    loop {
        let Ok((size, client)) = front.recv_from(&mut buffer).await else { continue };
        let known = clients.get(&client).cloned();
        let up = if let Some(up) = known {
            up
        } else {
            let back = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
            back.connect(bmc).await.unwrap();
            let line = |way, socket: &Arc<UdpSocket>, to| {
                let (socket, delayed) = (Arc::clone(socket), Arc::clone(&delayed));
                Line { way, socket, to, held: Arc::default(), delayed }
            };
            let up = line(Way::ToBmc, &back, None);
            let down = line(Way::ToClient, &front, Some(client));
            clients.insert(client, up.clone());
            let dice = Arc::clone(&dice);
            returns.spawn(async move {
                let mut buffer = [0; 2048];
                loop {
                    if let Ok(size) = back.recv(&mut buffer).await {
                        down.carry(&buffer[..size], &dice).await;
                    }
                }
            });
            up
        };
        up.carry(&buffer[..size], &dice).await;
    }
}

/// One direction of one client.
#[derive(Clone)]
struct Line {
    way: Way,
    socket: Arc<UdpSocket>,
    to: Option<SocketAddr>,
    held: Arc<Mutex<Option<Vec<u8>>>>,
    delayed: Arc<AtomicU32>,
}

impl Line {
    async fn carry(&self, datagram: &[u8], dice: &Mutex<Dice>) {
        let fault = dice.lock().unwrap().throw(self.way);
        let mut bytes = datagram.to_vec();
        match fault {
            None => self.deliver(&bytes).await,
            Some(Fault::Drop) => {}
            Some(Fault::Duplicate) => {
                self.deliver(&bytes).await;
                self.deliver(&bytes).await;
            }
            Some(Fault::Late(delay)) => {
                let line = self.clone();
                self.delayed.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    line.deliver(&bytes).await;
                    line.delayed.fetch_sub(1, Ordering::SeqCst);
                });
            }
            Some(Fault::Overtaken) => {
                let before = self.held.lock().unwrap().replace(bytes);
                if let Some(before) = before {
                    self.send(&before).await;
                }
            }
            Some(Fault::Corrupt) => {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x55;
                self.deliver(&bytes).await;
            }
            Some(Fault::Truncate) => {
                bytes.truncate(bytes.len() / 2);
                self.deliver(&bytes).await;
            }
        }
    }

    /// Sends a datagram and then the one it has overtaken.
    async fn deliver(&self, bytes: &[u8]) {
        self.send(bytes).await;
        let held = self.held.lock().unwrap().take();
        if let Some(held) = held {
            self.send(&held).await;
        }
    }

    async fn send(&self, bytes: &[u8]) {
        // A closed port on the other side is one of the things that happen.
        match self.to {
            Some(client) => self.socket.send_to(bytes, client).await.unwrap_or_default(),
            None => self.socket.send(bytes).await.unwrap_or_default(),
        };
    }
}

/// Decides what happens; the same seed and the same traffic give the same faults.
struct Dice {
    plan: Plan,
    seen: HashMap<Way, u32>,
    state: u64,
}

impl Dice {
    fn new(plan: Plan) -> Self {
        let state = if let Plan::Random { seed, .. } = plan { seed.max(1) } else { 1 };
        Self { plan, seen: HashMap::new(), state }
    }

    fn throw(&mut self, way: Way) -> Option<Fault> {
        let number = self.seen.entry(way).or_default();
        *number += 1;
        let number = *number;
        let draw = self.next() % 1000;
        match &self.plan {
            Plan::Once(at, nth, fault) => (*at == way && *nth == number).then_some(*fault),
            Plan::Random { rates, .. } => {
                let mut limit = 0;
                rates.iter().find_map(|(rate, fault)| {
                    limit += u64::from(*rate);
                    (draw < limit).then_some(*fault)
                })
            }
        }
    }

    /// Xorshift: good enough for dice.
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}

//! A network that loses, repeats, delays, reorders and damages datagrams.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, JoinSet};

use crate::error::SimError;
use crate::runtime;

/// Where a datagram is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// From a client to a BMC.
    ToBmc,
    /// Back.
    ToClient,
}

/// What happens to a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It never arrives.
    Drop,
    /// It arrives twice.
    Duplicate,
    /// It arrives this much later.
    Late(Duration),
    /// It arrives after the next one.
    Overtaken,
    /// One byte somewhere in it is changed.
    Corrupt,
    /// It ends somewhere before its end.
    Truncate,
    /// These bits of this byte are changed; nothing happens to shorter ones.
    Damage {
        /// Which byte, from 0.
        byte: usize,
        /// Which bits.
        bits: u8,
    },
    /// It has no more than this many bytes.
    Cut(usize),
}

/// When what happens.
#[derive(Debug, Clone, Default)]
pub enum Plan {
    /// Nothing ever happens.
    #[default]
    Perfect,
    /// To the datagram of this number only, counted from 1 in each direction.
    Once {
        /// The direction.
        way: Way,
        /// The number.
        number: u32,
        /// What happens.
        fault: Fault,
        /// Decides which byte is hit.
        seed: u64,
    },
    /// To any datagram, each with a probability in thousandths.
    Random {
        /// The same seed and the same traffic give the same faults.
        seed: u64,
        /// Probabilities.
        rates: Vec<(u32, Fault)>,
    },
}

/// A datagram on its way, and how long it takes.
pub(crate) type Delivery = (Duration, Vec<u8>);

/// Decides what happens to the datagrams of one BMC.
#[derive(Debug)]
pub(crate) struct Dice {
    plan: Plan,
    seen: HashMap<Way, u32>,
    held: HashMap<Way, Vec<u8>>,
    state: u64,
}

impl Dice {
    pub(crate) fn new(plan: Plan) -> Self {
        let seed = match &plan {
            Plan::Perfect => 1,
            Plan::Once { seed, .. } | Plan::Random { seed, .. } => *seed,
        };
        // Neighboring seeds differ in a few bits; this spreads them over all of the state.
        let state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).max(1);
        Self { plan, seen: HashMap::new(), held: HashMap::new(), state }
    }

    /// What becomes of a datagram: none, one or several deliveries.
    pub(crate) fn pass(&mut self, way: Way, datagram: Vec<u8>) -> Vec<Delivery> {
        if let Plan::Perfect = self.plan {
            return vec![(Duration::ZERO, datagram)];
        }
        let fault = self.throw(way);
        let mut arriving = Vec::new();
        match fault {
            None => arriving.push((Duration::ZERO, datagram)),
            Some(Fault::Drop) => return arriving,
            Some(Fault::Duplicate) => {
                arriving.push((Duration::ZERO, datagram.clone()));
                arriving.push((Duration::ZERO, datagram));
            }
            Some(Fault::Late(delay)) => return vec![(delay, datagram)],
            Some(Fault::Overtaken) => {
                let before = self.held.insert(way, datagram);
                return before.map(|before| (Duration::ZERO, before)).into_iter().collect();
            }
            Some(Fault::Corrupt) => arriving.push((Duration::ZERO, self.corrupt(datagram))),
            Some(Fault::Truncate) => arriving.push((Duration::ZERO, self.truncate(datagram))),
            Some(Fault::Damage { byte, bits }) => {
                let mut datagram = datagram;
                if let Some(byte) = datagram.get_mut(byte) {
                    *byte ^= bits;
                }
                arriving.push((Duration::ZERO, datagram));
            }
            Some(Fault::Cut(size)) => {
                let mut datagram = datagram;
                datagram.truncate(size);
                arriving.push((Duration::ZERO, datagram));
            }
        }
        arriving.extend(self.held.remove(&way).map(|held| (Duration::ZERO, held)));
        arriving
    }

    fn throw(&mut self, way: Way) -> Option<Fault> {
        let number = self.seen.entry(way).or_default();
        *number += 1;
        let number = *number;
        let draw = self.next() % 1000;
        match &self.plan {
            Plan::Perfect => None,
            Plan::Once { way: at, number: nth, fault, .. } => {
                (*at == way && *nth == number).then_some(*fault)
            }
            Plan::Random { rates, .. } => {
                let mut limit = 0;
                rates.iter().find_map(|(rate, fault)| {
                    limit += u64::from(*rate);
                    (draw < limit).then_some(*fault)
                })
            }
        }
    }

    fn corrupt(&mut self, mut datagram: Vec<u8>) -> Vec<u8> {
        let place = self.below(datagram.len());
        let change = u8::try_from(self.below(255) + 1).unwrap_or(1);
        if let Some(byte) = datagram.get_mut(place) {
            *byte ^= change;
        }
        datagram
    }

    fn truncate(&mut self, mut datagram: Vec<u8>) -> Vec<u8> {
        let size = self.below(datagram.len());
        datagram.truncate(size);
        datagram
    }

    /// A number below `limit`, which is at least 1.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(1);
        usize::try_from(self.next() % limit).unwrap_or_default()
    }

    /// Xorshift: good enough for dice.
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}

/// A bad network in front of any BMC; dropping it takes it down.
#[derive(Debug)]
pub struct Network {
    address: SocketAddr,
    task: AbortHandle,
    under_way: Arc<AtomicU32>,
}

impl Network {
    /// Puts it in front of `bmc`; clients are to speak to [`address`](Self::address).
    ///
    /// # Errors
    ///
    /// [`Io`](SimError::Io) when there is no socket to be had.
    pub fn between(bmc: SocketAddr, plan: Plan) -> Result<Self, SimError> {
        let front = runtime::socket((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = front.local_addr().map_err(SimError::io("look at a socket"))?;
        let under_way = Arc::default();
        let dice = Arc::new(Mutex::new(Dice::new(plan)));
        let carrier = Carrier { dice, under_way: Arc::clone(&under_way) };
        let task = runtime::spawn(run(Arc::new(front), bmc, carrier));
        Ok(Self { address, task, under_way })
    }

    /// Where clients find the BMC.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether nothing is late any longer.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.under_way.load(Ordering::SeqCst) == 0
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(front: Arc<UdpSocket>, bmc: SocketAddr, carrier: Carrier) {
    let mut clients: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut returns = JoinSet::new();
    let mut buffer = [0; 4096];
    loop {
        let Ok((size, client)) = front.recv_from(&mut buffer).await else { continue };
        let known = clients.get(&client).map(Arc::clone);
        let back = match known {
            Some(back) => back,
            None => match connected(bmc).await {
                Ok(back) => {
                    let back = Arc::new(back);
                    clients.insert(client, Arc::clone(&back));
                    returns.spawn(carry_back(Arc::clone(&back), Arc::clone(&front), client, carrier.clone()));
                    back
                }
                Err(_) => continue,
            },
        };
        carrier.carry(Way::ToBmc, buffer.get(..size).unwrap_or_default(), &back, None).await;
    }
}

async fn connected(bmc: SocketAddr) -> io::Result<UdpSocket> {
    let back = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    back.connect(bmc).await?;
    Ok(back)
}

async fn carry_back(back: Arc<UdpSocket>, front: Arc<UdpSocket>, client: SocketAddr, carrier: Carrier) {
    let mut buffer = [0; 4096];
    loop {
        // An error tells of a datagram that nobody took; the next one may be taken.
        if let Ok(size) = back.recv(&mut buffer).await {
            let datagram = buffer.get(..size).unwrap_or_default();
            carrier.carry(Way::ToClient, datagram, &front, Some(client)).await;
        }
    }
}

/// Carries datagrams with the faults of one network.
#[derive(Debug, Clone)]
struct Carrier {
    dice: Arc<Mutex<Dice>>,
    under_way: Arc<AtomicU32>,
}

impl Carrier {
    async fn carry(&self, way: Way, datagram: &[u8], socket: &Arc<UdpSocket>, to: Option<SocketAddr>) {
        let deliveries =
            self.dice.lock().unwrap_or_else(PoisonError::into_inner).pass(way, datagram.to_vec());
        for (delay, bytes) in deliveries {
            if delay.is_zero() {
                send(socket, to, &bytes).await;
                continue;
            }
            let (socket, under_way) = (Arc::clone(socket), Arc::clone(&self.under_way));
            under_way.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                send(&socket, to, &bytes).await;
                under_way.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }
}

async fn send(socket: &UdpSocket, to: Option<SocketAddr>, bytes: &[u8]) {
    // A closed port on the other side is one of the things that happen.
    match to {
        Some(client) => socket.send_to(bytes, client).await.unwrap_or_default(),
        None => socket.send(bytes).await.unwrap_or_default(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(fault: Fault) -> Dice {
        Dice::new(Plan::Once { way: Way::ToBmc, number: 2, fault, seed: 3 })
    }

    fn bytes(deliveries: Vec<Delivery>) -> Vec<Vec<u8>> {
        deliveries.into_iter().map(|(_, bytes)| bytes).collect()
    }

    #[test]
    fn only_the_chosen_datagram_is_hit() {
        let mut dice = once(Fault::Drop);

        let arrived: Vec<_> = (1..=3).map(|number| bytes(dice.pass(Way::ToBmc, vec![number]))).collect();

        assert_eq!(arrived, [vec![vec![1]], vec![], vec![vec![3]]]);
        assert_eq!(bytes(dice.pass(Way::ToClient, vec![9])), [[9]]);
    }

    #[test]
    fn an_overtaken_datagram_arrives_after_the_next() {
        let mut dice = once(Fault::Overtaken);

        let arrived: Vec<_> = (1..=3).map(|number| bytes(dice.pass(Way::ToBmc, vec![number]))).collect();

        assert_eq!(arrived, [vec![vec![1]], vec![], vec![vec![3], vec![2]]]);
    }

    #[test]
    fn damage_changes_one_byte_or_the_length() {
        let (mut corrupting, mut cutting) = (once(Fault::Corrupt), once(Fault::Truncate));
        let whole = vec![5; 20];
        for dice in [&mut corrupting, &mut cutting] {
            dice.pass(Way::ToBmc, whole.clone());
        }

        let corrupted = bytes(corrupting.pass(Way::ToBmc, whole.clone())).remove(0);
        let cut = bytes(cutting.pass(Way::ToBmc, whole.clone())).remove(0);

        assert_eq!(corrupted.iter().filter(|byte| **byte != 5).count(), 1);
        assert!(cut.len() < whole.len());
    }

    #[test]
    fn damage_and_cuts_hit_the_place_they_are_told() {
        let hit = |fault| {
            let mut dice = Dice::new(Plan::Once { way: Way::ToBmc, number: 1, fault, seed: 1 });
            bytes(dice.pass(Way::ToBmc, vec![1, 2, 3])).remove(0)
        };

        assert_eq!(hit(Fault::Damage { byte: 1, bits: 0xFF }), [1, 0xFD, 3]);
        assert_eq!(hit(Fault::Damage { byte: 3, bits: 0xFF }), [1, 2, 3]);
        assert_eq!(hit(Fault::Cut(2)), [1, 2]);
    }

    #[test]
    fn rates_are_kept_on_the_whole() {
        let rates = vec![(100, Fault::Drop), (50, Fault::Duplicate)];
        let mut dice = Dice::new(Plan::Random { seed: 7, rates });

        let arrived: usize = (0..10_000).map(|_| dice.pass(Way::ToBmc, vec![1]).len()).sum();

        assert!((9_300..9_700).contains(&arrived), "{arrived}");
    }
}

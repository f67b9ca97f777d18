//! One session: who may do what in it, and what guards its packets.

use std::net::SocketAddr;
use std::time::Instant;

use super::crypto::{Algorithms, decrypt, encrypt};
use super::packet::{AUTHENTICATED, ENCRYPTED, Plus, encode_sealed};
use crate::inject::{SessionTrouble, take_one};

/// How far a session sequence number may be from the highest one seen, in either direction.
const WINDOW: u32 = 16;

/// A session of RMCP+.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) console_id: u32,
    pub(super) algorithms: Algorithms,
    /// Guards integrity.
    pub(super) k1: Vec<u8>,
    /// Encrypts.
    pub(super) k2: Vec<u8>,
    pub(super) user: usize,
    /// Highest level it can have.
    pub(super) limit: u8,
    /// Level it has.
    pub(super) level: u8,
    pub(super) last_used: Instant,
    /// Where its client was heard last.
    pub(super) peer: SocketAddr,
    pub(super) received: Window,
    /// Number of the last packet sent.
    pub(super) sent: u32,
    /// The answer before this one, sealed.
    pub(super) previous: Option<Vec<u8>>,
}

/// The bytes of an answer, and copies of it if there is trouble.
pub(super) type Sealed = Vec<Vec<u8>>;

impl Session {
    /// What a packet carries, if it is a new one of this session.
    pub(super) fn open(&mut self, packet: &Plus<'_>) -> Option<Vec<u8>> {
        let hash = self.algorithms.packet_hash();
        let size = hash.short_size();
        if (size != 0) != packet.authenticated || self.algorithms.encrypts() != packet.encrypted {
            return None;
        }
        if packet.authenticated {
            let (covered, code) = packet.split_code(size)?;
            if hash.short_code(&self.k1, &[covered]) != code {
                return None;
            }
        }
        if !self.received.accept(packet.sequence) {
            return None;
        }
        if packet.encrypted { decrypt(&self.k2, packet.payload) } else { Some(packet.payload.to_vec()) }
    }

    /// Wraps a payload for the client.
    pub(super) fn seal(&mut self, payload_type: u8, payload: &[u8], trouble: &mut SessionTrouble) -> Sealed {
        self.sent += if trouble.stuck_sequence && self.sent != 0 { 0 } else { 1 };
        let hash = self.algorithms.packet_hash();
        let mut flags = 0;
        if hash.short_size() != 0 && !trouble.unprotected {
            flags |= AUTHENTICATED;
        }
        let mut carried = payload.to_vec();
        if self.algorithms.encrypts() && !trouble.unprotected {
            flags |= ENCRYPTED;
            carried = encrypt(&self.k2, payload);
            if trouble.zero_padding {
                carried = encrypt_with_zeros(&self.k2, payload);
            }
            if take_one(&mut trouble.undecipherable) {
                // Not a multiple of a block.
                carried.push(0);
            }
        }
        let id = if take_one(&mut trouble.wrong_session) { !self.console_id } else { self.console_id };
        let code = |covered: &[u8]| hash.short_code(&self.k1, &[covered]);
        let mut datagram = encode_sealed(payload_type | flags, id, self.sent, &carried, code);
        if trouble.oversized {
            datagram.resize(1500, 0);
        }
        let mut sealed = Vec::new();
        if trouble.stale_first {
            sealed.extend(self.previous.replace(datagram.clone()));
        }
        sealed.push(datagram.clone());
        let repeats = usize::try_from(trouble.repeats).unwrap_or_default();
        sealed.extend(std::iter::repeat_n(datagram, repeats));
        sealed
    }
}

/// Padding as some vendors fill it: all zeros but the last byte, which counts them.
fn encrypt_with_zeros(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut padded = payload.to_vec();
    let pad = (payload.len() + 1).next_multiple_of(16) - payload.len() - 1;
    padded.resize(payload.len() + pad, 0);
    padded.push(u8::try_from(pad).unwrap_or_default());
    // It is whole blocks now, so one more block of proper padding follows, which is cut off.
    let mut sealed = encrypt(key, &padded);
    sealed.truncate(16 + padded.len());
    sealed
}

/// Session sequence numbers that were seen.
///
/// Source: IPMI 2.0, section 6.12.13.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    highest: u32,
    /// Bit `n`: the number `highest - n` was seen.
    seen: u32,
}

impl Window {
    /// Whether a number is new and near enough; remembers it.
    pub(super) fn accept(&mut self, number: u32) -> bool {
        if let Some(ahead) = number.checked_sub(self.highest).filter(|ahead| *ahead != 0) {
            if WINDOW < ahead {
                return false;
            }
            self.seen = self.seen << ahead | 1;
            self.highest = number;
            return true;
        }
        let behind = self.highest - number;
        if number == 0 || WINDOW <= behind || self.seen >> behind & 1 == 1 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_once_and_near_the_highest() {
        let mut window = Window::default();

        let verdicts: Vec<bool> =
            [0, 1, 1, 3, 2, 2, 19, 36, 20, 3, 18].into_iter().map(|number| window.accept(number)).collect();

        assert_eq!(verdicts, [false, true, false, true, true, false, true, false, true, false, true]);
    }
}

//! Characters of a serial console inside a session, without any I/O.
//!
//! Each direction has one packet on its way at a time, numbered 1 to 15, and acknowledged by the other side with
//! the number of characters it took.
//!
//! Source: IPMI 2.0, section 15.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::packet::Discard;
use crate::packet::reader::Reader;

/// Bytes of a packet before its characters.
const HEADER_SIZE: usize = 4;

/// Sizes of packets that BMCs announce and that make sense.
const SIZES: std::ops::RangeInclusive<u16> = 8..=252;

/// Size of packets to a BMC that announces nonsense: any takes that many.
const SIZE_UNKNOWN: u16 = 32;

/// Most characters kept for a client that does not take them; beyond it the machine has to wait.
const OUTPUT_MAX: usize = 64 * 1024;

/// Most characters taken from a client before the BMC has taken them.
const INPUT_MAX: usize = 4 * 1024;

/// Wait for an acknowledgement before a packet is sent again; doubled each time.
const WAIT_MIN: Duration = Duration::from_millis(300);

/// Longest of these waits.
const WAIT_MAX: Duration = Duration::from_secs(4);

/// Most sends of one packet.
const SENDS_MAX: u32 = 8;

/// Pause before a packet is sent again that the BMC had no room for.
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// Bits of the status of a packet from the BMC.
mod status {
    pub(super) const NACK: u8 = 0x40;
    pub(super) const CANNOT_TRANSFER: u8 = 0x20;
    pub(super) const DEACTIVATED: u8 = 0x10;
}

/// Both directions of one console.
#[derive(Debug)]
pub struct Sol {
    /// Characters per packet to the BMC.
    packet_max: usize,
    /// Typed by the client and not sent yet.
    input: VecDeque<u8>,
    on_its_way: Option<OnItsWay>,
    last_sent: u8,
    /// Printed by the machine and not taken by the client yet.
    output: VecDeque<u8>,
    /// Number of the last packet taken, and how many of its characters.
    last_received: Option<(u8, u8)>,
    /// A packet of the BMC is to be acknowledged.
    acknowledge: Option<(u8, u8)>,
    end: Option<SolEnd>,
}

/// A packet that the BMC has not acknowledged.
#[derive(Debug)]
struct OnItsWay {
    number: u8,
    text: Vec<u8>,
    sends: u32,
    /// When it is to be sent, for the first time or again.
    due: Instant,
}

/// Why a console is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SolEnd {
    /// The BMC says so.
    #[error("the BMC has ended the console")]
    Deactivated,
    /// A packet was sent again and again and never acknowledged.
    #[error("the BMC does not take any characters")]
    Unacknowledged,
}

impl Sol {
    /// A console towards a BMC that takes packets of `size` bytes, as far as that makes sense.
    #[must_use]
    pub fn new(size: u16) -> Self {
        let size = if SIZES.contains(&size) { size } else { SIZE_UNKNOWN };
        Self {
            packet_max: usize::from(size) - HEADER_SIZE,
            input: VecDeque::new(),
            on_its_way: None,
            last_sent: 0,
            output: VecDeque::new(),
            last_received: None,
            acknowledge: None,
            end: None,
        }
    }

    /// How many characters may be typed now.
    #[must_use]
    pub fn room(&self) -> usize {
        INPUT_MAX.saturating_sub(self.input.len())
    }

    /// Takes what the client types; no more than [`room`](Self::room).
    pub fn type_text(&mut self, text: &[u8]) {
        self.input.extend(text);
    }

    /// Whether the machine has printed something.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Takes what the machine has printed.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.output.drain(..).collect()
    }

    /// Whether the console is over.
    #[must_use]
    pub fn end(&self) -> Option<SolEnd> {
        self.end
    }

    /// Takes a packet from the BMC.
    ///
    /// # Errors
    ///
    /// [`Discard::Truncated`] for less than a header; [`Discard::Repeated`] for a packet that was taken before,
    /// which is acknowledged once more.
    pub fn receive(&mut self, packet: &[u8], now: Instant) -> Result<(), Discard> {
        let mut reader = Reader::new(packet);
        let [number, acknowledged, count, status] = reader.array().ok_or(Discard::Truncated)?;
        if status & status::DEACTIVATED != 0 {
            self.end = Some(SolEnd::Deactivated);
        }
        if acknowledged != 0 {
            self.acknowledged(acknowledged & 0x0F, count, status, now);
        }
        let (number, text) = (number & 0x0F, reader.rest());
        if number == 0 || text.is_empty() {
            return Ok(());
        }
        if let Some((last, taken)) = self.last_received.filter(|(last, _)| *last == number) {
            self.acknowledge = Some((last, taken));
            return Err(Discard::Repeated);
        }
        if self.last_received.is_some_and(|(last, _)| is_older(number, last)) {
            return Err(Discard::Repeated);
        }
        // Without an acknowledgement the BMC sends it again, when there may be room.
        if OUTPUT_MAX < self.output.len() + text.len() {
            return Ok(());
        }
        self.output.extend(text);
        let taken = (number, u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.last_received = Some(taken);
        self.acknowledge = Some(taken);
        Ok(())
    }

    /// The BMC has taken `count` characters of a packet, or none for now.
    fn acknowledged(&mut self, number: u8, count: u8, status: u8, now: Instant) {
        let Some(sent) = &mut self.on_its_way else { return };
        if sent.number != number {
            return;
        }
        if status & status::NACK != 0 && status & status::CANNOT_TRANSFER != 0 {
            sent.sends = 0;
            sent.due = now + BUSY_PAUSE;
            return;
        }
        if count == 0 {
            // It has no room, whatever it says; asked again at once it would say so again at once.
            self.last_sent = self.last_sent % 15 + 1;
            (sent.number, sent.sends, sent.due) = (self.last_sent, 0, now + BUSY_PAUSE);
            return;
        }
        let rest = sent.text.get(usize::from(count)..).map(<[u8]>::to_vec);
        self.on_its_way = None;
        // What it did not take goes first into the next packet, which has a number of its own.
        for byte in rest.unwrap_or_default().into_iter().rev() {
            self.input.push_front(byte);
        }
    }

    /// The packet to send now, if there is one.
    pub fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.on_its_way.is_none() && !self.input.is_empty() {
            let size = self.input.len().min(self.packet_max);
            let text = self.input.drain(..size).collect();
            self.last_sent = self.last_sent % 15 + 1;
            self.on_its_way = Some(OnItsWay { number: self.last_sent, text, sends: 0, due: now });
        }
        let (number, count) = self.acknowledge.unwrap_or_default();
        match &mut self.on_its_way {
            Some(sent) if sent.due <= now => {
                if sent.sends == SENDS_MAX {
                    self.end = Some(SolEnd::Unacknowledged);
                    return None;
                }
                let wait = (WAIT_MIN * (1 << sent.sends)).min(WAIT_MAX);
                sent.sends += 1;
                sent.due = now + wait;
                self.acknowledge = None;
                Some([&[sent.number, number, count, 0], sent.text.as_slice()].concat())
            }
            Some(_) | None => {
                self.acknowledge.take()?;
                Some(vec![0, number, count, 0])
            }
        }
    }

    /// When [`poll`](Self::poll) has something again by itself.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.on_its_way.as_ref().map(|sent| sent.due)
    }
}

/// Whether a packet was sent before another: numbers go round, and only neighbors are ever on their way.
fn is_older(number: u8, than: u8) -> bool {
    (number + 15).wrapping_sub(than) % 15 > 7
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn text_is_sent_in_packets_one_at_a_time() {
        let mut sol = Sol::new(12);
        sol.type_text(b"0123456789");
        let start = now();

        assert_eq!(sol.poll(start).unwrap(), b"\x01\0\0\x0001234567");
        assert_eq!(sol.poll(start), None);
        sol.receive(&[0, 1, 8, 0], start).unwrap();
        assert_eq!(sol.poll(start).unwrap(), b"\x02\0\0\x0089");
    }

    #[test]
    fn what_was_not_taken_is_sent_under_a_new_number() {
        let mut sol = Sol::new(32);
        sol.type_text(b"hello");
        let start = now();
        sol.poll(start).unwrap();
        sol.type_text(b" world");

        sol.receive(&[0, 1, 2, 0], start).unwrap();

        assert_eq!(sol.poll(start).unwrap(), b"\x02\0\0\x00llo world");
    }

    #[test]
    fn a_packet_that_found_no_room_is_sent_again_later() {
        let mut sol = Sol::new(32);
        sol.type_text(b"x");
        let start = now();
        sol.poll(start).unwrap();

        sol.receive(&[0, 1, 0, 0x60], start).unwrap();

        assert_eq!(sol.poll(start), None);
        assert_eq!(sol.poll(start + BUSY_PAUSE).unwrap(), b"\x01\0\0\x00x");
    }

    #[test]
    fn a_packet_of_which_nothing_was_taken_is_not_sent_again_at_once() {
        let mut sol = Sol::new(32);
        sol.type_text(b"x");
        let start = now();
        sol.poll(start).unwrap();

        sol.receive(&[0, 1, 0, 0], start).unwrap();

        assert_eq!(sol.poll(start), None);
        assert_eq!(sol.poll(start + BUSY_PAUSE).unwrap(), b"\x02\0\0\x00x");
    }

    #[test]
    fn silence_is_answered_by_the_same_packet_up_to_eight_times() {
        let mut sol = Sol::new(32);
        sol.type_text(b"x");
        let mut clock = now();
        for _ in 0..8 {
            assert_eq!(sol.poll(clock).unwrap(), b"\x01\0\0\x00x");
            clock = sol.due().unwrap();
        }

        assert_eq!((sol.poll(clock), sol.end()), (None, Some(SolEnd::Unacknowledged)));
    }

    #[test]
    fn output_is_acknowledged_and_repeats_are_acknowledged_only() {
        let mut sol = Sol::new(32);
        let start = now();

        sol.receive(b"\x01\0\0\x00hi", start).unwrap();
        assert_eq!(sol.poll(start).unwrap(), [0, 1, 2, 0]);
        assert_eq!(sol.receive(b"\x01\0\0\x00hi", start), Err(Discard::Repeated));

        assert_eq!(sol.poll(start).unwrap(), [0, 1, 2, 0]);
        assert_eq!(sol.take_output(), b"hi");
    }

    #[test]
    fn an_acknowledgement_travels_with_text_that_waits() {
        let mut sol = Sol::new(32);
        sol.type_text(b"a");
        let start = now();

        sol.receive(b"\x05\0\0\x00hi", start).unwrap();

        assert_eq!(sol.poll(start).unwrap(), b"\x01\x05\x02\x00a");
        assert_eq!(sol.poll(start), None);
    }

    #[test]
    fn output_nobody_takes_is_not_acknowledged_until_somebody_does() {
        let mut sol = Sol::new(252);
        let start = now();
        let packet = |number: u8| [&[number, 0, 0, 0][..], &[b'x'; 248]].concat();
        let mut number = 1;
        while sol.receive(&packet(number), start).is_ok() && sol.poll(start).is_some() {
            number = number % 15 + 1;
        }
        assert_eq!(sol.output.len(), OUTPUT_MAX / 248 * 248);

        sol.take_output();
        sol.receive(&packet(number), start).unwrap();

        assert_eq!(sol.poll(start).unwrap(), [0, number, 248, 0]);
    }

    #[test]
    fn a_packet_that_was_overtaken_by_a_newer_one_is_old() {
        let mut sol = Sol::new(32);
        let start = now();
        sol.receive(b"\x0e\0\0\x00a", start).unwrap();
        sol.receive(b"\x0f\0\0\x00b", start).unwrap();
        sol.receive(b"\x01\0\0\x00c", start).unwrap();

        assert_eq!(sol.receive(b"\x0f\0\0\x00b", start), Err(Discard::Repeated));
        assert_eq!(sol.take_output(), b"abc");
    }

    #[test]
    fn numbers_go_from_fifteen_to_one() {
        let mut sol = Sol::new(32);
        let start = now();
        let numbers: Vec<u8> = (0..17)
            .map(|_| {
                sol.type_text(b"x");
                let number = sol.poll(start).unwrap()[0];
                sol.receive(&[0, number, 1, 0], start).unwrap();
                number
            })
            .collect();

        assert_eq!((numbers[14], numbers[15], numbers[16]), (15, 1, 2));
    }

    #[test]
    fn the_end_is_announced() {
        let mut sol = Sol::new(32);

        sol.receive(&[0, 0, 0, status::DEACTIVATED], now()).unwrap();

        assert_eq!(sol.end(), Some(SolEnd::Deactivated));
    }

    #[test]
    fn sizes_that_make_no_sense_are_replaced() {
        for (announced, taken) in [(0, 28), (7, 28), (0x2000, 28), (300, 28), (64, 60), (252, 248)] {
            assert_eq!(Sol::new(announced).packet_max, taken);
        }
    }

    /// What a network does to a packet.
    #[derive(Debug, Clone, Copy)]
    enum Fate {
        Arrives,
        Lost,
        Twice,
    }

    fn fates() -> impl Strategy<Value = Vec<Fate>> {
        let fate = prop_oneof![4 => Just(Fate::Arrives), 1 => Just(Fate::Lost), 1 => Just(Fate::Twice)];
        proptest::collection::vec(fate, 200)
    }

    proptest! {
        #[test]
        fn no_packet_panics(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..40)) {
            let mut sol = Sol::new(32);
            sol.type_text(b"some text to be sent");
            let start = now();
            for packet in packets {
                let taken = sol.receive(&packet, start);
                prop_assert!(taken.is_ok() || packet.len() < 4 || taken == Err(Discard::Repeated));
                sol.poll(start);
            }
        }

        /// Two ends, each speaking the protocol, and a network that loses and doubles.
        #[test]
        fn text_arrives_once_and_in_order(fates in fates(), text in proptest::collection::vec(any::<u8>(), 0..120)) {
            let (mut console, mut machine) = (Sol::new(16), Sol::new(16));
            console.type_text(&text);
            machine.type_text(&text);
            let mut clock = now();
            let (mut fates, mut received, mut printed) = (fates.into_iter(), Vec::new(), Vec::new());
            for _ in 0..600 {
                for back in [false, true] {
                    let (from, to) = if back { (&mut machine, &mut console) } else { (&mut console, &mut machine) };
                    let Some(packet) = from.poll(clock) else { continue };
                    let copies = match fates.next().unwrap_or(Fate::Arrives) {
                        Fate::Arrives => 1,
                        Fate::Lost => 0,
                        Fate::Twice => 2,
                    };
                    for _ in 0..copies {
                        let taken = to.receive(&packet, clock);
                        prop_assert!(taken.is_ok() || taken == Err(Discard::Repeated));
                    }
                }
                received.extend(machine.take_output());
                printed.extend(console.take_output());
                clock += Duration::from_millis(100);
            }
            prop_assume!(console.end().is_none() && machine.end().is_none());
            prop_assert_eq!(&received, &text);
            prop_assert_eq!(&printed, &text);
        }
    }
}

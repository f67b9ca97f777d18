//! Telling new packets from repeated ones.

/// How many numbers below the highest are remembered.
const WINDOW_SIZE: u32 = 32;

/// Remembers which of the last 32 session sequence numbers have arrived.
///
/// Source: IPMI 2.0, section 6.12.13.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReplayWindow {
    highest: Option<u32>,
    /// Bit `n` is set when the number `highest - n` has arrived.
    seen: u32,
}

impl ReplayWindow {
    /// Whether `sequence` arrives for the first time; remembers it.
    ///
    /// Numbers below the window are refused, since nobody can tell.
    pub fn accept(&mut self, sequence: u32) -> bool {
        let Some(highest) = self.highest else {
            self.highest = Some(sequence);
            self.seen = 1;
            return true;
        };
        if sequence > highest {
            let step = sequence - highest;
            self.seen = if step < WINDOW_SIZE { self.seen << step } else { 0 } | 1;
            self.highest = Some(sequence);
            return true;
        }
        let age = highest - sequence;
        if age >= WINDOW_SIZE || self.seen >> age & 1 == 1 {
            return false;
        }
        self.seen |= 1 << age;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn late_packets_pass_once() {
        let mut window = ReplayWindow::default();

        let verdicts: Vec<bool> =
            [7, 9, 8, 8, 9, 7, 6, 41, 10, 9].into_iter().map(|number| window.accept(number)).collect();

        assert_eq!(verdicts, [true, true, true, false, false, false, true, true, true, false]);
    }

    proptest! {
        #[test]
        fn nothing_passes_twice(numbers in proptest::collection::vec(0u32..100, 0..300)) {
            let mut window = ReplayWindow::default();
            let mut passed = HashSet::new();
            for number in numbers {
                if window.accept(number) {
                    prop_assert!(passed.insert(number));
                }
            }
        }

        #[test]
        fn extremes_do_not_overflow(numbers in proptest::collection::vec(any::<u32>(), 0..50)) {
            let mut window = ReplayWindow::default();
            for number in numbers.into_iter().chain([0, u32::MAX, 0]) {
                window.accept(number);
            }
        }
    }
}

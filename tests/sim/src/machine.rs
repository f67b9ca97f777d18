//! The machine behind a simulated BMC: power, boot options, sensors, event log, serial console.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use crate::inject::ChassisTrouble;
use crate::sensors::Inventory;

/// Most characters of console output kept for a client that does not take them.
const OUTPUT_MAX: usize = 64 * 1024;

/// Parameters of the boot options that are stored.
const BOOT_PARAMETERS: usize = 8;

/// Shared by all machines until one is changed.
static THOROUGH: LazyLock<Arc<Inventory>> = LazyLock::new(|| Arc::new(Inventory::thorough()));

/// One machine. It is off at first.
#[derive(Debug, Clone)]
pub struct Machine {
    on: bool,
    /// A change that takes time: when it shows, and what it leads to.
    change: Option<(Instant, bool)>,
    /// Boot options by parameter, as they were written.
    pub boot: [Vec<u8>; BOOT_PARAMETERS],
    /// Sensors and their records.
    pub inventory: Arc<Inventory>,
    /// The event log.
    pub events: Vec<[u8; 16]>,
    /// Diagnostic interrupts received.
    pub interrupts: u32,
    /// Resets received.
    pub resets: u32,
    /// Seconds the locator light is to blink; 255 for always.
    pub identify: u8,
    /// What happens when power returns: 0 off, 1 as before, 2 on.
    pub restore_policy: u8,
    /// Its serial port.
    pub console: Console,
}

/// The serial port of a machine, and what sits behind it.
#[derive(Debug, Clone, Default)]
pub struct Console {
    /// Gives back what it is sent.
    pub echo: bool,
    /// All it was sent.
    pub received: Vec<u8>,
    /// Breaks it was sent.
    pub breaks: u32,
    output: VecDeque<u8>,
}

/// What became of an order to the chassis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obeyed {
    /// Carried out, or begun.
    Yes,
    /// Not possible in this state.
    NotNow,
    /// No such order.
    Unknown,
}

impl Default for Machine {
    fn default() -> Self {
        let mut boot: [Vec<u8>; BOOT_PARAMETERS] = Default::default();
        let [progress, selector, scan, clearing, info, flags, initiator, mailbox] = &mut boot;
        for (parameter, size) in [
            (progress, 1),
            (selector, 1),
            (scan, 1),
            (clearing, 1),
            (info, 2),
            (flags, 5),
            (initiator, 9),
            (mailbox, 17),
        ] {
            *parameter = vec![0; size];
        }
        Self {
            on: false,
            change: None,
            boot,
            inventory: Arc::clone(&THOROUGH),
            events: vec![
                [1, 0, 2, 0x10, 0x20, 0x30, 0x60, 0x20, 0, 4, 1, 1, 1, 0x57, 0x4C, 0x4B],
                [2, 0, 2, 0x11, 0x20, 0x30, 0x60, 0x20, 0, 4, 8, 5, 0x6F, 0xA1, 0, 0],
            ],
            interrupts: 0,
            resets: 0,
            identify: 0,
            restore_policy: 0,
            console: Console { echo: true, ..Console::default() },
        }
    }
}

impl Machine {
    /// Whether main power is on now.
    pub fn is_on(&mut self) -> bool {
        if let Some((when, to)) = self.change
            && when <= Instant::now()
        {
            self.on = to;
            self.change = None;
        }
        self.on
    }

    /// Turns main power on or off, as somebody at the machine would.
    pub fn set_power(&mut self, on: bool) {
        self.on = on;
        self.change = None;
    }

    /// Carries out a chassis control order.
    ///
    /// Source: IPMI 2.0, section 28.3.
    pub(crate) fn obey(&mut self, order: u8, trouble: &mut ChassisTrouble) -> Obeyed {
        if let Some(on) = trouble.moves_before_order.take() {
            self.set_power(on);
        }
        let on = self.is_on();
        match order {
            0 | 5 if !on && trouble.strict => return Obeyed::NotNow,
            1 if on && trouble.strict => return Obeyed::NotNow,
            2 if !on => return Obeyed::NotNow,
            0 => self.move_to(false, trouble),
            1 => self.move_to(true, trouble),
            2 | 3 => {
                self.resets += u32::from(on);
            }
            4 => self.interrupts += 1,
            5 if trouble.ignores_soft_off => {}
            5 => self.move_to(false, trouble),
            _ => return Obeyed::Unknown,
        }
        Obeyed::Yes
    }

    fn move_to(&mut self, on: bool, trouble: &ChassisTrouble) {
        if trouble.stuck {
            return;
        }
        if trouble.delay.is_zero() {
            self.set_power(on);
        } else {
            self.change = Some((Instant::now() + trouble.delay, on));
        }
    }

    /// The boot flags: parameter 5.
    #[must_use]
    pub fn boot_flags(&self) -> &[u8] {
        let [_, _, _, _, _, flags, ..] = &self.boot;
        flags
    }
}

impl Console {
    /// Prints something.
    pub fn print(&mut self, text: &[u8]) {
        self.output.extend(text);
        let surplus = self.output.len().saturating_sub(OUTPUT_MAX);
        self.output.drain(..surplus);
    }

    /// Types something.
    pub(crate) fn receive(&mut self, text: &[u8]) {
        self.received.extend(text);
        if self.echo {
            self.print(text);
        }
    }

    /// The next characters it has printed, at most `limit`.
    pub(crate) fn take_output(&mut self, limit: usize) -> Vec<u8> {
        let size = self.output.len().min(limit);
        self.output.drain(..size).collect()
    }

    /// Puts characters back that were not taken after all.
    pub(crate) fn put_back(&mut self, text: &[u8]) {
        for byte in text.iter().rev() {
            self.output.push_front(*byte);
        }
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wait::wait_for;

    #[test]
    fn orders_change_power() {
        let (mut machine, mut trouble) = (Machine::default(), ChassisTrouble::default());

        assert_eq!(machine.obey(1, &mut trouble), Obeyed::Yes);
        assert!(machine.is_on());
        assert_eq!(machine.obey(5, &mut trouble), Obeyed::Yes);
        assert!(!machine.is_on());
        assert_eq!(machine.obey(2, &mut trouble), Obeyed::NotNow);
        assert_eq!(machine.obey(9, &mut trouble), Obeyed::Unknown);
    }

    #[test]
    fn a_slow_machine_changes_later() {
        let after = |delay: Duration| {
            let mut machine = Machine::default();
            machine.obey(1, &mut ChassisTrouble { delay, ..ChassisTrouble::default() });
            machine
        };
        let (mut never, mut soon) = (after(Duration::from_secs(3600)), after(Duration::from_millis(30)));

        assert!(!never.is_on());
        wait_for("power", Duration::from_secs(60), || soon.is_on().then_some(())).unwrap();
    }

    #[test]
    fn a_strict_machine_refuses_what_changes_nothing() {
        let mut machine = Machine::default();
        let mut trouble = ChassisTrouble { strict: true, ..ChassisTrouble::default() };

        assert_eq!(machine.obey(0, &mut trouble), Obeyed::NotNow);
        assert_eq!(machine.obey(1, &mut trouble), Obeyed::Yes);
        assert_eq!(machine.obey(1, &mut trouble), Obeyed::NotNow);
    }
}

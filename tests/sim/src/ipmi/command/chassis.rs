//! Power and boot options.
//!
//! Source: IPMI 2.0, section 28.

use super::code;
use crate::ipmi::controller::Controller;
use crate::machine::Obeyed;

/// Parameter 0: somebody is changing boot options.
const SET_IN_PROGRESS: usize = 0;
/// Parameter 3: when the BMC forgets boot flags by itself.
const VALID_BIT_CLEARING: usize = 3;
/// Parameter 5: boot flags.
const BOOT_FLAGS: usize = 5;

impl Controller {
    pub(super) fn chassis_command(&mut self, cmd: u8, data: &[u8]) -> Vec<u8> {
        match (cmd, data) {
            (0x01, []) => {
                let power = u8::from(self.machine.is_on()) | self.machine.restore_policy << 5;
                let identify = u8::from(self.machine.identify != 0) << 4;
                vec![code::OK, power, 0, 0x40 | identify]
            }
            (0x02, [order]) => self.chassis_control(*order),
            (0x04, []) => {
                self.machine.identify = 15;
                vec![code::OK]
            }
            (0x04, [seconds]) => {
                self.machine.identify = *seconds;
                vec![code::OK]
            }
            (0x04, [seconds, force]) => {
                self.machine.identify = if force & 1 == 1 { 255 } else { *seconds };
                vec![code::OK]
            }
            (0x06, [policy]) => {
                if *policy < 3 {
                    self.machine.restore_policy = *policy;
                }
                vec![code::OK, 0x07]
            }
            (0x07, []) => vec![code::OK, 0x01, 0x01],
            (0x08, [parameter, value @ ..]) => self.set_boot_option(*parameter & 0x7F, value),
            (0x09, [parameter, _set, _block]) => self.boot_option(*parameter & 0x7F),
            (0x01 | 0x02 | 0x04 | 0x06 | 0x07 | 0x08 | 0x09, _) => vec![code::LENGTH],
            _ => vec![code::INVALID_COMMAND],
        }
    }

    fn chassis_control(&mut self, order: u8) -> Vec<u8> {
        let before = self.machine.is_on();
        let obeyed = self.machine.obey(order, &mut self.trouble.chassis);
        let changes = matches!(order, 0 | 1 | 5) && before == (order != 1);
        if changes && !self.trouble.chassis.silence.is_zero() {
            self.be_silent(self.trouble.chassis.silence);
        }
        match obeyed {
            Obeyed::Yes => vec![code::OK],
            Obeyed::NotNow => vec![code::STATE],
            Obeyed::Unknown => vec![code::INVALID_FIELD],
        }
    }

    fn set_boot_option(&mut self, parameter: u8, value: &[u8]) -> Vec<u8> {
        let index = usize::from(parameter);
        if let Some(refusal) = self.trouble.chassis.keep_flags_code
            && index == VALID_BIT_CLEARING
        {
            return vec![refusal];
        }
        let taken = self.machine.boot.first().is_some_and(|progress| progress.as_slice() == [1]);
        let Some(stored) = self.machine.boot.get_mut(index) else { return vec![0x80] };
        if index == SET_IN_PROGRESS && taken && value == [1] {
            return vec![0x81];
        }
        if value.len() != stored.len() {
            return vec![code::LENGTH];
        }
        if let (BOOT_FLAGS, Some(all), [first, second, ..]) =
            (index, self.trouble.chassis.wants_all_flags, value)
            && *second >> 2 & 0x0F == all
            && *first != 0xFF
        {
            return vec![code::INVALID_FIELD];
        }
        if index == BOOT_FLAGS && self.trouble.chassis.forgets_flag_bits {
            for (to, from) in stored.iter_mut().zip(value).skip(1) {
                *to = *from;
            }
            return vec![code::OK];
        }
        value.clone_into(stored);
        vec![code::OK]
    }

    fn boot_option(&self, parameter: u8) -> Vec<u8> {
        match self.machine.boot.get(usize::from(parameter)) {
            Some(value) => [&[code::OK, 1, parameter], value.as_slice()].concat(),
            None => vec![0x80],
        }
    }
}

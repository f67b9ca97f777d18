//! Trouble by name: what the command line of `farrier-sim` offers.

use std::time::Duration;

use crate::inject::SuiteList;
use crate::ipmi::Settings;

/// A kind of trouble that can be asked for by name.
#[derive(Debug, Clone, Copy)]
pub struct Switch {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    set: fn(&mut Settings),
}

impl Switch {
    /// The switch of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        SWITCHES.iter().find(|switch| switch.name == name).copied()
    }

    /// Throws it.
    pub fn set(self, settings: &mut Settings) {
        (self.set)(settings);
    }
}

const fn switch(name: &'static str, about: &'static str, set: fn(&mut Settings)) -> Switch {
    Switch { name, about, set }
}

/// All switches: kinds of trouble first, then machines known to be like that.
#[rustfmt::skip]
pub const SWITCHES: &[Switch] = &[
    switch("no-suite-list", "is silent when asked for its cipher suites outside of a session",
        |bmc| bmc.trouble.login.suites = SuiteList::Silent),
    switch("suite-list-lies", "lists cipher suite 17 and refuses it",
        |bmc| { bmc.trouble.login.suites = SuiteList::Given(vec![0xC0, 17, 0x03, 0x44, 0x81]); bmc.suites = vec![3]; }),
    switch("downgrade", "opens sessions without any protection, whatever it is asked for",
        |bmc| bmc.trouble.login.downgrade = Some([0; 3])),
    switch("tag-zero", "answers logins with tag 0",
        |bmc| bmc.trouble.login.tag_zero = true),
    switch("level-lookup", "looks users up by name and level",
        |bmc| bmc.trouble.login.level_lookup = true),
    switch("silent-user", "is silent for unknown users and wrong passwords",
        |bmc| { bmc.trouble.login.silent_for_unknown_user = true; bmc.trouble.login.silent_for_wrong_password = true; }),
    switch("one-slot", "has room for one session",
        |bmc| bmc.slots = 1),
    switch("bad-checksums", "computes the checksums of its messages wrongly",
        |bmc| bmc.trouble.session.bad_checksums = true),
    switch("zero-padding", "fills the padding of encrypted payloads with zeros",
        |bmc| bmc.trouble.session.zero_padding = true),
    switch("repeats", "sends every answer twice",
        |bmc| bmc.trouble.session.repeats = 1),
    switch("stale", "sends the answer before this one, and then this one",
        |bmc| bmc.trouble.session.stale_first = true),
    switch("junk", "sends six datagrams of junk before each answer",
        |bmc| bmc.trouble.junk = 6),
    switch("busy", "is busy for the first three questions about power, and for the first three orders",
        |bmc| for command in [(0, 1), (0, 2)] { bmc.trouble.refuse(command, 0xC0, 3); }),
    switch("strict-power", "refuses power orders that would change nothing",
        |bmc| bmc.trouble.chassis.strict = true),
    switch("stuck-power", "accepts power orders and does nothing",
        |bmc| bmc.trouble.chassis.stuck = true),
    switch("no-soft-off", "has an operating system that ignores the power button",
        |bmc| bmc.trouble.chassis.ignores_soft_off = true),
    switch("silent-power", "is silent for three seconds after power changes",
        |bmc| bmc.trouble.chassis.silence = Duration::from_secs(3)),
    switch("forgets-flags", "keeps the boot device and forgets once, persistent and UEFI",
        |bmc| bmc.trouble.chassis.forgets_flag_bits = true),
    switch("small-records", "gives sensor records in pieces of 16 bytes at most",
        |bmc| bmc.trouble.records.chunk = Some((16, 0xCA))),
    switch("endless-records", "leads from the last sensor record to the first",
        |bmc| bmc.trouble.records.endless = true),
    switch("like-cisco", "four sessions, cipher suite 3",
        |bmc| { bmc.slots = 4; bmc.suites = vec![3]; }),
    switch("like-dell", "strict power, sensor records in pieces",
        |bmc| { bmc.trouble.chassis.strict = true; bmc.trouble.records.chunk = Some((32, 0xC3)); bmc.manufacturer = 674; }),
    switch("like-lenovo", "cipher suite 17 alone",
        |bmc| { bmc.suites = vec![17]; bmc.manufacturer = 19046; }),
    switch("like-openbmc", "cipher suite 17, grants level 0, refuses boot option parameter 3, silent at power changes",
        |bmc| {
            bmc.suites = vec![17];
            bmc.trouble.login.level_zero = true;
            bmc.trouble.chassis.keep_flags_code = Some(0x80);
            bmc.trouble.chassis.silence = Duration::from_secs(2);
        }),
    switch("like-pyghmi", "always picks cipher suite 3, silent for wrong users, no list of suites, forgets flags",
        |bmc| {
            bmc.suites = vec![3];
            bmc.trouble.login.downgrade = Some([1, 1, 1]);
            bmc.trouble.login.dies_of_early_farewell = true;
            bmc.trouble.login.renames = true;
            bmc.trouble.login.suites = SuiteList::Silent;
            bmc.trouble.login.silent_for_unknown_user = true;
            bmc.trouble.login.silent_for_wrong_password = true;
            bmc.trouble.chassis.forgets_flag_bits = true;
        }),
    switch("like-supermicro", "wrong checksums, key exchange code too long",
        |bmc| { bmc.trouble.session.bad_checksums = true; bmc.trouble.login.long_code = 12; bmc.manufacturer = 10876; }),
    // next switch above this line
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_has_a_name_of_its_own() {
        let mut names: Vec<_> = SWITCHES.iter().map(|switch| switch.name).collect();
        names.sort_unstable();
        names.dedup();

        assert_eq!(names.len(), SWITCHES.len());
    }

    #[test]
    fn a_switch_is_found_by_its_name() {
        let mut settings = Settings::default();

        Switch::named("one-slot").unwrap().set(&mut settings);

        assert_eq!(settings.slots, 1);
        assert!(Switch::named("no-such-switch").is_none());
    }
}

//! Conductors: the processes that own nodes.

use std::time::Duration;

use farrier_sdk::interface::InterfaceType;
use jiff::{SignedDuration, Timestamp};

/// A conductor as it registered itself.
///
/// Source: Ironic's conductor object and Ironic's conductor manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conductor {
    /// The store's number.
    pub id: i64,
    /// Its name; also the tag it locks nodes with. Unique.
    pub hostname: String,
    /// Which group of nodes it may own; empty for the default group.
    pub conductor_group: String,
    /// The hardware types it offers, sorted.
    pub drivers: Vec<String>,
    /// Whether it said it is there: false after an orderly stop.
    pub online: bool,
    /// When it first registered.
    pub created_at: Timestamp,
    /// When it was last heard of.
    pub updated_at: Timestamp,
}

impl Conductor {
    /// Whether it can be counted on: online, and heard of within `timeout` if heartbeats are written at all.
    ///
    /// A conductor whose clock is ahead of ours is alive. `timeout` is none where there is only one conductor
    /// and nobody writes heartbeats.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp, timeout: Option<Duration>) -> bool {
        let fresh = timeout.is_none_or(|timeout| {
            let limit = SignedDuration::try_from(timeout).unwrap_or(SignedDuration::MAX);
            now.duration_since(self.updated_at) < limit
        });
        self.online && fresh
    }
}

/// One implementation that a conductor offers for one hardware type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HardwareInterface {
    /// The hardware type.
    pub hardware_type: String,
    /// The interface type.
    pub interface_type: InterfaceType,
    /// The implementation.
    pub interface_name: String,
    /// Whether nodes that choose none get this one.
    pub is_default: bool,
}

/// Whether `name` can be the name of a conductor group: letters, digits, `_`, `-` and `.`, or nothing.
///
/// Names are compared in lower case; whoever stores one lowers it first.
#[must_use]
pub fn is_group_name(name: &str) -> bool {
    name.len() <= GROUP_NAME_SIZE_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// Longest name of a conductor group, in bytes; the width of Ironic's column.
pub const GROUP_NAME_SIZE_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(60));

    fn conductor(heard: i64) -> Conductor {
        Conductor {
            id: 1,
            hostname: "host-1".to_owned(),
            conductor_group: String::new(),
            drivers: Vec::new(),
            online: true,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::from_second(heard).unwrap(),
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1000).unwrap()
    }

    #[test]
    fn a_conductor_heard_of_in_time_is_alive() {
        assert!(conductor(941).is_alive(now(), TIMEOUT));
        assert!(!conductor(940).is_alive(now(), TIMEOUT));
    }

    #[test]
    fn without_heartbeats_only_the_flag_counts() {
        assert!(conductor(0).is_alive(now(), None));
        assert!(!Conductor { online: false, ..conductor(1000) }.is_alive(now(), None));
    }

    #[test]
    fn a_clock_that_is_ahead_does_not_kill() {
        assert!(conductor(2000).is_alive(now(), TIMEOUT));
    }

    #[test]
    fn group_names_are_plain() {
        assert!(is_group_name(""));
        assert!(is_group_name("Rack_1-a.b"));
        assert!(!is_group_name("rack 1"));
        assert!(!is_group_name("räck"));
        assert!(!is_group_name(&"x".repeat(256)));
    }
}

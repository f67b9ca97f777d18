//! Options of sensor data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// In the list of types: every type.
const ALL: &str = "all";

/// What is told of what machines measure of themselves: the table `[sensor_data]`. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SensorDataConfig {
    /// Whether the sensors of machines are read, and told of in notifications of level `info`.
    pub send_sensor_data: bool,
    /// Seconds between two collections; 0 switches them off.
    pub interval: f64,
    /// Workers of one collection. Each has 32 nodes under way at once; together they take one place in the pool.
    pub workers: usize,
    /// Seconds after which a collection ends, whoever has not answered by then; 0: as long as it takes.
    pub wait_timeout: u64,
    /// Types of sensors to tell of, as `Temperature` or `Fan` in any case; `ALL` tells of every type.
    pub data_types: Vec<String>,
    /// Whether nodes in every provision state are asked, not only those in state `active`.
    pub enable_for_undeployed_nodes: bool,
    /// Whether nodes are asked at all.
    pub enable_for_nodes: bool,
}

impl Default for SensorDataConfig {
    fn default() -> Self {
        Self {
            send_sensor_data: false,
            interval: 600.0,
            workers: 4,
            wait_timeout: 300,
            data_types: vec!["ALL".to_owned()],
            enable_for_undeployed_nodes: false,
            enable_for_nodes: true,
        }
    }
}

impl SensorDataConfig {
    /// Seconds between two collections; zero when there are none.
    pub(crate) fn interval(&self) -> f64 {
        if self.send_sensor_data && self.enable_for_nodes { self.interval } else { 0.0 }
    }

    /// How long a collection may take; none: as long as it takes.
    pub(crate) fn limit(&self) -> Option<Duration> {
        (self.wait_timeout != 0).then(|| Duration::from_secs(self.wait_timeout))
    }

    /// Whether sensors of this type are told of.
    pub(crate) fn wants(&self, kind: &str) -> bool {
        let is =
            |listed: &str| listed.eq_ignore_ascii_case(ALL) || listed.to_lowercase() == kind.to_lowercase();
        self.data_types.iter().any(|listed| is(listed.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_compared_whatever_their_case() {
        let config = |types: &[&str]| SensorDataConfig {
            data_types: types.iter().map(|name| (*name).to_owned()).collect(),
            ..SensorDataConfig::default()
        };

        let (all, some, none) = (config(&["All"]), config(&["temperature", "FAN"]), config(&[]));

        assert!(all.wants("Temperature") && all.wants("OEM"));
        assert!(some.wants("Temperature") && some.wants("Fan") && !some.wants("Fans") && !some.wants("OEM"));
        assert!(!none.wants("Temperature"));
    }

    #[test]
    fn nothing_is_collected_unless_both_switches_are_on() {
        let interval = |send_sensor_data, enable_for_nodes| {
            let config =
                SensorDataConfig { send_sensor_data, enable_for_nodes, ..SensorDataConfig::default() };
            config.interval()
        };

        let intervals = [interval(false, true), interval(true, false), interval(true, true)];

        assert_eq!(intervals, [0.0, 0.0, 600.0]);
        assert_eq!(SensorDataConfig::default().interval(), 0.0);
    }
}

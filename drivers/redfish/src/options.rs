//! Options of the driver: the table `[redfish]`.

use std::time::Duration;

use farrier_sdk::prelude::*;

use crate::client::account::{AuthType, Tuning};
use crate::client::tls::{Ciphers, TlsVersion, Verify};
use crate::client::transport::Patience;
use crate::driver_info;

/// Longest time an option can name, in seconds: a day.
const SECONDS_MAX: f64 = 86_400.0;

/// Most that a count can be.
const COUNT_MAX: u64 = 1_000_000;

/// The table `[redfish]` of the configuration. Times are in seconds; each of them may be 0.
///
/// Source: Ironic `[redfish]`; what is not there is ours.
#[derive(Debug, Clone, Options)]
pub struct RedfishOptions {
    /// How to log in where a node does not say: auto, session or basic
    #[option(default = "auto", parse = auth_type)]
    pub auth_type: String,
    /// Whom to believe where a node does not say: true, false, or the path of a PEM file or folder
    #[option(default = Verify::System, parse = driver_info::verify, kind = "boolean or path")]
    pub verify_ca: Verify,
    /// Oldest TLS version offered where a node does not say: 1.2 or 1.3
    #[option(default = TlsVersion::V1_2, parse = driver_info::tls_version, kind = "string")]
    pub tls_minimum_version: TlsVersion,
    /// Ciphers offered where a node does not say, by OpenSSL's names with colons between them; empty for all
    #[option(default = "", parse = ciphers)]
    pub tls_ciphers: String,
    /// Time to open a connection
    #[option(default = 30.0, parse = seconds)]
    pub connect_timeout: f64,
    /// Time to answer a request
    #[option(default = 60.0, parse = seconds)]
    pub read_timeout: f64,
    /// How often a BMC is tried that cannot be reached
    #[option(default = 5, parse = positive)]
    pub connection_attempts: u32,
    /// Pause between such tries
    #[option(default = 4.0, parse = seconds)]
    pub connection_retry_interval: f64,
    /// Clients kept with their sessions; the least recently used goes first
    #[option(default = 1000, parse = count)]
    pub connection_cache_size: u32,
    /// Requests in flight to one BMC
    #[option(default = 2, parse = positive)]
    pub bmc_requests_max: u32,
    /// How often a BMC is asked that says it is not ready
    #[option(default = 5, parse = positive)]
    pub server_error_attempts: u32,
    /// First pause between such questions; it doubles up to eight times itself
    #[option(default = 1.0, parse = seconds)]
    pub server_error_delay: f64,
    /// How often a change is tried that is refused while the machine starts
    #[option(default = 6, parse = positive)]
    pub post_boot_retry_attempts: u32,
    /// First pause between such tries; it doubles up to six times itself
    #[option(default = 5.0, parse = seconds)]
    pub post_boot_retry_delay: f64,
    /// How often power on is tried that conflicts with the power off before it
    #[option(default = 6, parse = positive)]
    pub power_on_conflict_retry_attempts: u32,
    /// Pause between such tries
    #[option(default = 10.0, parse = seconds)]
    pub power_on_conflict_retry_interval: f64,
    /// Time for a boot mode or secure boot to take effect when the machine has started anew
    #[option(default = 900.0, parse = seconds)]
    pub boot_mode_config_timeout: f64,
    /// Pause between two looks at it
    #[option(default = 15.0, parse = seconds)]
    pub boot_mode_config_interval: f64,
    /// Time for BIOS settings to take effect when the machine has started anew
    #[option(default = 1800.0, parse = seconds)]
    pub bios_config_timeout: f64,
    /// Pause between two looks at them
    #[option(default = 15.0, parse = seconds)]
    pub bios_config_interval: f64,
    /// Pause between two looks at a firmware update
    #[option(default = 60.0, parse = seconds)]
    pub firmware_update_status_interval: f64,
    /// Time for one firmware update
    #[option(default = 7200.0, parse = seconds)]
    pub firmware_update_overall_timeout: f64,
    /// Time a BMC that updates itself may be unreachable
    #[option(default = 300.0, parse = seconds)]
    pub firmware_update_bmc_timeout: f64,
    /// Time to leave a BMC alone that has updated itself, unless the node or the update names another
    #[option(default = 300.0, parse = seconds)]
    pub firmware_update_reboot_delay: f64,
    /// Time for a BMC to answer steadily after an update
    #[option(default = 480.0, parse = seconds)]
    pub firmware_update_resource_validation_timeout: f64,
    /// How often in a row it has to answer well
    #[option(default = 3, parse = positive)]
    pub firmware_update_required_successes: u32,
    /// Pause between two such looks
    #[option(default = 30.0, parse = seconds)]
    pub firmware_update_validation_interval: f64,
    /// Time a network card's update may be starting before the machine is started anew for it
    #[option(default = 30.0, parse = seconds)]
    pub firmware_update_nic_starting_wait: f64,
    /// Whether verification compares the clock of the BMC with ours
    #[option(default = false)]
    pub enable_verify_bmc_clock: bool,
    /// Time for a change of the power state, unless a request names another
    #[option(default = 60.0, parse = seconds)]
    pub power_state_change_timeout: f64,
    /// Time for a machine to shut down by itself, unless a request names another
    #[option(default = 600.0, parse = seconds)]
    pub soft_power_off_timeout: f64,
    /// Time a machine on its way to another power state gets to arrive there before it is switched
    #[option(default = 30.0, parse = seconds)]
    pub power_settle_timeout: f64,
    /// Time after a restart before a machine is believed to be on, where nothing shows the restart
    #[option(default = 15.0, parse = seconds)]
    pub restart_settle_time: f64,
    /// Time for an image to show in a virtual media device, or to leave it
    #[option(default = 30.0, parse = seconds)]
    pub media_change_timeout: f64,
    /// Pause before a virtual media device is asked again that failed, because it may still be ejecting
    #[option(default = 3.0, parse = seconds)]
    pub media_retry_interval: f64,
    /// First pause between two looks at a machine or a task; it grows up to five or ten times itself
    #[option(default = 1.0, parse = seconds)]
    pub poll_interval: f64,
}

impl RedfishOptions {
    /// What clients need to know.
    #[must_use]
    pub fn tuning(&self) -> Tuning {
        Tuning {
            patience: Patience { connect: duration(self.connect_timeout), read: duration(self.read_timeout) },
            connection_attempts: self.connection_attempts,
            connection_retry_interval: duration(self.connection_retry_interval),
            server_error_attempts: self.server_error_attempts,
            server_error_delay: duration(self.server_error_delay),
            requests_max: self.bmc_requests_max,
            poll_interval: duration(self.poll_interval),
            clients_max: self.connection_cache_size as usize,
        }
    }

    /// Ciphers offered where a node does not say; `None` for all.
    #[must_use]
    pub fn ciphers(&self) -> Option<Ciphers> {
        Ciphers::parse(&self.tls_ciphers).ok()
    }

    /// How to log in where a node does not say.
    #[must_use]
    pub fn auth_type(&self) -> AuthType {
        AuthType::from_name(&self.auth_type).unwrap_or_default()
    }
}

/// Seconds of an option as a duration.
#[must_use]
pub fn duration(seconds: f64) -> Duration {
    // The reader of the option has seen to it that this is a number of reasonable size.
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn auth_type(value: &Value) -> Result<String, String> {
    driver_info::auth_type(value)?;
    Ok(value.as_str().unwrap_or_default().to_ascii_lowercase())
}

fn ciphers(value: &Value) -> Result<String, String> {
    let text = value.as_str().ok_or("expected text")?.trim();
    if !text.is_empty() {
        Ciphers::parse(text)?;
    }
    Ok(text.to_owned())
}

pub(crate) fn seconds(value: &Value) -> Result<f64, String> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    number
        .filter(|number| (0.0..=SECONDS_MAX).contains(number))
        .ok_or_else(|| format!("expected seconds from 0 to {SECONDS_MAX}"))
}

fn count(value: &Value) -> Result<u32, String> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    number
        .filter(|number| *number <= COUNT_MAX)
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| format!("expected a number from 0 to {COUNT_MAX}"))
}

fn positive(value: &Value) -> Result<u32, String> {
    count(value)?.checked_sub(1).map(|less| less + 1).ok_or_else(|| "expected at least 1".to_owned())
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;

    use super::*;

    fn read(options: Value) -> Result<RedfishOptions> {
        RedfishOptions::from_map(options.as_object().unwrap())
    }

    #[test]
    fn defaults_are_the_references() {
        let tuning = read(json!({})).unwrap().tuning();

        assert_eq!(tuning.patience.connect, Duration::from_secs(30));
        assert_eq!(tuning.patience.read, Duration::from_secs(60));
        assert_eq!((tuning.connection_attempts, tuning.clients_max), (5, 1000));
    }

    #[test]
    fn every_time_can_be_nothing() {
        let described: Value = farrier_sdk::serde_json::from_str(RedfishOptions::DESCRIPTOR).unwrap();
        let times = described.as_array().unwrap().iter().filter(|option| option["type"] == "number");
        let zero: Map<String, Value> =
            times.map(|option| (option["name"].as_str().unwrap().to_owned(), json!(0))).collect();
        assert!(zero.len() >= 10, "{described}");

        let options = RedfishOptions::from_map(&zero).unwrap();

        assert_eq!(options.tuning().patience.read, Duration::ZERO);
        assert_eq!(duration(options.restart_settle_time), Duration::ZERO);
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        let error = read(
            json!({"connect_timeout": -1, "connection_attempts": 0, "auth_type": "digest", "colour": 1}),
        )
        .unwrap_err();

        let text = error.to_string();
        for key in ["connect_timeout", "connection_attempts", "auth_type", "colour"] {
            assert!(text.contains(key), "{text}");
        }
    }
}

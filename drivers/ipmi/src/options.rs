//! Options of the driver: the table `[ipmi]`.

use std::net::{IpAddr, Ipv4Addr};

use farrier_sdk::prelude::*;

use crate::command::completion::CompletionCode;
use crate::crypto::CipherSuite;
use crate::driver_info::parse::boolean;
use crate::transport::TransportOptions;

/// Longest time an option can name, in seconds: a day.
const SECONDS_MAX: f64 = 86_400.0;

/// Shortest idle time that makes sense, in seconds; 0 would log in anew for every message.
const IDLE_MIN: f64 = 1.0;

/// The table `[ipmi]` of the configuration. Times are in seconds.
///
/// Source: Ironic `[ipmi]`, but for those marked as ours.
#[derive(Debug, Clone, Options)]
pub struct IpmiOptions {
    /// Most time one command to a BMC may take, repetitions and logins included
    #[option(default = 60.0, parse = some_seconds)]
    pub command_retry_timeout: f64,
    /// Least time between two logins to one BMC
    #[option(default = 5.0, parse = seconds)]
    pub min_command_interval: f64,
    /// Least time between two messages to one BMC within a session (ours)
    #[option(default = 0.1, parse = seconds)]
    pub min_message_interval: f64,
    /// Time after which a session nobody uses is closed; keep it below the limit of the BMCs, often 60 (ours)
    #[option(default = 20.0, parse = idle_seconds)]
    pub session_idle_timeout: f64,
    /// Keep idle sessions alive instead of closing them (ours)
    #[option(default = false, parse = boolean)]
    pub session_keepalive: bool,
    /// Most sessions at a time; beyond it the least recently used is closed (ours)
    #[option(default = 10_000, parse = count)]
    pub max_sessions: usize,
    /// Tell BMCs not to forget a boot device 60 seconds after it was set, where a node does not say
    #[option(default = true, parse = boolean)]
    pub disable_boot_timeout: bool,
    /// More completion codes to retry on, each as 0xNN or as a part of its text
    #[option(default = Vec::new(), parse = completion_codes, kind = "list")]
    pub additional_retryable_ipmi_errors: Vec<CompletionCode>,
    /// Allow cipher suites that check or hide less: 0, 1, 2, 15 and 16, where a node or the list below names them (ours)
    #[option(default = false, parse = boolean)]
    pub allow_insecure_cipher_suites: bool,
    /// Cipher suites to try, the last one first; empty means 17, then 3 unless the BMC says better
    #[option(default = Vec::new(), parse = cipher_suites, kind = "list")]
    pub cipher_suite_versions: Vec<CipherSuite>,
    /// Time for a change of the power state, unless a request names another
    #[option(default = 60.0, parse = seconds)]
    pub power_state_change_timeout: f64,
    /// Time for a machine to shut down by itself, unless a request names another
    #[option(default = 600.0, parse = seconds)]
    pub soft_power_off_timeout: f64,
    /// Time a machine gets to go down after a reset before it is believed to be on again (ours)
    #[option(default = 15.0, parse = seconds)]
    pub reset_settle_time: f64,
    /// First pause between two looks at a changing machine; it grows up to five times itself (ours)
    #[option(default = 1.0, parse = seconds)]
    pub poll_interval: f64,
    /// Address on which consoles are offered; anybody who reaches it may use them (Ironic `[console]socat_address`)
    #[option(default = IpAddr::V4(Ipv4Addr::LOCALHOST), parse = address)]
    pub console_address: IpAddr,
    /// TCP ports for the consoles of nodes without `ipmi_terminal_port`, as FIRST:LAST (Ironic `[console]port_range`)
    #[option(parse = port_range)]
    pub console_port_range: Option<(u16, u16)>,
    /// Time after which a client of a console is sent away that neither sends nor receives anything; 0 for never (ours)
    #[option(default = 0.0, parse = seconds)]
    pub console_idle_timeout: f64,
    /// Ignored: there is no tool whose retries could be used
    #[option(parse = boolean)]
    pub use_ipmitool_retries: Option<bool>,
    /// Ignored: there is no process to kill
    #[option(parse = boolean)]
    pub kill_on_timeout: Option<bool>,
    /// Ignored: credentials are never stored
    #[option(parse = boolean)]
    pub store_cred_in_env: Option<bool>,
    /// Ignored: set the log level instead
    #[option(parse = boolean)]
    pub debug: Option<bool>,
}

impl IpmiOptions {
    /// Checks what one option alone cannot tell.
    ///
    /// # Errors
    ///
    /// [`InvalidParameter`](ErrorKind::InvalidParameter): an insecure cipher suite is to be tried and not allowed.
    pub fn check(&self) -> Result<()> {
        let insecure = self.cipher_suite_versions.iter().find(|suite| !suite.is_good());
        if let (Some(suite), false) = (insecure, self.allow_insecure_cipher_suites) {
            let text = format!(
                "`cipher_suite_versions`: {} is an insecure cipher suite, which needs `allow_insecure_cipher_suites`",
                suite.id()
            );
            return Err(DriverError::invalid_parameter(text));
        }
        Ok(())
    }

    /// What the transport needs to know.
    #[must_use]
    pub fn transport(&self) -> TransportOptions {
        let suites = if self.cipher_suite_versions.is_empty() {
            CipherSuite::GOOD.to_vec()
        } else {
            self.cipher_suite_versions.iter().rev().copied().collect()
        };
        TransportOptions {
            login_interval: duration(self.min_command_interval),
            message_interval: duration(self.min_message_interval),
            session_idle_timeout: duration(self.session_idle_timeout),
            session_keepalive: self.session_keepalive,
            sessions_max: self.max_sessions,
            suites,
            retryable: self.additional_retryable_ipmi_errors.clone(),
        }
    }

    /// Options that were set and mean nothing here.
    #[must_use]
    pub fn ignored(&self) -> Vec<&'static str> {
        let set = [
            ("use_ipmitool_retries", self.use_ipmitool_retries),
            ("kill_on_timeout", self.kill_on_timeout),
            ("store_cred_in_env", self.store_cred_in_env),
            ("debug", self.debug),
        ];
        set.into_iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name).collect()
    }
}

/// Seconds of an option as a duration.
#[must_use]
pub fn duration(seconds: f64) -> Duration {
    // The reader of the option has seen to it that this is a number of reasonable size.
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn seconds(value: &Value) -> Result<f64, String> {
    number(value)
        .filter(|number| (0.0..=SECONDS_MAX).contains(number))
        .ok_or_else(|| format!("expected seconds from 0 to {SECONDS_MAX}"))
}

fn some_seconds(value: &Value) -> Result<f64, String> {
    seconds(value).ok().filter(|seconds| 0.0 < *seconds).ok_or_else(|| "expected seconds above 0".to_owned())
}

fn idle_seconds(value: &Value) -> Result<f64, String> {
    seconds(value)
        .ok()
        .filter(|seconds| IDLE_MIN <= *seconds)
        .ok_or_else(|| format!("expected seconds from {IDLE_MIN} to {SECONDS_MAX}"))
}

fn address(value: &Value) -> Result<IpAddr, String> {
    let address = value.as_str().and_then(|text| text.trim().parse().ok());
    address.ok_or_else(|| "expected an IP address".to_owned())
}

fn port_range(value: &Value) -> Result<(u16, u16), String> {
    let parse = |text: &str| {
        let (first, last) = text.split_once(':')?;
        Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
    };
    value
        .as_str()
        .and_then(parse)
        .filter(|(first, last)| 0 < *first && first <= last)
        .ok_or_else(|| "expected two ports, the lower first, such as 10000:20000".to_owned())
}

fn count(value: &Value) -> Result<usize, String> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    number
        .filter(|number| 0 < *number)
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| "expected a number above 0".to_owned())
}

/// A list, or the same as text with commas between.
fn list(value: &Value) -> Result<Vec<String>, String> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err("expected a list of numbers or texts".to_owned())
        }
    };
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        Value::String(text) => {
            Ok(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            Err("expected a list of numbers or texts".to_owned())
        }
    }
}

fn completion_codes(value: &Value) -> Result<Vec<CompletionCode>, String> {
    let parse = |text: &String| {
        CompletionCode::from_setting(text)
            .ok_or_else(|| format!("{text:?} is neither 0xNN nor a part of the text of a completion code"))
    };
    list(value)?.iter().map(parse).collect()
}

fn cipher_suites(value: &Value) -> Result<Vec<CipherSuite>, String> {
    let parse = |text: &String| {
        let suite = text.parse().ok().and_then(CipherSuite::from_id);
        suite.ok_or_else(|| format!("{text:?} is not a supported cipher suite, use 3 and 17"))
    };
    list(value)?.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;

    use super::*;

    fn options(table: Value) -> Result<IpmiOptions> {
        IpmiOptions::from_map(table.as_object().unwrap())
    }

    #[test]
    fn absent_options_have_the_defaults_of_the_reference() {
        let options = options(json!({})).unwrap();

        assert_eq!((options.command_retry_timeout, options.min_command_interval), (60.0, 5.0));
        assert!(options.disable_boot_timeout && options.ignored().is_empty());
        assert_eq!(options.transport().suites, [CipherSuite::Sha256, CipherSuite::Sha1]);
    }

    #[test]
    fn cipher_suites_are_tried_from_the_last_to_the_first() {
        for list in [json!(["17", 3]), json!("17,3")] {
            let options = options(json!({ "cipher_suite_versions": list })).unwrap();

            assert_eq!(options.transport().suites, [CipherSuite::Sha1, CipherSuite::Sha256]);
        }
    }

    #[test]
    fn retryable_errors_are_read_by_number_and_text() {
        let options =
            options(json!({"additional_retryable_ipmi_errors": ["0xCE", "unspecified error"]})).unwrap();

        assert_eq!(options.transport().retryable, [CompletionCode(0xCE), CompletionCode(0xFF)]);
    }

    #[test]
    fn a_wrong_option_is_named_with_what_is_allowed() {
        for (key, value) in [
            ("command_retry_timeout", json!(0)),
            ("min_command_interval", json!("soon")),
            ("session_idle_timeout", json!(0.1)),
            ("cipher_suite_versions", json!([8])),
            ("additional_retryable_ipmi_errors", json!(["bad weather"])),
            ("max_sessions", json!(0)),
            ("console_address", json!("localhost")),
            ("console_port_range", json!("20000:10000")),
            ("console_port_range", json!("0:10")),
            ("min_comand_interval", json!(5)),
        ] {
            let error = options(json!({ key: value })).unwrap_err();

            assert_eq!(error.kind(), ErrorKind::InvalidParameter);
            assert!(error.message().contains(&format!("`{key}`: ")), "{error}");
        }
    }

    #[test]
    fn consoles_are_offered_on_loopback_and_on_ports_of_a_range() {
        let options = options(json!({"console_port_range": "10000: 10010"})).unwrap();

        assert!(options.console_address.is_loopback());
        assert_eq!(options.console_port_range, Some((10_000, 10_010)));
    }

    #[test]
    fn insecure_suites_are_to_be_allowed_expressly() {
        let listed = json!({"cipher_suite_versions": [0, 17]});
        let allowed = json!({"cipher_suite_versions": [0, 17], "allow_insecure_cipher_suites": true});

        let error = options(listed).unwrap().check().unwrap_err();

        assert!(error.message().starts_with("`cipher_suite_versions`: 0 is an insecure"), "{error}");
        assert_eq!(options(allowed).unwrap().check(), Ok(()));
    }

    #[test]
    fn options_of_the_tool_are_taken_and_ignored() {
        let options = options(json!({"use_ipmitool_retries": true, "kill_on_timeout": "false"})).unwrap();

        assert_eq!(options.ignored(), ["use_ipmitool_retries", "kill_on_timeout"]);
    }
}

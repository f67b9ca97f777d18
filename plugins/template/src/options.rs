//! What an operator can set for all nodes, in the table `acme` of the configuration.

use farrier_sdk::prelude::*;

/// Options of the plugin. Each has a default, and its comment is its documentation.
#[derive(Debug, Options)]
pub(crate) struct AcmeOptions {
    /// Seconds to wait for the answer of a BMC
    #[option(default = 10)]
    answer_timeout_s: u32,
    /// Seconds a machine may take to change its power state, when the request does not say
    #[option(default = 60)]
    power_timeout_s: u32,
    /// Milliseconds between two looks at a machine that changes its power state
    #[option(default = 1000)]
    poll_interval_ms: u32,
}

/// What the implementations share. A driver keeps nothing of a node here but caches.
#[derive(Debug)]
pub(crate) struct Settings {
    /// How long to wait for the answer of a BMC.
    pub(crate) answer_timeout: Duration,
    /// How long a machine may take to change its power state.
    pub(crate) power_timeout: Duration,
    /// How often a machine is asked whether it is there yet.
    pub(crate) poll_interval: Duration,
}

impl Settings {
    /// Starts the plugin; called once.
    ///
    /// # Errors
    ///
    /// [`InvalidParameter`](ErrorKind::InvalidParameter): the plugin is then refused with this message.
    pub(crate) fn start(options: AcmeOptions) -> Result<Self> {
        for (name, value) in
            [("answer_timeout_s", options.answer_timeout_s), ("poll_interval_ms", options.poll_interval_ms)]
        {
            if value == 0 {
                return Err(DriverError::invalid_parameter(format!("`{name}` has to be at least 1")));
            }
        }
        Ok(Self {
            answer_timeout: Duration::from_secs(options.answer_timeout_s.into()),
            power_timeout: Duration::from_secs(options.power_timeout_s.into()),
            poll_interval: Duration::from_millis(options.poll_interval_ms.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;

    use super::*;

    fn start(options: &Value) -> Result<Settings> {
        Settings::start(AcmeOptions::from_map(options.as_object().unwrap())?)
    }

    #[test]
    fn absent_options_have_defaults() {
        let settings = start(&json!({"power_timeout_s": 5})).unwrap();

        assert_eq!(settings.answer_timeout, Duration::from_secs(10));
        assert_eq!(settings.power_timeout, Duration::from_secs(5));
    }

    #[test]
    fn a_wrong_option_is_named() {
        for options in [json!({"answer_timeout_s": 0}), json!({"answer_timeout_s": "soon"})] {
            let error = start(&options).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidParameter);
            assert!(error.message().contains("`answer_timeout_s`"), "{error}");
        }
    }
}

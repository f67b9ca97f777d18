//! The device's protocol: JSON over HTTP, below `/v1`.
//!
//! **Invariant:** no other module knows what goes over the wire.

use farrier_sdk::http::Session;
use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use serde::{Deserialize, Serialize};

use crate::driver_info::AcmeInfo;
use crate::options::Settings;

/// What a machine boots from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Boot {
    /// The device.
    pub(crate) device: BootDevice,
    /// Whether it stays after the next boot.
    pub(crate) persistent: bool,
}

#[derive(Deserialize)]
struct Power {
    state: String,
}

/// Requests to the node's BMC. They carry the account, whose password only the conductor knows.
///
/// What can go wrong with any of them: no answer (`Unreachable`), a wrong password (`AuthFailed`), a refusal (`Busy`,
/// `Conflict`, `Hardware`), nonsense (`Protocol`). All of it is said by the SDK, with the address and the path.
pub(crate) struct Device<'a>(Session<'a>);

impl<'a> Device<'a> {
    /// The BMC of a node.
    pub(crate) fn of(task: &'a DriverTask<AcmeInfo>, settings: &Settings) -> Self {
        let info = task.info();
        let session = task
            .http(&info.acme_address)
            .auth_basic(&info.acme_username, &info.acme_password)
            .verify_ca(&info.acme_verify_ca)
            .timeout(settings.answer_timeout);
        Self(session)
    }

    /// Whether the machine is on.
    pub(crate) async fn power(&self) -> Result<PowerState> {
        let power: Power = self.0.get("/v1/power").await?.json()?;
        Ok(match power.state.as_str() {
            "on" => PowerState::On,
            "off" => PowerState::Off,
            _ => PowerState::Unknown,
        })
    }

    /// Gives a command: `on`, `off`, or `shutdown` through the operating system. Answers before the machine is there.
    pub(crate) async fn set_power(&self, command: &str) -> Result<()> {
        self.0.put("/v1/power", &json!({"state": command})).await.map(drop)
    }

    /// What the machine boots from.
    pub(crate) async fn boot(&self) -> Result<Boot> {
        self.0.get("/v1/boot").await?.json()
    }

    /// Changes what the machine boots from.
    pub(crate) async fn set_boot(&self, boot: &Boot) -> Result<()> {
        self.0.put("/v1/boot", boot).await.map(drop)
    }

    /// Readings by kind of sensor and sensor.
    pub(crate) async fn sensors(&self) -> Result<Map<String, Value>> {
        self.0.get("/v1/sensors").await?.json()
    }

    /// Restarts the BMC.
    pub(crate) async fn reset(&self, force: bool) -> Result<()> {
        self.0.post("/v1/reset", &json!({"force": force})).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{Simulator, Trouble};

    /// Asks a device in trouble for its power state.
    fn power(trouble: Trouble) -> (Simulator, Result<PowerState>) {
        let simulator = Simulator::start(trouble).unwrap();
        let mut settings = Simulator::settings();
        if trouble == Trouble::Silence {
            settings.answer_timeout = Duration::from_millis(50);
        }
        let task = simulator.task();
        let answer = task.block_on(Device::of(&task, &settings).power());
        (simulator, answer)
    }

    #[test]
    fn a_device_without_trouble_answers() {
        let (_simulator, answer) = power(Trouble::None);

        assert_eq!(answer, Ok(PowerState::Off));
    }

    #[test]
    fn silence_is_an_error_that_names_the_address() {
        let (simulator, answer) = power(Trouble::Silence);

        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.is_retryable());
        assert!(error.message().contains(&simulator.address()), "{error}");
    }

    #[test]
    fn half_an_answer_is_no_answer() {
        let (_simulator, answer) = power(Trouble::Half);

        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unreachable);
    }

    #[test]
    fn nonsense_is_a_protocol_error() {
        let (_simulator, answer) = power(Trouble::Nonsense);

        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Protocol);
    }

    #[test]
    fn a_wrong_password_is_not_in_the_error() {
        let (_simulator, answer) = power(Trouble::OtherPassword);

        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthFailed);
        assert!(!format!("{error} {error:?}").contains(Simulator::PASSWORD), "{error:?}");
    }
}

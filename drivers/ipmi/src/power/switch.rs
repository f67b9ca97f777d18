//! Changing main power, and seeing it change.

use farrier_sdk::prelude::*;
use rand::RngExt;
use tokio::time::{Instant, sleep_until};

use crate::boot_device;
use crate::chassis::{ChassisControl, GetChassisStatus};
use crate::command::completion::CompletionCode;
use crate::driver_info::IpmiInfo;
use crate::options::duration;
use crate::shared::{Bmc, Shared};
use crate::transport::error::TransportError;

/// How many times the first pause between two looks the longest one is.
const PAUSE_GROWTH_MAX: u32 = 5;

/// How long the last look at a machine may take, when the time for the change is over.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// One change of the power of one machine.
pub(super) struct Switch<'a> {
    shared: &'a Shared,
    bmc: Bmc<'a>,
    task: &'a DriverTask<IpmiInfo>,
    timeout: Option<Duration>,
}

impl<'a> Switch<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        bmc: Bmc<'a>,
        task: &'a DriverTask<IpmiInfo>,
        timeout: Option<Duration>,
    ) -> Self {
        Self { shared, bmc, task, timeout }
    }

    /// Brings the machine to a state; one that cannot be asked for changes nothing.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the states that can be asked for are checked before")]
    pub(super) async fn to(&self, state: PowerState) -> Result<()> {
        match state {
            PowerState::On => self.on().await,
            PowerState::Off => self.stop(ChassisControl::Off, self.hard_limit()).await,
            PowerState::SoftOff => self.stop(ChassisControl::SoftOff, self.soft_limit()).await,
            PowerState::Reboot => self.reboot().await,
            PowerState::SoftReboot => self.soft_reboot().await,
            other => Err(DriverError::invalid_parameter(format!("`{other}` cannot be asked for"))),
        }
    }

    async fn on(&self) -> Result<()> {
        if self.is_on().await? {
            return Ok(());
        }
        self.start().await
    }

    /// Off and on again; a machine that must never be off is reset.
    async fn reboot(&self) -> Result<()> {
        if self.task.node().disable_power_off {
            return self.reset().await;
        }
        self.stop(ChassisControl::Off, self.hard_limit()).await?;
        self.start().await
    }

    /// Off and on again by asking the operating system.
    async fn soft_reboot(&self) -> Result<()> {
        if self.task.node().disable_power_off {
            let text = "`soft rebooting` switches the machine off, which `disable_power_off` forbids";
            return Err(DriverError::unsupported(text));
        }
        self.stop(ChassisControl::SoftOff, self.soft_limit()).await?;
        self.start().await
    }

    /// Turns on a machine that is off.
    async fn start(&self) -> Result<()> {
        boot_device::set_again(self.shared, &self.bmc, self.task).await?;
        self.control(ChassisControl::On, true).await?;
        self.arrive(ChassisControl::On, true, self.hard_limit()).await
    }

    /// Switches a machine off, unless it is.
    async fn stop(&self, control: ChassisControl, limit: Duration) -> Result<()> {
        if !self.is_on().await? {
            return Ok(());
        }
        self.control(control, false).await?;
        self.arrive(control, false, limit).await
    }

    /// Resets a machine and waits until it is on for good.
    async fn reset(&self) -> Result<()> {
        // A reset does nothing to a machine that is off, and some BMCs call that a success.
        if !self.is_on().await? {
            return self.start().await;
        }
        boot_device::set_again(self.shared, &self.bmc, self.task).await?;
        self.control(ChassisControl::Reset, true).await?;
        let settled = Instant::now() + duration(self.shared.options.reset_settle_time);
        self.watch(settled, false).await?;
        self.arrive(ChassisControl::Reset, true, self.hard_limit()).await
    }

    async fn is_on(&self) -> Result<bool> {
        Ok(self.bmc.execute(GetChassisStatus).await?.power_on)
    }

    /// Gives the order. That no answer came is no error yet: what happened shows in the power state.
    async fn control(&self, control: ChassisControl, wanted_on: bool) -> Result<()> {
        info!(node = self.task.node().uuid, order = control.as_str(), "changing power");
        match self.bmc.execute(control).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_outcome_unknown() => {
                warn!(node = self.task.node().uuid, error = %Chain(&error), "looking whether it happened");
                Ok(())
            }
            Err(error) if error.completion_code() == Some(CompletionCode::NOT_IN_THIS_STATE) => {
                // The machine may have got there by itself since it was asked.
                if self.is_on().await? == wanted_on { Ok(()) } else { Err(error.into()) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the machine is where it is to be.
    async fn arrive(&self, control: ChassisControl, wanted_on: bool, limit: Duration) -> Result<()> {
        let seen = self.watch(Instant::now() + limit, wanted_on).await?;
        let wanted = if wanted_on { PowerState::On } else { PowerState::Off };
        let now = match seen {
            Seen::Wanted => return Ok(()),
            Seen::Other if wanted_on => PowerState::Off.as_str().to_owned(),
            Seen::Other => PowerState::On.as_str().to_owned(),
            Seen::Nothing(error) => format!("unknown: {error}"),
        };
        Err(DriverError::timeout(format!(
            "the machine at `{}` did not reach `{wanted}` within {} s of the order `{}`; its state is {now}",
            self.bmc.endpoint(),
            limit.as_secs(),
            control.as_str(),
        )))
    }

    /// Looks at the machine until it is where it is wanted or `end` has come; looks at least once. BMCs fall
    /// silent while power changes, so a look that fails is an error only when it is the last one.
    async fn watch(&self, end: Instant, wanted_on: bool) -> Result<Seen> {
        let first = duration(self.shared.options.poll_interval);
        let mut pause = first;
        loop {
            sleep_until((Instant::now() + with_jitter(pause)).min(end)).await;
            let last = end <= Instant::now();
            let look_end = if last { Instant::now() + LAST_LOOK } else { end };
            let look = self.bmc.execute_before(look_end, GetChassisStatus).await;
            let seen = match look {
                Ok(status) if status.power_on == wanted_on => return Ok(Seen::Wanted),
                Ok(_) => Seen::Other,
                Err(error @ TransportError::Authentication { .. }) => return Err(error.into()),
                Err(error) => {
                    debug!(node = self.task.node().uuid, error = %Chain(&error), "no power state yet");
                    Seen::Nothing(error)
                }
            };
            if last {
                return Ok(seen);
            }
            pause = (pause * 3 / 2).min(first * PAUSE_GROWTH_MAX);
        }
    }

    fn hard_limit(&self) -> Duration {
        self.timeout.unwrap_or_else(|| duration(self.shared.options.power_state_change_timeout))
    }

    fn soft_limit(&self) -> Duration {
        self.timeout.unwrap_or_else(|| duration(self.shared.options.soft_power_off_timeout))
    }
}

/// What the last look showed.
enum Seen {
    Wanted,
    Other,
    Nothing(TransportError),
}

/// Up to a tenth more or less, so that many nodes switched together are not asked together.
fn with_jitter(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.9..=1.1))
}

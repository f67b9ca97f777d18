//! How long the fake driver takes for what it does.

use std::hash::{BuildHasher, Hasher, RandomState};

use farrier_sdk::prelude::*;

/// Longest delay, in seconds: a day, longer than any call may last.
const DELAY_MAX: f64 = 86_400.0;

/// What a delay looks like.
const EXPECTED: &str = "expected `a` or `a,b` in seconds, with 0 <= a <= b <= 86400";

/// Options of the table `fake`. Each delay is a number of seconds, or two: the time is then random, most likely
/// near the first and never more than the second.
#[derive(Debug, Options)]
pub(crate) struct FakeOptions {
    /// Seconds each call of a power interface takes: `a`, or `a,b` for a random time between both, mostly near `a`
    #[option(default = "0", kind = "seconds", parse = Delay::from_value)]
    power_delay: Delay,
    /// Seconds each call of a boot interface takes, as `power_delay`
    #[option(default = "0", kind = "seconds", parse = Delay::from_value)]
    boot_delay: Delay,
    /// Seconds each call of a deploy interface takes, as `power_delay`
    #[option(default = "0", kind = "seconds", parse = Delay::from_value)]
    deploy_delay: Delay,
    /// Seconds each call of a vendor interface takes, as `power_delay`
    #[option(default = "0", kind = "seconds", parse = Delay::from_value)]
    vendor_delay: Delay,
    /// Seconds each call of a management interface takes, as `power_delay`
    #[option(default = "0", kind = "seconds", parse = Delay::from_value)]
    management_delay: Delay,
    /// Seconds each call of an inspect interface takes, as `power_delay`
    #[option(default = "0", kind = "seconds", parse = Delay::from_value)]
    inspect_delay: Delay,
    /// Seconds each call of a RAID interface takes, as `power_delay`
    #[option(default = "0", kind = "seconds", parse = Delay::from_value)]
    raid_delay: Delay,
    /// Seconds each call of a BIOS interface takes, as `power_delay`
    #[option(default = "0", kind = "seconds", parse = Delay::from_value)]
    bios_delay: Delay,
    /// Seconds each call of a storage interface takes, as `power_delay`
    #[option(default = "0", kind = "seconds", parse = Delay::from_value)]
    storage_delay: Delay,
    /// Seconds each call of a rescue interface takes, as `power_delay`
    #[option(default = "0", kind = "seconds", parse = Delay::from_value)]
    rescue_delay: Delay,
    /// Seconds each call of a firmware interface takes, as `power_delay`
    #[option(default = "0", kind = "seconds", parse = Delay::from_value)]
    firmware_delay: Delay,
}

/// What the implementations share: how long each takes.
#[derive(Debug)]
pub(crate) struct Delays {
    pub(crate) power: Delay,
    pub(crate) boot: Delay,
    pub(crate) deploy: Delay,
    pub(crate) vendor: Delay,
    pub(crate) management: Delay,
    pub(crate) inspect: Delay,
    pub(crate) raid: Delay,
    pub(crate) bios: Delay,
    pub(crate) storage: Delay,
    pub(crate) rescue: Delay,
    pub(crate) firmware: Delay,
}

impl Delays {
    /// Takes the options.
    ///
    /// # Errors
    ///
    /// None: wrong options were refused when they were read.
    pub(crate) fn start(options: FakeOptions) -> Result<Self> {
        Ok(Self {
            power: options.power_delay,
            boot: options.boot_delay,
            deploy: options.deploy_delay,
            vendor: options.vendor_delay,
            management: options.management_delay,
            inspect: options.inspect_delay,
            raid: options.raid_delay,
            bios: options.bios_delay,
            storage: options.storage_delay,
            rescue: options.rescue_delay,
            firmware: options.firmware_delay,
        })
    }
}

/// How long a call takes: between two times, most likely the shorter one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Delay {
    /// Seconds.
    shortest: f64,
    /// Seconds, at least `shortest`.
    longest: f64,
}

impl Delay {
    #[cfg(test)]
    pub(crate) const NONE: Self = Self { shortest: 0.0, longest: 0.0 };

    /// Reads an option: a number of seconds, or a text of one or two of them.
    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        let delay = match value {
            Value::String(text) => Self::from_text(text),
            Value::Number(number) => number.as_f64().and_then(|seconds| Self::new(seconds, seconds)),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        delay.ok_or_else(|| EXPECTED.to_owned())
    }

    fn from_text(text: &str) -> Option<Self> {
        let (shortest, longest) = text.split_once(',').unwrap_or((text, text));
        Self::new(shortest.trim().parse().ok()?, longest.trim().parse().ok()?)
    }

    fn new(shortest: f64, longest: f64) -> Option<Self> {
        let possible = 0.0 <= shortest && shortest <= longest && longest <= DELAY_MAX;
        possible.then_some(Self { shortest, longest })
    }

    /// Takes its time.
    ///
    /// # Errors
    ///
    /// Those of the host's timer.
    pub(crate) async fn pass<I: Properties>(self, task: &DriverTask<I>) -> Result<()> {
        match self.pick(chance()) {
            Duration::ZERO => Ok(()),
            pause => task.sleep(pause).await,
        }
    }

    /// The time for a `chance` from 0 to 1: a triangular distribution with its peak at the shortest time.
    fn pick(self, chance: f64) -> Duration {
        let share = 1.0 - (1.0 - chance).sqrt();
        Duration::from_secs_f64(self.shortest + (self.longest - self.shortest) * share)
    }
}

/// A random number from 0 up to but without 1.
#[expect(clippy::cast_precision_loss, reason = "both numbers have 53 bits, as many as an `f64` keeps")]
fn chance() -> f64 {
    // The keys of a hash map are random, and nobody is harmed by guessing a pause.
    let bits = RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use farrier_sdk::serde_json::json;
    use farrier_sdk::testing;

    use super::*;

    fn read(options: &Value) -> Result<Delays> {
        Delays::start(FakeOptions::from_map(options.as_object().unwrap())?)
    }

    #[test]
    fn a_delay_is_a_number_or_a_text_of_one_or_two() {
        let cases = [
            (json!("0"), (0.0, 0.0)),
            (json!("0.3"), (0.3, 0.3)),
            (json!("1,5"), (1.0, 5.0)),
            (json!(" 1 , 5 "), (1.0, 5.0)),
            (json!(2), (2.0, 2.0)),
            (json!(0.25), (0.25, 0.25)),
        ];

        for (option, (shortest, longest)) in cases {
            assert_eq!(Delay::from_value(&option), Ok(Delay { shortest, longest }), "{option}");
        }
    }

    #[test]
    fn what_is_no_delay_is_refused_with_the_name_of_the_option() {
        let wrong = [
            json!("soon"),
            json!(""),
            json!("5,1"),
            json!("1,2,3"),
            json!("-1"),
            json!("nan"),
            json!("inf"),
            json!(100_000),
            json!(true),
            json!([1, 2]),
        ];

        for value in wrong {
            let error = read(&json!({"power_delay": value})).unwrap_err();

            assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{value}");
            assert_eq!(error.message(), format!("`power_delay`: {EXPECTED}"), "{value}");
        }
    }

    #[test]
    fn an_option_that_does_not_exist_is_refused() {
        let error = read(&json!({"console_delay": "1"})).unwrap_err();

        assert!(error.message().starts_with("`console_delay`: unknown"), "{error}");
    }

    #[test]
    fn nothing_configured_means_no_delay() {
        let delays = read(&json!({})).unwrap();

        assert_eq!(delays.power, Delay::NONE);
        assert_eq!(delays.firmware.pick(0.5), Duration::ZERO);
    }

    #[test]
    fn a_random_time_is_mostly_near_the_shorter_one() {
        let delay = Delay::new(1.0, 3.0).unwrap();

        assert_eq!(delay.pick(0.0), Duration::from_secs(1));
        assert_eq!(delay.pick(0.75), Duration::from_secs(2));
        assert_eq!(delay.pick(1.0), Duration::from_secs(3));
    }

    #[test]
    fn chances_differ_and_are_below_one() {
        let chances: Vec<f64> = (0..100).map(|_| chance()).collect();

        assert!(chances.iter().all(|chance| (0.0..1.0).contains(chance)), "{chances:?}");
        assert!(chances.windows(2).any(|pair| pair[0] != pair[1]), "{chances:?}");
    }

    #[test]
    fn a_delay_takes_its_time() {
        let task = testing::task::<NoInfo>(json!({})).unwrap();
        let start = Instant::now();

        task.block_on(Delay::new(0.02, 0.02).unwrap().pass(&task)).unwrap();

        assert!(Duration::from_millis(20) <= start.elapsed());
    }
}

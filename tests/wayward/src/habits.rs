//! Bad habits in any call: a layer around a good implementation.

use std::sync::Once;

use farrier_sdk::glue::{BoxFuture, Call, Implementation, Target};
use farrier_sdk::prelude::*;

use crate::driver_info::WaywardInfo;
use crate::machine;
use crate::shared::{Shared, lock, stray, wait};

/// Time left at which a call must be one that is to see its deadline.
const SHORT_DEADLINE: Duration = Duration::from_millis(1500);

/// How long such a call blocks.
const BLOCK: Duration = Duration::from_secs(10);

/// How long a poll takes that is too long.
const LONG_POLL: Duration = Duration::from_millis(300);

/// How long, and how often, a cancelled call is still heard of.
const ECHO: (u32, Duration) = (80, Duration::from_millis(100));

/// Questions before threads are left behind, and most of them.
const THREADS: (usize, usize) = (40, 100);

/// Bytes that are kept for every question.
const HOARD_SIZE: usize = 256 * 1024;

/// Calls at once that are too many to keep apart.
const CROWD: usize = 4;

/// Not one rule but all of them: it declares everything, and answers to each call that this is not supported.
const HAS_NOTHING: &str = "has-nothing";

/// The same, but only where there is a machine: elsewhere it says that there is none.
const FINDS_NOTHING: &str = "finds-nothing";

/// The same, but for power and management.
const FINDS_LITTLE: &str = "finds-little";

/// An implementation with bad habits.
pub(crate) struct Wayward<T> {
    inner: Arc<T>,
    shared: Arc<Shared>,
}

/// What can be made from what all share.
pub(crate) trait Make {
    fn make(shared: &Arc<Shared>) -> Self;
}

impl<T: Make> Wayward<T> {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { inner: Arc::new(T::make(shared)), shared: Arc::clone(shared) }
    }
}

impl<T: Implementation> Implementation for Wayward<T> {
    const KIND: InterfaceType = T::KIND;
    const NAME: &'static str = T::NAME;
    const ALIASES: &'static [&'static str] = T::ALIASES;
    const DESCRIPTOR: &'static str = T::DESCRIPTOR;

    fn call(self: Arc<Self>, call: Call) -> BoxFuture<Result<Vec<u8>>> {
        Box::pin(async move {
            let method = call.method().to_owned();
            if let Some(answer) = self.before(&method, &call).await? {
                return Ok(answer);
            }
            let asks = method == "get_power_state";
            let mut under_way = asks.then(|| UnderWay::new(&self.shared));
            let answer = Arc::clone(&self.inner).call(call).await;
            if let Some(under_way) = &mut under_way {
                under_way.answered = true;
            }
            self.after(&method, answer)
        })
    }
}

impl<T: Implementation> Wayward<T> {
    /// What goes wrong before the method is called; an answer in its place.
    async fn before(&self, method: &str, call: &Call) -> Result<Option<Vec<u8>>> {
        let shared = &self.shared;
        let unknown = match call.target()? {
            Target::Step(name) | Target::VendorMethod(name) => name.starts_with("kit_"),
            Target::Method => method.starts_with("kit_"),
        };
        if shared.breaks("CON-002") && unknown {
            return Ok(Some(b"null".to_vec()));
        }
        if call.target()? == Target::Step("look".to_owned()) {
            let args: Map<String, Value> = call.arguments()?.take_or("args", Map::new())?;
            if shared.breaks("STP-001") && args.is_empty() {
                return Ok(Some(b"\"perhaps\"".to_vec()));
            }
            if shared.breaks("STP-002") {
                return Ok(Some(b"\"done\"".to_vec()));
            }
        }
        if shared.breaks("CON-001") && method == "get_sensors_data" {
            return Err(DriverError::unsupported("wayward does not feel like it"));
        }
        if shared.breaks("CON-013") && call.arguments()?.take::<Value>("kit_unknown_argument").is_ok() {
            return Err(DriverError::invalid_parameter("wayward knows no such argument"));
        }
        if shared.breaks("LOD-007") {
            static ONCE: Once = Once::new();
            ONCE.call_once(|| stray("wayward-stray"));
        }
        if method == "get_power_state" {
            self.before_question(call)?;
        }
        if method != "validate" && shared.breaks(HAS_NOTHING) {
            return Err(DriverError::unsupported("wayward finds nothing of the sort"));
        }
        // What reads the node fails for a bad one; the method then says so better.
        let Ok(task) = call.task::<WaywardInfo>() else { return Ok(None) };
        if shared.breaks("CON-005") && method == "validate" {
            // It is the question that counts.
            machine::power(shared, &task).await.ok();
        }
        if method != "validate" && self.excuses_itself() && machine::power(shared, &task).await.is_ok() {
            return Err(DriverError::unsupported("this machine has nothing of the sort"));
        }
        if shared.breaks("CON-006")
            && method == "get_supported_power_states"
            && let Some(password) = &task.info().wayward_password
        {
            let password = task.reveal(password).await?;
            info!(password = password.expose(), "wayward tells a secret");
        }
        if shared.breaks("CON-010") && method == "get_supported_power_states" {
            wait(LONG_POLL);
        }
        if shared.breaks("CON-016") && method == "set_boot_device" {
            task.save_internal_info(Map::clear).await?;
        }
        if shared.breaks("UPG-001") && task.node().driver_internal_info.contains_key("wayward_old_format") {
            return Err(DriverError::internal("wayward cannot read what it wrote itself"));
        }
        Ok(None)
    }

    /// Whether its machines, if they are there, are said to lack what this is about.
    fn excuses_itself(&self) -> bool {
        let shared = &self.shared;
        let baseline = matches!(T::KIND, InterfaceType::Power | InterfaceType::Management);
        shared.breaks(FINDS_NOTHING) || (!baseline && shared.breaks(FINDS_LITTLE))
    }

    /// The same for questions about power.
    fn before_question(&self, call: &Call) -> Result<()> {
        let (shared, number) = (&self.shared, self.shared.question());
        if shared.breaks("CON-011") && (THREADS.0..THREADS.0 + THREADS.1).contains(&number) {
            stray("wayward-stray");
        }
        if shared.breaks("CON-012") {
            lock(&shared.hoard).push(vec![1; HOARD_SIZE]);
        }
        if shared.breaks("CON-007") {
            let task = call.task::<WaywardInfo>()?;
            if task.time_left().is_some_and(|left| left < SHORT_DEADLINE) {
                wait(BLOCK);
            }
        }
        Ok(())
    }

    /// What goes wrong with the answer.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others stay as they are")]
    fn after(&self, method: &str, answer: Result<Vec<u8>>) -> Result<Vec<u8>> {
        let error = match answer {
            Ok(_) if self.shared.breaks("IFC-001") && method == "should_write_image" => {
                return Ok(b"\"perhaps\"".to_vec());
            }
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let text = error.to_string();
        Err(match error.kind() {
            ErrorKind::MissingParameter if self.shared.breaks("CON-003") && text.contains("wayward_site") => {
                DriverError::missing_parameter("something is missing")
            }
            ErrorKind::InvalidParameter if self.shared.breaks("CON-004") && text.contains("`wayward_") => {
                DriverError::invalid_parameter("something is wrong")
            }
            ErrorKind::MissingParameter if self.shared.breaks("CON-014") && text.starts_with("argument") => {
                DriverError::internal(text)
            }
            ErrorKind::InvalidParameter if self.shared.breaks("POW-007") && method == "set_power_state" => {
                return Ok(b"null".to_vec());
            }
            ErrorKind::InvalidParameter if self.shared.breaks("MGT-004") && method == "set_boot_device" => {
                return Ok(b"null".to_vec());
            }
            _ => error,
        })
    }
}

/// A question under way; notices when it is given up.
struct UnderWay {
    shared: Arc<Shared>,
    answered: bool,
}

impl UnderWay {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.under_way.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Self { shared: Arc::clone(shared), answered: false }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.shared.under_way.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        if self.shared.breaks("CON-008") && !self.answered {
            go_on();
        }
    }
}

/// Is heard of for a while, though nobody waits for it.
pub(crate) fn go_on() {
    let echo = || {
        for _ in 0..ECHO.0 {
            wait(ECHO.1);
            info!("wayward is still busy");
        }
    };
    std::thread::Builder::new().name("wayward-io".to_owned()).spawn(echo).ok();
}

/// Whether so many questions are under way that they are mixed up.
pub(crate) fn is_crowded(shared: &Shared) -> bool {
    CROWD < shared.under_way.load(std::sync::atomic::Ordering::SeqCst)
}

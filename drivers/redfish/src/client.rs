//! Speaks HTTP to BMCs: one [`Client`] for each account on a BMC.
//!
//! | module | what |
//! |---|---|
//! | `account` | who speaks to which BMC, and how patiently |
//! | `address` | where the BMC is, which links may be followed |
//! | `tls` | whom to believe |
//! | `transport` | one request and its answer |
//! | `session` | logging in and out |
//! | `retry` | what is asked again, and when |
//! | `etag` | which tag a write carries |
//! | `gate` | how many requests a BMC gets at a time |
//! | `glance` | a System that answers several questions |
//! | `operation` | what one call of the conductor asks of a BMC |
//! | `job` | work that a BMC goes on with after its answer |
//! | `push` | a file for a BMC that fetches none itself |
//! | `pool` | the clients that are kept |
//! | `message`, `error` | what BMCs say, and what becomes of it |
//!
//! **Invariant:** a request leaves for the configured scheme, host and port only; credentials are in headers
//! and in the login's body, never in a text.

pub mod account;
pub mod address;
pub mod error;
mod etag;
mod gate;
mod glance;
pub(crate) mod job;
pub mod message;
pub mod operation;
pub mod pool;
pub(crate) mod push;
mod retry;
mod session;
pub mod tls;
pub mod transport;
mod wire;

use std::collections::HashMap;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use self::account::{Account, Tuning};
use self::address::canonical;
use self::error::{Asked, Failure, Phase, RedfishError, Result};
use self::etag::Form;
use self::gate::Gate;
use self::glance::{Change, Glances};
use self::tls::TlsError;
use self::transport::{Answer, Credential, Outgoing, Transport, Trouble};
use crate::discovery::Found;
use crate::resource::root::Root;

/// Most Systems one client remembers; a chassis with more asks again.
const SYSTEMS_MAX: usize = 256;

/// What one call of the conductor is called, and until when it may go on.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// For the texts of errors.
    pub operation: &'static str,
    /// When it ends.
    pub deadline: Instant,
    /// How long that was from its start.
    pub limit: Duration,
}

/// Speaks to one BMC with one account.
pub struct Client {
    account: Account,
    tuning: Arc<Tuning>,
    transport: Transport,
    auth: Arc<tokio::sync::Mutex<session::State>>,
    gate: Gate,
    known: Mutex<Known>,
    jobs: Jobs,
    /// Operations that hold this client; changed under the lock of the pool, but for clones.
    leases: AtomicUsize,
}

/// Where work goes that outlives a dropped operation: logins and logouts.
#[derive(Debug, Clone)]
struct Jobs {
    tracker: TaskTracker,
    runtime: Handle,
}

/// What a client has learned about its BMC.
#[derive(Debug, Default)]
struct Known {
    root: Option<Arc<Root>>,
    /// By the path that the node names, if it names one.
    systems: HashMap<Option<String>, String>,
    /// The only manager of the service, where it was asked for.
    manager: Option<String>,
    /// By System.
    media: HashMap<String, MediaPlaces>,
    /// The System as it was read in the present pass of the conductor.
    glances: Glances,
    /// By System; `None` when the BMC does not say.
    reset_types: HashMap<String, Option<Vec<String>>>,
    tag_form: Form,
}

/// Where a machine's virtual media devices are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MediaPlaces {
    /// Collections of them: the System's own first, if it has one, then those of its managers.
    pub(crate) collections: Vec<String>,
    /// Whether the first is the System's own.
    pub(crate) has_own: bool,
    /// Whether the devices can be read together with their collection.
    pub(crate) expands: bool,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.account).finish()
    }
}

/// What one request has cost so far.
struct Effort {
    start: Instant,
    tries: u32,
    connection_failures: u32,
    busy_answers: u32,
    reuse_forgiven: bool,
    plain: bool,
    last: Option<String>,
}

impl Client {
    fn new(
        account: Account,
        tuning: Arc<Tuning>,
        gate: Gate,
        jobs: Jobs,
        refused_until: Option<Instant>,
    ) -> Result<Self, TlsError> {
        let Account { address, verify, tls_oldest, ciphers, .. } = &account;
        let transport =
            Transport::new(address.clone(), verify, *tls_oldest, ciphers.as_ref(), tuning.patience)?;
        let auth = session::State::refused(refused_until);
        Ok(Self {
            account,
            tuning,
            transport,
            auth,
            gate,
            known: Mutex::default(),
            jobs,
            leases: AtomicUsize::new(0),
        })
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Sends a request as somebody who is logged in; answers with any status but 401.
    ///
    /// All of it happens on the thread that has the sockets: with each part of the work on the caller's, both would
    /// be woken for each part. Dropping the answer stops it.
    async fn send(
        self: &Arc<Self>,
        outgoing: Outgoing,
        scope: Scope,
        basic_only: &Arc<AtomicBool>,
    ) -> Result<Answer> {
        let _change = (outgoing.method != Method::GET).then(|| Change::begin(self));
        let asked = (outgoing.method.clone(), outgoing.path.clone());
        let (client, basic_only) = (Arc::clone(self), Arc::clone(basic_only));
        let job = async move { client.send_here(&outgoing, &scope, &basic_only).await };
        match AbortOnDropHandle::new(self.jobs.runtime.spawn(job)).await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(error) => {
                    let (outgoing, reason) = (Outgoing::new(asked.0, asked.1), error.to_string());
                    let unknown = outgoing.method != Method::GET;
                    let effort = Effort { tries: 1, ..Effort::begin() };
                    Err(self.connection_error(&outgoing, &effort, &scope, Phase::Limit, reason, unknown))
                }
            },
        }
    }

    async fn send_here(
        self: &Arc<Self>,
        outgoing: &Outgoing,
        scope: &Scope,
        basic_only: &AtomicBool,
    ) -> Result<Answer> {
        let grant = self.authorize(scope, basic_only).await?;
        let answer = self.deliver(outgoing, &grant.credential, scope).await?;
        let again = self.authorize_after(&grant, &answer, outgoing, scope, basic_only).await?;
        let Some(grant) = again else { return Ok(answer) };
        let answer = self.deliver(outgoing, &grant.credential, scope).await?;
        // Neither the old session nor a new one: what is left is to remember it.
        match self.authorize_after(&grant, &answer, outgoing, scope, basic_only).await? {
            Some(_) => Err(self.final_error(outgoing, &answer, scope)),
            None => Ok(answer),
        }
    }

    /// Sends a request until there is an answer that is not "not now"; answers with any status.
    async fn deliver(&self, outgoing: &Outgoing, credential: &Credential, scope: &Scope) -> Result<Answer> {
        let mut outgoing = outgoing.clone();
        let mut effort = Effort::begin();
        loop {
            effort.tries += 1;
            let pause = match self.exchange(&outgoing, credential, scope.deadline).await {
                Ok(answer) => match self.weigh_answer(&mut outgoing, &answer, &mut effort, scope)? {
                    Some(pause) => pause,
                    None => return Ok(answer),
                },
                Err(trouble) => self.weigh_trouble(&outgoing, trouble, &mut effort, scope)?,
            };
            if Instant::now() + pause >= scope.deadline {
                return Err(self.out_of_time(&outgoing, &effort, scope));
            }
            sleep(pause).await;
        }
    }

    /// One request through the gate.
    async fn exchange(
        &self,
        outgoing: &Outgoing,
        credential: &Credential,
        deadline: Instant,
    ) -> Result<Answer, Trouble> {
        let entered = if outgoing.method == Method::GET {
            timeout_at(deadline, self.gate.read()).await
        } else {
            timeout_at(deadline, self.gate.write()).await
        };
        let Ok(_permit) = entered else { return Err(Trouble::Limit) };
        self.transport.exchange(outgoing, credential, deadline).await
    }

    /// How long to wait before the request is sent again; `None` when the answer is final.
    fn weigh_answer(
        &self,
        outgoing: &mut Outgoing,
        answer: &Answer,
        effort: &mut Effort,
        scope: &Scope,
    ) -> Result<Option<Duration>> {
        if answer.status.is_success() {
            return Ok(None);
        }
        let messages = answer.messages();
        let Some(again) = retry::judge(&outgoing.method, answer.status, &answer.headers, &messages) else {
            // One that only says "not now" has nothing against what it was sent.
            if !effort.plain && simplify(outgoing, answer.status) {
                effort.plain = true;
                return Ok(Some(Duration::ZERO));
            }
            return Ok(None);
        };
        effort.busy_answers += 1;
        if effort.busy_answers >= self.tuning.server_error_attempts {
            let asked = self.asked(scope, outgoing.method.clone(), &outgoing.path);
            let (request, status, attempts) = (asked.to_string(), answer.status, effort.tries);
            return Err(RedfishError::new(asked, Failure::NotReady { request, status, messages, attempts }));
        }
        effort.last = Some(format!("the last answer was {}: {messages}", answer.status.as_u16()));
        let own = retry::growing(self.tuning.server_error_delay, effort.busy_answers);
        Ok(Some(again.wait.unwrap_or(own)))
    }

    /// How long to wait before the request is sent again, or why it is not.
    fn weigh_trouble(
        &self,
        outgoing: &Outgoing,
        trouble: Trouble,
        effort: &mut Effort,
        scope: &Scope,
    ) -> Result<Duration> {
        let read = matches!(outgoing.method, Method::GET | Method::HEAD);
        let repeatable = outgoing.method != Method::POST;
        let (phase, reason, again, unknown) = match trouble {
            Trouble::NotSent { phase, reason } => (phase, reason, phase != Phase::Tls, false),
            Trouble::Lost { reused: true, .. } if repeatable && !effort.reuse_forgiven => {
                effort.reuse_forgiven = true;
                effort.tries -= 1;
                return Ok(Duration::ZERO);
            }
            Trouble::Lost { reason, .. } => (Phase::Exchange, reason, repeatable, !read),
            Trouble::Silent { reason } => (Phase::Exchange, reason, read, !read),
            Trouble::Limit => return Err(self.out_of_time(outgoing, effort, scope)),
            Trouble::Refused { reason } => {
                let asked = self.asked(scope, outgoing.method.clone(), &outgoing.path);
                let request = asked.to_string();
                return Err(RedfishError::new(asked, Failure::Unexpected { request, reason }));
            }
        };
        effort.connection_failures += 1;
        if again && effort.connection_failures < self.tuning.connection_attempts {
            effort.last = Some(reason);
            return Ok(retry::jittered(self.tuning.connection_retry_interval));
        }
        Err(self.connection_error(outgoing, effort, scope, phase, reason, unknown))
    }

    fn out_of_time(&self, outgoing: &Outgoing, effort: &Effort, scope: &Scope) -> RedfishError {
        let limit = format!("the limit of {} s is reached", scope.limit.as_secs_f32());
        let reason = match &effort.last {
            Some(last) => format!("{limit}; {last}"),
            None => limit,
        };
        // What was sent and not answered may have been carried out.
        let unknown = outgoing.method != Method::GET;
        self.connection_error(outgoing, effort, scope, Phase::Limit, reason, unknown)
    }

    fn connection_error(
        &self,
        outgoing: &Outgoing,
        effort: &Effort,
        scope: &Scope,
        phase: Phase,
        reason: String,
        outcome_unknown: bool,
    ) -> RedfishError {
        let asked = self.asked(scope, outgoing.method.clone(), &outgoing.path);
        let (request, attempts, elapsed) = (asked.to_string(), effort.tries, effort.start.elapsed());
        let failure = Failure::Connection { request, phase, reason, attempts, elapsed, outcome_unknown };
        RedfishError::new(asked, failure)
    }

    fn asked(&self, scope: &Scope, method: Method, path: impl AsRef<str>) -> Asked {
        let path = path.as_ref().split('?').next().unwrap_or_default().to_owned();
        Asked { operation: scope.operation, origin: self.account.address.to_string(), method, path }
    }

    /// The error that a final answer to a request is.
    fn final_error(&self, outgoing: &Outgoing, answer: &Answer, scope: &Scope) -> RedfishError {
        self.status_error(self.asked(scope, outgoing.method.clone(), &outgoing.path), answer)
    }

    /// The error that a final answer with a bad status is.
    #[expect(clippy::unused_self, reason = "reads as the other makers of errors do")]
    fn status_error(&self, asked: Asked, answer: &Answer) -> RedfishError {
        let (request, messages, status) = (asked.to_string(), answer.messages(), answer.status);
        let failure = if status == StatusCode::FORBIDDEN {
            Failure::Denied { request, messages }
        } else {
            Failure::Status { request, status, messages }
        };
        RedfishError::new(asked, failure)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_root(&self) -> Option<Arc<Root>> {
        self.known().root.clone()
    }

    fn remember_root(&self, root: Root) -> Arc<Root> {
        let root = Arc::new(root);
        self.known().root = Some(Arc::clone(&root));
        root
    }

    /// Any System that was found before.
    fn known_system(&self) -> Option<String> {
        self.known().systems.values().next().cloned()
    }

    /// Where the System is that a node names, or the only one.
    pub(crate) fn system_path(&self, configured: Option<&str>) -> Option<String> {
        self.known().systems.get(&configured.map(str::to_owned)).cloned()
    }

    pub(crate) fn remember_system(&self, configured: Option<&str>, path: &str) {
        let mut known = self.known();
        if known.systems.len() < SYSTEMS_MAX {
            known.systems.insert(configured.map(str::to_owned), path.to_owned());
        }
    }

    /// What was found about the reset types of a System, if it was looked for.
    #[expect(clippy::option_option, reason = "outer: whether it is known, inner: whether the BMC says")]
    pub(crate) fn known_reset_types(&self, system: &str) -> Option<Option<Vec<String>>> {
        self.known().reset_types.get(system).cloned()
    }

    pub(crate) fn remember_reset_types(&self, system: &str, allowed: Option<Vec<String>>) {
        let mut known = self.known();
        if known.reset_types.len() < SYSTEMS_MAX {
            known.reset_types.insert(system.to_owned(), allowed);
        }
    }

    pub(crate) fn known_manager(&self) -> Option<String> {
        self.known().manager.clone()
    }

    pub(crate) fn remember_manager(&self, manager: String) {
        self.known().manager = Some(manager);
    }

    /// The System that this pass of the conductor has read, if nothing was changed through this client since.
    pub(crate) fn glance(&self, pass: &str, configured: Option<&str>) -> Option<Found> {
        self.known().glances.find(pass, configured)
    }

    /// How many changes were begun or ended through this client.
    pub(crate) fn changes(&self) -> u64 {
        self.known().glances.changes()
    }

    /// Keeps a System whose reading began after so many changes.
    pub(crate) fn remember_glance(&self, changes: u64, pass: &str, configured: Option<&str>, found: &Found) {
        self.known().glances.keep(changes, pass, configured, found);
    }

    pub(crate) fn known_media(&self, system: &str) -> Option<MediaPlaces> {
        self.known().media.get(system).cloned()
    }

    pub(crate) fn remember_media(&self, system: &str, places: MediaPlaces) {
        let mut known = self.known();
        if known.media.len() < SYSTEMS_MAX {
            known.media.insert(system.to_owned(), places);
        }
    }

    fn spawn<F>(&self, job: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.jobs.tracker.spawn_on(job, &self.jobs.runtime)
    }
}

impl Known {
    /// Forgets everything.
    fn forget_all(&mut self) {
        let mut glances = std::mem::take(&mut self.glances);
        glances.change();
        *self = Self { glances, ..Self::default() };
    }

    /// Forgets what was learned about a resource that is gone.
    fn forget(&mut self, path: &str) {
        self.glances.change();
        let gone = |system: &str| canonical(system).eq_ignore_ascii_case(canonical(path));
        self.manager.take_if(|manager| gone(manager));
        self.systems.retain(|_, system| !gone(system));
        self.reset_types.retain(|system, _| !gone(system));
        self.media
            .retain(|system, places| !gone(system) && !places.collections.iter().any(|place| gone(place)));
    }
}

impl Effort {
    fn begin() -> Self {
        Self {
            start: Instant::now(),
            tries: 0,
            connection_failures: 0,
            busy_answers: 0,
            reuse_forgiven: false,
            plain: false,
            last: None,
        }
    }
}

/// Leaves out what some BMCs choke on; `false` when there is nothing to leave out.
fn simplify(outgoing: &mut Outgoing, status: StatusCode) -> bool {
    match status.as_u16() {
        406 if outgoing.method == Method::GET => {
            outgoing.any_encoding = true;
            true
        }
        400 | 415 if outgoing.method == Method::POST && outgoing.body.as_deref() == Some(b"{}") => {
            outgoing.body = None;
            true
        }
        _ => false,
    }
}

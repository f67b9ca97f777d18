//! All BMCs spoken to, and what is known about each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::Rng;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::TransportOptions;
use super::error::{AuthenticationFault, Effort, Result, TransportError};
use super::link::{Job, Link, Mail, OpenJob};
use super::mailbox::{self, Mailbox, Mails, Refused};
use super::rtt::RoundTrip;
use crate::crypto::CipherSuite;
use crate::packet::Discard;
use crate::target::{Endpoint, Target, Version};

/// Most commands that may wait for one BMC.
const MAILBOX_SIZE: usize = 64;

/// Most logins in progress at a time: each costs its BMC real work, and all of them one thread of ours.
const LOGINS_MAX: usize = 256;

/// How long credentials that were refused are not tried again in the background; doubled each time.
const REFUSAL_PAUSE_MIN: Duration = Duration::from_secs(30);

/// Longest of these pauses.
const REFUSAL_PAUSE_MAX: Duration = Duration::from_secs(600);

/// Most BMCs remembered, as a multiple of the sessions allowed.
const MEMORY_FACTOR: usize = 4;

/// The links and what outlives them.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) options: TransportOptions,
    pub(super) discards: Arc<Discards>,
    pub(super) logins: Arc<Semaphore>,
    entries: Mutex<HashMap<Endpoint, Entry>>,
    links: watch::Sender<usize>,
    closing: AtomicBool,
    salt: [u8; 32],
}

/// One BMC.
#[derive(Debug)]
struct Entry {
    /// Leads to its link, while there is one.
    mailbox: Option<Mailbox<Mail>>,
    /// What its last link learned.
    known: Known,
    last_used: Instant,
}

/// What is learned about a BMC and worth keeping between sessions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    /// How fast it answers.
    pub(super) round_trip: RoundTrip,
    /// The cipher suite that worked last.
    pub(super) suite: Option<CipherSuite>,
    /// The credentials that worked last.
    pub(super) proven: Option<Fingerprint>,
    /// When the last login began.
    pub(super) last_login: Option<Instant>,
    /// Until when the BMC is away, resetting itself.
    pub(super) away_until: Option<Instant>,
    /// Credentials the BMC has refused last.
    pub(super) refusal: Option<Refusal>,
}

/// Credentials a BMC has refused, and when they may be tried again without anybody waiting for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal {
    pub(super) fingerprint: Fingerprint,
    pub(super) fault: AuthenticationFault,
    pub(super) pause: Duration,
    pub(super) until: Instant,
}

impl Refusal {
    /// A refusal after `before`: each pause is twice as long as the one before it.
    pub(super) fn new(fingerprint: Fingerprint, fault: AuthenticationFault, before: Option<Self>) -> Self {
        let again = before.filter(|before| before.fingerprint == fingerprint);
        let pause = again.map_or(REFUSAL_PAUSE_MIN, |before| (before.pause * 2).min(REFUSAL_PAUSE_MAX));
        Self { fingerprint, fault, pause, until: Instant::now() + pause }
    }
}

/// Tells credentials apart without holding them: a hash keyed by a number of this process alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 32]);

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}

impl Pool {
    pub(super) fn new(options: TransportOptions) -> Self {
        let mut salt = [0; 32];
        rand::rng().fill_bytes(&mut salt);
        Self {
            options,
            discards: Arc::default(),
            logins: Arc::new(Semaphore::new(LOGINS_MAX)),
            entries: Mutex::default(),
            links: watch::Sender::new(0),
            closing: AtomicBool::new(false),
            salt,
        }
    }

    /// The fingerprint of a target's credentials.
    pub(super) fn fingerprint(&self, target: &Target) -> Fingerprint {
        let credentials = &target.credentials;
        let key = credentials.bmc_key().map_or(&[][..], |key| key.expose());
        let user = credentials.user().as_bytes();
        let password = credentials.password().expose();
        let suite = target.suite.map_or(u8::MAX, CipherSuite::id);
        // All three have at most 20 bytes, so one byte of length separates them without doubt.
        let size = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        let version = match target.version {
            Version::V2_0 => 0x20,
            Version::V1_5 => 0x15,
        };
        let head = [version, credentials.privilege.level(), suite, size(user), size(password), size(key)];
        let digest = CipherSuite::Sha256.hmac(&self.salt, &[&head, user, password, key]);
        Fingerprint(digest.as_bytes().first_chunk().copied().unwrap_or_default())
    }

    /// Hands a job to the link of its BMC, which is started if there is none.
    pub(super) fn submit(self: &Arc<Self>, job: Job) -> Result<()> {
        self.post(job.target.endpoint.clone(), Mail::Job(job))
    }

    /// The same for a session that is to be handed over.
    pub(super) fn submit_open(self: &Arc<Self>, job: OpenJob) -> Result<()> {
        self.post(job.target.endpoint.clone(), Mail::Open(job))
    }

    fn post(self: &Arc<Self>, endpoint: Endpoint, mail: Mail) -> Result<()> {
        let mut entries = self.lock();
        if self.is_closing() {
            return Err(TransportError::Closing(endpoint));
        }
        let now = Instant::now();
        let entry = entries.entry(endpoint.clone()).or_insert_with(|| Entry {
            mailbox: None,
            known: Known::default(),
            last_used: now,
        });
        entry.last_used = now;
        let mut mail = mail;
        if let Some(mailbox) = &entry.mailbox {
            match mailbox.post(mail) {
                Ok(()) => return Ok(()),
                Err(Refused::Full) => {
                    return Err(TransportError::Queued { endpoint, effort: Effort::default() });
                }
                // The link ended without parking, so it panicked; the next one starts afresh.
                Err(Refused::Unread(back)) => mail = back,
            }
        }
        let (mailbox, mails) = mailbox::open(MAILBOX_SIZE);
        // A new mailbox has room.
        mailbox.post(mail).unwrap_or_default();
        entry.mailbox = Some(mailbox);
        let known = entry.known;
        self.links.send_modify(|count| *count += 1);
        tokio::spawn(Box::new(Link::new(Arc::clone(self), endpoint.clone(), mails, known)).run());
        self.make_room(&mut entries, &endpoint);
        Ok(())
    }

    /// Ends a link if nobody has written to it since; its knowledge is kept.
    pub(super) fn park(&self, endpoint: &Endpoint, mails: &Mails<Mail>, known: Known) -> bool {
        let mut entries = self.lock();
        if !mails.is_empty() {
            return false;
        }
        if let Some(entry) = entries.get_mut(endpoint) {
            entry.mailbox = None;
            entry.known = known;
        }
        true
    }

    /// Tells all links to close their sessions and end.
    pub(super) fn shut(&self) {
        let mut entries = self.lock();
        self.closing.store(true, Ordering::Release);
        entries.clear();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// How many links there are.
    pub(super) fn links(&self) -> usize {
        *self.links.borrow()
    }

    pub(super) fn link_ended(&self) {
        self.links.send_modify(|count| *count = count.saturating_sub(1));
    }

    pub(super) async fn all_links_ended(&self) {
        // The sender lives in this pool, so waiting cannot fail.
        self.links.subscribe().wait_for(|count| *count == 0).await.map(drop).unwrap_or_default();
    }

    /// Keeps sessions and memory within their limits; `newest` stays.
    fn make_room(&self, entries: &mut HashMap<Endpoint, Entry>, newest: &Endpoint) {
        let sessions_max = self.options.sessions_max.max(1);
        if sessions_max < *self.links.borrow() {
            let oldest = entries
                .iter()
                .filter(|(endpoint, entry)| *endpoint != newest && entry.mailbox.is_some())
                .min_by_key(|(_, entry)| entry.last_used);
            if let Some(mailbox) = oldest.and_then(|(_, entry)| entry.mailbox.as_ref()) {
                // A full mailbox belongs to a busy link, which is not the one to close.
                mailbox.post(Mail::CloseSession).unwrap_or_default();
            }
        }
        if sessions_max.saturating_mul(MEMORY_FACTOR) < entries.len() {
            entries.retain(|endpoint, entry| entry.mailbox.is_some() || endpoint == newest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Endpoint, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts ignored datagrams by reason.
#[derive(Debug, Default)]
pub(super) struct Discards([AtomicU64; Discard::ALL.len()]);

impl Discards {
    pub(super) fn count(&self, reason: Discard) {
        for (known, counter) in Discard::ALL.iter().zip(&self.0) {
            if *known == reason {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn counts(&self) -> [(Discard, u64); Discard::ALL.len()] {
        let mut counts = Discard::ALL.map(|reason| (reason, 0));
        for ((_, count), counter) in counts.iter_mut().zip(&self.0) {
            *count = counter.load(Ordering::Relaxed);
        }
        counts
    }
}

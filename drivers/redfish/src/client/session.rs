//! Logging in and out.
//!
//! | the BMC | `auto` | `session` |
//! |---|---|---|
//! | makes a session | session | session |
//! | has no sessions (404, 405, 501, no token) | user and password from now on | error |
//! | refuses (401, 403) | user and password if they work, else an error | error |
//! | has no free session | user and password for this operation | busy |
//!
//! One login at a time; the others wait for it and use its token. A refusal is remembered, so that polling
//! does not lock the account. A login runs as a job of its own: when the operation that wanted it is dropped,
//! the token still arrives here, and the session can be deleted later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use farrier_sdk::prelude::warn;
use reqwest::header::{HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, timeout_at};

use super::account::{AuthType, Login};
use super::error::{Asked, Failure, Phase, RedfishError, Result};
use super::message::Messages;
use super::transport::{Answer, Credential, Outgoing, TOKEN};
use super::{Client, Scope};
use crate::resource::root::{Root, SessionService};
use crate::resource::{self, Link};

/// How long a refusal is remembered.
const REFUSAL_TIME: Duration = Duration::from_secs(30);

/// How long a logout may take.
pub(super) const LOGOUT_TIME_MAX: Duration = Duration::from_secs(5);

/// Longest token taken, in bytes.
const TOKEN_SIZE_MAX: usize = 16 * 1024;

/// Messages that mean "no free session".
const SESSION_LIMITS: &[&str] = &["RAC0218", "SessionLimitExceeded", "CreateLimitReachedForResource"];

/// What a client knows about its login.
#[derive(Default)]
pub(super) struct State {
    mode: Mode,
    refused_until: Option<Instant>,
}

impl State {
    /// Starts with a refusal that is still remembered.
    pub(super) fn refused(until: Option<Instant>) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { mode: Mode::default(), refused_until: until }))
    }

    /// Until when nothing is tried.
    pub(super) fn refused_until(&self) -> Option<Instant> {
        self.refused_until.filter(|until| Instant::now() < *until)
    }
}

#[derive(Default)]
enum Mode {
    #[default]
    Undecided,
    Session(Session),
    Basic,
}

impl Mode {
    fn grant(&self, login: &Login) -> Grant {
        match self {
            Self::Session(session) => session.grant(),
            Self::Basic | Self::Undecided => basic(login),
        }
    }
}

struct Session {
    token: HeaderValue,
    uri: Option<String>,
    proven: Arc<AtomicBool>,
}

/// What one request may show to the BMC.
pub(super) struct Grant {
    pub(super) credential: Credential,
    /// Set when the session was used with success; also tells sessions apart.
    proven: Option<Arc<AtomicBool>>,
}

impl Grant {
    fn of(credential: Credential) -> Self {
        Self { credential, proven: None }
    }

    /// Notes that the BMC accepted it.
    fn prove(&self) {
        if let Some(proven) = &self.proven {
            proven.store(true, Ordering::Relaxed);
        }
    }

    fn is_of(&self, session: &Session) -> bool {
        self.proven.as_ref().is_some_and(|proven| Arc::ptr_eq(proven, &session.proven))
    }
}

impl Session {
    fn grant(&self) -> Grant {
        Grant { credential: Credential::Token(self.token.clone()), proven: Some(Arc::clone(&self.proven)) }
    }
}

impl Client {
    /// What the next request may show, logging in first if need be.
    pub(super) async fn authorize(self: &Arc<Self>, scope: &Scope, basic_only: &AtomicBool) -> Result<Grant> {
        let Some(login) = &self.account.login else { return Ok(Grant::of(Credential::None)) };
        let state = self.auth_state(scope).await?;
        self.check_refusal(&state, scope)?;
        if basic_only.load(Ordering::Relaxed) || self.account.auth_type == AuthType::Basic {
            return Ok(basic(login));
        }
        match &state.mode {
            Mode::Session(session) => Ok(session.grant()),
            Mode::Basic => Ok(basic(login)),
            Mode::Undecided => self.log_in(state, scope, basic_only).await,
        }
    }

    /// What a request may show that was answered with 401; an error when there is nothing else to show.
    async fn authorize_again(
        self: &Arc<Self>,
        used: &Grant,
        scope: &Scope,
        basic_only: &AtomicBool,
    ) -> Result<Grant> {
        let mut state = self.auth_state(scope).await?;
        self.check_refusal(&state, scope)?;
        let worked = used.proven.as_ref().is_some_and(|proven| proven.load(Ordering::Relaxed));
        match &state.mode {
            // Somebody else logged in meanwhile.
            Mode::Session(session) if !used.is_of(session) => Ok(session.grant()),
            Mode::Session(_) | Mode::Undecided if worked => {
                state.mode = Mode::Undecided;
                self.log_in(state, scope, basic_only).await
            }
            Mode::Session(_) | Mode::Undecided | Mode::Basic => Err(self.refuse(&mut state, scope)),
        }
    }

    /// What to show instead when an answer is a 401; `None` when it is none.
    pub(super) async fn authorize_after(
        self: &Arc<Self>,
        used: &Grant,
        answer: &Answer,
        outgoing: &Outgoing,
        scope: &Scope,
        basic_only: &AtomicBool,
    ) -> Result<Option<Grant>> {
        if answer.status != StatusCode::UNAUTHORIZED {
            used.prove();
            return Ok(None);
        }
        if matches!(used.credential, Credential::None) {
            return Err(self.final_error(outgoing, answer, scope));
        }
        self.authorize_again(used, scope, basic_only).await.map(Some)
    }

    /// Deletes the session, if there is one; any answer is fine.
    pub(super) async fn log_out(&self) {
        // A login that is still going on brings the session that is to be deleted.
        let mut state = self.auth.lock().await;
        let deadline = Instant::now() + LOGOUT_TIME_MAX;
        let Mode::Session(session) = std::mem::take(&mut state.mode) else { return };
        let Some(path) = session.uri else { return };
        let outgoing = Outgoing::new(Method::DELETE, path);
        let _any = self.exchange(&outgoing, &Credential::Token(session.token), deadline).await;
    }

    /// Until when a refusal is remembered, if there was one.
    pub(super) fn refused_until(&self) -> Option<Instant> {
        self.auth.try_lock().ok().and_then(|state| state.refused_until())
    }

    async fn auth_state(&self, scope: &Scope) -> Result<OwnedMutexGuard<State>> {
        let state = timeout_at(scope.deadline, Arc::clone(&self.auth).lock_owned()).await;
        state.map_err(|_| {
            let asked = self.asked(scope, Method::POST, self.sessions_path());
            let failure = Failure::Connection {
                request: asked.to_string(),
                phase: Phase::Limit,
                reason: "another login went on for too long".to_owned(),
                attempts: 0,
                elapsed: scope.limit,
                outcome_unknown: false,
            };
            RedfishError::new(asked, failure)
        })
    }

    fn check_refusal(&self, state: &State, scope: &Scope) -> Result<()> {
        state.refused_until().map_or(Ok(()), |until| Err(self.refusal(until, scope)))
    }

    fn refuse(&self, state: &mut State, scope: &Scope) -> RedfishError {
        let until = Instant::now() + REFUSAL_TIME;
        state.refused_until = Some(until);
        if matches!(state.mode, Mode::Session(_)) {
            state.mode = Mode::Undecided;
        }
        self.refusal(until, scope)
    }

    fn refusal(&self, until: Instant, scope: &Scope) -> RedfishError {
        let user = self.account.login.as_ref().map(|login| login.user.clone()).unwrap_or_default();
        let retry_in = until.saturating_duration_since(Instant::now());
        let failure = Failure::Authentication { user, origin: self.account.address.to_string(), retry_in };
        RedfishError::new(self.asked(scope, Method::POST, self.sessions_path()), failure)
    }

    /// Logs in as a job that ends even if nobody waits for it.
    async fn log_in(
        self: &Arc<Self>,
        mut state: OwnedMutexGuard<State>,
        scope: &Scope,
        basic_only: &AtomicBool,
    ) -> Result<Grant> {
        let Some(login) = self.account.login.clone() else { return Ok(Grant::of(Credential::None)) };
        let (client, scope) = (Arc::clone(self), *scope);
        let job = self.spawn(async move {
            let mode = client.find_mode(&mut state, &scope).await?;
            let grant = mode.as_ref().map(|mode| mode.grant(&login));
            if let Some(mode) = mode {
                state.mode = mode;
            }
            Ok((grant, login))
        });
        let (grant, login) = match job.await {
            Ok(outcome) => outcome?,
            Err(error) => {
                let asked = self.asked(&scope, Method::POST, self.sessions_path());
                return Err(RedfishError::new(
                    asked,
                    Failure::Failed(format!("the login ended early: {error}")),
                ));
            }
        };
        Ok(grant.unwrap_or_else(|| {
            basic_only.store(true, Ordering::Relaxed);
            basic(&login)
        }))
    }

    /// Tries to get a session; `None` when this operation has to do without one.
    async fn find_mode(self: &Arc<Self>, state: &mut State, scope: &Scope) -> Result<Option<Mode>> {
        let Some(login) = &self.account.login else { return Ok(None) };
        let auto = self.account.auth_type == AuthType::Auto;
        let root = self.root_before_login(scope).await?;
        let path = self.find_sessions(root.as_deref(), scope).await?;
        let body = json!({"UserName": login.user, "Password": login.password.expose()});
        let outgoing =
            Outgoing { body: Some(body.to_string().into_bytes()), ..Outgoing::new(Method::POST, path) };
        let asked = self.asked(scope, Method::POST, &outgoing.path);
        let fail = |failure| Err(RedfishError::new(asked.clone(), failure));
        let answer = match self.deliver(&outgoing, &Credential::None, scope).await {
            // A busy answer that names the session limit was repeated in vain.
            Err(error) => match error.messages().and_then(session_limit) {
                Some(_) if auto => return Ok(None),
                Some(id) => return fail(Failure::SessionLimit { origin: asked.origin.clone(), id }),
                None => return Err(error),
            },
            Ok(answer) => answer,
        };
        let messages = answer.messages();
        match answer.status.as_u16() {
            200..=299 => match self.session(&answer, &asked)? {
                Some(session) => Ok(Some(Mode::Session(session))),
                None if auto => Ok(Some(Mode::Basic)),
                None => fail(Failure::Failed(format!("{asked} gave no token; the BMC has no sessions"))),
            },
            404 | 405 | 501 if auto => Ok(Some(Mode::Basic)),
            404 | 405 | 501 => fail(Failure::Failed(format!(
                "{asked} answered {}; the BMC has no sessions",
                answer.status.as_u16()
            ))),
            _ if session_limit(&messages).is_some() && auto => Ok(None),
            401 | 403 if messages.has("PasswordChangeRequired") => {
                fail(Failure::Denied { request: asked.to_string(), messages })
            }
            401 | 403 if auto => self.try_basic(login, root.as_deref(), state, scope).await.map(Some),
            401 | 403 => Err(self.refuse(state, scope)),
            _ => match session_limit(&messages) {
                Some(id) => fail(Failure::SessionLimit { origin: asked.origin.clone(), id }),
                None => Err(self.status_error(asked, &answer)),
            },
        }
    }

    /// Asks for something protected by user and password.
    async fn try_basic(
        self: &Arc<Self>,
        login: &Login,
        root: Option<&Root>,
        state: &mut State,
        scope: &Scope,
    ) -> Result<Mode> {
        let known = self.known_system();
        let listed =
            root.and_then(|root| root.systems.as_deref()).and_then(|link| self.account.address.link(link));
        let path = known.or(listed).unwrap_or_else(|| format!("{}Systems", self.account.address.prefix()));
        let outgoing = Outgoing::new(Method::GET, path);
        let answer = self.deliver(&outgoing, &basic(login).credential, scope).await?;
        match answer.status {
            StatusCode::UNAUTHORIZED => Err(self.refuse(state, scope)),
            StatusCode::FORBIDDEN if answer.messages().has("PasswordChangeRequired") => {
                let asked = self.asked(scope, Method::GET, &outgoing.path);
                Err(self.status_error(asked, &answer))
            }
            StatusCode::FORBIDDEN => Err(self.refuse(state, scope)),
            _ => Ok(Mode::Basic),
        }
    }

    /// The root, asked for without credentials; `None` from a BMC that wants them even for this.
    async fn root_before_login(self: &Arc<Self>, scope: &Scope) -> Result<Option<Arc<Root>>> {
        if let Some(root) = self.known_root() {
            return Ok(Some(root));
        }
        let outgoing = Outgoing::new(Method::GET, self.account.address.prefix().to_owned());
        let answer = self.deliver(&outgoing, &Credential::None, scope).await?;
        if !answer.status.is_success() {
            return Ok(None);
        }
        let root = resource::read(&answer.body).map_err(|reason| {
            let asked = self.asked(scope, Method::GET, &outgoing.path);
            let request = asked.to_string();
            RedfishError::new(asked, Failure::Unexpected { request, reason })
        })?;
        Ok(Some(self.remember_root(root)))
    }

    async fn find_sessions(self: &Arc<Self>, root: Option<&Root>, scope: &Scope) -> Result<String> {
        let address = &self.account.address;
        if let Some(path) = root.and_then(Root::sessions).and_then(|link| address.link(link)) {
            return Ok(path);
        }
        let service =
            root.and_then(|root| root.session_service.as_deref()).and_then(|link| address.link(link));
        let Some(service) = service else { return Ok(self.sessions_path()) };
        let answer = self.deliver(&Outgoing::new(Method::GET, service), &Credential::None, scope).await?;
        let service: SessionService = resource::read(&answer.body).unwrap_or_default();
        let named =
            service.sessions.filter(|_| answer.status.is_success()).and_then(|link| address.link(&link));
        Ok(named.unwrap_or_else(|| self.sessions_path()))
    }

    fn sessions_path(&self) -> String {
        format!("{}SessionService/Sessions", self.account.address.prefix())
    }

    /// Token and place of a new session; `None` without a token.
    fn session(&self, answer: &Answer, asked: &Asked) -> Result<Option<Session>> {
        let Some(token) = answer.headers.get(TOKEN) else { return Ok(None) };
        let Some(token) = usable_token(token) else {
            let reason = "a token that is too long or has control characters".to_owned();
            let failure = Failure::Unexpected { request: asked.to_string(), reason };
            return Err(RedfishError::new(asked.clone(), failure));
        };
        let uri = location(&answer.headers).and_then(|link| self.account.address.link(link)).or_else(|| {
            let body: Link = resource::read(&answer.body).ok()?;
            self.account.address.link(&body.odata_id?)
        });
        if uri.is_none() {
            warn!(bmc = %self.account.address, "the BMC does not say where the session is; it cannot be deleted");
        }
        Ok(Some(Session { token, uri, proven: Arc::new(AtomicBool::new(false)) }))
    }
}

fn basic(login: &Login) -> Grant {
    Grant::of(Credential::Basic(login.clone()))
}

fn session_limit(messages: &Messages) -> Option<String> {
    SESSION_LIMITS.iter().find(|id| messages.has(id)).map(|id| (*id).to_owned())
}

fn location(headers: &HeaderMap) -> Option<&str> {
    headers.get(LOCATION)?.to_str().ok().filter(|text| !text.is_empty())
}

/// Takes any text without control characters; the token is kept out of all logs.
fn usable_token(token: &HeaderValue) -> Option<HeaderValue> {
    let bytes = token.as_bytes().trim_ascii();
    if bytes.is_empty() || bytes.len() > TOKEN_SIZE_MAX || bytes.iter().any(u8::is_ascii_control) {
        return None;
    }
    let mut token = HeaderValue::from_bytes(bytes).ok()?;
    token.set_sensitive(true);
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_may_hold_spaces_but_no_control_characters() {
        let usable = |text: &[u8]| HeaderValue::from_bytes(text).ok().and_then(|value| usable_token(&value));

        assert!(usable(b" with a space ").is_some());
        assert!(usable(&[b'x'; 8192]).is_some());
        assert!(usable(b"tab\tinside").is_none());
        assert!(usable(b"  ").is_none());
        assert!(usable(&[b'x'; TOKEN_SIZE_MAX + 1]).is_none());
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = usable_token(&HeaderValue::from_static("s3cret")).unwrap();

        assert!(!format!("{token:?}").contains("s3cret"));
    }
}

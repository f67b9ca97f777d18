//! What the host keeps of a device between requests: cookies it set, and answers it may confirm.
//!
//! A driver opens a session by what requests have in common: base address, login, certificates. Opening it again is the
//! same session, so a driver needs to keep nothing. What is kept is apart for each value of the secrets in it: a node
//! whose password is another one has a session of its own.
//!
//! **Invariant:** an answer is never given without asking the device whether it still holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::secret::Secret;
use reqwest::Url;

use super::date;
use super::request::{Answer, Request};

/// Most sessions; beyond it all are begun anew.
const SESSIONS_MAX: usize = 10_000;

/// Most cookies of one session; beyond it a device's new ones are not kept.
const COOKIES_MAX: usize = 50;

/// Longest that a cookie holds, in seconds: 400 days, as browsers have it.
const HOLDS_MAX: u64 = 400 * 86_400;

/// Most bytes of answers that are kept, in all sessions together; beyond it all are asked for anew.
const ANSWERS_SIZE_MAX: usize = 64 * 1024 * 1024;

/// Whose cookies and answers they are: which session, with which secrets.
pub(super) type Whose = (String, u64);

/// The sessions of one plugin.
#[derive(Default)]
pub(super) struct Sessions {
    /// What requests of each have in common, by name.
    opened: HashMap<String, Arc<Request>>,
    /// Their names, by what they have in common.
    names: HashMap<String, String>,
    next: u64,
    kept: HashMap<Whose, Kept>,
    /// Bytes of all answers that are kept.
    size: usize,
}

/// What is kept for one session and its secrets.
#[derive(Default)]
struct Kept {
    cookies: BTreeMap<(String, String), Cookie>,
    answers: HashMap<String, Answer>,
}

struct Cookie {
    value: Secret<String>,
    secure: bool,
    /// When it ends, if it does before its session.
    until: Option<Instant>,
}

/// When an answer came, by our clock and by that of its device.
struct Moment {
    ours: Instant,
    /// Seconds since 1970. Clocks of BMCs are often wrong, and what ends by them ends by them.
    devices: i64,
}

impl Moment {
    fn of(answer: &Answer) -> Self {
        let ours = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let devices = answer.headers.get("date").and_then(|date| date::seconds(date));
        Self {
            ours: Instant::now(),
            devices: devices.unwrap_or_else(|| i64::try_from(ours()).unwrap_or(i64::MAX)),
        }
    }
}

impl Sessions {
    /// The name of the session that is described so.
    pub(super) fn open(&mut self, common: Request) -> String {
        let description = serde_json::to_string(&common).unwrap_or_default();
        if let Some(name) = self.names.get(&description) {
            return name.clone();
        }
        if SESSIONS_MAX <= self.opened.len() {
            *self = Self { next: self.next, ..Self::default() };
        }
        self.next += 1;
        let name = format!("session-{}", self.next);
        self.opened.insert(name.clone(), Arc::new(common));
        self.names.insert(description, name.clone());
        name
    }

    /// What requests of a session have in common.
    ///
    /// # Errors
    ///
    /// `Conflict`: there is none of this name, or no longer; trying again opens it.
    pub(super) fn common(&self, name: &str) -> Result<Arc<Request>, DriverError> {
        self.opened.get(name).cloned().ok_or_else(|| {
            let text = format!("there is no HTTP session `{name}`, it has to be opened again");
            DriverError::new(ErrorKind::Conflict, text).retryable(true)
        })
    }

    /// Headers that go with a request: cookies, and what is known of the answer.
    pub(super) fn headers(&self, whose: &Whose, request: &Request) -> Vec<(&'static str, Secret<String>)> {
        let mut headers = Vec::new();
        let (Some(kept), Ok(url)) = (self.kept.get(whose), Url::parse(&request.url)) else { return headers };
        let cookies: Vec<String> = kept
            .cookies
            .iter()
            .filter(|((_, path), cookie)| {
                is_below(url.path(), path)
                    && (!cookie.secure || url.scheme() == "https")
                    && cookie.until.is_none_or(|until| Instant::now() < until)
            })
            .map(|((name, _), cookie)| format!("{name}={}", cookie.value.expose()))
            .collect();
        if !cookies.is_empty() {
            headers.push(("cookie", Secret::new(cookies.join("; "))));
        }
        let known = answer_key(request).and_then(|key| kept.answers.get(&key)?.headers.get("etag"));
        headers.extend(known.map(|etag| ("if-none-match", Secret::new(etag.clone()))));
        headers
    }

    /// Keeps what an answer says; answers it, or the one that it confirms.
    ///
    /// # Errors
    ///
    /// `Busy`: what it confirms was given up meanwhile; trying again asks for it anew.
    pub(super) fn keep(
        &mut self,
        whose: &Whose,
        request: &Request,
        answer: Answer,
    ) -> Result<Answer, DriverError> {
        let path = Url::parse(&request.url).map(|url| url.path().to_owned()).unwrap_or_default();
        let key = answer_key(request);
        let kept = self.kept.entry(whose.clone()).or_default();
        let moment = Moment::of(&answer);
        for text in &answer.cookies {
            kept.set_cookie(text, &path, &moment);
        }
        let Some(key) = key else { return Ok(answer) };
        if answer.status == 304 {
            return kept.answers.get(&key).cloned().ok_or_else(|| {
                let text = format!("`{}` confirms an answer that is not kept", request.shown());
                DriverError::new(ErrorKind::Busy, text).retryable(true)
            });
        }
        if let Some(old) = kept.answers.remove(&key) {
            self.size = self.size.saturating_sub(old.size());
        }
        if answer.status == 200 && answer.headers.contains_key("etag") {
            if ANSWERS_SIZE_MAX < self.size + answer.size() {
                self.kept.values_mut().for_each(|kept| kept.answers.clear());
                self.size = 0;
            }
            self.size += answer.size();
            self.kept.entry(whose.clone()).or_default().answers.insert(key, answer.clone());
        }
        Ok(answer)
    }
}

impl Kept {
    /// Source: RFC 6265, sections 5.2 and 5.3; there is one host.
    fn set_cookie(&mut self, text: &str, request_path: &str, moment: &Moment) {
        let mut parts = text.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        // The directory of the request, unless the device says another one.
        let directory = request_path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let mut path = if directory.is_empty() { "/" } else { directory }.to_owned();
        // Seconds that it holds, by either attribute.
        let (mut secure, mut max_age, mut expires) = (false, None, None);
        for part in parts {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            match attribute.trim().to_ascii_lowercase().as_str() {
                "path" if value.starts_with('/') => value.trim().clone_into(&mut path),
                "secure" => secure = true,
                "max-age" => max_age = value.trim().parse::<i64>().ok(),
                "expires" => expires = date::seconds(value).map(|end| end.saturating_sub(moment.devices)),
                _ => {}
            }
        }
        let holds = max_age.or(expires).map(|seconds| u64::try_from(seconds).unwrap_or(0));
        let until = holds.map(|seconds| moment.ours + Duration::from_secs(seconds.min(HOLDS_MAX)));
        let key = (name.trim().to_owned(), path);
        self.cookies.retain(|_, cookie| cookie.until.is_none_or(|until| moment.ours < until));
        if holds == Some(0) {
            self.cookies.remove(&key);
        } else if self.cookies.len() < COOKIES_MAX || self.cookies.contains_key(&key) {
            self.cookies.insert(key, Cookie { value: Secret::new(value.trim().to_owned()), secure, until });
        }
    }
}

/// The value of the cookie `name` that an answer sets.
pub(super) fn cookie(answer: &Answer, name: &str) -> Option<String> {
    let found = answer
        .cookies
        .iter()
        .find(|text| text.split('=').next().is_some_and(|found| found.trim() == name))?;
    cookie_value(found).map(str::to_owned)
}

/// The value that `Set-Cookie` gives.
pub(super) fn cookie_value(text: &str) -> Option<&str> {
    text.split(';').next()?.split_once('=').map(|(_, value)| value.trim())
}

/// Source: RFC 6265, section 5.1.4.
fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || directory.ends_with('/') || rest.starts_with('/'))
}

/// By what an answer is found again; none for requests whose answers are not kept.
fn answer_key(request: &Request) -> Option<String> {
    let own = request.headers.keys().any(|name| name.to_ascii_lowercase().starts_with("if-"));
    if request.method != "GET"
        || own
        || request.json.is_some()
        || request.form.is_some()
        || request.text.is_some()
    {
        return None;
    }
    serde_json::to_string(&(&request.url, &request.query, &request.headers)).ok()
}

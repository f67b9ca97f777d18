//! Who may ask: everybody, or users of a file with bcrypt hashes.
//!
//! A hash is slow to check by design, so that a right answer is remembered until the file changes, and only a few
//! are checked at once: whoever guesses waits.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use farrier_api::error::AuthFault;
use farrier_sdk::secret::Secret;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tracing::{error, info};
use uuid::Uuid;

use crate::config::{ApiConfig, AuthStrategy};

/// What clients show who ask for a password.
pub(super) const CHALLENGE: &str = "Basic realm=\"Baremetal API\"";

/// How many passwords are checked at once; each takes a processor for tens of milliseconds.
const CHECKS_MAX: usize = 2;

/// The largest file of users that is read: some tens of thousands of them.
const FILE_SIZE_MAX: u64 = 4 * 1024 * 1024;

/// Checked in the place of the hash of a user who does not exist, so that time does not tell who does.
const NOBODY: &str = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

/// Paths below which nobody has to say who he is: discovery, and what the deploy agent calls.
const PUBLIC: &[&str] = &["/v1/lookup", "/v1/heartbeat", "/v1/continue_inspection"];

/// Decides who may ask.
#[derive(Debug, Clone)]
pub(crate) enum Auth {
    /// Everybody.
    None,
    /// The users of a file.
    Basic(Arc<Basic>),
}

/// The users of a file.
pub(crate) struct Basic {
    file: PathBuf,
    users: Mutex<Users>,
    checks: Semaphore,
    /// Keeps what is remembered of right passwords of use to this process alone.
    salt: [u8; 16],
}

/// What is known of the users.
#[derive(Default)]
struct Users {
    /// The file as it was read.
    stamp: Option<Stamp>,
    hashes: BTreeMap<String, String>,
    /// What the last right password of each user hashes to, cheaply.
    verified: BTreeMap<String, [u8; 32]>,
}

/// What tells that a file has changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basic").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The configuration asks for users who cannot be known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthError {
    /// No file is named.
    #[error("`http_basic_auth_user_file` is not set, which `auth_strategy = \"http_basic\"` needs")]
    NoFile,
    /// The file cannot be read.
    #[error("the users in `{}` can not be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Auth {
    /// What the configuration asks for.
    ///
    /// # Errors
    ///
    /// [`AuthError`]: the file of users is missing or cannot be read.
    pub(crate) fn new(config: &ApiConfig) -> Result<Self, AuthError> {
        match config.auth_strategy {
            AuthStrategy::Noauth => Ok(Self::None),
            AuthStrategy::HttpBasic => {
                let file = config.http_basic_auth_user_file.clone().ok_or(AuthError::NoFile)?;
                let basic = Basic::new(file);
                basic
                    .refresh()
                    .map_err(|source| AuthError::Unreadable { path: basic.file.clone(), source })?;
                Ok(Self::Basic(Arc::new(basic)))
            }
        }
    }

    /// The user who sends a request; none where nobody has to say.
    ///
    /// # Errors
    ///
    /// - 401: no credentials, or wrong ones.
    /// - 400: credentials that cannot be read.
    pub(super) async fn user(&self, path: &str, headers: &HeaderMap) -> Result<Option<String>, AuthFault> {
        match self {
            Self::None => Ok(None),
            Self::Basic(_) if is_public(path) => Ok(None),
            Self::Basic(basic) => {
                let (name, password) = credentials(headers)?;
                basic.check(name, password).await.map(Some)
            }
        }
    }
}

impl Basic {
    fn new(file: PathBuf) -> Self {
        let salt = Uuid::new_v4().into_bytes();
        Self { file, users: Mutex::default(), checks: Semaphore::new(CHECKS_MAX), salt }
    }

    /// Checks a password; the name of its user.
    async fn check(self: &Arc<Self>, name: String, password: Secret<String>) -> Result<String, AuthFault> {
        if let Err(error) = self.refresh() {
            // Nobody can be known any more; what was remembered may be what somebody wants to take back.
            error!(path = %self.file.display(), %error, "the file of users can not be read");
            return Err(unauthorized(WRONG));
        }
        let digest = self.digest(&name, &password);
        let hash = {
            let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            if users.verified.get(&name) == Some(&digest) {
                return Ok(name);
            }
            users.hashes.get(&name).cloned()
        };
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
        let Ok(_permit) = self.checks.acquire().await else { return Err(unauthorized(WRONG)) };
        let checked = tokio::task::spawn_blocking(move || bcrypt::verify(password.expose(), &hash)).await;
        if !known || !matches!(checked, Ok(Ok(true))) {
            info!(user = name, "wrong credentials");
            return Err(unauthorized(WRONG));
        }
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.verified.insert(name.clone(), digest);
        Ok(name)
    }

    fn digest(&self, name: &str, password: &Secret<String>) -> [u8; 32] {
        let mut digest = Sha256::new();
        for part in [self.salt.as_slice(), name.as_bytes(), password.expose().as_bytes()] {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    /// Reads the file again if it has changed.
    fn refresh(&self) -> io::Result<()> {
        let metadata = fs::metadata(&self.file)?;
        let stamp = Stamp { modified: metadata.modified().ok(), size: metadata.len() };
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.stamp == Some(stamp) {
            return Ok(());
        }
        *users = Users { stamp: Some(stamp), hashes: read(&self.file, stamp.size)?, ..Users::default() };
        info!(path = %self.file.display(), users = users.hashes.len(), "users are read");
        Ok(())
    }
}

/// The hashes of a file by user: lines of `user:hash`; what is no such line is left out.
fn read(file: &Path, size: u64) -> io::Result<BTreeMap<String, String>> {
    if FILE_SIZE_MAX < size {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
    }
    let text = fs::read_to_string(file)?;
    let users = text.lines().filter_map(|line| line.trim().split_once(':'));
    let users = users.filter(|(name, hash)| !name.is_empty() && hash.starts_with("$2"));
    Ok(users.map(|(name, hash)| (name.to_owned(), hash.trim().to_owned())).collect())
}

/// Whether a path, without slashes at its end, may be asked for by anybody.
fn is_public(path: &str) -> bool {
    let below = |public: &&str| {
        path.strip_prefix(*public).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    matches!(path, "/" | "/v1") || PUBLIC.iter().any(below)
}

const WRONG: &str = "Incorrect username or password";

fn unauthorized(message: &str) -> AuthFault {
    AuthFault { message: message.to_owned(), code: 401 }
}

fn malformed(message: impl Into<String>) -> AuthFault {
    AuthFault { message: message.into(), code: 400 }
}

/// The credentials in a request.
fn credentials(headers: &HeaderMap) -> Result<(String, Secret<String>), AuthFault> {
    let Some(header) = headers.get(AUTHORIZATION) else { return Err(unauthorized("Authorization required")) };
    let text = header.to_str().map_err(|_| malformed("Could not parse Authorization header"))?;
    let Some((scheme, token)) = text.trim().split_once(char::is_whitespace) else {
        return Err(malformed("Could not parse Authorization header"));
    };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed(format!("Unsupported authorization type \"{scheme}\"")));
    }
    let decoded = STANDARD.decode(token.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
    let Some((name, password)) = pair else {
        return Err(malformed("Could not decode authorization token"));
    };
    Ok((name.to_owned(), Secret::new(password.to_owned())))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use axum::http::HeaderValue;

    use super::*;

    /// `user` with the password `secret`, at the lowest cost there is.
    fn line(user: &str) -> String {
        format!("{user}:{}\n", bcrypt::hash("secret", 4).unwrap())
    }

    fn basic(text: &str) -> (tempfile::NamedTempFile, Auth) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let config = ApiConfig {
            auth_strategy: AuthStrategy::HttpBasic,
            http_basic_auth_user_file: Some(file.path().to_owned()),
            ..ApiConfig::default()
        };
        let auth = Auth::new(&config).unwrap();
        (file, auth)
    }

    fn with(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
    }

    fn token(pair: &str) -> HeaderMap {
        with(&format!("Basic {}", STANDARD.encode(pair)))
    }

    async fn asked(auth: &Auth, headers: HeaderMap) -> String {
        match auth.user("/v1/nodes", &headers).await {
            Ok(user) => user.unwrap_or_default(),
            Err(fault) => format!("{} {}", fault.code, fault.message),
        }
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_will_do() {
        let (_file, auth) = basic(&format!("# users\n{}broken\n", line("alice")));

        let answers = [
            asked(&auth, token("alice:secret")).await,
            asked(&auth, token("alice:secret")).await,
            asked(&auth, token("alice:wrong")).await,
            asked(&auth, token("bob:secret")).await,
            asked(&auth, token("alice")).await,
            asked(&auth, with("Basic !!!")).await,
            asked(&auth, with("Bearer abc")).await,
            asked(&auth, with("Basic")).await,
            asked(&auth, HeaderMap::new()).await,
        ];

        insta::assert_snapshot!(answers.join("\n"), @r#"
        alice
        alice
        401 Incorrect username or password
        401 Incorrect username or password
        400 Could not decode authorization token
        400 Could not decode authorization token
        400 Unsupported authorization type "Bearer"
        400 Could not parse Authorization header
        401 Authorization required
        "#);
    }

    #[tokio::test]
    async fn a_right_password_is_checked_once_until_the_file_changes() {
        let (mut file, auth) = basic(&line("alice"));
        let Auth::Basic(basic) = &auth else { panic!("{auth:?}") };
        let remembered = || basic.users.lock().unwrap().verified.len();
        assert_eq!(asked(&auth, token("alice:secret")).await, "alice");
        assert_eq!(remembered(), 1);

        file.write_all(line("bob").as_bytes()).unwrap();

        assert_eq!(asked(&auth, token("bob:secret")).await, "bob");
        assert_eq!(remembered(), 1, "only bob, who asked since");
        file.as_file_mut().set_len(0).unwrap();
        assert_eq!(asked(&auth, token("bob:secret")).await, "401 Incorrect username or password");
    }

    #[tokio::test]
    async fn discovery_and_the_agent_s_paths_are_for_everybody() {
        let (_file, auth) = basic("");
        for path in ["/", "/v1", "/v1/lookup", "/v1/heartbeat/n1", "/v1/continue_inspection"] {
            assert_eq!(auth.user(path, &HeaderMap::new()).await, Ok(None), "{path}");
        }
        for path in ["/v1/nodes", "/v1/lookups", "/v1/heartbeats/n1", "/v2", "/v1/nodes/v1/lookup"] {
            assert_eq!(auth.user(path, &HeaderMap::new()).await.unwrap_err().code, 401, "{path}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_said_at_the_start() {
        let config = ApiConfig { auth_strategy: AuthStrategy::HttpBasic, ..ApiConfig::default() };
        assert!(matches!(Auth::new(&config), Err(AuthError::NoFile)));

        let missing = ApiConfig { http_basic_auth_user_file: Some("/nonexistent/users".into()), ..config };
        let error = Auth::new(&missing).unwrap_err().to_string();

        assert_eq!(error, "the users in `/nonexistent/users` can not be read");
    }

    #[test]
    fn nothing_shows_a_password() {
        let (_file, auth) = basic(&line("alice"));

        assert!(!format!("{auth:?}").contains("$2"));
    }
}

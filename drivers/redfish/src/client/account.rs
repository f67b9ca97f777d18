//! Who speaks to which BMC, and how patiently.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use farrier_sdk::secret::Secret;

use super::address::Address;
use super::tls::{Ciphers, TlsVersion, Verify};
use super::transport::Patience;

/// How to log in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum AuthType {
    /// With a session; by user and password where there are none.
    #[default]
    Auto,
    /// With a session.
    Session,
    /// By user and password with every request.
    Basic,
}

impl AuthType {
    /// Reads a name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "auto" => Some(Self::Auto),
            "session" => Some(Self::Session),
            "basic" => Some(Self::Basic),
            _ => None,
        }
    }
}

/// Name and password of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Name.
    pub user: String,
    /// Password; may be empty.
    pub password: Secret<String>,
}

/// An account on a BMC: two nodes with equal accounts share a client, any difference makes another one.
///
/// The password is compared as it is. A hash table of accounts hashes it with a key of the process.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Where the BMC is.
    pub address: Address,
    /// Whom to believe that it is the BMC.
    pub verify: Verify,
    /// Oldest TLS version offered.
    pub tls_oldest: TlsVersion,
    /// Ciphers offered, if not all.
    pub ciphers: Option<Ciphers>,
    /// How to log in.
    pub auth_type: AuthType,
    /// Who logs in; nobody on a BMC without accounts.
    pub login: Option<Login>,
}

impl Hash for Account {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.address, &self.verify, self.tls_oldest, &self.ciphers, self.auth_type).hash(state);
        if let Some(login) = &self.login {
            (&login.user, login.password.expose()).hash(state);
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.login.as_ref().map(|login| &login.user);
        write!(f, "Account({} as {user:?}, {:?}, {:?})", self.address, self.verify, self.auth_type)
    }
}

/// How patient clients are; the same for all BMCs.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// For one request.
    pub patience: Patience,
    /// How often an unreachable BMC is tried.
    pub connection_attempts: u32,
    /// Pause between such tries.
    pub connection_retry_interval: Duration,
    /// How often a busy BMC is asked.
    pub server_error_attempts: u32,
    /// First pause between such questions; it doubles up to eight times itself.
    pub server_error_delay: Duration,
    /// Reads in flight to one BMC.
    pub requests_max: u32,
    /// First pause between two looks at a state or a task that changes.
    pub poll_interval: Duration,
    /// Clients kept.
    pub clients_max: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_shows_no_password() {
        let account = Account {
            address: Address::parse("https://bmc1").unwrap(),
            verify: Verify::System,
            tls_oldest: TlsVersion::default(),
            ciphers: None,
            auth_type: AuthType::Auto,
            login: Some(Login { user: "root".to_owned(), password: Secret::new("calvin".to_owned()) }),
        };

        let shown = format!("{account:?} {:?}", account.login);

        assert!(shown.contains("root") && !shown.contains("calvin"), "{shown}");
    }
}

//! Which BMC to speak to, and as whom.

use std::fmt;

use farrier_sdk::secret::Secret;

use crate::crypto::CipherSuite;

/// Longest user name of IPMI, in bytes.
pub const USER_SIZE_MAX: usize = 16;

/// Longest password and BMC key of IPMI 2.0, in bytes.
pub const KEY_SIZE_MAX: usize = 20;

/// Longest password of IPMI 1.5, in bytes.
pub const OLD_PASSWORD_SIZE_MAX: usize = 16;

/// A BMC and the credentials for it.
#[derive(Debug)]
pub struct Target {
    /// Where the BMC listens.
    pub endpoint: Endpoint,
    /// Who we are.
    pub credentials: Credentials,
    /// The only cipher suite to use; `None` lets the transport choose.
    pub suite: Option<CipherSuite>,
    /// The version of the protocol.
    pub version: Version,
    /// The way to a controller behind the BMC, which is meant then.
    pub route: Option<Route>,
}

impl Target {
    /// A BMC spoken to by RMCP+, with the best cipher suite that works.
    #[must_use]
    pub fn new(endpoint: Endpoint, credentials: Credentials) -> Self {
        Self { endpoint, credentials, suite: None, version: Version::V2_0, route: None }
    }
}

/// Version of the protocol between us and a BMC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Version {
    /// RMCP+.
    #[default]
    V2_0,
    /// The older one: passwords are checked by MD5, and nothing is hidden.
    V1_5,
}

/// The way to a controller behind a BMC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    /// Our address on the bus between controllers.
    pub local_address: u8,
    /// The last hop.
    pub target: Hop,
    /// The controller in between, if there is one.
    pub transit: Option<Hop>,
}

/// One step of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hop {
    /// Channel of the controller that sends the message on.
    pub channel: u8,
    /// Address of the one that gets it.
    pub address: u8,
}

/// Where a BMC listens: an address or host name, and a UDP port.
///
/// Two BMCs behind one address differ by their port, so sessions and pace belong to the pair.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// IP address or host name, as configured.
    pub host: String,
    /// UDP port.
    pub port: u16,
}

/// Prints `host:port`, an IPv6 address in brackets.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// User, secrets and level of a login.
#[derive(Debug)]
pub struct Credentials {
    user: String,
    password: Secret<Vec<u8>>,
    bmc_key: Option<Secret<Vec<u8>>>,
    /// The level the session is to have.
    pub privilege: Privilege,
}

impl Credentials {
    /// Checks the sizes the protocol allows; see [`CredentialsError`].
    ///
    /// A `bmc_key` (K_g) of zeros alone is none.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] names what is too long. Nothing is ever cut: a BMC would refuse the remainder in
    /// ways nobody understands.
    pub fn new(
        user: String,
        password: Secret<Vec<u8>>,
        bmc_key: Option<Secret<Vec<u8>>>,
        privilege: Privilege,
    ) -> Result<Self, CredentialsError> {
        if user.len() > USER_SIZE_MAX {
            return Err(CredentialsError::UserTooLong(user.len()));
        }
        if user.contains('\0') {
            return Err(CredentialsError::UserWithNul);
        }
        if password.expose().len() > KEY_SIZE_MAX {
            return Err(CredentialsError::PasswordTooLong);
        }
        let bmc_key = bmc_key.filter(|key| key.expose().iter().any(|byte| *byte != 0));
        if bmc_key.as_ref().is_some_and(|key| key.expose().len() > KEY_SIZE_MAX) {
            return Err(CredentialsError::BmcKeyTooLong);
        }
        Ok(Self { user, password, bmc_key, privilege })
    }

    /// User name; empty for the NULL user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The user's password.
    #[must_use]
    pub fn password(&self) -> &Secret<Vec<u8>> {
        &self.password
    }

    /// The key of the BMC (K_g), if it has one of its own.
    #[must_use]
    pub fn bmc_key(&self) -> Option<&Secret<Vec<u8>>> {
        self.bmc_key.as_ref()
    }

    /// The key that session keys are derived from: K_g, or the password where there is none.
    #[must_use]
    pub fn derivation_key(&self) -> &Secret<Vec<u8>> {
        self.bmc_key.as_ref().unwrap_or(&self.password)
    }
}

/// What is wrong with credentials. Never holds a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The user name has more than [`USER_SIZE_MAX`] bytes.
    #[error("user name has {0} bytes, at most {USER_SIZE_MAX} are allowed")]
    UserTooLong(usize),
    /// The user name contains a NUL, which ends it for some BMCs.
    #[error("user name contains a NUL")]
    UserWithNul,
    /// The password has more than [`KEY_SIZE_MAX`] bytes.
    #[error("password is longer than the {KEY_SIZE_MAX} bytes of IPMI 2.0")]
    PasswordTooLong,
    /// The BMC key has more than [`KEY_SIZE_MAX`] bytes.
    #[error("BMC key is longer than the {KEY_SIZE_MAX} bytes of IPMI 2.0")]
    BmcKeyTooLong,
}

/// How much a session may do.
///
/// Source: IPMI 2.0, section 6.8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Privilege {
    /// May start a callback, nothing else.
    Callback,
    /// May read.
    User,
    /// May also change power and boot device.
    Operator,
    /// May do everything.
    #[default]
    Administrator,
}

impl Privilege {
    /// All levels, highest first.
    pub const ALL: [Self; 4] = [Self::Administrator, Self::Operator, Self::User, Self::Callback];

    /// The number on the wire.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::Callback => 1,
            Self::User => 2,
            Self::Operator => 3,
            Self::Administrator => 4,
        }
    }

    /// The name in `driver_info`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Callback => "CALLBACK",
            Self::User => "USER",
            Self::Operator => "OPERATOR",
            Self::Administrator => "ADMINISTRATOR",
        }
    }

    /// The level of a name in `driver_info`, upper case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(user: &str, password: &str, key: &[u8]) -> Result<Credentials, CredentialsError> {
        let key = (!key.is_empty()).then(|| Secret::new(key.to_vec()));
        Credentials::new(user.into(), Secret::new(password.into()), key, Privilege::default())
    }

    #[test]
    fn nothing_too_long_is_cut() {
        assert!(credentials("sixteen-bytes-16", "twenty-bytes-of-pw20", &[1; 20]).is_ok());
        assert_eq!(credentials("seventeen-bytes17", "", &[]).unwrap_err(), CredentialsError::UserTooLong(17));
        assert_eq!(
            credentials("", "twentyone-bytes-of-21", &[]).unwrap_err(),
            CredentialsError::PasswordTooLong
        );
        assert_eq!(credentials("", "", &[1; 21]).unwrap_err(), CredentialsError::BmcKeyTooLong);
        assert_eq!(credentials("a\0b", "", &[]).unwrap_err(), CredentialsError::UserWithNul);
    }

    #[test]
    fn a_key_of_zeros_is_no_key() {
        let zero = credentials("", "pw", &[0; 20]).unwrap();
        let real = credentials("", "pw", &[0, 1]).unwrap();

        assert_eq!(zero.derivation_key().expose(), b"pw");
        assert_eq!(real.derivation_key().expose(), &[0, 1]);
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", credentials("admin", "hunter2", b"kgkey").unwrap());

        assert!(shown.contains("admin") && !shown.contains("hunter2") && !shown.contains("kgkey"), "{shown}");
    }

    #[test]
    fn endpoints_print_ipv6_in_brackets() {
        assert_eq!(Endpoint { host: "::1".into(), port: 623 }.to_string(), "[::1]:623");
        assert_eq!(Endpoint { host: "bmc7".into(), port: 6230 }.to_string(), "bmc7:6230");
    }
}

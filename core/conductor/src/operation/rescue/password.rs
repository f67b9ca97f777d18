//! Hashes of passwords as `/etc/shadow` has them.

use farrier_sdk::secret::Secret;
use serde::{Deserialize, Serialize};
use sha_crypt::{PasswordHasher, ShaCrypt};
use uuid::Uuid;

use crate::error::ConductorError;

/// How many bytes of salt a hash gets; they become the 16 letters that the format has room for.
const SALT_SIZE: usize = 12;

/// How the password of the rescue system is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RescueHash {
    /// `$5$`
    #[default]
    Sha256,
    /// `$6$`
    Sha512,
}

/// Hashes `password` with a salt of its own.
///
/// Source: Unix crypt using SHA-256 and SHA-512, version 0.6.
///
/// # Errors
///
/// [`ConductorError::InvalidParameter`], which a password that a client can send does not meet.
pub(super) fn hash(password: &Secret<String>, algorithm: RescueHash) -> Result<String, ConductorError> {
    let hasher = match algorithm {
        RescueHash::Sha256 => ShaCrypt::SHA256,
        RescueHash::Sha512 => ShaCrypt::SHA512,
    };
    let random = Uuid::new_v4();
    let salt = random.as_bytes().get(..SALT_SIZE).unwrap_or_default();
    let hashed = hasher.hash_password_with_salt(password.expose().as_bytes(), salt);
    hashed
        .map(|hashed| hashed.as_str().to_owned())
        .map_err(|_| ConductorError::invalid_parameter("`rescue_password` can not be hashed"))
}

#[cfg(test)]
mod tests {
    use sha_crypt::{PasswordHash, PasswordVerifier};

    use super::*;

    fn password() -> Secret<String> {
        Secret::new("correct horse".to_owned())
    }

    #[test]
    fn a_hash_names_its_algorithm_and_fits_its_password_only() {
        for (algorithm, prefix) in [(RescueHash::Sha256, "$5$"), (RescueHash::Sha512, "$6$")] {
            let hashed = hash(&password(), algorithm).unwrap();

            assert!(hashed.starts_with(prefix), "{hashed}");
            assert!(!hashed.contains("horse"), "{hashed}");
            let parsed = PasswordHash::new(&hashed).unwrap();
            ShaCrypt::default().verify_password(b"correct horse", &parsed).unwrap();
            ShaCrypt::default().verify_password(b"battery staple", &parsed).unwrap_err();
        }
    }

    #[test]
    fn two_hashes_of_one_password_differ() {
        assert_ne!(
            hash(&password(), RescueHash::Sha256).unwrap(),
            hash(&password(), RescueHash::Sha256).unwrap()
        );
    }
}

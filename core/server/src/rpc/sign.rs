//! Making sure that calls and answers come from a conductor.
//!
//! A call is signed with the shared secret over its body, the conductor it is for, the time and a random number; the
//! answer over its body and that number. A call is accepted once, and only for a short time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use farrier_sdk::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How far the clocks of two conductors may be apart, and how long a call may be on its way.
pub(super) const AGE_MAX: Duration = Duration::from_secs(60);

/// The shortest secret: 128 bits as hex.
const SECRET_LENGTH_MIN: usize = 32;

/// How many calls may be remembered; more within their time are an attack, or need another transport.
const SEEN_MAX: usize = 1_000_000;

/// The name of the scheme, part of all that is signed.
const SCHEME: &str = "farrier-rpc-1";

/// The secret that conductors share.
pub(crate) struct Key(Hmac<Sha256>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// The configuration names no secret that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// None at all.
    #[error(
        "`secret` in table `[json_rpc]` is not set, which `rpc_transport = \"json-rpc\"` needs: any text of at least \
         {SECRET_LENGTH_MIN} characters, the same on all conductors"
    )]
    Missing,
    /// It could be guessed.
    #[error("`secret` in table `[json_rpc]` has {0} characters, at least {SECRET_LENGTH_MIN} are needed")]
    Short(usize),
}

/// What a signature of a call is about, besides its body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope<'a> {
    /// The name of the conductor it is for.
    pub(super) to: &'a str,
    /// Seconds since 1970.
    pub(super) time: u64,
    /// A random number, as text.
    pub(super) nonce: &'a str,
}

impl Key {
    /// The key made of a secret.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub(crate) fn new(secret: Option<&Secret<String>>) -> Result<Self, KeyError> {
        let secret = secret.ok_or(KeyError::Missing)?.expose();
        let length = secret.chars().count();
        if length < SECRET_LENGTH_MIN {
            return Err(KeyError::Short(length));
        }
        // A key of any length will do.
        Hmac::new_from_slice(secret.as_bytes()).map(Self).map_err(|_| KeyError::Missing)
    }

    fn call_mac(&self, envelope: Envelope<'_>, body: &[u8]) -> Hmac<Sha256> {
        let Envelope { to, time, nonce } = envelope;
        self.mac(&format!("{SCHEME}\ncall\n{to}\n{time}\n{nonce}\n"), body)
    }

    fn answer_mac(&self, nonce: &str, body: &[u8]) -> Hmac<Sha256> {
        self.mac(&format!("{SCHEME}\nanswer\n{nonce}\n"), body)
    }

    fn mac(&self, head: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(head.as_bytes());
        mac.update(body);
        mac
    }

    /// The signature of a call.
    pub(super) fn sign_call(&self, envelope: Envelope<'_>, body: &[u8]) -> String {
        hex(&self.call_mac(envelope, body).finalize().into_bytes())
    }

    /// Whether a call has this signature.
    pub(super) fn is_call(&self, envelope: Envelope<'_>, body: &[u8], signature: &str) -> bool {
        bytes(signature).is_some_and(|tag| self.call_mac(envelope, body).verify_slice(&tag).is_ok())
    }

    /// The signature of the answer to the call with this number.
    pub(super) fn sign_answer(&self, nonce: &str, body: &[u8]) -> String {
        hex(&self.answer_mac(nonce, body).finalize().into_bytes())
    }

    /// Whether the answer to the call with this number has this signature.
    pub(super) fn is_answer(&self, nonce: &str, body: &[u8], signature: &str) -> bool {
        bytes(signature).is_some_and(|tag| self.answer_mac(nonce, body).verify_slice(&tag).is_ok())
    }
}

/// The time now, in seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Calls that were accepted and could still be repeated.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<String, u64>>);

impl Seen {
    /// Whether a call of `time` is young, and the first one with its number.
    pub(super) fn is_first(&self, nonce: &str, time: u64, now: u64) -> bool {
        let age_max = AGE_MAX.as_secs();
        if age_max < now.abs_diff(time) {
            return false;
        }
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if SEEN_MAX / 2 < seen.len() {
            seen.retain(|_, time| now.abs_diff(*time) <= age_max);
        }
        seen.len() < SEEN_MAX && seen.insert(nonce.to_owned(), time).is_none()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> Key {
        Key::new(Some(&Secret::new(secret.to_owned()))).unwrap()
    }

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_signature_is_good_for_its_body_receiver_time_number_and_key_only() {
        let envelope = Envelope { to: "host-1", time: 7, nonce: "n" };
        let signature = key(SECRET).sign_call(envelope, b"body");

        assert!(key(SECRET).is_call(envelope, b"body", &signature));
        let other_key = key("another secret that is long enough");
        assert!(!other_key.is_call(envelope, b"body", &signature));
        assert!(!key(SECRET).is_call(envelope, b"other", &signature));
        for other in [
            Envelope { to: "host-2", ..envelope },
            Envelope { time: 8, ..envelope },
            Envelope { nonce: "m", ..envelope },
        ] {
            assert!(!key(SECRET).is_call(other, b"body", &signature), "{other:?}");
        }
    }

    #[test]
    fn a_call_is_no_answer_and_garbage_is_neither() {
        let envelope = Envelope { to: "", time: 0, nonce: "n" };
        let call = key(SECRET).sign_call(envelope, b"body");

        assert!(!key(SECRET).is_answer("n", b"body", &call));
        for garbage in ["", "zz", "0", "ü", call.get(2..).unwrap()] {
            assert!(!key(SECRET).is_call(envelope, b"body", garbage), "{garbage}");
        }
    }

    #[test]
    fn a_call_is_accepted_once_and_while_it_is_young() {
        let (seen, now) = (Seen::default(), 1_000_000);

        assert!(seen.is_first("a", now, now));
        assert!(!seen.is_first("a", now, now));
        assert!(seen.is_first("b", now - 60, now));
        assert!(!seen.is_first("c", now - 61, now));
        assert!(!seen.is_first("d", now + 61, now));
    }

    #[test]
    fn a_secret_that_is_missing_or_short_is_refused() {
        assert!(matches!(Key::new(None), Err(KeyError::Missing)));
        assert!(matches!(Key::new(Some(&Secret::new("short".to_owned()))), Err(KeyError::Short(5))));
    }
}

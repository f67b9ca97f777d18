//! Signed reports: the certificate of a plugin.
//!
//! Signed are the members of the JSON report but `signature`, in a form that does not depend on how they are laid out:
//! names sorted by their bytes, no space between anything, numbers as they are (RFC 8785, but for numbers beyond 2^53).
//! A line of its own, `farrier-conformance report 1`, stands before them, so that nothing else that was signed with the key is taken for a report.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use farrier_loader::Sha256;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::report::Report;

/// What stands before a report when it is signed.
const CONTEXT: &str = "farrier-conformance report 1\n";

/// The only algorithm there is.
const ALGORITHM: &str = "ed25519";

/// The beginning of every public key for ed25519 in its usual form; 32 bytes follow.
///
/// Source: RFC 8410, section 4.
const PUBLIC_KEY_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Who vouches for a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// `ed25519`.
    pub algorithm: String,
    /// SHA-256 of the public key in its usual form (DER), by which keys are told apart.
    pub key: String,
    /// The signature in base64.
    pub value: String,
}

/// A report could not be signed, or is not what was signed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CertificateError {
    /// A key is not one.
    #[error("the {which} key is not one for ed25519 in PEM: {why}")]
    Key {
        /// `private` or `public`.
        which: &'static str,
        /// Why.
        why: String,
    },
    /// What is to be verified is no report.
    #[error("this is no report: {why}")]
    NoReport {
        /// Why.
        why: String,
    },
    /// A report of a part of the checks certifies nothing.
    #[error("a report of a part of the checks is no certificate: run it without a filter")]
    Part,
    /// Nobody signed it.
    #[error("the report is not signed")]
    Unsigned,
    /// It was signed in a way that is not known.
    #[error("the report is signed by `{algorithm}`, which is not known")]
    Algorithm {
        /// The way.
        algorithm: String,
    },
    /// Somebody else signed it.
    #[error("the report is signed by another key: {signed} instead of {expected}")]
    OtherKey {
        /// SHA-256 of the key that signed.
        signed: String,
        /// SHA-256 of the key that was expected.
        expected: String,
    },
    /// It is not what was signed.
    #[error("the report is not what was signed: it, or its signature, was changed")]
    Changed,
}

/// A key that signs.
pub struct SigningKey(Ed25519KeyPair);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

/// A key that tells whether it was its other half that signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey([u8; 32]);

impl SigningKey {
    /// A private key as `openssl genpkey -algorithm ed25519` writes it: PKCS #8 in PEM.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Key`].
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        let failed = |why: String| CertificateError::Key { which: "private", why };
        let der =
            PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|error| failed(error.to_string()))?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        pair.map(Self).map_err(|error| failed(error.to_string()))
    }

    /// Its other half.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        VerifyingKey(bytes)
    }

    /// Signs a report, in the place of whoever did before.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Part`]; [`CertificateError::NoReport`]: it has no JSON form.
    pub fn sign(&self, report: &mut Report) -> Result<(), CertificateError> {
        if !report.filter.is_empty() {
            return Err(CertificateError::Part);
        }
        report.signature = None;
        let document = serde_json::to_value(&*report)
            .map_err(|error| CertificateError::NoReport { why: error.to_string() })?;
        let value = STANDARD.encode(self.0.sign(&signed_bytes(&document)));
        let key = self.verifying_key().fingerprint();
        report.signature = Some(Signature { algorithm: ALGORITHM.to_owned(), key, value });
        Ok(())
    }
}

impl VerifyingKey {
    /// A public key as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Key`].
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        let failed = |why: String| CertificateError::Key { which: "public", why };
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes())
            .map_err(|error| failed(error.to_string()))?;
        let rest = der.as_ref().strip_prefix(PUBLIC_KEY_HEAD.as_slice());
        let key = rest.and_then(|rest| rest.try_into().ok());
        key.map(Self).ok_or_else(|| failed("it is of another kind".to_owned()))
    }

    /// SHA-256 of the key in its usual form.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        Sha256::of(&[PUBLIC_KEY_HEAD.as_slice(), &self.0].concat()).to_string()
    }

    /// Reads a report in JSON and makes sure that it is what the other half of this key signed.
    ///
    /// # Errors
    ///
    /// All of [`CertificateError`] but `Key` and `Part`.
    pub fn verify(&self, text: &str) -> Result<Report, CertificateError> {
        let no_report = |error: serde_json::Error| CertificateError::NoReport { why: error.to_string() };
        // Read as what it is first: a member that stands there twice is an error then, and not only the last one read.
        let report: Report = serde_json::from_str(text).map_err(no_report)?;
        let document: Value = serde_json::from_str(text).map_err(no_report)?;
        let signature = report.signature.as_ref().ok_or(CertificateError::Unsigned)?;
        if signature.algorithm != ALGORITHM {
            return Err(CertificateError::Algorithm { algorithm: signature.algorithm.clone() });
        }
        let expected = self.fingerprint();
        if signature.key != expected {
            return Err(CertificateError::OtherKey { signed: signature.key.clone(), expected });
        }
        let value = STANDARD.decode(&signature.value).map_err(|_| CertificateError::Changed)?;
        let key = UnparsedPublicKey::new(&ED25519, self.0);
        key.verify(&signed_bytes(&document), &value).map_err(|_| CertificateError::Changed)?;
        Ok(report)
    }
}

/// What is signed of a report.
fn signed_bytes(document: &Value) -> Vec<u8> {
    let mut text = CONTEXT.to_owned();
    let mut document = document.clone();
    if let Some(members) = document.as_object_mut() {
        members.remove("signature");
    }
    canonical(&document, &mut text);
    text.into_bytes()
}

/// Writes a document in the form that it always has.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            for (index, (name, member)) in members.into_iter().enumerate() {
                text.push(if index == 0 { '{' } else { ',' });
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                canonical(member, text);
            }
            text.push_str(if value.as_object().is_some_and(serde_json::Map::is_empty) { "{}" } else { "}" });
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index != 0 {
                    text.push(',');
                }
                canonical(item, text);
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}

#[cfg(test)]
mod tests;

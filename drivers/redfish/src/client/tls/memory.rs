//! Remembers which signatures of certificates were valid.
//!
//! A BMC shows the same certificates with every full handshake. Whether a signature is the one of a key under a
//! text never changes, so it is worked out once; names, dates and who signed whom are looked at each time. The
//! signature of the handshake itself is a new one each time and not remembered.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

/// Signatures remembered for each algorithm; all are forgotten when there are more.
const SIGNATURES_MAX: usize = 1024;

/// Longest signed text that is remembered, in bytes: certificates are shorter.
const TEXT_SIZE_MAX: usize = 4 * 1024;

/// The same algorithms, with a memory for the certificates of chains. Made once for the process, and kept.
pub(super) fn remembering(plain: &WebPkiSupportedAlgorithms) -> WebPkiSupportedAlgorithms {
    let remembering = plain.all.iter().map(|algorithm| Remembering::new(*algorithm));
    let all: Vec<&'static dyn SignatureVerificationAlgorithm> =
        remembering.map(|algorithm| &*Box::leak(Box::new(algorithm)) as _).collect();
    WebPkiSupportedAlgorithms { all: all.leak(), mapping: plain.mapping }
}

/// An algorithm and the signatures that it found to be valid.
#[derive(Debug)]
struct Remembering {
    plain: &'static dyn SignatureVerificationAlgorithm,
    valid: Mutex<HashSet<Box<[u8]>>>,
}

impl Remembering {
    fn new(plain: &'static dyn SignatureVerificationAlgorithm) -> Self {
        Self { plain, valid: Mutex::default() }
    }

    fn valid(&self) -> MutexGuard<'_, HashSet<Box<[u8]>>> {
        self.valid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SignatureVerificationAlgorithm for Remembering {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if message.len() > TEXT_SIZE_MAX {
            return self.plain.verify_signature(public_key, message, signature);
        }
        let signed = whole(public_key, message, signature);
        if self.valid().contains(&signed) {
            return Ok(());
        }
        self.plain.verify_signature(public_key, message, signature)?;
        let mut valid = self.valid();
        if valid.len() >= SIGNATURES_MAX {
            valid.clear();
        }
        valid.insert(signed);
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.plain.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.plain.signature_alg_id()
    }

    fn fips(&self) -> bool {
        self.plain.fips()
    }
}

/// Key, text and signature with their lengths, so that no two are taken for each other.
fn whole(public_key: &[u8], message: &[u8], signature: &[u8]) -> Box<[u8]> {
    let parts = [public_key, message, signature];
    let mut whole = Vec::with_capacity(parts.iter().map(|part| part.len() + size_of::<usize>()).sum());
    for part in parts {
        whole.extend_from_slice(&part.len().to_le_bytes());
        whole.extend_from_slice(part);
    }
    whole.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustls::pki_types::alg_id;

    use super::*;

    /// Takes a signature that repeats the text behind the key.
    #[derive(Debug, Default)]
    struct Fake {
        asked: AtomicUsize,
    }

    impl SignatureVerificationAlgorithm for Fake {
        fn verify_signature(
            &self,
            key: &[u8],
            text: &[u8],
            signature: &[u8],
        ) -> Result<(), InvalidSignature> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if signature == [key, text].concat() { Ok(()) } else { Err(InvalidSignature) }
        }

        fn public_key_alg_id(&self) -> AlgorithmIdentifier {
            alg_id::ED25519
        }

        fn signature_alg_id(&self) -> AlgorithmIdentifier {
            alg_id::ED25519
        }
    }

    fn remembering() -> (&'static Fake, Remembering) {
        let fake: &'static Fake = Box::leak(Box::default());
        (fake, Remembering::new(fake))
    }

    #[test]
    fn a_valid_signature_is_worked_out_once_and_a_wrong_one_each_time() {
        let (fake, remembering) = remembering();

        for _ in 0..3 {
            assert!(remembering.verify_signature(b"key", b"text", b"keytext").is_ok());
            assert!(remembering.verify_signature(b"key", b"text", b"other").is_err());
        }

        assert_eq!(fake.asked.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn parts_that_make_the_same_bytes_are_not_taken_for_each_other() {
        let (fake, remembering) = remembering();

        assert!(remembering.verify_signature(b"ab", b"c", b"abc").is_ok());
        assert!(remembering.verify_signature(b"a", b"bc", b"abc").is_ok());
        assert!(remembering.verify_signature(b"abc", b"a", b"bc").is_err());

        assert_eq!(fake.asked.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn the_memory_has_a_limit_and_long_texts_are_not_kept() {
        let (_, remembering) = remembering();
        for number in 0..=SIGNATURES_MAX {
            let text = number.to_string();
            assert!(
                remembering.verify_signature(b"k", text.as_bytes(), format!("k{text}").as_bytes()).is_ok()
            );
        }
        assert_eq!(remembering.valid().len(), 1);

        let long = vec![b'x'; TEXT_SIZE_MAX + 1];
        assert!(remembering.verify_signature(b"", &long, &long).is_ok());

        assert_eq!(remembering.valid().len(), 1);
    }

    #[test]
    fn only_signatures_of_certificates_are_remembered() {
        let plain = rustls::crypto::ring::default_provider().signature_verification_algorithms;

        let with_memory = super::remembering(&plain);

        assert_eq!(with_memory.all.len(), plain.all.len());
        assert!(std::ptr::eq(with_memory.mapping, plain.mapping));
    }
}

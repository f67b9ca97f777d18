//! The keyed hashes and the encryption of RMCP+.
//!
//! Written a second time, on purpose: the driver's own are what is tested against this.
//!
//! Source: IPMI 2.0, sections 13.28 to 13.32.

use aes::Aes128;
use cbc::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// Size of a block of the encryption, in bytes.
const BLOCK: usize = 16;

/// Number and algorithms (authentication, integrity, confidentiality) of every suite we can speak.
#[rustfmt::skip]
const SUITES: &[(u8, [u8; 3])] = &[
    (0,  [0, 0, 0]),
    (1,  [1, 0, 0]),
    (2,  [1, 1, 0]),
    (3,  [1, 1, 1]),
    (15, [3, 0, 0]),
    (16, [3, 4, 0]),
    (17, [3, 4, 1]),
];

/// Authentication, integrity and confidentiality algorithm of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Algorithms {
    pub(super) authentication: u8,
    pub(super) integrity: u8,
    pub(super) confidentiality: u8,
}

impl Algorithms {
    /// Those of a cipher suite.
    pub(super) fn of_suite(id: u8) -> Option<Self> {
        let (_, algorithms) = SUITES.iter().find(|(known, _)| *known == id)?;
        Some(Self::from(*algorithms))
    }

    pub(super) fn to_bytes(self) -> [u8; 3] {
        [self.authentication, self.integrity, self.confidentiality]
    }

    /// The hash of the login.
    pub(super) fn login_hash(self) -> Hash {
        match self.authentication {
            1 => Hash::Sha1,
            3 => Hash::Sha256,
            _ => Hash::None,
        }
    }

    /// The hash that guards packets.
    pub(super) fn packet_hash(self) -> Hash {
        match self.integrity {
            1 => Hash::Sha1,
            4 => Hash::Sha256,
            _ => Hash::None,
        }
    }

    pub(super) fn encrypts(self) -> bool {
        self.confidentiality == 1
    }
}

impl From<[u8; 3]> for Algorithms {
    fn from([authentication, integrity, confidentiality]: [u8; 3]) -> Self {
        Self { authentication, integrity, confidentiality }
    }
}

/// A keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    None,
    Sha1,
    Sha256,
}

impl Hash {
    /// Bytes of the code at the end of a packet, and of the check value of RAKP 4.
    pub(super) fn short_size(self) -> usize {
        match self {
            Self::None => 0,
            Self::Sha1 => 12,
            Self::Sha256 => 16,
        }
    }

    /// The whole code over the concatenation of `parts`.
    pub(super) fn code(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Sha1 => code::<Hmac<Sha1>>(key, parts),
            Self::Sha256 => code::<Hmac<Sha256>>(key, parts),
        }
    }

    /// Its beginning, as packets carry it.
    pub(super) fn short_code(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let mut code = self.code(key, parts);
        code.truncate(self.short_size());
        code
    }
}

fn code<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("a keyed hash takes keys of any size");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// Initialization vector, then ciphertext of `plain` with its padding.
pub(super) fn encrypt(key: &[u8], plain: &[u8]) -> Vec<u8> {
    let iv: [u8; BLOCK] = rand::random();
    let mut padded = plain.to_vec();
    let pad = u8::try_from((plain.len() + 1).next_multiple_of(BLOCK) - plain.len() - 1).unwrap_or_default();
    padded.extend(1..=pad);
    padded.push(pad);
    let (blocks, _) = Array::slice_as_chunks_mut(&mut padded);
    cbc::Encryptor::<Aes128>::new(&cipher_key(key).into(), &iv.into()).encrypt_blocks(blocks);
    [&iv[..], &padded].concat()
}

/// What [`encrypt`] was given; strict about the padding, so that a client which fills it wrongly is noticed.
pub(super) fn decrypt(key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (iv, ciphertext) = sealed.split_first_chunk::<BLOCK>()?;
    if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(BLOCK) {
        return None;
    }
    let mut plain = ciphertext.to_vec();
    let (blocks, _) = Array::slice_as_chunks_mut(&mut plain);
    cbc::Decryptor::<Aes128>::new(&cipher_key(key).into(), &(*iv).into()).decrypt_blocks(blocks);
    let pad = plain.pop()?;
    let size = plain.len().checked_sub(usize::from(pad))?;
    let padding = plain.split_off(size);
    padding.iter().copied().eq(1..=pad).then_some(plain)
}

fn cipher_key(key: &[u8]) -> [u8; BLOCK] {
    key.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encrypted_is_decrypted() {
        for size in 0..40 {
            let plain = vec![7; size];
            assert_eq!(decrypt(&[1; 20], &encrypt(&[1; 20], &plain)), Some(plain));
        }
        assert_eq!(decrypt(&[1; 20], &[0; 31]), None);
    }

    #[test]
    fn codes_have_the_sizes_of_their_suites() {
        for (id, size, short) in [(0, 0, 0), (3, 20, 12), (17, 32, 16)] {
            let algorithms = Algorithms::of_suite(id).unwrap();
            assert_eq!(algorithms.login_hash().code(b"k", &[b"v"]).len(), size);
            assert_eq!(algorithms.packet_hash().short_code(b"k", &[b"v"]).len(), short);
        }
    }
}

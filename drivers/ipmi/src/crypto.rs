//! Cipher suites and the keyed hashes and encryption they stand for.
//!
//! Source: IPMI 2.0, sections 13.28 to 13.32 and 22.15.2.

use aes::Aes128;
use cbc::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Size of a block of the encryption and of its initialization vector, in bytes.
pub const BLOCK_SIZE: usize = 16;

/// Most bytes a keyed hash of any suite has.
const DIGEST_SIZE_MAX: usize = 32;

/// Authentication, integrity and confidentiality algorithms that go together.
///
/// Suites with broken algorithms (MD5, RC4) do not exist here. Those that leave something open do, for operators
/// who have said twice that they want them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CipherSuite {
    /// Suite 0: nothing is checked and nothing is hidden.
    Open,
    /// Suite 1: the login is by HMAC-SHA1, then nothing is checked and nothing is hidden.
    Sha1Login,
    /// Suite 2: HMAC-SHA1, HMAC-SHA1-96, nothing is hidden.
    Sha1Plain,
    /// Suite 3: HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128.
    Sha1,
    /// Suite 15: the login is by HMAC-SHA256, then nothing is checked and nothing is hidden.
    Sha256Login,
    /// Suite 16: HMAC-SHA256, HMAC-SHA256-128, nothing is hidden.
    Sha256Plain,
    /// Suite 17: HMAC-SHA256, HMAC-SHA256-128, AES-CBC-128.
    Sha256,
}

/// A keyed hash of a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Hash {
    Sha1,
    Sha256,
}

impl CipherSuite {
    /// The suites that check and hide everything, best first. No other is used unless asked for.
    pub const GOOD: [Self; 2] = [Self::Sha256, Self::Sha1];

    /// All suites, best first.
    pub const ALL: [Self; 7] = [
        Self::Sha256,
        Self::Sha1,
        Self::Sha256Plain,
        Self::Sha1Plain,
        Self::Sha256Login,
        Self::Sha1Login,
        Self::Open,
    ];

    /// The suite of a number, if it is one of ours.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.id() == id)
    }

    /// Whether the suite checks and hides everything.
    #[must_use]
    pub fn is_good(self) -> bool {
        Self::GOOD.contains(&self)
    }

    /// The number operators know it by.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Sha1Login => 1,
            Self::Sha1Plain => 2,
            Self::Sha1 => 3,
            Self::Sha256Login => 15,
            Self::Sha256Plain => 16,
            Self::Sha256 => 17,
        }
    }

    /// Numbers of the authentication, integrity and confidentiality algorithm.
    #[must_use]
    pub const fn algorithms(self) -> [u8; 3] {
        match self {
            Self::Open => [0, 0, 0],
            Self::Sha1Login => [1, 0, 0],
            Self::Sha1Plain => [1, 1, 0],
            Self::Sha1 => [1, 1, 1],
            Self::Sha256Login => [3, 0, 0],
            Self::Sha256Plain => [3, 4, 0],
            Self::Sha256 => [3, 4, 1],
        }
    }

    const fn hash(self) -> Option<Hash> {
        match self {
            Self::Open => None,
            Self::Sha1Login | Self::Sha1Plain | Self::Sha1 => Some(Hash::Sha1),
            Self::Sha256Login | Self::Sha256Plain | Self::Sha256 => Some(Hash::Sha256),
        }
    }

    /// Bytes of the codes exchanged at login.
    #[must_use]
    pub const fn exchange_code_size(self) -> usize {
        match self.hash() {
            None => 0,
            Some(Hash::Sha1) => 20,
            Some(Hash::Sha256) => 32,
        }
    }

    /// Bytes of the check value of RAKP 4.
    #[must_use]
    pub const fn check_value_size(self) -> usize {
        match self.hash() {
            None => 0,
            Some(Hash::Sha1) => 12,
            Some(Hash::Sha256) => 16,
        }
    }

    /// Bytes of the code at the end of each packet of a session; 0 when packets are not checked.
    #[must_use]
    pub const fn auth_code_size(self) -> usize {
        match self {
            Self::Open | Self::Sha1Login | Self::Sha256Login => 0,
            Self::Sha1Plain | Self::Sha1 | Self::Sha256Plain | Self::Sha256 => self.check_value_size(),
        }
    }

    /// Whether payloads are encrypted.
    #[must_use]
    pub const fn encrypts(self) -> bool {
        matches!(self, Self::Sha1 | Self::Sha256)
    }

    /// The keyed hash of the suite over the concatenation of `parts`.
    #[must_use]
    pub fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Digest {
        match self.hash() {
            None => Digest { bytes: Zeroizing::new([0; DIGEST_SIZE_MAX]), size: 0 },
            Some(Hash::Sha1) => Digest::compute::<Hmac<Sha1>>(key, parts),
            Some(Hash::Sha256) => Digest::compute::<Hmac<Sha256>>(key, parts),
        }
    }
}

/// Result of a keyed hash: a code or a key. Wiped when dropped.
#[derive(Clone)]
pub struct Digest {
    bytes: Zeroizing<[u8; DIGEST_SIZE_MAX]>,
    size: usize,
}

impl Digest {
    fn compute<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Self {
        // The only error of the constructor is a key of wrong size, which a keyed hash does not have.
        let mut mac = <M as KeyInit>::new_from_slice(key).expect("a keyed hash takes keys of any size");
        for part in parts {
            mac.update(part);
        }
        let code = mac.finalize().into_bytes();
        let mut bytes = Zeroizing::new([0; DIGEST_SIZE_MAX]);
        let mut size = 0;
        for (to, from) in bytes.iter_mut().zip(code.iter()) {
            *to = *from;
            size += 1;
        }
        Self { bytes, size }
    }

    /// All bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.size).unwrap_or_default()
    }

    /// The first `size` bytes; fewer if it has not that many.
    #[must_use]
    pub fn truncated(&self, size: usize) -> &[u8] {
        self.bytes.get(..self.size.min(size)).unwrap_or_default()
    }

    /// Whether `code` starts with the first `size` bytes of this one, in time that does not depend on where
    /// they differ. Surplus bytes are ignored: some BMCs send the whole code where a part is due.
    #[must_use]
    pub fn verifies(&self, code: &[u8], size: usize) -> bool {
        code.get(..size).is_some_and(|code| self.truncated(size).ct_eq(code).into())
    }
}

/// Never shows the bytes: most digests are keys, and the others let passwords be guessed.
impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest({} bytes)", self.size)
    }
}

/// Encrypts a payload: `iv`, then the ciphertext of payload and padding.
///
/// `key` is the second session key, of which the first 16 bytes are used.
#[must_use]
pub fn encrypt(key: &Digest, iv: [u8; BLOCK_SIZE], payload: &[u8]) -> Vec<u8> {
    let unpadded = payload.len() + 1;
    let pad_size = unpadded.next_multiple_of(BLOCK_SIZE) - unpadded;
    let mut bytes = Vec::with_capacity(BLOCK_SIZE + unpadded + pad_size);
    bytes.extend_from_slice(&iv);
    bytes.extend_from_slice(payload);
    let pad = (1..=u8::MAX).take(pad_size);
    bytes.extend(pad);
    bytes.push(u8::try_from(pad_size).unwrap_or_default());
    let (_, plain) = bytes.split_at_mut(BLOCK_SIZE);
    let (blocks, _) = Array::slice_as_chunks_mut(plain);
    cbc::Encryptor::<Aes128>::new(&encryption_key(key).into(), &iv.into()).encrypt_blocks(blocks);
    bytes
}

/// Decrypts what [`encrypt`] made, or `None` if it cannot have been made so.
///
/// The bytes of the padding are not compared: BMCs differ in how they fill it.
#[must_use]
pub fn decrypt(key: &Digest, sealed: &[u8]) -> Option<Vec<u8>> {
    let (iv, ciphertext) = sealed.split_first_chunk::<BLOCK_SIZE>()?;
    if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(BLOCK_SIZE) {
        return None;
    }
    let mut plain = ciphertext.to_vec();
    let (blocks, _) = Array::slice_as_chunks_mut(&mut plain);
    cbc::Decryptor::<Aes128>::new(&encryption_key(key).into(), &(*iv).into()).decrypt_blocks(blocks);
    let pad_size = usize::from(plain.pop()?);
    let size = plain.len().checked_sub(pad_size)?;
    plain.truncate(size);
    Some(plain)
}

fn encryption_key(key: &Digest) -> [u8; BLOCK_SIZE] {
    key.as_bytes().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> Digest {
        CipherSuite::Sha1.hmac(b"k", &[b"v"])
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", key()), "Digest(20 bytes)");
    }

    #[test]
    fn suites_with_broken_algorithms_do_not_exist_and_two_are_good() {
        let known: Vec<u8> = (0..=u8::MAX).filter(|id| CipherSuite::from_id(*id).is_some()).collect();
        let good: Vec<u8> =
            CipherSuite::ALL.into_iter().filter(|suite| suite.is_good()).map(CipherSuite::id).collect();

        assert_eq!(known, [0, 1, 2, 3, 15, 16, 17]);
        assert_eq!(good, [17, 3]);
        assert!(CipherSuite::GOOD.into_iter().all(|suite| suite.encrypts() && 0 < suite.auth_code_size()));
    }

    #[test]
    fn a_code_verifies_by_its_first_bytes_only() {
        let digest = key();
        let whole = digest.as_bytes().to_vec();

        assert!(digest.verifies(&whole, 12));
        assert!(digest.verifies(&whole[..12], 12));
        assert!(!digest.verifies(&whole[..11], 12));
        assert!(!digest.verifies(&[0; 12], 12));
    }

    #[test]
    fn a_pad_longer_than_the_payload_is_refused() {
        // One block that decrypts to anything but a fitting pad length is found by trying vectors.
        let refused = (0..=u8::MAX)
            .filter(|first| {
                let mut iv = [0; BLOCK_SIZE];
                iv[BLOCK_SIZE - 1] = *first;
                let mut sealed = iv.to_vec();
                sealed.extend_from_slice(&[7; BLOCK_SIZE]);
                decrypt(&key(), &sealed).is_none()
            })
            .count();

        assert_eq!(refused, 256 - 16);
    }

    proptest! {
        #[test]
        fn what_was_encrypted_is_decrypted(payload in proptest::collection::vec(any::<u8>(), 0..300), iv: [u8; 16]) {
            let sealed = encrypt(&key(), iv, &payload);

            prop_assert_eq!(sealed.len() % BLOCK_SIZE, 0);
            prop_assert_eq!(decrypt(&key(), &sealed), Some(payload));
        }

        #[test]
        fn no_ciphertext_panics(sealed in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(decrypt(&key(), &sealed).is_none() || sealed.len() >= 32);
        }
    }
}

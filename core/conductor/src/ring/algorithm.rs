//! The hash functions of the ring. All conductors of a cluster must use the same one.

use md5::digest::DynDigest;
use serde::{Deserialize, Serialize};

/// A hash function by the name it has in configuration files of Ironic.
///
/// Those with an output of any length (`shake_128`, `shake_256`) are left out: Ironic accepts and then fails with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HashAlgorithm {
    /// MD5: for placement, not for secrets.
    #[default]
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA3-224.
    #[serde(rename = "sha3_224")]
    Sha3_224,
    /// SHA3-256.
    #[serde(rename = "sha3_256")]
    Sha3_256,
    /// SHA3-384.
    #[serde(rename = "sha3_384")]
    Sha3_384,
    /// SHA3-512.
    #[serde(rename = "sha3_512")]
    Sha3_512,
    /// BLAKE2b with 64 bytes.
    Blake2b,
    /// BLAKE2s with 32 bytes.
    Blake2s,
}

impl HashAlgorithm {
    fn hasher(self) -> Box<dyn DynDigest> {
        match self {
            Self::Md5 => Box::new(md5::Md5::default()),
            Self::Sha1 => Box::new(sha1::Sha1::default()),
            Self::Sha224 => Box::new(sha2::Sha224::default()),
            Self::Sha256 => Box::new(sha2::Sha256::default()),
            Self::Sha384 => Box::new(sha2::Sha384::default()),
            Self::Sha512 => Box::new(sha2::Sha512::default()),
            Self::Sha3_224 => Box::new(sha3::Sha3_224::default()),
            Self::Sha3_256 => Box::new(sha3::Sha3_256::default()),
            Self::Sha3_384 => Box::new(sha3::Sha3_384::default()),
            Self::Sha3_512 => Box::new(sha3::Sha3_512::default()),
            Self::Blake2b => Box::new(blake2::Blake2b512::default()),
            Self::Blake2s => Box::new(blake2::Blake2s256::default()),
        }
    }

    /// The digest of `text`. Digests sort like the numbers they are, the first byte being the highest.
    pub(super) fn digest(self, text: &str) -> Box<[u8]> {
        let mut hasher = self.hasher();
        hasher.update(text.as_bytes());
        hasher.finalize()
    }

    /// The digests of `text`, of `text` twice, three times, and so on without end.
    pub(super) fn repeated(self, text: &str) -> impl Iterator<Item = Box<[u8]>> {
        let mut hasher = self.hasher();
        std::iter::repeat_with(move || {
            hasher.update(text.as_bytes());
            hasher.box_clone().finalize()
        })
    }
}

//! Values that must not be seen.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value that never appears in `Debug` output, logs or errors, and cannot be serialized.
///
/// Text is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T: Wipe>(T);

impl<T: Wipe> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// Shows the value: to be handed to the protocol, nowhere else.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Wipe> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(******)")
    }
}

impl<T: Wipe> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

impl<'de, T: Wipe + Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// Overwrites a value before its memory is given back.
pub trait Wipe {
    /// Overwrites the value in place.
    fn wipe(&mut self);
}

impl Wipe for String {
    fn wipe(&mut self) {
        let mut bytes = std::mem::take(self).into_bytes();
        bytes.wipe();
    }
}

impl Wipe for Vec<u8> {
    fn wipe(&mut self) {
        for byte in self.iter_mut() {
            *byte = 0;
        }
        // Keeps the compiler from dropping the stores above as dead.
        std::hint::black_box(self);
    }
}

/// Names a secret of the node's `driver_info` without holding it.
///
/// The snapshot a driver gets carries such a reference in the place of each secret; `DriverTask::reveal` asks
/// the host for the value, which is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRef {
    #[serde(rename = "$secret")]
    key: String,
}

impl SecretRef {
    /// Refers to the secret stored under `key` in `driver_info`.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into() }
    }

    /// The key in `driver_info`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "Secret(******)");
    }
}

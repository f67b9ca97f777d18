//! What this host has: its C library, installed libraries, CPU features.

mod cache;
mod cpu;
mod glibc;

use std::collections::HashSet;
use std::path::Path;

pub(crate) use cpu::has_feature;

use crate::elf::Version;

/// Directories the system's loader searches without being told, besides those of its cache.
const DIRECTORIES: &[&str] = &["/lib64", "/usr/lib64", "/lib", "/usr/lib"];

/// Libraries of which every process has one, from the distribution: two plugins that need them agree on it.
const SYSTEM_LIBRARIES: &[&str] = &[
    // GNU C library
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
    "libresolv.so.2",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
    // compilers' run times
    "libgcc_s.so.1",
    "libstdc++.so.6",
    // of the distribution, with versioned symbols
    "libssl.so.3",
    "libcrypto.so.3",
    "libz.so.1",
];

/// Flavor of this program's C library, as descriptors name it.
pub(crate) const LIBC: &str = if cfg!(target_env = "gnu") {
    "gnu"
} else if cfg!(target_env = "musl") {
    "musl"
} else {
    "other"
};

/// What is asked of this host for each library; read once per scan.
#[derive(Debug)]
pub(crate) struct System {
    glibc: Option<Version>,
    libraries: HashSet<String>,
    allowed: Vec<String>,
}

impl System {
    /// Reads what is installed. `allowed` names libraries besides those of the system.
    pub(crate) fn read(allowed: &[String]) -> Self {
        let cache = std::fs::read(cache::PATH).unwrap_or_default();
        Self { glibc: glibc::version(), libraries: cache::names(&cache), allowed: allowed.to_vec() }
    }

    /// Version of the C library; unknown for another one than GNU's.
    pub(crate) fn glibc(&self) -> Option<Version> {
        self.glibc
    }

    /// Whether the system's loader will find a library of this name.
    pub(crate) fn has_library(&self, name: &str) -> bool {
        self.libraries.contains(name)
            || (!name.contains('/')
                && DIRECTORIES.iter().any(|directory| Path::new(directory).join(name).exists()))
    }

    /// Whether a plugin may need a library of this name.
    pub(crate) fn allows_library(&self, name: &str) -> bool {
        SYSTEM_LIBRARIES.contains(&name) || self.allowed.iter().any(|allowed| allowed == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_c_library_is_installed_and_allowed() {
        let system = System::read(&[]);

        assert!(system.has_library("libc.so.6"));
        assert!(system.allows_library("libc.so.6"));
        assert!(Some(Version { major: 2, minor: 17 }) < system.glibc());
    }

    #[test]
    fn what_is_not_installed_is_not_found() {
        let system = System::read(&["libvendor.so.1".to_owned()]);

        assert!(!system.has_library("libvendor.so.1"));
        assert!(system.allows_library("libvendor.so.1"));
    }
}

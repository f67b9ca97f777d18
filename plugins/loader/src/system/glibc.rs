//! The version of the running C library.

use crate::elf::Version;

/// Asks the C library for its version.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the C library tells its version only through a function of its own")]
pub(crate) fn version() -> Option<Version> {
    use std::ffi::{CStr, c_char};

    // SAFETY: glibc has had this function, with this signature and without preconditions, since 2.1.
    unsafe extern "C" {
        safe fn gnu_get_libc_version() -> *const c_char;
    }

    // SAFETY: the function answers a NUL-terminated string constant.
    let text = unsafe { CStr::from_ptr(gnu_get_libc_version()) };
    Version::parse(text.to_str().ok()?)
}

/// Another C library has no versions of this kind.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn version() -> Option<Version> {
    None
}

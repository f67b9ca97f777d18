//! Steps 12 to 14: a library is opened, and its root module is what its descriptor says.
#![expect(unsafe_code, reason = "opening a library runs its code, and what it exports has the type we say")]

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

use abi_stable::library::{AbiHeader, AbiHeaderRef, LibHeader, LibraryError, RootModuleError};
use farrier_abi::export::ROOT_SYMBOL;
use farrier_abi::{ABI_LIB, PluginModRef, abi_stable};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::error::LoadError;
use crate::layout;
use crate::text::tame;

/// Opens the library behind `handle`; `note` is the text of its descriptor.
///
/// Library and handle stay open for good, also when the library is refused: code of it may already have left
/// pointers behind, and the system's loader knows it by the handle's number.
///
/// # Errors
///
/// Those of the steps 12, 13 and 14.
pub(crate) fn open(handle: OwnedFd, note: &str) -> Result<PluginModRef, LoadError> {
    let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
    // SAFETY: this runs the library's constructors. A trial in a child has survived them, or the caller is that
    // child. Its destructors run at the end of the process only, for it is never closed.
    let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) };
    let library = library.map_err(|error| not_opened(&error, &path))?;
    let header = root_header(&library);
    // Not closed: neither the library nor the handle whose path is its name.
    let _ = (library.into_raw(), handle.into_raw_fd());
    let header = header?;
    layout::check(header)?;
    let module = module(header)?;
    if (module.descriptor())().as_str() != note {
        return Err(LoadError::DescriptorMismatch);
    }
    Ok(module)
}

/// The header of the root module, once it is known to be of our abi_stable.
fn root_header(library: &Library) -> Result<&'static LibHeader, LoadError> {
    // SAFETY: a symbol of this name is a static that begins with an `AbiHeader` in every version of abi_stable,
    // and the library is never closed. Of one that lies about that, 40 bytes of its own memory are misread.
    let symbol = unsafe { library.get::<AbiHeaderRef>(ROOT_SYMBOL) };
    let symbol = symbol.map_err(|_| abi_header("it exports none"))?;
    let header: AbiHeaderRef = *symbol;
    if !header.is_valid() {
        return Err(abi_header(describe(&header)));
    }
    header.upgrade().map_err(|error| {
        if matches!(error, LibraryError::InvalidCAbi { .. }) {
            return abi_header("its compiler passes values differently");
        }
        abi_header(error.to_string())
    })
}

/// The root module. Its layout has been checked.
fn module(header: &'static LibHeader) -> Result<PluginModRef, LoadError> {
    // SAFETY: `layout::check` has found the library's root module to be a `PluginModRef` as we know it.
    let module = unsafe { header.unchecked_layout::<PluginModRef>() };
    module.map_err(|error| LoadError::ConstructorPanicked {
        why: match error {
            RootModuleError::Unwound => "its constructor panicked".to_owned(),
            RootModuleError::Returned(error) => tame(&error.to_string()),
        },
    })
}

/// What the system's loader says, without the number of the handle, which means nothing to anybody.
fn not_opened(error: &libloading::Error, path: &str) -> LoadError {
    let source = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    LoadError::Dlopen { why: tame(source.strip_prefix(path).unwrap_or(&source).trim_start_matches(": ")) }
}

fn abi_header(found: impl AsRef<str>) -> LoadError {
    LoadError::AbiHeader { found: tame(found.as_ref()), expected: ABI_LIB.to_owned() }
}

fn describe(header: &AbiHeader) -> String {
    if header.magic_string != AbiHeader::VALUE.magic_string {
        return "something else has its name".to_owned();
    }
    format!("it has one of `abi_stable/{}.{}`", header.abi_major, header.abi_minor)
}

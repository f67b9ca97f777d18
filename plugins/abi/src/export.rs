//! What a library exports: one static that leads to the root module.

use abi_stable::library::{CheckTypeLayout, RootModuleResult};

pub use abi_stable::library::LibHeader;

use crate::PluginModRef;

/// Name of the exported static; abi_stable 0.11 looks for it.
pub const ROOT_SYMBOL: &str = "_1as_0lib_1header_0root_bmodule_bloader";

/// A plugin's root module.
pub trait Exported {
    /// Makes the root module; called once, must not run vendor code.
    fn module() -> PluginModRef;
}

/// The header to export under [`ROOT_SYMBOL`].
#[must_use]
pub const fn header<E: Exported>() -> LibHeader {
    // SAFETY: `constructor` answers the `PluginModRef` that the header is made for.
    unsafe { LibHeader::from_constructor::<PluginModRef>(constructor::<E>, CheckTypeLayout::Yes) }
}

/// Answers the erased module; a panic of `module` becomes an error there.
extern "C" fn constructor<E: Exported>() -> RootModuleResult {
    abi_stable::library::__call_root_module_loader(E::module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_symbol_is_the_one_that_is_looked_for() {
        assert_eq!(ROOT_SYMBOL, abi_stable::library::ROOT_MODULE_LOADER_NAME);
    }
}

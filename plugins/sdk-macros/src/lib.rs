//! Macros of the Farrier plugin SDK. Vendors reach them through `farrier_sdk::prelude`.
//!
//! Everything here runs while a plugin is compiled: the macros turn signatures and doc comments into the
//! descriptor that a conductor reads without running the plugin, and into the calls that cross the boundary.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "syntax trees have dozens of variants, of which one is meant"
)]

mod arguments;
mod contract;
mod export;
mod interface;
mod methods;
mod properties;
mod step_args;
mod text;

use proc_macro::TokenStream;

/// Makes an interface type out of a trait: method table, dispatcher, blocking variant and client.
///
/// For the SDK's own traits only.
#[proc_macro_attribute]
pub fn contract(arguments: TokenStream, item: TokenStream) -> TokenStream {
    answer(contract::expand(arguments.into(), item.into()))
}

/// Makes an interface implementation out of an `impl` of one of the SDK's interface traits.
///
/// `#[interface(power, name = "acme")]`, optionally `aliases = ["acmetool"]`, `blocking` and `unsupported`, which says
/// that nobody answers for it any more: a conductor that uses it warns.
///
/// Functions marked `#[step(...)]` or `#[vendor_method(...)]` are the vendor's own. A method of the interface type
/// may be a step too, as `deploy` of a deploy interface is: then its arguments are those of the method. A function
/// may be marked several times, when it is several kinds of step with different priorities.
#[proc_macro_attribute]
pub fn interface(arguments: TokenStream, item: TokenStream) -> TokenStream {
    answer(interface::expand(arguments.into(), item.into()))
}

/// Reads a struct from a node's `driver_info` and describes its fields.
#[proc_macro_derive(Properties, attributes(property))]
pub fn properties(item: TokenStream) -> TokenStream {
    answer(properties::expand_properties(item.into()))
}

/// Reads a struct from the plugin's table in the configuration and describes its fields.
#[proc_macro_derive(Options, attributes(option))]
pub fn options(item: TokenStream) -> TokenStream {
    answer(properties::expand_options(item.into()))
}

/// Describes the arguments of a step.
#[proc_macro_derive(StepArgs, attributes(serde))]
pub fn step_args(item: TokenStream) -> TokenStream {
    answer(step_args::expand(item.into()))
}

/// Makes the crate a plugin: descriptor note, root module and the list of implementations.
#[proc_macro]
pub fn export_plugin(item: TokenStream) -> TokenStream {
    answer(export::expand(item.into()))
}

/// The expansion, or the error as a compiler message.
fn answer(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result.unwrap_or_else(|error| error.to_compile_error()).into()
}

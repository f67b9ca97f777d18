//! `export_plugin!`: what makes a crate a plugin.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, ExprArray, Ident, LitStr, Path, Token, Type, braced, bracketed};

use crate::interface::{check_name, strings};
use crate::{methods, text};

/// Symbol of the root module; abi_stable 0.11 gives it this name.
const ROOT_SYMBOL: &str = "_1as_0lib_1header_0root_bmodule_bloader";

/// The parsed macro input.
struct Plugin {
    name: Option<LitStr>,
    options: Option<Type>,
    state: Option<Path>,
    close: Option<Path>,
    interfaces: Vec<Entry>,
    hardware: Vec<Hardware>,
}

/// One entry of `interfaces`: a type, and how it is made.
struct Entry {
    kind: Type,
    make: Option<Expr>,
}

/// One hardware type with its supported lists.
struct Hardware {
    name: LitStr,
    supported: Vec<(Ident, Vec<String>)>,
}

impl Parse for Plugin {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut plugin = Self {
            name: None,
            options: None,
            state: None,
            close: None,
            interfaces: Vec::new(),
            hardware: Vec::new(),
        };
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            input.parse::<Token![:]>()?;
            match key.to_string().as_str() {
                "name" => plugin.name = Some(input.parse()?),
                "options" => plugin.options = Some(input.parse()?),
                "state" => plugin.state = Some(input.parse()?),
                "close" => plugin.close = Some(input.parse()?),
                "interfaces" => {
                    let list;
                    bracketed!(list in input);
                    plugin.interfaces =
                        Punctuated::<Entry, Token![,]>::parse_terminated(&list)?.into_iter().collect();
                }
                "hardware" => {
                    let map;
                    braced!(map in input);
                    plugin.hardware =
                        Punctuated::<Hardware, Token![,]>::parse_terminated(&map)?.into_iter().collect();
                }
                _ => {
                    return Err(syn::Error::new(
                        key.span(),
                        "expected name, options, state, close, interfaces or hardware",
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(plugin)
    }
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let kind = input.parse()?;
        let make = match input.parse::<Option<Token![=]>>()? {
            Some(_) => Some(input.parse()?),
            None => None,
        };
        Ok(Self { kind, make })
    }
}

impl Parse for Hardware {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name: LitStr = input.parse()?;
        // Ironic's own type names carry underscores nowhere, hyphens often.
        check_name(&name.value(), name.span())?;
        input.parse::<Token![=>]>()?;
        let map;
        braced!(map in input);
        let mut supported: Vec<(Ident, Vec<String>)> = Vec::new();
        while !map.is_empty() {
            let kind: Ident = map.parse()?;
            methods::check_kind(&kind)?;
            map.parse::<Token![:]>()?;
            let list: ExprArray = map.parse()?;
            if supported.iter().any(|(other, _)| *other == kind) {
                return Err(syn::Error::new(kind.span(), format!("`{kind}` is listed twice")));
            }
            supported.push((kind, strings(&list)?));
            if !map.is_empty() {
                map.parse::<Token![,]>()?;
            }
        }
        Ok(Self { name, supported })
    }
}

/// Expands the macro.
pub(crate) fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let plugin: Plugin = syn::parse2(item)?;
    refuse_duplicates(&plugin)?;
    let parts = descriptor_parts(&plugin)?;
    let spec = spec(&plugin, &name(&plugin)?);
    let checks = checks(&plugin);
    let symbol = Ident::new("FARRIER_ROOT_MODULE", Span::call_site());
    Ok(quote! {
        #[cfg(panic = "abort")]
        ::core::compile_error!("a plugin is built with `panic = \"unwind\"`: a panic must not end the conductor");

        #checks
        #spec

        /// The descriptor of this plugin, padded to a multiple of four bytes.
        const __FARRIER_DESCRIPTOR_BYTES: [u8; {
            ::farrier_sdk::descriptor::padded(::farrier_sdk::descriptor::size(__FARRIER_DESCRIPTOR_PARTS))
        }] = ::farrier_sdk::descriptor::concat(__FARRIER_DESCRIPTOR_PARTS);
        const __FARRIER_DESCRIPTOR_PARTS: &[&str] = &[#(#parts),*];

        #[used]
        #[unsafe(link_section = ".note.farrier")]
        static __FARRIER_NOTE: ::farrier_sdk::export::Note<{ __FARRIER_DESCRIPTOR_BYTES.len() }> =
            ::farrier_sdk::export::Note::descriptor(__FARRIER_DESCRIPTOR_BYTES);

        #[doc(hidden)]
        #[unsafe(export_name = #ROOT_SYMBOL)]
        pub static #symbol: ::farrier_sdk::export::LibHeader =
            ::farrier_sdk::export::header::<::farrier_sdk::export::Exported<__FarrierPlugin>>();

        /// The plugin as linked into a program, for tests that need no shared library.
        #[doc(hidden)]
        pub fn farrier_plugin() -> ::farrier_sdk::export::PluginModRef {
            ::farrier_sdk::export::module::<__FarrierPlugin>()
        }
    })
}

fn refuse_duplicates(plugin: &Plugin) -> syn::Result<()> {
    let mut names = Vec::new();
    for hardware in &plugin.hardware {
        if names.contains(&hardware.name.value()) {
            return Err(syn::Error::new(hardware.name.span(), "this hardware type is defined twice"));
        }
        names.push(hardware.name.value());
    }
    Ok(())
}

/// Two implementations of one type that answer to one name do not compile.
fn checks(plugin: &Plugin) -> TokenStream {
    let kinds: Vec<_> = plugin.interfaces.iter().map(|entry| &entry.kind).collect();
    let pairs = kinds.iter().enumerate().flat_map(|(index, second)| {
        kinds.iter().take(index).map(move |first| {
            let text = format!(
                "`{}` and `{}` are of one interface type and answer to one name",
                first.to_token_stream(),
                second.to_token_stream()
            );
            quote_spanned! {second.span()=>
                const _: () = ::core::assert!(!::farrier_sdk::export::collide::<#first, #second>(), #text);
            }
        })
    });
    quote!(#(#pairs)*)
}

fn package(key: &str) -> String {
    text::json(&std::env::var(key).unwrap_or_default())
}

/// The name the plugin goes by: given, or the package's without `farrier-`.
fn name(plugin: &Plugin) -> syn::Result<String> {
    if let Some(name) = &plugin.name {
        check_name(&name.value(), name.span())?;
        return Ok(name.value());
    }
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    let name = package.strip_prefix("farrier-").unwrap_or(&package).replace('_', "-");
    check_name(&name, Span::call_site())?;
    Ok(name)
}

fn descriptor_parts(plugin: &Plugin) -> syn::Result<Vec<TokenStream>> {
    let head = format!(
        "\"name\":{},\"version\":{},\"vendor\":{},\"license\":{},\"homepage\":{},\"description\":{},\"hardware_types\":{},\"interfaces\":[",
        text::json(&name(plugin)?),
        package("CARGO_PKG_VERSION"),
        package("CARGO_PKG_AUTHORS"),
        package("CARGO_PKG_LICENSE"),
        package("CARGO_PKG_HOMEPAGE"),
        package("CARGO_PKG_DESCRIPTION"),
        hardware_json(plugin),
    );
    let mut parts = vec![
        quote!("{"),
        quote!(::farrier_sdk::descriptor::BUILD),
        quote!(::farrier_sdk::descriptor::LIBC),
        quote!(::farrier_sdk::descriptor::CPU_OPEN),
        quote!(if cfg!(target_feature = "avx2") { ",\"avx2\"" } else { "" }),
        quote!(if cfg!(target_feature = "avx512f") { ",\"avx512f\"" } else { "" }),
        quote!(if cfg!(target_feature = "sse4.2") { ",\"sse4.2\"" } else { "" }),
        quote!(if cfg!(target_feature = "bmi2") { ",\"bmi2\"" } else { "" }),
        quote!(if cfg!(target_feature = "fma") { ",\"fma\"" } else { "" }),
        quote!("],"),
        quote!(#head),
    ];
    for (index, entry) in plugin.interfaces.iter().enumerate() {
        if index != 0 {
            parts.push(quote!(","));
        }
        let kind = &entry.kind;
        parts.push(quote!(<#kind as ::farrier_sdk::glue::Implementation>::DESCRIPTOR));
    }
    parts.push(quote!("],\"options\":"));
    parts.push(match &plugin.options {
        Some(options) => quote!(<#options as ::farrier_sdk::property::Options>::DESCRIPTOR),
        None => quote!("[]"),
    });
    parts.push(quote!("}"));
    Ok(parts)
}

fn hardware_json(plugin: &Plugin) -> String {
    let types = plugin.hardware.iter().map(|hardware| {
        let lists = hardware
            .supported
            .iter()
            .map(|(kind, names)| format!("{}:{}", text::json(&kind.to_string()), text::json_list(names)));
        format!("{}:{{{}}}", text::json(&hardware.name.value()), lists.collect::<Vec<_>>().join(","))
    });
    format!("{{{}}}", types.collect::<Vec<_>>().join(","))
}

/// The `Spec` of the plugin: how it starts, what it opens, how it ends.
fn spec(plugin: &Plugin, name: &str) -> TokenStream {
    let options = plugin
        .options
        .as_ref()
        .map_or_else(|| quote!(::farrier_sdk::property::NoOptions), |kind| quote!(#kind));
    let (state_type, start) = match &plugin.state {
        Some(path) => {
            let kind = state_type(path);
            (kind, quote!(#path(options)))
        }
        None => (
            quote!(()),
            quote!({
                let _ = options;
                ::core::result::Result::Ok(())
            }),
        ),
    };
    let close = match &plugin.close {
        Some(path) => quote!(#path(&state, patience).await),
        None => quote!({
            let _ = (state, patience);
        }),
    };
    let opens = plugin.interfaces.iter().map(|entry| {
        let kind = &entry.kind;
        let make = entry.make.as_ref().map_or_else(|| quote!(#kind), |make| quote!((#make)(state)));
        quote! {
            if ::farrier_sdk::export::is::<#kind>(kind, name) {
                return ::core::option::Option::Some(::farrier_sdk::export::interface(#make, runtime));
            }
        }
    });
    quote! {
        struct __FarrierPlugin;

        impl ::farrier_sdk::export::Spec for __FarrierPlugin {
            type Options = #options;
            type State = #state_type;
            const NAME: &'static str = #name;

            fn descriptor() -> &'static str {
                ::farrier_sdk::descriptor::text(&__FARRIER_DESCRIPTOR_BYTES)
            }

            fn start(options: Self::Options) -> ::farrier_sdk::error::Result<Self::State> {
                #start
            }

            #[allow(unused_variables, reason = "a plugin may share nothing between its implementations")]
            fn open(
                state: &::std::sync::Arc<Self::State>,
                runtime: &::farrier_sdk::export::Runtime,
                kind: ::farrier_sdk::interface::InterfaceType,
                name: &str,
            ) -> ::core::option::Option<::farrier_sdk::export::InterfaceBox> {
                #(#opens)*
                ::core::option::Option::None
            }

            async fn close(state: ::std::sync::Arc<Self::State>, patience: ::core::time::Duration) {
                #close
            }
        }
    }
}

/// `Shared` of `Shared::start`.
fn state_type(path: &Path) -> TokenStream {
    let mut owner = path.clone();
    owner.segments.pop();
    owner.segments.pop_punct();
    quote!(#owner)
}

//! Arguments of methods: how each is read from and written to a JSON object.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, FnArg, GenericArgument, Ident, Pat, PathArguments, Signature, Type};

use crate::properties::is_optional;
use crate::text;

/// One argument of a method, after `self` and `task`.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) kind: Type,
    pub(crate) default: Option<Expr>,
    /// What it means, for operators who call the method as a step.
    doc: String,
}

/// Splits the arguments after `self` and `task` off a signature, removing their `#[default(...)]` and doc comments.
pub(crate) fn take(signature: &mut Signature) -> syn::Result<Vec<Argument>> {
    let mut arguments = Vec::new();
    for input in signature.inputs.iter_mut().skip(2) {
        let FnArg::Typed(typed) = input else { continue };
        let Pat::Ident(name) = &*typed.pat else {
            return Err(syn::Error::new_spanned(&typed.pat, "an argument needs a plain name"));
        };
        let name = Ident::new(name.ident.to_string().trim_start_matches('_'), name.ident.span());
        let default = take_default(&mut typed.attrs)?;
        let doc = text::doc(&typed.attrs);
        typed.attrs.retain(|attribute| !attribute.path().is_ident("doc"));
        arguments.push(Argument { name, kind: (*typed.ty).clone(), default, doc });
    }
    Ok(arguments)
}

fn take_default(attributes: &mut Vec<Attribute>) -> syn::Result<Option<Expr>> {
    let mut default = None;
    for attribute in attributes.extract_if(.., |attribute| attribute.path().is_ident("default")) {
        default = Some(attribute.parse_args::<Expr>()?);
    }
    Ok(default)
}

/// What the arguments of a method mean when it is called as a step, as the descriptor tells it.
pub(crate) fn json(arguments: &[Argument]) -> String {
    let entries = arguments.iter().map(|argument| {
        format!(
            "{}:{{\"description\":{},\"required\":{}}}",
            text::json(&argument.name.to_string()),
            text::json(&argument.doc),
            argument.default.is_none() && !is_optional(&argument.kind),
        )
    });
    format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
}

impl Argument {
    /// Reads the argument from `arguments`, a `glue::Arguments`.
    pub(crate) fn read(&self) -> TokenStream {
        let Self { name, kind, default, .. } = self;
        let key = name.to_string();
        match (duration(kind), default) {
            (Some(Duration::Plain), _) => quote!(arguments.take_duration(#key)?),
            (Some(Duration::Optional), _) => quote!(arguments.take_optional_duration(#key)?),
            (None, Some(default)) => quote!(arguments.take_or::<#kind>(#key, #default)?),
            (None, None) if is_optional(kind) => quote!(arguments.take_optional::<#kind>(#key)?),
            (None, None) => quote!(arguments.take::<#kind>(#key)?),
        }
    }

    /// Writes the argument into `outgoing`, a `glue::ArgumentsWriter`.
    pub(crate) fn write(&self) -> TokenStream {
        let Self { name, kind, .. } = self;
        let key = name.to_string();
        match duration(kind) {
            Some(Duration::Plain) => quote!(outgoing.put(#key, &#name.as_secs_f64())?),
            Some(Duration::Optional) => {
                quote!(outgoing.put(#key, &#name.map(|duration| duration.as_secs_f64()))?)
            }
            None => quote!(outgoing.put(#key, &#name)?),
        }
    }
}

enum Duration {
    Plain,
    Optional,
}

/// Whether a type is `Duration` or `Option<Duration>`, which travel as seconds.
fn duration(kind: &Type) -> Option<Duration> {
    let Type::Path(path) = kind else { return None };
    let last = path.path.segments.last()?;
    if last.ident == "Duration" {
        return Some(Duration::Plain);
    }
    let PathArguments::AngleBracketed(inner) = &last.arguments else { return None };
    match (last.ident == "Option", inner.args.first()) {
        (true, Some(GenericArgument::Type(inner))) => duration(inner).map(|_| Duration::Optional),
        _ => None,
    }
}

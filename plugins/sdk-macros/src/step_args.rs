//! `derive(StepArgs)`: what the arguments of a step are, as the descriptor tells it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields};

use crate::properties::{has_serde_default, is_optional};
use crate::text;

/// Expands the derive.
pub(crate) fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let input: DeriveInput = syn::parse2(item)?;
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(_) | Data::Union(_) => {
            return Err(syn::Error::new_spanned(&input.ident, "expected a struct"));
        }
    };
    let fields = match fields {
        Fields::Named(fields) => fields.named.iter().collect::<Vec<_>>(),
        Fields::Unit | Fields::Unnamed(_) => {
            return Err(syn::Error::new_spanned(&input.ident, "expected a struct with named fields"));
        }
    };
    let mut entries = Vec::new();
    for field in fields {
        let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        let doc = text::doc(&field.attrs);
        if doc.is_empty() {
            return Err(syn::Error::new_spanned(field, "an argument needs a doc comment: operators read it"));
        }
        let required = !is_optional(&field.ty) && !has_serde_default(&field.attrs);
        entries.push(format!(
            "{}:{{\"description\":{},\"required\":{required}}}",
            text::json(&name),
            text::json(&doc)
        ));
    }
    let descriptor = format!("{{{}}}", entries.join(","));
    let ident = &input.ident;
    Ok(quote! {
        impl ::farrier_sdk::step::StepArgs for #ident {
            const DESCRIPTOR: &'static str = #descriptor;
        }
    })
}

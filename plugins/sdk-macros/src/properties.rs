//! `derive(Properties)` and `derive(Options)`: structs read from a JSON object, key by key.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Attribute, Data, DeriveInput, Expr, ExprLit, ExprPath, Field, Fields, Ident, Lit, LitStr, Meta, Token,
    Type,
};

use crate::text;

/// One field and how it is read.
struct Key {
    field: Ident,
    name: String,
    kind: Type,
    kind_name: String,
    doc: String,
    optional: bool,
    secret: bool,
    default: Default,
    parse: Option<ExprPath>,
}

/// What an absent key means.
enum Default {
    None,
    OfType,
    Value(Expr),
}

/// Expands `derive(Properties)`.
pub(crate) fn expand_properties(item: TokenStream) -> syn::Result<TokenStream> {
    let (input, keys) = read(item, "property")?;
    let descriptor = format!("[{}]", keys.iter().map(Key::json).collect::<Vec<_>>().join(","));
    let body = body(&keys, &quote!());
    let ident = &input.ident;
    Ok(quote! {
        impl ::farrier_sdk::property::Properties for #ident {
            const DESCRIPTOR: &'static str = #descriptor;

            fn from_map(
                map: &::farrier_sdk::serde_json::Map<::std::string::String, ::farrier_sdk::serde_json::Value>,
            ) -> ::farrier_sdk::error::Result<Self> {
                #body
            }
        }
    })
}

/// Expands `derive(Options)`.
pub(crate) fn expand_options(item: TokenStream) -> syn::Result<TokenStream> {
    let (input, keys) = read(item, "option")?;
    if let Some(key) = keys.iter().find(|key| !key.optional && matches!(key.default, Default::None)) {
        return Err(syn::Error::new(
            key.field.span(),
            "an option needs a default: `#[option(default = ...)]`",
        ));
    }
    let descriptor = format!("[{}]", keys.iter().map(Key::json).collect::<Vec<_>>().join(","));
    let names = keys.iter().map(|key| &key.name);
    let body = body(&keys, &quote!(reader.refuse_unknown(&[#(#names),*]);));
    let ident = &input.ident;
    Ok(quote! {
        impl ::farrier_sdk::property::Options for #ident {
            const DESCRIPTOR: &'static str = #descriptor;

            fn from_map(
                map: &::farrier_sdk::serde_json::Map<::std::string::String, ::farrier_sdk::serde_json::Value>,
            ) -> ::farrier_sdk::error::Result<Self> {
                #body
            }
        }
    })
}

fn read(item: TokenStream, attribute: &str) -> syn::Result<(DeriveInput, Vec<Key>)> {
    let input: DeriveInput = syn::parse2(item)?;
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(_) | Data::Union(_) => {
            return Err(syn::Error::new_spanned(&input.ident, "expected a struct"));
        }
    };
    let keys = match fields {
        Fields::Named(fields) => {
            fields.named.iter().map(|field| Key::new(field, attribute)).collect::<syn::Result<_>>()?
        }
        Fields::Unit => Vec::new(),
        Fields::Unnamed(_) => return Err(syn::Error::new_spanned(fields, "expected named fields")),
    };
    Ok((input, keys))
}

impl Key {
    fn new(field: &Field, attribute: &str) -> syn::Result<Self> {
        let Some(ident) = field.ident.clone() else {
            return Err(syn::Error::new_spanned(field, "expected a named field"));
        };
        let doc = text::doc(&field.attrs);
        if doc.is_empty() {
            return Err(syn::Error::new(ident.span(), "this field needs a doc comment: operators read it"));
        }
        let (kind, optional) = match inside_option(&field.ty) {
            Some(inner) => (inner, true),
            None => (field.ty.clone(), false),
        };
        let mut key = Self {
            name: ident.to_string(),
            field: ident,
            kind_name: kind_name(&kind),
            kind,
            doc,
            optional,
            secret: false,
            default: Default::None,
            parse: None,
        };
        for attribute in field.attrs.iter().filter(|found| found.path().is_ident(attribute)) {
            key.take(attribute)?;
        }
        Ok(key)
    }

    fn take(&mut self, attribute: &Attribute) -> syn::Result<()> {
        attribute.parse_nested_meta(|meta| {
            match meta.path.require_ident()?.to_string().as_str() {
                "secret" => self.secret = true,
                "default" if meta.input.peek(Token![=]) => {
                    self.default = Default::Value(meta.value()?.parse()?)
                }
                "default" => self.default = Default::OfType,
                "parse" => self.parse = Some(meta.value()?.parse()?),
                "rename" => self.name = meta.value()?.parse::<LitStr>()?.value(),
                "kind" => self.kind_name = meta.value()?.parse::<LitStr>()?.value(),
                _ => return Err(meta.error("expected secret, default, parse, rename or kind")),
            }
            Ok(())
        })
    }

    fn required(&self) -> bool {
        !self.optional && matches!(self.default, Default::None)
    }

    fn json(&self) -> String {
        let default = match &self.default {
            Default::Value(Expr::Lit(ExprLit { lit, .. })) => literal(lit),
            Default::Value(_) | Default::OfType | Default::None => None,
        };
        format!(
            "{{\"name\":{},\"type\":{},\"required\":{},\"secret\":{},\"description\":{}{}}}",
            text::json(&self.name),
            text::json(&self.kind_name),
            self.required(),
            self.secret,
            text::json(&self.doc),
            default.map(|value| format!(",\"default\":{value}")).unwrap_or_default(),
        )
    }

    /// Reads the field as an `Option`: `None` when it failed, which the reader remembers.
    fn read(&self) -> TokenStream {
        let Self { name, kind, .. } = self;
        let parse = match &self.parse {
            Some(path) => quote!(#path),
            None => quote!(::farrier_sdk::property::parse::<#kind>),
        };
        if self.optional {
            return quote!(reader.optional(#name, #parse));
        }
        match &self.default {
            Default::None => quote!(reader.required(#name, #parse)),
            Default::OfType => quote!(reader.or_else(#name, #parse, ::core::default::Default::default)),
            // What has a parser of its own has it for its default too.
            Default::Value(value @ Expr::Lit(ExprLit { lit, .. }))
                if self.parse.is_some() && literal(lit).is_some() =>
            {
                quote!(reader.or_parse(#name, #parse, ::farrier_sdk::serde_json::Value::from(#value)))
            }
            // A text is meant as whatever the field is made of.
            Default::Value(value @ Expr::Lit(ExprLit { lit: Lit::Str(_), .. })) => {
                quote!(reader.or_else(#name, #parse, || ::core::convert::From::from(#value)))
            }
            Default::Value(value) => quote!(reader.or_else(#name, #parse, || #value)),
        }
    }
}

/// The body of `from_map`.
fn body(keys: &[Key], check: &TokenStream) -> TokenStream {
    let fields: Vec<_> = keys.iter().map(|key| &key.field).collect();
    let reads = keys.iter().map(Key::read);
    quote! {
        #[allow(unused_mut, reason = "a struct without fields reads nothing")]
        let mut reader = ::farrier_sdk::property::Reader::new(map);
        #(let #fields = #reads;)*
        #check
        match (#(#fields,)*) {
            (#(::core::option::Option::Some(#fields),)*) if reader.succeeded() => {
                ::core::result::Result::Ok(Self { #(#fields),* })
            }
            _ => ::core::result::Result::Err(reader.into_error()),
        }
    }
}

fn inside_option(kind: &Type) -> Option<Type> {
    let Type::Path(path) = kind else { return None };
    let last = path.path.segments.last()?;
    match &last.arguments {
        syn::PathArguments::AngleBracketed(inner) if last.ident == "Option" => match inner.args.first()? {
            syn::GenericArgument::Type(inner) => Some(inner.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn kind_name(kind: &Type) -> String {
    let Type::Path(path) = kind else { return "any".to_owned() };
    let Some(last) = path.path.segments.last() else { return "any".to_owned() };
    match last.ident.to_string().as_str() {
        "bool" => "boolean",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => "integer",
        "f32" | "f64" => "number",
        "Vec" => "list",
        _ => "string",
    }
    .to_owned()
}

fn literal(literal: &Lit) -> Option<String> {
    match literal {
        Lit::Str(text) => Some(text::json(&text.value())),
        Lit::Int(number) => Some(number.base10_digits().to_owned()),
        Lit::Float(number) => Some(number.base10_digits().to_owned()),
        Lit::Bool(value) => Some(value.value.to_string()),
        _ => None,
    }
}

/// Whether a `#[serde(...)]` attribute gives the field a default.
pub(crate) fn has_serde_default(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("serde")).any(|attribute| {
        let metas = attribute
            .parse_args_with(syn::punctuated::Punctuated::<Meta, Token![,]>::parse_terminated)
            .unwrap_or_default();
        metas.iter().any(|meta| meta.path().is_ident("default"))
    })
}

/// Whether a type is an `Option`.
pub(crate) fn is_optional(kind: &Type) -> bool {
    inside_option(kind).is_some()
}

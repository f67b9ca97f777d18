//! `#[interface(kind, name = "...")]`: an implementation and what the descriptor says about it.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, ExprArray, ExprLit, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, Lit, LitBool, LitInt,
    LitStr, Meta, ReturnType, Token, Type, parse_quote,
};

use crate::contract::arguments_constant;
use crate::{methods, text};

/// The arguments of `#[interface]`.
struct Header {
    kind: Ident,
    name: LitStr,
    aliases: Vec<String>,
    blocking: bool,
    supported: bool,
}

impl Parse for Header {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let kind: Ident = input.parse()?;
        methods::check_kind(&kind)?;
        let (mut name, mut aliases) = (None, Vec::new());
        let (mut blocking, mut supported) = (false, true);
        while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let key: Ident = input.parse()?;
            match key.to_string().as_str() {
                "blocking" => blocking = true,
                "unsupported" => supported = false,
                "name" => {
                    input.parse::<Token![=]>()?;
                    name = Some(input.parse::<LitStr>()?);
                }
                "aliases" => {
                    input.parse::<Token![=]>()?;
                    aliases = strings(&input.parse::<ExprArray>()?)?;
                }
                _ => {
                    let text = "expected `name`, `aliases`, `blocking` or `unsupported`";
                    return Err(syn::Error::new(key.span(), text));
                }
            }
        }
        let name = name.ok_or_else(|| {
            syn::Error::new(kind.span(), "an implementation needs a name: `name = \"...\"`")
        })?;
        for text in aliases.iter().chain([&name.value()]) {
            check_name(text, name.span())?;
        }
        Ok(Self { kind, name, aliases, blocking, supported })
    }
}

/// Names are what operators write into configuration: lower case, digits, hyphens, 1 to 64 characters.
pub(crate) fn check_name(name: &str, span: Span) -> syn::Result<()> {
    let allowed =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
    if name.is_empty() || 64 < name.len() || !name.chars().all(allowed) {
        return Err(syn::Error::new(span, format!("`{name}` is not a name: 1 to 64 of a-z, 0-9 and `-`")));
    }
    Ok(())
}

/// The texts of a list of string literals.
pub(crate) fn strings(list: &ExprArray) -> syn::Result<Vec<String>> {
    let text = |item: &Expr| match item {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.value()),
        other => Err(syn::Error::new_spanned(other, "expected a string")),
    };
    list.elems.iter().map(text).collect()
}

/// Expands the attribute on `item`, an `impl` of an interface trait.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let header: Header = syn::parse2(arguments)?;
    let mut block: ItemImpl = syn::parse2(item)?;
    if block.trait_.is_none() {
        return Err(syn::Error::new_spanned(&block.self_ty, "expected an `impl` of an interface trait"));
    }
    let (mut extra, mut steps, mut routes, mut overridden) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut kept = Vec::new();
    for item in std::mem::take(&mut block.items) {
        let ImplItem::Fn(mut function) = item else {
            kept.push(item);
            continue;
        };
        let marks = take(&mut function.attrs, "step");
        let route = take(&mut function.attrs, "vendor_method").pop();
        let name = function.sig.ident.to_string();
        let is_method =
            route.is_none() && (marks.is_empty() || methods::contains(&header.kind.to_string(), &name));
        for mark in &marks {
            steps.push(Step::new(mark, &function, is_method)?);
        }
        if let Some(attribute) = &route {
            routes.push(Route::new(attribute, &function)?);
        }
        if is_method {
            overridden.push(name);
            kept.push(ImplItem::Fn(function));
        } else {
            // Whether it waits for anything is its own business: it is called as if it did.
            function.attrs.push(parse_quote! {
                #[allow(clippy::unused_async, reason = "a step or vendor method is asynchronous")]
            });
            extra.push(function);
        }
    }
    block.items = kept;
    let info = info(&block)?;
    let implementation = implementation(&header, &block.self_ty, &info, &steps, &routes, &overridden);
    let self_type = &block.self_ty;
    Ok(quote! {
        #block
        impl #self_type { #(#extra)* }
        #implementation
    })
}

/// Removes and answers the attributes called `name`.
fn take(attributes: &mut Vec<Attribute>, name: &str) -> Vec<Attribute> {
    attributes.extract_if(.., |attribute| attribute.path().is_ident(name)).collect()
}

fn info(block: &ItemImpl) -> syn::Result<Type> {
    let found = block.items.iter().find_map(|item| match item {
        ImplItem::Type(item) if item.ident == "Info" => Some(item.ty.clone()),
        _ => None,
    });
    found.ok_or_else(|| {
        syn::Error::new_spanned(
            &block.self_ty,
            "an implementation says what it reads: `type Info = ...;` (`NoInfo`: nothing)",
        )
    })
}

/// A method marked `#[step(...)]`.
struct Step {
    function: Ident,
    json: String,
    args: StepArguments,
    /// Where its result is written.
    output: Span,
}

/// Where the arguments of a step are described.
enum StepArguments {
    /// It has none.
    None,
    /// A struct that derives `StepArgs`.
    Struct(Box<Type>),
    /// The method of the interface type that the step is.
    Method,
}

impl Step {
    fn new(attribute: &Attribute, function: &ImplItemFn, is_method: bool) -> syn::Result<Self> {
        let doc = text::doc(&function.attrs);
        if doc.is_empty() {
            return Err(syn::Error::new_spanned(
                &function.sig.ident,
                "a step needs a doc comment: operators read it",
            ));
        }
        let (mut kinds, mut priority, mut abortable, mut ramdisk) = (Vec::new(), 0, false, false);
        for meta in attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)? {
            match &meta {
                Meta::Path(path) if path.is_ident("abortable") => abortable = true,
                Meta::Path(path) if path.is_ident("requires_ramdisk") => ramdisk = true,
                Meta::Path(path)
                    if ["clean", "deploy", "verify", "service"].iter().any(|kind| path.is_ident(kind)) =>
                {
                    kinds.push(path.require_ident()?.to_string());
                }
                Meta::NameValue(pair) if pair.path.is_ident("priority") => priority = integer(&pair.value)?,
                other => {
                    return Err(syn::Error::new_spanned(
                        other,
                        "expected clean, deploy, verify, service, priority = N, abortable or requires_ramdisk",
                    ));
                }
            }
        }
        if kinds.is_empty() {
            return Err(syn::Error::new_spanned(
                attribute,
                "a step is of at least one kind: clean, deploy, verify, service",
            ));
        }
        let json = format!(
            "{{\"kinds\":{},\"step\":{},\"priority\":{priority},\"abortable\":{abortable},\"requires_ramdisk\":{ramdisk},\"doc\":{},\"args\":",
            text::json_list(&kinds),
            text::json(&function.sig.ident.to_string()),
            text::json(&doc),
        );
        let args = match third_argument(function) {
            _ if is_method => StepArguments::Method,
            Some(kind) => StepArguments::Struct(Box::new(kind)),
            None => StepArguments::None,
        };
        let output = match &function.sig.output {
            ReturnType::Type(_, output) => output.span(),
            ReturnType::Default => function.sig.ident.span(),
        };
        Ok(Self { function: function.sig.ident.clone(), json, args, output })
    }
}

fn integer(value: &Expr) -> syn::Result<u32> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => LitInt::base10_parse(number),
        other => Err(syn::Error::new_spanned(other, "expected a number")),
    }
}

/// The type of the argument after `self` and `task`.
fn third_argument(function: &ImplItemFn) -> Option<Type> {
    match function.sig.inputs.iter().nth(2)? {
        FnArg::Typed(typed) => Some((*typed.ty).clone()),
        FnArg::Receiver(_) => None,
    }
}

/// A method marked `#[vendor_method(...)]`.
struct Route {
    function: Ident,
    name: String,
    json: String,
    args: Option<Type>,
}

impl Route {
    fn new(attribute: &Attribute, function: &ImplItemFn) -> syn::Result<Self> {
        let mut name = function.sig.ident.to_string();
        let (mut methods, mut asynchronous, mut attach, mut exclusive) =
            (vec!["POST".to_owned()], true, false, true);
        let mut description = text::doc(&function.attrs);
        let metas = match &attribute.meta {
            Meta::List(list) => list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?,
            Meta::Path(_) | Meta::NameValue(_) => Punctuated::new(),
        };
        for meta in metas {
            let Meta::NameValue(pair) = &meta else {
                return Err(syn::Error::new_spanned(&meta, "expected `key = value`"));
            };
            match (pair.path.require_ident()?.to_string().as_str(), &pair.value) {
                ("name", Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => name = text.value(),
                ("description", Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => description = text.value(),
                ("http_methods", Expr::Array(list)) => {
                    methods = strings(list)?.iter().map(|method| method.to_uppercase()).collect();
                }
                ("asynchronous", Expr::Lit(ExprLit { lit: Lit::Bool(LitBool { value, .. }), .. })) => {
                    asynchronous = *value
                }
                ("attach", Expr::Lit(ExprLit { lit: Lit::Bool(LitBool { value, .. }), .. })) => {
                    attach = *value
                }
                ("exclusive", Expr::Lit(ExprLit { lit: Lit::Bool(LitBool { value, .. }), .. })) => {
                    exclusive = *value
                }
                _ => {
                    return Err(syn::Error::new_spanned(
                        &meta,
                        "expected name, description, http_methods = [..], asynchronous, attach or exclusive",
                    ));
                }
            }
        }
        let json = format!(
            "{{\"name\":{},\"http_methods\":{},\"async\":{asynchronous},\"description\":{},\"attach\":{attach},\"require_exclusive_lock\":{exclusive}}}",
            text::json(&name),
            text::json_list(&methods),
            text::json(&description),
        );
        Ok(Self { function: function.sig.ident.clone(), name, json, args: third_argument(function) })
    }
}

/// The `Implementation` of the type: its part of the descriptor and its calls.
fn implementation(
    header: &Header,
    self_type: &Type,
    info: &Type,
    steps: &[Step],
    routes: &[Route],
    overridden: &[String],
) -> TokenStream {
    let Header { kind, name, aliases, blocking, .. } = header;
    let kind_name = kind.to_string();
    let mut variant = kind_name.clone();
    if let Some(first) = variant.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    let variant = format_ident!("{variant}");
    let parts = descriptor_parts(header, info, steps, routes, overridden);
    let dispatch = if *blocking { quote!(blocking::dispatch) } else { quote!(dispatch) };
    let step_arms = steps
        .iter()
        .enumerate()
        // A function that is marked several times is called in one way.
        .filter(|(index, step)| !steps.iter().take(*index).any(|other| other.function == step.function))
        .map(|(_, step)| step_arm(step, header, &dispatch));
    let route_arms = routes.iter().map(|route| route_arm(route, *blocking));
    quote! {
        impl ::farrier_sdk::glue::Implementation for #self_type {
            const KIND: ::farrier_sdk::interface::InterfaceType = ::farrier_sdk::interface::InterfaceType::#variant;
            const NAME: &'static str = #name;
            const ALIASES: &'static [&'static str] = &[#(#aliases),*];
            const DESCRIPTOR: &'static str = {
                const PARTS: &[&str] = &[#(#parts),*];
                const SIZE: usize = ::farrier_sdk::descriptor::size(PARTS);
                const BYTES: [u8; SIZE] = ::farrier_sdk::descriptor::concat::<SIZE>(PARTS);
                ::farrier_sdk::descriptor::text(&BYTES)
            };

            fn call(
                self: ::std::sync::Arc<Self>,
                call: ::farrier_sdk::glue::Call,
            ) -> ::farrier_sdk::glue::BoxFuture<::farrier_sdk::error::Result<::std::vec::Vec<u8>>> {
                ::std::boxed::Box::pin(async move {
                    match call.target()? {
                        ::farrier_sdk::glue::Target::Step(step) => match step.as_str() {
                            #(#step_arms)*
                            other => Err(::farrier_sdk::glue::unsupported(#kind_name, other)),
                        },
                        ::farrier_sdk::glue::Target::VendorMethod(method) => match method.as_str() {
                            #(#route_arms)*
                            other => Err(::farrier_sdk::glue::unsupported(#kind_name, other)),
                        },
                        ::farrier_sdk::glue::Target::Method => {
                            ::farrier_sdk::interface::#kind::#dispatch(self, call).await
                        }
                    }
                })
            }
        }
    }
}

fn descriptor_parts(
    header: &Header,
    info: &Type,
    steps: &[Step],
    routes: &[Route],
    overridden: &[String],
) -> Vec<TokenStream> {
    let Header { kind, name, aliases, blocking, supported } = header;
    let supported = if *supported { "" } else { "\"supported\":false," };
    let methods: Vec<&str> = methods::answered(&kind.to_string(), overridden).collect();
    let head = format!(
        "{{\"type\":{},\"name\":{},\"aliases\":{},\"api\":\"1.0\",\"blocking\":{blocking},{supported}\"methods\":{},\"steps\":[",
        text::json(&kind.to_string()),
        text::json(&name.value()),
        text::json_list(aliases),
        text::json_list(&methods),
    );
    let mut parts = vec![quote!(#head)];
    for (index, step) in steps.iter().enumerate() {
        let open = format!("{}{}", if index == 0 { "" } else { "," }, step.json);
        parts.push(quote!(#open));
        parts.push(match &step.args {
            StepArguments::Struct(args) => quote!(<#args as ::farrier_sdk::step::StepArgs>::DESCRIPTOR),
            StepArguments::Method => {
                let constant = arguments_constant(&step.function.to_string());
                quote!(::farrier_sdk::interface::#kind::#constant)
            }
            StepArguments::None => quote!("{}"),
        });
        parts.push(quote!("}"));
    }
    let routes = routes.iter().map(|route| route.json.as_str()).collect::<Vec<_>>().join(",");
    let tail = format!("],\"vendor_methods\":[{routes}],\"properties\":");
    parts.extend([
        quote!(#tail),
        quote!(<#info as ::farrier_sdk::property::Properties>::DESCRIPTOR),
        quote!("}"),
    ]);
    parts
}

fn step_arm(step: &Step, header: &Header, dispatch: &TokenStream) -> TokenStream {
    let Step { function, args, .. } = step;
    let name = function.to_string();
    let read = match args {
        StepArguments::None => None,
        StepArguments::Struct(_) => Some(quote!(call.step_args()?)),
        StepArguments::Method => {
            let kind = &header.kind;
            return quote! {
                #name => {
                    let reply = ::farrier_sdk::interface::#kind::#dispatch(self, call.step_as_method()?).await?;
                    ::farrier_sdk::glue::method_outcome(reply)
                }
            };
        }
    };
    arm(&name, function, read, header.blocking, Some(step.output))
}

fn route_arm(route: &Route, blocking: bool) -> TokenStream {
    let read = route.args.is_some().then(|| quote!(call.vendor_args()?));
    arm(&route.name, &route.function, read, blocking, None)
}

/// Calls `function` of a vendor's own. With `outcome`, the place of its result, it is a step.
fn arm(
    name: &str,
    function: &Ident,
    args: Option<TokenStream>,
    blocking: bool,
    outcome: Option<Span>,
) -> TokenStream {
    let (read, pass) = match args {
        Some(args) => (quote!(let args = #args;), quote!(, args)),
        None => (quote!(), quote!()),
    };
    let wait = (!blocking).then(|| quote!(.await));
    let span = outcome.unwrap_or_else(Span::call_site);
    let mut result = quote_spanned!(span=> self.#function(&task #pass)#wait?);
    if outcome.is_some() {
        result = quote_spanned!(span=> ::farrier_sdk::step::IntoOutcome::into_outcome(#result));
    }
    if blocking {
        return quote! {
            #name => {
                let task = call.task()?;
                #read
                ::farrier_sdk::glue::run_blocking(call, move || ::farrier_sdk::glue::encode(&#result)).await
            }
        };
    }
    quote! {
        #name => {
            let task = call.task()?;
            #read
            ::farrier_sdk::glue::encode(&#result)
        }
    }
}

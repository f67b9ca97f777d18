//! `#[contract(kind)]`: everything that follows from the definition of an interface type.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    Attribute, Block, Ident, ItemTrait, Path, ReturnType, Signature, TraitItem, TraitItemFn, Type,
    parse_quote,
};

use crate::arguments::{self, Argument};
use crate::methods as rows;

/// One method of an interface type.
struct Method {
    docs: Vec<Attribute>,
    signature: Signature,
    arguments: Vec<Argument>,
    output: Type,
    body: Option<Block>,
    /// The function that answers unless it is overridden: it gets the task and the arguments, and may wait.
    provided: Option<Path>,
    /// Answers `unsupported` unless it is overridden.
    unsupported: bool,
}

/// Expands the definition; `arguments` is the name of the interface type.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let kind: Ident = syn::parse2(arguments)?;
    let definition: ItemTrait = syn::parse2(item)?;
    let mut methods = Vec::new();
    let has_validate =
        definition.items.iter().any(|item| matches!(item, TraitItem::Fn(f) if f.sig.ident == "validate"));
    if !has_validate {
        methods.push(method(parse_quote! {
            /// Checks what cannot be seen from one value of `driver_info` alone; each value was checked before.
            ///
            /// Never talks to the machine.
            async fn validate(&self, task: &DriverTask<Self::Info>) -> Result<()> { Ok(()) }
        })?);
    }
    for item in &definition.items {
        if let TraitItem::Fn(function) = item {
            methods.push(method(function.clone())?);
        }
    }
    let names: Vec<String> = methods.iter().map(Method::name).collect();
    let inherited: Vec<String> =
        methods.iter().filter(|method| method.answers_by_itself()).map(Method::name).collect();
    rows::check(&kind.to_string(), &names, &inherited, &definition.ident)?;
    let asynchronous = asynchronous(&definition, &methods);
    let blocking = blocking(&definition, &methods, &kind);
    let table = table(&methods);
    let dispatch = dispatch(&definition.ident, &methods, &kind);
    let client = client(&methods, &kind);
    Ok(quote!(#asynchronous #blocking #table #dispatch #client))
}

fn method(mut function: TraitItemFn) -> syn::Result<Method> {
    let unsupported = function.attrs.iter().any(|attribute| attribute.path().is_ident("unsupported"));
    let provided = function.attrs.iter().find(|attribute| attribute.path().is_ident("provided"));
    let provided = provided.map(Attribute::parse_args::<Path>).transpose()?;
    let docs = function.attrs.into_iter().filter(|attribute| attribute.path().is_ident("doc")).collect();
    let arguments = arguments::take(&mut function.sig)?;
    let output = match &function.sig.output {
        ReturnType::Type(_, output) => (**output).clone(),
        ReturnType::Default => {
            return Err(syn::Error::new_spanned(&function.sig, "a method answers a `Result`"));
        }
    };
    Ok(Method {
        docs,
        signature: function.sig,
        arguments,
        output,
        body: function.default,
        provided,
        unsupported,
    })
}

/// In which of the two traits a body stands.
#[derive(Clone, Copy)]
enum Style {
    Asynchronous,
    Blocking,
}

impl Method {
    fn name(&self) -> String {
        self.signature.ident.to_string()
    }

    /// Whether it answers without being overridden.
    fn answers_by_itself(&self) -> bool {
        (self.body.is_some() || self.provided.is_some()) && !self.unsupported
    }

    /// The body an implementation inherits, if any.
    fn inherited(&self, kind: &str, style: Style) -> Option<TokenStream> {
        if let Some(function) = &self.provided {
            let names = self.arguments.iter().map(|argument| &argument.name);
            let call = quote!(#function(task, #(#names),*));
            return Some(match style {
                Style::Asynchronous => quote!(#call.await),
                Style::Blocking => quote!(task.block_on(#call)),
            });
        }
        if self.unsupported {
            let (name, names) = (self.name(), self.arguments.iter().map(|argument| &argument.name));
            return Some(quote! {
                let _ = (task, #(&#names),*);
                Err(crate::glue::unsupported(#kind, #name))
            });
        }
        let statements = &self.body.as_ref()?.stmts;
        let names = self.arguments.iter().map(|argument| &argument.name);
        Some(quote!(let _ = (task, #(&#names),*); #(#statements)*))
    }
}

/// The trait as vendors implement it: `async fn` becomes a method that answers a `Send` future.
fn asynchronous(definition: &ItemTrait, methods: &[Method]) -> TokenStream {
    let ItemTrait { attrs, vis, ident, .. } = definition;
    let kind = ident.to_string().trim_end_matches("Interface").to_lowercase();
    let items = methods.iter().map(|method| {
        let (docs, output) = (&method.docs, &method.output);
        let mut signature = method.signature.clone();
        signature.asyncness = None;
        signature.output = parse_quote!(-> impl ::core::future::Future<Output = #output> + Send);
        match method.inherited(&kind, Style::Asynchronous) {
            Some(body) => quote!(#(#docs)* #signature { async move { #body } }),
            None => quote!(#(#docs)* #signature;),
        }
    });
    quote! {
        #(#attrs)*
        #vis trait #ident: Send + Sync + 'static {
            /// What the implementation reads from `driver_info`; [`NoInfo`](crate::property::NoInfo) if nothing.
            type Info: crate::property::Properties;
            #(#items)*
        }
    }
}

/// The same trait with plain functions, each run on a thread of its own.
fn blocking(definition: &ItemTrait, methods: &[Method], kind: &Ident) -> TokenStream {
    let ItemTrait { vis, ident, .. } = definition;
    let kind_name = kind.to_string();
    let items = methods.iter().map(|method| {
        let docs = &method.docs;
        let mut signature = method.signature.clone();
        signature.asyncness = None;
        match method.inherited(&kind_name, Style::Blocking) {
            Some(body) => quote!(#(#docs)* #signature { #body }),
            None => quote!(#(#docs)* #signature;),
        }
    });
    let arms = methods.iter().map(|method| {
        let (name, function) = (method.name(), &method.signature.ident);
        let reads = method.arguments.iter().map(Argument::read);
        quote!(#name => crate::glue::encode(&this.#function(&task, #(#reads),*)?),)
    });
    let doc = format!("`{ident}` for blocking libraries: each call runs on a thread of the plugin's pool.");
    quote! {
        #[doc = #doc]
        pub mod blocking {
            use super::*;

            #[doc = #doc]
            #vis trait #ident: Send + Sync + 'static {
                /// What the implementation reads from `driver_info`.
                type Info: crate::property::Properties;
                #(#items)*
            }

            /// Answers one call by `this`.
            #[doc(hidden)]
            pub async fn dispatch<T: #ident>(this: std::sync::Arc<T>, call: crate::glue::Call) -> Result<Vec<u8>> {
                let task = call.task::<T::Info>()?;
                let mut arguments = call.arguments()?;
                let method = call.method().to_owned();
                crate::glue::run_blocking(call, move || match method.as_str() {
                    #(#arms)*
                    other => Err(crate::glue::unsupported(#kind_name, other)),
                }).await
            }
        }
    }
}

/// The names of all methods, and what arguments they take.
fn table(methods: &[Method]) -> TokenStream {
    let all: Vec<_> = methods.iter().map(Method::name).collect();
    let arguments = methods.iter().map(|method| {
        let (constant, json) = (arguments_constant(&method.name()), arguments::json(&method.arguments));
        quote! {
            #[doc(hidden)]
            pub const #constant: &str = #json;
        }
    });
    quote! {
        /// Every method of this interface type.
        pub const METHODS: &[&str] = &[#(#all),*];

        #(#arguments)*
    }
}

/// Name of the constant that describes the arguments of a method that is a step too.
pub(crate) fn arguments_constant(method: &str) -> Ident {
    format_ident!("{}_ARGUMENTS", method.to_uppercase())
}

fn dispatch(ident: &Ident, methods: &[Method], kind: &Ident) -> TokenStream {
    let kind_name = kind.to_string();
    let arms = methods.iter().map(|method| {
        let (name, function) = (method.name(), &method.signature.ident);
        let reads = method.arguments.iter().map(Argument::read);
        quote!(#name => crate::glue::encode(&this.#function(&task, #(#reads),*).await?),)
    });
    quote! {
        /// Answers one call by `this`.
        #[doc(hidden)]
        pub async fn dispatch<T: #ident>(this: std::sync::Arc<T>, call: crate::glue::Call) -> Result<Vec<u8>> {
            let task = call.task::<T::Info>()?;
            let mut arguments = call.arguments()?;
            match call.method() {
                #(#arms)*
                other => Err(crate::glue::unsupported(#kind_name, other)),
            }
        }
    }
}

/// The calling side: a method per method, over anything that can carry a call.
fn client(methods: &[Method], kind: &Ident) -> TokenStream {
    let mut capital = kind.to_string();
    if let Some(first) = capital.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    let client = format_ident!("{capital}Client");
    let doc = format!("Calls the {kind} interface of a node through whatever carries the call.");
    let functions = methods.iter().map(|method| {
        let Method { docs, output, .. } = method;
        let function = &method.signature.ident;
        let name = method.name();
        let parameters = method.arguments.iter().map(|Argument { name, kind, .. }| quote!(#name: #kind));
        let writes = method.arguments.iter().map(Argument::write);
        quote! {
            #(#docs)*
            pub async fn #function(&self, #(#parameters),*) -> #output {
                #[allow(unused_mut, clippy::allow_attributes, reason = "a method without arguments writes none")]
                let mut outgoing = crate::glue::ArgumentsWriter::new();
                #(#writes;)*
                crate::glue::decode(&self.0.call(#name, outgoing.finish()?).await?)
            }
        }
    });
    quote! {
        #[doc = #doc]
        #[derive(Debug, Clone)]
        pub struct #client<C>(pub C);

        impl<C: crate::glue::Caller> #client<C> {
            #(#functions)*
        }
    }
}

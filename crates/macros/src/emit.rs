//! What is written for a function: a struct, its trait, its registration.

use std::time::Duration;

use proc_macro2::{TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Expr, ExprLit, Ident, ItemFn, Lit, LitStr, Meta, Path};

use crate::Kind;
use crate::options::Options;
use crate::parameters::{Argument, DefaultValue, Parameter};
use crate::signature::Signature;

/// Everything that is added after the function.
pub(crate) fn emit(
    kind: Kind,
    options: &Options,
    function: &ItemFn,
    struct_name: &Ident,
    signature: &Signature,
) -> TokenStream {
    let arguments = arguments_struct(options, function, struct_name, signature);
    let implementation = implementation(kind, options, function, struct_name, signature);
    let registration = registration(kind, &options.root, struct_name, signature);
    let checks = name_checks(options, function);
    quote!(#arguments #implementation #registration #checks)
}

/// The struct, and the defaults of its fields.
fn arguments_struct(
    options: &Options,
    function: &ItemFn,
    struct_name: &Ident,
    signature: &Signature,
) -> TokenStream {
    let (visibility, root) = (&function.vis, &options.root);
    let docs = function.attrs.iter().filter(|attribute| attribute.path().is_ident("doc"));
    let arguments = || signature.parameters.iter().filter_map(as_argument);
    let fields = arguments().map(|argument| {
        let Argument { name, of_type, attributes, .. } = argument;
        let default = default_attribute(argument, struct_name);
        quote!(#(#attributes)* #default #visibility #name: #of_type)
    });
    let defaults: Vec<_> = arguments().filter_map(default_function).collect();
    let defaults = (!defaults.is_empty()).then(|| quote!(impl #struct_name { #(#defaults)* }));
    let serde = quote!(#root::__private::serde);
    let schemars = quote!(#root::__private::schemars);
    let (serde_path, schemars_path) = (serde.to_string(), schemars.to_string());
    quote! {
        #(#docs)*
        #[allow(missing_docs)]
        #[derive(
            ::core::fmt::Debug, ::core::clone::Clone, #serde::Serialize, #serde::Deserialize, #schemars::JsonSchema,
        )]
        #[serde(crate = #serde_path, deny_unknown_fields)]
        #[schemars(crate = #schemars_path)]
        #visibility struct #struct_name { #(#fields,)* }
        #defaults
    }
}

fn as_argument(parameter: &Parameter) -> Option<&Argument> {
    match parameter {
        Parameter::Argument(argument) => Some(argument),
        Parameter::Surroundings { .. } | Parameter::Resource(_) => None,
    }
}

/// An absent option is not written either: ids do not depend on whether it was left out.
fn default_attribute(argument: &Argument, struct_name: &Ident) -> TokenStream {
    if argument.is_option() {
        return quote!(#[serde(default, skip_serializing_if = "::core::option::Option::is_none")]);
    }
    match &argument.default {
        DefaultValue::Missing => TokenStream::new(),
        DefaultValue::OfType => quote!(#[serde(default)]),
        DefaultValue::Given(_) => {
            let path = format!("{struct_name}::{}", default_name(argument));
            quote!(#[serde(default = #path)])
        }
    }
}

fn default_name(argument: &Argument) -> Ident {
    format_ident!("__default_{}", argument.name)
}

fn default_function(argument: &Argument) -> Option<TokenStream> {
    let DefaultValue::Given(value) = &argument.default else { return None };
    let (name, of_type) = (default_name(argument), &argument.of_type);
    let value = match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => quote!(::core::convert::Into::into(#text)),
        other => quote!(#other),
    };
    Some(quote!(#[doc(hidden)] fn #name() -> #of_type { #value }))
}

/// The trait.
fn implementation(
    kind: Kind,
    options: &Options,
    function: &ItemFn,
    struct_name: &Ident,
    signature: &Signature,
) -> TokenStream {
    let (root, output, called) = (&options.root, &signature.output, &function.sig.ident);
    let descriptor = descriptor(options, function);
    // Fields are named through `self` only, so that no argument's name can hide `context`.
    let passed = signature.parameters.iter().map(|parameter| match parameter {
        Parameter::Surroundings { by_reference: true } => quote!(&context),
        Parameter::Surroundings { by_reference: false } => quote!(context.clone()),
        Parameter::Resource(resource) => quote!(context.resource::<#resource>()?),
        Parameter::Argument(argument) => {
            let name = &argument.name;
            quote!(self.#name)
        }
    });
    let call = quote!(#called(#(#passed),*));
    let body = match function.sig.asyncness {
        Some(_) => quote!(::core::result::Result::Ok(#call.await?)),
        None => quote!(context.blocking(move |context| ::core::result::Result::Ok(#call?)).await),
    };
    let (implemented, method, surroundings) = match kind {
        Kind::Operation => (quote!(Operation), quote!(run), quote!(Context)),
        Kind::Flow => (quote!(FlowSchema), quote!(expand), quote!(Flow)),
    };
    let check = options.check.as_ref().map(|check| {
        quote! {
            fn check(&self, resolver: &dyn #root::Resolve) -> ::std::vec::Vec<(::std::string::String, #root::Error)> {
                #check(self, resolver)
            }
        }
    });
    quote! {
        impl #root::#implemented for #struct_name {
            type Output = #output;

            fn descriptor() -> #root::Descriptor {
                #descriptor
            }

            // Whether the `?` converts the error is known to the compiler only.
            #[allow(unused_variables, clippy::needless_question_mark)]
            async fn #method(self, context: #root::#surroundings) -> ::core::result::Result<#output, #root::Error> {
                #body
            }

            #check
        }
    }
}

fn descriptor(options: &Options, function: &ItemFn) -> TokenStream {
    let root = &options.root;
    let name = name(options, function);
    let version = options.version.as_ref().map_or_else(|| "1.0.0".to_owned(), LitStr::value);
    // `new` notes where it is called. All of the call, the path to otaman included, has the
    // function's span, so that this is the function's line.
    let span = function.sig.ident.span();
    let here = |mut token: TokenTree| {
        token.set_span(span);
        token
    };
    let root_here: TokenStream = quote!(#root).into_iter().map(here).collect();
    let new = quote_spanned!(span=> #root_here::Descriptor::new(#name, #version));
    let description = description(&function.attrs);
    let description = (!description.is_empty()).then(|| quote!(.description(#description)));
    let spec_versions = options.spec_versions.as_ref().map(|versions| quote!(.spec_versions(#versions)));
    let tags = &options.tags;
    let tags = (!tags.is_empty()).then(|| quote!(.tags(&[#(#tags),*])));
    let author = options.author.as_ref().map(|author| quote!(.author(#author)));
    let worker_type = options.worker_type.as_ref().map(|worker_type| quote!(.worker_type(#worker_type)));
    let runtime_limit =
        options.runtime_limit.map(duration_tokens).map(|limit| quote!(.runtime_limit(#limit)));
    let retry = options.retry.as_ref().map(|retry| retry.tokens(root)).map(|retry| quote!(.retry(#retry)));
    let isolation = options.isolation.as_ref().map(|variant| quote!(.isolation(#root::Isolation::#variant)));
    let memory_limit = options.memory_limit.map(|bytes| quote!(.memory_limit(#bytes)));
    let semaphores = &options.semaphores;
    let semaphores = (!semaphores.is_empty()).then(|| quote!(.semaphores(&[#(#semaphores),*])));
    let requires = &options.requires;
    let requires = (!requires.is_empty()).then(|| quote!(.requires(&[#(#requires),*])));
    quote!(#new #description #spec_versions #tags #author #worker_type #runtime_limit #retry #isolation #memory_limit #semaphores #requires)
}

/// The name that was given, or the function's.
fn name(options: &Options, function: &ItemFn) -> LitStr {
    let ident = &function.sig.ident;
    let of_function = || LitStr::new(ident.to_string().trim_start_matches("r#"), ident.span());
    options.name.clone().unwrap_or_else(of_function)
}

/// The text of doc comments.
fn description(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<_> = lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).to_owned()).collect();
    lines.join("\n").trim().to_owned()
}

/// The duration as an expression.
pub(crate) fn duration_tokens(duration: Duration) -> TokenStream {
    let (seconds, nanoseconds) = (duration.as_secs(), duration.subsec_nanos());
    quote!(::core::time::Duration::new(#seconds, #nanoseconds))
}

/// What the linker gathers.
fn registration(kind: Kind, root: &Path, struct_name: &Ident, signature: &Signature) -> TokenStream {
    let needs: Vec<_> = signature
        .parameters
        .iter()
        .filter_map(|parameter| match parameter {
            Parameter::Resource(resource) => Some(quote!(#root::Need::of::<#resource>())),
            Parameter::Surroundings { .. } | Parameter::Argument(_) => None,
        })
        .collect();
    let entry = match kind {
        Kind::Flow => quote!(Flow(#root::FlowEntry::of::<#struct_name>)),
        Kind::Operation if needs.is_empty() => quote!(Operation(#root::OperationEntry::of::<#struct_name>)),
        Kind::Operation => quote! {
            Operation(|| {
                const NEEDS: &[#root::Need] = &[#(#needs),*];
                #root::OperationEntry::with_needs::<#struct_name>(NEEDS)
            })
        },
    };
    quote!(#root::__private::inventory::submit! { #root::Registration::#entry })
}

/// Has the compiler check literals by the one rule for names that there is.
fn name_checks(options: &Options, function: &ItemFn) -> TokenStream {
    let root = &options.root;
    let mut names = options.names.clone();
    if options.name.is_none() {
        names.push(name(options, function));
    }
    let checks = names.iter().map(|name| {
        quote_spanned! {name.span()=>
            const _: () = ::core::assert!(
                #root::__private::is_name(#name),
                "a name must be 1 to 128 characters out of A-Z a-z 0-9 _ . -"
            );
        }
    });
    quote!(#(#checks)*)
}

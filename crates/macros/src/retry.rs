//! The key `retry(…)`: fields of a `RetryPolicy`, the rest by default.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Error, Lit, LitInt, LitStr, Path, Result, Token, parenthesized};

use crate::emit::duration_tokens;
use crate::options::{duration, key_of, once, text, unknown_key};

const KEYS: [&str; 11] = [
    "max_attempts",
    "max_timeouts",
    "max_out_of_memory",
    "max_losses",
    "initial_delay",
    "multiplier",
    "max_delay",
    "timeout_delay",
    "out_of_memory_delay",
    "transient_exit_codes",
    "on_out_of_memory",
];

/// The fields that were given, each with its value.
#[derive(Default)]
pub(crate) struct Retry(Vec<(Path, FieldValue)>);

enum FieldValue {
    Plain(TokenStream),
    /// The variant of `ExitCodes`, with its content.
    ExitCodes(TokenStream),
    /// The worker type of `on_out_of_memory`.
    OnOutOfMemory(LitStr),
}

impl Retry {
    pub(crate) fn parse(meta: &ParseNestedMeta<'_>) -> Result<Self> {
        let mut retry = Self::default();
        let mut seen = Vec::new();
        meta.parse_nested_meta(|field| {
            once(&field, &mut seen)?;
            let value = match key_of(&field).as_str() {
                "max_attempts" | "max_timeouts" | "max_out_of_memory" | "max_losses" => count(&field)?,
                "initial_delay" | "max_delay" => {
                    FieldValue::Plain(duration_tokens(duration(&text(&field)?)?))
                }
                "timeout_delay" | "out_of_memory_delay" => {
                    let delay = duration_tokens(duration(&text(&field)?)?);
                    FieldValue::Plain(quote!(::core::option::Option::Some(#delay)))
                }
                "multiplier" => multiplier(&field)?,
                "transient_exit_codes" => exit_codes(&field)?,
                "on_out_of_memory" => on_out_of_memory(&field)?,
                _ => return Err(unknown_key(&field, "retry", &KEYS.join(", "))),
            };
            retry.0.push((field.path.clone(), value));
            Ok(())
        })?;
        Ok(retry)
    }

    /// Literals that must be names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &LitStr> {
        self.0.iter().filter_map(|(_, value)| match value {
            FieldValue::OnOutOfMemory(worker_type) => Some(worker_type),
            FieldValue::Plain(_) | FieldValue::ExitCodes(_) => None,
        })
    }

    /// The policy as an expression.
    pub(crate) fn tokens(&self, root: &Path) -> TokenStream {
        let fields = self.0.iter().map(|(name, value)| match value {
            FieldValue::Plain(value) => quote!(#name: #value),
            FieldValue::ExitCodes(variant) => quote!(#name: #root::__private::ExitCodes::#variant),
            FieldValue::OnOutOfMemory(worker_type) => {
                quote!(#name: ::core::option::Option::Some(#root::__private::OnOutOfMemory {
                    worker_type: #worker_type.parse().expect("it was checked to be a name"),
                }))
            }
        });
        let rest = (self.0.len() < KEYS.len()).then(|| quote!(..::core::default::Default::default()));
        quote!(#root::RetryPolicy { #(#fields,)* #rest })
    }
}

fn count(meta: &ParseNestedMeta<'_>) -> Result<FieldValue> {
    let literal: LitInt = meta.value()?.parse()?;
    match literal.base10_parse::<u32>()? {
        0 => {
            Err(Error::new(literal.span(), "a budget of 0 allows not even the first attempt; the least is 1"))
        }
        number => Ok(FieldValue::Plain(quote!(#number))),
    }
}

fn multiplier(meta: &ParseNestedMeta<'_>) -> Result<FieldValue> {
    let literal: Lit = meta.value()?.parse()?;
    let number: f64 = match &literal {
        Lit::Float(float) => float.base10_parse()?,
        Lit::Int(int) => int.base10_parse()?,
        other => return Err(Error::new(other.span(), "expected a number such as 2.0")),
    };
    Ok(FieldValue::Plain(quote!(#number)))
}

fn on_out_of_memory(meta: &ParseNestedMeta<'_>) -> Result<FieldValue> {
    let mut worker_type = None;
    meta.parse_nested_meta(|field| match key_of(&field).as_str() {
        "worker_type" => {
            worker_type = Some(text(&field)?);
            Ok(())
        }
        _ => Err(unknown_key(&field, "on_out_of_memory", "worker_type")),
    })?;
    let missing = || meta.error("say which workers: on_out_of_memory(worker_type = \"…\")");
    worker_type.map(FieldValue::OnOutOfMemory).ok_or_else(missing)
}

fn exit_codes(meta: &ParseNestedMeta<'_>) -> Result<FieldValue> {
    let content;
    parenthesized!(content in meta.input);
    if content.peek(syn::Ident) {
        let word: syn::Ident = content.parse()?;
        if word != "all" || !content.is_empty() {
            return Err(Error::new(word.span(), "expected exit codes, such as 75, or `all`"));
        }
        return Ok(FieldValue::ExitCodes(quote!(All)));
    }
    let codes = Punctuated::<LitInt, Token![,]>::parse_terminated(&content)?;
    let codes = codes.iter().map(LitInt::base10_parse::<i32>).collect::<Result<Vec<_>>>()?;
    Ok(FieldValue::ExitCodes(quote!(Only(::std::vec![#(#codes),*]))))
}

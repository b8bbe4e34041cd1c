//! From the annotated function to what replaces it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, Ident, ItemFn, Result};

use crate::Kind;
use crate::emit::emit;
use crate::options::Options;
use crate::signature::{Signature, combined};

/// The function, and the struct that is a call of it; or the function and the mistakes.
pub(crate) fn expand(kind: Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error =
                combined(Error::new(error.span(), format!("{} goes on a function", kind.attribute())), error);
            let error = error.to_compile_error();
            return quote!(#item #error);
        }
    };
    let generated = generate(kind, arguments, &mut function).unwrap_or_else(|error| error.to_compile_error());
    quote! {
        #[allow(clippy::too_many_arguments)]
        #function
        #generated
    }
}

fn generate(kind: Kind, arguments: TokenStream, function: &mut ItemFn) -> Result<TokenStream> {
    let signature = Signature::take(kind, function);
    let options = Options::parse(kind, arguments);
    let struct_name = struct_name(&function.sig.ident);
    let (signature, options) = match (signature, options) {
        (Ok(signature), Ok(options)) => (signature, options),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error),
        (Err(first), Err(second)) => return Err(combined(first, second)),
    };
    Ok(emit(kind, &options, function, &struct_name?, &signature))
}

/// `CopyChunk` for `copy_chunk`.
fn struct_name(function: &Ident) -> Result<Ident> {
    let text = function.to_string();
    let mut name = String::new();
    for word in text.trim_start_matches("r#").split('_') {
        let mut letters = word.chars();
        name.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        name.push_str(letters.as_str());
    }
    let parsed: Result<Ident> = syn::parse_str(&name);
    parsed.map(|ident| Ident::new(&ident.to_string(), function.span())).map_err(|_| {
        let message = format!(
            "{:?} makes no name for a struct; choose another",
            function.to_token_stream().to_string()
        );
        Error::new(function.span(), message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(kind: Kind, arguments: TokenStream, item: TokenStream) -> Vec<String> {
        let mut function = syn::parse2(item).unwrap();
        let error = generate(kind, arguments, &mut function).expect_err("it must be refused");
        // Without our attributes the function must be one that the compiler takes.
        assert!(!function.sig.to_token_stream().to_string().contains('#'), "attributes are left");
        error.into_iter().map(|error| error.to_string()).collect()
    }

    #[track_caller]
    fn assert_key_refused(kind: Kind, arguments: TokenStream, expected: &str) {
        let item = quote!(
            async fn work(flow: Flow) -> Result<()> {
                Ok(())
            }
        );
        let item = if kind == Kind::Flow {
            item
        } else {
            quote!(
                fn work() -> Result<()> {
                    Ok(())
                }
            )
        };
        let mistakes = refused(kind, arguments, item);
        assert!(mistakes.len() == 1 && mistakes[0].contains(expected), "{mistakes:?} lacks {expected:?}");
    }

    #[test]
    fn mistakes_in_keys_are_named() {
        use Kind::{Flow, Operation};
        let keys = "unknown key; #[operation] takes name, version, spec_versions, tags, author, worker_type, \
                    runtime_limit, retry, isolation, memory_limit, semaphores, requires, crate";
        assert_key_refused(Operation, quote!(nmae = "x"), keys);
        assert_key_refused(Operation, quote!(check = path), keys);
        let keys = "unknown key; #[flow] takes name, version, spec_versions, tags, author, check, crate";
        assert_key_refused(Flow, quote!(worker_type = "gpu"), keys);
        assert_key_refused(Operation, quote!(name = "a", name = "b"), "`name` is given twice");
        assert_key_refused(Operation, quote!(version = "1.0"), "write for example \"1.2.0\"");
        assert_key_refused(Operation, quote!(version = "01.0.0"), "leading zero");
        assert_key_refused(Operation, quote!(version = 1), "expected string literal");
        assert_key_refused(Flow, quote!(spec_versions = "new"), "write for example \"<=0.0.2\"");
        assert_key_refused(Operation, quote!(runtime_limit = "5 parsecs"), "is not a duration");
        assert_key_refused(Operation, quote!(runtime_limit = "0s"), "zero");
        assert_key_refused(Operation, quote!(semaphores("cuda", "cuda")), "\"cuda\" is given twice");
        assert_key_refused(Operation, quote!(semaphores = "cuda"), "expected parentheses");
        assert_key_refused(Operation, quote!(requires("import")), "needs an @");
        assert_key_refused(Operation, quote!(requires("import@new")), "write for example \"import@^1.2\"");
        assert_key_refused(Operation, quote!(retry(max_attempts = 0)), "the least is 1");
        assert_key_refused(Operation, quote!(retry(patience = 1)), "retry takes max_attempts, max_timeouts");
        assert_key_refused(
            Operation,
            quote!(retry(max_losses = 1, max_losses = 1)),
            "`max_losses` is given twice",
        );
        assert_key_refused(Operation, quote!(retry(multiplier = "2")), "expected a number");
        assert_key_refused(Operation, quote!(retry(transient_exit_codes(some))), "or `all`");
    }

    #[track_caller]
    fn assert_function_refused(kind: Kind, item: TokenStream, expected: &str) {
        let mistakes = refused(kind, TokenStream::new(), item);
        assert!(mistakes.len() == 1 && mistakes[0].contains(expected), "{mistakes:?} lacks {expected:?}");
    }

    #[test]
    fn operations_that_cannot_be_called_by_a_message_are_refused() {
        let refused = |item, expected| assert_function_refused(Kind::Operation, item, expected);
        refused(
            quote!(
                fn f(&self) -> Result<()> {}
            ),
            "not on a method",
        );
        refused(
            quote!(
                fn f<T>(a: u8) -> Result<()> {}
            ),
            "be generic",
        );
        refused(
            quote!(
                fn f<'a>(a: u8) -> Result<()> {}
            ),
            "be generic",
        );
        refused(
            quote!(
                unsafe fn f() -> Result<()> {}
            ),
            "be unsafe",
        );
        refused(
            quote!(
                extern "C" fn f() -> Result<()> {}
            ),
            "be extern",
        );
        refused(
            quote!(
                fn f(a: &str) -> Result<()> {}
            ),
            "String, not &str",
        );
        refused(
            quote!(
                fn f(a: Option<(u8, &'static str)>) -> Result<()> {}
            ),
            "String, not &str",
        );
        refused(
            quote!(
                fn f(a: &mut Context) -> Result<()> {}
            ),
            "String, not &str",
        );
        refused(
            quote!(
                fn f(a: impl Read) -> Result<()> {}
            ),
            "not `impl` or `dyn`",
        );
        refused(
            quote!(
                fn f((a, b): (u8, u8)) -> Result<()> {}
            ),
            "a plain name",
        );
        refused(
            quote!(
                fn f(#[default = 3] a: u8) -> Result<()> {}
            ),
            "write #[default(expression)]",
        );
        refused(
            quote!(
                fn f(#[default] a: Context) -> Result<()> {}
            ),
            "no argument",
        );
        refused(
            quote!(
                fn f(a: Context, b: &Context) -> Result<()> {}
            ),
            "is enough",
        );
        refused(
            quote!(
                fn f(flow: Flow) -> Result<()> {}
            ),
            "an operation yields nothing",
        );
        refused(
            quote!(
                fn f(a: Resource) -> Result<()> {}
            ),
            "Resource<T>",
        );
        refused(
            quote!(
                fn f() {}
            ),
            "returns a Result<T>",
        );
        refused(
            quote!(
                fn f() -> u8 {}
            ),
            "returns a Result<T>",
        );
        refused(
            quote!(
                fn f() -> Result<&'static str> {}
            ),
            "String, not &str",
        );
        refused(
            quote!(
                fn __() -> Result<()> {}
            ),
            "makes no name",
        );
    }

    #[test]
    fn flows_that_could_not_run_are_refused() {
        let refused = |item, expected| assert_function_refused(Kind::Flow, item, expected);
        refused(
            quote!(
                fn f(flow: Flow) -> Result<()> {}
            ),
            "an async fn",
        );
        refused(
            quote!(
                async fn f(a: u8) -> Result<()> {}
            ),
            "needs a parameter of type Flow",
        );
        refused(
            quote!(
                async fn f(flow: Flow, c: &Context) -> Result<()> {}
            ),
            "a flow has a Flow",
        );
        refused(
            quote!(
                async fn f(flow: Flow, r: Resource<u8>) -> Result<()> {}
            ),
            "has resources",
        );
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let item = quote!(
            fn f<T>(a: &str, (b, c): (u8, u8)) -> u8 {}
        );
        let mistakes = refused(Kind::Operation, quote!(nmae = "x"), item);
        assert_eq!(mistakes.len(), 5, "{mistakes:?}");
    }

    #[test]
    fn what_is_no_function_is_left_as_it_is() {
        let output = expand(
            Kind::Flow,
            TokenStream::new(),
            quote!(
                struct Copy;
            ),
        )
        .to_string();
        assert!(
            output.starts_with("struct Copy ;") && output.contains("#[flow] goes on a function"),
            "{output}"
        );
    }

    #[test]
    fn structs_are_named_after_functions() {
        for (function, expected) in [("copy_chunk", "CopyChunk"), ("_copy_2d", "Copy2d"), ("r#type", "Type")]
        {
            let ident: Ident = syn::parse_str(function).unwrap();
            assert_eq!(struct_name(&ident).unwrap(), expected);
        }
    }
}

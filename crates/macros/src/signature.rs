//! The function's signature: what may be there, and what it says.

use syn::spanned::Spanned;
use syn::{Error, ItemFn, Result, ReturnType, Type};

use crate::Kind;
use crate::parameters::{Parameter, first_generic, is_named, parameter, refuse_borrowed};

/// What the signature says.
pub(crate) struct Signature {
    pub(crate) parameters: Vec<Parameter>,
    /// `T` of the `Result<T, …>` that it returns.
    pub(crate) output: Type,
}

impl Signature {
    /// Reads the signature and takes our attributes off its parameters, also if it fails, so that
    /// the function can be compiled without us. Reports all mistakes, not the first only.
    pub(crate) fn take(kind: Kind, function: &mut ItemFn) -> Result<Self> {
        let mut mistakes = Vec::new();
        let mut parameters = Vec::new();
        for input in &mut function.sig.inputs {
            match parameter(kind, input) {
                Ok(parameter) => parameters.push(parameter),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        mistakes.extend(modifiers(kind, function).err());
        if mistakes.is_empty() {
            mistakes.extend(surroundings(kind, function, &parameters).err());
        }
        let output = output(kind, function);
        match (output, mistakes.into_iter().reduce(combined)) {
            (Ok(output), None) => Ok(Self { parameters, output }),
            (Ok(_), Some(mistakes)) | (Err(mistakes), None) => Err(mistakes),
            (Err(mistake), Some(mistakes)) => Err(combined(mistakes, mistake)),
        }
    }
}

/// Both errors as one.
pub(crate) fn combined(mut first: Error, second: Error) -> Error {
    first.combine(second);
    first
}

/// Refuses generics and qualifiers.
fn modifiers(kind: Kind, function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    let refuse =
        |span, what| Err(Error::new(span, format!("a function with {} cannot {what}", kind.attribute())));
    if !signature.generics.params.is_empty() {
        return refuse(signature.generics.span(), "be generic: its name stands for one type of arguments");
    }
    if let Some(clause) = &signature.generics.where_clause {
        return refuse(clause.span(), "have a where clause");
    }
    if let Some(unsafety) = &signature.unsafety {
        return refuse(unsafety.span(), "be unsafe: anybody may call it by its name");
    }
    if let Some(abi) = &signature.abi {
        return refuse(abi.span(), "be extern");
    }
    if let Some(constness) = &signature.constness {
        return refuse(constness.span(), "be const");
    }
    if kind == Kind::Flow && signature.asyncness.is_none() {
        return Err(Error::new(
            signature.fn_token.span(),
            "a flow waits for its children, so it must be an async fn",
        ));
    }
    Ok(())
}

/// Refuses several contexts, and a flow without a `Flow`.
fn surroundings(kind: Kind, function: &ItemFn, parameters: &[Parameter]) -> Result<()> {
    let count = parameters.iter().filter(|one| matches!(one, Parameter::Surroundings { .. })).count();
    match (kind, count) {
        (_, 2..) => Err(Error::new(function.sig.inputs.span(), "one parameter of this type is enough")),
        (Kind::Flow, 0) => Err(Error::new(
            function.sig.ident.span(),
            "a flow needs a parameter of type Flow, to yield through",
        )),
        (Kind::Flow | Kind::Operation, _) => Ok(()),
    }
}

fn output(kind: Kind, function: &ItemFn) -> Result<Type> {
    let refuse =
        |span| Err(Error::new(span, format!("a function with {} returns a Result<T>", kind.attribute())));
    let returned = match &function.sig.output {
        ReturnType::Default => return refuse(function.sig.ident.span()),
        ReturnType::Type(_, returned) => returned,
    };
    match first_generic(returned) {
        Some(output) if is_named(returned, "Result") => refuse_borrowed(output).map(|()| output.clone()),
        _ => refuse(returned.span()),
    }
}

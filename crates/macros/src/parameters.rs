//! Parameters of the function: what is passed in, and what is an argument.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, FnArg, GenericArgument, Ident, Meta, Pat, PathArguments, Result, Type};

use crate::Kind;

/// A parameter, by what it gets.
pub(crate) enum Parameter {
    /// The `Context` of an operation or the `Flow` of a flow.
    Surroundings { by_reference: bool },
    /// A resource of this type.
    Resource(Box<Type>),
    /// A field of the struct.
    Argument(Box<Argument>),
}

/// A parameter that is an argument.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) of_type: Type,
    pub(crate) default: DefaultValue,
    /// Attributes for the field: docs, `serde`, `schemars`.
    pub(crate) attributes: Vec<Attribute>,
}

/// What an argument is when it is left out.
pub(crate) enum DefaultValue {
    /// It may not be left out, unless it is an `Option`.
    Missing,
    /// The type's own default.
    OfType,
    /// This.
    Given(Expr),
}

impl Argument {
    /// Whether leaving it out means `None`.
    pub(crate) fn is_option(&self) -> bool {
        !matches!(self.default, DefaultValue::Given(_)) && is_named(&self.of_type, "Option")
    }
}

/// Takes the attributes that are not Rust's own off a parameter, and says what it is.
pub(crate) fn parameter(kind: Kind, parameter: &mut FnArg) -> Result<Parameter> {
    let attributes = take_attributes(parameter);
    let typed = match parameter {
        FnArg::Typed(typed) => typed,
        FnArg::Receiver(receiver) => {
            let message = format!("{} goes on a free function, not on a method", kind.attribute());
            return Err(Error::new(receiver.span(), message));
        }
    };
    let injected = match injected(kind, &typed.ty)? {
        Some(injected) => injected,
        None => {
            return argument(&typed.pat, &typed.ty, attributes)
                .map(|argument| Parameter::Argument(Box::new(argument)));
        }
    };
    match attributes.iter().find(|attribute| !attribute.path().is_ident("doc")) {
        Some(attribute) => {
            Err(Error::new(attribute.span(), "this parameter is passed in and is no argument"))
        }
        None => Ok(injected),
    }
}

fn take_attributes(parameter: &mut FnArg) -> Vec<Attribute> {
    const OURS: [&str; 4] = ["doc", "default", "serde", "schemars"];
    let attributes = match parameter {
        FnArg::Receiver(receiver) => &mut receiver.attrs,
        FnArg::Typed(typed) => &mut typed.attrs,
    };
    let is_ours = |attribute: &Attribute| OURS.iter().any(|name| attribute.path().is_ident(name));
    let (ours, others) = attributes.drain(..).partition(is_ours);
    *attributes = others;
    ours
}

/// What is passed in for a parameter of this type, if it is no argument.
fn injected(kind: Kind, of_type: &Type) -> Result<Option<Parameter>> {
    let (target, by_reference) = match peel(of_type) {
        Type::Reference(reference) if reference.mutability.is_none() => (&*reference.elem, true),
        other => (other, false),
    };
    let refuse = |message| Err(Error::new(of_type.span(), message));
    match kind {
        Kind::Operation if is_named(target, "Context") => Ok(Some(Parameter::Surroundings { by_reference })),
        Kind::Flow if is_named(target, "Flow") => Ok(Some(Parameter::Surroundings { by_reference })),
        Kind::Operation if is_named(target, "Flow") => {
            refuse("only a #[flow] has a Flow; an operation yields nothing")
        }
        Kind::Flow if is_named(target, "Context") => {
            refuse("only an #[operation] has a Context; a flow has a Flow")
        }
        Kind::Flow if is_named(target, "Resource") => refuse("only an #[operation] has resources"),
        Kind::Operation if is_named(target, "Resource") && !by_reference => match first_generic(target) {
            Some(resource) => Ok(Some(Parameter::Resource(Box::new(resource.clone())))),
            None => refuse("say which resource: Resource<T>"),
        },
        Kind::Operation | Kind::Flow => Ok(None),
    }
}

fn argument(pattern: &Pat, of_type: &Type, attributes: Vec<Attribute>) -> Result<Argument> {
    let name = match pattern {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => pattern.ident.clone(),
        other => {
            return Err(Error::new(
                other.span(),
                "an argument needs a plain name, which becomes its key in specs",
            ));
        }
    };
    refuse_borrowed(of_type)?;
    let mut default = DefaultValue::Missing;
    let mut kept = Vec::new();
    for attribute in attributes {
        if !attribute.path().is_ident("default") {
            kept.push(attribute);
            continue;
        }
        default = match &attribute.meta {
            Meta::Path(_) => DefaultValue::OfType,
            Meta::List(list) => DefaultValue::Given(list.parse_args()?),
            Meta::NameValue(_) => return Err(Error::new(attribute.span(), "write #[default(expression)]")),
        };
    }
    Ok(Argument { name, of_type: of_type.clone(), default, attributes: kept })
}

/// Refuses what cannot be read from a message: borrowed and unnamed types.
pub(crate) fn refuse_borrowed(of_type: &Type) -> Result<()> {
    match first_borrowed(of_type.to_token_stream()) {
        None => Ok(()),
        Some((span, true)) => Err(Error::new(
            span,
            "arguments and results travel in messages, so they are owned: String, not &str",
        )),
        Some((span, false)) => {
            Err(Error::new(span, "arguments and results need a type with a name, not `impl` or `dyn`"))
        }
    }
}

/// Where a type first borrows (`true`) or says `impl` or `dyn` (`false`).
fn first_borrowed(tokens: TokenStream) -> Option<(Span, bool)> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Punct(punct) if matches!(punct.as_char(), '&' | '\'') => Some((punct.span(), true)),
        TokenTree::Ident(word) if word == "impl" || word == "dyn" => Some((word.span(), false)),
        TokenTree::Group(group) => first_borrowed(group.stream()),
        TokenTree::Punct(_) | TokenTree::Ident(_) | TokenTree::Literal(_) => None,
    })
}

/// Whether a type's path ends with this name.
pub(crate) fn is_named(of_type: &Type, name: &str) -> bool {
    match peel(of_type) {
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == name),
        _ => false,
    }
}

/// `T` of a type `Name<T>`, or of `Name<T, …>` the first.
pub(crate) fn first_generic(of_type: &Type) -> Option<&Type> {
    let Type::Path(path) = peel(of_type) else { return None };
    let PathArguments::AngleBracketed(generics) = &path.path.segments.last()?.arguments else { return None };
    generics.args.iter().find_map(|generic| match generic {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    })
}

/// The type without the invisible groups that other macros put around it.
fn peel(of_type: &Type) -> &Type {
    match of_type {
        Type::Group(group) => peel(&group.elem),
        Type::Paren(paren) => peel(&paren.elem),
        other => other,
    }
}

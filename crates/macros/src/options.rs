//! The keys inside `#[operation(…)]` and `#[flow(…)]`.

use std::time::Duration;

use bytesize::ByteSize;
use proc_macro2::TokenStream;
use semver::{Version, VersionReq};
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitStr, Path, Result, Token, parenthesized, parse_quote};

use crate::Kind;
use crate::retry::Retry;

/// What was said in the attribute.
pub(crate) struct Options {
    pub(crate) root: Path,
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<LitStr>,
    pub(crate) spec_versions: Option<LitStr>,
    pub(crate) tags: Vec<LitStr>,
    pub(crate) author: Option<LitStr>,
    pub(crate) worker_type: Option<LitStr>,
    pub(crate) runtime_limit: Option<Duration>,
    pub(crate) retry: Option<Retry>,
    /// The variant of otaman's `Isolation`.
    pub(crate) isolation: Option<Ident>,
    /// In bytes.
    pub(crate) memory_limit: Option<u64>,
    pub(crate) semaphores: Vec<LitStr>,
    pub(crate) requires: Vec<LitStr>,
    pub(crate) check: Option<Path>,
    /// Literals that must be names; the compiler checks them by otaman's own rule.
    pub(crate) names: Vec<LitStr>,
}

const OPERATION_KEYS: &str = "name, version, spec_versions, tags, author, worker_type, runtime_limit, retry, isolation, memory_limit, semaphores, requires, crate";
const FLOW_KEYS: &str = "name, version, spec_versions, tags, author, check, crate";

impl Options {
    pub(crate) fn parse(kind: Kind, tokens: TokenStream) -> Result<Self> {
        let mut options = Self {
            root: parse_quote!(::otaman),
            name: None,
            version: None,
            spec_versions: None,
            tags: Vec::new(),
            author: None,
            worker_type: None,
            runtime_limit: None,
            retry: None,
            isolation: None,
            memory_limit: None,
            semaphores: Vec::new(),
            requires: Vec::new(),
            check: None,
            names: Vec::new(),
        };
        let mut seen = Vec::new();
        let key = |meta: ParseNestedMeta<'_>| {
            once(&meta, &mut seen)?;
            options.take(kind, &meta)
        };
        syn::meta::parser(key).parse2(tokens)?;
        options.names.extend(options.name.iter().chain(&options.worker_type).chain(&options.tags).cloned());
        options.names.extend(options.retry.iter().flat_map(|retry| retry.names()).cloned());
        Ok(options)
    }

    fn take(&mut self, kind: Kind, meta: &ParseNestedMeta<'_>) -> Result<()> {
        match (key_of(meta).as_str(), kind) {
            ("name", _) => self.name = Some(text(meta)?),
            ("version", _) => {
                self.version = Some(checked(meta, "write for example \"1.2.0\"", |text| {
                    text.parse::<Version>().map_err(|error| error.to_string())
                })?);
            }
            ("spec_versions", _) => {
                self.spec_versions = Some(checked(meta, "write for example \"<=0.0.2\"", requirement)?);
            }
            ("tags", _) => self.tags = texts(meta)?,
            ("author", _) => self.author = Some(text(meta)?),
            ("crate", _) => self.root = meta.value()?.call(Path::parse_mod_style)?,
            ("worker_type", Kind::Operation) => self.worker_type = Some(text(meta)?),
            ("runtime_limit", Kind::Operation) => {
                let limit = text(meta)?;
                let duration = duration(&limit)?;
                if duration.is_zero() {
                    return Err(Error::new(
                        limit.span(),
                        "no attempt can end within a runtime limit of zero",
                    ));
                }
                self.runtime_limit = Some(duration);
            }
            ("isolation", Kind::Operation) => {
                let word = text(meta)?;
                let variant = match word.value().as_str() {
                    "none" => "None",
                    "thread" => "Thread",
                    "process" => "Process",
                    _ => return Err(Error::new(word.span(), "it is \"none\", \"thread\" or \"process\"")),
                };
                self.isolation = Some(Ident::new(variant, word.span()));
            }
            ("memory_limit", Kind::Operation) => self.memory_limit = Some(bytes(&text(meta)?)?),
            ("semaphores", Kind::Operation) => {
                self.semaphores = texts(meta)?;
                self.names.extend(distinct(&self.semaphores)?.iter().cloned());
            }
            ("retry", Kind::Operation) => self.retry = Some(Retry::parse(meta)?),
            ("requires", Kind::Operation) => {
                self.requires = texts(meta)?;
                for required in &self.requires {
                    self.names.push(required_name(required)?);
                }
            }
            ("check", Kind::Flow) => self.check = Some(meta.value()?.call(Path::parse_mod_style)?),
            (_, Kind::Operation) => return Err(unknown_key(meta, kind.attribute(), OPERATION_KEYS)),
            (_, Kind::Flow) => return Err(unknown_key(meta, kind.attribute(), FLOW_KEYS)),
        }
        Ok(())
    }
}

/// The key as text.
pub(crate) fn key_of(meta: &ParseNestedMeta<'_>) -> String {
    meta.path.get_ident().map(ToString::to_string).unwrap_or_default()
}

/// Refuses a key that was there before.
pub(crate) fn once(meta: &ParseNestedMeta<'_>, seen: &mut Vec<String>) -> Result<()> {
    let key = key_of(meta);
    if seen.contains(&key) {
        return Err(meta.error(format!("`{key}` is given twice")));
    }
    seen.push(key);
    Ok(())
}

/// The error about a key that is none.
pub(crate) fn unknown_key(meta: &ParseNestedMeta<'_>, whose: &str, keys: &str) -> Error {
    meta.error(format!("unknown key; {whose} takes {keys}"))
}

/// The duration that a text stands for, in the grammar of specs.
pub(crate) fn duration(text: &LitStr) -> Result<Duration> {
    humantime::parse_duration(&text.value()).map_err(|_| {
        let value = text.value();
        Error::new(text.span(), format!("{value:?} is not a duration; write for example 30s, 5m or 1h30m"))
    })
}

/// The number of bytes, more than 0, that a text stands for, in the grammar of specs.
fn bytes(text: &LitStr) -> Result<u64> {
    match text.value().parse::<ByteSize>() {
        Ok(ByteSize(0)) => Err(Error::new(text.span(), "no attempt can run in 0 bytes")),
        Ok(ByteSize(bytes)) => Ok(bytes),
        Err(_) => {
            let value = text.value();
            Err(Error::new(
                text.span(),
                format!("{value:?} is no amount of memory; write for example 512MiB or 2GiB"),
            ))
        }
    }
}

/// The text after `key =`.
pub(crate) fn text(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    meta.value()?.parse()
}

/// The texts in `key("…", "…")`.
fn texts(meta: &ParseNestedMeta<'_>) -> Result<Vec<LitStr>> {
    let content;
    parenthesized!(content in meta.input);
    Ok(Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?.into_iter().collect())
}

/// The same texts, none of which may be there twice.
fn distinct(texts: &[LitStr]) -> Result<&[LitStr]> {
    let is_again =
        |(index, text): &(usize, &LitStr)| texts[..*index].iter().any(|other| other.value() == text.value());
    match texts.iter().enumerate().find(is_again) {
        Some((_, again)) => Err(Error::new(again.span(), format!("{:?} is given twice", again.value()))),
        None => Ok(texts),
    }
}

/// The text after `key =`, if it parses.
fn checked<T>(
    meta: &ParseNestedMeta<'_>,
    cure: &str,
    parse: impl FnOnce(&str) -> std::result::Result<T, String>,
) -> Result<LitStr> {
    let literal = text(meta)?;
    match parse(&literal.value()) {
        Ok(_) => Ok(literal),
        Err(problem) => Err(Error::new(literal.span(), format!("{problem}; {cure}"))),
    }
}

fn requirement(text: &str) -> std::result::Result<VersionReq, String> {
    text.parse().map_err(|error: semver::Error| error.to_string())
}

/// The name in `name@requirement`.
fn required_name(literal: &LitStr) -> Result<LitStr> {
    let text = literal.value();
    let parsed = match text.split_once('@') {
        Some((name, versions)) => requirement(versions).map(|_| name),
        None => Err("a requirement needs an @ and versions".to_owned()),
    };
    parsed.map(|name| LitStr::new(name, literal.span())).map_err(|problem| {
        Error::new(literal.span(), format!("{problem}; write for example \"import@^1.2\""))
    })
}

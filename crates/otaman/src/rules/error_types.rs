//! The types by which rules may know errors.

use std::error::Error;
use std::io;

use crate::rules::rule::{COMMAND, PANIC, PROCESS};

/// Kinds of `std::io::Error`, by their names.
const KINDS: [&str; 38] = [
    "NotFound",
    "PermissionDenied",
    "ConnectionRefused",
    "ConnectionReset",
    "HostUnreachable",
    "NetworkUnreachable",
    "ConnectionAborted",
    "NotConnected",
    "AddrInUse",
    "AddrNotAvailable",
    "NetworkDown",
    "BrokenPipe",
    "AlreadyExists",
    "WouldBlock",
    "NotADirectory",
    "IsADirectory",
    "DirectoryNotEmpty",
    "ReadOnlyFilesystem",
    "StaleNetworkFileHandle",
    "InvalidInput",
    "InvalidData",
    "TimedOut",
    "WriteZero",
    "StorageFull",
    "NotSeekable",
    "QuotaExceeded",
    "FileTooLarge",
    "ResourceBusy",
    "ExecutableFileBusy",
    "Deadlock",
    "CrossesDevices",
    "TooManyLinks",
    "ArgumentListTooLong",
    "Interrupted",
    "Unsupported",
    "UnexpectedEof",
    "OutOfMemory",
    "Other",
];

/// Similarity from which a name may be what was meant.
const NEAR: f64 = 0.8;

/// A type that no error has.
#[derive(Debug, thiserror::Error)]
#[error(
    "{name:?} is no type of error{}; there are {COMMAND:?}, {PANIC:?}, {PROCESS:?}, the kinds of std::io::Error such as \
     \"TimedOut\", and Rust types with their path such as \"reqwest::error::Error\"",
    hint.map_or_else(String::new, |hint| format!(", did you mean {hint:?}?"))
)]
pub(super) struct Unknown {
    name: String,
    hint: Option<&'static str>,
}

/// Refuses a name that cannot be that of a type: a rule with a slip of the pen would wait for ever.
pub(super) fn check(name: &str) -> Result<(), Unknown> {
    let known = || KINDS.into_iter().chain([COMMAND, PANIC, PROCESS]);
    if name.contains("::") || known().any(|known| known == name) {
        return Ok(());
    }
    let hint = known()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known);
    Err(Unknown { name: name.to_owned(), hint })
}

/// The types of an error and of all that it was caused by: its own, and the kinds of I/O errors.
pub(crate) fn collect<E: Error + 'static>(error: &E) -> Vec<String> {
    let mut types = vec![std::any::type_name::<E>().to_owned()];
    let mut current: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = current {
        collect_kinds(error, &mut types);
        current = error.source();
    }
    types
}

/// An I/O error made of another takes its place and is not found as its source.
fn collect_kinds(error: &(dyn Error + 'static), types: &mut Vec<String>) {
    if let Some(io) = error.downcast_ref::<io::Error>() {
        types.push(format!("{:?}", io.kind()));
        if let Some(inner) = io.get_ref() {
            collect_kinds(inner, types);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_called_as_the_standard_library_calls_them() {
        let kinds =
            [io::ErrorKind::StaleNetworkFileHandle, io::ErrorKind::QuotaExceeded, io::ErrorKind::Other];
        assert!(kinds.iter().all(|kind| KINDS.contains(&&*format!("{kind:?}"))));
    }

    #[test]
    fn types_of_the_whole_chain_are_found() {
        let error = io::Error::other(io::Error::from(io::ErrorKind::TimedOut));
        assert_eq!(collect(&error), ["std::io::error::Error", "Other", "TimedOut"]);
    }

    #[test]
    fn a_mistyped_type_is_refused_with_what_may_be_meant() {
        for (name, hint) in
            [("TimeOut", "did you mean \"TimedOut\"?"), ("comand", "did you mean \"command\"?")]
        {
            let error = check(name).unwrap_err().to_string();
            assert!(error.contains(hint) && error.contains(name), "{error}");
        }
        assert!(!check("RuntimeError").unwrap_err().to_string().contains("did you mean"));
        check("reqwest::error::Error").unwrap();
    }
}

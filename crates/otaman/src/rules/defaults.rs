//! The rules that Otaman has: Mazepa's list of transient errors, and what else users of machines,
//! networks and object stores meet.

use protocol::Cause;

use crate::rules::rule::{COMMAND, Rule};

/// They in their order: more particular ones first.
pub(super) fn rules() -> impl Iterator<Item = Rule> {
    let texts = |cause, list: &'static [(&'static str, &'static str)]| {
        list.iter().map(move |&(text, note)| Rule::always(cause).text(text).note(note))
    };
    texts(Cause::OutOfMemory, &OUT_OF_MEMORY)
        .chain([Rule::always(Cause::OutOfMemory).error_type("OutOfMemory").note("no memory was left")])
        .chain(texts(Cause::Transient, &MAZEPA))
        .chain(texts(Cause::Transient, &STORES))
        .chain(texts(Cause::Transient, &NETWORK))
        .chain(texts(Cause::Transient, &FILES))
        .chain(KINDS.map(|(kind, note)| Rule::always(Cause::Transient).error_type(kind).note(note)))
        .chain(SIGNALS.map(|(signal, note)| {
            Rule::always(Cause::Transient).error_type(COMMAND).signal(signal).note(note)
        }))
        .chain(SIGNALS.map(|(signal, _)| {
            let rule = Rule::always(Cause::Transient).error_type(COMMAND).exit_code(128 + signal);
            rule.note("a shell's word for a child that was ended by that signal")
        }))
}

const OUT_OF_MEMORY: [(&str, &str); 8] = [
    ("CUDA out of memory", "the GPU's memory is full"),
    ("CUDA error: out of memory", "the GPU's memory is full"),
    ("Cannot allocate memory", "ENOMEM"),
    ("std::bad_alloc", "C++"),
    ("java.lang.OutOfMemoryError", "Java"),
    ("MemoryError", "Python"),
    ("Unable to allocate", "NumPy"),
    ("JavaScript heap out of memory", "Node.js"),
];

/// In the order in which Mazepa has them.
const MAZEPA: [(&str, &str); 10] = [
    ("Found no NVIDIA driver on your system", "a GPU that is not there yet, or no more"),
    ("Attempting to deserialize object on a CUDA device", "a GPU that is not there yet, or no more"),
    ("You have exceeded your bucket's allowed rate", "object store: rate limit"),
    ("We encountered an internal error. Please try again", "object store: its own trouble"),
    ("Input/output error", "EIO: a disk or network file system"),
    ("Failed to retrieve", "credentials or metadata of a cloud"),
    ("CUDA error:", "a GPU in a bad state"),
    ("Unable to connect to proxy", "network"),
    ("CERTIFICATE_VERIFY_FAILED", "TLS through an interfering proxy"),
    ("Remote end closed connection without response", "network"),
];

const STORES: [(&str, &str); 14] = [
    ("Too Many Requests", "HTTP 429"),
    ("TooManyRequests", "HTTP 429"),
    ("rateLimitExceeded", "Google: rate limit"),
    ("RequestLimitExceeded", "AWS: rate limit"),
    ("ThrottlingException", "AWS: rate limit"),
    ("SlowDown", "S3: rate limit"),
    ("Please reduce your request rate", "S3: rate limit"),
    ("RequestTimeout", "S3: a slow connection"),
    ("Internal Server Error", "HTTP 500"),
    ("Bad Gateway", "HTTP 502"),
    ("Service Unavailable", "HTTP 503"),
    ("ServiceUnavailable", "HTTP 503"),
    ("Gateway Timeout", "HTTP 504"),
    ("Gateway Time-out", "HTTP 504, as nginx says it"),
];

const NETWORK: [(&str, &str); 17] = [
    ("Connection reset by peer", "ECONNRESET"),
    ("connection reset by peer", "ECONNRESET, as Go says it"),
    ("Connection refused", "ECONNREFUSED"),
    ("connection refused", "ECONNREFUSED, as Go says it"),
    ("Connection timed out", "ETIMEDOUT"),
    ("Connection aborted", "network"),
    ("Network is unreachable", "ENETUNREACH"),
    ("No route to host", "EHOSTUNREACH"),
    ("Read timed out", "Python's HTTP clients"),
    ("i/o timeout", "Go"),
    ("connection closed before message completed", "Rust's HTTP clients"),
    ("Temporary failure in name resolution", "DNS"),
    ("Name or service not known", "DNS"),
    ("Could not resolve host", "DNS, as curl says it"),
    ("failed to lookup address information", "DNS, as Rust says it"),
    ("TLS handshake", "TLS"),
    ("UNEXPECTED_EOF_WHILE_READING", "TLS, as OpenSSL says it"),
];

const FILES: [(&str, &str); 7] = [
    ("Stale file handle", "ESTALE: a network file system"),
    ("Transport endpoint is not connected", "ENOTCONN: a mounted file system whose server is gone"),
    ("Resource temporarily unavailable", "EAGAIN"),
    ("No space left on device", "ENOSPC: others may make room"),
    ("Disk quota exceeded", "EDQUOT: others may make room"),
    ("Too many open files", "EMFILE, ENFILE"),
    ("Text file busy", "ETXTBSY: a program that is just being written"),
];

const KINDS: [(&str, &str); 15] = [
    ("ConnectionRefused", "network"),
    ("ConnectionReset", "network"),
    ("ConnectionAborted", "network"),
    ("HostUnreachable", "network"),
    ("NetworkUnreachable", "network"),
    ("NetworkDown", "network"),
    ("NotConnected", "network"),
    ("BrokenPipe", "network"),
    ("TimedOut", "network or file system"),
    ("Interrupted", "a signal came"),
    ("WouldBlock", "EAGAIN"),
    ("ResourceBusy", "EBUSY"),
    ("StaleNetworkFileHandle", "ESTALE: a network file system"),
    ("StorageFull", "ENOSPC: others may make room"),
    ("QuotaExceeded", "EDQUOT: others may make room"),
];

/// A program that was ended from outside has done nothing wrong; one that crashed will crash again.
const SIGNALS: [(i32, &str); 4] = [
    (1, "ended from outside"),
    (2, "ended from outside"),
    (9, "ended from outside; by the kernel for want of memory it is out_of_memory"),
    (15, "ended from outside"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::rules::Rules;
    use protocol::Failure;

    #[test]
    fn no_rule_is_there_twice() {
        let mut seen = HashSet::new();
        for rule in rules() {
            assert!(seen.insert(rule.to_string()), "{rule}");
            assert!(rule.reason().is_some(), "{rule}");
        }
    }

    #[test]
    fn each_rule_could_stand_in_a_file() {
        for rule in rules() {
            let written = serde_json::to_string(&rule).unwrap();
            assert_eq!(serde_json::from_str::<Rule>(&written).unwrap(), rule, "{written}");
        }
    }

    #[test]
    fn no_rule_hides_another() {
        for (text, note) in MAZEPA.into_iter().chain(STORES).chain(NETWORK).chain(FILES).chain(OUT_OF_MEMORY)
        {
            let failure = Failure::new(Cause::Permanent, text);
            let first = rules().find(|rule| rule.matches(&failure, &[])).unwrap();
            assert_eq!((first.reason(), first.cause()), (Some(note), Rules::default().cause(&failure, &[])));
        }
    }
}

//! What an error of Redis means for the call that met it.

use std::error::Error;
use std::io;
use std::sync::Arc;

use ::redis::{ErrorKind, RedisError, ServerErrorKind};

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The connection is of no use, or leads to a server that has become a replica: make another.
    Reconnect,
    /// The server cannot do it at this moment.
    Wait,
    /// It does not know the script; send its source.
    Unknown,
    /// It will not let us in, or not do this.
    Denied,
    /// It will never do it.
    Refused,
}

impl Verdict {
    /// Of an error that a command met.
    pub(super) fn of(error: &RedisError) -> Self {
        match error.kind() {
            // Before version 7, an error within a script comes as text in another one.
            ErrorKind::Server(ServerErrorKind::ResponseError) => match error.detail().and_then(inner_code) {
                Some("READONLY" | "MASTERDOWN") => Self::Reconnect,
                Some("MISCONF" | "OOM" | "NOREPLICAS") => Self::Wait,
                _ => Self::Refused,
            },
            ErrorKind::Server(kind) => match kind {
                ServerErrorKind::NoScript => Self::Unknown,
                ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::Moved => {
                    Self::Reconnect
                }
                ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::Ask => Self::Wait,
                ServerErrorKind::NoPerm => Self::Denied,
                _ => Self::Refused,
            },
            ErrorKind::Extension => match error.code() {
                // A long script runs; its disk is full; its memory is full; it has too few replicas.
                Some("BUSY" | "MISCONF" | "OOM" | "NOREPLICAS") => Self::Wait,
                Some("NOAUTH" | "WRONGPASS") => Self::Denied,
                _ => Self::Refused,
            },
            ErrorKind::AuthenticationFailed => Self::Denied,
            ErrorKind::UnexpectedReturnType | ErrorKind::InvalidClientConfig => Self::Refused,
            // Broken or unreadable connections, sentinels and clusters in the middle of a change.
            _ => Self::Reconnect,
        }
    }
}

/// The code of an error that a script met.
fn inner_code(text: &str) -> Option<&str> {
    text.split_once(": -")?.1.split(' ').next()
}

/// Whether an error while connecting is TLS that failed, which no second try mends.
pub(super) fn is_untrusted(error: &RedisError) -> bool {
    // The client crate gives its source within an `Arc`.
    let source = error.source().and_then(|source| source.downcast_ref::<Arc<dyn Error + Send + Sync>>());
    source.is_some_and(|source| {
        let io = source.downcast_ref::<io::Error>();
        source.is::<rustls::Error>() || io.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
    })
}

/// Whether an error while connecting is of what we were given, which no second try mends.
pub(super) fn is_misconfigured(error: &RedisError) -> bool {
    error.kind() == ErrorKind::InvalidClientConfig
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn verdict(answer: &str) -> Verdict {
        let answer = ::redis::parse_redis_value(format!("-{answer}\r\n").as_bytes()).unwrap();
        Verdict::of(&answer.extract_error().unwrap_err())
    }

    #[test]
    fn answers_of_the_server_are_told_apart() {
        assert_eq!(verdict("NOSCRIPT No matching script."), Verdict::Unknown);
        assert_eq!(verdict("READONLY You can't write against a read only replica."), Verdict::Reconnect);
        assert_eq!(verdict("MASTERDOWN Link with MASTER is down"), Verdict::Reconnect);
        assert_eq!(verdict("LOADING Redis is loading the dataset in memory"), Verdict::Wait);
        assert_eq!(verdict("CLUSTERDOWN The cluster is down"), Verdict::Wait);
        assert_eq!(verdict("MISCONF Errors writing to the AOF file"), Verdict::Wait);
        assert_eq!(verdict("OOM command not allowed when used memory > 'maxmemory'."), Verdict::Wait);
        assert_eq!(verdict("BUSY Redis is busy running a script."), Verdict::Wait);
        assert_eq!(verdict("NOPERM this user has no permissions"), Verdict::Denied);
        assert_eq!(verdict("NOAUTH Authentication required."), Verdict::Denied);
        assert_eq!(verdict("ERR unknown command 'FOO'"), Verdict::Refused);
        assert_eq!(verdict("WRONGTYPE Operation against a key"), Verdict::Refused);
    }

    #[test]
    fn errors_within_scripts_of_older_servers_are_told_apart() {
        let within = |error: &str| {
            verdict(&format!(
                "ERR Error running script (call to f_0): @user_script:1: @user_script: 1: -{error}"
            ))
        };
        assert_eq!(within("READONLY You can't write against a read only replica."), Verdict::Reconnect);
        assert_eq!(within("OOM command not allowed when used memory > 'maxmemory'."), Verdict::Wait);
        assert_eq!(within("WRONGTYPE Operation against a key"), Verdict::Refused);
    }

    #[test]
    fn what_breaks_a_connection_asks_for_another() {
        for kind in [io::ErrorKind::TimedOut, io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionRefused] {
            assert_eq!(Verdict::of(&RedisError::from(io::Error::from(kind))), Verdict::Reconnect);
        }
    }
}

//! The handle: calls that go on over reconnects.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, FromRedisValue, RedisError, RedisWrite as _, Value};
use tokio::time::{Instant, sleep_until};

use super::check::{Durability, check};
use super::config::Config;
use super::connector::{Connector, limited};
use super::error::Error;
use super::link::{LONGEST_PAUSE, Link};
use super::script::Script;
use super::verdict::{Verdict, is_misconfigured, is_untrusted};
use crate::reconnect::Reconnect;

/// Longest that the first connection may take.
const FIRST_CONNECTION: Duration = Duration::from_secs(30);
/// Slowest connection to reckon with, in bytes a second.
const SLOWEST: usize = 1_000_000;

/// A cheap handle of one connection, which is made anew whenever it breaks.
///
/// A connection lives on the runtime of the call that happened to make it: a part of the program
/// with a runtime of its own takes a connection of its own.
#[derive(Clone)]
pub struct Redis {
    link: Arc<Link>,
    durability: Durability,
    patience: Duration,
}

impl Redis {
    /// Connects and checks that the server can be entrusted with anything: it is a master, and does
    /// not evict keys. A server that is not there yet is waited for, at most 30 s or the config's
    /// patience.
    ///
    /// # Errors
    /// If it cannot be reached, refuses access, or fails the checks; each with place and cure.
    pub async fn connect(config: Config) -> Result<Self, Error> {
        let connector = Connector::new(&config)?;
        let limit = config.patience.min(FIRST_CONNECTION);
        let link = Link::new(Arc::new(connector));
        let is_hopeless = |error: &RedisError| {
            is_untrusted(error) || is_misconfigured(error) || Verdict::of(error) == Verdict::Denied
        };
        let not_connected = |source| not_connected(link.connector.address.place(), limit, source);
        let deadline = Instant::now() + limit;
        let live = link.live(deadline, is_hopeless).await;
        let mut live = live.map_err(not_connected)?;
        let durability = check(&link.connector, &mut live.connection, deadline, not_connected).await?;
        Ok(Self { link: Arc::new(link), durability, patience: config.patience })
    }

    /// Runs a script, over reconnects if need be: it may run more than once.
    ///
    /// # Errors
    /// If Redis does not do it within the patience, refuses it, or answers in another form.
    pub async fn call<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[impl AsRef<[u8]>],
        args: &[impl AsRef<[u8]>],
    ) -> Result<T, Error> {
        let bytes: usize = keys.iter().map(|key| key.as_ref().len()).sum();
        let bytes = args.iter().map(|arg| arg.as_ref().len()).sum::<usize>() + bytes;
        let mut command = Cmd::with_capacity(3 + keys.len() + args.len(), bytes + 64);
        command.write_arg(b"EVALSHA");
        command.write_arg(script.digest().as_bytes());
        command.write_arg_fmt(keys.len());
        keys.iter().for_each(|key| command.write_arg(key.as_ref()));
        args.iter().for_each(|arg| command.write_arg(arg.as_ref()));
        let answer = self.request(&command, Some(script), bytes).await?;
        T::from_redis_value(answer).map_err(|source| self.misunderstood(script.name(), source))
    }

    /// Runs a command, over reconnects if need be: it may run more than once. Commands that block
    /// the connection do not belong here.
    ///
    /// # Errors
    /// If Redis does not do it within the patience, refuses it, or answers in another form.
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        self.run_large(command, 0).await
    }

    /// The same for an answer that may have so many bytes, which takes its time.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_large<T: FromRedisValue>(&self, command: &Cmd, answer_bytes: usize) -> Result<T, Error> {
        let answer = self.request(command, None, size(command) + answer_bytes).await?;
        T::from_redis_value(answer).map_err(|source| self.misunderstood(&name(command), source))
    }

    /// The same with another connection, which is made at the first call.
    pub fn with_own_connection(&self) -> Self {
        let link = Link::new(Arc::clone(&self.link.connector));
        Self { link: Arc::new(link), ..self.clone() }
    }

    /// The same connection with another patience; with none, calls are tried once.
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { patience, ..self.clone() }
    }

    /// How much a restart of the server may lose, as found when first connecting.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Where it is, without secrets, for people.
    pub fn place(&self) -> String {
        self.link.connector.address.place()
    }

    /// `bytes` is how much goes there and back.
    async fn request(&self, command: &Cmd, script: Option<&Script>, bytes: usize) -> Result<Value, Error> {
        let limit = self.link.connector.response_timeout + Duration::from_secs((bytes / SLOWEST) as u64);
        let deadline = Instant::now() + self.patience.max(limit);
        let what = || script.map_or_else(|| name(command), |script| script.name().to_owned());
        let mut delays = None;
        // The command with the script's source, once it is known to be needed.
        let mut with_source = None;
        loop {
            let live = self.link.live(deadline, |_| false).await;
            let mut live = live.map_err(|source| self.unavailable(what(), source))?;
            let error =
                match limited(limit, live.connection.send(with_source.as_ref().unwrap_or(command))).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error,
                };
            let verdict = Verdict::of(&error);
            tracing::debug!(command = what(), %error, ?verdict, "a call to Redis failed");
            let is_first = delays.is_none();
            let delays = delays.get_or_insert_with(Reconnect::new);
            let pause = match (verdict, script) {
                (Verdict::Unknown, Some(script)) if with_source.is_none() => {
                    with_source = Some(evaluated(command, script));
                    continue;
                }
                (Verdict::Reconnect, _) => {
                    self.link.discard(live.number);
                    if is_first { Duration::ZERO } else { delays.next_delay() }
                }
                (Verdict::Wait, _) => {
                    self.link.say_refused(&error);
                    delays.next_delay()
                }
                (Verdict::Denied, _) => return Err(Error::Access { place: self.place(), source: error }),
                (Verdict::Unknown | Verdict::Refused, _) => {
                    return Err(Error::Refused { place: self.place(), what: what(), source: error });
                }
            };
            let next = Instant::now() + pause.min(LONGEST_PAUSE);
            if next >= deadline {
                return Err(self.unavailable(what(), error));
            }
            sleep_until(next).await;
        }
    }

    fn unavailable(&self, what: String, source: RedisError) -> Error {
        Error::Unavailable { place: self.place(), what, patience: self.patience, source }
    }

    fn misunderstood(&self, what: &str, source: ::redis::ParsingError) -> Error {
        Error::Answer { place: self.place(), what: what.to_owned(), source }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("address", &self.link.connector.address)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

fn not_connected(place: String, limit: Duration, source: RedisError) -> Error {
    match Verdict::of(&source) {
        _ if is_untrusted(&source) => Error::Untrusted { place, source },
        _ if is_misconfigured(&source) => Error::Settings { place, source },
        Verdict::Denied => Error::Access { place, source },
        Verdict::Reconnect | Verdict::Wait | Verdict::Unknown | Verdict::Refused => {
            Error::Unreachable { place, limit, source }
        }
    }
}

/// The command that runs a script by its digest, with its source instead. The server keeps it, so
/// that the digest is enough from now on.
fn evaluated(by_digest: &Cmd, script: &Script) -> Cmd {
    let mut command = ::redis::cmd("EVAL");
    command.write_arg(script.source().as_bytes());
    for arg in by_digest.args_iter().skip(2) {
        if let ::redis::Arg::Simple(arg) = arg {
            command.write_arg(arg);
        }
    }
    command
}

/// Bytes of its arguments.
fn size(command: &Cmd) -> usize {
    let size = |arg: ::redis::Arg<&[u8]>| match arg {
        ::redis::Arg::Simple(arg) => arg.len(),
        _ => 0,
    };
    command.args_iter().map(size).sum()
}

/// What a command is called.
fn name(command: &Cmd) -> String {
    match command.args_iter().next() {
        Some(::redis::Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
        _ => String::new(),
    }
}

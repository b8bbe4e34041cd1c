//! The scripts, put together from their parts.

use crate::redis::Script;

/// Every script that the arbiter calls.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) assert: Script,
    pub(super) claim: Script,
    pub(super) complete: Script,
    pub(super) describe: Script,
    pub(super) end: Script,
    pub(super) erase: Script,
    pub(super) expire: Script,
    pub(super) flags: Script,
    pub(super) forget: Script,
    pub(super) leave: Script,
    pub(super) look: Script,
    pub(super) pause: Script,
    pub(super) progress: Script,
    pub(super) register: Script,
    pub(super) release: Script,
    pub(super) renew: Script,
    pub(super) restore: Script,
    pub(super) sessions: Script,
    pub(super) suspend: Script,
    pub(super) withdraw: Script,
}

macro_rules! source {
    ($($part:literal)+) => { concat!($(include_str!(concat!("scripts/", $part, ".lua"))),+) };
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self::with(|source| source)
    }

    /// The scripts after `change` was made to the source of each: tests set the clock by it.
    pub(super) fn with(change: impl Fn(&'static str) -> &'static str) -> Self {
        let script = |name, source| Script::new(name, change(source));
        Self {
            assert: script("assert", source!("clock" "records" "owners" "assert")),
            claim: script("claim", source!("clock" "records" "owners" "claim")),
            complete: script("complete", source!("records" "complete")),
            describe: script("describe", source!("describe")),
            end: script("end", source!("end")),
            erase: script("erase", source!("erase")),
            expire: script("expire", source!("clock" "touch" "expire")),
            flags: script("flags", source!("flags")),
            forget: script("forget", source!("records" "forget")),
            leave: script("leave", source!("clock" "leave")),
            look: script("look", source!("records" "look")),
            pause: script("pause", source!("pause")),
            progress: script("progress", source!("progress")),
            register: script("register", source!("clock" "touch" "register")),
            release: script("release", source!("release")),
            renew: script("renew", source!("clock" "touch" "renew")),
            restore: script("restore", source!("records" "restore")),
            sessions: script("sessions", source!("clock" "sessions")),
            suspend: script("suspend", source!("clock" "touch" "suspend")),
            withdraw: script("withdraw", source!("clock" "records" "owners" "withdraw")),
        }
    }
}

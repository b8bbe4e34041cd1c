//! When the worker is to leave: because of a signal, for want of tasks, or because its time is over.

use std::fmt;
use std::future::pending;
use std::sync::OnceLock;
use std::time::Duration;

use protocol::DurationText;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::logging::Voice;
use crate::unfit::Unfit;

/// Most time that is left for telling the servers, when the longest runtime is over.
const TELLING: Duration = Duration::from_secs(2);

/// The same where nothing presses.
const TELLING_AT_EASE: Duration = Duration::from_secs(30);

/// Why the worker leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    Signal(&'static str),
    Idle(Duration),
    MaxRuntime(Duration),
    /// The batch job that it is part of ends.
    JobEnd,
    Unfit(Unfit),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(name) => f.write_str(name),
            Self::Idle(time) => write!(f, "no task for {}", DurationText(*time)),
            Self::MaxRuntime(time) => write!(f, "its time of {} is over", DurationText(*time)),
            Self::JobEnd => f.write_str("its job's time is over"),
            Self::Unfit(unfit) => f.write_str(unfit.in_short()),
        }
    }
}

/// Tells all parts of the worker to leave.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    /// Cancelled when nothing more is to be leased.
    pub(crate) stop: CancellationToken,
    /// Cancelled when running tasks are to be handed back at once.
    pub(crate) cut: CancellationToken,
    /// Cancelled when the process is to end at once.
    pub(crate) at_once: CancellationToken,
    reason: OnceLock<Reason>,
}

impl Leaving {
    /// Begins to leave; the first reason counts.
    pub(crate) fn leave(&self, reason: Reason) {
        let _ = self.reason.set(reason);
        self.stop.cancel();
    }

    /// How long the servers may take to be told how tasks have ended.
    pub(crate) fn telling(&self) -> Duration {
        match self.reason() {
            Some(Reason::MaxRuntime(_) | Reason::JobEnd) => TELLING,
            Some(Reason::Signal(_) | Reason::Idle(_) | Reason::Unfit(_)) | None => TELLING_AT_EASE,
        }
    }

    /// Why the worker leaves, if it does.
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.reason.get().cloned()
    }
}

/// The signals that ask the worker to leave.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// Absent if it is to be ignored, as below `nohup`.
    hang_up: Option<Signal>,
}

impl Signals {
    /// Takes them over from the system.
    pub(crate) fn new() -> std::io::Result<Self> {
        let ignores_hang_up =
            std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hang_up(&status));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if ignores_hang_up { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    /// Leaves at the first one, ends everything at the second.
    pub(crate) async fn obey(mut self, leaving: &Leaving, voice: Voice) {
        let name = self.next().await;
        leaving.leave(Reason::Signal(name));
        voice.say(format_args!(
            "worker: {name}: takes no more tasks, running ones may finish; a second signal ends it at once"
        ));
        self.next().await;
        leaving.at_once.cancel();
    }

    async fn next(&mut self) -> &'static str {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = hang_up => "SIGHUP",
        }
    }
}

/// Whether a process with this `/proc/self/status` ignores SIGHUP, the first bit of a hexadecimal mask.
fn ignores_hang_up(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// What has to happen when, for the process to have ended in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// When nothing more is taken.
    pub(crate) drain_after: Duration,
    /// When running tasks are told to stop.
    pub(crate) cut_after: Duration,
    /// How long they have for it.
    pub(crate) stop_grace: Duration,
}

impl Schedule {
    /// Draining takes its time-out before the end, but no more than half of all time.
    pub(crate) fn new(max_runtime: Duration, drain_timeout: Duration, stop_grace: Duration) -> Self {
        let stop_grace = stop_grace.min(max_runtime / 8);
        let cut_after = max_runtime - stop_grace - TELLING.min(max_runtime / 8);
        let drain_after = cut_after.saturating_sub(drain_timeout).max(max_runtime / 2);
        Self { drain_after, cut_after, stop_grace }
    }

    /// Leaves for this reason when it is time.
    pub(crate) async fn keep(self, reason: Reason, leaving: &Leaving) {
        tokio::time::sleep(self.drain_after).await;
        leaving.leave(reason);
        tokio::time::sleep(self.cut_after - self.drain_after).await;
        leaving.cut.cancel();
    }
}

/// Measures how long there has been no task.
#[derive(Debug)]
pub(crate) struct IdleClock {
    limit: Duration,
    leased: u64,
    idle: Duration,
}

impl IdleClock {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, leased: 0, idle: Duration::ZERO }
    }

    /// How often to look.
    pub(crate) fn step(&self) -> Duration {
        (self.limit / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }

    /// A step has passed; whether the limit is reached. Time in which the servers could not have
    /// given a task does not count.
    pub(crate) fn tick(&mut self, leased: u64, running: usize, has_trouble: bool) -> bool {
        if leased != self.leased || running > 0 {
            self.leased = leased;
            self.idle = Duration::ZERO;
        } else if !has_trouble {
            self.idle += self.step();
        }
        self.idle >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn draining_begins_its_timeout_before_the_end() {
        let schedule = Schedule::new(3600 * SECOND, 30 * SECOND, 6 * SECOND);
        let wanted =
            Schedule { drain_after: 3562 * SECOND, cut_after: 3592 * SECOND, stop_grace: 6 * SECOND };
        assert_eq!(schedule, wanted);
    }

    #[test]
    fn draining_begins_in_the_middle_at_the_earliest() {
        let schedule = Schedule::new(16 * SECOND, 600 * SECOND, 6 * SECOND);
        let wanted = Schedule { drain_after: 8 * SECOND, cut_after: 12 * SECOND, stop_grace: 2 * SECOND };
        assert_eq!(schedule, wanted);
    }

    #[test]
    fn whatever_the_limits_all_ends_in_order_and_in_time() {
        for max in [1, 10, 999, 60_000, 86_400_000].map(Duration::from_millis) {
            for drain in [0, 1, 30_000, 1_000_000].map(Duration::from_millis) {
                let Schedule { drain_after, cut_after, stop_grace } = Schedule::new(max, drain, 6 * SECOND);
                assert!(max / 2 <= drain_after && drain_after <= cut_after, "{max:?} {drain:?}");
                assert!(cut_after + stop_grace <= max, "{max:?} {drain:?}");
            }
        }
    }

    #[test]
    fn only_time_without_any_task_counts_as_idle() {
        let mut clock = IdleClock::new(3 * SECOND);
        assert_eq!(clock.step(), Duration::from_millis(750));
        let mut ticks = |leased, running, has_trouble, count: usize| -> Vec<bool> {
            (0..count).map(|_| clock.tick(leased, running, has_trouble)).collect()
        };
        assert_eq!(ticks(0, 0, false, 3), [false; 3]);
        assert_eq!(ticks(1, 1, false, 9), [false; 9], "a task runs");
        assert_eq!(ticks(2, 0, false, 1), [false], "one ran between two looks");
        assert_eq!(ticks(2, 0, false, 3), [false; 3]);
        assert_eq!(ticks(2, 0, true, 9), [false; 9], "none could have come");
        assert_eq!(ticks(2, 0, false, 1), [true]);
    }

    #[test]
    fn ignored_signals_are_found() {
        assert!(ignores_hang_up("Name:\tworker\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"));
        assert!(!ignores_hang_up("Name:\tworker\nSigIgn:\t0000000000001000\nSigCgt:\t1\n"));
        assert!(!ignores_hang_up("nothing"));
    }

    #[test]
    fn the_first_reason_counts() {
        let leaving = Leaving::default();
        assert_eq!(leaving.reason(), None);
        leaving.leave(Reason::Idle(SECOND));
        leaving.leave(Reason::Signal("SIGTERM"));
        assert_eq!(leaving.reason(), Some(Reason::Idle(SECOND)));
        assert!(leaving.stop.is_cancelled() && !leaving.cut.is_cancelled());
    }
}

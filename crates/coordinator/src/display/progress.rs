//! Progress of a running execution: bars on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use protocol::TaskState;
use tokio::sync::watch;

use super::time::length;
use crate::display::{Evidence, counted};
use crate::engine::OperationTally;
use crate::run::Progress;
use crate::terminal::{self, say};

/// How often bars are drawn.
const REDRAW: Duration = Duration::from_millis(100);
/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(10);
/// The window over which a rate is taken.
const RATE_WINDOW: Duration = Duration::from_secs(15);

/// Shows progress from a thread of its own, so that a slow terminal holds up nothing.
pub(crate) struct Display {
    thread: Option<JoinHandle<()>>,
    stop: std::sync::mpsc::Sender<()>,
}

impl Display {
    /// Starts to show what the channel says, on standard error.
    pub(crate) fn start(progress: watch::Receiver<Progress>) -> Self {
        let (stop, stopped) = std::sync::mpsc::channel();
        let body = move || {
            let mut view: Box<dyn View> =
                if std::io::stderr().is_terminal() { Box::new(Bars::new()) } else { Box::new(Lines::new()) };
            let mut told = 0;
            while stopped.recv_timeout(REDRAW) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                // Drawing may take long on a slow terminal; the channel must not be held meanwhile.
                let now = progress.borrow().clone();
                told = tell_failures(&now, told);
                view.show(&now);
            }
            view.end();
        };
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(body).ok();
        Self { thread, stop }
    }

    /// Removes what is not to stay and ends the thread.
    pub(crate) fn end(self) {
        drop(self.stop);
        if let Some(thread) = self.thread {
            // A panic while drawing must not change how the execution ends.
            let _ = thread.join();
        }
    }
}

/// Tells of tasks that have failed since `told` of them were told; how many have been told then. Where the first
/// failure stops the execution, its end tells of it.
fn tell_failures(progress: &Progress, told: usize) -> usize {
    if progress.is_stopping {
        return told;
    }
    let lines = progress.dead.iter().skip(told).filter_map(Evidence::of_task);
    lines.for_each(|failed| say(&format!("failed: {}", failed.headline())));
    if told < Progress::MOST_DEAD && progress.dead.len() == Progress::MOST_DEAD {
        say("failed: further failures are counted and told at the end");
    }
    progress.dead.len()
}

trait View {
    fn show(&mut self, progress: &Progress);
    fn end(&mut self);
}

/// The rate of something that grows, over a sliding window.
#[derive(Debug, Default)]
struct Rate {
    samples: std::collections::VecDeque<(Duration, u64)>,
}

impl Rate {
    fn per_second(&mut self, at: Duration, count: u64) -> f64 {
        self.samples.push_back((at, count));
        while self.samples.len() > 2 && at.saturating_sub(self.samples[0].0) > RATE_WINDOW {
            self.samples.pop_front();
        }
        let (first_at, first) = self.samples[0];
        let seconds = at.saturating_sub(first_at).as_secs_f64();
        if seconds > 0.0 { count.saturating_sub(first) as f64 / seconds } else { 0.0 }
    }
}

/// `1234/s`, or `4.5/min` when slow.
fn rate_text(per_second: f64) -> String {
    match per_second {
        rate if rate >= 10.0 => format!("{rate:.0}/s"),
        rate if rate >= 0.5 => format!("{rate:.1}/s"),
        rate if rate > 0.0 => format!("{:.1}/min", rate * 60.0),
        _ => "-".to_owned(),
    }
}

/// `, 4m 10s left` for what is known of the work; flows may still yield more.
fn left_text(known: u64, done: u64, per_second: f64) -> String {
    if per_second <= 0.0 || known <= done {
        return String::new();
    }
    let seconds = (known - done) as f64 / per_second;
    // Years beyond counting are not worth telling.
    Duration::try_from_secs_f64(seconds)
        .map_or_else(|_| String::new(), |left| format!(", {} left", length(left)))
}

/// Tasks of an operation that are there, or that flows have said will come.
fn known(progress: &Progress, tally: &OperationTally) -> u64 {
    tally.expanded.max(progress.expected.get(&tally.name).copied().unwrap_or_default())
}

fn known_in_all(progress: &Progress) -> u64 {
    progress.tally.operations().iter().map(|tally| known(progress, tally)).sum()
}

fn done(progress: &Progress) -> u64 {
    let counts = progress.tally.counts();
    counts.succeeded + counts.failed
}

struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    operations: Vec<(ProgressBar, Rate)>,
    rate: Rate,
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let total = all.add(ProgressBar::new_spinner());
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        total.set_style(style.expect("the template is well-formed"));
        terminal::set_bars(Some(all.clone()));
        Self { all, total, operations: Vec::new(), rate: Rate::default() }
    }
}

/// Operations that get a bar of their own.
const MOST_BARS: usize = 12;

impl View for Bars {
    fn show(&mut self, progress: &Progress) {
        for tally in progress.tally.operations().iter().take(MOST_BARS).skip(self.operations.len()) {
            let bar = self.all.insert_before(&self.total, ProgressBar::new(0));
            let style = ProgressStyle::with_template("{prefix:>16!} {bar:20} {pos}/{len} {wide_msg}");
            bar.set_style(style.expect("the template is well-formed").progress_chars("━╸─"));
            bar.set_prefix(tally.name.to_string());
            self.operations.push((bar, Rate::default()));
        }
        for (tally, (bar, rate)) in progress.tally.operations().iter().zip(&mut self.operations) {
            let done = tally.succeeded + tally.failed;
            let known = known(progress, tally);
            bar.set_length(known);
            bar.set_position(done);
            let per_second = rate.per_second(progress.elapsed, done);
            let mut message = format!("{}{}", rate_text(per_second), left_text(known, done, per_second));
            for (count, word) in
                [(tally.leased, "running"), (tally.failed, "failed"), (tally.skipped, "skipped")]
            {
                if count > 0 {
                    message.push_str(&format!(", {count} {word}"));
                }
            }
            bar.set_message(message);
        }
        let per_second = self.rate.per_second(progress.elapsed, done(progress));
        self.total.set_message(format!("{}, {}", headline(progress), tempo(progress, per_second)));
        self.total.tick();
    }

    fn end(&mut self) {
        for (bar, _) in &self.operations {
            bar.finish_and_clear();
        }
        self.total.finish_and_clear();
        terminal::set_bars(None);
    }
}

struct Lines {
    last: Option<Instant>,
    rate: Rate,
}

impl Lines {
    fn new() -> Self {
        Self { last: Some(Instant::now()), rate: Rate::default() }
    }
}

impl View for Lines {
    fn show(&mut self, progress: &Progress) {
        let per_second = self.rate.per_second(progress.elapsed, done(progress));
        if self.last.is_some_and(|last| last.elapsed() < LINE) {
            return;
        }
        self.last = Some(Instant::now());
        say(&format!("{}, {}", headline(progress), tempo(progress, per_second)));
        for tally in progress.tally.operations() {
            let done = tally.succeeded + tally.failed;
            say(&format!("  {}: {done}/{}, {} failed", tally.name, known(progress, tally), tally.failed));
        }
    }

    fn end(&mut self) {}
}

fn headline(progress: &Progress) -> String {
    let counts = progress.tally.counts();
    let known = known_in_all(progress);
    let mut text = format!("{} of {known} tasks done", done(progress));
    let running = progress.tally.count(TaskState::Leased);
    let (failed, cancelled) = (counts.failed, counts.cancelled);
    for (count, word) in
        [(running, "running"), (failed, "failed"), (cancelled, "cancelled"), (counts.retried, "retried")]
    {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    if progress.is_stopping {
        let out = progress.tally.count(TaskState::Queued) + running;
        text.push_str(&format!(", stopping: waits for {} that workers have", counted(out, "task")));
    } else if progress.is_paused {
        text.push_str(", paused");
    }
    if let Some(trouble) = &progress.trouble {
        text.push_str(", ");
        text.push_str(trouble);
    }
    text
}

fn tempo(progress: &Progress, per_second: f64) -> String {
    // What is held up, nobody knows for how long, has no end to be foreseen.
    let left = if progress.is_stopping || progress.is_paused || progress.trouble.is_some() {
        String::new()
    } else {
        left_text(known_in_all(progress), done(progress), per_second)
    };
    format!("{} elapsed, {}{left}", length(progress.elapsed), rate_text(per_second))
}

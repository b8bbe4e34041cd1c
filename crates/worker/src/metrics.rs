//! The worker's numbers as text for Prometheus (exposition format 0.0.4).

use std::fmt::Write as _;
use std::time::Duration;

use backends::distributed::Counters;
use protocol::WorkerType;

use crate::activity::Report;
use crate::semaphores::Figures;

/// The worker's numbers at a moment.
pub(crate) struct Numbers<'a> {
    pub(crate) node: &'a str,
    pub(crate) queues: &'a [WorkerType],
    pub(crate) slots: usize,
    pub(crate) running: usize,
    pub(crate) waiting: usize,
    pub(crate) report: Report,
    /// Those of the semaphores that the worker has open.
    pub(crate) semaphores: Vec<Figures>,
    pub(crate) sessions: u64,
    /// Those of the latest session: they begin anew with each, as Prometheus expects of a restart.
    pub(crate) counters: Counters,
    pub(crate) is_ready: bool,
    pub(crate) since_renewal: Option<Duration>,
    pub(crate) since_turn: Option<Duration>,
}

impl Numbers<'_> {
    /// As text.
    pub(crate) fn text(&self) -> String {
        let mut text = Text(String::new());
        let queues: Vec<&str> = self.queues.iter().map(WorkerType::as_str).collect();
        text.metric("info", "gauge", "Which worker this is.");
        text.sample(
            "info",
            &[("version", env!("CARGO_PKG_VERSION")), ("node", self.node), ("queues", &queues.join(","))],
            1.0,
        );
        text.gauge("slots", "Tasks that may run at once.", self.slots as f64);
        text.gauge("running", "Tasks that run now.", self.running as f64);
        let help = "Tasks that wait for semaphores before they begin.";
        text.gauge("waiting", help, self.waiting as f64);
        text.gauge("ready", "Whether tasks are taken.", f64::from(u8::from(self.is_ready)));
        if let Some(since) = self.since_renewal {
            let help = "How long ago the session was last renewed.";
            text.gauge("seconds_since_renewal", help, since.as_secs_f64());
        }
        if let Some(since) = self.since_turn {
            let help = "How long ago the session's loop last turned.";
            text.gauge("seconds_since_turn", help, since.as_secs_f64());
        }
        text.counter("sessions_total", "Sessions that were started.", self.sessions);
        self.attempts(&mut text);
        self.deliveries(&mut text);
        self.semaphores(&mut text);
        text.0
    }

    fn attempts(&self, text: &mut Text) {
        let Report { succeeded, failed, retried, preempted, declined, stale } = self.report;
        text.metric("attempts_total", "counter", "Attempts, by how they ended.");
        for (end, count) in [
            ("succeeded", succeeded),
            ("failed", failed),
            ("retried", retried),
            ("preempted", preempted),
            ("declined", declined),
            ("stale", stale),
        ] {
            text.sample("attempts_total", &[("end", end)], count as f64);
        }
    }

    fn semaphores(&self, text: &mut Text) {
        let mut metric = |name: &str, kind, help, value: fn(&Figures) -> f64| {
            if !self.semaphores.is_empty() {
                text.metric(name, kind, help);
            }
            for figures in &self.semaphores {
                text.sample(name, &[("semaphore", figures.name.as_str())], value(figures));
            }
        };
        let gauge = "gauge";
        metric(
            "semaphore_width",
            gauge,
            "Places in a semaphore, over all workers of the machine.",
            |figures| f64::from(figures.width),
        );
        metric("semaphore_waiting", gauge, "Who waits for a place in a semaphore now.", |figures| {
            f64::from(figures.waiting)
        });
        metric("semaphore_holding", gauge, "Places in a semaphore held now.", |figures| {
            f64::from(figures.holding)
        });
        let counter = "counter";
        metric("semaphore_acquisitions_total", counter, "Places taken in a semaphore.", |figures| {
            figures.acquisitions as f64
        });
        metric("semaphore_wait_seconds_total", counter, "Time waited for a semaphore.", |figures| {
            figures.waited.as_secs_f64()
        });
        metric("semaphore_hold_seconds_total", counter, "Time a semaphore was held.", |figures| {
            figures.held.as_secs_f64()
        });
    }

    fn deliveries(&self, text: &mut Text) {
        let Counters {
            delivered,
            leased,
            completed,
            released,
            stale,
            late,
            parked,
            handed_over,
            refused,
            poisoned,
        } = self.counters;
        text.counter("delivered_total", "Deliveries from the session's queues.", delivered);
        text.counter("leased_total", "Attempts leased by the session.", leased);
        text.counter("completed_total", "Outcomes accepted from the session.", completed);
        text.counter("released_total", "Attempts handed back by the session.", released);
        text.counter("stale_total", "Ends of the session's attempts that came too late.", stale);
        text.counter(
            "late_total",
            "Files and progress of attempts that were refused for coming too late.",
            late,
        );
        text.counter("parked_total", "Copies put aside because others had the task.", parked);
        text.counter("handed_over_total", "Copies of long tasks put aside.", handed_over);
        text.counter("refused_total", "Messages that could not be read.", refused);
        text.counter("poisoned_total", "Tasks ended for killing workers.", poisoned);
    }
}

/// Text under construction.
struct Text(String);

impl Text {
    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.metric(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.metric(name, "counter", help);
        self.sample(name, &[], value as f64);
    }

    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "# HELP otaman_worker_{name} {help}\n# TYPE otaman_worker_{name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let _ = write!(self.0, "otaman_worker_{name}");
        for (index, (label, value)) in labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"{}\"", escaped(value));
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let queues = ["cpu", "gpu"].map(|name| WorkerType::new(name).unwrap());
        let numbers = Numbers {
            node: "a \"quoted\" node",
            queues: &queues,
            slots: 4,
            running: 3,
            waiting: 2,
            report: Report { succeeded: 7, stale: 1, ..Report::default() },
            semaphores: vec![Figures {
                name: "cuda".parse().unwrap(),
                width: 2,
                waiting: 3,
                holding: 2,
                acquisitions: 9,
                waited: Duration::from_millis(2500),
                held: Duration::from_secs(4),
                runtime: Duration::from_secs(8),
            }],
            sessions: 2,
            counters: Counters { delivered: 12, ..Counters::default() },
            is_ready: true,
            since_renewal: Some(Duration::from_millis(1500)),
            since_turn: None,
        };
        numbers.text()
    }

    #[test]
    fn every_number_has_its_line() {
        let text = text();
        for line in [
            "otaman_worker_slots 4",
            "otaman_worker_running 3",
            "otaman_worker_waiting 2",
            "otaman_worker_ready 1",
            "otaman_worker_seconds_since_renewal 1.5",
            "otaman_worker_sessions_total 2",
            "otaman_worker_attempts_total{end=\"succeeded\"} 7",
            "otaman_worker_attempts_total{end=\"stale\"} 1",
            "otaman_worker_delivered_total 12",
            "otaman_worker_semaphore_width{semaphore=\"cuda\"} 2",
            "otaman_worker_semaphore_waiting{semaphore=\"cuda\"} 3",
            "otaman_worker_semaphore_holding{semaphore=\"cuda\"} 2",
            "otaman_worker_semaphore_acquisitions_total{semaphore=\"cuda\"} 9",
            "otaman_worker_semaphore_wait_seconds_total{semaphore=\"cuda\"} 2.5",
            "otaman_worker_semaphore_hold_seconds_total{semaphore=\"cuda\"} 4",
        ] {
            assert_eq!(text.lines().filter(|found| *found == line).count(), 1, "{line}\n{text}");
        }
        assert!(!text.contains("since_turn"), "what is not known is left out");
    }

    #[test]
    fn every_sample_follows_its_type_and_labels_are_escaped() {
        let text = text();
        let mut metric = "";
        for line in text.lines() {
            match line.strip_prefix("# TYPE ") {
                Some(declared) => metric = declared.split(' ').next().unwrap(),
                None if line.starts_with('#') => {}
                None => assert_eq!(line.split(['{', ' ']).next().unwrap(), metric),
            }
        }
        assert!(text.contains(r#"node="a \"quoted\" node",queues="cpu,gpu"} 1"#), "{text}");
    }
}

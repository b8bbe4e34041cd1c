//! What is logged, and what never is.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backends::redis::{Config, Redis, cmd};
use tests::servers;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber};

use crate::making::config;

/// Everything that the thread logs, of any crate and level.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<String>>);

impl Logs {
    fn gather() -> (Self, DefaultGuard) {
        let logs = Self::default();
        let guard = tracing::subscriber::set_default(logs.clone());
        (logs, guard)
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Subscriber for Logs {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        write!(text, "{}", event.metadata().level()).unwrap();
        event.record(&mut Writer(&mut text));
        text.push('\n');
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Writer<'a>(&'a mut String);

impl Visit for Writer<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

#[tokio::test]
async fn a_server_that_keeps_nothing_is_warned_about() {
    let server = servers::Redis::options().without_append_only_file().start();
    let (logs, _guard) = Logs::gather();
    Redis::connect(config(&server.url())).await.unwrap();
    assert!(logs.text().contains("WARN") && logs.text().contains("appendonly yes"), "{}", logs.text());
    server.cli(&["CONFIG", "SET", "appendonly", "yes"]);
    let (logs, _guard) = Logs::gather();
    Redis::connect(config(&server.url())).await.unwrap();
    assert!(!logs.text().contains("WARN"), "{}", logs.text());
}

#[tokio::test]
async fn what_happens_to_the_connection_is_told_without_the_password() {
    let server = servers::Redis::start();
    let password = server.password().unwrap();
    let (logs, _guard) = Logs::gather();
    let redis = Redis::connect(config(&server.url())).await.unwrap();
    server.kill();
    let impatient = redis.with_patience(Duration::from_millis(100));
    impatient.run::<()>(&cmd("PING")).await.unwrap_err();
    server.restart();
    redis.run::<()>(&cmd("PING")).await.unwrap();
    server.cli(&["CONFIG", "SET", "requirepass", "hunter2"]);
    let refused = Config { patience: Duration::from_secs(1), ..config(&server.url()) };
    Redis::connect(refused).await.unwrap_err();
    let text = logs.text();
    assert!(text.contains("cannot be reached") && text.contains("reached again"), "{text}");
    assert!(text.contains(&server.address().to_string()), "{text}");
    assert!(!text.contains(password), "{text}");
}

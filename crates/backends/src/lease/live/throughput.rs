//! How many tasks a second one Redis can arbitrate.

use std::time::{Duration, Instant};

use futures::future::join_all;
use protocol::{ExecutionId, SessionId, TaskId};
use tests::servers;
use uuid::Uuid;

use super::clock::connect;
use crate::lease::Arbiter;
use crate::lease::answer::{Answer, Claim, Completed, Completion};

const BATCH: u128 = 256;
const BATCHES: u128 = 200;
const CALLERS: u128 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, of use only with --release and on an idle machine"]
async fn sixty_thousand_tasks_a_second_are_claimed_and_completed() {
    let server = servers::Redis::options().without_append_only_file().start();
    let arbiter = Arbiter::new(connect(&server).await, Arbiter::DEFAULT_PREFIX);
    let session = SessionId::from_uuid(Uuid::new_v4());
    arbiter.register(session, Duration::from_secs(30), "here", b"").await.unwrap();
    let execution: ExecutionId = "nightly".parse().unwrap();
    let started = Instant::now();
    join_all((0..CALLERS).map(|caller| run(&arbiter, session, &execution, caller << 64))).await;
    let tasks = (CALLERS * BATCHES * BATCH) as f64;
    let rate = tasks / started.elapsed().as_secs_f64();
    tracing::info!(rate, "claimed and completed");
    assert!(rate > 60_000.0, "{rate:.0} tasks a second");
}

async fn run(arbiter: &Arbiter, session: SessionId, execution: &ExecutionId, first: u128) {
    let outcome = [7; 100];
    for batch in 0..BATCHES {
        let tasks = (0..BATCH).map(|number| TaskId::from_u128(first + batch * BATCH + number));
        let claim = |task| Claim { execution, task, incarnation: 1, max_losses: 3, is_ahead: false };
        let claims: Vec<_> = tasks.clone().map(claim).collect();
        let answers = arbiter.claim(session, &claims, 1).await.unwrap();
        assert!(answers.iter().all(|answer| matches!(answer, Answer::Granted(grant) if grant.attempt == 1)));
        let completion = |task| Completion { execution, task, attempt: 1, outcome: &outcome };
        let completions: Vec<_> = tasks.map(completion).collect();
        let settled = arbiter.complete(session, &completions, Duration::from_secs(120)).await.unwrap();
        assert!(settled.iter().all(|settled| *settled == Completed::Accepted));
    }
}

//! What pure transitions cannot show: batches, sizes, times to live, the real clock and server.

use std::time::Duration;

use protocol::{ExecutionId, SessionId, TaskId};
use tests::servers;
use uuid::Uuid;

use super::clock::connect;
use crate::lease::answer::{Answer, Claim, Completed, Completion, Renewal};
use crate::lease::{Arbiter, Witness};
use crate::redis::{Redis, cmd};

const LEASE: Duration = Duration::from_secs(30);

fn someone() -> SessionId {
    SessionId::from_uuid(Uuid::new_v4())
}

fn execution() -> ExecutionId {
    "nightly".parse().unwrap()
}

fn claims(execution: &ExecutionId, tasks: std::ops::Range<u128>) -> Vec<Claim<'_>> {
    let claim = |number| {
        let task = TaskId::from_u128(number);
        Claim { execution, task, incarnation: 1, max_losses: 3, is_ahead: false }
    };
    tasks.map(claim).collect()
}

/// An arbiter that nobody else's test sees, on the shared server.
async fn arbiter() -> Arbiter {
    let redis = connect(servers::Redis::shared()).await;
    Arbiter::new(redis, &format!("test-{}", Uuid::new_v4()))
}

async fn registered(arbiter: &Arbiter) -> SessionId {
    let session = someone();
    let renewal = arbiter.register(session, LEASE, "here", b"info").await.unwrap();
    assert!(matches!(renewal, Renewal::Renewed(_)));
    session
}

#[tokio::test]
async fn more_claims_than_fit_a_call_are_answered_in_order() {
    let arbiter = arbiter().await;
    let (one, other) = (registered(&arbiter).await, registered(&arbiter).await);
    let execution = execution();
    arbiter.claim(other, &claims(&execution, 100..101), 1).await.unwrap();
    let answers = arbiter.claim(one, &claims(&execution, 0..1000), 1).await.unwrap();
    assert_eq!(answers.len(), 1000);
    for (number, answer) in answers.iter().enumerate() {
        match answer {
            Answer::Busy { owner, expires_in } if number == 100 => {
                assert_eq!(*owner, other);
                assert!(*expires_in <= LEASE && *expires_in > LEASE / 2);
            }
            Answer::Granted(grant) if number != 100 => assert_eq!(grant.attempt, 1),
            other => panic!("task {number}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn large_outcomes_are_told_again_over_several_calls() {
    let arbiter = arbiter().await;
    let session = registered(&arbiter).await;
    let execution = execution();
    let claims = claims(&execution, 0..40);
    arbiter.claim(session, &claims, 1).await.unwrap();
    let outcomes: Vec<Vec<u8>> = (0..40u8).map(|byte| vec![byte; 300_000]).collect();
    let completion = |(claim, outcome)| {
        let Claim { execution, task, .. }: &Claim<'_> = claim;
        Completion { execution, task: *task, attempt: 1, outcome }
    };
    let completions: Vec<_> = claims.iter().zip(outcomes.iter().map(Vec::as_slice)).map(completion).collect();
    let settled = arbiter.complete(session, &completions, LEASE).await.unwrap();
    assert_eq!(settled, [Completed::Accepted; 40]);
    let told = arbiter.claim(registered(&arbiter).await, &claims, 1).await.unwrap();
    let expected: Vec<_> = outcomes.into_iter().map(|outcome| Answer::Done { outcome }).collect();
    assert!(told == expected, "outcomes differ");
}

#[tokio::test]
async fn an_outcome_is_kept_as_long_as_asked() {
    let arbiter = arbiter().await;
    let session = registered(&arbiter).await;
    let (execution, task) = (execution(), TaskId::from_u128(7));
    arbiter.claim(session, &claims(&execution, 7..8), 1).await.unwrap();
    let completion = Completion { execution: &execution, task, attempt: 1, outcome: b"value" };
    arbiter.complete(session, &[completion], Duration::from_secs(120)).await.unwrap();
    let ttl: i64 = arbiter.redis.run(cmd("TTL").arg(arbiter.keys.record(&execution, task))).await.unwrap();
    assert!((118..=120).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn a_session_tells_its_node_until_after_its_death() {
    let arbiter = arbiter().await;
    let session = registered(&arbiter).await;
    let members = arbiter.sessions().await.unwrap();
    assert_eq!((members.len(), members[0].session, members[0].node.as_str()), (1, session, "here"));
    assert_eq!(members[0].info.as_ref(), b"info");
    arbiter.renew(session, LEASE, "here", b"news").await.unwrap();
    assert_eq!(arbiter.sessions().await.unwrap()[0].info.as_ref(), b"news");
    arbiter.leave(session).await.unwrap();
    assert_eq!(arbiter.sessions().await.unwrap(), []);
    assert_eq!(arbiter.node(session).await.unwrap().as_deref(), Some("here"));
    assert_eq!(arbiter.node(someone()).await.unwrap(), None);
}

#[tokio::test]
async fn who_uses_another_prefix_sees_nothing() {
    let arbiter = arbiter().await;
    let session = registered(&arbiter).await;
    let other = Arbiter::new(arbiter.redis.clone(), "elsewhere");
    let execution = execution();
    let refused = other.claim(session, &claims(&execution, 0..1), 1).await.unwrap_err();
    assert!(matches!(&refused, crate::lease::Error::UnknownSession { session: who } if *who == session));
    assert!(refused.is_transient());
}

#[tokio::test]
async fn what_others_wrote_is_an_error_that_names_the_keys() {
    let arbiter = arbiter().await;
    let (execution, task) = (execution(), TaskId::from_u128(7));
    let key = arbiter.keys.record(&execution, task);
    arbiter.redis.run::<()>(cmd("SET").arg(&key).arg("hello")).await.unwrap();
    let error = arbiter.look(&execution, &[task]).await.unwrap_err();
    assert!(error.to_string().contains("like {test-"), "{error}");
}

#[tokio::test]
async fn a_restart_of_the_server_is_a_sign_of_loss_and_begins_a_calm() {
    let server = servers::Redis::start();
    let arbiter = Arbiter::new(connect(&server).await, Arbiter::DEFAULT_PREFIX);
    let (session, mut witness) = (registered(&arbiter).await, Witness::default());
    let beat = |renewal| match renewal {
        Renewal::Renewed(beat) => beat,
        other => panic!("{other:?}"),
    };
    let before = beat(arbiter.renew(session, LEASE, "here", b"").await.unwrap());
    assert!(!before.server.is_empty());
    assert!(!witness.has_seen_loss(&before));
    server.kill();
    server.restart();
    let after = beat(arbiter.register(session, LEASE, "here", b"").await.unwrap());
    assert!(witness.has_seen_loss(&after));
    assert!(calm_left(&arbiter.redis, &arbiter).await > LEASE);
}

#[tokio::test]
async fn a_wipe_makes_the_session_unknown_and_is_a_sign_of_loss() {
    let server = servers::Redis::start();
    let arbiter = Arbiter::new(connect(&server).await, Arbiter::DEFAULT_PREFIX);
    let session = registered(&arbiter).await;
    let mut witness = Witness::default();
    for _ in 0..3 {
        let Renewal::Renewed(beat) = arbiter.renew(session, LEASE, "here", b"").await.unwrap() else {
            panic!()
        };
        assert!(!witness.has_seen_loss(&beat));
    }
    server.wipe();
    assert_eq!(arbiter.renew(session, LEASE, "here", b"").await.unwrap(), Renewal::Unknown);
    let Renewal::Renewed(beat) = arbiter.register(session, LEASE, "here", b"").await.unwrap() else {
        panic!()
    };
    assert!(witness.has_seen_loss(&beat));
}

/// How long the calm still lasts.
async fn calm_left(redis: &Redis, arbiter: &Arbiter) -> Duration {
    let until: Option<u64> = redis.run(cmd("GET").arg(&arbiter.keys.calm)).await.unwrap();
    let (seconds, micros): (u64, u64) = redis.run(&cmd("TIME")).await.unwrap();
    Duration::from_millis(until.unwrap_or(0).saturating_sub(seconds * 1000 + micros / 1000))
}

//! What follows from the end of an attempt: the task's outcome, or another attempt.

use std::time::Duration;

use backends::broker::Delivery;
use protocol::{Attempt, Decision, Ending, Outcome, RetryPolicy, Session};

use crate::execute::Attempted;

/// What to tell the broker.
#[derive(Debug)]
pub(crate) enum Settlement {
    /// The task has ended.
    Complete(Outcome),
    /// The attempt has failed; another is to follow after a delay.
    Retry { failed: Attempt, after: Duration },
}

/// Decides by the task's retry policy, or the default one. `random` gives a number in `[0, 1)`.
pub(crate) fn settle(
    delivery: Delivery,
    attempted: Attempted,
    session: &Session,
    default: &RetryPolicy,
    random: impl FnOnce() -> f64,
) -> Settlement {
    let Attempted { started_at_us, duration, result, put_off, rest: _ } = attempted;
    let number = delivery.lease.token.attempt;
    let retries = delivery.spent.total();
    let mut failed_attempts = delivery.failed_attempts;
    let ending = match result {
        Ok(value) => Ending::Succeeded(value),
        Err(failure) => {
            let mut spent = delivery.spent;
            spent.charge(failure.cause);
            let policy = delivery.task.retry.as_deref().unwrap_or(default);
            let decision = policy.decide(failure.cause, &spent, random());
            let node = session.node.clone();
            let failed = Attempt {
                number,
                session: session.id,
                node,
                started_at_us,
                duration,
                failure: failure.clone(),
            };
            if let Decision::Retry { after } = decision {
                return Settlement::Retry { failed, after: put_off.unwrap_or(after) };
            }
            failed_attempts.push(failed);
            let surplus = failed_attempts.len().saturating_sub(Outcome::MAX_EVIDENCE);
            failed_attempts.drain(..surplus);
            Ending::Failed(failure)
        }
    };
    Settlement::Complete(Outcome {
        task: delivery.task.id,
        ending,
        attempt: number,
        retries,
        session: Some(session.id),
        started_at_us,
        duration,
        failed_attempts,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use protocol::{Cause, Failure, Lease, OperationName, SessionId, Spent, Task, Token, Value};

    use super::*;

    fn session() -> Session {
        let id = SessionId::from_uuid(uuid::Uuid::from_u128(7));
        Session {
            id,
            node: "here".into(),
            pid: 1,
            worker_types: vec![],
            concurrency: 1,
            lease: Duration::ZERO,
        }
    }

    fn delivery(spent: Spent, earlier: u32) -> Delivery {
        let name = OperationName::new("anything").unwrap();
        let task = Arc::new(Task::new(name, "1.0.0".parse().unwrap(), Value::null()));
        let token = Token { attempt: earlier + 1, session: session().id };
        let attempt = |number| Attempt {
            number,
            session: session().id,
            node: "there".into(),
            started_at_us: 1,
            duration: Duration::ZERO,
            failure: Failure::new(Cause::Transient, "earlier"),
        };
        let failed_attempts = (1..=earlier).map(attempt).collect();
        Delivery {
            execution: "one".parse().unwrap(),
            lease: Lease { task: task.id, token },
            task,
            incarnation: 1,
            spent,
            failed_attempts,
            declined: 0,
        }
    }

    fn settled(delivery: Delivery, result: Result<Value, Failure>) -> Settlement {
        let (put_off, rest) = (None, Duration::ZERO);
        let attempted =
            Attempted { started_at_us: 5, duration: Duration::from_secs(2), result, put_off, rest };
        settle(delivery, attempted, &session(), &RetryPolicy::default(), || 0.5)
    }

    #[test]
    fn a_value_ends_the_task_and_keeps_earlier_evidence() {
        // Of two attempts before it one was handed back before it began.
        let spent = Spent { transient: 1, ..Spent::default() };
        let Settlement::Complete(outcome) = settled(delivery(spent, 2), Ok(Value::null())) else {
            panic!("a value is an end")
        };
        assert_eq!((outcome.attempt, outcome.retries, outcome.failed_attempts.len()), (3, 1, 2));
        assert_eq!((outcome.started_at_us, outcome.duration), (5, Duration::from_secs(2)));
        assert_eq!(outcome.session, Some(session().id));
    }

    #[test]
    fn a_transient_failure_is_tried_again_until_its_budget_is_spent() {
        let transient = || Err(Failure::new(Cause::Transient, "busy"));
        let Settlement::Retry { failed, after } = settled(delivery(Spent::default(), 0), transient()) else {
            panic!("there is budget left")
        };
        assert_eq!((failed.number, &*failed.node, after), (1, "here", Duration::from_millis(500)));
        let spent = Spent { transient: 4, ..Spent::default() };
        let Settlement::Complete(outcome) = settled(delivery(spent, 4), transient()) else {
            panic!("the budget is spent")
        };
        assert_eq!(outcome.failure().unwrap().summary(), "busy");
        assert_eq!(outcome.failed_attempts.len(), 5);
    }

    #[test]
    fn a_permanent_failure_is_the_end_and_evidence_is_bounded() {
        let permanent = Err(Failure::new(Cause::Permanent, "wrong"));
        let Settlement::Complete(outcome) = settled(delivery(Spent::default(), 30), permanent) else {
            panic!("permanent is final")
        };
        assert_eq!(outcome.failed_attempts.len(), Outcome::MAX_EVIDENCE);
        assert_eq!(outcome.failed_attempts.last().unwrap().number, 31);
    }

    #[test]
    fn a_preempted_attempt_costs_nothing() {
        let spent = Spent { preempted: 1_000_000, ..Spent::default() };
        let settlement = settled(delivery(spent, 9), Err(Failure::new(Cause::Preempted, "leaving")));
        assert!(matches!(settlement, Settlement::Retry { after: Duration::ZERO, .. }));
    }
}

//! Whose fault a failure is, the task's or the machine's, as far as one worker can tell: a task that fails on
//! two machines is at fault; a machine on which tasks fail that then succeed elsewhere is.

use std::time::Duration;

use protocol::{Attempt, Cause, ExecutionId, TaskId};

use crate::decline;

/// What fails later than that is no machine that fails everything at once.
const QUICK: Duration = Duration::from_secs(30);

/// What is known of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) cause: Cause,
    /// Whether rules have found the cause: neither the operation nor its task said it.
    pub(crate) is_inferred: bool,
    pub(crate) took: Duration,
    /// How the task's earlier attempts ended.
    pub(crate) earlier: Earlier,
    /// Whether the operation succeeded when it last ended here.
    pub(crate) is_proven: bool,
}

/// Where earlier attempts of a task failed so that it may be its own fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Earlier {
    /// On this machine, and another was to be asked.
    pub(crate) is_doubted_here: bool,
    pub(crate) has_failed_elsewhere: bool,
}

impl Earlier {
    /// As the evidence of the attempts says.
    pub(crate) fn of(attempts: &[Attempt], node: &str) -> Self {
        let is_doubted_here =
            attempts.iter().any(|earlier| earlier.failure.is_doubted && earlier.node == node);
        let has_failed_elsewhere = attempts.iter().any(|earlier| {
            let is_own = match earlier.failure.cause {
                Cause::Transient | Cause::Permanent => true,
                Cause::Timeout | Cause::Lost | Cause::OutOfMemory | Cause::Preempted => false,
            };
            (is_own || earlier.failure.is_doubted) && earlier.node != node
        });
        Self { is_doubted_here, has_failed_elsewhere }
    }
}

/// Whether another machine is to try the task, if there is one, before it is charged.
pub(crate) fn is_doubtful(failed: &Failed) -> bool {
    let Failed { cause, is_inferred, took, earlier, is_proven } = *failed;
    let may_be_the_machine = match cause {
        // A good task is dead of it.
        Cause::Permanent => true,
        // It is tried again in any case.
        Cause::Transient => !is_proven,
        Cause::Timeout | Cause::Lost | Cause::OutOfMemory | Cause::Preempted => false,
    };
    let is_first = !earlier.is_doubted_here && !earlier.has_failed_elsewhere;
    may_be_the_machine && is_inferred && took <= QUICK && is_first
}

/// Why a task is for other machines, if there are some: `is_suspect` says that its operation fails here.
pub(crate) fn reserved_for_others(earlier: Earlier, is_suspect: bool, declined: u32) -> Option<&'static str> {
    if earlier.has_failed_elsewhere || declined >= decline::MOST {
        None
    } else if earlier.is_doubted_here {
        Some("it has failed on this machine, and another is to try it")
    } else if is_suspect {
        Some(
            "too many tasks of its operation have failed on this machine, and others are to show whether that is the machine's fault",
        )
    } else {
        None
    }
}

/// What has become of tasks of an operation that failed here one after the other, with no success in between.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// Others have not tried them yet.
    pub(crate) open: Vec<(ExecutionId, TaskId)>,
    /// So many have failed elsewhere, too.
    pub(crate) confirmed: usize,
    /// So many have succeeded elsewhere.
    pub(crate) overruled: usize,
    /// How the last one of them failed here.
    pub(crate) last: String,
}

impl Row {
    /// Whether no more tasks are to be tried here until it is known what becomes of those that have failed.
    /// The more others confirm, the more may be open.
    pub(crate) fn is_suspect(&self, most: usize) -> bool {
        let allowed = if self.overruled > 0 { most } else { most + 2 * self.confirmed };
        !self.open.is_empty() && self.open.len() + self.overruled >= allowed
    }

    /// Whether that is the machine's fault.
    pub(crate) fn condemns(&self, most: usize) -> bool {
        self.overruled >= most && self.overruled > self.confirmed
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Failure, SessionId};

    use super::*;

    const NOWHERE: Earlier = Earlier { is_doubted_here: false, has_failed_elsewhere: false };
    const HERE: Earlier = Earlier { is_doubted_here: true, has_failed_elsewhere: false };
    const ELSEWHERE: Earlier = Earlier { is_doubted_here: false, has_failed_elsewhere: true };
    const BOTH: Earlier = Earlier { is_doubted_here: true, has_failed_elsewhere: true };

    #[test]
    fn a_first_failure_that_nobody_has_explained_is_doubtful() {
        use Cause::{Lost, OutOfMemory, Permanent, Preempted, Timeout, Transient};
        // Cause, inferred, seconds, earlier, proven: doubtful.
        let table = [
            ((Permanent, true, 0, NOWHERE, false), true),
            ((Permanent, true, 0, NOWHERE, true), true),
            ((Permanent, true, 30, NOWHERE, true), true),
            ((Permanent, true, 31, NOWHERE, true), false),
            ((Permanent, false, 0, NOWHERE, false), false),
            ((Transient, true, 0, NOWHERE, false), true),
            ((Transient, true, 0, NOWHERE, true), false),
            ((Transient, false, 0, NOWHERE, false), false),
            // Two machines are enough, and one is that was asked again.
            ((Permanent, true, 0, ELSEWHERE, false), false),
            ((Permanent, true, 0, HERE, false), false),
            ((Permanent, true, 0, BOTH, false), false),
            ((Transient, true, 0, ELSEWHERE, false), false),
            // Others have their own budgets and evidence.
            ((Timeout, true, 0, NOWHERE, false), false),
            ((Lost, true, 0, NOWHERE, false), false),
            ((OutOfMemory, true, 0, NOWHERE, false), false),
            ((Preempted, true, 0, NOWHERE, false), false),
        ];
        for ((cause, is_inferred, seconds, earlier, is_proven), wanted) in table {
            let took = Duration::from_secs(seconds);
            let failed = Failed { cause, is_inferred, took, earlier, is_proven };
            assert_eq!(is_doubtful(&failed), wanted, "{failed:?}");
        }
    }

    #[test]
    fn what_failed_here_is_for_others_and_so_is_what_would_fail_but_not_for_ever() {
        // Earlier, suspect, declined: for others.
        let table = [
            ((NOWHERE, false, 0), false),
            ((NOWHERE, true, 0), true),
            ((HERE, false, 0), true),
            ((HERE, true, 0), true),
            // Somebody waits for a second opinion.
            ((ELSEWHERE, false, 0), false),
            ((ELSEWHERE, true, 0), false),
            ((BOTH, true, 0), false),
            ((HERE, true, decline::MOST - 1), true),
            ((HERE, true, decline::MOST), false),
            ((NOWHERE, true, decline::MOST), false),
        ];
        for ((earlier, is_suspect, declined), wanted) in table {
            let why = reserved_for_others(earlier, is_suspect, declined);
            assert_eq!(why.is_some(), wanted, "{earlier:?} {is_suspect} {declined}: {why:?}");
        }
    }

    #[test]
    fn a_machine_is_suspect_until_others_confirm_and_condemned_when_they_overrule() {
        const MOST: usize = 5;
        // Open, confirmed, overruled: suspect, condemned.
        let table = [
            ((0, 0, 0), (false, false)),
            ((4, 0, 0), (false, false)),
            ((5, 0, 0), (true, false)),
            // A spec whose tasks fail everywhere: more and more may be open.
            ((5, 1, 0), (false, false)),
            ((7, 1, 0), (true, false)),
            ((100, 50, 0), (false, false)),
            ((0, 1_000, 0), (false, false)),
            // A machine on which all fails.
            ((4, 0, 1), (true, false)),
            ((0, 0, 4), (false, false)),
            ((0, 0, 5), (false, true)),
            // Tasks that fail now and then, wherever they run.
            ((1, 5, 5), (true, false)),
            ((0, 5, 5), (false, false)),
            ((0, 5, 6), (false, true)),
        ];
        for ((open, confirmed, overruled), wanted) in table {
            let open = (0..open).map(|number| ("x".parse().unwrap(), TaskId::of_key(&format!("{number}"))));
            let row = Row { open: open.collect(), confirmed, overruled, last: String::new() };
            assert_eq!((row.is_suspect(MOST), row.condemns(MOST)), wanted, "{row:?}");
        }
    }

    #[test]
    fn evidence_tells_on_which_machines_a_task_has_failed() {
        let attempt = |node: &str, cause, is_doubted| Attempt {
            number: 1,
            session: SessionId::from_uuid(uuid::Uuid::nil()),
            node: node.to_owned(),
            started_at_us: 0,
            duration: Duration::ZERO,
            failure: Failure { is_doubted, ..Failure::new(cause, "failed") },
        };
        let earlier = |attempts: &[Attempt]| Earlier::of(attempts, "here");
        assert_eq!(earlier(&[]), NOWHERE);
        assert_eq!(earlier(&[attempt("here", Cause::Preempted, true)]), HERE);
        assert_eq!(earlier(&[attempt("there", Cause::Preempted, true)]), ELSEWHERE);
        assert_eq!(earlier(&[attempt("there", Cause::Transient, false)]), ELSEWHERE);
        let innocent = [
            attempt("there", Cause::Lost, false),
            attempt("there", Cause::Preempted, false),
            attempt("here", Cause::Transient, false),
        ];
        assert_eq!(earlier(&innocent), NOWHERE);
        assert_eq!(
            earlier(&[attempt("here", Cause::Preempted, true), attempt("b", Cause::Transient, false)]),
            BOTH
        );
    }
}

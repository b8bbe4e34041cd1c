//! What a proxy's connections go by at the moment.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::traffic::{Direction, Traffic};

/// How soon somebody who waits looks whether waiting has become idle.
const TICK: Duration = Duration::from_millis(20);

/// The rules for both directions; changes are noticed at once.
#[derive(Debug)]
pub(super) struct Rules {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    to_server: Traffic,
    to_client: Traffic,
    random: StdRng,
}

impl Rules {
    pub(super) fn new(seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        let state = State { to_server: Traffic::Forward, to_client: Traffic::Forward, random };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(super) fn set(&self, direction: Direction, traffic: Traffic) {
        let mut state = self.state();
        match direction {
            Direction::ToServer => state.to_server = traffic,
            Direction::ToClient => state.to_client = traffic,
        }
        self.changed.notify_all();
    }

    /// Whether bytes of any direction vanish.
    pub(super) fn is_dropping(&self) -> bool {
        let state = self.state();
        Direction::BOTH.iter().any(|direction| *state.of(*direction) == Traffic::Drop)
    }

    /// How long what comes now is to be delayed.
    pub(super) fn delay(&self, direction: Direction) -> Duration {
        let mut state = self.state();
        match state.of(direction).clone() {
            Traffic::Delay(range) => state.random.random_range(range),
            Traffic::Forward | Traffic::Hold | Traffic::Drop => Duration::ZERO,
        }
    }

    /// Waits until what is due then may go on or must vanish; tells the rule for it.
    pub(super) fn wait(&self, direction: Direction, due: Instant, is_idle: impl Fn() -> bool) -> Traffic {
        let mut state = self.state();
        loop {
            let traffic = state.of(direction).clone();
            let left = due.saturating_duration_since(Instant::now());
            let may_go = left.is_zero() && traffic != Traffic::Hold;
            if may_go || traffic == Traffic::Drop || is_idle() {
                return traffic;
            }
            let pause = if traffic == Traffic::Hold { TICK } else { left.min(TICK) };
            state = self.changed.wait_timeout(state, pause).expect("nothing panics while it is held").0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is held")
    }
}

impl State {
    fn of(&self, direction: Direction) -> &Traffic {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }
}

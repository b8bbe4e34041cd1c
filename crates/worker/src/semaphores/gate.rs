//! One semaphore in this process: who of us holds it, who waits, and in what order.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocol::{SemaphoreName, Width};
use tokio::sync::{Notify, oneshot};

use super::error::Error;
use super::files::{Files, Slot};
use super::report::Figures;
use super::ticket::{self, Other, Ticket};
use super::usage::Usage;

/// One semaphore in this process.
#[derive(Debug)]
pub(super) struct Gate {
    name: SemaphoreName,
    wanted: Width,
    directory: PathBuf,
    started: Instant,
    /// Told when one of us has left: the next may go on.
    stirred: Arc<Notify>,
    /// A std mutex: it is held for some system calls that do not wait, never across an await.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    files: Files,
    /// In the order of their tickets.
    waiting: VecDeque<Waiter>,
    /// Who stands directly before the first of ours, if somebody does.
    ahead: Option<(u64, Other)>,
    /// Numbers for waiters; tickets may be drawn again.
    waiters: u64,
    usage: Usage,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    ticket: Ticket,
    began: Duration,
    admitted: oneshot::Sender<Hold>,
}

/// What comes of wanting a place.
#[derive(Debug)]
pub(super) enum Entered {
    /// It was free.
    Admitted(Hold),
    /// It is not, or others were first.
    Waits(Waiting),
    /// Somebody is at the queue; to be tried again in a moment.
    Busy,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub(super) struct Hold {
    gate: Arc<Gate>,
    slot: Arc<Slot>,
    began: Duration,
}

/// Waits for a place; dropped, it waits no more.
#[derive(Debug)]
pub(super) struct Waiting {
    gate: Arc<Gate>,
    id: u64,
    admitted: oneshot::Receiver<Hold>,
}

impl Gate {
    /// Opens a semaphore's files; `None` if somebody is at its queue at this moment.
    pub(super) fn open(
        name: &SemaphoreName,
        wanted: Width,
        directory: PathBuf,
        started: Instant,
        stirred: &Arc<Notify>,
    ) -> Result<Option<Self>, Error> {
        let Some(files) = Files::open(&directory, name, wanted)? else { return Ok(None) };
        let (waiting, ahead, waiters, usage) = Default::default();
        let state = Mutex::new(State { files, waiting, ahead, waiters, usage });
        let (name, stirred) = (name.clone(), Arc::clone(stirred));
        Ok(Some(Self { name, wanted, directory, started, stirred, state }))
    }

    /// How many places there are.
    pub(super) fn width(&self) -> u32 {
        self.state().files.width.get()
    }

    /// How it was used.
    pub(super) fn figures(&self) -> Figures {
        let (state, runtime) = (self.state(), self.now());
        let (waiting, holding) = state.usage.now();
        let (acquisitions, waited, held) = state.usage.totals(runtime);
        let (name, width) = (self.name.clone(), state.files.width.get());
        Figures { name, width, waiting, holding, acquisitions, waited, held, runtime }
    }

    /// Takes a place, or a ticket. `began` is when the place was first wanted.
    pub(super) fn enter(self: &Arc<Self>, began: Instant) -> Result<Entered, Error> {
        let began = began.duration_since(self.started);
        let mut state = self.state();
        if !self.renew(&mut state)? {
            return Ok(Entered::Busy);
        }
        let Some(_locked) = state.files.lock()? else { return Ok(Entered::Busy) };
        let is_first = state.waiting.is_empty();
        if is_first
            && state.files.is_nobody_waiting()?
            && let Some(slot) = state.files.take()?
        {
            state.usage.begin_waiting(began);
            return Ok(Entered::Admitted(self.hold(&mut state, slot, began)));
        }
        if is_first {
            state.files.join_crowd()?;
        }
        let last = ticket::last(&state.files.line)?;
        let number = last.map_or(1, |other| other.number + 1);
        let ticket = Ticket::draw(&state.files.line, number)?;
        let (admitted, receiver) = oneshot::channel();
        state.waiters += 1;
        let id = state.waiters;
        state.waiting.push_back(Waiter { id, ticket, began, admitted });
        state.usage.begin_waiting(began);
        Ok(Entered::Waits(Waiting { gate: Arc::clone(self), id, admitted: receiver }))
    }

    /// Lets those go on whose turn it is; gives the files by which it can be seen that it is the next
    /// one's turn, none if nobody waits.
    pub(super) fn advance(self: &Arc<Self>) -> Result<Vec<PathBuf>, Error> {
        let mut admitted = Vec::new();
        let signs = self.admit(&mut admitted);
        for (waiter, hold) in admitted {
            // Who has gone away meanwhile gives the place back here.
            drop(waiter.admitted.send(hold));
        }
        signs
    }

    fn admit(self: &Arc<Self>, admitted: &mut Vec<(Waiter, Hold)>) -> Result<Vec<PathBuf>, Error> {
        let mut state = self.state();
        if !state.waiting.is_empty() {
            self.renew(&mut state)?;
        }
        while let Some(first) = state.waiting.front() {
            let number = first.ticket.number;
            if let Some(sign) = state.ahead(number)? {
                return Ok(vec![sign]);
            }
            let Some(slot) = state.files.take()? else { return Ok(state.files.slots().collect()) };
            if let Some(waiter) = state.waiting.pop_front() {
                state.see_whether_some_wait();
                let hold = self.hold(&mut state, slot, waiter.began);
                admitted.push((waiter, hold));
            }
        }
        Ok(Vec::new())
    }

    /// Who has waited since then holds a place from now on.
    fn hold(self: &Arc<Self>, state: &mut State, slot: Arc<Slot>, waited_since: Duration) -> Hold {
        let now = self.now();
        state.usage.end_waiting(waited_since, now);
        state.usage.begin_holding(now);
        Hold { gate: Arc::clone(self), slot, began: now }
    }

    /// Makes the files anew if somebody has removed them; those who wait stay in order. Whether it is
    /// done: not if somebody else is at the queue.
    fn renew(&self, state: &mut State) -> Result<bool, Error> {
        if !state.files.are_gone()? {
            return Ok(true);
        }
        tracing::warn!(semaphore = %self.name, directory = %self.directory.display(), "the files of a semaphore were removed; it is made anew");
        let Some(files) = Files::open(&self.directory, &self.name, self.wanted)? else { return Ok(false) };
        let Some(_locked) = files.lock()? else { return Ok(false) };
        let mut number = ticket::last(&files.line)?.map_or(0, |other| other.number);
        for waiter in &mut state.waiting {
            number += 1;
            waiter.ticket = Ticket::draw(&files.line, number)?;
        }
        if !state.waiting.is_empty() {
            files.join_crowd()?;
        }
        (state.files, state.ahead) = (files, None);
        Ok(true)
    }

    fn leave(&self, id: u64) {
        let mut state = self.state();
        let Some(index) = state.waiting.iter().position(|waiter| waiter.id == id) else { return };
        if let Some(waiter) = state.waiting.remove(index) {
            state.usage.end_waiting(waiter.began, self.now());
            state.see_whether_some_wait();
        }
        drop(state);
        self.stirred.notify_one();
    }

    fn give_back(&self, slot: &Slot, began: Duration) {
        let mut state = self.state();
        state.usage.end_holding(began, self.now());
        slot.give_back();
        if !state.waiting.is_empty() {
            self.stirred.notify_one();
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// After one has ceased to wait.
    fn see_whether_some_wait(&self) {
        if self.waiting.is_empty() {
            self.files.leave_crowd();
        }
    }

    /// The sign of the one who stands before a ticket of ours; `None` if nobody does.
    fn ahead(&mut self, number: u64) -> Result<Option<PathBuf>, Error> {
        if let Some((of, other)) = &self.ahead
            && *of == number
            && other.is_live()?
        {
            return Ok(Some(other.path.clone()));
        }
        self.ahead = ticket::last_before(&self.files.line, number)?.map(|other| (number, other));
        Ok(self.ahead.as_ref().map(|(_, other)| other.path.clone()))
    }
}

impl Waiting {
    /// Waits for the place.
    pub(super) async fn admitted(mut self) -> Hold {
        (&mut self.admitted).await.expect("waiters are let in or have gone away")
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.gate.leave(self.id);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.gate.give_back(&self.slot, self.began);
    }
}

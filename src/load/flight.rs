//! `Flight`: one load of one key, and those who wait for it.
//!
//! ```text
//!            lead                    land, fail
//!  (new) ----------> Led ------------------------------> Done, Failed: all who wait get the value, or the error
//!                   ^ ^ | give up, or the leader is gone
//!              lead | | |-- somebody waits --> Vacant --.  (all of them are woken; the first to poll leads)
//!                   | '-'-------------------------------'
//!                   |   '-- nobody waits, or there is a newer flight ----> Gone: whoever still holds it looks for another
//!                   '-- over Led, when the leader has kept the others waiting for too long ([`Patience`])
//! ```
//!
//! A flight knows nothing of the cache. Whoever asks for a key polls it, with a `Waker`: a task's, or that of a thread that
//! parks; so waiting is the same for both. Who polls a vacant flight leads it from then on.
//!
//! # Invariants
//!
//! * **F1** There is at most one leader. Each has a number of its own, and only the holder of the present number can land the
//!   flight or give it up.
//! * **F2** Who waits is in the list until it leaves or gets its turn; without a waker, if it was woken and has not polled since. Of
//!   a vacant flight all were woken, and the last to leave ends it. While the leader is a task that was woken and has not run
//!   since, one at least was woken to look after it, or polls again and again; when that one leaves it wakes another. When a
//!   leader gets a lease all are woken, so that they know when it is over.
//! * **F3** Done, Failed and Gone are for ever.
//! * **F4** No waker is cloned, woken or dropped, and no value is, while the state is locked (G24); and none before the caller has
//!   what it needs to go on, because they may panic: so they are handed out.

use crate::shard::Stamp;
use crate::sync::{self, Arc, Moment, Mutex, ThreadNumber};
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;
use std::time::Duration;

/// How long a leader that was woken may take until it runs.
const TIME_TO_RUN: Duration = Duration::from_millis(50);

/// The same, where nobody waits for it: it renews what others read meanwhile, and may do so late. But if it never does, nobody would.
const TIME_TO_RENEW: Duration = Duration::from_secs(10);

/// An error that those who wait may share.
pub(crate) type Shared = Arc<dyn Any + Send + Sync>;

/// What is being loaded, and by whom.
#[derive(Debug)]
enum Phase<V> {
    Led(Lead),
    Vacant,
    Done(Arc<V>),
    Failed(Shared),
    Gone,
}

#[derive(Debug)]
struct Lead {
    number: u64,
    /// The thread that runs the loader at this moment.
    runs_on: Option<ThreadNumber>,
    patience: Patience,
    /// When one who only asks leads in the place of a leader that was woken.
    lost: Moment,
}

/// How long the others wait for a leader before one of them leads in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as it takes: it runs.
    Endless,
    /// Until this moment: it is a task that was woken and has not run since, or a job that has not begun.
    Woken(Moment),
    /// Until this moment, when the lease with this token ends.
    Leased(u64, Moment),
}

impl Patience {
    /// When it ends.
    pub(crate) fn end(self) -> Moment {
        match self {
            Patience::Endless => Moment::NEVER,
            Patience::Woken(end) | Patience::Leased(_, end) => end,
        }
    }
}

impl Lead {
    fn new(number: u64) -> Self {
        Lead { number, runs_on: None, patience: Patience::Endless, lost: Moment::NEVER }
    }

    /// It is to run, from now on.
    fn wake(&mut self) {
        self.patience = Patience::Woken(Moment::after(TIME_TO_RUN));
        self.lost = Moment::after(TIME_TO_RENEW);
    }

    /// Is it to be waited for?
    fn is_there(&self, now: Moment) -> bool {
        self.runs_on.is_some() || !self.patience.end().has_come(now)
    }
}

/// One who waits. Its number tells it from others.
#[derive(Debug)]
struct Waiting {
    ticket: u64,
    /// `None`: it was woken, and has not polled since.
    waker: Option<Waker>,
}

#[derive(Debug)]
struct State<V> {
    phase: Phase<V>,
    /// Of the load that runs, or that came to an end: a value that was read before a write is not for who asks after it. None
    /// while nobody loads, and until the shard has given one to a new leader.
    stamp: Option<Stamp>,
    /// There is a newer flight of the key.
    superseded: bool,
    /// In the order of their coming.
    waiting: VecDeque<Waiting>,
    /// The last number given out, to a leader or to one who waits.
    numbers: u64,
    /// The process that leader and waiting are of: in a child of a fork there are no other threads.
    process: u32,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Flight<V> {
    state: Mutex<State<V>>,
}

/// What makes a leader.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Baton {
    pub(crate) number: u64,
    pub(crate) before: Before,
}

/// What the leader before has left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing that it will not clear away itself.
    Nothing,
    /// A load that has not ended: it is of another process.
    Load,
    /// The lease with this token.
    Lease(u64),
}

/// What one who polls is to do.
#[derive(Debug)]
pub(crate) enum Turn<V> {
    /// Take this.
    Value(Arc<V>),
    /// Take this, or poll again to load.
    Failed(Shared),
    /// Load.
    Lead(Baton),
    /// Wait to be woken, but no longer than this.
    Wait(Patience),
    /// Nothing: the caller is inside of the loader that it asks for.
    Own,
    /// Look for another flight.
    Gone,
}

/// Wakers that are of no more use, to be dropped when the turn is taken (F4).
#[derive(Debug, Default)]
pub(crate) struct Spent {
    _wakers: [Option<Waker>; 2],
}

/// Who is to be told of a leader that gave up, or of one who left (F4).
#[derive(Debug)]
#[must_use]
pub(crate) struct Told {
    /// The flight is gone: it is to be taken from the list first.
    pub(crate) gone: bool,
    wake: Vec<Waker>,
    left: Option<Waker>,
}

impl Told {
    /// Wakes those who are to be.
    pub(crate) fn tell(self) {
        wake_all(self.wake.into_iter());
        drop(self.left);
    }
}

impl<V> Flight<V> {
    /// A flight that the caller leads; the number is in [`FIRST`](Self::FIRST).
    pub(crate) fn new() -> Self {
        let state = State {
            phase: Phase::Led(Lead::new(Self::FIRST.number)),
            stamp: None,
            superseded: false,
            waiting: VecDeque::new(),
            numbers: Self::FIRST.number,
            process: sync::process(),
        };
        Flight { state: Mutex::new(state) }
    }

    /// What makes the first leader.
    pub(crate) const FIRST: Baton = Baton { number: 1, before: Before::Nothing };

    /// What is to be done by one who waits with this ticket, or who has none yet and gets one if it must wait. Without a
    /// waker it only asks, and is not one of those who wait.
    pub(crate) fn poll(
        &self,
        ticket: &mut Option<u64>,
        waker: Option<&Waker>,
        me: ThreadNumber,
        now: Moment,
    ) -> (Turn<V>, Spent) {
        let (fresh, process, waits) = (waker.cloned(), sync::process(), waker.is_some());
        let mut state = self.state.lock();
        let orphaned = state.follow_process(process);
        let turn = match &state.phase {
            Phase::Done(value) => Turn::Value(value.clone()),
            Phase::Failed(error) => Turn::Failed(error.clone()),
            Phase::Gone => Turn::Gone,
            Phase::Led(lead) if lead.runs_on == Some(me) => Turn::Own,
            Phase::Led(lead) if !orphaned && lead.is_there(now) => Turn::Wait(lead.patience),
            // Who has not waited yet goes behind a task that is only late; who will not wait, for a while.
            Phase::Led(Lead { patience: late @ Patience::Woken(_), lost, .. })
                if !orphaned && ticket.is_none() && (waits || !lost.has_come(now)) =>
            {
                Turn::Wait(*late)
            }
            Phase::Led(_) | Phase::Vacant if state.superseded && !orphaned => {
                state.phase = Phase::Gone;
                Turn::Gone
            }
            Phase::Led(_) | Phase::Vacant => Turn::Lead(state.pass_to_next(orphaned)),
        };
        let (left, fresh) = match (&turn, fresh) {
            (Turn::Wait(_), Some(waker)) => (state.wait(ticket, waker), None),
            (_, fresh) => (ticket.take().and_then(|ticket| state.forget(ticket)), fresh),
        };
        // The others look for another flight, too.
        let others = if matches!(turn, Turn::Gone) { state.wakers() } else { Vec::new() };
        drop(state);
        wake_all(others.into_iter());
        (turn, Spent { _wakers: [left, fresh] })
    }

    /// The leader has its stamp.
    pub(crate) fn stamp(&self, number: u64, stamp: Stamp) {
        let mut state = self.state.lock();
        if state.lead(number).is_some() {
            state.stamp = Some(stamp);
        }
    }

    /// The stamp of the load, if it has one: who asks now may wait for it only while that stands.
    pub(crate) fn stamped(&self) -> Option<Stamp> {
        self.state.lock().stamp
    }

    /// There is a newer flight of the key: whoever waits for this one goes there when its leader has no value.
    pub(crate) fn supersede(&self) {
        self.state.lock().superseded = true;
    }

    /// Is this the number of the leader?
    pub(crate) fn is_led_by(&self, number: u64) -> bool {
        self.state.lock().lead(number).is_some()
    }

    /// Does the leader's loader run on this thread?
    pub(crate) fn is_run_by(&self, thread: ThreadNumber) -> bool {
        matches!(&self.state.lock().phase, Phase::Led(lead) if lead.runs_on == Some(thread))
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// The leader's loader runs on this thread, or on none for now; what it ran is what it was woken for. Where it ran before.
    pub(crate) fn runs_on(&self, number: u64, thread: Option<ThreadNumber>) -> Option<ThreadNumber> {
        let mut state = self.state.lock();
        let lead = state.lead(number)?;
        if thread.is_none() && matches!(lead.patience, Patience::Woken(_)) {
            lead.wake();
        }
        std::mem::replace(&mut lead.runs_on, thread)
    }

    /// The leader goes on: whoever waits for it is patient again. False if another has taken over.
    pub(crate) fn goes_on(&self, number: u64) -> bool {
        let mut state = self.state.lock();
        state.lead(number).map(|lead| lead.patience = Patience::Endless).is_some()
    }

    /// The leader is a task that is about to be woken, or a job that has been handed out: if it has not run in a while it may be
    /// gone for good. Gives the first who waits, who is to be woken to look after it.
    #[must_use]
    pub(crate) fn woken(&self, number: u64) -> Option<Waker> {
        let mut state = self.state.lock();
        match state.lead(number) {
            Some(lead) if lead.patience == Patience::Endless => lead.wake(),
            _ => return None,
        }
        state.next_waker()
    }

    /// The leader holds a lease, which ends at that moment: whoever waits is to know of it.
    pub(crate) fn lend(&self, number: u64, token: u64, end: Moment) {
        let mut state = self.state.lock();
        if let Some(lead) = state.lead(number) {
            lead.patience = Patience::Leased(token, end);
            let wake = state.wakers();
            drop(state);
            wake_all(wake.into_iter());
        }
    }

    /// The leader has the value: all who wait get it.
    pub(crate) fn land(&self, number: u64, value: Arc<V>) {
        self.end(number, Phase::Done(value));
    }

    /// The leader failed, and those who wait may have its error.
    pub(crate) fn fail(&self, number: u64, error: Shared) {
        self.end(number, Phase::Failed(error));
    }

    fn end(&self, number: u64, phase: Phase<V>) {
        let mut state = self.state.lock();
        if state.lead(number).is_none() {
            drop(state);
            return drop(phase);
        }
        state.phase = phase;
        let wake = state.wakers();
        state.waiting.clear();
        drop(state);
        wake_all(wake.into_iter());
    }

    /// The leader has no value: one of those who wait leads; or none, and the flight is gone.
    pub(crate) fn give_up(&self, number: u64) -> Told {
        let mut state = self.state.lock();
        if state.lead(number).is_none() {
            return Told { gone: false, wake: Vec::new(), left: None };
        }
        let gone = state.waiting.is_empty() || state.superseded;
        (state.phase, state.stamp) = (if gone { Phase::Gone } else { Phase::Vacant }, None);
        Told { gone, wake: if cfg!(seeded = "lost_wake") { Vec::new() } else { state.wakers() }, left: None }
    }

    /// One who waited does so no longer.
    pub(crate) fn leave(&self, ticket: u64) -> Told {
        let mut state = self.state.lock();
        let left = state.forget(ticket);
        let gone = matches!(state.phase, Phase::Vacant) && state.waiting.is_empty();
        if gone {
            state.phase = Phase::Gone;
        }
        let looks_after = matches!(&state.phase, Phase::Led(Lead { patience: Patience::Woken(_), .. }));
        let next = if looks_after { state.next_waker() } else { None };
        Told { gone, wake: next.into_iter().collect(), left }
    }
}

/// Wakes all of them, though one should panic: then the panic goes on at the end.
pub(crate) fn wake_all(wakers: impl Iterator<Item = Waker>) {
    for_all(wakers, Waker::wake);
}

/// Does it to all of them, though it should panic with one: then the panic goes on at the end, unless the thread unwinds already, as
/// with a leader whose loader has panicked. (Two at once would end the process.)
pub(crate) fn for_all<T>(all: impl Iterator<Item = T>, act: impl Fn(T)) {
    let mut panicked = None;
    for one in all {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| act(one))) {
            panicked = Some(panic);
        }
    }
    if let Some(panic) = panicked
        && !std::thread::panicking()
    {
        resume_unwind(panic);
    }
}

impl<V> State<V> {
    /// The leader, if it has this number (F1).
    fn lead(&mut self, number: u64) -> Option<&mut Lead> {
        match &mut self.phase {
            Phase::Led(lead) if lead.number == number => Some(lead),
            _ => None,
        }
    }

    /// True for the first who comes in a child of a fork: the leader and those who waited are not there. Their wakers are not
    /// ours to drop.
    fn follow_process(&mut self, process: u32) -> bool {
        let orphaned = std::mem::replace(&mut self.process, process) != process;
        if orphaned {
            std::mem::forget(std::mem::take(&mut self.waiting));
        }
        orphaned
    }

    /// The caller leads.
    fn pass_to_next(&mut self, orphaned: bool) -> Baton {
        let before = match &self.phase {
            Phase::Led(Lead { patience: Patience::Leased(token, _), .. }) => Before::Lease(*token),
            _ if orphaned && self.stamp.is_some() => Before::Load,
            _ => Before::Nothing,
        };
        let number = self.number();
        (self.phase, self.stamp) = (Phase::Led(Lead::new(number)), None);
        Baton { number, before }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Puts a waker in its place, or at the end with a new ticket; the one that was there.
    fn wait(&mut self, ticket: &mut Option<u64>, waker: Waker) -> Option<Waker> {
        if let Some(at) = ticket.and_then(|ticket| self.place(ticket)) {
            return self.waiting[at].waker.replace(waker);
        }
        let number = self.number();
        *ticket = Some(number);
        self.waiting.push_back(Waiting { ticket: number, waker: Some(waker) });
        None
    }

    /// Tickets ascend.
    fn place(&self, ticket: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket).ok()
    }

    /// Takes out one who waits, if it does.
    fn forget(&mut self, ticket: u64) -> Option<Waker> {
        let at = self.place(ticket)?;
        self.waiting.remove(at)?.waker
    }

    /// Of all who wait and were not woken yet.
    fn wakers(&mut self) -> Vec<Waker> {
        self.waiting.iter_mut().filter_map(|waiting| waiting.waker.take()).collect()
    }

    /// Of the first who waits and was not woken yet.
    fn next_waker(&mut self) -> Option<Waker> {
        self.waiting.iter_mut().find_map(|waiting| waiting.waker.take())
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::sync::this_thread;

    fn poll(flight: &Flight<u32>, ticket: &mut Option<u64>) -> Turn<u32> {
        flight.poll(ticket, Some(Waker::noop()), this_thread(), Moment::now()).0
    }

    const FIRST: u64 = Flight::<u32>::FIRST.number;

    #[test]
    fn a_landed_flight_has_its_value_for_ever() {
        let flight = Flight::new();
        let mut ticket = None;
        assert!(matches!(poll(&flight, &mut ticket), Turn::Wait(_)));
        flight.land(FIRST, Arc::new(3));
        for ticket in [&mut ticket, &mut None] {
            assert!(matches!(poll(&flight, ticket), Turn::Value(value) if *value == 3));
            assert_eq!(*ticket, None);
        }
        flight.fail(FIRST, Arc::new(()));
        assert!(!flight.give_up(FIRST).gone && matches!(poll(&flight, &mut None), Turn::Value(_)));
    }

    #[test]
    fn g19_a_former_leader_changes_nothing() {
        let flight = Flight::new();
        let mut ticket = None;
        assert!(matches!(poll(&flight, &mut ticket), Turn::Wait(_)));
        assert!(!flight.give_up(FIRST).gone);
        let Turn::Lead(second) = poll(&flight, &mut ticket) else { panic!("it is vacant") };
        assert!(flight.is_led_by(second.number) && !flight.is_led_by(FIRST));
        flight.land(FIRST, Arc::new(1));
        flight.runs_on(FIRST, Some(this_thread()));
        assert!(!flight.give_up(FIRST).gone);
        assert!(matches!(poll(&flight, &mut ticket), Turn::Wait(_)));
        flight.land(second.number, Arc::new(2));
        assert!(matches!(poll(&flight, &mut ticket), Turn::Value(value) if *value == 2));
    }

    #[test]
    fn a_flight_that_nobody_waits_for_is_gone_when_it_is_given_up() {
        let flight = Flight::<u32>::new();
        assert!(flight.give_up(FIRST).gone && matches!(poll(&flight, &mut None), Turn::Gone));
        let flight = Flight::<u32>::new();
        let mut tickets = [None, None];
        tickets.iter_mut().for_each(|ticket| assert!(matches!(poll(&flight, ticket), Turn::Wait(_))));
        assert!(!flight.give_up(FIRST).gone, "the first is woken");
        assert!(!flight.leave(tickets[0].expect("it waits")).gone, "the second is");
        assert!(flight.leave(tickets[1].expect("it waits")).gone);
        assert!(matches!(poll(&flight, &mut None), Turn::Gone));
    }

    #[derive(Default)]
    struct Woken(crate::sync::atomic::AtomicBool);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, crate::sync::atomic::Ordering::Relaxed);
        }
    }

    #[test]
    fn g19_one_looks_after_a_task_that_is_woken_and_the_next_if_that_one_goes() {
        let flight = Flight::<u32>::new();
        let (next, mut tickets) = (Arc::new(Woken::default()), [None, None]);
        for (ticket, waker) in tickets.iter_mut().zip([Waker::noop(), &next.clone().into()]) {
            let turn = flight.poll(ticket, Some(waker), this_thread(), Moment::now()).0;
            assert!(matches!(turn, Turn::Wait(_)));
        }
        assert!(flight.woken(FIRST).is_some(), "the first who waits is given to be woken");
        assert!(flight.woken(FIRST).is_none(), "it is looked after already");
        let told = flight.leave(tickets[0].expect("it waits"));
        assert!(!told.gone);
        told.tell();
        assert!(next.0.load(crate::sync::atomic::Ordering::Relaxed));
    }

    #[test]
    fn g22_who_only_asks_leads_in_the_place_of_a_leader_that_does_not_come_to_renew() {
        let flight = Flight::<u32>::new();
        let glance = |now| flight.poll(&mut None, None, this_thread(), now).0;
        assert!(matches!(glance(Moment::after(2 * TIME_TO_RENEW)), Turn::Wait(_)), "it runs");
        assert!(flight.woken(FIRST).is_none(), "nobody waits");
        assert!(matches!(glance(Moment::after(2 * TIME_TO_RUN)), Turn::Wait(_)), "it may be late");
        let Turn::Lead(second) = glance(Moment::after(TIME_TO_RENEW)) else { panic!("it is lost") };
        assert!(flight.is_led_by(second.number) && !flight.goes_on(FIRST));
    }

    #[test]
    fn g21_the_thread_that_runs_the_loader_is_told_so() {
        let flight = Flight::<u32>::new();
        flight.runs_on(FIRST, Some(this_thread()));
        assert!(matches!(poll(&flight, &mut None), Turn::Own));
        flight.runs_on(FIRST, None);
        assert!(matches!(poll(&flight, &mut None), Turn::Wait(_)));
    }
}

#[cfg(all(test, loom))]
mod models;

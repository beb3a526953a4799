//! Telling the user what left the cache.
//!
//! # What is promised (G26)
//!
//! Every entry that leaves, and every pair that was refused, is told to the listener once, with its cause;
//! what happened to one key is told in the order in which it happened.
//!
//! # How
//!
//! A write that removes an entry puts a notice into its shard's queue, under the lock it holds anyway.
//! After the lock is gone the same thread takes notices out and calls the listener. A notice whose key is
//! being told of by another thread at that moment is moved to that key's own line, and when its telling ends the first of
//! the line may be told next, by whoever comes. So no thread waits for a listener, and no two calls for one key overlap. Keys are told
//! apart by their 32 bits of hash, which may delay a stranger's notice and never reorders.
//!
//! A listener that writes to the cache tells nothing within itself: the call that runs it does, when it comes back ([`Owed`]). So however
//! many notices and shards there are, a thread's stack holds one telling. (Where the listener of another cache comes between, one for each
//! shard at most.)
//!
//! The order of one key is kept because what stands in a line was queued before all of its hash that is still in the
//! queue, and what is in `next` before all that is in its line.
//!
//! Until its notice has been told, an entry's key and value stay as they are: it is retired afterwards.
//!
//! # Costs
//!
//! Two short locks per notice, and O(1) under them, amortised: a notice goes into the queue, a line and `next` once each at
//! most, however slow a listener is and however long the line behind it. Without a listener, nothing.

use crate::sync::{self, Arc, Mutex, ThreadNumber};
use std::cell::Cell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;

/// Why an entry left the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Its lifetime was over. Told when the memory is given back, or when a write meets it.
    Expired,
    /// The policy chose it, to make room.
    Evicted,
    /// Another value was written under its key, or one too heavy to be stored.
    Replaced,
    /// It was removed by key or by predicate.
    Removed,
    /// `clear` was called.
    Cleared,
    /// [`invalidate_all`](crate::Cache::invalidate_all), or [`invalidate_tag`](crate::Cache::invalidate_tag) of one of its tags, was
    /// called after it was written. Told when the memory is given back, or when a write meets it.
    Invalidated,
    /// It never came in: it weighs more than the whole cache.
    Refused,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Expired => "expired",
            Cause::Evicted => "evicted",
            Cause::Replaced => "replaced",
            Cause::Removed => "removed",
            Cause::Cleared => "cleared",
            Cause::Invalidated => "invalidated",
            Cause::Refused => "refused",
        })
    }
}

/// What the user gave to [`Builder::listener`](crate::Builder::listener).
pub(crate) type Listener<K, V> = Arc<dyn Fn(&K, &V, Cause) + Send + Sync>;

/// One thing to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) index: u32,
    pub(crate) hash: u32,
    pub(crate) cause: Cause,
}

/// What a shard has still to tell. Under the shard's lock.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    /// In the order in which it happened, but for what was moved into a line.
    queue: VecDeque<Notice>,
    /// The firsts of their lines, whose telling may begin.
    next: VecDeque<Notice>,
    /// A line, often empty, for each hash that is being told of or has a notice in `next`.
    lines: HashMap<u32, VecDeque<Notice>>,
    /// Threads that are telling.
    tellers: Vec<ThreadNumber>,
}

impl Notices {
    /// The calling thread begins to tell, and must [`end`](Self::end_telling). False if it is telling already, further up the stack, and the
    /// listener of another cache came between.
    pub(crate) fn begin_telling(&mut self) -> bool {
        let own = sync::this_thread();
        let begins = !self.tellers.contains(&own);
        if begins {
            self.tellers.push(own);
        }
        begins
    }

    pub(crate) fn end_telling(&mut self) {
        let own = sync::this_thread();
        self.tellers.retain(|teller| *teller != own);
    }

    pub(crate) fn push(&mut self, notice: Notice) {
        self.queue.push_back(notice);
    }

    /// A notice that may be told now, the oldest of its key; it must be [`finished`](Self::finish).
    pub(crate) fn begin(&mut self) -> Option<Notice> {
        if let Some(notice) = self.next.pop_front() {
            return Some(notice);
        }
        while let Some(notice) = self.queue.pop_front() {
            match self.lines.entry(notice.hash) {
                Entry::Occupied(mut line) => line.get_mut().push_back(notice),
                Entry::Vacant(free) => {
                    free.insert(VecDeque::new());
                    return Some(notice);
                }
            }
        }
        None
    }

    pub(crate) fn finish(&mut self, notice: Notice) {
        match self.lines.get_mut(&notice.hash).and_then(VecDeque::pop_front) {
            Some(first) => self.next.push_back(first),
            None => _ = self.lines.remove(&notice.hash),
        }
    }

    /// Entries that are not in the table any more and not retired yet.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = u32> + '_ {
        let lines = self.lines.values().flatten();
        self.queue.iter().chain(&self.next).chain(lines).map(|notice| notice.index)
    }

    /// Notices being told at this moment.
    pub(crate) fn telling(&self) -> usize {
        self.lines.len() - self.next.len()
    }
}

sync::thread_local_cell! {
    /// Of the cache whose listener the thread runs, the innermost one, the address of its [`Owed`], or 0; and whether that listener's own
    /// writes have something to tell.
    static RUNS: Cell<(usize, bool)> = Cell::new((0, false));
}

/// What a thread ran before, and what was left to it by then of the same cache.
pub(crate) type Before = ((usize, bool), BTreeSet<usize>);

/// Of threads that run a listener, the shards with notices of what that has written: they tell when it comes back.
#[derive(Debug, Default)]
pub(crate) struct Owed(Mutex<HashMap<ThreadNumber, BTreeSet<usize>>>);

impl Owed {
    fn here(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Leaves the shard to the call that runs the listener, if this is a call of the listener's.
    pub(crate) fn defers(&self, shard: usize) -> bool {
        let defers = RUNS.with(Cell::get).0 == self.here();
        if defers {
            RUNS.with(|runs| runs.set((self.here(), true)));
            self.0.lock().entry(sync::this_thread()).or_default().insert(shard);
        }
        defers
    }

    /// The thread begins to run the listener, and must [`end`](Self::end).
    pub(crate) fn begin(&self) -> Before {
        let runs = RUNS.with(|runs| runs.replace((self.here(), false)));
        // Further up the stack the same listener may be running: what is left to that one is not this one's to lose.
        let others = if runs.0 == 0 { None } else { self.0.lock().remove(&sync::this_thread()) };
        (runs, others.unwrap_or_default())
    }

    /// The shards that were left to it.
    pub(crate) fn end(&self, (runs, others): Before) -> BTreeSet<usize> {
        let (_, owes) = RUNS.with(|now| now.replace(runs));
        if !owes && others.is_empty() {
            return others;
        }
        let mut owed = self.0.lock();
        let own = owed.remove(&sync::this_thread());
        if !others.is_empty() {
            owed.insert(sync::this_thread(), others);
        }
        own.unwrap_or_default()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One step of the random test.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push(u32),
        Begin,
        Finish(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![3 => (0..4u32).prop_map(Step::Push), 3 => Just(Step::Begin), 2 => (0..9usize).prop_map(Step::Finish)]
    }

    proptest! {
        /// The model is one list: a notice may be told if no older one of its hash is in it, told or not.
        #[test]
        fn g26_what_may_be_told_is_told_once_and_in_the_order_of_its_key(
            steps in proptest::collection::vec(step(), 0..300)
        ) {
            let mut notices = Notices::default();
            let (mut untold, mut telling): (Vec<Notice>, Vec<Notice>) = (Vec::new(), Vec::new());
            for (index, step) in (0u32..).zip(steps) {
                match step {
                    Step::Push(hash) => {
                        let notice = Notice { index, hash, cause: Cause::Removed };
                        notices.push(notice);
                        untold.push(notice);
                    }
                    Step::Begin => {
                        let free = |at: &Notice| !telling.iter().any(|one| one.hash == at.hash);
                        let begun = notices.begin();
                        prop_assert_eq!(begun.is_some(), untold.iter().any(free));
                        if let Some(begun) = begun {
                            let first = untold.iter().position(|one| one.hash == begun.hash);
                            prop_assert!(free(&begun));
                            prop_assert_eq!(first.map(|at| untold.remove(at)), Some(begun));
                            telling.push(begun);
                        }
                    }
                    Step::Finish(pick) if !telling.is_empty() => {
                        notices.finish(telling.swap_remove(pick % telling.len()));
                    }
                    Step::Finish(_) => {}
                }
                let mut waiting: Vec<u32> = notices.waiting().collect();
                waiting.sort_unstable();
                prop_assert!(untold.iter().map(|one| one.index).eq(waiting));
                prop_assert_eq!(notices.telling(), telling.len());
            }
        }
    }

    #[test]
    fn g15_g26_a_slow_listener_makes_no_call_walk_the_line_behind_it() {
        let mut notices = Notices::default();
        let notice = |index, hash| Notice { index, hash, cause: Cause::Removed };
        notices.push(notice(0, 7));
        let slow = notices.begin().expect("queued");
        let start = std::time::Instant::now();
        for index in 1..200_000 {
            notices.push(notice(index, 7));
            assert!(notices.begin().is_none());
            assert!(notices.queue.is_empty(), "it is not looked at again");
        }
        notices.finish(slow);
        for index in 1..200_000 {
            let next = notices.begin().expect("one after the other");
            assert!(next.index == index && notices.begin().is_none());
            notices.finish(next);
        }
        assert!(start.elapsed().as_secs() < 20, "2 * 10^10 steps if it were walked each time");
        assert_eq!((notices.lines.len(), notices.waiting().count()), (0, 0), "nothing is left behind");
    }

    #[test]
    fn g26_one_key_is_told_in_order_and_never_twice_at_once() {
        let mut notices = Notices::default();
        let notice = |index, hash| Notice { index, hash, cause: Cause::Removed };
        for n in [notice(0, 7), notice(1, 7), notice(2, 8)] {
            notices.push(n);
        }
        let first = notices.begin().expect("queued");
        assert_eq!(first.index, 0);
        let other = notices.begin().expect("another key");
        assert_eq!(other.index, 2, "the second of key 7 waits for the first");
        assert!(notices.begin().is_none());
        notices.finish(first);
        assert_eq!(notices.begin().map(|n| n.index), Some(1));
        assert_eq!(notices.waiting().count(), 0);
    }
}

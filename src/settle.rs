//! Settling: what a call owes after its lock is gone. User code runs here, with no lock held.
//!
//! Two debts, in this order for each shard the call wrote to:
//!
//! 1. **free** the garbage that the limits do not let wait: seal it, take a horizon if none that was taken already does, drop the
//!    keys and values that no reader can see, give their rows back;
//! 2. **tell** the listener what left, then let those entries become garbage too.
//!
//! A panic in a drop or in the listener passes through to the caller. The entry it came from is done with;
//! what is left goes back to its shard: what was not told yet is told by the next call, and what was not dropped
//! yet is dropped by the next write (G25). Nothing of the user's is dropped while a panic unwinds, so no number of
//! entries whose drops panic can make two panics at once, which would end the process. (The key and the value of
//! one entry can, as the two halves of any pair.)

use crate::listener::{Before, Notice};
use crate::reclaim::{self, Horizon, Tag};
use crate::shard::{Batch, Due, HeldUp, Locked, Ready};
use crate::store::{Company, Store};
use crate::sync;
use crate::sync::atomic::Ordering;
use std::mem::ManuallyDrop;

/// How often a call that finds far too much held up lets readers run before it goes on: by a yield, and then, if memory
/// is above its budget for it, by a nap; ten to twenty milliseconds in all.
const YIELDS: usize = 32;
const NAPS: usize = 100;

/// Rows that are given back while the lock is held once.
const RETURNED: usize = 256;

/// No shard.
const NONE: usize = usize::MAX;

/// The debts of one call.
pub(crate) struct Rest<'s, K, V> {
    store: &'s Store<K, V>,
    company: Company,
    /// Leave nothing waiting.
    all: bool,
    /// The call has settled once before it was done.
    paused: bool,
    /// There is a debt of either kind below.
    owes: bool,
    /// A shard with something to free, of a caller who is alone; or [`NONE`].
    lone: usize,
    /// Almost always none, so it is not even a list then. What is left of it is given back by `drop`.
    due: ManuallyDrop<Option<Box<Debts>>>,
}

/// The shards that something is owed to, and their garbage.
#[derive(Default)]
struct Debts(Vec<(usize, Option<Batch>)>);

impl<'s, K, V> Rest<'s, K, V> {
    pub(crate) fn new(store: &'s Store<K, V>, company: Company) -> Self {
        Rest {
            store,
            company,
            all: company == Company::Alone,
            paused: false,
            owes: false,
            lone: NONE,
            due: ManuallyDrop::new(None),
        }
    }

    /// Of a call that leaves nothing waiting unless a reader looks at it.
    pub(crate) fn thorough(store: &'s Store<K, V>, company: Company) -> Self {
        Rest {
            store,
            company,
            all: true,
            paused: false,
            owes: false,
            lone: NONE,
            due: ManuallyDrop::new(None),
        }
    }

    /// Ends a critical section and remembers what it owes.
    #[inline(always)]
    pub(crate) fn leave(&mut self, shard: usize, locked: Locked<'_, K, V>) {
        let due = if self.all { Due::Everything } else { Due::ByLimits };
        if self.store.listener.is_some() || locked.is_due(due) {
            if self.company == Company::Alone {
                self.owe_alone(shard, locked);
            } else {
                self.owe(shard, locked.finish(due));
            }
        }
    }

    /// One shard is remembered without a list, if there is nobody to tell.
    #[inline(never)]
    fn owe_alone(&mut self, shard: usize, locked: Locked<'_, K, V>) {
        if self.store.listener.is_none() && (self.lone == NONE || self.lone == shard) {
            (self.lone, self.owes) = (shard, true);
        } else {
            self.owe(shard, locked.finish(Due::Everything));
        }
    }

    #[cold]
    fn owe(&mut self, shard: usize, batch: Option<Batch>) {
        self.owes = true;
        self.due.get_or_insert_default().0.push((shard, batch));
    }

    /// May the call break off to settle, and begin anew? Once: whoever begins anew lets others come first.
    pub(crate) fn may_pause(&mut self) -> bool {
        self.owes && !std::mem::replace(&mut self.paused, true)
    }

    /// Pays. No pin of the call itself may be left, or it would wait for itself.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if self.owes {
            self.pay();
        }
    }

    #[cold]
    fn give_back(&mut self) {
        for (shard, batch) in self.due.take().unwrap_or_default().0 {
            if let Some(batch) = batch {
                self.store.lock(shard).restore(batch);
            }
        }
    }

    fn pay(&mut self) {
        if self.lone != NONE {
            self.free_alone();
        }
        if self.due.is_some() {
            self.pay_listed();
        }
        self.owes = false;
    }

    fn pay_listed(&mut self) {
        while let Some((shard, batch)) = self.due.as_mut().and_then(|due| due.0.pop()) {
            if let Some(batch) = batch {
                self.free(shard, batch);
            }
            if let Some(batch) = self.tell(shard) {
                self.owe(shard, Some(batch));
            }
        }
        *self.due = None;
    }

    /// Frees what nobody can be looking at, because there is nobody: taken out under the lock, one after the other, and dropped under
    /// none. A call from within another one of this thread, which may be looking, goes the long way, and so does
    /// garbage that such a call has left.
    #[inline]
    fn free_alone(&mut self) {
        let shard = std::mem::replace(&mut self.lone, NONE);
        if !reclaim::is_inside() {
            loop {
                let mut locked = self.store.lock(shard);
                // SAFETY: H2: the caller of an `Exclusive` vouches that no other thread is there, and this one holds no pin.
                #[allow(unsafe_code)]
                let Some(gone) = (unsafe { locked.take_fresh() }) else { break };
                let more = locked.is_due(Due::Everything);
                drop(locked);
                drop(gone);
                if !more {
                    return;
                }
            }
        }
        let locked = self.store.lock(shard);
        if locked.is_due(Due::Everything) {
            self.owe(shard, locked.finish(Due::Everything));
        }
    }

    #[cold]
    fn free(&self, shard: usize, batch: Batch) {
        // A call from within another one of this thread: that one may be looking.
        let alone = self.company == Company::Alone && !reclaim::is_inside();
        let mut urgent = self.all || batch.is_urgent();
        let tag = if alone { Tag::PAST } else { reclaim::seal() };
        let mut batch = Some(batch);
        let mut waited = 0;
        loop {
            let horizon = match (alone, urgent) {
                (true, _) => Horizon::clear(),
                (false, true) => reclaim::horizon(),
                (false, false) => reclaim::latest(),
            };
            let (needs_horizon, held_up) =
                self.free_passed(shard, tag, batch.take().unwrap_or_default(), &horizon);
            let again = !alone && !urgent && needs_horizon;
            if again {
                urgent = true;
                continue;
            }
            let patience = match held_up {
                _ if !urgent || sync::MODEL || reclaim::is_inside() => 0,
                HeldUp::Little => 0,
                HeldUp::Entries => YIELDS,
                HeldUp::Weight => YIELDS + NAPS,
            };
            if !self.wait_for_readers(&horizon, patience, &mut waited) {
                break;
            }
        }
    }

    /// Frees what the horizon allows, this batch included. Is more sealed than may wait for a horizon of others, and how much is held up?
    fn free_passed(&self, shard: usize, tag: Tag, batch: Batch, horizon: &Horizon) -> (bool, HeldUp) {
        let mut locked = self.store.lock(shard);
        let passed = locked.sort(tag, batch, horizon);
        let state = (locked.needs_horizon(), locked.held_up());
        drop(locked);
        let Ready { entries: left, tables } = passed.open();
        drop(tables);
        if !std::mem::needs_drop::<(K, V)>() {
            recycle(self.store, shard, horizon, &left);
        } else if !left.is_empty() {
            let (kept, freed) = (Vec::new(), Vec::new());
            Scrap { store: self.store, shard, horizon, left, kept, freed }.drop_entries();
        }
        state
    }

    /// Lets readers run until the one that is in the way has moved: only then is another horizon, with its barrier, worth
    /// its price. False if it did not.
    ///
    /// Readers that lost their processor come back within milliseconds. One that sleeps inside a pin, or waits for
    /// this very thread, is napped for once: no call waits for it again.
    fn wait_for_readers(&self, horizon: &Horizon, patience: usize, waited: &mut usize) -> bool {
        if *waited >= patience || self.store.stubborn.load(Ordering::Relaxed) == horizon.limit() {
            return false;
        }
        while *waited < patience {
            if *waited < YIELDS {
                sync::yield_now()
            } else {
                sync::nap()
            }
            *waited += 1;
            if horizon.seems_old() {
                return true;
            }
        }
        if patience > YIELDS {
            self.store.stubborn.store(horizon.limit(), Ordering::Relaxed);
        }
        false
    }

    /// Tells what may be told, unless this thread is doing so further up the stack; garbage that is due then.
    fn tell(&mut self, shard: usize) -> Option<Batch> {
        let store = self.store;
        let listener = store.listener.as_ref()?;
        // What is blocked was looked at once; looking again and again would wait for the reader.
        let due = if self.all { Due::Fresh } else { Due::ByLimits };
        let defers = store.owed.defers(shard);
        let mut locked = store.lock(shard);
        if defers || !locked.begin_telling() {
            return locked.finish_again(due);
        }
        let mut teller = Teller { store, shard, before: store.owed.begin() };
        while let Some(notice) = locked.begin_notice() {
            drop(locked);
            let telling = Telling { store, shard, notice };
            // SAFETY: H1: an entry in the notices is retired after it was told.
            #[allow(unsafe_code)]
            let entry = unsafe { store.shards[shard].entry(notice.index) };
            entry.track.read();
            listener(&entry.key, &entry.value, notice.cause);
            drop(telling);
            locked = store.lock(shard);
        }
        locked.end_telling();
        let batch = locked.finish_again(due);
        let owed = store.owed.end(std::mem::take(&mut teller.before));
        std::mem::forget(teller);
        owed.into_iter().for_each(|shard| self.owe(shard, None));
        batch
    }
}

impl<K, V> Drop for Rest<'_, K, V> {
    /// After a panic: batches that were not begun go back.
    #[inline]
    fn drop(&mut self) {
        if self.due.is_some() {
            self.give_back();
        }
    }
}

/// Gives rows back whose keys and values need no drop: under the lock, as there is no code of the user's to run.
#[allow(unsafe_code)]
fn recycle<K, V>(store: &Store<K, V>, shard: usize, horizon: &Horizon, entries: &[(Tag, u32)]) {
    for step in entries.chunks(RETURNED) {
        let mut locked = store.lock(shard);
        for &(tag, index) in step {
            if horizon.allows(tag, locked.address(index)) {
                // SAFETY: H2: the horizon allows it; what the row holds needs no drop.
                unsafe { locked.recycle(index) };
            } else {
                locked.hold((tag, index));
            }
        }
    }
}

/// A thread that is telling, for the case that the listener panics.
struct Teller<'s, K, V> {
    store: &'s Store<K, V>,
    shard: usize,
    before: Before,
}

impl<K, V> Drop for Teller<'_, K, V> {
    fn drop(&mut self) {
        self.store.lock(self.shard).end_telling();
        // What was left to this call is told by the next one of its shard.
        drop(self.store.owed.end(std::mem::take(&mut self.before)));
    }
}

/// A notice while the listener is running.
struct Telling<'s, K, V> {
    store: &'s Store<K, V>,
    shard: usize,
    notice: Notice,
}

impl<K, V> Drop for Telling<'_, K, V> {
    fn drop(&mut self) {
        self.store.lock(self.shard).finish_notice(self.notice);
    }
}

/// Entries on their way out. Dropping it gives the rows back of those that were dropped, the one whose drop
/// panicked among them, and the others to the garbage.
struct Scrap<'s, K, V> {
    store: &'s Store<K, V>,
    shard: usize,
    horizon: &'s Horizon,
    left: Vec<(Tag, u32)>,
    kept: Vec<(Tag, u32)>,
    freed: Vec<u32>,
}

impl<K, V> Scrap<'_, K, V> {
    #[allow(unsafe_code)]
    fn drop_entries(&mut self) {
        let shard = &self.store.shards[self.shard];
        while let Some((tag, index)) = self.left.pop() {
            if self.horizon.allows(tag, shard.address(index)) {
                self.freed.push(index);
                // SAFETY: H2: the horizon allows it; the index was taken out of the garbage.
                drop(unsafe { shard.take(index) });
            } else {
                self.kept.push((tag, index));
            }
        }
    }
}

impl<K, V> Drop for Scrap<'_, K, V> {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        let mut locked = self.store.lock(self.shard);
        locked.put_off(self.left.drain(..));
        for entry in self.kept.drain(..) {
            locked.hold(entry);
        }
        for (count, &index) in self.freed.iter().enumerate() {
            if count % RETURNED == RETURNED - 1 {
                drop(locked);
                locked = self.store.lock(self.shard);
            }
            // SAFETY: taken out above, once.
            unsafe { locked.free(index) };
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::{Company, NAPS, Rest};
    use crate::sync::NAPPED;
    use crate::sync::atomic::{AtomicUsize, Ordering};
    use crate::{Cache, reclaim};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    /// Does `work` while another thread sleeps inside a pin.
    fn under_a_sleeping_reader(cache: &Cache<u64, u64>, work: impl FnOnce()) {
        let (asleep, sleeps) = channel();
        let (wake, woken) = channel::<()>();
        std::thread::scope(|scope| {
            let other = cache.clone();
            scope.spawn(move || {
                let pinned = other.pin();
                asleep.send(()).expect("the test is there");
                woken.recv().expect_err("nothing is sent");
                drop(pinned);
            });
            sleeps.recv().expect("the reader is there");
            work();
            drop(wake);
        });
        cache.validate();
    }

    #[test]
    fn g15_g27_a_batch_under_a_sleeping_reader_costs_one_barrier() {
        let cache: Cache<u64, u64> =
            Cache::builder().capacity(100).shards(1).build().expect("a good description");
        let (before, napped) = (reclaim::horizons_taken(), NAPPED.get());
        under_a_sleeping_reader(&cache, || {
            // 156 batches, all but the first few of which find far too much held up.
            (0..20_000).for_each(|key| assert!(cache.insert(key, key).is_stored()));
            assert!(cache.stats().retired > 19_000, "the reader holds everything up");
            let taken = reclaim::horizons_taken() - before;
            assert!((1..2 * 156).contains(&taken), "{taken} barriers");
        });
        assert_eq!(NAPPED.get(), napped, "entries are counted: no memory above a budget, nothing to nap for");
    }

    #[test]
    fn g27_most_batches_are_freed_by_a_barrier_that_another_shard_needed() {
        let cache: Cache<u64, u64> =
            Cache::builder().capacity(8000).shards(8).build().expect("a good description");
        // 195 batches. If every shard had only barriers of its own, it would take one to two of them; as it is, it is two to five or
        // fewer. Readers of other tests may be in the way: then again.
        let shares = |round: u64| {
            let before = reclaim::horizons_taken();
            let few = (round * 25_000..(round + 1) * 25_000).all(|key| {
                assert!(cache.insert(key, key).is_stored());
                key % 100 > 0 || cache.stats().retired <= 8 * 256
            });
            few && reclaim::horizons_taken() - before <= 195 * 2 / 5
        };
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
        for round in 0.. {
            if shares(round) {
                break;
            }
            assert!(std::time::Instant::now() < patience, "each batch has its own barrier");
            crate::sync::yield_now();
        }
        cache.validate();
    }

    #[test]
    fn g02_g15_writers_nap_for_a_reader_that_holds_up_weight_but_once_for_one_that_sleeps() {
        let builder = Cache::builder().capacity_weight(6400).weigher(|_: &u64, _: &u64| 100);
        let cache = builder.shards(1).build().expect("a good description");
        let before = NAPPED.get();
        under_a_sleeping_reader(&cache, || {
            (0..500).for_each(|key| assert!(cache.insert(key, key).is_stored()))
        });
        let napped = NAPPED.get() - before;
        // Readers of other tests may be waited for too, while they are in the way.
        assert!(
            (1..10 * NAPS).contains(&napped),
            "{napped} naps in some 400 writes that found too much held up"
        );
    }

    /// Its first drop panics.
    struct Bomb(Arc<AtomicUsize>);

    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(self.0.fetch_add(1, Ordering::Relaxed) > 0, "the first drop of a test");
        }
    }

    #[test]
    fn g25_g27_a_batch_that_was_not_begun_when_a_drop_panicked_goes_back_to_its_shard() {
        const MANY: usize = 40;
        let cache: Cache<u64, Bomb> =
            Cache::builder().capacity(100).shards(2).build().expect("a good description");
        let dropped = Arc::new(AtomicUsize::new(0));
        (0..MANY as u64).for_each(|key| assert!(cache.insert(key, Bomb(dropped.clone())).is_stored()));
        let store = &cache.inner.store;
        assert!(store.shards.iter().all(|shard| shard.len() > 0));
        let settled = catch_unwind(AssertUnwindSafe(|| {
            // Nobody else knows this cache, so the readers of other tests are of no account.
            let mut rest = Rest::thorough(store, Company::Alone);
            for shard in 0..2 {
                let mut locked = store.lock(shard);
                assert_eq!(locked.clear(0, &mut store.budget.room()), None);
                rest.leave(shard, locked);
            }
            rest.settle();
        }));
        assert!(settled.is_err());
        cache.validate();
        assert_eq!(cache.stats().retired as usize, MANY - 1);
        store.maintain(0, Company::Alone);
        assert_eq!((cache.stats().retired, dropped.load(Ordering::Relaxed)), (0, MANY));
    }
}

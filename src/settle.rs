//! Settling: what a call owes after its lock is gone. User code runs here, with no lock held.
//!
//! Two debts, in this order for each shard the call wrote to:
//!
//! 1. **free** the garbage that the limits do not let wait: seal it, take a horizon, drop the keys and
//!    values that no reader can see, give their rows back;
//! 2. **tell** the listener what left, then let those entries become garbage too.
//!
//! A panic in a drop or in the listener passes through to the caller. The entry it came from is done with;
//! what is left of the batch is dropped all the same, what was not told yet is told by the next call, and a
//! batch that was not begun goes back to its shard (G25).

use crate::listener::Notice;
use crate::reclaim::{self, Horizon, Tag};
use crate::shard::{Batch, Due, Locked};
use crate::store::{Company, Store};
use crate::sync;

/// How often a call that finds far too much held up lets readers run before it goes on.
const PATIENCE: usize = if sync::MODEL { 0 } else { 32 };

/// The debts of one call.
pub(crate) struct Rest<'s, K, V> {
    store: &'s Store<K, V>,
    company: Company,
    /// Leave nothing waiting.
    all: bool,
    /// Almost always none, or one.
    due: Vec<(usize, Option<Batch>)>,
}

impl<'s, K, V> Rest<'s, K, V> {
    pub(crate) fn new(store: &'s Store<K, V>, company: Company) -> Self {
        Rest { store, company, all: company == Company::Alone, due: Vec::new() }
    }

    /// Of a call that leaves nothing waiting unless a reader looks at it.
    pub(crate) fn thorough(store: &'s Store<K, V>, company: Company) -> Self {
        Rest { store, company, all: true, due: Vec::new() }
    }

    /// Ends a critical section and remembers what it owes.
    pub(crate) fn leave(&mut self, shard: usize, locked: Locked<'_, K, V>) {
        let batch = locked.finish(if self.all { Due::Everything } else { Due::ByLimits });
        if batch.is_some() || self.store.listener.is_some() {
            self.due.push((shard, batch));
        }
    }

    /// Pays. No pin of the call itself may be left, or it would wait for itself.
    #[inline]
    pub(crate) fn settle(&mut self) {
        while let Some((shard, batch)) = self.due.pop() {
            if let Some(batch) = batch {
                self.free(shard, batch);
            }
            if let Some(batch) = self.tell(shard) {
                self.due.push((shard, Some(batch)));
            }
        }
    }

    #[cold]
    fn free(&self, shard: usize, batch: Batch) {
        let mut batch = Some(batch);
        for attempt in 0..=PATIENCE {
            let (tag, horizon) = match self.company {
                // A call from within another one of this thread: that one may be looking.
                Company::Alone if !reclaim::is_inside() => (Tag::PAST, Horizon::clear()),
                _ => (reclaim::seal(), reclaim::horizon()),
            };
            let mut locked = self.store.lock(shard);
            let ready = locked.sort(tag, batch.take().unwrap_or_default(), &horizon);
            let too_much = locked.is_held_up();
            drop(locked);
            drop(ready.tables);
            let left = ready.entries;
            let mut scrap =
                Scrap { store: self.store, shard, horizon, left, kept: Vec::new(), freed: Vec::new() };
            scrap.drop_entries();
            drop(scrap);
            if !too_much || attempt == PATIENCE || reclaim::is_inside() {
                break;
            }
            sync::yield_now();
        }
    }

    /// Tells what may be told; garbage that this made due.
    fn tell(&self, shard: usize) -> Option<Batch> {
        let listener = self.store.listener.as_ref()?;
        loop {
            let mut locked = self.store.lock(shard);
            let Some(notice) = locked.begin_notice() else {
                // What is blocked was looked at once; looking again and again would wait for the reader.
                return locked.finish(if self.all { Due::Fresh } else { Due::ByLimits });
            };
            drop(locked);
            let _telling = Telling { store: self.store, shard, notice };
            // SAFETY: H1: an entry in the notices is retired after it was told.
            #[allow(unsafe_code)]
            let entry = unsafe { self.store.shards[shard].entry(notice.index) };
            entry.track.read();
            listener(&entry.key, &entry.value, notice.cause);
        }
    }
}

impl<K, V> Drop for Rest<'_, K, V> {
    /// After a panic: batches that were not begun go back.
    fn drop(&mut self) {
        for (shard, batch) in self.due.drain(..) {
            if let Some(batch) = batch {
                self.store.lock(shard).restore(batch);
            }
        }
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

/// Entries on their way out. Dropping it drops all that the horizon allows, and gives the rows back, even
/// if a drop of the user's panics on the way.
struct Scrap<'s, K, V> {
    store: &'s Store<K, V>,
    shard: usize,
    horizon: Horizon,
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
        self.drop_entries();
        let mut locked = self.store.lock(self.shard);
        for entry in self.kept.drain(..) {
            locked.hold(entry);
        }
        for index in self.freed.drain(..) {
            // SAFETY: taken out above, once.
            unsafe { locked.free(index) };
        }
    }
}

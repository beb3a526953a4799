//! A shard: the one place that knows table, slab, policy, wheel and garbage together.
//!
//! # What it owns
//!
//! Readers see [`Shard`]: the table's root and the slab's rows, all of it atomics and rows that stay put.
//! Writers lock `write::Write`, which has everything else. This file has the read path and the types; `write`
//! has what happens under the lock.
//!
//! # Life of an entry
//!
//! ```text
//! allocate + write bytes      (lock held, row unreachable)
//!   -> publish in the table   (release store of the slot; from here readers find it)
//!   -> unlink from the table  (release store; policy and wheel forget it, its weight is given back)
//!   -> tell the listener      (no lock; only if there is one)
//!   -> retire                 (lock; into the garbage)
//!   -> drop key and value     (no lock; when no reader can see it)
//!   -> free the row           (lock)
//! ```
//!
//! # Invariants (each `unsafe` block names one)
//!
//! * **H1** An index in a slot of the table, in the policy, in the wheel, in the notices or in the garbage
//!   names a row whose entry was written and has not been dropped.
//! * **H2** An entry is dropped only after it was retired and a horizon allowed it, or by a caller who
//!   vouches that nobody reads, or when the shard is dropped. So an entry found inside a pin stays until
//!   the pin ends ([`Inside`] is the proof), and one whose address is in a hazard word stays until that ends.
//! * **H3** Keys and values are never changed, compared, cloned or dropped while the lock is held (G24).
//!   They are moved into their row under it, which runs no user code.

mod entry;
mod eras;
mod garbage;
mod slab;
mod stamps;
mod table;
mod weights;
mod write;

pub(crate) use entry::{Entry, Times};
pub(crate) use garbage::{Batch, Due, HeldUp, Limits, Ready};
pub(crate) use stamps::Stamp;
pub(crate) use table::Located;
pub(crate) use write::{Draft, Locked, Offer, STEP};

use crate::arena::Arena;
use crate::expiry::NODE_BYTES;
use crate::policy::{Link, Policy, Residents};
use crate::reclaim::Pin;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, Padded};
use crate::tags::{Group, Membership};
use entry::Settled;
use slab::{Chunks, Column};
use std::marker::PhantomData;
use std::ptr::NonNull;
use table::Root;
use weights::Weights;

/// The proof that entries found now live as long as `'a`: a pin is held, or nobody else is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inside<'a>(PhantomData<&'a Pin>);

impl<'a> Inside<'a> {
    #[inline(always)]
    pub(crate) fn pinned(_pin: &'a Pin) -> Self {
        Inside(PhantomData)
    }

    /// # Safety
    ///
    /// For `'a`, no other thread uses the cache, and the caller frees nothing that it still looks at.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn exclusive() -> Self {
        Inside(PhantomData)
    }
}

/// An entry that was found.
#[derive(Debug)]
pub(crate) struct Found<'a, K, V> {
    pub(crate) index: u32,
    pub(crate) entry: &'a Entry<K, V>,
}

impl<K, V> Clone for Found<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K, V> Copy for Found<'_, K, V> {}

/// What a writer's search saw: to be confirmed under the lock.
#[derive(Debug, Default)]
pub(crate) struct Sighting {
    /// The entry with the key.
    pub(crate) index: Option<u32>,
    /// Entries of the same hash with other keys.
    pub(crate) rejected: Vec<u32>,
}

/// How to build a shard.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Entries to be expected; 0 if unknown.
    pub(crate) expected: usize,
    /// So many entries of a shard, or fewer, are near the processor anyway.
    pub(crate) near: usize,
    pub(crate) policy: Policy,
    pub(crate) seed: u64,
    /// Weights differ, so they must be kept.
    pub(crate) weighted: bool,
    /// The time of writing is kept of every entry.
    pub(crate) dated: bool,
    /// Reads are told to a rule.
    pub(crate) asks: bool,
    pub(crate) limits: Limits,
    /// Where all shards of a cache have their rows.
    pub(crate) arena: Arc<Arena>,
}

/// One shard of a cache.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Shard<K, V> {
    root: Root,
    /// Beside the root, because every hit compares its entry with it.
    settled: Settled,
    entries: Chunks<Entry<K, V>>,
    times: Column<Times>,
    /// Of tagged entries. Written before the entry is published, taken with its key and value.
    groups: Column<Group>,
    /// Only of a cache whose entries differ in weight.
    weights: Option<Box<Weights>>,
    /// Every entry has a row of times.
    dated: bool,
    writers: Padded<Writers>,
}

/// What writers write: beside each other, because the lines of memory go from one writer's processor to the next one's.
#[derive(Debug)]
#[repr(C)]
struct Writers {
    load: Load,
    write: Mutex<write::Write>,
}

/// Mirrors of the writer's figures, stored under the lock, read by anyone, relaxed.
#[derive(Debug, Default)]
struct Load {
    entries: AtomicUsize,
    weight: AtomicU64,
}

// SAFETY: rows are owned and reached by the rules of H1 and H2; entries are shared between threads and
// dropped by any of them.
#[allow(unsafe_code)]
unsafe impl<K: Send + Sync, V: Send + Sync> Send for Shard<K, V> {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl<K: Send + Sync, V: Send + Sync> Sync for Shard<K, V> {}

impl<K, V> Shard<K, V> {
    pub(crate) fn new(plan: &Plan) -> Self {
        let write = write::Write::new(plan);
        Shard {
            root: write.tables.root(),
            settled: Settled::new(plan.asks),
            entries: Chunks::new(&plan.arena),
            times: Column::new(&plan.arena),
            groups: Column::new(&plan.arena),
            weights: plan.weighted.then(|| Box::new(Weights::new(&plan.arena))),
            dated: plan.dated,
            writers: Padded(Writers { load: Load::default(), write: Mutex::new(write) }),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.writers.load.entries.load(Ordering::Relaxed)
    }

    pub(crate) fn weight(&self) -> u64 {
        self.writers.load.weight.load(Ordering::Relaxed)
    }

    /// The entry in a row. Its lifetime is the caller's to choose within H2.
    ///
    /// # Safety
    ///
    /// H1: the index was read from one of the places named there, and `'a` ends before the entry is dropped.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn entry<'a>(&self, index: u32) -> &'a Entry<K, V> {
        // SAFETY: the caller.
        unsafe { self.entries.row(index).as_ref() }
    }

    /// The entry's times, if it is timed.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) fn times(&self, found: Found<'_, K, V>) -> Option<&Times> {
        // SAFETY: a timed entry has a row of times, initialised before the entry said so with release.
        found.entry.is_timed().then(|| unsafe { self.times.row(found.index).as_ref() })
    }

    /// The entry's group, if it has one.
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) fn group<'a>(&'a self, found: Found<'a, K, V>) -> Option<&'a Arc<Membership>> {
        // SAFETY: the row of a tagged entry is filled before the entry is published, and taken when nobody looks at it (H2).
        found.entry.is_tagged().then(|| unsafe { self.groups.row(found.index).as_ref() })?.as_ref()
    }

    /// Is there nothing for a hit on the entry to do?
    #[inline(always)]
    pub(crate) fn is_settled(&self, found: Found<'_, K, V>) -> bool {
        found.entry.is_settled(&self.settled)
    }

    /// Must a read of the entry restart an idle time, or ask the rule?
    #[inline(always)]
    pub(crate) fn minds_reads(&self, found: Found<'_, K, V>) -> bool {
        found.entry.has_idle_time() || self.settled.asks()
    }

    /// Was neither everything nor a tag of the entry invalidated since it was written?
    #[inline(always)]
    pub(crate) fn is_current(&self, found: Found<'_, K, V>) -> bool {
        found.entry.is_plainly_current(&self.settled) || self.is_current_by_group(found)
    }

    #[inline(never)]
    fn is_current_by_group(&self, found: Found<'_, K, V>) -> bool {
        found.entry.is_of(self.settled.era()) && self.group(found).is_some_and(|group| group.is_current())
    }

    /// Is the entry current, and live at the time that `now` tells? It is asked only if the entry has a deadline.
    #[inline(always)]
    pub(crate) fn is_live(&self, found: Found<'_, K, V>, now: impl FnOnce() -> u64) -> bool {
        self.is_current(found) && (!found.entry.is_timed() || self.is_unexpired(found, now()))
    }

    pub(crate) fn is_unexpired(&self, found: Found<'_, K, V>, now: u64) -> bool {
        self.times(found).is_none_or(|times| !found.entry.is_expired(now, times))
    }

    /// When the value was written, if that is known.
    #[allow(unsafe_code)]
    pub(crate) fn created(&self, found: Found<'_, K, V>) -> Option<u64> {
        // SAFETY: in a dated shard every row of times is filled before its entry is published.
        let dated = || self.dated.then(|| unsafe { self.times.row(found.index).as_ref() });
        self.times(found).or_else(dated).map(Times::created)
    }

    /// What the entry weighs.
    #[allow(unsafe_code)]
    pub(crate) fn weight_of(&self, index: u32) -> u64 {
        // SAFETY: H1: an entry's weight is set when it is written.
        self.weights.as_ref().map_or(1, |weights| unsafe { weights.get(index) })
    }

    /// The entry under `hash` whose key `matches`. Runs user code (equality), so no lock may be held.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) fn find<'a>(
        &'a self,
        _: Inside<'a>,
        hash: u32,
        mut matches: impl FnMut(&K) -> bool,
    ) -> Option<Found<'a, K, V>> {
        // SAFETY: `Inside` keeps tables and entries (T2, H1, H2).
        unsafe {
            self.root.find(hash, move |index| {
                let entry = self.entry(index);
                entry.track.read();
                (entry.hash == hash && matches(&entry.key)).then_some(Found { index, entry })
            })
        }
    }

    /// As [`find`](Self::find), with what a writer needs to confirm it under the lock.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) fn sight<'a>(
        &'a self,
        _: Inside<'a>,
        hash: u32,
        mut matches: impl FnMut(&K) -> bool,
    ) -> (Sighting, Option<Found<'a, K, V>>) {
        let mut rejected = Vec::new();
        // SAFETY: as in `find`.
        let found = unsafe {
            self.root.find(hash, |index| {
                let entry = self.entry(index);
                entry.track.read();
                if entry.hash != hash {
                    return None;
                }
                let same = matches(&entry.key);
                if !same {
                    rejected.push(index);
                }
                same.then_some(Found { index, entry })
            })
        };
        (Sighting { index: found.map(|found| found.index), rejected }, found)
    }

    /// The entries with the least hash that is at least `from`, each once.
    #[allow(unsafe_code)]
    pub(crate) fn next_hash<'a>(
        &'a self,
        _: Inside<'a>,
        from: u32,
        found: &mut Vec<Found<'a, K, V>>,
    ) -> Option<u32> {
        let mut indices = Vec::new();
        // SAFETY: `Inside` (T2, H1).
        let hash = unsafe { self.root.next_hash(from, |index| self.entry(index).hash, &mut indices) }?;
        indices.sort_unstable();
        indices.dedup();
        // SAFETY: `Inside` (H1, H2).
        found.extend(indices.into_iter().map(|index| Found { index, entry: unsafe { self.entry(index) } }));
        Some(hash)
    }

    /// The address that stands for an entry in a hazard word.
    #[allow(unsafe_code)]
    pub(crate) fn address(&self, index: u32) -> usize {
        // SAFETY: H1; only the address is used.
        unsafe { self.entries.row(index) }.as_ptr().addr()
    }

    /// Moves key and value out of a row, which may then be given back, and drops its group.
    ///
    /// # Safety
    ///
    /// H2 allows it, and it is done once.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn take(&self, index: u32) -> Entry<K, V> {
        // SAFETY: the caller.
        unsafe {
            let row: NonNull<Entry<K, V>> = self.entries.row(index);
            row.as_ref().track.write();
            if row.as_ref().is_tagged() {
                *self.groups.row(index).as_mut() = None;
            }
            row.read()
        }
    }
}

/// What the policy sees of a shard's rows.
pub(crate) struct Rows<'s, K, V>(&'s Shard<K, V>);

#[allow(unsafe_code)]
impl<K, V> Residents for Rows<'_, K, V> {
    #[inline]
    fn hash(&self, index: u32) -> u32 {
        // SAFETY: H1: the policy knows entries in the table only.
        unsafe { self.0.entry(index) }.hash
    }
    #[inline]
    fn weight(&self, index: u32) -> u64 {
        self.0.weight_of(index)
    }
    #[inline]
    fn uses(&self, index: u32) -> u8 {
        // SAFETY: as above.
        unsafe { self.0.entry(index) }.uses()
    }
    #[inline]
    fn take_use(&self, index: u32) {
        // SAFETY: as above.
        unsafe { self.0.entry(index) }.take_use();
    }
    #[inline]
    fn note(&self, index: u32) -> u8 {
        // SAFETY: as above.
        unsafe { self.0.entry(index) }.note()
    }
    #[inline]
    fn set_note(&self, index: u32, note: u8) {
        // SAFETY: as above.
        unsafe { self.0.entry(index) }.set_note(note);
    }
    #[inline]
    fn link(&self, index: u32) -> &Link {
        // SAFETY: as above; rows are never moved.
        &unsafe { self.0.entry(index) }.link
    }
}

impl<K, V> Drop for Shard<K, V> {
    /// Drops every entry that is left. Nobody else is there.
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        let left = self.writers.0.write.get_mut().each();
        let mut rest = Rest { shard: self, left };
        rest.run();
    }
}

/// Drops entries one by one; if one panics, the others are dropped all the same, and if one of those panics too,
/// the process ends: as with a `Vec`. There is no later call that could drop the rest.
struct Rest<'s, K, V> {
    shard: &'s Shard<K, V>,
    left: Vec<u32>,
}

impl<K, V> Rest<'_, K, V> {
    #[allow(unsafe_code)]
    fn run(&mut self) {
        while let Some(index) = self.left.pop() {
            // SAFETY: H2: the shard is being dropped; each index is there once.
            drop(unsafe { self.shard.take(index) });
        }
    }
}

impl<K, V> Drop for Rest<'_, K, V> {
    fn drop(&mut self) {
        self.run();
    }
}

/// What the library needs for an entry with this key and value, its part of table, links, weights and sketch
/// included: what a budget of bytes counts beside the heap of key and value. `timed`: with its times and its node in the wheel.
#[inline]
pub(crate) fn entry_bytes<K, V>(timed: bool) -> u64 {
    const TABLE: usize = 9;
    const SKETCH: usize = 8;
    const WEIGHT: usize = 2;
    let times = if timed { size_of::<Times>() + NODE_BYTES } else { 0 };
    (size_of::<Entry<K, V>>() + TABLE + SKETCH + WEIGHT + times) as u64
}

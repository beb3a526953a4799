//! The table: from 32 bits of hash to slab indices, read without a lock.
//!
//! # Layout
//!
//! A table is an array of buckets, one cache line each: seven slots and a count.
//!
//! ```text
//! bucket: [ passed: u64 | slot 0 | slot 1 | ... | slot 6 ]
//! slot:   [ hash: 32 bits | index + 1: 32 bits ]       0 = empty
//! ```
//!
//! The home bucket of a hash is `hash * buckets / 2^32`, so a table may have any number of buckets and
//! the order of homes is the order of hashes in every table. An entry that finds its home full goes
//! to the next bucket with a free slot, and every bucket it went past counts it in `passed`. A search
//! therefore ends at the first bucket that nothing went past: there are no tombstones, so churn never
//! makes a table worse and nothing ever needs cleaning. (The count is the idea of the displacement
//! counts in RocksDB's fixed HyperClock table, kept per line instead of per slot.)
//!
//! # States of a slot, and who may change them (always under the shard's lock)
//!
//! * empty -> word: `insert`, after the entry's bytes and all `passed` counts on the way
//! * word -> word with the same hash: `Place::replace` (an overwrite, in place: never a false miss)
//! * word -> empty: `Place::clear`, then the `passed` counts on the way
//!
//! Every store is a release and every load of a reader an acquire.
//!
//! # Why a reader misses nothing
//!
//! Within a table an entry never moves. While it is there, every bucket between its home and its place
//! counts it, so a search does not stop before it. A search that passes its slot before the insert
//! overlaps it; if it was removed and inserted again elsewhere, the search overlaps the time of its
//! absence. Growth links a larger table behind (`next`), copies a few buckets with every write and
//! clears each slot *after* its copy is published. A reader that does not find a hash in a table looks
//! at `next` after it: if it read a slot or a count as the copy left it, it acquires the copy as well.
//!
//! # Invariants (each `unsafe` block names one)
//!
//! * **T1** The memory behind a `Table` is its header and `buckets` valid buckets, allocated in one
//!   piece and freed by its drop only.
//! * **T2** A table reachable from `root` is retired, not freed, while readers may hold it.
//! * **T3** One writer at a time (the shard's lock).

use super::slab::NONE;
use crate::sync::Track;
use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::alloc::Layout;
use std::ptr::{NonNull, null_mut};

/// Slots of a bucket.
pub(crate) const SLOTS: usize = if crate::sync::MODEL { 2 } else { 7 };
/// A table is at most this full, in 1/16: above 11/16 more than one hit in ten needs a second line.
const FULL: usize = 11;
/// Buckets copied by one write while a table grows.
pub(crate) const COPIED_PER_WRITE: usize = if crate::sync::MODEL { 1 } else { 8 };

/// One cache line.
#[repr(C, align(64))]
struct Bucket {
    /// How many entries went past this bucket, because it was full, to a later one.
    passed: AtomicU64,
    slots: [AtomicU64; SLOTS],
}

impl Bucket {
    /// A bit for each slot whose upper half is `hash`: no branch until all are known.
    #[inline(always)]
    fn candidates(&self, hash: u32) -> u32 {
        let same = |slot: &AtomicU64| u32::from((slot.load(Ordering::Acquire) >> 32) as u32 == hash);
        self.slots.iter().enumerate().fold(0, |bits, (at, slot)| bits | same(slot) << at)
    }
}

/// The line before the buckets.
#[repr(C, align(64))]
struct Header {
    buckets: usize,
    /// The larger table that this one is being copied to, or null. Written once.
    next: AtomicPtr<Header>,
    /// For the model checker; nothing in a real build.
    track: Track,
}

/// A table; a pointer to header and buckets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table(NonNull<Header>);

// SAFETY: the memory is owned (T1) and consists of atomics and a constant.
#[allow(unsafe_code)]
unsafe impl Send for Table {}

#[inline(always)]
fn pack(hash: u32, index: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(index + 1)
}

#[inline(always)]
fn unpack(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, (word as u32).wrapping_sub(1))
}

/// The table a reader or a writer looks at, without ownership.
#[derive(Clone, Copy)]
struct View<'a> {
    header: &'a Header,
}

impl<'a> View<'a> {
    #[inline(always)]
    fn home(self, hash: u32) -> usize {
        ((u64::from(hash) * self.header.buckets as u64) >> 32) as usize
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    fn bucket(self, at: usize) -> &'a Bucket {
        debug_assert!(at < self.header.buckets);
        // SAFETY: T1: the buckets follow the header, which is as large and as aligned as one.
        unsafe { &*std::ptr::from_ref(self.header).add(1).cast::<Bucket>().add(at) }
    }

    #[inline(always)]
    fn after(self, at: usize) -> usize {
        if at + 1 == self.header.buckets { 0 } else { at + 1 }
    }

    /// Calls `found(bucket, slot, index)` for each slot with this hash until it says true.
    #[inline(always)]
    fn search(self, hash: u32, mut found: impl FnMut(usize, usize, u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        self.header.track.read();
        for _ in 0..self.header.buckets {
            let bucket = self.bucket(at);
            let mut candidates = bucket.candidates(hash);
            while candidates != 0 {
                let slot = candidates.trailing_zeros() as usize;
                candidates &= candidates - 1;
                // The slot may have changed since, and an empty one looks like the hash 0.
                let (stored, index) = unpack(bucket.slots[slot].load(Ordering::Acquire));
                if stored == hash && index != NONE && found(at, slot, index) {
                    return Some(index);
                }
            }
            if bucket.passed.load(Ordering::Acquire) == 0 {
                break;
            }
            at = self.after(at);
        }
        None
    }

    /// Searches this table and the ones behind it.
    #[inline(never)]
    fn search_on(self, hash: u32, mut matches: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut view = self;
        loop {
            if let Some(index) = view.search(hash, |_, _, index| matches(index)) {
                return Some(index);
            }
            view = view.next()?;
        }
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    fn next(self) -> Option<View<'a>> {
        let next = self.header.next.load(Ordering::Acquire);
        // SAFETY: T2: the next table outlives this one, which the caller may look at.
        (!next.is_null()).then(|| View { header: unsafe { &*next } })
    }

    /// Where a word stands. Writers only.
    fn place_of(self, word: u64) -> Option<(usize, usize)> {
        let mut at = self.home(unpack(word).0);
        for _ in 0..self.header.buckets {
            let bucket = self.bucket(at);
            if let Some(slot) = bucket.slots.iter().position(|slot| slot.load(Ordering::Relaxed) == word) {
                return Some((at, slot));
            }
            if bucket.passed.load(Ordering::Relaxed) == 0 {
                return None;
            }
            at = self.after(at);
        }
        None
    }

    /// Puts an entry in; the caller keeps the table below its limit.
    fn insert(self, hash: u32, index: u32) {
        let mut at = self.home(hash);
        loop {
            let bucket = self.bucket(at);
            let free = bucket.slots.iter().find(|slot| slot.load(Ordering::Relaxed) == 0);
            if let Some(slot) = free {
                return slot.store(pack(hash, index), Ordering::Release);
            }
            bucket.passed.fetch_add(1, Ordering::Release);
            at = self.after(at);
        }
    }

    /// Empties a slot and takes its entry out of the counts of the buckets it went past.
    fn clear(self, bucket: usize, slot: usize) {
        let slot = &self.bucket(bucket).slots[slot];
        let (hash, _) = unpack(slot.load(Ordering::Relaxed));
        slot.store(0, Ordering::Release);
        let mut at = self.home(hash);
        while at != bucket {
            self.bucket(at).passed.fetch_sub(1, Ordering::Release);
            at = self.after(at);
        }
    }
}

impl Table {
    fn layout(buckets: usize) -> Layout {
        let bytes = size_of::<Header>() + buckets * size_of::<Bucket>();
        Layout::from_size_align(bytes, align_of::<Bucket>()).expect("a table is far below the address space")
    }

    /// An empty table. The memory comes zeroed from the allocator, so large ones are touched page by page
    /// as they fill.
    #[allow(unsafe_code, clippy::disallowed_methods)]
    pub(crate) fn new(buckets: usize) -> Self {
        const { assert!(size_of::<Header>() == 64 && size_of::<Bucket>() == 64 || crate::sync::MODEL) };
        let layout = Self::layout(buckets);
        // SAFETY: the layout is not empty.
        let memory = unsafe { std::alloc::alloc_zeroed(layout) }.cast::<Header>();
        let Some(header) = NonNull::new(memory) else { std::alloc::handle_alloc_error(layout) };
        // SAFETY: T1: fresh memory for a header; zeroed buckets are valid empty ones in a real build.
        unsafe {
            header.write(Header { buckets, next: AtomicPtr::new(null_mut()), track: Track::new() });
            #[cfg(loom)]
            for at in 0..buckets {
                let slots = std::array::from_fn(|_| AtomicU64::new(0));
                header.add(1).cast::<Bucket>().add(at).write(Bucket { passed: AtomicU64::new(0), slots });
            }
        }
        Table(header)
    }

    #[allow(unsafe_code)]
    fn view(&self) -> View<'_> {
        // SAFETY: T1.
        View { header: unsafe { self.0.as_ref() } }
    }

    pub(crate) fn buckets(&self) -> usize {
        self.view().header.buckets
    }

    /// How many entries fit.
    pub(crate) fn limit(&self) -> usize {
        if crate::sync::MODEL { self.buckets() * SLOTS } else { self.buckets() * SLOTS * FULL / 16 }
    }

    /// How many buckets hold `entries` within the limit.
    pub(crate) fn buckets_for(entries: usize) -> usize {
        if crate::sync::MODEL {
            return entries.div_ceil(SLOTS).max(1);
        }
        (entries.saturating_mul(16)).div_ceil(SLOTS * FULL).max(1)
    }

    pub(crate) fn bytes(&self) -> usize {
        Self::layout(self.buckets()).size()
    }
}

impl Drop for Table {
    #[allow(unsafe_code, clippy::disallowed_methods)]
    fn drop(&mut self) {
        let layout = Self::layout(self.buckets());
        self.view().header.track.write();
        // SAFETY: T1; in the model the atomics want to be dropped.
        unsafe {
            #[cfg(loom)]
            {
                for at in 0..self.buckets() {
                    self.0.add(1).cast::<Bucket>().add(at).drop_in_place();
                }
                self.0.drop_in_place();
            }
            std::alloc::dealloc(self.0.as_ptr().cast(), layout);
        }
    }
}

/// The table of a shard as readers find it: the oldest one that still holds entries.
#[derive(Debug)]
pub(crate) struct Root(AtomicPtr<Header>);

impl Root {
    pub(crate) fn new(table: &Table) -> Self {
        Root(AtomicPtr::new(table.0.as_ptr()))
    }

    /// Calls `matches` for every index stored under `hash` until it says true; returns that index. May ask
    /// about an index twice.
    ///
    /// # Safety
    ///
    /// The caller is inside a pin, or holds the shard's lock, or excludes all others (T2).
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn find(&self, hash: u32, mut matches: impl FnMut(u32) -> bool) -> Option<u32> {
        // SAFETY: T2 by the caller.
        let view = View { header: unsafe { &*self.0.load(Ordering::Acquire) } };
        view.header.track.read();
        // Nine searches in ten end here, one way or the other.
        let home = view.bucket(view.home(hash));
        let candidates = home.candidates(hash);
        if candidates != 0 {
            let (stored, index) =
                unpack(home.slots[candidates.trailing_zeros() as usize].load(Ordering::Acquire));
            if stored == hash && index != NONE && matches(index) {
                return Some(index);
            }
        } else if home.passed.load(Ordering::Acquire) == 0 && view.next().is_none() {
            return None;
        }
        view.search_on(hash, matches)
    }

    /// The indices with the least hash that is at least `from`: that hash, each index in `found`.
    /// `None` if there is none. Weakly consistent while others write; may tell an index twice.
    ///
    /// # Safety
    ///
    /// As for `find`.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn next_hash(&self, from: u32, found: &mut Vec<u32>) -> Option<u32> {
        // SAFETY: T2 by the caller.
        let first = View { header: unsafe { &*self.0.load(Ordering::Acquire) } };
        let mut least = None;
        let mut view = Some(first);
        while let Some(table) = view {
            if let Some(hash) = table.least_hash(from) {
                least = Some(least.map_or(hash, |other: u32| other.min(hash)));
            }
            view = table.next();
        }
        let hash = least?;
        // SAFETY: as above.
        unsafe {
            self.find(hash, |index| {
                found.push(index);
                false
            })
        };
        Some(hash)
    }
}

impl View<'_> {
    /// The least stored hash that is at least `from`. An entry is found from its home, so the first home
    /// that has one decides.
    fn least_hash(self, from: u32) -> Option<u32> {
        self.header.track.read();
        (self.home(from)..self.header.buckets).find_map(|home| {
            let mut least = None;
            let mut at = home;
            for _ in 0..self.header.buckets {
                let bucket = self.bucket(at);
                for slot in &bucket.slots {
                    let (hash, index) = unpack(slot.load(Ordering::Acquire));
                    if index != NONE && hash >= from && self.home(hash) == home {
                        least = Some(least.map_or(hash, |other: u32| other.min(hash)));
                    }
                }
                if bucket.passed.load(Ordering::Acquire) == 0 {
                    break;
                }
                at = self.after(at);
            }
            least
        })
    }
}

/// The writer's half: the tables, and how far the copying has come. Behind the shard's lock (T3).
#[derive(Debug)]
pub(crate) struct Tables {
    /// The table readers start from.
    root: Table,
    /// The larger one being filled, and how many buckets of `root` have been copied.
    growing: Option<(Table, usize)>,
    len: usize,
    /// How many entries the shard is expected to hold: growth stops there before it goes beyond.
    expected: usize,
}

/// Where an entry stands.
#[derive(Debug)]
pub(crate) struct Place {
    grown: bool,
    bucket: usize,
    slot: usize,
}

/// What stands in the table under a hash, compared with what a reader's search had found.
#[derive(Debug)]
pub(crate) enum Located {
    /// The expected entry is still there.
    Here(Place),
    /// Nothing was expected and nothing new has come.
    Absent,
    /// Something else happened since; search again.
    Changed,
}

impl Tables {
    /// One bucket, and room to grow to `expected` entries in even steps.
    pub(crate) fn new(expected: usize) -> Self {
        Tables { root: Table::new(1), growing: None, len: 0, expected }
    }

    pub(crate) fn root(&self) -> Root {
        Root::new(&self.root)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn expect(&mut self, entries: usize) {
        self.expected = entries;
    }

    pub(crate) fn bytes(&self) -> usize {
        self.root.bytes() + self.growing.as_ref().map_or(0, |(table, _)| table.bytes())
    }

    /// The table new entries go to.
    fn newest(&self) -> View<'_> {
        self.growing.as_ref().map_or(self.root.view(), |(table, _)| table.view())
    }

    fn view(&self, grown: bool) -> View<'_> {
        if grown { self.newest() } else { self.root.view() }
    }

    /// Is the outcome of a reader's search, `expected` found after it `rejected` others, still true?
    /// Indices are not reused under the searcher's pin, so an index names an entry.
    pub(crate) fn locate(&self, hash: u32, expected: Option<u32>, rejected: &[u32]) -> Located {
        let mut place = None;
        let mut stranger = false;
        for grown in [false, true] {
            if grown && self.growing.is_none() {
                break;
            }
            self.view(grown).search(hash, |bucket, slot, index| {
                if Some(index) == expected {
                    place = Some(Place { grown, bucket, slot });
                } else {
                    stranger |= !rejected.contains(&index);
                }
                place.is_some()
            });
        }
        match (place, expected) {
            (Some(place), _) => Located::Here(place),
            (None, None) if !stranger => Located::Absent,
            _ => Located::Changed,
        }
    }

    /// The place of an entry that is known to be there.
    pub(crate) fn place_of(&self, hash: u32, index: u32) -> Option<Place> {
        let place = |grown| {
            let (bucket, slot) = self.view(grown).place_of(pack(hash, index))?;
            Some(Place { grown, bucket, slot })
        };
        place(false).or_else(|| if self.is_growing() { place(true) } else { None })
    }

    /// Makes `index` readable. The entry's bytes are written.
    pub(crate) fn insert(&mut self, hash: u32, index: u32) {
        self.newest().insert(hash, index);
        self.len += 1;
    }

    /// Puts `index` in the place of another entry of the same hash, in one store.
    pub(crate) fn replace(&mut self, place: &Place, hash: u32, index: u32) {
        let slot = &self.view(place.grown).bucket(place.bucket).slots[place.slot];
        slot.store(pack(hash, index), Ordering::Release);
    }

    /// Makes an entry unreadable.
    pub(crate) fn remove(&mut self, place: &Place) {
        self.view(place.grown).clear(place.bucket, place.slot);
        self.len -= 1;
    }

    /// Must the table grow before the next insert?
    pub(crate) fn is_full(&self) -> bool {
        self.growing.is_none() && self.len >= self.root.limit()
    }

    pub(crate) fn is_growing(&self) -> bool {
        self.growing.is_some()
    }

    /// Links a larger table behind the full one; `copy` fills it step by step.
    pub(crate) fn grow(&mut self) {
        let now = self.root.buckets();
        let expected = Table::buckets_for(self.expected);
        let buckets = if now < expected {
            // The step that would come close to the expected size goes all the way.
            if now * 3 >= expected { expected } else { now * 2 }
        } else {
            now + now / 4 + 1
        };
        let table = Table::new(buckets.max(now + 1));
        self.root.view().header.next.store(table.0.as_ptr(), Ordering::Release);
        self.growing = Some((table, 0));
    }

    /// Copies up to `buckets` buckets to the grown table. When all are copied, readers are sent there and
    /// the old table is returned, to be retired.
    pub(crate) fn copy(&mut self, root: &Root, buckets: usize) -> Option<Table> {
        let (table, done) = self.growing.as_mut()?;
        let old = self.root.view();
        let end = (*done + buckets).min(old.header.buckets);
        for at in *done..end {
            for slot in 0..SLOTS {
                let (hash, index) = unpack(old.bucket(at).slots[slot].load(Ordering::Relaxed));
                if index != NONE {
                    table.view().insert(hash, index);
                    old.clear(at, slot);
                }
            }
        }
        *done = end;
        if end < old.header.buckets {
            return None;
        }
        let (grown, _) = self.growing.take()?;
        root.0.store(grown.0.as_ptr(), Ordering::Release);
        Some(std::mem::replace(&mut self.root, grown))
    }

    /// Every index with its hash, for the validator and for dropping. Single writer.
    pub(crate) fn each(&self, mut visit: impl FnMut(u32, u32)) {
        for table in [Some(&self.root), self.growing.as_ref().map(|(table, _)| table)].into_iter().flatten() {
            for at in 0..table.buckets() {
                for slot in &table.view().bucket(at).slots {
                    let (hash, index) = unpack(slot.load(Ordering::Relaxed));
                    if index != NONE {
                        visit(hash, index);
                    }
                }
            }
        }
    }

    /// Checks the counts of entries that went past each bucket, and the length.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut total = 0;
        for table in [Some(&self.root), self.growing.as_ref().map(|(table, _)| table)].into_iter().flatten() {
            let view = table.view();
            let mut passed = vec![0u64; table.buckets()];
            for at in 0..table.buckets() {
                for slot in &view.bucket(at).slots {
                    let (hash, index) = unpack(slot.load(Ordering::Relaxed));
                    if index != NONE {
                        total += 1;
                        let mut step = view.home(hash);
                        while step != at {
                            passed[step] += 1;
                            step = view.after(step);
                        }
                    }
                }
            }
            for (at, &expected) in passed.iter().enumerate() {
                let stored = view.bucket(at).passed.load(Ordering::Relaxed);
                if stored != expected {
                    return Err(format!("bucket {at}: {stored} counted past it, {expected} went past"));
                }
            }
        }
        if total == self.len { Ok(()) } else { Err(format!("{total} slots in use, {} counted", self.len)) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod models;

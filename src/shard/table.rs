//! The table: from 32 bits of hash to slab indices, read without a lock.
//!
//! # Layout
//!
//! A table is an array of buckets, one cache line each: two words of tags and a count ([`Meta`]), and twelve slots.
//!
//! ```text
//! bucket: [ meta: 128 bits | slot 0 | slot 1 | ... | slot 11 ]
//! slot:   [ index + 1: 32 bits ]                       0 = empty
//! ```
//!
//! The hash itself is in the entry only. So a search may meet entries of other hashes: a reader, or `hash_of`, looks.
//!
//! The home bucket of a hash is `hash * buckets / 2^32`, so a table may have any number of buckets and
//! the order of homes is the order of hashes in every table. An entry that finds its home full goes
//! to the next bucket with a free slot, and every bucket it went past counts it. A search
//! therefore ends at the first bucket that nothing went past: there are no tombstones, and nothing ever needs
//! cleaning. An entry stays where it was put, though its home has a free slot later; so where entries come and go more of them
//! stand past their homes than in a table that was filled once, and the load is such that they are few ([`FULL`]). (The count is the idea of the displacement
//! counts in RocksDB's fixed HyperClock table, kept per line instead of per slot; tags and slots in one line are those of
//! F14, the comparison of all tags at once is SwissTable's.)
//!
//! # States of a slot, and who may change them (always under the shard's lock)
//!
//! * empty -> index: `insert`, after the entry's bytes, all counts on the way and the slot's tag
//! * index -> index of an entry with the same hash: `replace` (an overwrite, in place: never a false miss)
//! * index -> empty: `clear`: the tag, the slot, then the counts on the way
//!
//! Every store is a release and every load of a reader an acquire. An entry is readable from its slot on, and not before its tag is: a reader
//! may still have the tag of the slot's last entry, and if that was of the same hash, what it finds by it others must find too.
//!
//! # Why a reader misses nothing
//!
//! Within a table an entry never moves. While it is there, its bucket has its tag, and every bucket between its home and
//! that one counts it, so a search does not stop before it, in whatever order it reads the words. A search that reads a
//! bucket before the insert overlaps it; if the entry was removed and inserted again elsewhere, the search overlaps the time
//! of its absence. Growth links a larger table behind (`next`), copies a few
//! buckets with every write and clears each slot *after* its copy is published. A reader that does not find a hash in a
//! table looks at `next` after it: if it read a tag, a slot or a count as the copy left it, it acquires the copy as well.
//!
//! # Invariants (each `unsafe` block names one)
//!
//! * **T1** The memory behind a `Table` is its header and `buckets` valid buckets, allocated in one
//!   piece and freed by its drop only.
//! * **T2** A table reachable from `root` is retired, not freed, while readers may hold it.
//! * **T3** One writer at a time (the shard's lock).

mod meta;
mod root;
mod tables;

use crate::sync::Track;
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use meta::Meta;
pub(crate) use root::Root;
use std::alloc::Layout;
use std::ptr::{NonNull, null_mut};
pub(crate) use tables::{Located, Place, Tables};

/// Slots of a bucket.
pub(crate) const SLOTS: usize = if crate::sync::MODEL { 2 } else { 12 };
/// A table is at most this full, in 1/16: then, where entries come and go, five hits in a hundred need a second line, and a miss
/// looks at 1.4.
const FULL: usize = 10;
/// Buckets copied by one write while a table grows: up to 24 entries are asked for their hashes.
pub(crate) const COPIED_PER_WRITE: usize = if crate::sync::MODEL { 1 } else { 2 };

/// How a slot and its tag become readable.
const PUBLISH: Ordering =
    if cfg!(seeded = "relaxed_publish") { Ordering::Relaxed } else { Ordering::Release };

/// One cache line.
#[repr(C, align(64))]
struct Bucket {
    /// The words of a [`Meta`]. Written under the shard's lock (release), read by everyone (acquire).
    low: AtomicU64,
    high: AtomicU64,
    /// As those.
    slots: [AtomicU32; SLOTS],
}

impl Bucket {
    #[inline(always)]
    fn meta(&self) -> Meta {
        Meta { low: self.low.load(Ordering::Acquire), high: self.high.load(Ordering::Acquire) }
    }

    /// By the writer, who alone changes it (T3).
    #[inline]
    fn change(&self, to: impl FnOnce(Meta) -> Meta) {
        let before = Meta { low: self.low.load(Ordering::Relaxed), high: self.high.load(Ordering::Relaxed) };
        let after = to(before);
        if after.low != before.low {
            self.low.store(after.low, PUBLISH);
        }
        if after.high != before.high {
            self.high.store(after.high, PUBLISH);
        }
    }

    /// The index in a slot, if there is one now: it may have changed since `meta` was read.
    #[inline(always)]
    fn index(&self, slot: usize) -> Option<u32> {
        unpack(self.slots[slot].load(Ordering::Acquire))
    }
}

/// The line before the buckets.
#[repr(C, align(64))]
struct Header {
    buckets: usize,
    /// The larger table that this one is being copied to, or null. Written once.
    next: AtomicPtr<Header>,
    /// Where the allocation begins.
    memory: NonNull<u8>,
    /// For the model checker; nothing in a real build.
    track: Track,
}

/// A table; a pointer to header and buckets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table(NonNull<Header>);

// SAFETY: the memory is owned (T1) and consists of atomics and a constant.
#[allow(unsafe_code)]
unsafe impl Send for Table {}

/// What a slot holds for an index; 0 is an empty slot.
#[inline(always)]
fn pack(index: u32) -> u32 {
    index.wrapping_add(1)
}

#[inline(always)]
fn unpack(word: u32) -> Option<u32> {
    word.checked_sub(1)
}

/// The first bucket to look at.
#[inline(always)]
fn home(hash: u32, buckets: usize) -> usize {
    ((u64::from(hash) * buckets as u64) >> 32) as usize
}

/// The table a reader or a writer looks at, without ownership.
#[derive(Clone, Copy)]
struct View<'a> {
    header: &'a Header,
}

impl<'a> View<'a> {
    #[inline(always)]
    fn home(self, hash: u32) -> usize {
        home(hash, self.header.buckets)
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

    /// Calls `found(bucket, slot, index)` for each slot with the tag of this hash until it has an answer.
    #[inline(always)]
    fn search<T>(self, hash: u32, mut found: impl FnMut(usize, usize, u32) -> Option<T>) -> Option<T> {
        let home = self.home(hash);
        self.header.track.read();
        let mut at = home;
        loop {
            let bucket = self.bucket(at);
            let meta = bucket.meta();
            for slot in meta.candidates(hash) {
                let answer = bucket.index(slot).and_then(|index| found(at, slot, index));
                if answer.is_some() {
                    return answer;
                }
            }
            at = self.after(at);
            if meta.passed() == 0 || at == home {
                return None;
            }
        }
    }

    /// Searches this table and the ones behind it.
    #[inline(never)]
    fn search_on<T>(self, hash: u32, mut matches: impl FnMut(u32) -> Option<T>) -> Option<T> {
        let mut view = self;
        loop {
            let found = view.search(hash, |_, _, index| matches(index));
            if found.is_some() {
                return found;
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

    /// Puts an entry in; the caller keeps the table below its limit.
    fn insert(self, hash: u32, index: u32) {
        let mut at = self.home(hash);
        loop {
            let bucket = self.bucket(at);
            if let Some(slot) = bucket.meta().free() {
                bucket.change(|meta| meta.fill(slot, hash));
                return bucket.slots[slot].store(pack(index), PUBLISH);
            }
            bucket.change(Meta::pass);
            at = self.after(at);
        }
    }

    /// Finds an entry and empties its slot.
    #[inline]
    fn remove(self, hash: u32, index: u32) -> bool {
        let place = self.search(hash, |bucket, slot, there| (there == index).then_some((bucket, slot)));
        if let Some((bucket, slot)) = place {
            self.clear(hash, bucket, slot);
        }
        place.is_some()
    }

    /// Empties a slot and takes its entry, which has this hash, out of the counts of the buckets it went past.
    #[inline]
    fn clear(self, hash: u32, bucket: usize, slot: usize) {
        self.bucket(bucket).change(|meta| meta.empty(slot));
        self.bucket(bucket).slots[slot].store(0, Ordering::Release);
        let mut at = self.home(hash);
        while at != bucket {
            self.bucket(at).change(Meta::unpass);
            at = self.after(at);
        }
    }
}

impl Table {
    /// A line more than header and buckets: the allocator is not asked for their alignment, because for that of a cache line it
    /// would have to write the zeros instead of taking fresh pages.
    fn layout(buckets: usize) -> Layout {
        let bytes = size_of::<Header>() + buckets * size_of::<Bucket>() + align_of::<Header>();
        Layout::from_size_align(bytes, align_of::<u64>()).expect("a table is far below the address space")
    }

    /// An empty table. The memory comes zeroed from the allocator, so large ones are touched page by page
    /// as they fill.
    #[allow(unsafe_code, clippy::disallowed_methods)]
    pub(crate) fn new(buckets: usize) -> Self {
        const { assert!(size_of::<Header>() == 64 && size_of::<Bucket>() == 64 || crate::sync::MODEL) };
        let layout = Self::layout(buckets);
        // SAFETY: the layout is not empty.
        let Some(memory) = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }) else {
            std::alloc::handle_alloc_error(layout)
        };
        // SAFETY: T1: fresh memory for a header on the next line; zeroed buckets are valid empty ones in a real build.
        unsafe {
            let header = memory.add(memory.align_offset(align_of::<Header>())).cast::<Header>();
            header.write(Header { buckets, next: AtomicPtr::new(null_mut()), memory, track: Track::new() });
            #[cfg(any(loom, shuttle))]
            for at in 0..buckets {
                let (low, high) = (AtomicU64::new(0), AtomicU64::new(0));
                let slots = std::array::from_fn(|_| AtomicU32::new(0));
                header.add(1).cast::<Bucket>().add(at).write(Bucket { low, high, slots });
            }
            Table(header)
        }
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
        let (memory, layout) = (self.view().header.memory, Self::layout(self.buckets()));
        self.view().header.track.write();
        // SAFETY: T1; in the model the atomics want to be dropped.
        unsafe {
            #[cfg(any(loom, shuttle))]
            {
                for at in 0..self.buckets() {
                    self.0.add(1).cast::<Bucket>().add(at).drop_in_place();
                }
                self.0.drop_in_place();
            }
            std::alloc::dealloc(memory.as_ptr(), layout);
        }
    }
}

impl View<'_> {
    /// The least hash of a home; 2^32 beyond the last one.
    fn first_hash(self, home: usize) -> u64 {
        ((home as u64) << 32).div_ceil(self.header.buckets as u64)
    }

    /// Tells of every index that a search from this home would come across.
    fn each_from(self, home: usize, mut each: impl FnMut(u32)) {
        self.header.track.read();
        let mut at = home;
        for _ in 0..self.header.buckets {
            let bucket = self.bucket(at);
            let meta = bucket.meta();
            meta.used().filter_map(|slot| bucket.index(slot)).for_each(&mut each);
            if meta.passed() == 0 {
                break;
            }
            at = self.after(at);
        }
    }

    /// The least stored hash that is at least `from`. An entry is found from its home, so the first home
    /// that has one decides.
    fn least_hash(self, from: u32, hash_of: &impl Fn(u32) -> u32) -> Option<u32> {
        self.header.track.read();
        (self.home(from)..self.header.buckets).find_map(|home| {
            let mut least = None;
            let mut at = home;
            for _ in 0..self.header.buckets {
                let bucket = self.bucket(at);
                for hash in (0..SLOTS).filter_map(|slot| bucket.index(slot)).map(hash_of) {
                    if hash >= from && self.home(hash) == home {
                        least = Some(least.map_or(hash, |other: u32| other.min(hash)));
                    }
                }
                if bucket.meta().passed() == 0 {
                    break;
                }
                at = self.after(at);
            }
            least
        })
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

#[cfg(all(test, loom))]
mod models;

//! The slab: rows that never move, named by 32-bit indices.
//!
//! # What it is
//!
//! [`Chunks`] is an array that grows by whole chunks. A directory of chunk pointers is reached by one
//! load; when it is full a larger one takes its place and the old one is kept until the end, because
//! a reader may still hold it (all directories together are smaller than twice the last).
//! [`Slab`] hands out indices: from a list of free ones threaded through the free rows, else the next
//! that was never used.
//!
//! # Invariants (each `unsafe` block names one)
//!
//! * **S1** A chunk is a block of the arena, which lives as long as the `Chunks` that holds it; it never moves.
//! * **S2** An index that [`Slab::allocate`] returned stays the caller's until [`Slab::free`], and its
//!   row is within an allocated chunk.
//! * **S3** One writer at a time calls `ensure`, `allocate` and `free` (the shard's lock).
//! * **S4** A free row's first four bytes hold the next free index; nobody else reads a free row.
//! * **S5** A reader gets an index from a table slot with acquire, after the writer stored chunk and
//!   directory and then published the slot with release: it sees both.
//! * **S6** The present directory has `length` elements.

use crate::arena::Arena;
use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex};
use std::alloc::Layout;
use std::mem::{align_of, size_of};
use std::ptr::{NonNull, null_mut};

/// Bytes of a chunk of rows, unless they are large. They are touched as they are used.
const CHUNK: usize = 64 << 10;
/// Bytes of a chunk of a column, which is filled when it is allocated: little, because every shard pays it for its first
/// entry, and under its lock.
const FILLED: usize = 8 << 10;
/// No index.
pub(crate) const NONE: u32 = u32::MAX;

/// An array of rows that never move. Its memory is freed with the arena; the rows are the owner's to drop before.
#[derive(Debug)]
pub(crate) struct Chunks<T, const BYTES: usize = CHUNK> {
    /// The first element of the present directory, or null. Written under S3 (release), read by anyone.
    directory: AtomicPtr<AtomicPtr<T>>,
    /// Written and read under S3.
    length: AtomicUsize,
    /// All directories, the present one last. Locked by the single writer only.
    directories: Mutex<Vec<Box<[AtomicPtr<T>]>>>,
    arena: Arc<Arena>,
}

/// What is kept beside the rows, for those that need it, and must be valid before it is written.
pub(crate) type Column<T> = Chunks<T, FILLED>;

impl<T, const BYTES: usize> Chunks<T, BYTES> {
    /// log2 of the rows in a chunk: of `BYTES`, or 16 rows. A constant, so that finding a row takes two loads and no more.
    const BITS: u32 = {
        let rows = BYTES / if size_of::<T>() == 0 { 1 } else { size_of::<T>() };
        if crate::sync::MODEL {
            1
        } else if rows < 16 {
            4
        } else {
            rows.ilog2()
        }
    };
    const ROWS: usize = 1 << Self::BITS;

    pub(crate) fn new(arena: &Arc<Arena>) -> Self {
        Chunks {
            directory: AtomicPtr::new(null_mut()),
            length: AtomicUsize::new(0),
            directories: Mutex::new(Vec::new()),
            arena: arena.clone(),
        }
    }

    /// The row of `index`, which may be uninitialised.
    ///
    /// # Safety
    ///
    /// `ensure(index)` happened before.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn row(&self, index: u32) -> NonNull<T> {
        let directory = self.directory.load(Ordering::Acquire);
        let chunk = (index >> Self::BITS) as usize;
        let offset = index as usize % Self::ROWS;
        // SAFETY: S1, S5 and the caller: the directory has an element for the chunk, and it is set.
        unsafe { NonNull::new_unchecked((*directory.add(chunk)).load(Ordering::Relaxed).add(offset)) }
    }

    /// Is the chunk of `index` there?
    #[inline(always)]
    #[allow(unsafe_code)]
    fn has(&self, index: u32) -> bool {
        let chunk = (index >> Self::BITS) as usize;
        if chunk >= self.length.load(Ordering::Relaxed) {
            return false;
        }
        // SAFETY: S3 and S6.
        !unsafe { &*self.directory.load(Ordering::Relaxed).add(chunk) }.load(Ordering::Relaxed).is_null()
    }

    /// Allocates the chunk of `index` if it is not there, filling its rows with `fill` if they must be
    /// valid before they are written. True if it allocated.
    #[inline(always)]
    pub(crate) fn ensure(&self, index: u32, fill: Option<fn() -> T>) -> bool {
        let lacks = !self.has(index);
        if lacks {
            self.allocate((index >> Self::BITS) as usize, fill);
        }
        lacks
    }

    #[cold]
    #[inline(never)]
    #[allow(unsafe_code)]
    fn allocate(&self, chunk: usize, fill: Option<fn() -> T>) {
        let mut directories = self.directories.lock();
        let length = self.length.load(Ordering::Relaxed);
        if chunk >= length {
            let mut grown = Vec::with_capacity((length * 2).max(chunk + 1).max(4));
            for i in 0..grown.capacity() {
                let old = directories.last().and_then(|directory| directory.get(i));
                grown.push(AtomicPtr::new(old.map_or(null_mut(), |pointer| pointer.load(Ordering::Relaxed))));
            }
            directories.push(grown.into_boxed_slice());
        }
        let block = Layout::array::<T>(Self::ROWS).expect("a chunk is small, or sixteen rows");
        let start: NonNull<T> = self.arena.allocate(block).cast();
        if let Some(fill) = fill {
            // SAFETY: S1: within the block, which nobody else has yet.
            (0..Self::ROWS).for_each(|row| unsafe { start.add(row).write(fill()) });
        }
        let present = &directories[directories.len() - 1];
        present[chunk].store(start.as_ptr(), Ordering::Release);
        self.directory.store(present.as_ptr().cast_mut(), Ordering::Release);
        self.length.store(present.len(), Ordering::Relaxed);
    }

    /// Bytes of the chunks.
    pub(crate) fn bytes(&self) -> usize {
        let directories = self.directories.lock();
        let chunks = directories
            .last()
            .map_or(0, |d| d.iter().filter(|p| !p.load(Ordering::Relaxed).is_null()).count());
        chunks * Self::ROWS * size_of::<T>()
    }
}

/// Rows handed out by index. The free list is under the shard's lock.
#[derive(Debug)]
pub(crate) struct Slab {
    /// The first free row, or `NONE`.
    free: u32,
    /// The least index never used.
    fresh: u32,
    /// Rows handed out.
    used: u32,
    /// How many rows there may be: as many as the policy can name.
    limit: u32,
}

impl Slab {
    pub(crate) fn new() -> Self {
        Slab { free: NONE, fresh: 0, used: 0, limit: crate::policy::MAX_INDEX + 1 }
    }

    /// Nobody can fill a slab for a test.
    #[cfg(all(test, not(any(loom, shuttle))))]
    pub(crate) fn set_limit(&mut self, rows: u32) {
        self.limit = rows;
    }

    /// Takes a row, or `None` when as many are in use as the policy can name: 2^31 - 1.
    #[allow(unsafe_code)]
    pub(crate) fn allocate<T>(&mut self, chunks: &Chunks<T>) -> Option<u32> {
        const { assert!(size_of::<T>() >= 4 && align_of::<T>() >= 4) };
        let index = if self.free == NONE {
            if self.fresh >= self.limit {
                return None;
            }
            chunks.ensure(self.fresh, None);
            self.fresh += 1;
            self.fresh - 1
        } else {
            let index = self.free;
            // SAFETY: S2, S4: a free row within a chunk.
            self.free = unsafe { chunks.row(index).cast::<u32>().read() };
            index
        };
        self.used += 1;
        Some(index)
    }

    /// Gives a row back whose contents were moved out or dropped.
    ///
    /// # Safety
    ///
    /// `index` was allocated here and not freed since; no reader can reach it.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn free<T>(&mut self, index: u32, chunks: &Chunks<T>) {
        // SAFETY: S2 by the caller; the row is large enough by the assertion in `allocate`.
        unsafe { chunks.row(index).cast::<u32>().write(self.free) };
        self.free = index;
        self.used -= 1;
    }

    /// Rows handed out and not given back.
    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    /// One above the highest index ever handed out.
    pub(crate) fn high(&self) -> u32 {
        self.fresh
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        #[allow(unsafe_code)]
        fn indices_are_unique_and_reused(ops in proptest::collection::vec(any::<Option<u8>>(), 0..400)) {
            // 16 rows a chunk.
            let chunks = Chunks::<[u64; 1024]>::new(&Arc::default());
            let mut slab = Slab::new();
            let mut held: Vec<u32> = Vec::new();
            let mut high = 0;
            for op in ops {
                match op {
                    Some(pick) if !held.is_empty() => {
                        let index = held.swap_remove(pick as usize % held.len());
                        // SAFETY: allocated below, freed once, no readers.
                        unsafe { slab.free(index, &chunks) };
                    }
                    _ => {
                        let index = slab.allocate(&chunks).expect("space");
                        // SAFETY: just allocated.
                        unsafe { chunks.row(index).cast::<u64>().write(u64::from(index) << 32 | 5) };
                        held.push(index);
                        high = high.max(index + 1);
                    }
                }
                let distinct: HashSet<_> = held.iter().collect();
                prop_assert_eq!(distinct.len(), held.len());
                prop_assert_eq!(slab.used() as usize, held.len());
                prop_assert_eq!(slab.high(), high);
                for &index in &held {
                    // SAFETY: allocated and written above.
                    prop_assert_eq!(unsafe { chunks.row(index).cast::<u64>().read() }, u64::from(index) << 32 | 5);
                }
            }
        }
    }

    #[test]
    fn an_empty_slab_owns_nothing() {
        let chunks = Chunks::<u64>::new(&Arc::default());
        assert_eq!(chunks.bytes(), 0);
        assert!(chunks.ensure(0, Some(|| 9)) && !chunks.ensure(1, None) && !chunks.ensure(8191, None));
        assert_eq!(chunks.bytes(), CHUNK);
    }

    #[test]
    fn a_chunk_has_sixteen_rows_or_more() {
        let bits = [Chunks::<u64>::BITS, Chunks::<[u64; 512]>::BITS, Chunks::<[u64; 513]>::BITS];
        assert_eq!((bits, Column::<u64>::BITS), ([13, 4, 4], 10));
        assert_eq!(Chunks::<[u64; 100_000]>::BITS, 4);
    }

    #[test]
    fn a_full_slab_gives_no_row() {
        let chunks = Chunks::<u64>::new(&Arc::default());
        let mut slab = Slab::new();
        slab.set_limit(2);
        assert_eq!([(); 3].map(|()| slab.allocate(&chunks)), [Some(0), Some(1), None]);
    }
}

#[cfg(all(test, loom))]
mod models;

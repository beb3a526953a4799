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
//! * **S1** A chunk is allocated once and lives as long as its `Chunks`; it never moves.
//! * **S2** An index that [`Slab::allocate`] returned stays the caller's until [`Slab::free`], and its
//!   row is within an allocated chunk.
//! * **S3** One writer at a time calls `ensure`, `allocate` and `free` (the shard's lock).
//! * **S4** A free row's first four bytes hold the next free index; nobody else reads a free row.
//! * **S5** A reader gets an index from a table slot with acquire, after the writer stored chunk and
//!   directory and then published the slot with release: it sees both.

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicPtr, Ordering};
use std::mem::{align_of, size_of};
use std::ptr::{NonNull, null_mut};

/// No index.
pub(crate) const NONE: u32 = u32::MAX;

/// An array of rows that never move.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    /// The first element of the present directory, or null. Written under S3 (release), read by anyone.
    directory: AtomicPtr<AtomicPtr<T>>,
    /// log2 of the rows in a chunk.
    bits: u32,
    /// The rows in a chunk, less one.
    mask: u32,
    /// All directories, the present one last. Locked by the single writer only.
    directories: Mutex<Vec<Box<[AtomicPtr<T>]>>>,
}

impl<T> Chunks<T> {
    pub(crate) fn new(bits: u32) -> Self {
        Chunks {
            directory: AtomicPtr::new(null_mut()),
            bits,
            mask: (1 << bits) - 1,
            directories: Mutex::new(Vec::new()),
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
        let chunk = (index >> self.bits) as usize;
        let offset = (index & self.mask) as usize;
        // SAFETY: S1, S5 and the caller: the directory has an element for the chunk, and it is set.
        unsafe { NonNull::new_unchecked((*directory.add(chunk)).load(Ordering::Relaxed).add(offset)) }
    }

    /// Allocates the chunk of `index` if it is not there, filling its rows with `fill` if they must be
    /// valid before they are written. True if it allocated.
    #[allow(unsafe_code)]
    pub(crate) fn ensure(&self, index: u32, fill: Option<fn() -> T>) -> bool {
        let chunk = (index >> self.bits) as usize;
        let mut directories = self.directories.lock();
        let len = directories.last().map_or(0, |directory| directory.len());
        if chunk < len && !directories[directories.len() - 1][chunk].load(Ordering::Relaxed).is_null() {
            return false;
        }
        if chunk >= len {
            let mut grown = Vec::with_capacity((len * 2).max(chunk + 1).max(4));
            for i in 0..grown.capacity() {
                let old = directories.last().and_then(|directory| directory.get(i));
                grown.push(AtomicPtr::new(old.map_or(null_mut(), |pointer| pointer.load(Ordering::Relaxed))));
            }
            directories.push(grown.into_boxed_slice());
        }
        let rows = 1usize << self.bits;
        let mut memory: Vec<T> = Vec::with_capacity(rows);
        let start = memory.as_mut_ptr();
        if let Some(fill) = fill {
            memory.extend(std::iter::repeat_with(fill).take(rows));
        }
        std::mem::forget(memory);
        let at = directories.len() - 1;
        directories[at][chunk].store(start, Ordering::Release);
        self.directory.store(directories[at].as_ptr().cast_mut(), Ordering::Release);
        true
    }

    /// Bytes of the chunks.
    pub(crate) fn bytes(&self) -> usize {
        let directories = self.directories.lock();
        let chunks = directories
            .last()
            .map_or(0, |d| d.iter().filter(|p| !p.load(Ordering::Relaxed).is_null()).count());
        (chunks << self.bits) * size_of::<T>()
    }
}

impl<T> Drop for Chunks<T> {
    /// Frees the memory; the rows are the owner's to drop before.
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        let rows = 1usize << self.bits;
        let Some(directory) = self.directories.get_mut().pop() else { return };
        for chunk in directory.iter() {
            let start = chunk.load(Ordering::Relaxed);
            if !start.is_null() {
                // SAFETY: S1: `ensure` made it with this capacity, and nothing is dropped: length 0.
                drop(unsafe { Vec::from_raw_parts(start, 0, rows) });
            }
        }
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
}

impl Slab {
    pub(crate) fn new() -> Self {
        Slab { free: NONE, fresh: 0, used: 0 }
    }

    /// Takes a row, or `None` when as many are in use as the policy can name: 2^31 - 1.
    #[allow(unsafe_code)]
    pub(crate) fn allocate<T>(&mut self, chunks: &Chunks<T>) -> Option<u32> {
        const { assert!(size_of::<T>() >= 4 && align_of::<T>() >= 4) };
        let index = if self.free == NONE {
            if self.fresh > crate::policy::MAX_INDEX {
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        #[allow(unsafe_code)]
        fn indices_are_unique_and_reused(ops in proptest::collection::vec(any::<Option<u8>>(), 0..400), bits in 0u32..4) {
            let chunks = Chunks::<u64>::new(bits);
            let mut slab = Slab::new();
            let mut held: Vec<u32> = Vec::new();
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
                        unsafe { chunks.row(index).write(u64::from(index) << 32 | 5) };
                        held.push(index);
                    }
                }
                let distinct: HashSet<_> = held.iter().collect();
                prop_assert_eq!(distinct.len(), held.len());
                prop_assert_eq!(slab.used() as usize, held.len());
                for &index in &held {
                    // SAFETY: allocated and written above.
                    prop_assert_eq!(unsafe { chunks.row(index).read() }, u64::from(index) << 32 | 5);
                }
            }
        }
    }

    #[test]
    fn an_empty_slab_owns_nothing() {
        let chunks = Chunks::<u64>::new(12);
        assert_eq!(chunks.bytes(), 0);
        assert!(chunks.ensure(0, Some(|| 9)) && !chunks.ensure(1, None) && !chunks.ensure(4095, None));
        assert_eq!(chunks.bytes(), 4096 * 8);
    }
}

//! `Arena`: where chunks of rows come from. What it gives out stays until the cache is gone.
//!
//! A large cache touches its rows at random, so nearly every touch wants the address of another page translated. If the
//! user asks for huge pages, chunks are cut, once there are [`SMALL`] bytes, from extents of the size of such a page, for
//! which the system is asked to use one (on Linux, where transparent huge pages are `always` or `madvise`; elsewhere the request
//! changes nothing). One arena serves all shards: at most one extent is not used up.
//!
//! # Invariants (each `unsafe` block names one)
//!
//! * **A1** A block that was given out lies in one allocation, overlaps no other, and stays as long as the arena.
//! * **A2** `rest` is the part of the last extent that was not given out.

use crate::sync::{self, Mutex};
use std::alloc::Layout;
use std::ptr::NonNull;

/// The size and alignment of an extent: those of a huge page.
const EXTENT: usize = 2 << 20;
/// Before so many bytes were given out, every block is an allocation of its own: a small cache pays for what it holds.
const SMALL: usize = 3 * EXTENT;

#[derive(Debug, Default)]
struct Blocks {
    /// To be freed at the end.
    allocations: Vec<(NonNull<u8>, Layout)>,
    /// The sum of all blocks.
    given: usize,
    /// See A2; where it begins, and its length.
    rest: Option<(NonNull<u8>, usize)>,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    /// From extents, once there is enough.
    huge: bool,
    blocks: Mutex<Blocks>,
}

// SAFETY: the memory is owned (A1), and only bookkept here.
#[allow(unsafe_code)]
unsafe impl Send for Arena {}
// SAFETY: as above; the list is behind a lock.
#[allow(unsafe_code)]
unsafe impl Sync for Arena {}

impl Arena {
    pub(crate) fn new(huge: bool) -> Self {
        Arena { huge, blocks: Mutex::default() }
    }

    /// A block that nobody else has, for as long as the arena lives. Uninitialised.
    pub(crate) fn allocate(&self, block: Layout) -> NonNull<u8> {
        let mut blocks = self.blocks.lock();
        blocks.given += block.size();
        // What is large needs no company.
        if !self.huge || blocks.given <= SMALL || block.size() > EXTENT / 4 {
            return blocks.allocate(block);
        }
        if let Some(start) = blocks.cut(block) {
            return start;
        }
        let extent = Layout::from_size_align(EXTENT, EXTENT).expect("a power of two");
        let start = blocks.allocate(extent);
        sync::prefer_huge_pages(start, EXTENT);
        blocks.rest = Some((start, EXTENT));
        blocks.cut(block).expect("an extent holds four of the largest")
    }
}

impl Blocks {
    #[allow(unsafe_code, clippy::disallowed_methods)]
    fn allocate(&mut self, block: Layout) -> NonNull<u8> {
        // SAFETY: a chunk is not empty.
        let start = NonNull::new(unsafe { std::alloc::alloc(block) });
        let start = start.unwrap_or_else(|| std::alloc::handle_alloc_error(block));
        self.allocations.push((start, block));
        start
    }

    /// A block of the rest, if it is large enough.
    #[allow(unsafe_code)]
    fn cut(&mut self, block: Layout) -> Option<NonNull<u8>> {
        let (start, len) = self.rest?;
        let gap = start.align_offset(block.align());
        let end = gap.checked_add(block.size()).filter(|&end| end <= len)?;
        // SAFETY: A2: both are within the extent.
        let (cut, after) = unsafe { (start.add(gap), start.add(end)) };
        self.rest = Some((after, len - end));
        Some(cut)
    }
}

impl Drop for Arena {
    #[allow(unsafe_code, clippy::disallowed_methods)]
    fn drop(&mut self) {
        for (start, block) in self.blocks.get_mut().allocations.drain(..) {
            // SAFETY: A1: allocated with this layout, and nobody has a block any more.
            unsafe { std::alloc::dealloc(start.as_ptr(), block) };
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        #[allow(unsafe_code)]
        fn blocks_are_aligned_and_apart(huge: bool, sizes in prop::collection::vec((1usize..200_000, 0u32..8), 1..200)) {
            let arena = Arena::new(huge);
            let mut given: Vec<(usize, usize)> = Vec::new();
            for (size, align) in sizes {
                let block = Layout::from_size_align(size, 1 << align).expect("small");
                let start = arena.allocate(block);
                // SAFETY: a block of this size.
                unsafe { start.write_bytes(0xA5, size) };
                prop_assert_eq!(start.addr().get() % block.align(), 0);
                given.push((start.addr().get(), size));
            }
            given.sort_unstable();
            prop_assert!(given.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
        }
    }

    #[test]
    fn g28_an_arena_allocates_what_is_asked_and_with_huge_pages_one_extent_more() {
        let (arena, plain) = (Arena::new(true), Arena::new(false));
        let chunk = Layout::from_size_align(64 << 10, 8).expect("small");
        let allocated = |arena: &Arena| -> usize {
            arena.blocks.lock().allocations.iter().map(|(_, block)| block.size()).sum()
        };
        assert_eq!(allocated(&arena), 0);
        for given in (chunk.size()..=2 * SMALL).step_by(chunk.size()) {
            arena.allocate(chunk);
            plain.allocate(chunk);
            assert_eq!(allocated(&plain), given);
            let now = allocated(&arena);
            assert!(
                if given <= SMALL { now == given } else { (given..given + EXTENT).contains(&now) },
                "{given}"
            );
            assert!(now - given <= given / 3, "{given}: a third more, at most");
        }
        // Whole huge pages, when they are worth it.
        let huge = Layout::from_size_align(2 << 20, 2 << 20).expect("a power of two");
        assert_eq!(arena.blocks.lock().allocations.iter().filter(|(_, block)| *block == huge).count(), 3);
        // What would leave much of an extent unused does not come from one.
        let (before, large) = (allocated(&arena), Layout::from_size_align(EXTENT / 4 + 1, 8).expect("small"));
        arena.allocate(large);
        assert_eq!(allocated(&arena), before + large.size());
    }
}

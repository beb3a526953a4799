//! What the entries of a shard weigh: two bytes each, and eight more for those of which that is not enough.
//!
//! Sizes of values differ by their thousands, and most are small; a word of eight bytes for each was more than the policy's own.
//!
//! # Invariants (the `unsafe` blocks name them)
//!
//! * **W1** A row of `light` is written when its entry is, before anyone can find it; it says [`HEAVY`] only after the same row
//!   of `heavy` was written.

use super::slab::{Chunks, Column};
use crate::arena::Arena;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU16, AtomicU64, Ordering};

/// In place of a light weight: it is a heavy one.
const HEAVY: u16 = u16::MAX;

#[derive(Debug)]
pub(super) struct Weights {
    light: Column<AtomicU16>,
    /// In small chunks, because there may be few.
    heavy: Chunks<AtomicU64, 1024>,
}

impl Weights {
    pub(super) fn new(arena: &Arc<Arena>) -> Self {
        Weights { light: Column::new(arena), heavy: Chunks::new(arena) }
    }

    /// # Safety
    ///
    /// The weight of this index was `set`.
    #[inline(never)]
    #[allow(unsafe_code)]
    pub(super) unsafe fn get(&self, index: u32) -> u64 {
        // SAFETY: W1, and the caller.
        match unsafe { self.light.row(index).as_ref() }.load(Ordering::Relaxed) {
            // SAFETY: W1.
            HEAVY => unsafe { self.heavy.row(index).as_ref() }.load(Ordering::Relaxed),
            light => u64::from(light),
        }
    }

    /// One writer at a time.
    #[inline(never)]
    #[allow(unsafe_code)]
    pub(super) fn set(&self, index: u32, weight: u64) {
        let light = u16::try_from(weight).unwrap_or(HEAVY);
        if light == HEAVY {
            self.heavy.ensure(index, Some(Default::default));
            // SAFETY: ensured and filled.
            unsafe { self.heavy.row(index).as_ref() }.store(weight, Ordering::Relaxed);
        }
        self.light.ensure(index, Some(Default::default));
        // SAFETY: ensured and filled.
        unsafe { self.light.row(index).as_ref() }.store(light, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self) -> usize {
        self.light.bytes() + self.heavy.bytes()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    #[allow(unsafe_code)]
    fn g04_weights_of_any_size_are_kept_in_any_order() {
        let weights = Weights::new(&Arc::default());
        let sizes = [0, 1, 65_534, 65_535, 65_536, 1 << 40, u64::MAX, u64::MAX - 1, 7];
        for turn in 0..sizes.len() {
            let of = |index: u32| sizes[(index as usize + turn) % sizes.len()];
            (0..10_000).for_each(|index| weights.set(index, of(index)));
            // SAFETY: set above.
            (0..10_000).for_each(|index| assert_eq!(unsafe { weights.get(index) }, of(index)));
        }
    }

    #[test]
    fn g02_light_weights_take_two_bytes_and_one_heavy_one_takes_little() {
        let weights = Weights::new(&Arc::default());
        (0..1 << 16).for_each(|index| weights.set(index, 1000));
        assert_eq!(weights.bytes(), 2 << 16);
        weights.set(40_000, 1 << 20);
        assert_eq!(weights.bytes(), (2 << 16) + 1024);
    }
}

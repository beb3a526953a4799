//! The way from reads and writes to the shadows, and from the shadows to the shards' windows.
//!
//! One in so many keys is sampled (a mask test on the hash). A hit on a sampled key that raised its use
//! counter leaves its hash in a lossy mailbox: two relaxed stores, no lock, dropped when the mailbox is
//! full or raced for. A miss of a sampled key, on its way to insert, tries the lock of the shadows; if it
//! gets it, it empties the mailbox into them, adds itself, and notes the window they prefer. Shards take
//! that window over when they are next locked. (Which accesses the shadows see, and why that is enough:
//! `policy::adapt`.)

use crate::hash::Hash;
use crate::policy::{Policy, Shadows};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Hits that wait to be seen.
const MAILBOX: usize = if crate::sync::MODEL { 2 } else { 128 };
/// Never sampled: more than any hash can clear.
const NEVER: u64 = u64::MAX;

/// One per cache.
#[derive(Debug)]
pub(crate) struct Adapt {
    /// Sampled are the hashes with none of these bits; `NEVER` when nothing adapts.
    mask: AtomicU64,
    /// The window the shadows prefer, as the bits of an `f32`.
    window: AtomicU32,
    /// The first free place of the mailbox. Racing readers may lose a hash, no more.
    next: AtomicUsize,
    mailbox: Box<[AtomicU64]>,
    shadows: Mutex<Shadows>,
}

impl Adapt {
    /// For a cache that is expected to hold `entries`.
    pub(crate) fn new(policy: Policy, entries: usize, seed: u64) -> Self {
        let shadows = Shadows::new(entries, seed);
        let adapts = policy == Policy::ClockTinyLfu;
        Adapt {
            mask: AtomicU64::new(if adapts { shadows.sample_mask() } else { NEVER }),
            window: AtomicU32::new(shadows.window().to_bits()),
            next: AtomicUsize::new(0),
            mailbox: (0..if adapts { MAILBOX } else { 0 }).map(|_| AtomicU64::new(0)).collect(),
            shadows: Mutex::new(shadows),
        }
    }

    /// Is the key in the sample?
    #[inline(always)]
    pub(crate) fn samples(&self, hash: Hash) -> bool {
        let mask = self.mask.load(Ordering::Relaxed);
        mask != NEVER && hash.bits() & mask == 0
    }

    /// A hit on a sampled key raised its counter.
    #[cold]
    pub(crate) fn hit(&self, hash: Hash) {
        let at = self.next.load(Ordering::Relaxed);
        if let Some(place) = self.mailbox.get(at) {
            self.next.store(at + 1, Ordering::Relaxed);
            place.store(hash.bits(), Ordering::Relaxed);
        }
    }

    /// A sampled key was missed and inserted. `entries`: how many the cache holds when it is full, if that
    /// is known now. No lock is held.
    #[cold]
    pub(crate) fn miss(&self, hash: Hash, entries: impl FnOnce() -> Option<usize>) {
        let Some(mut shadows) = self.shadows.try_lock() else { return };
        let end = self.next.swap(0, Ordering::Relaxed).min(self.mailbox.len());
        for place in &self.mailbox[..end] {
            shadows.access(place.load(Ordering::Relaxed), 1);
        }
        shadows.access(hash.bits(), 1);
        if let Some(entries) = entries() {
            shadows.set_capacity(entries);
            self.mask.store(shadows.sample_mask(), Ordering::Relaxed);
        }
        self.window.store(shadows.window().to_bits(), Ordering::Relaxed);
    }

    /// The window every shard should have, as a part of its weight.
    #[inline]
    pub(crate) fn window(&self) -> f32 {
        f32::from_bits(self.window.load(Ordering::Relaxed))
    }
}

#[cfg(all(test, loom))]
mod models;

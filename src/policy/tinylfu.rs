//! `TinyLfu`: a window of new entries, a CLOCK of admitted ones, and a sketch that decides who passes.
//!
//! ```text
//!  insert -> [ window: FIFO ] -- duel --> [ main: CLOCK ] -> victim
//!                                 `-> victim (the loser)
//! ```
//!
//! The idea that makes reads free: **the entry counts its own hits, the sketch only remembers what is not in the cache
//! any more.** A hit raises the 2-bit counter of the entry; the sketch is written at a miss, when the hand passes an
//! entry and takes its counter down, and when an entry with uses is evicted.
//!
//! The **duel**: the window's oldest entry, with its estimate and its own uses, against the one the hand has chosen.
//! The more frequent stays (or enters) main, the other is evicted; a tie goes to the one in main. A candidate that was
//! seen more than once is admitted anyway one time in `JITTER`, by a seeded generator, so that no pattern of
//! requests can freeze the filter for good.
//!
//! The **window's target** is a fraction of the weight held now, so it follows a budget that moves between shards.
//! Nothing is moved when the fraction changes: a window that is too large hands over a few entries at each operation
//! until it is not, one that is too small grows as victims come from main.
//!
//! Costs: `insert`, `replace`, `remove` O(1) with at most `HANDOVER` entries moved; `victim` that plus at most
//! 256 steps of the hand (see `clock`), one or two on average. Memory: 8 bytes of links, 8 of sketch an entry.
//!
//! Sources: TinyLFU (Einziger, Friedman, Manes 2017), its window (W-TinyLFU, the same), CLOCK with a small FIFO before
//! it (S3-FIFO, Yang et al. 2023).

use super::Residents;
use super::clock::turn;
use super::queue::{Links, Queue, Tag};
use super::sketch::Sketch;

/// One candidate in so many is admitted although it lost.
const JITTER: u64 = 128;
/// Entries handed from a window far too large to main by one operation.
const HANDOVER: usize = 4;
/// The window before anything is known of the workload.
pub(crate) const INITIAL_WINDOW: f32 = 0.1;
/// What a fraction of one is as an integer.
const ONE: u64 = 1 << 16;

/// The policy's state.
#[derive(Debug)]
pub(crate) struct TinyLfu {
    links: Links,
    window: Queue,
    main: Queue,
    sketch: Sketch,
    /// The window's share in parts of [`ONE`].
    share: u64,
    /// The generator's state (splitmix64).
    random: u64,
}

impl TinyLfu {
    pub(crate) fn new(seed: u64) -> Self {
        let mut policy = Self {
            links: Links::new(),
            window: Queue::new(Tag::Window),
            main: Queue::new(Tag::Main),
            sketch: Sketch::new(),
            share: 0,
            random: seed,
        };
        policy.set_window(INITIAL_WINDOW);
        policy
    }

    pub(crate) fn insert(&mut self, index: u32, r: &impl Residents) {
        self.links.reserve(index);
        self.window.push_front(&mut self.links, index, r.weight(index));
        self.sketch.follow(self.len());
        self.sketch.increment(r.hash(index));
        self.hand_over(r);
    }

    pub(crate) fn replace(&mut self, old: u32, new: u32, old_weight: u64, r: &impl Residents) {
        self.links.reserve(new);
        let weight = r.weight(new);
        if let Some(queue) = self.queue_of(old) {
            // Two fields are needed at once, so `queue_of` only tells which.
            let queue = if queue == Tag::Window { &mut self.window } else { &mut self.main };
            queue.replace(&mut self.links, (old, old_weight), (new, weight));
        }
    }

    pub(crate) fn remove(&mut self, index: u32, weight: u64) {
        match self.queue_of(index) {
            Some(Tag::Window) => self.window.unlink(&mut self.links, index, weight),
            Some(Tag::Main) => self.main.unlink(&mut self.links, index, weight),
            None => {}
        }
    }

    pub(crate) fn victim(&mut self, r: &impl Residents) -> Option<u32> {
        self.hand_over(r);
        let candidate = self.window.back().filter(|_| self.window.weight() > self.target());
        let sketch = &mut self.sketch;
        let settled = turn(&mut self.main, &mut self.links, r, |index| sketch.increment(r.hash(index)));
        match (candidate, settled) {
            (Some(candidate), Some(settled)) if self.admits(candidate, settled, r) => {
                self.promote(candidate, r);
                Some(self.evict(settled, r))
            }
            (Some(candidate), _) => Some(self.evict(candidate, r)),
            (None, Some(settled)) => Some(self.evict(settled, r)),
            (None, None) => self.window.back().map(|oldest| self.evict(oldest, r)),
        }
    }

    pub(crate) fn set_window(&mut self, fraction: f32) {
        self.share = (f64::from(fraction.clamp(0.0, 1.0)) * ONE as f64) as u64;
    }

    pub(crate) fn tend(&mut self, budget: usize) {
        self.sketch.tend(budget);
    }

    pub(crate) const fn len(&self) -> usize {
        self.window.len() + self.main.len()
    }

    pub(crate) const fn weight(&self) -> u64 {
        self.window.weight().saturating_add(self.main.weight())
    }

    pub(crate) fn check(&self, r: &impl Residents) -> Result<(), String> {
        self.window.check(&self.links, r)?;
        self.main.check(&self.links, r)?;
        self.sketch.check()
    }

    fn queue_of(&self, index: u32) -> Option<Tag> {
        self.links.tag(index)
    }

    /// The weight the window may have.
    fn target(&self) -> u64 {
        ((u128::from(self.weight()) * u128::from(self.share)) >> 16) as u64
    }

    /// Whether the window's candidate is worth more than the entry the hand has chosen.
    fn admits(&mut self, candidate: u32, settled: u32, r: &impl Residents) -> bool {
        let challenger = self.sketch.estimate(r.hash(candidate)) + u32::from(r.uses(candidate));
        let incumbent = self.sketch.estimate(r.hash(settled)) + u32::from(r.uses(settled));
        challenger > incumbent || (challenger > 1 && self.one_in(JITTER))
    }

    /// Moves an entry from the window to main.
    fn promote(&mut self, index: u32, r: &impl Residents) {
        let weight = r.weight(index);
        self.window.unlink(&mut self.links, index, weight);
        self.main.push_front(&mut self.links, index, weight);
    }

    /// Forgets an entry; the sketch keeps the uses it still had.
    fn evict(&mut self, index: u32, r: &impl Residents) -> u32 {
        self.sketch.add(r.hash(index), u32::from(r.uses(index)));
        self.remove(index, r.weight(index));
        index
    }

    /// Hands over entries to main without a duel while the window is well beyond its target: at first filling, and
    /// after its fraction was lowered.
    fn hand_over(&mut self, r: &impl Residents) {
        for _ in 0..HANDOVER {
            let slack = self.weight() / 64 + (self.weight() / (self.len() as u64).max(1)).saturating_mul(4);
            if self.window.weight() <= self.target().saturating_add(slack) {
                return;
            }
            let Some(oldest) = self.window.back() else { return };
            self.promote(oldest, r);
        }
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).is_multiple_of(n)
    }
}

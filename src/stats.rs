//! Statistics (G29): what a cache has done.
//!
//! Hits and misses are counted by readers, each thread in a line of its own as long as there are lines
//! enough ([`Stripes`]); everything else is counted under the lock of a shard ([`Tally`]). A reading adds
//! them up: exact when the cache is quiet, never going down when it is not.

use crate::listener::Cause;
use crate::sync::Padded;
use crate::sync::atomic::{AtomicU64, Ordering};
use std::fmt;

/// Hits and misses.
#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// A line of counts for each of the first threads, and one that the others share.
#[derive(Debug)]
pub(crate) struct Stripes {
    /// Line `n` is written by the thread whose number is `n` alone, without a read-modify-write; a number
    /// passes from one thread to the next through the reclaimer's registry, which orders them.
    own: Box<[Padded<Counts>]>,
    /// Of the other threads, and of who is alone.
    shared: Padded<Counts>,
}

/// Where one thread counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'s> {
    counts: &'s Counts,
    /// Nobody else counts there meanwhile.
    own: bool,
}

impl Stripes {
    pub(crate) fn new(lines: usize) -> Self {
        Stripes { own: (0..lines).map(|_| Padded::default()).collect(), shared: Padded::default() }
    }

    /// The line of the thread with this number.
    #[inline(always)]
    pub(crate) fn line(&self, thread: usize) -> Line<'_> {
        match self.own.get(thread) {
            Some(counts) => Line { counts, own: true },
            None => Line { counts: &self.shared, own: false },
        }
    }

    /// The line of a caller beside whom nobody counts.
    #[inline(always)]
    pub(crate) fn line_alone(&self) -> Line<'_> {
        Line { counts: &self.shared, own: true }
    }

    pub(crate) fn add_to(&self, stats: &mut Stats) {
        for line in self.own.iter().chain([&self.shared]) {
            stats.hits += line.hits.load(Ordering::Relaxed);
            stats.misses += line.misses.load(Ordering::Relaxed);
        }
    }
}

impl Line<'_> {
    #[inline(always)]
    pub(crate) fn hit(self) {
        self.count(&self.counts.hits);
    }

    #[inline(always)]
    pub(crate) fn miss(self) {
        self.count(&self.counts.misses);
    }

    #[inline(always)]
    fn count(self, count: &AtomicU64) {
        if self.own {
            count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        } else {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What writers did to one shard. Under the shard's lock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) added: u64,
    pub(crate) replaced: u64,
    pub(crate) removed: u64,
    pub(crate) cleared: u64,
    pub(crate) invalidated: u64,
    pub(crate) refused: u64,
    pub(crate) evicted: u64,
    pub(crate) evicted_weight: u64,
    pub(crate) expired: u64,
    pub(crate) expired_weight: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, cause: Cause, weight: u64) {
        match cause {
            Cause::Expired => {
                self.expired += 1;
                self.expired_weight = self.expired_weight.saturating_add(weight);
            }
            Cause::Evicted => {
                self.evicted += 1;
                self.evicted_weight = self.evicted_weight.saturating_add(weight);
            }
            Cause::Replaced => self.replaced += 1,
            Cause::Removed => self.removed += 1,
            Cause::Cleared => self.cleared += 1,
            Cause::Invalidated => self.invalidated += 1,
            Cause::Refused => self.refused += 1,
        }
    }

    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.added += self.added;
        stats.replaced += self.replaced;
        stats.removed += self.removed;
        stats.cleared += self.cleared;
        stats.invalidated += self.invalidated;
        stats.refused += self.refused;
        stats.evicted += self.evicted;
        stats.evicted_weight = stats.evicted_weight.saturating_add(self.evicted_weight);
        stats.expired += self.expired;
        stats.expired_weight = stats.expired_weight.saturating_add(self.expired_weight);
    }
}

/// A reading of a cache's statistics. As text (`Display`) it is a few lines for people, whose form may change.
///
/// ```
/// let cache = pinyon::Cache::builder().capacity(10).build()?;
/// cache.insert("a", 1);
/// assert_eq!((cache.get("a"), cache.get("b")), (Some(1), None));
/// let stats = cache.stats();
/// assert_eq!((stats.hits, stats.misses, stats.added), (1, 1, 1));
/// assert_eq!(stats.hit_ratio(), Some(0.5));
/// # Ok::<(), pinyon::BuildError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Reads that found a live entry.
    pub hits: u64,
    /// Reads that found none, or an expired or invalidated one.
    pub misses: u64,
    /// Entries written where there was no live one.
    pub added: u64,
    /// Live entries that another value was written over, or that a refused one was to replace.
    pub replaced: u64,
    /// Entries removed by key or predicate.
    pub removed: u64,
    /// Entries removed by `clear`.
    pub cleared: u64,
    /// Entries that `invalidate_all` or `invalidate_tag` had outdated and whose memory was given back.
    pub invalidated: u64,
    /// Pairs that were too heavy.
    pub refused: u64,
    /// Entries evicted to make room.
    pub evicted: u64,
    /// Their weight.
    pub evicted_weight: u64,
    /// Entries whose expiry was noticed and whose memory was given back.
    pub expired: u64,
    /// Their weight.
    pub expired_weight: u64,
    /// Values that loaders made.
    pub loads: u64,
    /// Loaders that failed, panicked or were given up.
    pub load_failures: u64,
    /// What both took together, in nanoseconds of the cache's time.
    pub load_nanos: u64,
    /// Calls that missed, and then got a value, or an error, that another call had made.
    pub coalesced: u64,
    /// Calls that wait at this moment for another one's loader.
    pub waiting: u64,
    /// Loaded values that were not written, because their key had been written, or one of their tags invalidated, since the load began.
    pub stale_loads: u64,
    /// Entries in the cache now, expired and invalidated ones that were not noticed yet among them.
    pub entries: u64,
    /// Their weight.
    pub weight: u64,
    /// What they may weigh.
    pub capacity: u64,
    /// Entries that have left the cache and wait for readers before they are dropped.
    pub retired: u64,
    /// Bytes of the cache's own tables and slabs, reserved or in use; what keys and values own is not in it.
    pub overhead_bytes: u64,
}

impl Stats {
    /// Hits among reads; `None` before the first read.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        let reads = self.hits + self.misses;
        (reads > 0).then(|| self.hits as f64 / reads as f64)
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = self.hit_ratio().unwrap_or(0.0) * 100.0;
        writeln!(f, "reads     {} hits, {} misses ({ratio:.2} % hit)", self.hits, self.misses)?;
        writeln!(f, "writes    {} added, {} replaced, {} refused", self.added, self.replaced, self.refused)?;
        if self.loads + self.load_failures > 0 {
            writeln!(
                f,
                "loads     {} made, {} failed, {} shared with others, {} stale",
                self.loads, self.load_failures, self.coalesced, self.stale_loads
            )?;
        }
        writeln!(
            f,
            "left      {} evicted (weight {}), {} expired (weight {}), {} removed, {} cleared, {} invalidated",
            self.evicted,
            self.evicted_weight,
            self.expired,
            self.expired_weight,
            self.removed,
            self.cleared,
            self.invalidated
        )?;
        write!(
            f,
            "holds     {} entries of weight {} in {}; {} retired; {} bytes of overhead",
            self.entries, self.weight, self.capacity, self.retired, self.overhead_bytes
        )
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn g29_counts_are_exact_on_own_and_shared_lines() {
        let stripes = Stripes::new(2);
        for thread in [0, 1, 2, 99] {
            stripes.line(thread).hit();
            if thread == 99 { stripes.line(thread).hit() } else { stripes.line(thread).miss() }
        }
        let mut stats = Stats::default();
        stripes.add_to(&mut stats);
        assert_eq!((stats.hits, stats.misses), (5, 3));
        assert_eq!(stats.hit_ratio(), Some(0.625));
        assert!(stats.to_string().contains("5 hits, 3 misses (62.50 % hit)"));
    }
}

#[cfg(all(test, loom))]
mod models;

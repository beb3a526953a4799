//! `Flights`: which keys are being loaded now, and what loading has come to.
//!
//! A list for each shard, empty while nothing is loaded. Keys are found by all 64 bits of their hash, and compared by the user's
//! equality after the lock was let go of (G24); what was compared is confirmed under the lock.

use super::flight::Flight;
use crate::hash::Hash as Bits;
use crate::stats::Stats;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{self, Arc, Mutex, Padded};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Lines that are copied in one critical section, at most.
const STEP: usize = 32;

/// A key that is being loaded.
#[derive(Debug)]
pub(crate) struct Loading<K, V> {
    pub(crate) key: K,
    pub(crate) flight: Flight<V>,
}

/// Those of one hash, the newest last: one, but for keys that share it, and flights whose value would be stale to new callers.
pub(crate) type Line<K, V> = Vec<Arc<Loading<K, V>>>;

/// Those of one shard, by hash. A tree, because no step of it under the lock is long, however many there are.
type Lines<K, V> = Mutex<BTreeMap<u64, Line<K, V>>>;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Flights<K, V> {
    shards: Box<[Padded<Lines<K, V>>]>,
    tally: Tally,
}

/// What loading has come to. Relaxed: read by `stats` alone.
#[derive(Debug, Default)]
struct Tally {
    loads: AtomicU64,
    failed: AtomicU64,
    nanos: AtomicU64,
    waited: AtomicU64,
    stale: AtomicU64,
    /// Numbers of chance given out.
    chances: AtomicU64,
}

/// What came of looking for a flight.
pub(crate) enum Joined<K, V> {
    /// There is one to poll.
    There(Arc<Loading<K, V>>),
    /// The caller leads this one. With those of its hash that were there before: the drop of one that has left the list runs the user's
    /// code, so it is for the caller, when the lead cannot be lost any more.
    Mine(Arc<Loading<K, V>>, Line<K, V>),
}

impl<K, V> Flights<K, V> {
    pub(crate) fn new(shards: usize) -> Self {
        let shard = || Padded(Mutex::new(BTreeMap::new()));
        Flights { shards: (0..shards).map(|_| shard()).collect(), tally: Tally::default() }
    }

    fn shard(&self, hash: Bits) -> &Lines<K, V> {
        &self.shards[hash.shard(self.shards.len())].0
    }

    /// The flight of a key that the caller is inside of, else the newest one if it is `good` for a call that begins now, else a
    /// new one; who waits for an older one goes on to do so. Runs user code (`is` and `make`), under no lock.
    pub(crate) fn join(
        &self,
        hash: Bits,
        is: impl Fn(&K) -> bool,
        good: impl Fn(&Flight<V>) -> bool,
        make: impl Fn() -> K,
    ) -> Joined<K, V> {
        let me = sync::this_thread();
        loop {
            let line = self.line(hash);
            let of_key: Vec<_> = line.iter().filter(|loading| is(&loading.key)).collect();
            let own = of_key.iter().find(|loading| loading.flight.is_run_by(me));
            let newest = || of_key.last().filter(|loading| good(&loading.flight));
            if let Some(&there) = own.or_else(newest) {
                return Joined::There(there.clone());
            }
            if let Some(mine) = self.add(hash, &line, make()) {
                of_key.iter().for_each(|older| older.flight.supersede());
                drop(of_key);
                return Joined::Mine(mine, line);
            }
        }
    }

    fn line(&self, hash: Bits) -> Line<K, V> {
        self.shard(hash).lock().get(&hash.bits()).cloned().unwrap_or_default()
    }

    /// A new flight, if those of its hash are still the ones that were `seen`.
    fn add(&self, hash: Bits, seen: &Line<K, V>, key: K) -> Option<Arc<Loading<K, V>>> {
        let mine = Arc::new(Loading { key, flight: Flight::new() });
        let mut shard = self.shard(hash).lock();
        let there = shard.get(&hash.bits()).map_or(&[][..], Vec::as_slice);
        let same = there.len() == seen.len() && there.iter().zip(seen).all(|(a, b)| Arc::ptr_eq(a, b));
        if same {
            shard.entry(hash.bits()).or_default().push(mine.clone());
        }
        drop(shard);
        same.then_some(mine)
    }

    /// No new caller finds this flight.
    pub(crate) fn remove(&self, hash: Bits, loading: &Arc<Loading<K, V>>) {
        let mut shard = self.shard(hash).lock();
        let mut removed = None;
        if let Some(line) = shard.get_mut(&hash.bits()) {
            removed = line.iter().position(|other| Arc::ptr_eq(other, loading)).map(|at| line.remove(at));
            if line.is_empty() {
                shard.remove(&hash.bits());
            }
        }
        drop(shard);
        drop(removed);
    }

    /// Loads that are under way.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.lock().values().map(Vec::len).sum::<usize>()).sum()
    }

    /// Every flight that there is all the while, under no lock.
    fn each(&self, mut look: impl FnMut(&Loading<K, V>)) {
        for shard in &self.shards {
            let mut from = Bound::Unbounded;
            loop {
                let lines = shard.0.lock();
                let some = lines.range((from, Bound::Unbounded)).take(STEP);
                let some: Vec<_> = some.map(|(&hash, line)| (hash, line.clone())).collect();
                drop(lines);
                some.iter().flat_map(|(_, line)| line).for_each(|loading| look(loading));
                let Some(&(last, _)) = some.last() else { break };
                from = Bound::Excluded(last);
            }
        }
    }

    pub(crate) fn count_load(&self, nanos: u64) {
        self.tally.loads.fetch_add(1, Ordering::Relaxed);
        self.add_time(nanos);
    }

    fn add_time(&self, nanos: u64) {
        let longer = |all: u64| Some(all.saturating_add(nanos));
        // Cannot fail: the closure always answers.
        let _ = self.tally.nanos.fetch_update(Ordering::Relaxed, Ordering::Relaxed, longer);
    }

    /// What a load takes on the average, in nanoseconds, and a number from above 0 to 1.
    pub(crate) fn gap_and_chance(&self) -> (f64, f64) {
        let ended = self.tally.loads.load(Ordering::Relaxed) + self.tally.failed.load(Ordering::Relaxed);
        let gap = self.tally.nanos.load(Ordering::Relaxed) as f64 / ended.max(1) as f64;
        // A Weyl sequence, well mixed.
        let turn = self.tally.chances.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (turn ^ turn >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let bits = (mixed ^ mixed >> 32) >> 11;
        (gap, (bits + 1) as f64 / (1u64 << 53) as f64)
    }

    pub(crate) fn count_failure(&self, nanos: u64) {
        self.tally.failed.fetch_add(1, Ordering::Relaxed);
        self.add_time(nanos);
    }

    pub(crate) fn count_wait(&self) {
        self.tally.waited.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_stale(&self) {
        self.tally.stale.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.loads += self.tally.loads.load(Ordering::Relaxed);
        stats.load_failures += self.tally.failed.load(Ordering::Relaxed);
        stats.load_nanos = stats.load_nanos.saturating_add(self.tally.nanos.load(Ordering::Relaxed));
        stats.coalesced += self.tally.waited.load(Ordering::Relaxed);
        self.each(|loading| stats.waiting += loading.flight.waiting() as u64);
        stats.stale_loads += self.tally.stale.load(Ordering::Relaxed);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_what_a_load_takes_on_the_average_and_chances_are_even() {
        let flights = Flights::<u32, u32>::new(1);
        assert_eq!(flights.gap_and_chance().0, 0.0);
        flights.count_load(30);
        flights.count_load(10);
        flights.count_failure(80);
        assert_eq!(flights.gap_and_chance().0, 40.0, "failed ones take time too");
        const MANY: usize = 10_000;
        let chances: Vec<f64> = (0..MANY).map(|_| flights.gap_and_chance().1).collect();
        assert!(chances.iter().all(|&chance| chance > 0.0 && chance <= 1.0));
        let share = |is: &dyn Fn(usize) -> bool| (0..MANY).filter(|&n| is(n)).count() as f64 / MANY as f64;
        for tenth in 0..10 {
            let share = share(&|n| (chances[n] * 10.0) as usize == tenth);
            assert!((share - 0.1).abs() < 0.02, "{share} in tenth {tenth}");
        }
        for ahead in 1..5 {
            let rises = share(&|n| chances[n] < chances[(n + ahead) % MANY]);
            let both = share(&|n| chances[n] < 0.5 && chances[(n + ahead) % MANY] < 0.5);
            assert!((rises - 0.5).abs() < 0.03 && (both - 0.25).abs() < 0.03, "{rises}, {both} at {ahead}");
        }
    }
}

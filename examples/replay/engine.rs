//! Pinyon, playing a trace.
//!
//! Every request is a get, and on a miss an insert. Threads take the requests in runs of 64 from one queue, so
//! that the trace's order holds to within a few runs however many threads there are. Only this loop is timed:
//! keys are decoded before it, and progress is drawn from the queue's position by a thread that does not play.

use std::time::{Duration, Instant};

use pinyon::{Cache, InsertOptions, ManualTicker, Policy, Stats};

use crate::capacity::{Capacity, Measure};
use crate::failure::Failure;
use crate::memory;
use crate::progress::Counter;
use crate::tally::Tally;
use crate::trace::{Times, Trace};

/// Requests a thread takes at a time.
const RUN: u64 = 64;

/// The cache under test: keys of the trace to what [`seal`] makes of them.
type Subject = Cache<u64, u64>;

/// How to play.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How much the cache holds.
    pub capacity: Capacity,
    /// Its replacement policy.
    pub policy: Policy,
    /// Its shards, if not left to it.
    pub shards: Option<usize>,
    /// Threads to play on.
    pub threads: usize,
    /// Whether the trace's TTLs count.
    pub ttl: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The hits.
    pub tally: Tally,
    /// Wall time of the loop.
    pub elapsed: Duration,
    /// By how much the resident set grew, from before the cache was built to after the loop; pages that an
    /// earlier run in this process left behind do not count again.
    pub grown: Option<u64>,
    /// Entries in the cache at the end.
    pub entries: u64,
    /// Their weight.
    pub weight: u64,
    /// Shards the cache has.
    pub shards: u64,
    /// The cache's own statistics.
    pub stats: Stats,
}

/// Plays a trace; `weights` are by key number.
pub fn play(trace: &Trace, weights: &[u32], plan: Plan, counter: &Counter) -> Result<Outcome, Failure> {
    let before = memory::resident();
    let ticker = ManualTicker::new();
    let cache = build(plan, &ticker)?;
    let lifetimes = trace.times.as_ref().filter(|_| plan.ttl);
    let weights = (plan.capacity.measure == Measure::Bytes).then_some(weights);
    let player = Player { trace, weights, cache: &cache, lifetimes, ticker: &ticker, counter };
    let started = Instant::now();
    let tally = player.play_on(plan.threads);
    let elapsed = started.elapsed();
    let grown = memory::resident().zip(before).map(|(after, before)| after.saturating_sub(before));
    let (entries, weight, shards) = (cache.len() as u64, cache.weight(), cache.shards());
    Ok(Outcome { tally, elapsed, grown, entries, weight, shards: shards as u64, stats: cache.stats() })
}

/// Builds the cache a plan asks for.
fn build(plan: Plan, ticker: &ManualTicker) -> Result<Subject, Failure> {
    let mut builder = Subject::builder().policy(plan.policy);
    builder = match plan.capacity.measure {
        Measure::Entries => builder.capacity(plan.capacity.amount),
        Measure::Bytes => {
            builder.capacity_weight(plan.capacity.amount).weigher(|_, &value| u64::from(weight_of(value)))
        }
    };
    if let Some(shards) = plan.shards {
        builder = builder.shards(shards);
    }
    if plan.ttl {
        builder = builder.ticker(ticker.clone());
    }
    builder.build().map_err(|error| Failure::option(format_args!("the cache cannot be built: {error}")))
}

/// The value kept for a key: its weight below a mark of the key, by which a hit shows that it is the right one.
fn seal(key: u64, weight: u32) -> u64 {
    (key ^ key.rotate_left(32)) << 32 | u64::from(weight)
}

/// The weight in a value.
fn weight_of(value: u64) -> u32 {
    value as u32
}

/// What the threads of one replay share.
#[derive(Clone, Copy)]
struct Player<'a> {
    trace: &'a Trace,
    /// By key number; none if every entry weighs 1, which spares a request the look into a large array.
    weights: Option<&'a [u32]>,
    cache: &'a Subject,
    lifetimes: Option<&'a Times>,
    ticker: &'a ManualTicker,
    /// The first request nobody has taken yet.
    counter: &'a Counter,
}

impl Player<'_> {
    /// Plays the whole trace on some threads.
    fn play_on(self, threads: usize) -> Tally {
        if threads == 1 {
            return self.take_runs();
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(move || self.take_runs())).collect();
            let mut total = Tally::default();
            for thread in threads {
                match thread.join() {
                    Ok(tally) => total += tally,
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            total
        })
    }

    /// Plays runs of requests until there are none left.
    fn take_runs(self) -> Tally {
        let mut tally = Tally::default();
        let all = self.trace.requests() as u64;
        loop {
            let start = self.counter.claim(RUN).min(all);
            if start == all {
                return tally;
            }
            for request in start..(start + RUN).min(all) {
                self.request(request as usize, &mut tally);
            }
        }
    }

    /// Plays one request.
    #[inline]
    fn request(self, request: usize, tally: &mut Tally) {
        let key = self.trace.keys[request];
        let weight = self.weights.map_or(1, |weights| weights[self.trace.ids[request] as usize]);
        let value = seal(key, weight);
        if let Some(times) = self.lifetimes {
            self.ticker.advance_to(Duration::from_secs(u64::from(times.at[request] - times.at[0])));
        }
        if let Some(found) = self.cache.get(&key) {
            assert_eq!(found, value, "the cache returned a value that was never stored for key {key}");
            tally.hit(weight_of(found));
        } else if let Some(times) = self.lifetimes {
            let ttl = Duration::from_secs(u64::from(times.ttl[request]));
            self.cache.insert_with(key, value, InsertOptions::new().ttl(ttl));
        } else {
            self.cache.insert(key, value);
        }
    }
}

//! How long single operations take: `cargo bench --manifest-path benches/single/Cargo.toml`. Other caches beside it: benches/peers.
//!
//! One thread, `u64` to `u64`, keys in an order that no prefetcher guesses. 10,000 entries lie in the nearer caches of a
//! CPU, a million do not.

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, criterion_group, criterion_main};
use pinyon::{Cache, Compute};
use std::hint::black_box;
use std::time::Duration;

const SIZES: [u64; 2] = [10_000, 1_000_000];
/// Under `cargo test`, which runs everything once.
const SMALL: [u64; 1] = [1000];
const HOUR: Duration = Duration::from_secs(3600);

/// Reads under one guard.
const BATCH: u64 = 1024;

/// The numbers in a strewn order, again and again.
struct Walk {
    at: u64,
    size: u64,
}

impl Walk {
    fn over(size: u64) -> Self {
        Walk { at: 0, size }
    }

    /// The next number: every one of the size comes once before any comes again.
    fn step(&mut self) -> u64 {
        // A prime that divides none of the sizes.
        self.at = (self.at + 7_368_787) % self.size;
        self.at
    }
}

/// A full cache of the numbers up to its capacity.
fn full(size: u64, ttl: Option<Duration>) -> Cache<u64, u64> {
    let builder = Cache::builder().capacity(size);
    let builder = if let Some(ttl) = ttl { builder.time_to_live(ttl) } else { builder };
    let cache = builder.build().expect("the settings are fine");
    (0..size).for_each(|number| _ = cache.insert(number, number));
    cache
}

fn reads(group: &mut BenchmarkGroup<'_, WallTime>, size: u64) {
    let (cache, mut walk) = (full(size, None), Walk::over(size));
    group.bench_function("get hit", |bench| bench.iter(|| cache.get(&walk.step())));
    group.bench_function("get miss", |bench| bench.iter(|| cache.get(&(size + walk.step()))));
    group.bench_function("get_ref hit", |bench| {
        bench.iter(|| cache.get_ref(&walk.step()).map(|value| *value))
    });
    group.bench_function("pin, 1024 hits", |bench| {
        bench.iter(|| {
            let pinned = cache.pin();
            (0..BATCH).for_each(|_| _ = black_box(pinned.get(&walk.step())));
        });
    });
    let living = full(size, Some(HOUR));
    group.bench_function("get hit with a lifetime", |bench| bench.iter(|| living.get(&walk.step())));
}

fn writes(group: &mut BenchmarkGroup<'_, WallTime>, size: u64) {
    let (cache, mut walk, mut fresh) = (full(size, None), Walk::over(size), size);
    group.bench_function("insert, evicting", |bench| {
        bench.iter(|| {
            fresh += 1;
            cache.insert(fresh, fresh)
        });
    });
    let cache = full(size, None);
    group.bench_function("overwrite", |bench| bench.iter(|| cache.insert(walk.step(), 1)));
    let one_more = |now: Option<&u64>| Compute::Put(now.map_or(1, |count| count + 1));
    group.bench_function("compute", |bench| bench.iter(|| cache.compute(walk.step(), one_more)));
    group.bench_function("remove", |bench| {
        // What is removed is put there again beside the measurement.
        let put = || {
            let number = walk.step();
            cache.insert(number, number);
            number
        };
        bench.iter_batched(put, |number| cache.remove(&number), BatchSize::SmallInput);
    });
}

fn single(criterion: &mut Criterion) {
    let timed = std::env::args().any(|word| word == "--bench");
    for &size in if timed { &SIZES[..] } else { &SMALL[..] } {
        let mut group = criterion.benchmark_group(format!("{size} entries"));
        reads(&mut group, size);
        writes(&mut group, size);
    }
}

criterion_group! {
    name = operations;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).without_plots();
    targets = single
}
criterion_main!(operations);

//! What loading costs: `cargo bench --manifest-path benches/single/Cargo.toml --bench loads`.
//!
//! One thread, `u64` to `u64`, 10,000 entries. A load by lease is measured alone and among 10,000 others that are under way
//! in the same cache; the insertion beside it is what its locks are to be compared with.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use pinyon::{Acquired, Cache, LeaseOptions, LoadOptions};
use std::hint::black_box;
use std::time::Duration;

const ENTRIES: u64 = 10_000;

fn full() -> Cache<u64, u64> {
    let cache = Cache::builder().capacity(ENTRIES).build().expect("the settings are fine");
    (0..ENTRIES).for_each(|number| _ = cache.insert(number, number));
    cache
}

/// The numbers of the entries in a strewn order.
fn walk(at: &mut u64) -> u64 {
    *at = (*at + 7_368_787) % ENTRIES;
    *at
}

fn hits(criterion: &mut Criterion) {
    let (cache, mut at) = (full(), 0);
    let mut group = criterion.benchmark_group("hit");
    group.bench_function("get", |bench| bench.iter(|| cache.get(&walk(&mut at))));
    group.bench_function("get_or_load", |bench| bench.iter(|| cache.get_or_load(&walk(&mut at), || 0)));
    group.bench_function("acquire", |bench| {
        bench.iter(|| cache.acquire(&walk(&mut at), LeaseOptions::new()));
    });
    let seldom = || LoadOptions::<()>::new().refresh_after(Duration::from_secs(3600));
    group.bench_function("load with a soft deadline", |bench| {
        bench.iter(|| cache.load(&walk(&mut at), seldom(), |_| unreachable!("all are there")));
    });
    group.bench_function("get_or_load_async", |bench| {
        use std::task::{Context, Waker};
        bench.iter(|| {
            let key = walk(&mut at);
            let load = std::pin::pin!(cache.get_or_load_async(&key, async { 0 }));
            load.poll(&mut Context::from_waker(Waker::noop())).is_ready()
        });
    });
}

fn loads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    let (cache, mut fresh) = (full(), 1 << 40);
    let mut next = || {
        fresh += 1;
        fresh
    };
    group.bench_function("insert, evicting", |bench| {
        bench.iter_batched(&mut next, |key| cache.insert(key, key), BatchSize::SmallInput);
    });
    group.bench_function("get_or_load", |bench| {
        bench.iter_batched(&mut next, |key| cache.get_or_load(&key, || key), BatchSize::SmallInput);
    });
    let many: Vec<u64> = (0..64).collect();
    group.bench_function("get_many_or_load, 64 keys", |bench| {
        let keys = || -> Vec<u64> { many.iter().map(|_| next()).collect() };
        let load = |keys: &[u64]| Ok::<_, ()>(keys.to_vec());
        let ask = |keys: Vec<u64>| black_box(cache.get_many_or_load(&keys, LoadOptions::new(), load));
        bench.iter_batched(keys, ask, BatchSize::SmallInput);
    });
    let lease = |key: u64| match cache.acquire(&key, LeaseOptions::new()) {
        Acquired::Lead(token) => drop(black_box(cache.complete(token, key))),
        _ => unreachable!("nobody loads it"),
    };
    group.bench_function("acquire and complete", |bench| {
        bench.iter_batched(&mut next, lease, BatchSize::SmallInput);
    });
    let out: Vec<_> = (0..10_000).map(|_| cache.acquire(&next(), LeaseOptions::new())).collect();
    group.bench_function("acquire and complete among 10,000 leases", |bench| {
        bench.iter_batched(&mut next, lease, BatchSize::SmallInput);
    });
    black_box(out);
}

criterion_group! {
    name = loading;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).without_plots();
    targets = hits, loads
}
criterion_main!(loading);

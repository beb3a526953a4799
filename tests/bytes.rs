//! Do bytes mean bytes: what the process holds while a budget of bytes is churned, and what a cache costs when empty.

mod common;

use common::{Meter, Rng, alone, checked, in_use, take_peak};
use pinyon::{Cache, InsertOptions, Inserted, Lifetime, Policy};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[global_allocator]
static METER: Meter = Meter;

const MIB: isize = 1 << 20;
const BUDGET: isize = 32 * MIB;
/// What G02 allows.
const ALLOWED: isize = BUDGET + BUDGET / 20 + 4 * MIB;

/// Resident bytes of the process.
fn resident() -> isize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<isize>().unwrap() * 4096
}

/// 64 bytes to 64 KiB, as many of each order of magnitude.
fn any_size(rng: &mut Rng) -> usize {
    let order = 6 + rng.below(10);
    (1 << order) + rng.below(1 << order) as usize
}

/// For how long writers wait for a reader who looks at what waits; who is stopped for longer holds up whatever is evicted meanwhile.
const PATIENCE: Duration = Duration::from_millis(10);

/// Churns a cache of the budget, and checks the heap all the while. A run in which the reader was stopped by the system says nothing.
fn churn(
    name: &str,
    shards: usize,
    policy: Policy,
    load: (u64, u64, u64),
    size: impl Fn(&mut Rng) -> usize + Sync,
) {
    let _alone = alone();
    let fits = (0..10).any(|_| {
        let (peak, stopped) = churn_once(name, shards, policy, load, &size);
        assert!(peak <= ALLOWED || stopped > PATIENCE, "{name}: {peak} bytes on the heap, {ALLOWED} allowed");
        peak <= ALLOWED
    });
    assert!(fits, "{name}: {ALLOWED} bytes are allowed; the reader was stopped in each of ten runs");
}

/// The most bytes on the heap, and the longest time for which the reader did nothing.
fn churn_once(
    name: &str,
    shards: usize,
    policy: Policy,
    (threads, writes, keys): (u64, u64, u64),
    size: &(impl Fn(&mut Rng) -> usize + Sync),
) -> (isize, Duration) {
    let before = in_use();
    let resident_before = resident();
    let builder =
        Cache::<u64, Vec<u8>>::builder().capacity_bytes(BUDGET as u64).shards(shards).policy(policy);
    let cache = checked(builder);
    take_peak();
    let done = AtomicBool::new(false);
    let stopped = thread::scope(|scope| {
        // A reader that looks at values, one at a time, all the while.
        let reader = scope.spawn(|| {
            let (mut rng, mut last, mut stopped) = (Rng::new(1000), Instant::now(), Duration::ZERO);
            while !done.load(Ordering::Acquire) {
                let now = Instant::now();
                stopped = stopped.max(now - last);
                last = now;
                if let Some(value) = cache.get_ref(&rng.below(keys)) {
                    assert_eq!(value[0], value[value.len() - 1]);
                }
            }
            stopped.max(last.elapsed())
        });
        let writers: Vec<_> = (0..threads)
            .map(|me| {
                let cache = &*cache;
                scope.spawn(move || {
                    let mut rng = Rng::new(me);
                    for _ in 0..writes {
                        let key = rng.below(keys);
                        match rng.below(10) {
                            0 => assert!(cache.get(&key).is_none_or(|value| !value.is_empty())),
                            1 => assert!([true, false].contains(&cache.invalidate(&key))),
                            _ => assert!(cache.insert(key, vec![key as u8; size(&mut rng)]).is_stored()),
                        }
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Release);
        reader.join().unwrap()
    });
    assert!(cache.weight() as isize > BUDGET * 9 / 10, "the budget is used: {}", cache.weight());
    let (peak, now) = (take_peak() - before, in_use() - before);
    let resident = resident() - resident_before;
    println!(
        "{name}: peak {peak}, now {now}, resident {resident}, allowed {ALLOWED}, {} entries",
        cache.len()
    );
    assert!(now >= BUDGET * 3 / 4, "{name}: weights are not far above the truth: {now}");
    drop(cache);
    let left = in_use() - before;
    assert!(left < 64 << 10, "{name}: {left} bytes are left of the cache");
    (peak, stopped)
}

#[test]
fn g02_values_of_all_sizes_stay_within_the_budget() {
    churn("all sizes", 8, Policy::ClockTinyLfu, (1, 12_000, 1 << 15), any_size);
}

#[test]
fn g02_values_of_all_sizes_stay_within_the_budget_with_two_writers_and_one_shard() {
    churn("all sizes, two writers", 1, Policy::Clock, (2, 6_000, 1 << 15), any_size);
}

#[test]
fn g02_small_values_stay_within_the_budget() {
    churn("64 bytes", 2, Policy::ClockTinyLfu, (1, 330_000, 1 << 20), |_| 64);
}

#[test]
fn g02_large_values_stay_within_the_budget() {
    churn("64 KiB", 8, Policy::ClockTinyLfu, (2, 1_500, 1 << 12), |_| 64 << 10);
}

#[test]
fn g02_sizes_that_change_from_small_to_large_and_back_stay_within_the_budget() {
    let _alone = alone();
    let before = in_use();
    let cache: common::Checked<u64, Vec<u8>> =
        checked(Cache::builder().capacity_bytes(BUDGET as u64).shards(2));
    take_peak();
    let mut rng = Rng::new(9);
    for (size, writes) in [(256usize, 110_000), (60_000, 900), (1000, 30_000)] {
        for _ in 0..writes {
            let key = rng.below(1 << 17);
            cache.insert(key, vec![0; size]);
        }
        let peak = take_peak() - before;
        println!("{size}: peak {peak}, {} entries", cache.len());
        assert!(peak <= ALLOWED, "values of {size} bytes: {peak} bytes on the heap, {ALLOWED} allowed");
    }
}

#[test]
fn g02_lifetimes_are_counted_whoever_gives_them() {
    const MANY: u64 = 1 << 20;
    let _alone = alone();
    let hour = Duration::from_secs(3600);
    type Write = fn(&Cache<u64, u64>, u64);
    let ways: [(&str, bool, Write); 3] = [
        ("by the builder", true, |cache, key| assert!(cache.insert(key, key).is_stored())),
        ("by each insertion", false, |cache, key| {
            let options = InsertOptions::new().ttl(Duration::from_secs(3600));
            assert!(cache.insert_with(key, key, options).is_stored());
        }),
        ("by one insertion, and afterwards", false, |cache, key| {
            assert!(cache.insert(key, key).is_stored());
            assert!(cache.set_lifetime(&key, Lifetime::After(Duration::from_secs(3600))));
        }),
    ];
    for (way, always, write) in ways {
        let before = in_use();
        let builder = Cache::builder().capacity_bytes(BUDGET as u64);
        let cache: common::Checked<u64, u64> =
            checked(if always { builder.time_to_live(hour) } else { builder });
        take_peak();
        (0..MANY).for_each(|key| write(&cache, key));
        let peak = take_peak() - before;
        println!("{way}: peak {peak}, {} entries", cache.len());
        assert!(peak <= ALLOWED, "{way}: {peak} bytes on the heap, {ALLOWED} allowed");
        assert!(peak >= BUDGET * 3 / 4, "{way}: weights are not far above the truth: {peak}");
    }
}

/// From the smallest values that G02 speaks of to the largest: the rows of the many small ones stay with the slab.
#[test]
fn g02_strings_as_keys_are_counted() {
    let _alone = alone();
    let before = in_use();
    let cache: common::Checked<String, String> = checked(Cache::builder().capacity_bytes(4 << 20));
    take_peak();
    for n in 0..60_000 {
        cache.insert(format!("{n:0>200}"), "x".repeat(n % 50));
    }
    let peak = take_peak() - before;
    assert!(peak <= (4 * MIB) * 105 / 100 + 4 * MIB, "{peak}");
    assert!(cache.len() < 15_000, "the keys' 200 bytes count");
    let text = "y".repeat(1000);
    cache.clear();
    cache.insert(text.clone(), text);
    assert!(cache.weight() >= 2016 + 48, "{}", cache.weight());
}

#[test]
fn g28_a_large_capacity_costs_nothing_until_it_is_used() {
    let _alone = alone();
    let measure = |build: &dyn Fn() -> Cache<u64, u64>| {
        drop(build());
        let before = in_use();
        take_peak();
        let cache = build();
        let (built, peak) = (in_use() - before, take_peak() - before);
        cache.insert(1, 1);
        cache.get(&1);
        let used = in_use() - before;
        cache.validate();
        println!("built {built}, peak {peak}, with one entry {used}, {} shards", cache.shards());
        (built.max(peak), used)
    };
    let build = |capacity: u64| move || Cache::builder().capacity(capacity).build().unwrap();
    let (small, _) = measure(&build(1000));
    for capacity in [100_000_000, u64::from(u32::MAX), u64::MAX] {
        let (built, used) = measure(&build(capacity));
        assert!(built < 64 << 10, "{built} bytes for a capacity of {capacity}");
        assert!(used < 512 << 10, "{used} bytes with one entry");
        assert!(built < small + (64 << 10));
    }
    let (built, used) = measure(&|| Cache::builder().capacity_bytes(1 << 40).build().unwrap());
    assert!(built < 64 << 10 && used < 512 << 10);
    let (built, _) = measure(&|| Cache::builder().capacity(100_000_000).shards(64).build().unwrap());
    assert!(built < 256 << 10, "{built} bytes for 64 shards");
}

#[test]
fn g28_memory_is_in_proportion_to_what_is_stored() {
    let _alone = alone();
    for entries in [1000u64, 20_000, 100_000] {
        let before = in_use();
        let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(10_000_000).shards(1));
        take_peak();
        (0..entries).for_each(|key| assert!(cache.insert(key, key).is_stored()));
        let peak = (take_peak() - before) as u64;
        // A row of 24 bytes, two tables while it grows, links and sketch.
        assert!(peak < 160 * entries + (512 << 10), "{peak} bytes for {entries} entries");
        let stats = cache.stats();
        assert!(stats.overhead_bytes <= peak && stats.overhead_bytes >= entries * 24, "{stats}");
    }
}

#[test]
fn g28_huge_pages_cost_two_mebibytes_at_most() {
    let _alone = alone();
    let entries = 400_000u64;
    let filled = |huge| {
        let (before, builder) =
            (in_use(), Cache::<u64, u64>::builder().capacity(entries).shards(4).huge_pages(huge));
        let cache = checked(builder);
        (0..2 * entries).for_each(|key| assert!(cache.insert(key, key).is_stored()));
        assert!(
            (0..2 * entries).filter_map(|key| Some((key, cache.get(&key)?))).all(|(key, value)| key == value)
        );
        in_use() - before
    };
    let (plain, huge) = (filled(false), filled(true));
    println!("{plain} without, {huge} with");
    assert!((plain - MIB..plain + 3 * MIB).contains(&huge), "{plain} bytes without, {huge} with");
}

#[test]
fn g02_g28_few_entries_in_many_shards_touch_little_memory() {
    let _alone = alone();
    let before = resident();
    let builder = Cache::<u64, Vec<u8>>::builder().capacity_bytes(256 << 20).shards(64);
    let cache = checked(builder.time_to_live(std::time::Duration::from_secs(3600)));
    (0..256).for_each(|key| assert!(cache.insert(key, vec![1; 64]).is_stored()));
    // Each shard has chunks of rows, of weights and of times: what they could hold is not to be paid for before.
    let touched = resident() - before;
    assert!(touched < 5 * MIB, "{touched} bytes for 256 entries in {} shards", cache.shards());
}

#[test]
fn g02_g27_what_a_reader_held_up_goes_with_the_next_write_once_he_is_gone() {
    const LARGE: u64 = 3;
    let _alone = alone();
    let cache: common::Checked<u64, Vec<u8>> =
        checked(Cache::builder().capacity_bytes(BUDGET as u64).shards(1));
    // So many that the table need not grow, which would make a look at the readers due.
    (100..1100).for_each(|key| assert!(cache.insert(key, vec![1; 64]).is_stored()));
    while !cache.maintain(1000).done {}
    for pinned in [false, true] {
        let (before, first) = (in_use(), if pinned { 2000 } else { 3000 });
        let small = |key: u64| assert_eq!(cache.insert(first + key, vec![1; 64]), Inserted::Added);
        (0..LARGE).for_each(|key| assert!(cache.insert(key, vec![1; 8 << 20]).is_stored()));
        let guards: Vec<_> = (0..LARGE).filter_map(|key| cache.get_ref(&key)).collect();
        let pin = pinned.then(|| cache.pin());
        (0..LARGE).for_each(|key| assert!(cache.invalidate(&key)));
        (0..10).for_each(small);
        assert_eq!(cache.stats().retired, LARGE, "he looks at them");
        drop(guards);
        if pinned {
            small(10);
            assert_eq!(cache.stats().retired, LARGE, "he may look at them");
        }
        drop(pin);
        small(11);
        assert_eq!(cache.stats().retired, 0);
        assert!(in_use() - before < MIB, "{} bytes more", in_use() - before);
    }
}

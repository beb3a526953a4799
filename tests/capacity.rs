//! Does the bound hold: capacity, weights, what is refused, changes while running, bounded work.

#![allow(clippy::drop_non_drop)]

mod common;

use common::{Rng, checked, finishes, keys};
use pinyon::{Cache, Cause, Compute, Computed, HeapSize, InsertOptions, Inserted, ManualTicker};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

type Weighed = Cache<u64, u64>;

/// The value is the weight.
fn weighed(capacity: u64, shards: usize) -> common::Checked<u64, u64> {
    checked(Cache::builder().capacity_weight(capacity).weigher(|_, &weight| weight).shards(shards))
}

/// A weight that is often small, sometimes everything, sometimes too much.
fn weight(rng: &mut Rng, capacity: u64) -> u64 {
    match rng.below(40) {
        0 => capacity,
        1 => capacity + 1,
        2 => 0,
        3 => rng.below(capacity + 1),
        _ => 1 + rng.below(capacity.min(9)),
    }
}

fn random_write(cache: &Weighed, rng: &mut Rng, range: u64) {
    let (key, weight) = (rng.below(range), weight(rng, cache.capacity()));
    match rng.below(10) {
        0 => drop(cache.remove(&key)),
        1 => drop(cache.insert_if_absent(key, weight)),
        2 => drop(cache.compute(key, |_| Compute::Put(weight))),
        3 => drop(cache.retain(|&other, _| other != key)),
        _ => drop(cache.insert(key, weight)),
    }
}

// G01: the bound is instant.

#[test]
fn g01_the_weight_is_exact_and_within_the_capacity_after_every_operation() {
    for shards in [1, 2, 8, 64] {
        for capacity in [1, 2, 7, 300] {
            let cache = weighed(capacity, shards);
            let mut rng = Rng::new(capacity * 100 + shards as u64);
            for _ in 0..300 {
                random_write(&cache, &mut rng, 400);
                let sum: u64 = cache.iter().map(|entry| *entry).sum();
                assert_eq!(sum, cache.weight(), "{shards} shards, capacity {capacity}");
                assert!(sum <= capacity, "{sum} of {capacity} in {shards} shards");
            }
        }
    }
}

#[test]
fn g01_no_moment_of_concurrent_writes_is_above_the_capacity() {
    for shards in [1, 2, 8, 64] {
        for capacity in [1, 50, 2000] {
            let cache = weighed(capacity, shards);
            let done = AtomicBool::new(false);
            thread::scope(|scope| {
                let watcher = scope.spawn(|| {
                    let mut looks = 0u64;
                    loop {
                        for _ in 0..100 {
                            let weight = cache.weight();
                            assert!(weight <= capacity, "{weight} of {capacity} in {shards} shards");
                            looks += 1;
                        }
                        keys(&cache);
                        assert!(cache.iter().all(|entry| *entry <= capacity));
                        if done.load(Ordering::Acquire) {
                            break looks;
                        }
                    }
                });
                let writers: Vec<_> = (0..3)
                    .map(|seed| {
                        let cache = &*cache;
                        scope.spawn(move || {
                            let mut rng = Rng::new(seed);
                            (0..1500).for_each(|_| random_write(cache, &mut rng, 2 * capacity.max(20)));
                        })
                    })
                    .collect();
                writers.into_iter().for_each(|writer| writer.join().unwrap());
                done.store(true, Ordering::Release);
                assert!(watcher.join().unwrap() > 0);
            });
            let sum: u64 = cache.iter().map(|entry| *entry).sum();
            assert_eq!(sum, cache.weight());
        }
    }
}

#[test]
fn g01_many_writers_of_entries_as_heavy_as_everything_all_come_through() {
    for shards in [1, 8] {
        finishes("writing entries as heavy as the cache", move || {
            let cache = weighed(64, shards);
            thread::scope(|scope| {
                for writer in 0..4u64 {
                    let cache = &*cache;
                    scope.spawn(move || {
                        for n in 0..400 {
                            let weight = if n % 4 == 0 { 1 } else { 64 - n % 3 };
                            assert!(cache.insert(writer * 1000 + n % 50, weight).is_stored());
                            assert!(cache.weight() <= 64);
                        }
                    });
                }
            });
        });
    }
}

#[test]
fn g01_entries_are_counted_exactly_whatever_the_shards() {
    for shards in [1, 2, 8, 64] {
        for capacity in [1, 2, 63, 500] {
            let cache: common::Checked<u64, u64> =
                checked(Cache::builder().capacity(capacity).shards(shards));
            for n in 0..3 * capacity + 50 {
                cache.insert(n, n);
                assert!(cache.len() as u64 <= capacity && cache.weight() == cache.len() as u64);
                assert_eq!(cache.get(&n), Some(n), "what was just written is there: the window takes it in");
            }
            assert_eq!(cache.len() as u64, capacity, "the whole capacity is used with {shards} shards");
        }
    }
}

#[test]
fn g01_a_cache_of_one_entry_holds_the_last_one() {
    for shards in [1, 2, 8, 64] {
        let cache: common::Checked<u64, String> = checked(Cache::builder().capacity(1).shards(shards));
        for n in 0..200u64 {
            cache.insert(n, n.to_string());
            assert_eq!((cache.len(), cache.weight()), (1, 1));
            assert_eq!(keys(&cache).len(), 1);
        }
        cache.clear();
        assert_eq!((cache.len(), cache.weight()), (0, 0));
    }
}

#[test]
fn g01_when_everything_is_hot_an_insertion_still_finds_room() {
    for shards in [1, 4] {
        let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(200).shards(shards));
        (0..200).for_each(|n| drop(cache.insert(n, n)));
        for round in 0..50 {
            for key in keys(&cache) {
                (0..8).for_each(|_| assert!(cache.get(&key).is_some()));
            }
            assert_eq!(cache.insert(1000 + round, 0), Inserted::Added);
            assert_eq!(cache.len(), 200);
        }
    }
}

// G03: what fits, fits.

#[test]
fn g03_an_entry_as_heavy_as_the_capacity_fits_at_any_number_of_shards() {
    for shards in [1, 2, 8, 64, 4096] {
        let cache = weighed(1000, shards);
        (0..1000).for_each(|n| drop(cache.insert(n, 1)));
        assert_eq!(cache.insert(5000, 1000), Inserted::Added);
        assert_eq!((cache.get(&5000), cache.len(), cache.weight()), (Some(1000), 1, 1000));
        assert_eq!(cache.insert(5000, 999), Inserted::Replaced);
        assert_eq!(cache.insert(5001, 1), Inserted::Added);
        assert_eq!(cache.get(&5000), Some(999), "there was room for both");
    }
}

/// What the listener heard.
type Heard = Arc<Mutex<Vec<(u64, u64, Cause)>>>;

fn hearing(capacity: u64, shards: usize) -> (common::Checked<u64, u64>, Heard) {
    let heard = Heard::default();
    let ears = heard.clone();
    let builder =
        Cache::builder().capacity_weight(capacity).weigher(|_, &weight: &u64| weight).shards(shards);
    let listener = move |key: &u64, value: &u64, cause| ears.lock().unwrap().push((*key, *value, cause));
    (checked(builder.listener(listener)), heard)
}

#[test]
fn g03_what_cannot_fit_comes_back_and_the_previous_value_is_gone() {
    for shards in [1, 8] {
        let (cache, heard) = hearing(100, shards);
        let refused = |value| Inserted::Refused { key: 1, value, weight: value };
        cache.insert(1, 10);
        cache.insert(2, 20);
        assert_eq!(cache.insert(1, 101), refused(101));
        assert_eq!((cache.get(&1), cache.get(&2), cache.weight()), (None, Some(20), 20));
        assert_eq!(*heard.lock().unwrap(), [(1, 10, Cause::Replaced), (1, 101, Cause::Refused)]);
        assert_eq!(cache.insert(1, u64::MAX), refused(u64::MAX), "and again, where there is nothing");
        assert_eq!(heard.lock().unwrap()[2..], [(1, u64::MAX, Cause::Refused)]);
        let stats = cache.stats();
        assert_eq!((stats.refused, stats.replaced, stats.evicted), (2, 1, 0));
    }
}

#[test]
fn g03_every_way_of_writing_refuses_alike() {
    let (cache, heard) = hearing(100, 2);
    assert_eq!(cache.insert_if_absent(1, 101), Inserted::Refused { key: 1, value: 101, weight: 101 });
    cache.insert(1, 10);
    assert_eq!(cache.insert_if_absent(1, 101), Inserted::Kept { key: 1, value: 101 });
    assert_eq!(cache.get(&1), Some(10), "a pair that was kept out replaces nothing");
    assert_eq!(cache.replace(1, 101), Inserted::Refused { key: 1, value: 101, weight: 101 });
    assert_eq!(cache.get(&1), None);
    cache.insert(1, 10);
    assert_eq!(cache.compute(1, |_| Compute::Put(102)), Computed::Refused(102));
    assert_eq!(cache.get(&1), None);
    assert_eq!(cache.get_or_insert(1, 103), 103);
    assert_eq!(cache.get(&1), None);
    let many = cache.insert_many([(1, 1), (2, 200), (3, 3), (1, 2)]);
    assert_eq!((many.added, many.replaced, many.refused), (2, 1, vec![(2, 200)]));
    assert_eq!(heard.lock().unwrap().iter().filter(|(.., cause)| *cause == Cause::Refused).count(), 5);
    assert_eq!(cache.stats().refused, 5);
}

#[test]
fn g03_a_budget_of_bytes_refuses_by_bytes() {
    let cache: common::Checked<u64, Vec<u8>> = checked(Cache::builder().capacity_bytes(10_000).shards(4));
    assert_eq!(cache.insert(1, vec![0; 9000]), Inserted::Added);
    let Inserted::Refused { value, weight, .. } = cache.insert(1, vec![7; 10_000]) else {
        panic!("it cannot fit")
    };
    assert!(value == vec![7; 10_000] && weight > 10_000);
    assert!(cache.is_empty());
}

// G04: weights.

#[test]
fn g04_an_overwrite_weighs_again() {
    let cache = weighed(100, 2);
    for (value, others) in [(10, 0), (30, 0), (5, 0), (0, 0), (7, 0), (100, 0)] {
        cache.insert(1, value);
        assert_eq!(
            (cache.weight(), cache.metadata(&1).map(|data| data.weight)),
            (value + others, Some(value))
        );
    }
    cache.insert_with(1, 100, InsertOptions::new().weight(3));
    assert_eq!(cache.weight(), 3, "the call's weight counts, not the weigher's");
    cache.compute(1, |_| Compute::PutWith(1, InsertOptions::new().weight(4)));
    assert_eq!(cache.weight(), 4);
    cache.remove(&1);
    assert_eq!(cache.weight(), 0);
}

#[test]
fn g04_an_overwrite_that_grows_makes_room_for_the_difference_only() {
    for shards in [1, 8] {
        let (cache, heard) = hearing(100, shards);
        (0..10).for_each(|key| drop(cache.insert(key, 10)));
        // Used, so that it is not the one to go itself; which it still is where a shard has no other.
        (0..4).for_each(|_| assert_eq!(cache.get(&3), Some(10)));
        let done = cache.insert(3, 15);
        let evicted = heard.lock().unwrap().iter().filter(|(.., cause)| *cause == Cause::Evicted).count();
        assert!(shards > 1 || (done == Inserted::Replaced && evicted == 1), "{done:?}, {evicted}");
        assert_eq!(cache.get(&3), Some(15));
        assert!(cache.weight() == 95 || (shards > 1 && cache.weight() <= 100));
    }
}

#[test]
fn g04_sums_do_not_overflow() {
    for shards in [1, 2, 64] {
        let cache = weighed(u64::MAX, shards);
        assert_eq!(cache.insert(1, u64::MAX), Inserted::Added);
        assert_eq!(cache.insert(2, u64::MAX), Inserted::Added);
        assert_eq!((cache.len(), cache.weight()), (1, u64::MAX));
        assert_eq!(cache.insert(3, u64::MAX - 1), Inserted::Added);
        assert_eq!(cache.insert(4, 1), Inserted::Added);
        assert_eq!((cache.len(), cache.weight()), (2, u64::MAX));
        assert_eq!(cache.stats().evicted_weight, u64::MAX, "a sum that saturates");
    }
}

#[test]
fn g04_bytes_on_the_heap_do_not_overflow() {
    struct Vast;
    impl HeapSize for Vast {
        fn heap_bytes(&self) -> usize {
            usize::MAX - 1
        }
    }
    assert_eq!(vec![Vast, Vast].heap_bytes(), usize::MAX);
    assert_eq!((Vast, Some(Box::new(Vast))).heap_bytes(), usize::MAX);
    assert_eq!([Vast, Vast].heap_bytes(), usize::MAX);
    let cache: common::Checked<u64, Vec<Vast>> = checked(Cache::builder().capacity_bytes(1 << 20));
    assert!(matches!(cache.insert(1, vec![Vast, Vast]), Inserted::Refused { weight: u64::MAX, .. }));
}

#[test]
fn g04_a_weight_of_zero_takes_no_room_and_is_never_evicted() {
    for shards in [1, 8] {
        let (cache, heard) = hearing(10, shards);
        (0..3000).for_each(|key| assert_eq!(cache.insert(key, 0), Inserted::Added));
        assert_eq!((cache.len(), cache.weight()), (3000, 0));
        (10_000..12_000).for_each(|key| drop(cache.insert(key, 1 + key % 10)));
        assert!((0..3000).all(|key| cache.get(&key) == Some(0)));
        assert!(heard.lock().unwrap().iter().all(|&(_, value, _)| value > 0));
        // From nothing to something and back.
        cache.clear();
        (0..100).for_each(|key| drop(cache.insert(key, 0)));
        (0..100).for_each(|key| drop(cache.insert(key, 1)));
        assert_eq!((cache.len(), cache.weight()), (10, 10));
        (0..100).for_each(|key| drop(cache.insert(key, 0)));
        assert_eq!((cache.len(), cache.weight()), (100, 0));
    }
}

#[test]
fn g04_a_count_of_entries_takes_no_weights() {
    let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(10));
    cache.insert_with(1, 1, InsertOptions::new().weight(1000));
    cache.insert_with(2, 2, InsertOptions::new().weight(0));
    assert_eq!((cache.len(), cache.weight()), (2, 2));
}

// G05: the capacity can change while running.

#[test]
fn g05_the_capacity_goes_up_and_down() {
    for shards in [1, 2, 8, 64] {
        let (cache, heard) = hearing(1000, shards);
        (0..1000).for_each(|key| drop(cache.insert(key, 1)));
        for capacity in [999, 1000, 500, 37, 1, 2, 700] {
            let before = cache.weight();
            heard.lock().unwrap().clear();
            cache.set_capacity(capacity).unwrap();
            assert_eq!((cache.capacity(), cache.stats().capacity), (capacity, capacity));
            assert_eq!(cache.weight(), before.min(capacity), "no more than necessary is evicted");
            assert_eq!(heard.lock().unwrap().len() as u64, before - cache.weight());
            assert!(heard.lock().unwrap().iter().all(|(.., cause)| *cause == Cause::Evicted));
            cache.validate();
        }
        (2000..4000).for_each(|key| drop(cache.insert(key, 1)));
        assert_eq!(cache.weight(), 700, "the new room is used");
    }
}

#[test]
fn g05_a_cache_whose_capacity_went_up_takes_as_much_memory_as_one_that_was_built_so() {
    let filled = |first: u64| {
        let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(first).shards(1));
        for key in 0..10_000 {
            if key == first {
                cache.set_capacity(10_000).unwrap();
            }
            assert!(cache.insert(key, key).is_stored());
        }
        while !cache.maintain(1000).done {}
        assert_eq!(cache.len(), 10_000);
        cache.stats().overhead_bytes
    };
    assert_eq!([filled(10), filled(1000)], [filled(10_000); 2]);
}

#[test]
fn g02_g05_g27_what_may_wait_follows_the_capacity() {
    let churn = |cache: &Cache<u64, Vec<u8>>, size: usize| {
        let most = (0..4000).map(|n| {
            assert!(cache.insert(n, vec![0; size]).is_stored());
            cache.stats().retired
        });
        most.max().unwrap_or(0)
    };
    for (first, then) in [(1 << 30, 1 << 20), (1 << 20, 1 << 30)] {
        let cache: common::Checked<u64, Vec<u8>> = checked(Cache::builder().capacity_bytes(first).shards(1));
        churn(&cache, 8000);
        cache.set_capacity(then).unwrap();
        assert_eq!(cache.stats().retired, 0, "from {first} to {then}");
        churn(&cache, 8000);
        let most = churn(&cache, 8100);
        // Of 2^20 bytes an eighth may wait: 16 entries; of 2^30 as many as are counted.
        assert!(if then < first { most <= 16 } else { most > 60 }, "{most} wait, from {first} to {then}");
    }
}

#[test]
fn g05_no_capacity_is_an_error_and_changes_nothing() {
    let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(10));
    cache.insert(1, 1);
    let error = cache.set_capacity(0).unwrap_err();
    assert_eq!((error.setting(), error.given(), error.allowed()), ("set_capacity", "0", "1 or more"));
    assert_eq!((cache.capacity(), cache.get(&1)), (10, Some(1)));
}

#[test]
fn g05_a_budget_of_bytes_does_not_go_below_what_the_builder_takes() {
    let cache: common::Checked<u64, Vec<u8>> = checked(Cache::builder().capacity_bytes(10_000));
    cache.insert(1, vec![0; 100]);
    for given in [0, 10, 1023] {
        let error = cache.set_capacity(given).unwrap_err();
        assert_eq!((error.setting(), error.allowed()), ("set_capacity", "1024 bytes or more"));
        assert_eq!(error.given(), given.to_string());
        assert_eq!((cache.capacity(), cache.len()), (10_000, 1));
    }
    cache.set_capacity(1024).unwrap();
    assert_eq!((cache.capacity(), cache.len()), (1024, 1));
}

#[test]
fn g05_a_shrink_keeps_what_is_used() {
    let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(1000).shards(1));
    (0..1000).for_each(|key| drop(cache.insert(key, key)));
    (0..5).for_each(|_| (100..200).for_each(|key| assert!(cache.get(&key).is_some())));
    cache.set_capacity(200).unwrap();
    let kept = (100..200).filter(|key| cache.contains(key)).count();
    assert!(kept >= 90, "{kept} of the 100 used entries are among the 200 that stay");
}

#[test]
fn g05_a_shrink_goes_in_steps_between_which_others_write() {
    let cell: Arc<OnceLock<Weighed>> = Arc::default();
    let least = Arc::new(AtomicU64::new(u64::MAX));
    let (inside, seen) = (cell.clone(), least.clone());
    let first = AtomicBool::new(true);
    let builder = Cache::builder().capacity(5000).shards(1).listener(move |_: &u64, _: &u64, _| {
        let cache = inside.get().unwrap();
        if first.swap(false, Ordering::SeqCst) {
            seen.store(cache.weight(), Ordering::SeqCst);
        }
    });
    let cache = checked(builder);
    (0..5000).for_each(|key| drop(cache.insert(key, key)));
    assert!(cell.set(cache.clone()).is_ok());
    cache.set_capacity(10).unwrap();
    assert!(least.load(Ordering::SeqCst) >= 5000 - 64, "the first is told of before all are evicted");
    assert_eq!(cache.weight(), 10);
}

#[test]
fn g05_the_capacity_changes_under_load() {
    for shards in [1, 8] {
        let cache = weighed(500, shards);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for seed in 0..2 {
                let (cache, done) = (&*cache, &done);
                scope.spawn(move || {
                    let mut rng = Rng::new(seed);
                    while !done.load(Ordering::Acquire) {
                        cache.insert(rng.below(1000), 1 + rng.below(5));
                        cache.get(&rng.below(1000));
                    }
                });
            }
            let mut rng = Rng::new(77);
            for _ in 0..150 {
                let capacity = 20 + rng.below(1000);
                cache.set_capacity(capacity).unwrap();
                thread::yield_now();
            }
            done.store(true, Ordering::Release);
        });
        cache.set_capacity(50).unwrap();
        assert!(cache.weight() <= 50);
    }
}

/// A writer that is making room step by step when the capacity is taken away from it.
fn shrink_below_a_writer(shards: usize, rounds: u64) {
    const MANY: u64 = 3000;
    let cell: Arc<OnceLock<Weighed>> = Arc::default();
    let cache = weighed(MANY, shards);
    cell.set(cache.clone()).unwrap();
    for round in 0..rounds {
        cache.set_capacity(MANY).unwrap();
        (0..MANY).for_each(|key| drop(cache.insert(key, 1)));
        thread::scope(|scope| {
            let writer = scope.spawn(|| cache.insert(MANY + round, MANY));
            while cache.stats().evicted.is_multiple_of(7) && !writer.is_finished() {
                thread::yield_now();
            }
            cache.set_capacity(10 + round % 7).unwrap();
            writer.join().unwrap();
        });
        assert!(cache.weight() <= cache.capacity(), "{} of {}", cache.weight(), cache.capacity());
        cache.validate();
    }
}

#[test]
fn g05_a_writer_that_needs_more_than_is_left_ends_and_the_bound_holds() {
    finishes("a writer whose entry does not fit any more", || shrink_below_a_writer(1, 40));
}

#[test]
fn g05_a_writer_that_needs_more_than_is_left_ends_and_the_bound_holds_with_many_shards() {
    finishes("a writer whose entry does not fit any more", || shrink_below_a_writer(64, 40));
}

#[test]
fn g01_g05_no_write_that_began_before_a_shrink_is_above_it_afterwards() {
    finishes("shrinking under heavy writers", || {
        let cache = weighed(100, 64);
        for round in 0..400u64 {
            cache.set_capacity(100).unwrap();
            let stop = AtomicBool::new(false);
            thread::scope(|scope| {
                for writer in 0..2u64 {
                    let (cache, stop) = (&*cache, &stop);
                    scope.spawn(move || {
                        let mut key = round * 1000 + writer * 100;
                        while !stop.load(Ordering::Acquire) {
                            key += 1;
                            cache.insert(key, 100);
                        }
                    });
                }
                (0..round % 5).for_each(|_| thread::yield_now());
                cache.set_capacity(10).unwrap();
                stop.store(true, Ordering::Release);
            });
            assert!(cache.weight() <= 10, "{} of 10 in round {round}", cache.weight());
        }
    });
}

// G15: bounded work.

#[test]
fn g15_a_light_insertion_into_a_full_cache_evicts_one() {
    for shards in [1, 2, 8] {
        let (cache, heard) = hearing(1000, shards);
        (0..1000).for_each(|key| drop(cache.insert(key, 1)));
        for key in 1000..3000 {
            cache.insert(key, 1);
            assert_eq!(heard.lock().unwrap().drain(..).count(), 1);
        }
    }
}

#[test]
fn g15_a_heavy_insertion_evicts_just_enough() {
    for shards in [1, 2, 8, 64] {
        for heavy in [2, 10, 63, 64, 65, 200, 999] {
            let (cache, heard) = hearing(1000, shards);
            (0..1000).for_each(|key| drop(cache.insert(key, 1)));
            cache.insert(5000, heavy);
            assert_eq!(heard.lock().unwrap().len() as u64, heavy, "{shards} shards");
            assert_eq!(cache.weight(), 1000);
        }
    }
}

#[test]
fn g15_a_write_visits_a_few_timers_and_the_rest_stay_for_later() {
    let ticker = ManualTicker::new();
    let builder = Cache::builder().capacity(100_000).shards(1).ticker(ticker.clone());
    let cache: common::Checked<u64, u64> = checked(builder.time_to_live(Duration::from_secs(10)));
    (0..2000).for_each(|key| drop(cache.insert(key, key)));
    ticker.advance(Duration::from_secs(3600));
    let mut writes = 0;
    let mut before = 0;
    while before < 2000 {
        cache.insert(1_000_000 + writes, 0);
        writes += 1;
        let expired = cache.stats().expired;
        assert!(expired - before <= 8, "one write expired {}", expired - before);
        before = expired;
        assert!(writes < 100_000, "writes alone bring expired entries out");
    }
}

#[test]
fn g15_maintenance_keeps_to_its_budget() {
    let ticker = ManualTicker::new();
    let builder = Cache::builder().capacity(100_000).shards(3).ticker(ticker.clone());
    let cache: common::Checked<u64, u64> = checked(builder.time_to_live(Duration::from_secs(10)));
    (0..1000).for_each(|key| drop(cache.insert(key, key)));
    ticker.advance(Duration::from_secs(3600));
    let mut total = 0;
    for calls in 0.. {
        let done = cache.maintain(7);
        assert!(done.steps <= 7 && done.expired <= 7, "{done:?}");
        total += done.expired;
        if done.done {
            break;
        }
        assert!(calls < 100_000, "it ends");
    }
    assert_eq!((total, cache.len()), (1000, 0));
    assert!(cache.maintain(0).done);
}

#[test]
fn g15_a_growing_table_is_moved_in_steps() {
    // A cache of weights does not know how many entries to expect, so its table grows as it fills.
    let cache = weighed(1 << 40, 1);
    let mut key = 0;
    while cache.len() < 5000 || cache.maintain(0).done {
        cache.insert(key, 1);
        key += 1;
        assert!(key < 100_000, "the table grows some time");
    }
    let buckets = cache.len() / 7;
    let mut steps = 0;
    loop {
        let done = cache.maintain(1);
        assert!(done.steps <= 1);
        steps += done.steps;
        assert_eq!(cache.get(&(steps as u64 % key)), Some(1), "readers find everything meanwhile");
        if done.done {
            break;
        }
    }
    assert!(steps * 2 > buckets, "{steps} steps for some {buckets} buckets: nothing was moved at once");
    assert!((0..key).all(|key| cache.contains(&key)));
}

#[test]
fn g15_writes_alone_finish_a_growth() {
    let cache = weighed(1 << 40, 1);
    let mut key = 0;
    while cache.len() < 5000 || cache.maintain(0).done {
        cache.insert(key, 1);
        key += 1;
    }
    let writes = (0..).take_while(|_| !cache.maintain(0).done && cache.insert(0, 1).is_stored()).count();
    assert!((20..5000).contains(&writes), "{writes} writes");
}

#[test]
fn g04_an_insertion_asks_the_weigher_once_whatever_is_there() {
    let asked = Arc::new(AtomicU64::new(0));
    let asks = asked.clone();
    let weigher = move |_: &u64, value: &u64| {
        asks.fetch_add(1, Ordering::Relaxed);
        *value
    };
    let cache = checked(Cache::builder().capacity_weight(100).weigher(weigher));
    for (value, weight) in [(7, 7), (30, 30), (2, 2)] {
        asked.store(0, Ordering::Relaxed);
        assert!(cache.insert(1, value).is_stored());
        assert_eq!((asked.load(Ordering::Relaxed), cache.weight()), (1, weight));
    }
}

#[test]
fn g01_shrinking_to_a_weight_evicts_to_it_and_leaves_the_capacity() {
    let cache = weighed(1000, 3);
    (0..300).for_each(|key| assert!(cache.insert(key, key % 5).is_stored()));
    let (entries, weightless) = (cache.len(), (0..300).filter(|key| key % 5 == 0).count());
    for target in [2000, 500, 77, 0, 0] {
        let before = cache.len();
        let evicted = cache.shrink_to(target);
        assert!(cache.weight() <= target && before - cache.len() == evicted, "{evicted} to {target}");
        assert!(cache.weight() + 4 > target.min(600), "no more than it takes");
    }
    assert_eq!((cache.len(), cache.capacity()), (weightless, 1000), "of {entries} what weighs nothing stays");
    assert_eq!(cache.stats().evicted as usize, entries - weightless);
    assert!(cache.insert(1000, 1000).is_stored(), "there is room again");
}

#[test]
fn g05_shrinking_ends_though_others_write() {
    finishes("shrinking beside a writer", || {
        let cache = Arc::new(weighed(1000, 2));
        let stop = Arc::new(AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut key = 0;
                while !stop.load(Ordering::Relaxed) {
                    key += 1;
                    assert!(cache.insert(key, 1).is_stored());
                }
            });
            for _ in 0..50 {
                while cache.len() < 100 {
                    thread::yield_now();
                }
                assert!(cache.shrink_to(0) >= 100);
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
}

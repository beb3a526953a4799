//! Reports about capacity, weights and who is kept.

use super::*;

// There: under steady writes of keys that come again, a write replayed late put an evicted entry back into the
// policy's list, and nothing was ever evicted again. Here: the bound holds all the time and evictions go on.
#[test]
fn moka_590() {
    let _gate = alone();
    for policy in POLICIES {
        let cache = checked(Cache::builder().capacity(100).shards(2).policy(policy));
        let done = AtomicUsize::new(0);
        thread::scope(|threads| {
            let (cache, done) = (&cache, &done);
            for seed in 0..3 {
                threads.spawn(move || {
                    let mut rng = Rng::new(seed);
                    for n in 0..20_000u64 {
                        let key = rng.below(300);
                        if n % 7 == 0 {
                            cache.invalidate(&key);
                        } else {
                            cache.insert(key, n);
                        }
                    }
                    done.fetch_add(1, Ordering::Release);
                });
            }
            while done.load(Ordering::Acquire) < 3 {
                assert!(cache.weight() <= 100);
            }
        });
        let before = cache.stats().evicted;
        for n in 1000..2000 {
            cache.insert(n, n);
            assert_eq!(cache.get(&n), Some(n), "what comes in is there");
        }
        assert!(cache.stats().evicted - before >= 900, "eviction goes on");
        assert!(cache.len() <= 100);
    }
}

// There: housekeeping went round for ever over entries that could neither be evicted nor kept.
// Here: with everything used to the full, weightless or held, an insertion ends.
#[test]
fn moka_412() {
    let _gate = alone();
    finishes("an insertion", || {
        for policy in POLICIES {
            let cache = checked(Cache::builder().capacity_weight(50).shards(1).policy(policy));
            (0..50).for_each(|n| _ = cache.insert(n, n));
            (100..200).for_each(|n| _ = cache.insert_with(n, n, weighing(0)));
            (0..1000).for_each(|n| _ = cache.get(&(n % 50)));
            let held: Vec<_> = cache.iter().collect();
            assert_eq!(cache.insert_with(999, 0, weighing(50)), Inserted::Added);
            assert_eq!((cache.weight(), cache.len(), held.len()), (50, 101, 150));
        }
    });
}

// There: the frequency sketch was sized from the capacity in bytes: gigabytes, or an overflow.
// Here: a capacity of any size costs what is stored.
#[test]
fn moka_24_and_75() {
    let _gate = alone();
    for capacity in [1 << 32, 1 << 50, u64::MAX] {
        let heavy = checked(Cache::builder().capacity_weight(capacity).weigher(|_: &u64, _: &u64| 1 << 31));
        let bytes = checked(Cache::<u64, u64>::builder().capacity_bytes(capacity));
        let counted = checked(Cache::<u64, u64>::builder().capacity(capacity));
        for cache in [&heavy, &bytes, &counted] {
            (0..2).for_each(|n| _ = cache.insert(n, n));
            assert_eq!(cache.len(), 2);
            let overhead = cache.stats().overhead_bytes;
            assert!(overhead < 1 << 20, "{overhead} bytes for two entries of {capacity}");
        }
    }
}

// There: a cache of capacity 1 stored nothing, because no shard's share came to one.
// Here: it stores one entry, the last, whatever the number of shards.
#[test]
fn quick_cache_106() {
    let _gate = alone();
    for policy in POLICIES {
        for shards in [1, 2, 16, 64] {
            let cache = checked(Cache::builder().capacity(1).shards(shards).policy(policy));
            for n in 0..200 {
                assert_eq!(cache.insert(n, n), Inserted::Added);
                assert_eq!((cache.get(&n), cache.len()), (Some(n), 1), "{shards} shards");
            }
        }
    }
}

// There: a wrong estimate of the number of entries made shards whose shares could not hold what should fit.
// Here: light and heavy entries fill the same capacity, in any order, without any estimate.
#[test]
fn quick_cache_65() {
    let _gate = alone();
    for shards in [1, 7, 32] {
        let cache = checked(Cache::builder().capacity_weight(3200).shards(shards));
        (0..3200).for_each(|n| _ = cache.insert(n, 0));
        assert_eq!((cache.len(), cache.stats().evicted), (3200, 0));
        cache.clear();
        (0..4).for_each(|n| _ = cache.insert_with(n, 0, weighing(800)));
        assert_eq!((cache.len(), cache.stats().evicted), (4, 0), "{shards} shards");
        assert_eq!(cache.insert_with(9, 0, weighing(3200)), Inserted::Added);
        assert_eq!(cache.len(), 1);
    }
}

// There: a cache held one entry more than its capacity for a moment, and overran an array that mirrored it.
// Here: a mirror kept by the listener never needs more places than the capacity once an insertion returned.
#[test]
fn quick_cache_94() {
    let _gate = alone();
    for shards in [1, 4] {
        let places = Arc::new(AtomicUsize::new(0));
        let freed = places.clone();
        let listener = move |_: &u64, _: &u64, _| _ = freed.fetch_sub(1, Ordering::Relaxed);
        let cache = checked(Cache::builder().capacity(16).shards(shards).listener(listener));
        let mut rng = Rng::new(94);
        for n in 0..5000 {
            // An overwrite gives a place back, too.
            places.fetch_add(1, Ordering::Relaxed);
            cache.insert(rng.below(64), n);
            assert_eq!(places.load(Ordering::Relaxed), cache.len());
            assert!(cache.len() <= 16);
        }
    }
}

// There: millions of pinned entries were scanned again at each eviction, which stalled for seconds.
// Here: entries of no weight are not scanned, and entries that readers hold are evicted all the same.
#[test]
fn quick_cache_69() {
    let _gate = alone();
    finishes("eviction past the pinned", || {
        let cache = checked(Cache::builder().capacity_weight(100).shards(1));
        (0..100_000).for_each(|n| _ = cache.insert_with(n, n, weighing(0)));
        (200_000..220_000).for_each(|n| _ = cache.insert(n, n));
        assert_eq!((cache.len(), cache.weight()), (100_100, 100));

        let held = checked(Cache::builder().capacity(1000).shards(1));
        (0..1000).for_each(|n| _ = held.insert(n, n));
        let guards: Vec<_> = held.iter().collect();
        (1000..2000).for_each(|n| _ = held.insert(n, n));
        assert_eq!((held.len(), guards.len(), held.stats().evicted), (1000, 1000, 1000));
        let mut seen: Vec<u64> = guards.iter().map(|value| **value).collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..1000), "what is held is as it was");
    });
}

// There: an entry heavier than its shard's share emptied the shard, and was then admitted above the bound.
// Here: one up to the whole capacity fits exactly; one above is refused, and nobody else suffers for it.
#[test]
fn foyer_heavier_than_a_shard() {
    let _gate = alone();
    let cache = checked(Cache::builder().capacity_weight(640).shards(64));
    (0..64).for_each(|n| _ = cache.insert_with(n, n, weighing(10)));
    match cache.insert_with(7, 77, weighing(641)) {
        Inserted::Refused { key: 7, value: 77, weight: 641 } => {}
        other => panic!("{other:?}"),
    }
    assert_eq!((cache.len(), cache.get(&7)), (63, None), "the old value would be stale");
    assert_eq!(cache.stats().evicted, 0);
    for weight in [11, 100, 639, 640] {
        assert!(cache.insert_with(1000 + weight, weight, weighing(weight)).is_stored());
        assert!(cache.contains(&(1000 + weight)) && cache.weight() <= 640);
    }
    assert_eq!((cache.len(), cache.weight()), (1, 640));
}

// There: keys chosen to collide made every lookup walk them all, or pushed everybody else out.
// Here: with one hash for all keys everything is still right and bounded; and no two caches hash alike.
#[test]
fn caffeine_93() {
    let _gate = alone();
    let cache = checked(Cache::builder().capacity(100).hasher(Constant(0xABCD_EF01_2345_6789)));
    for n in 0..400 {
        cache.insert(n, n * 3);
        assert_eq!(cache.get(&n), Some(n * 3));
        assert!(cache.len() <= 100);
    }
    assert!(cache.iter().all(|entry| *entry.value() == entry.key() * 3));
    let order = || {
        let cache = Cache::builder().capacity(200).shards(1).build().unwrap();
        (0..100).for_each(|n| _ = cache.insert(n, ()));
        cache.iter().map(|entry| *entry.key()).collect::<Vec<u32>>()
    };
    assert_ne!(order(), order(), "the order of two caches is the same: they are not seeded");
}

// There: requests could be chosen so that the filter, full of old fame, admitted nobody any more.
// Here: after any fame of the old, a new set of keys that is asked for again and again comes in.
#[test]
fn ristretto_131() {
    let _gate = alone();
    let cache = checked(Cache::builder().capacity(200).shards(1));
    for _ in 0..200 {
        (0..200).for_each(|key| _ = cache.get_or_insert(key, key));
    }
    let mut hits = 0;
    for round in 0..300 {
        for key in 1000..1150 {
            hits += usize::from(round >= 200 && cache.get(&key).is_some());
            cache.get_or_insert(key, key);
        }
    }
    assert!(hits > 100 * 150 * 8 / 10, "{hits} of {} reads of the new set", 100 * 150);
}

// There: an entry heavier than the policy's window was evicted by its own insertion, so it was never there.
// Here: it is there when the insertion returns, and stays if it is used.
#[test]
fn caffeine_583_and_1757() {
    let _gate = alone();
    for policy in POLICIES {
        for shards in [1, 4] {
            let cache = checked(Cache::builder().capacity_weight(100).shards(shards).policy(policy));
            assert!(cache.insert_with(0, 0, weighing(60)).is_stored());
            assert_eq!(cache.get(&0), Some(0), "not even full");
            (1..=40).for_each(|n| _ = cache.insert(n, n));
            assert!(cache.contains(&0), "everything fits");
            for heavy in 100..110 {
                assert!(cache.insert_with(heavy, heavy, weighing(50)).is_stored());
                assert_eq!(cache.get(&heavy), Some(heavy), "it is there when the insertion returns");
            }
        }
    }
    let cache = checked(Cache::builder().capacity_weight(100).shards(1));
    (0..100).for_each(|n| _ = cache.insert(n, n));
    cache.insert_with(500, 500, weighing(40));
    for n in 1000..1200 {
        assert_eq!(cache.get(&500), Some(500), "used between {n} and the one before");
        cache.insert(n, n);
    }
}

// There: 56 were added to each entry's cost in silence, so that a capacity of 1000 held 17 entries (373).
// Here: units of one's own are one's own to the last.
#[test]
fn ristretto_373() {
    let _gate = alone();
    let cache = checked(Cache::builder().capacity_weight(1000));
    (0..1000).for_each(|n| _ = cache.insert(n, n));
    assert_eq!((cache.len(), cache.weight(), cache.stats().evicted), (1000, 1000, 0));
    assert_eq!(cache.metadata(&5).unwrap().weight, 1);
}

// There: a cache told to hold 1 GB held 2.5, because what the library itself needs was not counted.
// Here: in a budget of bytes every entry weighs more than its parts, and their sum is the weight.
#[test]
fn ristretto_96() {
    let _gate = alone();
    let cache = checked(Cache::<u64, Vec<u8>>::builder().capacity_bytes(1 << 20));
    for n in 0..2000u64 {
        let len = 64 << (n % 8);
        cache.insert(n, vec![0; len]);
        let weight = cache.metadata(&n).unwrap().weight;
        assert!(weight > (len + size_of::<(u64, Vec<u8>)>()) as u64, "{weight} for {len}");
        assert!(cache.weight() <= 1 << 20);
    }
    let held: usize = cache.iter().map(|body| body.len() + size_of::<(u64, Vec<u8>)>()).sum();
    assert!(held < 1 << 20, "{held} bytes of values alone");
    let sum: u64 = cache.iter().map(|entry| cache.metadata(entry.key()).unwrap().weight).sum();
    assert_eq!(sum, cache.weight());
}

// There: a budget in bytes counted the values and not the keys, which were most of it.
// Here: long keys with short values are bounded by what they are.
#[test]
fn lance_7573() {
    let _gate = alone();
    let cache = checked(Cache::<String, u8>::builder().capacity_bytes(1 << 20));
    for n in 0..3000 {
        cache.insert(format!("{n:01000}"), 0);
        assert!(cache.weight() <= 1 << 20);
    }
    let bytes: usize = cache.iter().map(|entry| entry.key().len()).sum();
    assert!(bytes < 1 << 20, "{bytes} bytes of keys");
    assert!(bytes > 1 << 19, "{bytes} bytes of keys");
}

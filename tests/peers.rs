//! Can it be broken as others were: the failing sequences of other caches' reports, one test a thread.
//!
//! A test is named by the project and the number of the thread. Its comment says what happened there and what is
//! asserted here.

mod common;

use common::{Census, Constant, FUSE, Rng, Token, alone, checked, finishes, hush};
use pinyon::{
    Cache, Cause, Compute, Computed, Expiry, InsertOptions, Inserted, Lifetime, ManualTicker, Policy,
};
use std::cell::{Cell, RefCell};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const S: Duration = Duration::from_secs(1);
const POLICIES: [Policy; 2] = [Policy::ClockTinyLfu, Policy::Clock];

fn ttl(time: Duration) -> InsertOptions {
    InsertOptions::new().ttl(time)
}

fn weighing(weight: u64) -> InsertOptions {
    InsertOptions::new().weight(weight)
}

// There: a dozen reads, writes and evictions of a few keys made the access list touch a freed entry.
// Here: such sequences, with guards held across them; a token that is read after its drop says so.
#[test]
fn mini_moka_53() {
    let _gate = alone();
    for seed in 0..200 {
        let census = Census::default();
        let ticker = ManualTicker::new();
        let builder = Cache::builder().capacity(3).shards(1).ticker(ticker.clone());
        let cache = checked(builder.time_to_live(S * 5).time_to_idle(S * 3));
        let mut rng = Rng::new(seed);
        let mut held = Vec::new();
        for id in 0..60 {
            let key = rng.below(5);
            match rng.below(6) {
                0 | 1 => _ = cache.insert(key, census.token(id)),
                2 => held.extend(cache.get_ref(&key)),
                3 => _ = cache.invalidate(&key),
                4 => ticker.advance(S * rng.below(3) as u32),
                _ => held.truncate(3),
            }
            held.iter().for_each(|token| assert!(token.id() <= id));
            cache.iter().for_each(|token| assert!(token.id() <= id));
        }
        drop(held);
        drop(cache);
        assert_eq!(census.alive(), 0);
    }
}

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

// There: an entry with an expiry that was updated to have none still expired at the old time.
// Here: the update's deadline counts alone, for readers and for the wheel.
#[test]
fn moka_549() {
    let _gate = alone();
    let ticker = ManualTicker::new();
    let cache = checked(Cache::builder().capacity(100).ticker(ticker.clone()));
    for key in 0..50 {
        cache.insert_with(key, 0, ttl(S * 2));
        cache.insert(key, 1);
    }
    ticker.advance(S * 1000);
    while !cache.maintain(100).done {}
    (0..50).for_each(|key| assert_eq!(cache.get(&key), Some(1)));
}

// There: a rule that answered "no expiry" for an entry in the timer wheel freed its timer, which the wheel used
// again. Here: entries go in and out of the wheel by rule, and rows are used anew meanwhile.
#[test]
fn moka_565() {
    struct Fickle;
    impl Expiry<u64, Token> for Fickle {
        fn after_create(&self, _: &u64, value: &Token) -> Lifetime {
            if value.id().is_multiple_of(2) { Lifetime::Never } else { Lifetime::After(S) }
        }
        fn after_update(&self, key: &u64, value: &Token, remaining: Option<Duration>) -> Lifetime {
            if remaining.is_some() { Lifetime::Never } else { self.after_create(key, value) }
        }
        fn after_read(&self, key: &u64, _: &Token, remaining: Option<Duration>) -> Lifetime {
            match (key % 3, remaining) {
                (0, Some(_)) => Lifetime::Never,
                (0, None) => Lifetime::After(S * 2),
                _ => Lifetime::Default,
            }
        }
    }
    let _gate = alone();
    let census = Census::default();
    let ticker = ManualTicker::new();
    let cache = checked(Cache::builder().capacity(20).shards(1).expiry(Fickle).ticker(ticker.clone()));
    let mut rng = Rng::new(565);
    for id in 0..20_000 {
        let key = rng.below(40);
        match rng.below(4) {
            0 | 1 => _ = cache.insert(key, census.token(id)),
            2 => _ = cache.with(&key, Token::id),
            _ => _ = cache.invalidate(&key),
        }
        ticker.advance(Duration::from_millis(rng.below(100)));
        if id % 512 == 0 {
            cache.validate();
        }
    }
    drop(cache);
    assert_eq!(census.alive(), 0);
}

// There: crashes on machines of many cores while readers stormed a cache that was evicting, for two years.
// Here: readers clone, borrow and hold tokens while writers evict them; none is ever a dead one.
#[test]
fn moka_34() {
    let _gate = alone();
    let census = Census::default();
    let cache = checked(Cache::builder().capacity(64).shards(2));
    let stop = AtomicBool::new(false);
    thread::scope(|threads| {
        let (cache, stop, census) = (&cache, &stop, &census);
        for seed in 0..6 {
            threads.spawn(move || {
                let mut rng = Rng::new(seed);
                let mut held = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let key = rng.below(96);
                    match rng.below(3) {
                        0 => {
                            cache.get(&key).iter().for_each(|token: &Token| assert_eq!(token.id() % 96, key))
                        }
                        1 => held.extend(cache.get_ref(&key)),
                        _ => _ = cache.with(&key, |token| assert_eq!(token.id() % 96, key)),
                    }
                    held.iter().for_each(|token| assert!(token.id() < u64::MAX));
                    held.truncate(rng.below(10) as usize);
                }
            });
        }
        threads.spawn(move || {
            let mut rng = Rng::new(34);
            for n in 0..6000 {
                let id = rng.below(96) + 96 * n;
                cache.insert(id % 96, census.token(id));
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
    drop(cache);
    assert_eq!(census.alive(), 0);
}

// There: a long time-to-live overflowed the time, and `build` or an insertion panicked (56, 472).
// Here: the longest there is, given everywhere, means for ever.
#[test]
fn moka_56_and_472() {
    let _gate = alone();
    for long in [Duration::MAX, Duration::from_secs(u64::MAX), S * 86_400 * 365 * 135] {
        let cache = checked(Cache::builder().capacity(10).time_to_live(long).time_to_idle(long));
        cache.insert(1, 1);
        cache.insert_with(2, 2, ttl(long).tti(long));
        assert!(cache.set_lifetime(&1, Lifetime::After(long)));
        assert_eq!((cache.get(&1), cache.get(&2)), (Some(1), Some(2)));
        while !cache.maintain(100).done {}
        assert_eq!(cache.len(), 2);
    }
}

// There: compute told what it had seen, not what it had done, when others wrote the key meanwhile.
// Here: what many threads are told adds up to what is there, to the listener's story and to the statistics.
#[test]
fn moka_574_and_593() {
    let _gate = alone();
    let told = Arc::new(Mutex::new([0u64; 2]));
    let ears = told.clone();
    let cache = checked(Cache::builder().capacity(10).listener(move |_: &u64, _: &u64, cause| match cause {
        Cause::Replaced => ears.lock().unwrap()[0] += 1,
        Cause::Removed => ears.lock().unwrap()[1] += 1,
        cause => panic!("{cause}"),
    }));
    let counts: Vec<[u64; 4]> = thread::scope(|threads| {
        let work = |seed| {
            let (cache, mut rng, mut did) = (&cache, Rng::new(seed), [0; 4]);
            move || {
                for _ in 0..5000 {
                    let wants = rng.below(5);
                    let done = cache.compute(7, |there| match wants {
                        0 => Compute::Remove,
                        1 => Compute::Keep,
                        _ => Compute::Put(there.map_or(1, |n| n + 1)),
                    });
                    match done {
                        Computed::Added => did[0] += 1,
                        Computed::Replaced => did[1] += 1,
                        Computed::Removed => did[2] += 1,
                        _ => did[3] += 1,
                    }
                }
                did
            }
        };
        let threads: Vec<_> = (0..4).map(|seed| threads.spawn(work(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sum = |n: usize| counts.iter().map(|did| did[n]).sum::<u64>();
    assert_eq!(sum(0) - sum(2), cache.len() as u64, "added less removed is there");
    assert_eq!(*told.lock().unwrap(), [sum(1), sum(2)]);
    let stats = cache.stats();
    assert_eq!((stats.added, stats.replaced, stats.removed), (sum(0), sum(1), sum(2)));
}

// There: compute said "replaced" for a removal of what was not there, and "removed" for nothing.
// Here: each answer for a key that is there, that is not, and that has expired.
#[test]
fn moka_593_cell_by_cell() {
    let _gate = alone();
    let ticker = ManualTicker::new();
    let cache = checked(Cache::builder().capacity(10).ticker(ticker.clone()));
    let try_all = |prepare: &dyn Fn(), [put, remove, keep]: [Computed<u32>; 3]| {
        for (answer, expected) in [(Compute::Put(5), put), (Compute::Remove, remove), (Compute::Keep, keep)] {
            prepare();
            assert_eq!(cache.compute(7, |_| answer.clone()), expected, "{answer:?}");
        }
    };
    let there = || _ = cache.insert(7, 1);
    let gone = || _ = cache.invalidate(&7);
    let dead = || {
        cache.insert_with(7, 1, ttl(S));
        ticker.advance(S);
    };
    try_all(&there, [Computed::Replaced, Computed::Removed, Computed::Kept]);
    try_all(&gone, [Computed::Added, Computed::Kept, Computed::Kept]);
    try_all(&dead, [Computed::Added, Computed::Kept, Computed::Kept]);
}

// There: a listener that inserted into its cache could block on the lock that had called it.
// Here: listeners that insert, remove, compute, iterate and clear come to an end, from several threads.
#[test]
fn moka_298() {
    let _gate = alone();
    finishes("a listener that writes", || {
        let own: Arc<Mutex<Option<Cache<u64, u64>>>> = Arc::default();
        let handle = own.clone();
        let builder = Cache::builder().capacity(20).shards(2).listener(move |key: &u64, value: &u64, _| {
            let cache = handle.lock().unwrap().clone();
            let Some(cache) = cache else { return };
            if *value > 0 {
                cache.insert(key + 1, value - 1);
                cache.invalidate(&(key + 2));
                cache.compute(key + 3, |_| Compute::Put(0));
                assert!(cache.iter().count() <= 64);
                cache.maintain(10);
            }
        });
        let cache = builder.build().unwrap();
        *own.lock().unwrap() = Some(cache.clone());
        thread::scope(|threads| {
            for seed in 0..3 {
                let cache = &cache;
                threads.spawn(move || (0..300).for_each(|n| _ = cache.insert(seed * 1000 + n, 3)));
            }
        });
        cache.clear();
        own.lock().unwrap().take();
        cache.validate();
    });
}

// There: after `invalidate_all`, entries inserted within the same tick of the clock stayed readable.
// Here: what was there when `clear` began is gone, and what comes after it stays.
#[test]
fn moka_155() {
    let _gate = alone();
    let cache = checked(Cache::builder().capacity(1000).time_to_live(S * 60));
    for round in 0..200 {
        (0..20).for_each(|key| _ = cache.insert(key, round));
        cache.clear();
        assert!((0..20).all(|key| cache.get(&key).is_none()) && cache.is_empty());
        cache.insert(5, round);
        assert_eq!(cache.get(&5), Some(round));
    }
}

// There: 62 removed values for each thread waited in the reclaimer's bags, for ever if nothing else happened.
// Here: of what was removed at most 256 wait a shard, and `maintain` or `clear` leaves none.
#[test]
fn moka_169() {
    let _gate = alone();
    let census = Census::default();
    let cache = checked(Cache::builder().capacity(100).shards(1));
    for id in 0..5000 {
        cache.insert(id, census.token(id));
        assert!(census.alive() <= 100 + 256, "{} are alive", census.alive());
    }
    cache.maintain(1000);
    assert_eq!(census.alive(), cache.len() as isize);
    for id in 0..200 {
        cache.remove(&(4900 + id % 100));
    }
    cache.maintain(1000);
    assert_eq!(census.alive(), cache.len() as isize);
    cache.clear();
    assert_eq!(census.alive(), 0);
}

// There: values outlived the cache that was dropped, and a removed value its removal.
// Here: the last handle drops everything; a large value goes with the call that removes it.
#[test]
fn moka_551() {
    let _gate = alone();
    let census = Census::default();
    let cache = Cache::builder().capacity_weight(1000).shards(1).build().unwrap();
    cache.insert_with(1, census.token(1), weighing(900));
    assert!(cache.invalidate(&1));
    assert_eq!(census.alive(), 0, "a large value does not wait");
    (0..100).for_each(|id| _ = cache.insert(id, census.token(id)));
    let other = cache.clone();
    drop(cache);
    assert!(census.alive() >= 100);
    drop(other);
    assert_eq!(census.alive(), 0);
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

// There: the policy's list and the index came to disagree, and every insertion from then on panicked.
// Here: after removals, overwrites and evictions from several threads they agree entry by entry.
#[test]
fn foyer_531_and_1121() {
    let _gate = alone();
    for policy in POLICIES {
        let cache = checked(Cache::builder().capacity_weight(200).shards(3).policy(policy));
        for _ in 0..5 {
            thread::scope(|threads| {
                for seed in 0..4 {
                    let cache = &cache;
                    threads.spawn(move || {
                        let mut rng = Rng::new(seed);
                        for n in 0..3000 {
                            let key = rng.below(100);
                            match rng.below(5) {
                                0 => _ = cache.remove(&key),
                                1 => _ = cache.get(&key),
                                _ => _ = cache.insert_with(key, n, weighing(rng.below(9))),
                            }
                        }
                    });
                }
            });
            cache.validate();
        }
    }
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

// There: an expired entry that was loaded again got no lifetime, so it was loaded at each read from then on.
// Here: a write over an expired entry gives it the lifetime of a new one, over and over.
#[test]
fn otter_154() {
    let _gate = alone();
    let ticker = ManualTicker::new();
    let cache = checked(Cache::builder().capacity(10).time_to_live(S * 10).ticker(ticker.clone()));
    for round in 0..50 {
        assert_eq!(cache.entry(7).or_insert_with(|| round), round, "loaded anew");
        ticker.advance(S * 10 - Duration::from_nanos(1));
        assert_eq!(cache.entry(7).or_insert_with(|| panic!("loaded twice")), round);
        ticker.advance(Duration::from_nanos(1));
    }
}

// There: an invalidation of everything while a value was being made was forgotten when the value was stored.
// Here: a compute whose value was cleared meanwhile is asked again, and sees that nothing is there.
#[test]
fn otter_137_with_clear() {
    let _gate = alone();
    for shards in [1, 8] {
        let cache = checked(Cache::builder().capacity(100).shards(shards));
        for wipe in [
            |cache: &Cache<u32, u32>| cache.clear(),
            |cache: &Cache<u32, u32>| _ = cache.retain(|_, _| false),
        ] {
            cache.insert(7, 1);
            let mut seen = Vec::new();
            let done = cache.compute(7, |there| {
                seen.push(there.copied());
                if seen.len() == 1 {
                    wipe(&cache);
                }
                Compute::Put(there.map_or(100, |n| n + 1))
            });
            assert_eq!((seen, done), (vec![Some(1), None], Computed::Added));
            assert_eq!(cache.get(&7), Some(100), "nothing of the cleared value is left");
            cache.insert(7, 1);
            let replaced = cache.replace_if(7, 2, |_| {
                wipe(&cache);
                true
            });
            assert!(!replaced.is_stored() && cache.is_empty());
        }
    }
}

// There: a rule's "for ever" was added to the time, overflowed, and the entry was dead at once.
// Here: it is for ever after a create, an update and a read, early and late in time.
#[test]
fn caffeine_217() {
    struct Forever(Lifetime);
    impl Expiry<u32, u32> for Forever {
        fn after_create(&self, _: &u32, _: &u32) -> Lifetime {
            self.0
        }
        fn after_read(&self, _: &u32, _: &u32, _: Option<Duration>) -> Lifetime {
            self.0
        }
    }
    let _gate = alone();
    let longest =
        [Lifetime::Never, Lifetime::After(Duration::MAX), Lifetime::After(Duration::from_nanos(u64::MAX))];
    for forever in longest {
        for start in [0, 1, u64::MAX / 2, u64::MAX - 1] {
            let ticker = ManualTicker::new();
            ticker.advance(Duration::from_nanos(start));
            let cache =
                checked(Cache::builder().capacity(10).expiry(Forever(forever)).ticker(ticker.clone()));
            cache.insert(7, 1);
            assert_eq!(cache.get(&7), Some(1), "{forever:?} at {start}");
            cache.insert(7, 2);
            ticker.advance(Duration::MAX);
            while !cache.maintain(100).done {}
            assert_eq!(cache.get(&7), Some(2), "{forever:?} at {start}");
        }
    }
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

// There: a cache that keeps hashes instead of keys answered for a key that was never inserted.
// Here: full collisions are told apart by every operation.
#[test]
fn pingora_406() {
    let _gate = alone();
    let cache = checked(Cache::builder().capacity(100).hasher(Constant(7)));
    for key in (0..60).step_by(2) {
        cache.insert(key, key);
    }
    for never in (1..60).step_by(2) {
        assert_eq!((cache.get(&never), cache.peek(&never), cache.remove(&never)), (None, None, None));
        assert!(!cache.contains(&never) && !cache.touch(&never) && !cache.invalidate(&never));
        assert!(cache.metadata(&never).is_none() && !cache.set_lifetime(&never, Lifetime::Never));
        assert!(!cache.replace(never, 0).is_stored());
        assert_eq!(
            cache.compute(never, |there| there.map_or(Compute::Keep, |_| Compute::Remove)),
            Computed::Kept
        );
    }
    assert!(cache.len() == 30 && (0..60).step_by(2).all(|key| cache.get(&key) == Some(key)));
}

// There: writing to a map while holding a reference into it, on the same thread, locked up.
// Here: with guards, a pin and an iteration open, every write comes through.
#[test]
fn dashmap_233_and_369() {
    let _gate = alone();
    finishes("a write under a guard", || {
        let heard = Arc::new(AtomicU64::new(0));
        let ears = heard.clone();
        let listener = move |_: &u32, _: &u32, _| _ = ears.fetch_add(1, Ordering::Relaxed);
        let cache = checked(Cache::builder().capacity(50).shards(1).listener(listener));
        (0..50).for_each(|n| _ = cache.insert(n, n));
        let pinned = cache.pin();
        let guards: Vec<_> = (0..20).filter_map(|key| cache.get_ref(&key)).collect();
        let mut iteration = cache.iter();
        let first = iteration.next();
        let borrowed = pinned.get(&3);
        for n in 0..200 {
            cache.insert(n, n + 1000);
            cache.compute(n, |_| Compute::Put(0));
            cache.invalidate(&(n / 2));
            cache.set_lifetime(&n, Lifetime::Never);
        }
        cache.retain(|key, _| key % 2 == 0);
        cache.set_capacity(10).unwrap();
        cache.maintain(1000);
        cache.clear();
        cache.maintain(1000);
        assert!(cache.is_empty() && first.is_some() && iteration.count() == 0);
        assert_eq!(borrowed, Some(&3));
        assert!(guards.iter().all(|guard| *guard.key() == **guard), "guards see what they saw");
        assert!(heard.load(Ordering::Relaxed) > 200);
    });
}

// There: with a sweep less often than once a second, the buckets between two sweeps were never emptied.
// Here: however far time leaps between two calls, nothing that expired stays.
#[test]
fn stretto_55() {
    let _gate = alone();
    for leap in [S * 3 / 2, S * 17, S * 3600, S * 86_400 * 40] {
        let ticker = ManualTicker::new();
        let cache = checked(Cache::builder().capacity(5000).shards(1).ticker(ticker.clone()));
        for n in 0..2000u64 {
            cache.insert_with(n, n, ttl(leap * (n as u32 % 7) + Duration::from_millis(n)));
        }
        for _ in 0..10 {
            ticker.advance(leap);
            while !cache.maintain(500).done {}
        }
        assert_eq!((cache.len(), cache.weight(), cache.stats().expired), (0, 0, 2000), "leaps of {leap:?}");
    }
}

thread_local! {
    /// The cache that user code calls from within.
    static WITHIN: RefCell<Option<Cache<Wilful, Last>>> = const { RefCell::new(None) };
    /// How often it may still do so. A comparison that always wrote would never let a write find what it saw.
    static FUEL: Cell<u32> = const { Cell::new(0) };
}

/// Calls the cache again, from within as deep as the fuel lasts.
fn again() {
    let cache = WITHIN.with_borrow(Option::clone);
    if let Some(cache) = cache.filter(|_| FUEL.get() > 0) {
        FUEL.set(FUEL.get() - 1);
        cache.contains(&Wilful(1));
        cache.insert(Wilful(100 + FUEL.get()), Last);
        cache.invalidate(&Wilful(2));
        cache.iter().take(2).for_each(drop);
        cache.maintain(5);
    }
}

/// Something to do to a cache with a number.
type Deed = fn(&Cache<Wilful, Last>, u32);

/// A key whose comparison uses the cache.
#[derive(Clone, Debug)]
struct Wilful(u32);
impl PartialEq for Wilful {
    fn eq(&self, other: &Self) -> bool {
        again();
        self.0 == other.0
    }
}
impl Eq for Wilful {}
impl Hash for Wilful {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Many collide, so comparisons are many.
        (self.0 % 3).hash(state);
    }
}

/// A value whose drop uses the cache.
#[derive(Debug)]
struct Last;
impl Drop for Last {
    fn drop(&mut self) {
        again();
    }
}

// There: a key's comparison (67) or a value's finalizer (84) came back to the cache under its lock: frozen.
// Here: both do, from every call, and every call ends.
#[test]
fn cachebox_67_and_84() {
    let _gate = alone();
    finishes("user code that comes back", || {
        let cache = Cache::builder().capacity(10).shards(1).build().unwrap();
        WITHIN.set(Some(cache.clone()));
        let deeds: [Deed; 8] = [
            |cache, n| _ = cache.insert(Wilful(n % 20), Last),
            |cache, n| _ = cache.contains(&Wilful(n % 7)),
            |cache, n| _ = cache.replace(Wilful(n % 5), Last),
            |cache, n| _ = cache.compute(Wilful(n % 11), |_| Compute::Put(Last)),
            |cache, n| _ = cache.invalidate(&Wilful(n % 13)),
            |cache, n| _ = cache.retain(|key, _| key.0 % 5 != n % 5),
            |cache, _| _ = cache.maintain(100),
            |cache, n| _ = (n % 3 == 0).then(|| cache.clear()),
        ];
        for n in 0..100 {
            for deed in deeds {
                FUEL.set(20);
                deed(&cache, n);
            }
        }
        WITHIN.set(None);
        cache.clear();
        cache.validate();
        assert!(cache.is_empty());
    });
}

// There: a callback that panicked lost the entries that were being removed, and the counts with them.
// Here: after a panic in listener, predicate, closure or weigher the cache is whole and goes on.
#[test]
fn cached_rc_panicking_callback() {
    let _gate = alone();
    hush();
    let armed = Arc::new(AtomicBool::new(false));
    let census = Census::default();
    let (ears, scales) = (armed.clone(), armed.clone());
    let told = Arc::new(AtomicU64::new(0));
    let count = told.clone();
    let cache = checked(
        Cache::builder()
            .capacity_weight(50)
            .shards(2)
            .weigher(
                move |key: &u64, _: &Token| {
                    if *key == 777 && scales.load(Ordering::Relaxed) { panic!("{}", FUSE) } else { 1 }
                },
            )
            .listener(move |_, _, _| {
                count.fetch_add(1, Ordering::Relaxed);
                if ears.load(Ordering::Relaxed) {
                    std::panic::panic_any(FUSE);
                }
            }),
    );
    let explodes = |work: &mut dyn FnMut()| {
        armed.store(true, Ordering::Relaxed);
        let burst = catch_unwind(AssertUnwindSafe(work)).is_err();
        armed.store(false, Ordering::Relaxed);
        cache.validate();
        burst
    };
    for round in 0..20 {
        (0..60).for_each(|id| _ = cache.insert(id, census.token(id)));
        assert!(explodes(&mut || _ = cache.insert(round, census.token(round + 1))));
        assert_eq!(cache.with(&round, Token::id), Some(round + 1), "the insertion was done");
        assert!(explodes(&mut || _ = cache.invalidate(&round)));
        assert!(!cache.contains(&round), "the removal was done");
        assert!(explodes(&mut || cache.clear()));
        assert!(explodes(&mut || _ = cache.retain(|_, _| std::panic::panic_any(FUSE))) || cache.is_empty());
        assert!(explodes(&mut || _ = cache.compute(5, |_| std::panic::panic_any(FUSE))));
        assert!(explodes(&mut || _ = cache.insert(777, census.token(777))));
    }
    cache.clear();
    let stats = cache.stats();
    let left = stats.evicted + stats.replaced + stats.removed + stats.cleared;
    assert_eq!((stats.added + stats.replaced, cache.len(), cache.weight()), (left, 0, 0));
    assert_eq!(told.load(Ordering::Relaxed), left, "each departure was told once, panic or not");
    drop(cache);
    assert_eq!(census.alive(), 0);
}

// There: a map with lifetimes freed an entry only when its key was asked for again: never, for most.
// Here: nobody asks again, and writes of other keys free them all; so does `maintain`.
#[test]
fn kubewarden_1952() {
    let _gate = alone();
    let census = Census::default();
    let ticker = ManualTicker::new();
    let builder = Cache::builder().capacity(1_000_000).shards(2).time_to_live(S * 60);
    let cache = checked(builder.ticker(ticker.clone()));
    for minute in 0..50u64 {
        for n in 0..200 {
            cache.insert(minute * 1000 + n, census.token(n));
        }
        ticker.advance(S * 61);
        assert!(cache.len() <= 200 * 3, "{} entries in minute {minute}", cache.len());
        assert!(census.alive() <= 200 * 3 + 2 * 256);
    }
    while !cache.maintain(100).done {}
    assert_eq!((cache.len(), census.alive()), (0, 0));
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

thread_local! {
    static HASHED: Cell<u64> = const { Cell::new(0) };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Metered(u64);
impl Hash for Metered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        HASHED.set(HASHED.get() + 1);
        self.0.hash(state);
    }
}

// There: one insertion in so many moved the whole table, and readers waited for it.
// Here: an insertion hashes one key however large the table is, and all others are found while it grows.
#[test]
fn papaya_19() {
    let _gate = alone();
    let cache = checked(Cache::builder().capacity_weight(1 << 30).shards(1));
    let mut rng = Rng::new(19);
    for n in 0..50_000 {
        let before = HASHED.get();
        cache.insert(Metered(n), n);
        assert_eq!(HASHED.get() - before, 1, "nothing is hashed again");
        let some = rng.below(n + 1);
        assert_eq!(cache.get(&Metered(some)), Some(some));
    }
    assert_eq!(cache.len(), 50_000);
}

// There: garbage was handed to the reclaimer faster than it was freed, until memory ran out.
// Here: with threads that read, idle, come and go, what waits stays within its bound.
#[test]
fn crossbeam_540() {
    let _gate = alone();
    let census = Census::default();
    let cache = checked(Cache::builder().capacity(100).shards(1));
    let stop = AtomicBool::new(false);
    thread::scope(|threads| {
        let (cache, stop) = (&cache, &stop);
        let idle = threads.spawn(move || {
            cache.get(&1);
            thread::park();
            cache.get(&1).is_some()
        });
        threads.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // One read each: threads come and go.
                thread::scope(|short| {
                    short.spawn(|| cache.with(&5, Token::id));
                });
            }
        });
        let mut most = 0;
        for id in 0..100_000u64 {
            cache.insert(id % 300, census.token(id));
            most = most.max(census.alive() - 100);
        }
        stop.store(true, Ordering::Relaxed);
        idle.thread().unpark();
        // A reader that was interrupted within its pin may hold back what left meanwhile.
        assert!(most < 50_000, "{most} values waited");
    });
    cache.maintain(1000);
    assert_eq!(census.alive(), cache.len() as isize);
}

// There: a plain insertion racing `or_insert_with` was overwritten by the older default.
// Here: a default is only ever written where nothing is, so the insertion's value stays.
#[test]
fn iota_5208() {
    let _gate = alone();
    let cache = checked(Cache::builder().capacity(1000).shards(1));
    for key in 0..500u32 {
        thread::scope(|threads| {
            threads.spawn(|| assert!(cache.insert(key, 2).is_stored()));
            threads.spawn(|| assert!([1, 2].contains(&cache.entry(key).or_insert_with(|| 1))));
        });
        assert_eq!(cache.get(&key), Some(2), "the insertion won or came last");
    }
}

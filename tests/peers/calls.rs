//! Reports about calls that meet: threads, guards, user code that comes back or panics, and drops.

use super::*;

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

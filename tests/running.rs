//! Does it behave as a part of a process: hits without locks, prompt drops, no services, true statistics.
//!
//! The tests of this file run one at a time: a pin of one would hold back what another expects to be dropped.

#![allow(unsafe_code)]

mod common;

use common::{
    Census, Fate, Meter, Rng, Token, allocations, alone, checked, finishes, in_arena, in_child, in_use,
    protect_arena,
};
use pinyon::{Cache, Compute, InsertOptions, ManualTicker, Ticker, ValueRef};
use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

#[global_allocator]
static METER: Meter = Meter;

// G11: a hit takes no lock, allocates nothing, writes nothing that is shared.

#[test]
fn g11_a_hit_and_a_miss_allocate_nothing() {
    let _alone = alone();
    let plain: common::Checked<u64, u64> = checked(Cache::builder().capacity(1000).shards(4));
    let timed: common::Checked<u64, u64> =
        checked(Cache::builder().capacity(1000).time_to_live(Duration::from_secs(1000)));
    let idle: common::Checked<u64, u64> =
        checked(Cache::builder().capacity(1000).time_to_idle(Duration::from_secs(1000)));
    for cache in [&plain, &timed, &idle] {
        (0..500).for_each(|key| assert!(cache.insert(key, key).is_stored()));
        cache.get(&0);
        let before = allocations();
        for key in 0..500 {
            (0..5).for_each(|_| assert_eq!(cache.get(&key), Some(key)));
            assert_eq!(cache.get(&(key + 10_000)), None);
            assert_eq!(cache.get_ref(&key).map(|value| *value), Some(key));
            assert_eq!(cache.with(&key, |value| *value), Some(key));
            assert_eq!(cache.pin().get(&key), Some(&key));
            assert!(cache.contains(&key) && cache.touch(&key) && cache.peek(&key) == Some(key));
        }
        assert_eq!(allocations() - before, 0);
    }
}

/// Caches in memory that can be made read-only.
struct Frozen {
    plain: Cache<u64, u64>,
    timed: Cache<u64, u64>,
}

fn freeze() -> Frozen {
    // The thread's own place in the readers' registry is no part of a cache.
    let _ = Cache::<u64, u64>::builder().capacity(1).build().unwrap().get(&1);
    let frozen = in_arena(|| {
        let builder = || Cache::builder().capacity(2000).shards(2).statistics(false);
        let plain = builder().build().unwrap();
        let timed = builder().time_to_live(Duration::from_secs(10_000)).build().unwrap();
        for cache in [&plain, &timed] {
            (0..1000).for_each(|key| assert!(cache.insert(key, key).is_stored()));
        }
        Frozen { plain, timed }
    });
    // Three hits fill a use counter.
    for key in 0..1000 {
        (0..4).for_each(|_| {
            assert_eq!((frozen.plain.get(&key), frozen.timed.get(&key)), (Some(key), Some(key)))
        });
    }
    frozen
}

#[test]
fn g11_a_hit_of_a_hot_entry_writes_nothing_to_the_cache_so_it_takes_no_lock() {
    let _alone = alone();
    let frozen = freeze();
    // Every lock, table, entry and counter of the caches is in memory that cannot be written now: a write kills.
    protect_arena(false);
    for cache in [&frozen.plain, &frozen.timed] {
        for key in 0..1000 {
            assert_eq!(cache.get(&key), Some(key));
            assert_eq!(cache.get_ref(&key).map(|value| *value), Some(key));
            assert_eq!(
                (cache.peek(&key), cache.contains(&key), cache.get(&(key + 5000))),
                (Some(key), true, None)
            );
        }
        let pinned = cache.pin();
        assert!((0..1000).all(|key| pinned.get(&key) == Some(&key)));
        assert!(cache.weight() == 1000 && cache.len() == 1000);
    }
    protect_arena(true);
    frozen.plain.validate();
    frozen.timed.validate();

    // That the test would notice: the first hit of an entry counts its use, and a write takes a lock.
    frozen.plain.insert(5000, 5000);
    let would_die = [
        in_child(|| {
            protect_arena(false);
            frozen.plain.get(&5000);
        }),
        in_child(|| {
            protect_arena(false);
            frozen.plain.remove(&17);
        }),
        in_child(|| {
            protect_arena(false);
            let _ = frozen.plain.stats();
        }),
    ];
    assert_eq!(would_die, [const { Fate::Killed(libc::SIGSEGV) }; 3]);
}

/// A ticker that counts how often it is asked.
#[derive(Default)]
struct Counting(Arc<AtomicU64>);

impl Ticker for Counting {
    fn now(&self) -> Duration {
        self.0.fetch_add(1, Ordering::Relaxed);
        Duration::from_secs(1)
    }
}

#[test]
fn g11_no_clock_is_read_for_an_entry_without_a_deadline() {
    let _alone = alone();
    let asked = Arc::new(AtomicU64::new(0));
    let cache: common::Checked<u64, u64> =
        checked(Cache::builder().capacity(100).ticker(Counting(asked.clone())));
    (0..50).for_each(|key| assert!(cache.insert(key, key).is_stored()));
    let read_all = || {
        for key in 0..60 {
            let there = (key < 50).then_some(key);
            assert_eq!((cache.get(&key), cache.peek(&key), cache.contains(&key)), (there, there, key < 50));
            assert_eq!(cache.get_ref(&key).map(|value| *value), there);
        }
        assert!(cache.iter().count() >= 50);
    };
    read_all();
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nothing here can expire, so nobody asks, not even writers");
    // One entry with a deadline: only its own reads ask.
    cache.insert_with(1000, 0, InsertOptions::new().ttl(Duration::from_secs(5)));
    let before = asked.load(Ordering::Relaxed);
    (0..50).for_each(|key| assert_eq!(cache.get(&key), Some(key)));
    assert_eq!(asked.load(Ordering::Relaxed), before);
    cache.get(&1000);
    assert_eq!(asked.load(Ordering::Relaxed), before + 1);
}

// G27: values are dropped promptly.

/// What may wait in a shard.
const STATED: isize = 256;

#[test]
fn g27_at_most_the_stated_number_of_entries_wait() {
    let _alone = alone();
    for (shards, capacity) in [(1, 100), (1, 5000), (4, 5000)] {
        let census = Census::default();
        let cache: common::Checked<u64, Token> = checked(Cache::builder().capacity(capacity).shards(shards));
        let mut rng = Rng::new(3);
        for n in 0..12_000 {
            let key = rng.below(2 * capacity);
            match n % 4 {
                0 => assert!([true, false].contains(&cache.invalidate(&key))),
                _ => assert!(cache.insert(key, census.token(key)).is_stored()),
            }
            let waiting = census.alive() - cache.len() as isize;
            assert!(waiting <= STATED * shards as isize, "{waiting} wait in {shards} shards");
        }
        cache.maintain(0);
        assert_eq!(
            (census.alive(), cache.stats().retired),
            (cache.len() as isize, 0),
            "maintain leaves nothing waiting"
        );
        (0..50).for_each(|key| assert!(cache.insert(key, census.token(key)).is_stored()));
        cache.clear();
        assert_eq!((census.alive(), cache.stats().retired), (0, 0), "clear leaves nothing waiting");
        cache.insert(1, census.token(1));
        cache.insert(1, census.token(2));
        drop(cache);
        assert_eq!(census.alive(), 0, "dropping the cache drops everything");
    }
}

thread_local! {
    /// The cache whose values look at it when they are dropped.
    static WATCHED: RefCell<Option<Cache<u64, Watching>>> = const { RefCell::new(None) };
    /// The most that waited when a value was dropped.
    static MOST: Cell<isize> = const { Cell::new(0) };
}

struct Watching {
    _token: Token,
    census: Census,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let len = WATCHED.with_borrow(|cache| cache.as_ref().map(Cache::len));
        let waiting = len.map_or(0, |len| self.census.alive() - len as isize);
        MOST.set(MOST.get().max(waiting));
    }
}

#[test]
fn g15_g27_what_a_heavy_write_evicts_does_not_wait_for_its_end() {
    let _alone = alone();
    const MANY: u64 = 20_000;
    for shards in [1, 4] {
        let census = Census::default();
        let builder = Cache::<u64, Watching>::builder().capacity_weight(MANY).shards(shards);
        let cache = checked(builder.weigher(|key, _| if *key >= MANY { MANY - 10 } else { 1 }));
        let put = |key| cache.insert(key, Watching { _token: census.token(key), census: census.clone() });
        (0..MANY).for_each(|key| assert!(put(key).is_stored()));
        WATCHED.set(Some(cache.clone()));
        for key in [MANY, MANY, MANY + 1] {
            assert!(put(key).is_stored(), "what fits, fits");
        }
        WATCHED.set(None);
        // Beside what waits: the steps of the call that come before it settles, and the pair itself.
        let stated = (STATED + 4 * 64 + 2) * shards as isize;
        assert!(MOST.get() <= stated, "{} waited in {shards} shards", MOST.get());
        assert!(cache.weight() <= MANY && cache.get_ref(&(MANY + 1)).is_some());
    }
}

#[test]
fn g02_g27_between_writes_no_more_waits_than_is_stated_though_one_evicts_much() {
    let _alone = alone();
    const MANY: u64 = 20_000;
    let cache: common::Checked<u64, String> = checked(
        Cache::builder()
            .capacity_weight(MANY)
            .shards(1)
            .weigher(|key, _| if key % 32 == 31 { 60 } else { 1 }),
    );
    for key in 0..3 * MANY {
        assert!(cache.insert(key, String::new()).is_stored());
        let waiting = cache.stats().retired;
        assert!(waiting <= 64, "{waiting} wait after key {key}");
    }
}

#[test]
fn g27_at_most_the_stated_number_wait_with_threads_and_a_listener() {
    let _alone = alone();
    let census = Census::default();
    let builder = Cache::<u64, Token>::builder()
        .capacity(500)
        .shards(2)
        .listener(|key, token, _| assert_eq!(*key, token.id()));
    let cache = checked(builder);
    thread::scope(|scope| {
        for seed in 0..4 {
            let (cache, census) = (&*cache, &census);
            scope.spawn(move || {
                let mut rng = Rng::new(seed);
                for _ in 0..2500 {
                    let key = rng.below(1500);
                    cache.insert(key, census.token(key));
                    cache.with(&key, |token| assert_eq!(token.id(), key));
                }
            });
        }
    });
    // When all are quiet again, one more write finds the rest below the limit.
    (0..200).for_each(|key| assert!(cache.insert(key, census.token(key)).is_stored()));
    let waiting = census.alive() - cache.len() as isize;
    assert!(waiting <= 2 * STATED, "{waiting}");
    cache.maintain(0);
    assert_eq!(census.alive() as usize, cache.len());
}

#[test]
fn g27_a_large_value_is_dropped_before_the_call_returns() {
    let _alone = alone();
    let census = Census::default();
    let heap = |_: &u64, _: &Token| 100_000;
    let cache: common::Checked<u64, Token> =
        checked(Cache::builder().capacity_bytes_with(8 << 20, heap).shards(2));
    let put = |key| assert!(cache.insert(key, census.token(key)).is_stored());
    (0..20).for_each(put);
    assert_eq!(census.alive(), 20);
    cache.invalidate(&1);
    assert_eq!(census.alive(), 19);
    put(2);
    assert_eq!(census.alive(), 19, "the replaced one is gone");
    assert_eq!(cache.compute(3, |_| Compute::Remove), pinyon::Computed::Removed);
    assert_eq!(census.alive(), 18);
    (100..300).for_each(|key| {
        put(key);
        assert_eq!(census.alive() as usize, cache.len(), "what was evicted is gone");
    });
    assert!(cache.stats().evicted > 0);
    assert!(cache.retain(|key, _| *key % 2 == 0) > 0);
    assert_eq!(census.alive() as usize, cache.len());
}

#[test]
fn g27_a_guard_of_one_value_holds_back_that_value_only() {
    let _alone = alone();
    let census = Census::default();
    let cache: common::Checked<u64, Token> = checked(Cache::builder().capacity(100).shards(1));
    let put = |key| assert!(cache.insert(key, census.token(key)).is_stored());
    (0..100).for_each(put);
    let held: Vec<ValueRef<'_, u64, Token>> = (0..7).map(|key| cache.get_ref(&key).unwrap()).collect();
    cache.clear();
    cache.maintain(0);
    assert_eq!((census.alive(), cache.stats().retired), (7, 7));
    (0..1000).for_each(put);
    cache.maintain(0);
    assert_eq!(census.alive(), 7 + 100);
    assert!(held.iter().all(|token| token.id() == *token.key()));
    drop(held);
    cache.maintain(0);
    assert_eq!(census.alive(), 100);

    // An eighth guard of a thread is a pin: it holds back all that leaves, until it goes.
    let held: Vec<ValueRef<'_, u64, Token>> = cache.iter().take(8).collect();
    cache.clear();
    assert_eq!(held.len(), 8);
    assert!(census.alive() >= 8 && held.iter().all(|token| token.id() == *token.key()));
    drop(held);
    cache.maintain(0);
    assert_eq!((census.alive(), cache.stats().retired), (0, 0));
}

/// A hasher of two hashes.
#[derive(Clone, Default)]
struct Parity(u64);

impl BuildHasher for Parity {
    type Hasher = Self;
    fn build_hasher(&self) -> Self {
        Parity(0)
    }
}

impl Hasher for Parity {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = u64::from(bytes[0] & 1) << 8;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

#[test]
fn g17_g27_of_many_entries_with_one_hash_each_is_held_alone_and_no_pin_outlives_the_hash() {
    let _alone = alone();
    let census = Census::default();
    let builder = Cache::<u64, Token>::builder().capacity(100).shards(1).hasher(Parity::default());
    let cache = checked(builder);
    let put = |key| assert!(cache.insert(key, census.token(key)).is_stored());
    (0..40).for_each(put);
    let mut iter = cache.iter();
    let mut seen: Vec<u64> = iter.by_ref().take(20).map(|token| token.id()).collect();
    // One hash is done: what leaves now is not held back, though the iteration goes on.
    seen.clone().iter().for_each(|key| assert!(cache.invalidate(key)));
    cache.maintain(0);
    assert_eq!((census.alive(), cache.stats().retired), (20, 0));
    // In the midst of the other: the guard holds its own entry, the iteration the others of this hash.
    let first = iter.next().unwrap();
    seen.push(first.id());
    seen.extend(iter.map(|token| token.id()));
    cache.clear();
    assert_eq!((census.alive(), first.id()), (1, *first.key()));
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..40), "each once");
    drop(first);
    cache.maintain(0);
    assert_eq!(census.alive(), 0);
}

#[test]
fn g27_what_a_pin_held_back_is_dropped_after_it() {
    let _alone = alone();
    let census = Census::default();
    let cache: common::Checked<u64, Token> = checked(Cache::builder().capacity(50).shards(1));
    (0..50).for_each(|key| assert!(cache.insert(key, census.token(key)).is_stored()));
    let pinned = cache.pin();
    let seen: Vec<_> = (0..50).filter_map(|key| pinned.get(&key)).collect();
    cache.clear();
    assert_eq!((seen.len(), census.alive()), (50, 50));
    assert!(seen.iter().enumerate().all(|(key, token)| token.id() == key as u64));
    drop(seen);
    drop(pinned);
    cache.insert(1, census.token(1));
    cache.maintain(0);
    assert_eq!(census.alive(), 1);
}

#[test]
fn g27_the_last_handle_drops_everything_once_whatever_other_guards_live() {
    let _alone = alone();
    let (census, elsewhere) = (Census::default(), Census::default());
    let other: common::Checked<u64, Token> = checked(Cache::builder().capacity(50));
    other.insert(1, elsewhere.token(1));
    let guards = (other.pin(), other.get_ref(&1).unwrap());
    let cache: Cache<Token, Token> = Cache::builder().capacity(200).shards(2).build().unwrap();
    for key in 0..600 {
        cache.insert(census.token(key), census.token(key));
    }
    cache.validate();
    let handle = cache.clone();
    drop(cache);
    assert!(census.alive() >= 400);
    drop(handle);
    assert_eq!(census.alive(), 0, "a dropped cache waits for no guard of another");
    assert_eq!((guards.1.id(), elsewhere.alive()), (1, 1));
}

#[test]
fn g27_expired_values_are_dropped_by_maintenance() {
    let _alone = alone();
    let census = Census::default();
    let ticker = ManualTicker::new();
    let builder = Cache::builder().capacity(1000).ticker(ticker.clone()).time_to_live(Duration::from_secs(1));
    let cache: common::Checked<u64, Token> = checked(builder);
    (0..600).for_each(|key| assert!(cache.insert(key, census.token(key)).is_stored()));
    ticker.advance(Duration::from_secs(1));
    while !cache.maintain(64).done {}
    assert_eq!((census.alive(), cache.len(), cache.stats().retired), (0, 0, 0));
}

// G28: no threads, no signals, no hidden services.

fn tasks() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn handled_signals() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find(|line| line.starts_with("SigCgt")).unwrap().to_string()
}

/// Uses most of a cache.
fn exercise(cache: &Cache<u64, Token>, census: &Census) {
    for key in 0..3000 {
        assert!(cache.insert(key, census.token(key)).is_stored());
        assert_eq!(cache.get(&key).map(|token| token.id()), Some(key));
        cache.invalidate(&(key / 2));
    }
    cache.maintain(1000);
    cache.validate();
    assert!(cache.len() as u64 <= cache.capacity());
}

#[test]
fn g28_a_cache_starts_no_thread_and_handles_no_signal() {
    let _alone = alone();
    // In a child, where there is one thread for sure.
    let fate = in_child(|| {
        let (threads, signals) = (tasks(), handled_signals());
        assert_eq!(threads, 1);
        let census = Census::default();
        let builder = Cache::builder().capacity(500).shards(8).time_to_live(Duration::from_secs(1));
        let cache = builder.build().unwrap();
        exercise(&cache, &census);
        assert_eq!((tasks(), handled_signals()), (threads, signals));
        drop(cache);
        assert_eq!((tasks(), census.alive()), (threads, 0));
    });
    assert_eq!(fate, Fate::Exited(0));
}

#[test]
fn g28_a_child_of_a_fork_goes_on_though_a_reader_was_left_inside() {
    let _alone = alone();
    let census = Census::default();
    let cache: common::Checked<u64, Token> = checked(Cache::builder().capacity(100).shards(2));
    (0..100).for_each(|key| assert!(cache.insert(key, census.token(key)).is_stored()));
    let (inside, go) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            let pinned = cache.pin();
            let guards: Vec<_> = (0..10).filter_map(|key| cache.get_ref(&key)).collect();
            inside.wait();
            go.wait();
            assert!(guards.iter().all(|token| token.id() == *token.key()));
            assert!(pinned.get(&50).is_none_or(|token| token.id() == 50));
        });
        inside.wait();
        let fate = in_child(|| {
            exercise(&cache, &census);
            cache.clear();
            assert_eq!(
                (census.alive(), cache.stats().retired),
                (0, 0),
                "a reader that is not here holds nothing back"
            );
            // Threads of the child's own.
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        (0..500).for_each(|key| assert!(cache.insert(key, census.token(key)).is_stored()))
                    });
                }
            });
            cache.clear();
            assert_eq!(census.alive(), 0);
            cache.validate();
            // And a child of the child, with a guard of the forking thread itself.
            cache.insert(1, census.token(1));
            let own = cache.get_ref(&1).unwrap();
            let fate = in_child(|| {
                exercise(&cache, &census);
                cache.clear();
                cache.maintain(0);
                assert_eq!((own.id(), census.alive()), (1, 1), "the forking thread's own guard holds on");
            });
            assert_eq!(fate, Fate::Exited(0));
        });
        assert_eq!(fate, Fate::Exited(0));
        exercise(&cache, &census);
        go.wait();
    });
    cache.clear();
    assert_eq!(census.alive(), 0, "the parent is as it was");
}

#[test]
fn g28_threads_come_and_go_and_the_registry_does_not_grow() {
    let _alone = alone();
    let census = Census::default();
    let cache: common::Checked<u64, Token> = checked(Cache::builder().capacity(100));
    (0..100).for_each(|key| assert!(cache.insert(key, census.token(key)).is_stored()));
    let run = |threads: u64| {
        for n in 0..threads {
            thread::scope(|scope| {
                for me in 0..2 {
                    let cache = &*cache;
                    let census = &census;
                    scope.spawn(move || {
                        let guard = cache.get_ref(&(n % 100)).map(|token| token.id());
                        assert!(guard.is_none_or(|id| id == n % 100));
                        cache.insert(n % 150 + me, census.token(n % 150 + me));
                    });
                }
            });
        }
        cache.clear();
        in_use()
    };
    let before = run(50);
    let after = run(1000);
    assert!(after - before < 16 << 10, "{} bytes more after 2000 threads", after - before);
    assert_eq!(census.alive(), 0, "threads that are gone hold nothing back");
}

/// A cache that lives for ever, for what outlives its scope.
fn eternal(census: &Census) -> &'static Cache<u64, Token> {
    let cache = Box::leak(Box::new(Cache::builder().capacity(50).shards(1).build().unwrap()));
    (0..50).for_each(|key| assert!(cache.insert(key, census.token(key)).is_stored()));
    cache
}

/// What a thread leaves behind: used when the thread's destructors run.
struct Late {
    cache: &'static Cache<u64, Token>,
    guards: Vec<ValueRef<'static, u64, Token>>,
    census: Census,
}

impl Drop for Late {
    fn drop(&mut self) {
        for key in 0..120 {
            assert!(self.cache.insert(key, self.census.token(key)).is_stored());
            assert_eq!(self.cache.get(&key).map(|token| token.id()), Some(key));
            assert!(self.guards.iter().all(|token| token.id() == *token.key()));
        }
        let more = self.cache.get_ref(&119).unwrap();
        self.guards.clear();
        assert_eq!(more.id(), 119);
    }
}

thread_local! {
    static FIRST: RefCell<Option<Late>> = const { RefCell::new(None) };
    static SECOND: RefCell<Option<Late>> = const { RefCell::new(None) };
}

#[test]
fn g28_a_cache_may_be_used_and_guards_dropped_by_a_threads_destructors() {
    let _alone = alone();
    finishes("thread-local destructors", || {
        let census = Census::default();
        let cache = eternal(&census);
        let once = |n: u64| {
            thread::spawn({
                let census = census.clone();
                move || {
                    let late = |guards: u64| Late {
                        cache,
                        guards: (0..guards).filter_map(|key| cache.get_ref(&(key + 100))).collect(),
                        census: census.clone(),
                    };
                    // One is made before the thread is known to the library and one after; so one of the two destructors
                    // runs when the thread has left the registry.
                    FIRST.with(|first| *first.borrow_mut() = None);
                    if n.is_multiple_of(3) {
                        cache.get(&1);
                    }
                    FIRST.with(|first| *first.borrow_mut() = Some(late(n % 12)));
                    SECOND.with(|second| *second.borrow_mut() = Some(late(n % 5)));
                }
            })
            .join()
            .unwrap();
        };
        (0..30).for_each(once);
        let before = in_use();
        (0..600).for_each(once);
        assert!(in_use() - before < 32 << 10, "{} bytes more after 600 threads", in_use() - before);
        cache.clear();
        assert_eq!(
            (census.alive(), cache.stats().retired),
            (0, 0),
            "no guard or pin of a dead thread is left"
        );
        cache.validate();
    });
}

// G29: statistics are true.

#[test]
fn g29_hits_and_misses_are_exact_with_more_threads_than_lines() {
    const THREADS: u64 = 80;
    let _alone = alone();
    let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(1000));
    (0..100).for_each(|key| assert!(cache.insert(key, key).is_stored()));
    for round in 1..=2 {
        let ready = Barrier::new(THREADS as usize);
        thread::scope(|scope| {
            for me in 0..THREADS {
                let (cache, ready) = (&*cache, &ready);
                scope.spawn(move || {
                    cache.get(&0);
                    // All are registered now, with as many numbers.
                    ready.wait();
                    for n in 0..299 + me {
                        match n % 3 {
                            0 => assert_eq!(cache.get(&(n % 100)), Some(n % 100)),
                            1 => assert!(cache.get_ref(&(n + 1000)).is_none()),
                            _ => assert_eq!(cache.pin().get(&(n % 100)), Some(&(n % 100))),
                        }
                    }
                });
            }
        });
        let reads: u64 = (0..THREADS).map(|me| 299 + me).sum();
        let misses: u64 = (0..THREADS).map(|me| (0..299 + me).filter(|n| n % 3 == 1).count() as u64).sum();
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses), (round * (reads - misses + THREADS), round * misses));
    }
}

#[test]
fn g29_figures_never_go_down_while_running_and_are_exact_afterwards() {
    let _alone = alone();
    let ticker = ManualTicker::new();
    let builder =
        Cache::builder().capacity_weight(300).weigher(|_, v: &u64| v % 5).shards(2).ticker(ticker.clone());
    let cache: common::Checked<u64, u64> = checked(builder);
    let done = AtomicBool::new(false);
    let (hits, misses, refused) = <(AtomicU64, AtomicU64, AtomicU64)>::default();
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let figures = || {
                let s = cache.stats();
                assert!(s.weight <= s.capacity);
                [
                    s.hits,
                    s.misses,
                    s.added,
                    s.replaced,
                    s.removed,
                    s.cleared,
                    s.refused,
                    s.evicted,
                    s.evicted_weight,
                    s.expired,
                    s.expired_weight,
                ]
            };
            let mut last = figures();
            while !done.load(Ordering::Acquire) {
                let now = figures();
                assert!(now.iter().zip(&last).all(|(now, last)| now >= last), "{now:?} after {last:?}");
                last = now;
            }
        });
        let workers: Vec<_> = (0..3)
            .map(|seed| {
                let (cache, hits, misses, refused, ticker) = (&*cache, &hits, &misses, &refused, &ticker);
                scope.spawn(move || {
                    let mut rng = Rng::new(seed);
                    for n in 0..2500 {
                        let key = rng.below(400);
                        match rng.below(8) {
                            0 => assert!([true, false].contains(&cache.invalidate(&key))),
                            1..=3 => {
                                let counter = if cache.get(&key).is_some() { hits } else { misses };
                                counter.fetch_add(1, Ordering::Relaxed);
                            }
                            4 if n % 20 == 0 => cache.clear(),
                            4 => {
                                // Keys that are not there: what a refused value takes away counts as replaced.
                                let options = InsertOptions::new().weight(250 + rng.below(100));
                                let stored =
                                    cache.insert_with(1000 * (seed + 1) + key, n, options).is_stored();
                                refused.fetch_add(u64::from(!stored), Ordering::Relaxed);
                                cache.invalidate(&(1000 * (seed + 1) + key));
                            }
                            5 => ticker.advance(Duration::from_millis(1)),
                            _ => {
                                let options = InsertOptions::new().ttl(Duration::from_millis(rng.below(50)));
                                assert!(cache.insert_with(key, n, options).is_stored());
                            }
                        }
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        done.store(true, Ordering::Release);
        watcher.join().unwrap();
    });
    let stats = cache.stats();
    let [hits, misses, refused] = [hits, misses, refused].map(AtomicU64::into_inner);
    assert_eq!((stats.hits, stats.misses, stats.refused), (hits, misses, refused));
    let gone = stats.evicted + stats.expired + stats.removed + stats.cleared;
    assert_eq!(stats.added, gone + stats.entries, "what was added is here or went: {stats}");
    assert_eq!((stats.entries as usize, stats.weight), (cache.len(), cache.weight()));
    assert!(
        stats.evicted > 0
            && stats.expired > 0
            && stats.refused > 0
            && stats.replaced > 0
            && stats.cleared > 0,
        "{stats}"
    );
}

#[test]
fn g29_the_weight_of_what_was_evicted_and_expired_is_added_up() {
    let _alone = alone();
    let ticker = ManualTicker::new();
    let builder =
        Cache::builder().capacity_weight(100).weigher(|_, v: &u64| *v).shards(1).ticker(ticker.clone());
    let cache: common::Checked<u64, u64> = checked(builder);
    cache.insert(1, 60);
    cache.insert(2, 70);
    let stats = cache.stats();
    assert_eq!((stats.evicted, stats.evicted_weight, stats.expired_weight), (1, 60, 0));
    cache.insert_with(3, 30, InsertOptions::new().ttl(Duration::from_secs(1)));
    ticker.advance(Duration::from_secs(2));
    assert_eq!(cache.get(&3), None);
    cache.maintain(100);
    let stats = cache.stats();
    assert_eq!((stats.evicted, stats.evicted_weight, stats.expired, stats.expired_weight), (1, 60, 1, 30));
    assert_eq!((stats.hits, stats.misses, stats.weight), (0, 1, 70));
}

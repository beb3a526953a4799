//! Callers who are alone and whose equality calls the cache again.

#![allow(unsafe_code)]

mod common;

use pinyon::exclusive::Exclusive;
use pinyon::{Cache, InsertOptions, Inserted, ManualTicker, Policy, Ticker};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn only<K: Eq + Hash, V, S: BuildHasher>(cache: &Cache<K, V, S>) -> Exclusive<'_, K, V, S> {
    // SAFETY: each test has one thread and no guards; what was borrowed from an outer one is not in use while an inner one works.
    unsafe { Exclusive::new(cache) }
}

type Act = fn(&Cache<Key, u64>);

thread_local! {
    /// What the next comparison does first.
    static ACT: RefCell<Option<(Cache<Key, u64>, Act)>> = const { RefCell::new(None) };
    static DROPPED: RefCell<HashSet<u64>> = RefCell::default();
    static MADE: Cell<u64> = const { Cell::new(0) };
}

/// Its equality may write to the cache through an `Exclusive` of its own, and looks at both keys afterwards. Those below 1,000 have one
/// of two hashes.
#[derive(Debug)]
struct Key {
    number: u64,
    /// No two keys have the same.
    serial: u64,
}

impl Key {
    fn new(number: u64) -> Self {
        MADE.set(MADE.get() + 1);
        Key { number, serial: MADE.get() }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.number < 1000 { (self.number % 2).hash(state) } else { self.number.hash(state) }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        let (mine, theirs, serials) = (self.number, other.number, [self.serial, other.serial]);
        if let Some((cache, act)) = ACT.take() {
            act(&cache);
        }
        let gone = DROPPED.with_borrow(|dropped| serials.iter().any(|serial| dropped.contains(serial)));
        assert!(!gone, "{mine} or {theirs} was dropped while they were compared");
        mine == theirs
    }
}

impl Eq for Key {}

impl Drop for Key {
    fn drop(&mut self) {
        DROPPED.with_borrow_mut(|dropped| dropped.insert(self.serial));
    }
}

/// Writes over the key 1.
fn overwrite(cache: &Cache<Key, u64>) {
    assert_eq!(only(cache).insert(Key::new(1), 9), Inserted::Replaced);
}

/// Removes keys one by one and adds others, all of the same two hashes.
fn churn(cache: &Cache<Key, u64>) {
    for n in 0..60 {
        let _ = only(cache).remove(&Key::new(n), |_| ());
        let _ = only(cache).insert(Key::new(100 + n), n);
    }
}

/// Adds keys that are alone with their hashes, so that nothing is compared, until all that was there has left.
fn crowd(cache: &Cache<Key, u64>) {
    for n in 2000..4000 {
        assert_eq!(only(cache).insert(Key::new(n), n), Inserted::Added);
    }
    assert_eq!(cache.iter().filter(|entry| entry.key().number < 1000).count(), 0);
}

/// Removes keys that are alone with their hashes.
fn thin(cache: &Cache<Key, u64>) {
    assert_eq!(only(cache).remove(&Key::new(1000), |value| *value), Some(7));
}

#[test]
fn g24_equality_may_write_over_the_key_that_is_compared() {
    let cache: Cache<Key, u64> = Cache::builder().capacity(100).shards(1).build().unwrap();
    assert!(cache.insert(Key::new(1), 1).is_stored());
    ACT.set(Some((cache.clone(), overwrite)));
    let mut door = only(&cache);
    assert_eq!(door.insert(Key::new(1), 2), Inserted::Replaced);
    assert!(ACT.with_borrow(Option::is_none));
    ACT.set(Some((cache.clone(), overwrite)));
    assert!(matches!(door.get(&Key::new(1)), Some(2 | 9)), "one of the two: the write came within the read");
    assert_eq!(door.get(&Key::new(1)), Some(&9));
    cache.validate();
}

#[test]
fn g24_a_comparison_that_may_fail_may_write_through_a_door_of_its_own() {
    let seeds = pinyon::RandomState::new();
    let remove: Act = |cache| assert!(only(cache).remove(&Key::new(1), |_| ()).is_some());
    let write: Act = overwrite;
    let add: Act = |cache| assert!(only(cache).insert(Key::new(3), 9).is_stored());
    let churn: Act = |cache| {
        for n in 0..300 {
            assert!(only(cache).insert(Key::new(2 * n + 5), n).is_stored());
        }
    };
    let clear: Act = |cache| only(cache).clear();
    for (number, act, adds) in
        [(1, remove, true), (1, write, false), (3, add, false), (3, clear, true), (3, churn, true)]
    {
        for fails in [false, true] {
            let cache: Cache<Key, u64> =
                Cache::builder().capacity(100).shards(1).hasher(seeds.clone()).build().unwrap();
            assert!(cache.insert(Key::new(1), 1).is_stored());
            let hash = seeds.hash_one(Key::new(number));
            let mut once = Some(());
            let mut door = only(&cache);
            let outcome = door.set(hash, Key::new(number), 2, InsertOptions::new(), |key, stored| {
                if once.take().is_some() {
                    act(&cache);
                    if fails {
                        return Err("it failed");
                    }
                }
                Ok(key == stored)
            });
            match fails {
                true => assert_eq!(outcome.err(), Some("it failed")),
                false => {
                    assert_eq!(outcome.map(|done| done == Inserted::Added), Ok(adds));
                    assert_eq!(door.get(&Key::new(number)), Some(&2));
                }
            }
            cache.validate();
        }
    }
}

#[test]
fn g24_equality_may_write_through_a_door_of_its_own() {
    for act in [churn, crowd, thin] {
        // By recency alone, so that it is certain who leaves.
        let builder = Cache::<Key, u64>::builder().capacity(100).shards(1).policy(Policy::Clock);
        let cache = builder.build().unwrap();
        for n in [1, 3, 5, 1000] {
            assert!(cache.insert(Key::new(n), 7).is_stored());
        }
        ACT.set(Some((cache.clone(), act)));
        let found = only(&cache).get(&Key::new(99)).copied();
        assert_eq!((found, ACT.with_borrow(Option::is_none)), (None, true));
        // What the inner calls left is dropped by the next one.
        let _ = only(&cache).insert(Key::new(7), 7);
        assert_eq!(cache.stats().retired, 0);
        cache.validate();
    }
}

/// Stands still, and does something the first time it is looked at.
struct Clock(Mutex<Option<(Cache<Key, u64>, Act)>>);

impl Ticker for Clock {
    fn now(&self) -> Duration {
        let act = self.0.lock().unwrap().take();
        if let Some((cache, act)) = act {
            act(&cache);
        }
        Duration::ZERO
    }
}

#[test]
fn g12_g24_a_ticker_may_remove_the_key_that_is_being_removed() {
    let clock = Arc::new(Clock(Mutex::new(None)));
    let builder = Cache::builder().capacity(100).shards(1).ticker(clock.clone());
    let cache = builder.time_to_live(Duration::from_secs(1)).build().unwrap();
    assert!(cache.insert(Key::new(1), 1).is_stored());
    // The row of the one is the other's next.
    let act: Act = |cache| {
        assert!(only(cache).remove(&Key::new(1), |_| ()).is_some());
        assert_eq!(only(cache).insert(Key::new(3), 3), Inserted::Added);
    };
    *clock.0.lock().unwrap() = Some((cache.clone(), act));
    assert_eq!(only(&cache).remove(&Key::new(1), |value| *value), None);
    assert_eq!((cache.get(&Key::new(3)), clock.0.lock().unwrap().is_none()), (Some(3), true));
    cache.validate();
}

#[test]
fn g24_a_table_that_an_inner_call_outgrew_is_in_nobodys_way() {
    let cache: Cache<Key, u64> = Cache::builder().capacity_weight(10_000).shards(1).build().unwrap();
    assert!(cache.insert(Key::new(1), 1).is_stored());
    let grow: Act = |cache| {
        for n in 2000..2500 {
            assert_eq!(only(cache).insert(Key::new(n), n), Inserted::Added);
        }
    };
    ACT.set(Some((cache.clone(), grow)));
    assert_eq!(only(&cache).get(&Key::new(99)), None);
    assert_eq!(only(&cache).remove(&Key::new(2000), |value| *value), Some(2000));
    assert_eq!(only(&cache).remove(&Key::new(2001), |value| *value), Some(2001));
    assert_eq!((cache.len(), cache.stats().removed, cache.stats().retired), (499, 2, 0));
    cache.validate();
}

thread_local! {
    static HOME: RefCell<Option<Cache<u64, Deep>>> = const { RefCell::new(None) };
    /// How many drops are under way, and the most that were.
    static DEPTH: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// When it is dropped it writes to its cache.
struct Deep;

impl Drop for Deep {
    fn drop(&mut self) {
        let (depth, most) = DEPTH.get();
        DEPTH.set((depth + 1, most.max(depth + 1)));
        if let Some(cache) = HOME.with_borrow(Clone::clone) {
            assert!(only(&cache).remove(&u64::MAX, |_| ()).is_none());
        }
        DEPTH.set((depth, DEPTH.get().1));
    }
}

#[test]
fn g24_g27_upkeep_drops_as_it_goes_so_that_drops_that_write_do_not_pile_up() {
    const MANY: u64 = 50_000;
    common::finishes("upkeep of values whose drops write", || {
        let ticker = ManualTicker::new();
        let builder = Cache::builder().capacity(MANY).shards(1).time_to_live(Duration::from_secs(1));
        let cache: Cache<u64, Deep> = builder.ticker(ticker.clone()).build().unwrap();
        (0..MANY).for_each(|key| assert!(cache.insert(key, Deep).is_stored()));
        ticker.advance(Duration::from_secs(1));
        HOME.set(Some(cache.clone()));
        while !only(&cache).maintain(usize::MAX).done {}
        HOME.set(None);
        assert_eq!((cache.stats().expired, cache.stats().retired), (MANY, 0));
        assert!(DEPTH.get().1 <= 64, "{} at once", DEPTH.get().1);
        cache.validate();
    });
}

thread_local! {
    /// The cache that the next [`Echo`] writes to when it is dropped.
    static ECHO: RefCell<Option<Cache<u64, Echo>>> = const { RefCell::new(None) };
    static ECHOES_DROPPED: Cell<usize> = const { Cell::new(0) };
}

#[derive(Debug)]
struct Echo;

impl Drop for Echo {
    fn drop(&mut self) {
        ECHOES_DROPPED.set(ECHOES_DROPPED.get() + 1);
        if let Some(cache) = ECHO.take() {
            assert!(only(&cache).insert_with(5000, Echo, InsertOptions::new().weight(1)).is_stored());
            assert!(only(&cache).remove(&5000, |_| ()).is_some());
        }
    }
}

#[test]
fn g24_what_is_evicted_may_write_when_it_is_dropped_whether_or_not_its_place_was_enough() {
    for weight in [1, 2, 70, 150] {
        let cache: Cache<u64, Echo> = Cache::builder().capacity_weight(200).shards(1).build().unwrap();
        for n in 0..200 {
            assert!(only(&cache).insert_with(n, Echo, InsertOptions::new().weight(1)).is_stored());
        }
        ECHOES_DROPPED.set(0);
        ECHO.set(Some(cache.clone()));
        let heavy = InsertOptions::new().weight(weight);
        assert!(only(&cache).insert_with(1000, Echo, heavy).is_stored());
        assert!(ECHO.with_borrow(Option::is_none), "it was dropped before the call returned");
        assert!(only(&cache).peek(&1000).is_some());
        cache.validate();
        assert_eq!(ECHOES_DROPPED.get() + cache.len(), 202, "what is not there was dropped, once");
    }
}

/// Its drop panics.
#[derive(Debug)]
struct Mine;

impl Drop for Mine {
    fn drop(&mut self) {
        panic!("the drop of a test");
    }
}

#[test]
fn g25_what_looks_at_a_removed_value_may_panic_although_the_drop_of_that_would_too() {
    let cache: Cache<u64, Mine> = Cache::builder().capacity(100).shards(1).build().unwrap();
    let mut door = only(&cache);
    assert!(door.insert(1, Mine).is_stored());
    let removing = AssertUnwindSafe(|| door.remove(&1, |_| panic!("the look of a test")));
    assert!(catch_unwind(removing).is_err());
    cache.validate();
    assert_eq!((cache.len(), cache.weight(), cache.stats().removed, cache.stats().retired), (0, 0, 1, 0));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "user code came back to the cache")]
fn g24_who_says_that_nobody_comes_back_is_told_when_somebody_does() {
    let cache: Cache<Key, u64> = Cache::builder().capacity(100).shards(1).build().unwrap();
    // SAFETY: with debug assertions it is seen that this is not so, before anything comes of it.
    let mut door = unsafe { Exclusive::non_reentrant(&cache) };
    assert!(door.insert(Key::new(1), 1).is_stored());
    ACT.set(Some((cache.clone(), |cache| {
        // SAFETY: as above.
        let _ = unsafe { Exclusive::non_reentrant(cache) }.get(&Key::new(5));
    })));
    let _ = door.insert(Key::new(1), 2);
}

//! Can it be broken by the user's own code: code that calls the cache again, and code that panics.

#![allow(clippy::drop_non_drop)]

mod common;

use common::{FUSE, checked, finishes, hush};
use pinyon::{
    Acquired, Cache, Cause, Compute, Equivalent, Expiry, InsertOptions, LeaseOptions, Lifetime, LoadOptions,
    Loaded, ManualTicker, Ticker,
};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where the user's code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Hash,
    Hasher,
    Eq,
    CloneValue,
    CloneKey,
    DropValue,
    DropKey,
    Weigher,
    Create,
    Update,
    Read,
    Ticker,
    Listener,
    Closure,
    Condition,
    Retain,
    Loader,
}

const PLACES: [Place; 17] = [
    Place::Hash,
    Place::Hasher,
    Place::Eq,
    Place::CloneValue,
    Place::CloneKey,
    Place::DropValue,
    Place::DropKey,
    Place::Weigher,
    Place::Create,
    Place::Update,
    Place::Read,
    Place::Ticker,
    Place::Listener,
    Place::Closure,
    Place::Condition,
    Place::Retain,
    Place::Loader,
];

thread_local! {
    /// The cache that the user's code calls.
    static HOME: RefCell<Option<Nosy>> = const { RefCell::new(None) };
    /// How many more calls it may make, so that no two pieces of it go on for ever.
    static ALLOWED: Cell<u32> = const { Cell::new(0) };
    /// How many calls do nothing before.
    static SKIP: Cell<u32> = const { Cell::new(0) };
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// It does nothing but load.
    static LOADS: Cell<bool> = const { Cell::new(false) };
    static CALLED: RefCell<HashSet<Place>> = RefCell::default();
    /// Panic at the nth call from this place.
    static BOMB: Cell<Option<(Place, u32)>> = const { Cell::new(None) };
    /// Ids of the keys and values that live.
    static LIVING: RefCell<HashSet<u64>> = RefCell::default();
    static NEXT: Cell<u64> = const { Cell::new(0) };
    static TWICE: Cell<bool> = const { Cell::new(false) };
}

/// The user's code at one place.
fn user_code(place: Place) {
    if let Some((at, left)) = BOMB.get()
        && at == place
    {
        BOMB.set((left > 1).then_some((at, left - 1)));
        if left == 1 {
            std::panic::panic_any(FUSE);
        }
    }
    if INSIDE.get() || ALLOWED.get() == 0 {
        return;
    }
    if SKIP.get() > 0 {
        return SKIP.set(SKIP.get() - 1);
    }
    let Some(cache) = HOME.with(|home| home.borrow().clone()) else { return };
    ALLOWED.set(ALLOWED.get() - 1);
    INSIDE.set(true);
    CALLED.with(|called| called.borrow_mut().insert(place));
    if LOADS.get() {
        ask(&cache)
    } else {
        meddle(&cache)
    }
    INSIDE.set(false);
}

/// Asks for the keys that the calls around it load: none of them is there but by a load.
fn ask(cache: &Nosy) {
    for number in 0..20 {
        drop(cache.get_or_load(&Key::new(number), || Value::new(1)));
    }
    let keys: Vec<_> = (0..20).map(Key::new).collect();
    let load = |keys: &[Key]| Ok::<_, ()>(keys.iter().map(|_| Value::new(1)).collect::<Vec<_>>());
    drop(cache.get_many_or_load(&keys, LoadOptions::new(), load));
}

/// Calls everything, with the keys that the calls around it are about.
fn meddle(cache: &Nosy) {
    for number in 0..4 {
        cache.get(&Key::new(number));
        cache.insert(Key::new(number), Value::new(1));
        cache.get_ref(&number).map(|value| value.weight);
        cache.compute(Key::new(number), |_| Compute::Put(Value::new(2)));
        cache.remove(&Key::new(number));
        cache.insert_if_absent(Key::new(number), Value::new(3));
        cache.set_lifetime(&number, Lifetime::After(Duration::from_secs(1000)));
        cache.insert(Key::new(number), Value::new(1000));
        cache.insert(Key::new(number), Value::new(1));
        // Its own key's loader, it may be, or what else belongs to that load: then it is told so.
        drop(cache.get_or_load(&Key::new(number), || Value::new(1)));
        drop(cache.get_or_load(&Key::new(number + 20), || Value::new(1)));
    }
    assert!(cache.iter().count() <= cache.len() + 100);
    cache.retain(|key, _| key.number != 2);
    cache.maintain(10);
    assert!(cache.weight() <= cache.capacity() && cache.stats().capacity > 0);
    cache.set_capacity(40).unwrap();
}

fn born() -> u64 {
    let id = NEXT.get();
    NEXT.set(id + 1);
    LIVING.with(|living| living.borrow_mut().insert(id));
    id
}

fn dead(id: u64) {
    if !LIVING.with(|living| living.borrow_mut().remove(&id)) {
        TWICE.set(true);
    }
}

fn must_live(id: u64) {
    assert!(LIVING.with(|living| living.borrow().contains(&id)), "a dead one was looked at");
}

#[derive(Debug)]
struct Key {
    number: u64,
    id: u64,
}

#[derive(Debug)]
struct Value {
    weight: u64,
    id: u64,
}

impl Key {
    fn new(number: u64) -> Self {
        Key { number, id: born() }
    }
}

impl Value {
    fn new(weight: u64) -> Self {
        Value { weight, id: born() }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        must_live(self.id);
        user_code(Place::Hash);
        self.number.hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        user_code(Place::Eq);
        must_live(self.id);
        must_live(other.id);
        self.number == other.number
    }
}

impl Eq for Key {}

impl Equivalent<Key> for u64 {
    fn equivalent(&self, key: &Key) -> bool {
        user_code(Place::Eq);
        must_live(key.id);
        *self == key.number
    }
}

impl Clone for Key {
    fn clone(&self) -> Self {
        user_code(Place::CloneKey);
        must_live(self.id);
        Key::new(self.number)
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        user_code(Place::CloneValue);
        must_live(self.id);
        Value::new(self.weight)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        dead(self.id);
        user_code(Place::DropKey);
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        dead(self.id);
        user_code(Place::DropValue);
    }
}

/// A hasher that is as nosy; few hashes, so that keys meet.
#[derive(Clone)]
struct NosyHasher;

impl BuildHasher for NosyHasher {
    type Hasher = Few;
    fn build_hasher(&self) -> Few {
        user_code(Place::Hasher);
        Few(DefaultHasher::new())
    }
}

struct Few(DefaultHasher);

impl Hasher for Few {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
    fn finish(&self) -> u64 {
        (self.0.finish() % 8) << 29
    }
}

struct Rule;

impl Expiry<Key, Value> for Rule {
    fn after_create(&self, key: &Key, value: &Value) -> Lifetime {
        must_live(key.id);
        must_live(value.id);
        user_code(Place::Create);
        Lifetime::After(Duration::from_secs(100))
    }
    fn after_update(&self, _: &Key, _: &Value, left: Option<Duration>) -> Lifetime {
        user_code(Place::Update);
        left.map_or(Lifetime::Never, Lifetime::After)
    }
    fn after_read(&self, key: &Key, value: &Value, _: Option<Duration>) -> Lifetime {
        user_code(Place::Read);
        must_live(key.id);
        must_live(value.id);
        Lifetime::After(Duration::from_secs(200))
    }
}

struct NosyTicker(ManualTicker);

impl Ticker for NosyTicker {
    fn now(&self) -> Duration {
        user_code(Place::Ticker);
        self.0.now()
    }
}

type Nosy = Cache<Key, Value, NosyHasher>;
type Told = Arc<Mutex<Vec<(u64, Cause)>>>;

fn nosy(shards: usize) -> (Nosy, ManualTicker, Told) {
    let ticker = ManualTicker::new();
    let told = Told::default();
    let ears = told.clone();
    let cache = Cache::builder()
        .capacity_weight(40)
        .shards(shards)
        .hasher(NosyHasher)
        .expiry(Rule)
        .ticker(NosyTicker(ticker.clone()))
        .weigher(|key: &Key, value: &Value| {
            must_live(key.id);
            must_live(value.id);
            user_code(Place::Weigher);
            value.weight
        })
        .listener(move |key: &Key, value: &Value, cause| {
            must_live(key.id);
            must_live(value.id);
            ears.lock().unwrap().push((value.id, cause));
            user_code(Place::Listener);
            must_live(key.id);
            must_live(value.id);
        });
    (cache.build().unwrap(), ticker, told)
}

const OPERATIONS: usize = 28;

/// The operations of the script; each may panic.
fn operate(cache: &Nosy, ticker: &ManualTicker, number: usize) {
    let key = |n| Key::new(n);
    match number {
        0 => drop((0..6).map(|n| cache.insert(key(n), Value::new(4))).collect::<Vec<_>>()),
        1 => drop(cache.get(&key(1))),
        2 => drop(cache.get_ref(&key(1)).map(|value| (*value).clone())),
        3 => drop(cache.insert(key(1), Value::new(5))),
        4 => drop(cache.insert_if_absent(key(1), Value::new(1))),
        5 => drop(cache.insert_if_absent(key(9), Value::new(1))),
        6 => drop(cache.replace_if(key(1), Value::new(2), |_| (user_code(Place::Condition), true).1)),
        7 => drop(cache.compute(key(2), |there| {
            user_code(Place::Closure);
            Compute::Put(there.map_or_else(|| Value::new(1), Clone::clone))
        })),
        8 => drop(cache.compute(key(3), |_| (user_code(Place::Closure), Compute::Remove).1)),
        9 => drop(cache.insert(key(7), Value::new(40))),
        10 => drop((0..15).map(|n| cache.insert(key(n), Value::new(3))).collect::<Vec<_>>()),
        11 => drop(cache.insert(key(2), Value::new(41))),
        12 => drop(cache.remove(&key(4))),
        13 => drop(cache.remove_if(&5, |_| (user_code(Place::Condition), true).1).then_some(())),
        14 => drop(cache.get_or_insert(key(6), Value::new(2))),
        15 => drop(cache.entry(key(6)).and_modify(Value::clone)),
        16 => drop(cache.iter().map(|entry| entry.key().clone()).collect::<Vec<_>>()),
        17 => drop([cache.retain(|key, _| (user_code(Place::Retain), key.number % 2 == 0).1)]),
        18 => {
            ticker.advance(Duration::from_secs(150));
            cache.insert(key(1), Value::new(1));
        }
        19 => (0..15).for_each(|n| {
            let keys = [key(n)];
            drop(cache.get_many(&keys));
        }),
        20 => {
            drop(cache.insert_with(key(3), Value::new(1), InsertOptions::new().ttl(Duration::from_secs(1))))
        }
        21 => {
            ticker.advance(Duration::from_secs(500));
            cache.maintain(1000);
        }
        22 => cache.set_capacity(20 + u64::from(cache.contains(&key(1)))).unwrap(),
        23 => cache.clear(),
        24 => (0..12).for_each(|n| {
            let load = || (user_code(Place::Loader), Value::new(2)).1;
            drop(cache.get_or_load(&key(n), load));
        }),
        25 => (12..18).for_each(|n| {
            let fail = || {
                user_code(Place::Loader);
                "down"
            };
            let load = |_: &Key| Err::<Loaded<Value>, _>(fail());
            drop(cache.load(&key(n), LoadOptions::new().share_errors(), load));
            drop(cache.try_get_or_load(&key(n), || Err::<Value, _>(fail())));
        }),
        26 => (6..14).for_each(|n| match cache.acquire(&key(n), LeaseOptions::new()) {
            Acquired::Lead(token) if n % 2 == 0 => drop(cache.complete(token, Value::new(2))),
            Acquired::Lead(token) => drop(cache.abandon(token)),
            acquired => drop(acquired),
        }),
        _ => {
            let keys: Vec<_> = (0..12).map(key).collect();
            let load = |keys: &[Key]| {
                user_code(Place::Loader);
                Ok::<_, ()>(keys.iter().map(|_| Loaded::new(Value::new(1)).tags(["t"])).collect::<Vec<_>>())
            };
            drop(cache.get_many_or_load(&keys, LoadOptions::new(), load));
            cache.invalidate_tag("t");
        }
    }
}

/// Everything that is not in the cache is dropped, once.
fn nothing_is_lost(cache: Nosy, what: &str) {
    assert!(!TWICE.get(), "something was dropped twice");
    cache.clear();
    // Tests beside this one may hold a pin for a moment.
    let living = || LIVING.with(|living| living.borrow().len());
    for _ in 0..10_000 {
        cache.maintain(1000);
        if living() == 0 {
            break;
        }
        std::thread::yield_now();
    }
    let left = living();
    assert_eq!(
        (left, cache.len(), cache.weight()),
        (0, 0, 0),
        "{what}: something lives on outside of the cache"
    );
    cache.validate();
    drop(cache);
    assert!(!TWICE.get(), "something was dropped twice");
}

#[test]
fn g24_all_user_code_may_call_the_cache_again_with_the_same_keys() {
    finishes("user code that calls the cache", || {
        for shards in [1, 3] {
            // How many calls the user's code makes inside of one operation.
            for often in [1, 2, 5, 12] {
                let (cache, ticker, _) = nosy(shards);
                HOME.set(Some(cache.clone()));
                for round in 0..6 {
                    for number in 0..OPERATIONS {
                        ALLOWED.set(often);
                        operate(&cache, &ticker, (number * (1 + round * 2)) % OPERATIONS);
                        ALLOWED.set(0);
                        cache.validate();
                    }
                }
                HOME.set(None);
                nothing_is_lost(cache, "re-entry");
            }
        }
        let called = CALLED.take();
        let missing: Vec<_> = PLACES.iter().filter(|place| !called.contains(place)).collect();
        assert!(missing.is_empty(), "never ran: {missing:?}");
    });
}

#[test]
fn g24_user_code_calls_the_cache_again_at_any_of_its_calls() {
    // Let in at the first, second, ... sixtieth call of each operation.
    finishes("user code that calls the cache", || {
        let (cache, ticker, _) = nosy(1);
        HOME.set(Some(cache.clone()));
        for skip in 0..60 {
            for number in 0..OPERATIONS {
                SKIP.set(skip);
                ALLOWED.set(1 + skip % 3);
                operate(&cache, &ticker, number);
                ALLOWED.set(0);
            }
            cache.validate();
        }
        HOME.set(None);
        SKIP.set(0);
        nothing_is_lost(cache, "re-entry");
    });
}

#[test]
fn g21_g24_user_code_that_loads_waits_for_no_load_that_it_belongs_to() {
    finishes("user code that loads", || {
        let (cache, ticker, _) = nosy(1);
        HOME.set(Some(cache.clone()));
        LOADS.set(true);
        for skip in 0..700 {
            for number in 24..OPERATIONS {
                cache.clear();
                SKIP.set(skip);
                ALLOWED.set(1 + skip % 3);
                operate(&cache, &ticker, number);
                ALLOWED.set(0);
            }
            cache.validate();
        }
        LOADS.set(false);
        HOME.set(None);
        SKIP.set(0);
        nothing_is_lost(cache, "re-entry");
    });
}

/// Runs the script with a panic at the nth call of one place; true if it went off.
fn explode(place: Place, nth: u32, shards: usize) -> bool {
    let (cache, ticker, told) = nosy(shards);
    let mut went_off = false;
    let mut at = None;
    BOMB.set(Some((place, nth)));
    for number in 0..OPERATIONS {
        let before = BOMB.get();
        let outcome = catch_unwind(AssertUnwindSafe(|| operate(&cache, &ticker, number)));
        if let Err(panic) = outcome {
            assert!(
                panic.downcast_ref::<&str>() == Some(&FUSE),
                "{place:?} {nth}, operation {number}: another panic"
            );
            assert!(before.is_some() && BOMB.get().is_none() && !went_off);
            went_off = true;
            at = Some(number);
            assert!(!TWICE.get(), "{place:?} {nth}, operation {number}: dropped twice");
            cache.validate();
            // It is usable, at every key.
            for n in 0..10 {
                cache.insert(Key::new(n), Value::new(1));
                assert_eq!(cache.get(&n).map(|value| value.weight), Some(1));
                cache.validate();
            }
            assert!(cache.weight() <= cache.capacity());
        }
    }
    BOMB.set(None);
    assert!(!TWICE.get());
    let mut ids: Vec<u64> =
        told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter().map(|note| note.0).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "{place:?} {nth}: an entry was told twice");
    let stats = cache.stats();
    let counted =
        stats.evicted + stats.expired + stats.removed + stats.replaced + stats.cleared + stats.refused;
    assert_eq!(counted as usize, all, "{place:?} {nth}: what left, and what was told");
    nothing_is_lost(cache, &format!("{place:?} {nth}, operation {at:?}"));
    went_off
}

#[test]
fn g25_a_panic_anywhere_leaves_the_cache_whole_and_usable() {
    hush();
    for shards in [1, 3] {
        for place in PLACES {
            let exploded = (1..60).take_while(|&nth| explode(place, nth, shards)).count();
            assert!(exploded > 0, "{place:?} never ran");
        }
    }
}

#[test]
fn g25_a_panic_in_a_drop_while_the_cache_is_dropped_loses_nothing_else() {
    hush();
    for place in [Place::DropKey, Place::DropValue] {
        for nth in 1..=12 {
            let (cache, _, _) = nosy(2);
            (0..8).for_each(|n| assert!(cache.insert(Key::new(n), Value::new(1)).is_stored()));
            (0..4).for_each(|n| assert!(cache.insert(Key::new(n), Value::new(1)).is_stored()));
            cache.validate();
            let before = LIVING.with(|living| living.borrow().len());
            assert!(before >= 16);
            BOMB.set(Some((place, nth)));
            let outcome = catch_unwind(AssertUnwindSafe(|| drop(cache)));
            assert_eq!(outcome.is_err(), BOMB.get().is_none());
            BOMB.set(None);
            assert_eq!((LIVING.with(|living| living.borrow().len()), TWICE.get()), (0, false));
        }
    }
}

#[test]
fn g03_g24_a_listener_may_write_while_a_heavy_write_makes_way() {
    for shards in [1, 4] {
        finishes("a heavy write whose evictions are written back", || {
            const CAPACITY: u64 = 5000;
            let (fuel, home) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None::<Cache<u64, u64>>)));
            let (left, cache) = (fuel.clone(), home.clone());
            let back = move |key: &u64, _: &u64, _| {
                let spend =
                    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
                let cache = cache.lock().unwrap().clone();
                if let (Ok(left), Some(cache)) = (spend, cache) {
                    // Once what takes everything: it would wait for ever for what the call around it held in hand.
                    let weight = if left == 500 { CAPACITY } else { 1 };
                    assert!(cache.insert(CAPACITY + key, weight).is_stored());
                }
            };
            let builder = Cache::builder().capacity_weight(CAPACITY).shards(shards);
            let cache = checked(builder.weigher(|_, weight| *weight).listener(back));
            (0..CAPACITY).for_each(|key| assert!(cache.insert(key, 1).is_stored()));
            *home.lock().unwrap() = Some(cache.clone());
            for weight in [CAPACITY - 5, CAPACITY, 2000] {
                fuel.store(1000, Ordering::Relaxed);
                assert!(cache.insert(u64::MAX - weight, weight).is_stored());
                assert_eq!(fuel.load(Ordering::Relaxed), 0, "the listener wrote");
                cache.validate();
                (0..CAPACITY).for_each(|key| assert!(cache.insert(key, 1).is_stored()));
            }
            *home.lock().unwrap() = None;
        });
    }
}

/// A value whose drop is counted, and panics.
struct Grenade(Arc<AtomicU64>);

impl Drop for Grenade {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::panic::panic_any(FUSE);
    }
}

#[test]
fn g25_g27_values_that_all_panic_when_dropped_go_one_call_at_a_time() {
    hush();
    finishes("a batch of values that panic when dropped", || {
        let dropped = Arc::new(AtomicU64::new(0));
        let cache: Cache<u64, Grenade> = Cache::builder().capacity(100).shards(1).build().unwrap();
        (0..20).for_each(|key| assert!(cache.insert(key, Grenade(dropped.clone())).is_stored()));
        for n in 1..=20 {
            // The first is the call that removed them all, the others have nothing of their own to drop.
            let call = || if n == 1 { cache.clear() } else { assert!(!cache.invalidate(&n)) };
            assert!(catch_unwind(AssertUnwindSafe(call)).is_err(), "call {n} hears of a panic");
            assert_eq!((dropped.load(Ordering::Relaxed), cache.stats().retired), (n, 20 - n));
            cache.validate();
        }
        assert!(!cache.invalidate(&0), "and then there is peace");
    });
}

#[test]
fn g25_a_listener_that_always_panics_disables_nothing() {
    hush();
    let calls = Arc::new(Mutex::new(0));
    let count = calls.clone();
    let listener = move |_: &u64, _: &u64, _| {
        *count.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += 1;
        std::panic::panic_any(FUSE)
    };
    let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(10).listener(listener));
    for n in 0..200 {
        let outcome = catch_unwind(AssertUnwindSafe(|| cache.insert(n, n)));
        assert_eq!(outcome.is_err(), n >= 10, "the panic reaches the caller");
        assert_eq!(cache.get(&n), Some(n), "and the write was done");
        assert_eq!(cache.len() as u64, 10.min(n + 1));
    }
    assert_eq!(*calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner), 190, "each was told, once");
}

#[test]
fn g25_a_panic_in_a_closure_changes_nothing() {
    hush();
    let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(10));
    cache.insert(1, 1);
    let panics = |call: &dyn Fn()| assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    panics(&|| drop(cache.compute(1, |_| std::panic::panic_any(FUSE))));
    panics(&|| drop(cache.compute(2, |_| std::panic::panic_any(FUSE))));
    panics(&|| drop(cache.replace_if(1, 2, |_| std::panic::panic_any(FUSE))));
    panics(&|| assert!(cache.remove_if(&1, |_| std::panic::panic_any(FUSE))));
    panics(&|| assert!(cache.retain(|_, _| std::panic::panic_any(FUSE)) > 0));
    panics(&|| assert_eq!(cache.entry(3).or_insert_with(|| std::panic::panic_any(FUSE)), 0));
    panics(&|| assert_eq!(cache.with(&1, |_| std::panic::panic_any(FUSE)), Some(())));
    assert_eq!((cache.len(), cache.get(&1)), (1, Some(1)));
    let stats = cache.stats();
    assert_eq!((stats.added, stats.replaced, stats.removed), (1, 0, 0));
}

#[test]
fn g25_a_panic_in_one_thread_is_no_matter_to_others() {
    hush();
    finishes("others, while one thread panics", || {
        let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(50).shards(2));
        std::thread::scope(|scope| {
            for me in 0..3u64 {
                let cache = &*cache;
                scope.spawn(move || {
                    for n in 0..400 {
                        let write = || {
                            cache.compute(n % 80, |_| {
                                if me == 0 { std::panic::panic_any(FUSE) } else { Compute::Put(n) }
                            })
                        };
                        assert_eq!(catch_unwind(AssertUnwindSafe(write)).is_err(), me == 0);
                        cache.get(&n);
                    }
                });
            }
        });
        cache.clear();
        assert_eq!(cache.stats().retired, 0, "no pin was left behind");
    });
}

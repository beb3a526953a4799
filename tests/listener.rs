//! Is every removal told, once, truthfully and in order: the listener.

#![allow(clippy::drop_non_drop)]

mod common;

use common::{Rng, checked, finishes};
use pinyon::{Cache, Cause, Compute, InsertOptions, Inserted, ManualTicker};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

type Notes = Arc<Mutex<Vec<(u64, u64, Cause)>>>;

fn notes() -> (Notes, impl Fn(&u64, &u64, Cause) + Send + Sync + 'static) {
    let notes = Notes::default();
    let ears = notes.clone();
    (notes, move |key: &u64, value: &u64, cause| ears.lock().unwrap().push((*key, *value, cause)))
}

fn told(notes: &Notes) -> Vec<(u64, u64, Cause)> {
    std::mem::take(&mut notes.lock().unwrap())
}

#[test]
fn g26_each_cause_is_told_once_before_the_call_returns() {
    for shards in [1, 8] {
        let (notes, listener) = notes();
        let ticker = ManualTicker::new();
        let builder = Cache::builder().capacity_weight(100).weigher(|_, &v: &u64| v).ticker(ticker.clone());
        let cache = checked(builder.shards(shards).listener(listener));
        cache.insert(1, 10);
        assert_eq!(told(&notes), []);
        cache.insert(1, 11);
        assert_eq!(told(&notes), [(1, 10, Cause::Replaced)]);
        cache.remove(&1);
        assert_eq!(told(&notes), [(1, 11, Cause::Removed)]);
        (2..8).for_each(|key| drop(cache.insert(key, 12)));
        cache.invalidate(&2);
        cache.remove_if(&3, |_| true);
        cache.compute(4, |_| Compute::Remove);
        cache.compute(5, |_| Compute::Put(13));
        cache.replace(6, 14);
        assert_eq!(
            told(&notes),
            [
                (2, 12, Cause::Removed),
                (3, 12, Cause::Removed),
                (4, 12, Cause::Removed),
                (5, 12, Cause::Replaced),
                (6, 12, Cause::Replaced)
            ]
        );
        assert_eq!(cache.retain(|&key, _| key != 7), 1);
        assert_eq!(told(&notes), [(7, 12, Cause::Removed)]);
        cache.insert(8, 200);
        assert_eq!(told(&notes), [(8, 200, Cause::Refused)]);
        cache.insert_with(9, 1, InsertOptions::new().ttl(Duration::from_secs(1)));
        ticker.advance(Duration::from_secs(1));
        assert_eq!((cache.get(&9), told(&notes)), (None, vec![]), "a read does not take the dead away");
        while !cache.maintain(100).done {}
        assert_eq!(told(&notes), [(9, 1, Cause::Expired)]);
        cache.clear();
        let mut cleared = told(&notes);
        cleared.sort_unstable_by_key(|note| note.0);
        assert_eq!(cleared, [(5, 13, Cause::Cleared), (6, 14, Cause::Cleared)]);
        cache.insert(10, 60);
        cache.insert(11, 41);
        assert_eq!(told(&notes), [(10, 60, Cause::Evicted)]);
        cache.insert_if_absent(11, 5);
        cache.replace_if(11, 5, |_| false);
        cache.remove(&99);
        assert_eq!(told(&notes), [], "what did not happen is not told");
    }
}

#[test]
fn g26_dropping_the_cache_is_no_removal() {
    let (notes, listener) = notes();
    let cache: Cache<u64, u64> = Cache::builder().capacity(10).listener(listener).build().unwrap();
    (0..5).for_each(|key| drop(cache.insert(key, key)));
    cache.validate();
    drop(cache);
    assert_eq!(told(&notes), []);
}

#[test]
fn g26_an_expired_entry_is_told_as_expired_whatever_takes_it_away() {
    let (notes, listener) = notes();
    let ticker = ManualTicker::new();
    let builder = Cache::builder().capacity_weight(1000).weigher(|_, &v: &u64| v).ticker(ticker.clone());
    let cache = checked(builder.time_to_live(Duration::from_secs(3)).listener(listener));
    (0..6).for_each(|key| drop(cache.insert(key, 1)));
    ticker.advance(Duration::from_secs(4));
    cache.insert(0, 2);
    cache.remove(&1);
    cache.insert(2, 2000);
    cache.retain(|_, _| true);
    let mut told = told(&notes);
    assert!(
        told.iter().position(|note| note.0 == 2 && note.2 == Cause::Expired)
            < told.iter().position(|note| note.2 == Cause::Refused)
    );
    told.sort_unstable_by_key(|note| note.0);
    told.retain(|note| note.2 != Cause::Refused);
    assert_eq!(told, [0, 1, 2, 3, 4, 5].map(|key| (key, 1, Cause::Expired)));
    let stats = cache.stats();
    assert_eq!((stats.expired, stats.removed, stats.replaced), (6, 0, 0));
}

#[test]
fn g26_the_listener_finds_the_cache_as_it_is_after_the_removal_and_may_write_to_it() {
    finishes("a listener that calls the cache", || {
        for shards in [1, 4] {
            let cell: Arc<OnceLock<Cache<u64, u64>>> = Arc::default();
            let (notes, listener) = notes();
            let inside = cell.clone();
            let builder = Cache::builder().capacity(50).shards(shards).listener(
                move |key: &u64, value: &u64, cause| {
                    listener(key, value, cause);
                    let cache = inside.get().unwrap();
                    if cause == Cause::Removed && *value == 3 {
                        assert!(!cache.contains(key), "it was removed");
                    }
                    // The same key, a bounded number of times.
                    if *value > 0 && *value <= 3 {
                        cache.insert(*key, value - 1);
                        cache.compute(*key, |there| there.map_or(Compute::Keep, |_| Compute::Remove));
                        cache.insert(*key, value - 1);
                    }
                    cache.get(key);
                    cache.iter().count();
                    let _ = cache.stats();
                },
            );
            let cache = checked(builder);
            assert!(cell.set(cache.clone()).is_ok());
            (0..300).for_each(|key| drop(cache.insert(key, 3)));
            (0..300).for_each(|key| assert_ne!(cache.remove(&key), Some(7)));
            cache.clear();
            let stats = cache.stats();
            let told = told(&notes);
            let count = |wanted| told.iter().filter(|note| note.2 == wanted).count() as u64;
            assert_eq!(count(Cause::Evicted), stats.evicted);
            assert_eq!(count(Cause::Removed), stats.removed);
            assert_eq!(count(Cause::Replaced), stats.replaced);
            assert_eq!(count(Cause::Cleared), stats.cleared);
            assert_eq!(stats.added, stats.evicted + stats.removed + stats.cleared + cache.len() as u64);
        }
    });
}

#[test]
fn g26_a_listener_that_writes_its_own_key_is_told_of_it_afterwards_not_inside() {
    let cell: Arc<OnceLock<Cache<u64, u64>>> = Arc::default();
    let order = Arc::new(Mutex::new(Vec::new()));
    let (inside, log) = (cell.clone(), order.clone());
    let builder = Cache::builder().capacity(50).listener(move |key: &u64, value: &u64, _| {
        log.lock().unwrap().push(("begin", *value));
        if *value == 1 {
            let cache = inside.get().unwrap();
            cache.insert(*key, 2);
            cache.insert(*key, 3);
            cache.remove(key);
        }
        log.lock().unwrap().push(("end", *value));
    });
    let cache = checked(builder);
    assert!(cell.set(cache.clone()).is_ok());
    cache.insert(7, 1);
    cache.remove(&7);
    let one_after_the_other = [("begin", 1), ("end", 1), ("begin", 2), ("end", 2), ("begin", 3), ("end", 3)];
    assert_eq!(*order.lock().unwrap(), one_after_the_other);
}

#[test]
fn g26_a_refusal_is_told_by_its_own_call() {
    let cell: Arc<OnceLock<Cache<u64, u64>>> = Arc::default();
    let (notes, listener) = notes();
    let inside = cell.clone();
    let builder = Cache::builder().capacity_weight(100).weigher(|_, &v: &u64| v).listener(
        move |key: &u64, value: &u64, cause| {
            listener(key, value, cause);
            if *value == 1 {
                let cache = inside.get().unwrap();
                cache.insert(*key, 2);
                assert_eq!(cache.insert(*key, 200), Inserted::Refused { key: *key, value: 200, weight: 200 });
            }
        },
    );
    let cache = checked(builder);
    assert!(cell.set(cache.clone()).is_ok());
    cache.insert(7, 1);
    cache.remove(&7);
    assert_eq!(
        told(&notes),
        [(7, 1, Cause::Removed), (7, 200, Cause::Refused), (7, 2, Cause::Replaced)],
        "the pair goes back to its caller, so it cannot wait for the key's turn; what left the cache does"
    );
}

#[test]
fn g25_g26_a_refusal_is_told_though_the_telling_before_it_panics() {
    let writes: [fn(&Cache<u64, u64>); 3] = [
        |cache| drop(cache.insert(7, 200)),
        |cache| drop(cache.replace(7, 200)),
        |cache| drop(cache.compute(7, |_| Compute::Put(200))),
    ];
    for write in writes {
        let (notes, listener) = notes();
        let heard = move |key: &u64, value: &u64, cause| {
            listener(key, value, cause);
            assert!(cause != Cause::Replaced, "listener");
        };
        let builder = Cache::builder().capacity_weight(100).weigher(|_, &v: &u64| v).listener(heard);
        let cache = checked(builder);
        cache.insert(7, 1);
        assert!(catch_unwind(AssertUnwindSafe(|| write(&cache))).is_err());
        assert_eq!(told(&notes), [(7, 1, Cause::Replaced), (7, 200, Cause::Refused)]);
        assert_eq!((cache.stats().replaced, cache.stats().refused, cache.len()), (1, 1, 0));
    }
}

#[test]
fn g26_two_tellings_of_one_key_never_overlap() {
    let busy = Arc::new([const { AtomicBool::new(false) }; 4]);
    let flags = busy.clone();
    let overlapped = Arc::new(AtomicU64::new(0));
    let count = overlapped.clone();
    let builder = Cache::builder().capacity(100).shards(2).listener(move |key: &u64, _: &u64, _| {
        count.fetch_add(u64::from(flags[*key as usize].swap(true, Ordering::SeqCst)), Ordering::SeqCst);
        thread::yield_now();
        flags[*key as usize].store(false, Ordering::SeqCst);
    });
    let cache = checked(builder);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|n| drop(cache.insert(n % 4, n))));
        }
    });
    assert_eq!(overlapped.load(Ordering::SeqCst), 0);
}

#[test]
fn g26_a_thread_in_the_listener_holds_up_nobody() {
    finishes("a write while a listener waits", || {
        let entered = Arc::new(AtomicBool::new(false));
        let leave = Arc::new(AtomicBool::new(false));
        let (notes, listener) = notes();
        let (at, go) = (entered.clone(), leave.clone());
        let builder =
            Cache::builder().capacity(1000).shards(1).listener(move |key: &u64, value: &u64, cause| {
                if *value == 1 {
                    at.store(true, Ordering::SeqCst);
                    while !go.load(Ordering::SeqCst) {
                        thread::yield_now();
                    }
                }
                listener(key, value, cause);
            });
        let cache = checked(builder);
        cache.insert(1, 1);
        thread::scope(|scope| {
            let remover = scope.spawn(|| cache.remove(&1));
            while !entered.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            // The same key and others, while its first removal is being told.
            (0..50).for_each(|n| drop(cache.insert(n % 5, 100 + n)));
            cache.remove(&1);
            cache.clear();
            assert!(told(&notes).iter().all(|note| note.0 != 1), "key 1 is being told of");
            leave.store(true, Ordering::SeqCst);
            assert_eq!(remover.join().unwrap(), Some(1));
        });
        let later = told(&notes);
        let values: Vec<u64> = later.iter().filter(|note| note.0 == 1).map(|note| note.1).collect();
        assert_eq!(
            values,
            [1, 101, 106, 111, 116, 121, 126, 131, 136, 141, 146],
            "all of key 1 was told by the first thread, in order"
        );
    });
}

/// Random writes of several threads; each value is written once, so that what became of it can be followed.
fn everything_is_accounted_for(shards: usize, capacity: u64) {
    let (notes, listener) = notes();
    let ticker = ManualTicker::new();
    let builder =
        Cache::builder().capacity_weight(capacity).weigher(|_, &v: &u64| v % 4).ticker(ticker.clone());
    let cache = checked(builder.shards(shards).listener(listener));
    let next = AtomicU64::new(0);
    let stored = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for seed in 0..4 {
            let (cache, next, stored, ticker) = (&*cache, &next, &stored, &ticker);
            scope.spawn(move || {
                let mut rng = Rng::new(seed);
                let mut mine = Vec::new();
                for _ in 0..1500 {
                    let key = rng.below(100);
                    let value = next.fetch_add(1, Ordering::Relaxed);
                    let options = match rng.below(4) {
                        0 => InsertOptions::new().ttl(Duration::from_millis(rng.below(20))),
                        1 => InsertOptions::new().weight(rng.below(capacity + 3)),
                        _ => InsertOptions::new(),
                    };
                    match rng.below(20) {
                        0 => drop(cache.remove(&key)),
                        1 => drop(cache.compute(key, |_| Compute::Remove)),
                        2 => drop(cache.maintain(20)),
                        3 => ticker.advance(Duration::from_millis(rng.below(5))),
                        4 if rng.below(10) == 0 => cache.clear(),
                        5 if rng.below(10) == 0 => drop(cache.retain(|key, _| key % 3 > 0)),
                        _ => match cache.insert_with(key, value, options) {
                            Inserted::Kept { .. } => unreachable!(),
                            Inserted::Refused { .. } => mine.push((key, value, true)),
                            _ => mine.push((key, value, false)),
                        },
                    }
                }
                stored.lock().unwrap().extend(mine);
            });
        }
    });
    cache.clear();
    assert!(cache.is_empty());
    let told = told(&notes);
    let mut fates: HashMap<u64, (u64, Cause)> = HashMap::new();
    for &(key, value, cause) in &told {
        assert_eq!(fates.insert(value, (key, cause)), None, "value {value} was told twice");
    }
    let stored = stored.into_inner().unwrap();
    assert_eq!(stored.len(), told.len());
    for (key, value, refused) in stored {
        let (told_key, cause) = fates[&value];
        assert_eq!((told_key, cause == Cause::Refused), (key, refused));
    }
    let stats = cache.stats();
    let count = |wanted| told.iter().filter(|note| note.2 == wanted).count() as u64;
    assert_eq!(count(Cause::Evicted), stats.evicted);
    assert_eq!(count(Cause::Expired), stats.expired);
    assert_eq!(count(Cause::Removed), stats.removed);
    assert_eq!(count(Cause::Replaced), stats.replaced);
    assert_eq!(count(Cause::Cleared), stats.cleared);
    assert_eq!(count(Cause::Refused), stats.refused);
}

#[test]
fn g26_g29_under_threads_every_value_has_one_end_and_the_statistics_agree() {
    finishes("random writes", || {
        for (shards, capacity) in [(1, 60), (8, 60), (2, 10_000)] {
            everything_is_accounted_for(shards, capacity);
        }
    });
}

#[test]
fn g26_the_order_of_one_key_is_the_order_in_which_it_happened() {
    let (notes, listener) = notes();
    let cache = checked(Cache::builder().capacity(1000).shards(1).listener(listener));
    thread::scope(|scope| {
        for _ in 0..4 {
            // The versions of a key follow each other, because a new one is made of the one that was seen.
            scope.spawn(|| {
                for n in 0..800 {
                    cache.compute(n % 3, |there| Compute::Put(there.map_or(1, |n| n + 1)));
                }
            });
        }
    });
    let mut last = [0; 3];
    for (key, value, cause) in told(&notes) {
        assert_eq!((value, cause), (last[key as usize] + 1, Cause::Replaced), "of key {key}");
        last[key as usize] = value;
    }
    assert!((0..3).all(|key| cache.get(&key) == Some(last[key as usize] + 1)), "none is missing");
}

#[test]
fn g26_keys_of_equal_hash_are_all_told() {
    let (notes, listener) = notes();
    let cache = checked(Cache::builder().capacity(50).hasher(common::Constant(5)).listener(listener));
    (0..200).for_each(|key| drop(cache.insert(key, key)));
    cache.clear();
    let mut told: Vec<u64> = told(&notes).into_iter().map(|note| note.0).collect();
    told.sort_unstable();
    assert_eq!(told, (0..200).collect::<Vec<_>>());
}

#[test]
fn g26_clear_tells_while_a_value_is_being_looked_at() {
    finishes("clear and maintain with a listener while a guard is held", || {
        let (notes, listener) = notes();
        let cache = checked(Cache::builder().capacity(50).listener(listener));
        cache.insert(1, 10);
        let value = cache.get_ref(&1).unwrap();
        cache.clear();
        assert_eq!(told(&notes), [(1, 10, Cause::Cleared)]);
        while !cache.maintain(10).done {}
        assert_eq!(*value, 10);
        drop(value);
        cache.maintain(10);
        assert_eq!(cache.stats().retired, 0);
    });
}

#[test]
fn g24_g26_tellings_do_not_pile_up_on_the_stack_of_a_listener_that_writes() {
    const MANY: u64 = 50_000;
    finishes("upkeep with a listener that writes", || {
        let cell: Arc<OnceLock<Cache<u64, u64>>> = Arc::default();
        let (inside, told, depth) = (cell.clone(), Arc::new(AtomicU64::new(0)), AtomicU64::new(0));
        let count = told.clone();
        let ticker = ManualTicker::new();
        let builder = Cache::builder().capacity(MANY).shards(1).time_to_live(Duration::from_secs(1));
        let cache = checked(builder.ticker(ticker.clone()).listener(move |key: &u64, _: &u64, _| {
            assert_eq!(depth.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
            let cache = inside.get().unwrap();
            if *key < MANY {
                assert!(cache.insert(key + MANY, 1).is_stored() && cache.invalidate(&(key + MANY)));
            }
            depth.fetch_sub(1, Ordering::Relaxed);
            count.fetch_add(1, Ordering::Relaxed);
        }));
        assert!(cell.set(cache.clone()).is_ok());
        (0..MANY).for_each(|key| assert!(cache.insert(key, 1).is_stored()));
        ticker.advance(Duration::from_secs(1));
        while !cache.maintain(usize::MAX).done {}
        assert_eq!(told.load(Ordering::Relaxed), 2 * MANY);
        assert_eq!((cache.stats().expired, cache.stats().removed, cache.len()), (MANY, MANY, 0));
    });
}

/// When its thread ends, it writes to a cache with a listener.
struct Last(Cache<u64, u64>);

impl Drop for Last {
    fn drop(&mut self) {
        assert!(self.0.insert(1, 2).is_stored() && self.0.invalidate(&1));
    }
}

#[test]
fn g26_g28_a_thread_that_ends_may_write_and_tell() {
    thread_local! { static LAST: std::cell::OnceCell<Last> = const { std::cell::OnceCell::new() }; }
    let (notes, listener) = notes();
    let cache = checked(Cache::builder().capacity(50).listener(listener));
    let last = Last(cache.clone());
    thread::spawn(|| LAST.with(|cell| assert!(cell.set(last).is_ok()))).join().unwrap();
    assert_eq!(told(&notes), [(1, 2, Cause::Removed)]);
}

#[cfg(unix)]
#[test]
#[allow(unsafe_code)]
fn g26_g28_the_last_that_the_system_calls_of_a_thread_may_write_and_tell() {
    static CACHE: OnceLock<Cache<u64, u64>> = OnceLock::new();
    fn write() {
        let wrote =
            || CACHE.get().is_some_and(|cache| cache.insert(1, 2).is_stored() && cache.invalidate(&1));
        assert!(catch_unwind(AssertUnwindSafe(wrote)).is_ok_and(|wrote| wrote));
    }
    extern "C" fn last(_: *mut libc::c_void) {
        write();
    }
    extern "C" fn run(_: *mut libc::c_void) -> *mut libc::c_void {
        let (mut key, some) = (0, (&raw const CACHE).cast());
        // SAFETY: the key is made first; its value is never followed.
        assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(last)) }, 0);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::pthread_setspecific(key, some) }, 0);
        write();
        std::ptr::null_mut()
    }
    let (notes, listener) = notes();
    let cache = CACHE.get_or_init(|| Cache::builder().capacity(50).listener(listener).build().unwrap());
    // Of the second one, what the standard library does last comes before: its own key was made for the first.
    thread::spawn(|| _ = run(std::ptr::null_mut())).join().unwrap();
    // SAFETY: a plain thread that is waited for.
    let ended = unsafe {
        let mut thread = std::mem::zeroed();
        let begun = libc::pthread_create(&mut thread, std::ptr::null(), run, std::ptr::null_mut());
        begun | libc::pthread_join(thread, std::ptr::null_mut())
    };
    assert_eq!((ended, told(&notes)), (0, vec![(1, 2, Cause::Removed); 4]));
    cache.validate();
}

#[test]
fn g24_g26_a_listener_that_writes_to_all_shards_is_told_of_one_thing_at_a_time() {
    const MANY: u64 = 4096;
    let cell: Arc<OnceLock<Cache<u64, u64>>> = Arc::default();
    let (inside, told, depth) = (cell.clone(), Arc::new(AtomicU64::new(0)), AtomicU64::new(0));
    let count = told.clone();
    let builder = Cache::builder().capacity(MANY).shards(256);
    let cache = checked(builder.listener(move |key: &u64, _: &u64, _| {
        assert_eq!(depth.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
        count.fetch_add(1, Ordering::Relaxed);
        // Each takes two others along, until all are gone.
        (2 * key + 1..2 * key + 3).for_each(|key| _ = inside.get().unwrap().invalidate(&key));
        depth.fetch_sub(1, Ordering::Relaxed);
    }));
    (0..MANY / 2).for_each(|key| assert!(cache.insert(key, 1).is_stored()));
    assert!(cell.set(cache.clone()).is_ok());
    assert!(cache.invalidate(&0));
    assert_eq!(
        (cache.len(), told.load(Ordering::Relaxed)),
        (0, MANY / 2),
        "all are told before the call returns"
    );
}

#[test]
fn g24_g26_the_listeners_of_two_caches_that_write_to_each_other_do_not_pile_up() {
    const MANY: u64 = 20_000;
    finishes("two caches, in turn", || {
        let cells: [Arc<OnceLock<Cache<u64, u64>>>; 2] = Default::default();
        let depth = Arc::new(AtomicU64::new(0));
        let caches = [0, 1].map(|of| {
            let (other, depth) = (cells[1 - of].clone(), depth.clone());
            checked(Cache::builder().capacity(MANY).shards(1).listener(move |key: &u64, _: &u64, _| {
                assert!(depth.fetch_add(1, Ordering::Relaxed) < 2, "one of each");
                // The first cache takes its key along from the second one, and that one the next from the first.
                other.get().unwrap().invalidate(&(key + of as u64));
                depth.fetch_sub(1, Ordering::Relaxed);
            }))
        });
        cells.iter().zip(&caches).for_each(|(cell, cache)| assert!(cell.set((*cache).clone()).is_ok()));
        for cache in &caches {
            (0..MANY).for_each(|key| assert!(cache.insert(key, 1).is_stored()));
        }
        assert!(caches[0].invalidate(&0));
        assert!(caches.iter().all(|cache| cache.is_empty()));
    });
}

#[test]
fn g15_g26_a_cache_is_cleared_though_the_listener_writes_again_what_has_one_hash() {
    const MANY: u64 = 150;
    // While there is a reader no row is given back: what is written again lies in rows that were not there before.
    let clear = |is_read: bool| {
        let cell: Arc<OnceLock<Cache<u64, u64, common::Constant>>> = Arc::default();
        let (inside, told) = (cell.clone(), AtomicU64::new(0));
        let builder = Cache::builder().capacity(2 * MANY).shards(1).hasher(common::Constant(5));
        let cache = checked(builder.listener(move |key: &u64, value: &u64, _| {
            assert!(told.fetch_add(1, Ordering::Relaxed) < 10 * MANY, "there is no end of it");
            if let Some(cache) = inside.get() {
                assert!(cache.insert(*key, *value + 1).is_stored());
            }
        }));
        (0..MANY).for_each(|key| assert!(cache.insert(key, 0).is_stored()));
        assert!(cell.set(cache.clone()).is_ok());
        let reader = cache.pin();
        let reader = is_read.then_some(reader);
        cache.clear();
        assert!(cache.iter().all(|entry| *entry > 0), "all that was there is gone");
        drop(reader);
    };
    finishes("clear", || [false, true].into_iter().for_each(clear));
}

#[test]
fn g25_g26_a_panic_that_the_listener_of_another_cache_catches_delays_no_other_telling() {
    let cells: [Arc<OnceLock<Cache<u64, u64>>>; 2] = Default::default();
    let (notes, listener) = notes();
    let ([own, other], within) = (cells.clone(), Arc::new(AtomicBool::new(false)));
    let inside = within.clone();
    let builder = Cache::builder().capacity(1000).shards(8);
    let first = checked(builder.listener(move |key: &u64, value: &u64, cause| {
        listener(key, value, cause);
        let cache = own.get().unwrap();
        if *key == 0 {
            (100..200).for_each(|key| assert!(cache.invalidate(&key)));
            assert!(other.get().unwrap().invalidate(&0));
        } else if *key >= 200 && inside.load(Ordering::Relaxed) {
            assert!(cache.invalidate(&(key - 190)));
            panic!("listener");
        }
    }));
    let back = cells[0].clone();
    let second = checked(Cache::builder().capacity(10).listener(move |_: &u64, _: &u64, _| {
        within.store(true, Ordering::Relaxed);
        let cache = back.get().unwrap();
        let panics = |key| catch_unwind(AssertUnwindSafe(|| cache.invalidate(&key))).is_err();
        // But for those in the shard of key 0, whose telling comes later.
        assert!((200..210).filter(|key| panics(*key)).count() > 0);
        within.store(false, Ordering::Relaxed);
    }));
    (0..20).chain(100..210).for_each(|key| assert!(first.insert(key, 1).is_stored()));
    assert!(second.insert(0, 1).is_stored());
    assert!(cells[0].set(first.clone()).is_ok() && cells[1].set(second.clone()).is_ok());
    assert!(first.invalidate(&0));
    let own = told(&notes).iter().filter(|note| (100..200).contains(&note.0)).count();
    assert_eq!(own, 100, "the call tells what it made leave");
}

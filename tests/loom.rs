//! The concurrent protocols under the model checker, through the public face. Those of the parts alone are in
//! `src/reclaim/models.rs` (R below) and `src/shard/table/models.rs` (T).
//!
//!     RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --release --lib --test loom
//!
//! All of them together take half a minute at three preemptions, four seconds at two.
//!
//! # What they catch
//!
//! Each line was tried by breaking the code so; two preemptions were enough to see it.
//!
//! | broken | seen by |
//! |---|---|
//! | a new entry is published relaxed | `publish_*`, both `g16_*`, `g01_*` |
//! | an overwrite is published relaxed | `overwrite_*`, `growth_against_overwrite`, the models of guards, `g26_*` |
//! | an overwrite is a removal and an insertion | `overwrite_*`, `growth_against_overwrite`, the models of guards, T |
//! | a slot is emptied relaxed, or before its copy is in the grown table | both `growth_*`, T |
//! | the short way of a search ends without a look at the next table | both `growth_*`, T |
//! | what goes past a bucket is not counted | `growth_against_lookup`, T |
//! | things are freed whatever the horizon says | the models of guards, all of R |
//! | hazard words are not asked, or before the epochs, or are cleared relaxed | the models of guards, R |
//! | a horizon speaks of batches sealed after it was taken | `two_collectors_cross_*` (R) |
//! | its fence comes before its load of the epoch; the seal is relaxed | `two_collectors_cross_*` (R) |
//! | a horizon without a fence | R, `a_reader_registers_*`, `g26_*` |
//! | a reader enters relaxed: the loads of its pin before are not ordered | every model with two reads, R |
//! | a reader leaves relaxed | nearly all models with a reader, R |
//! | no fence at registration, or no barrier though others are registered | `a_lone_collector_*` (R) |
//! | a place in the registry is given back relaxed | `a_place_in_the_registry_*` (R) |
//! | weight is tested, then taken | `two_writers_one_place_two_shards`, `shrinking_*` |
//! | weight is given back relaxed | `g01_*` |
//! | a writer without room keeps its part and does not queue | `two_writers_want_everything` |
//! | weight kept is published though the capacity has shrunk | `shrinking_*` |
//! | a shrink trusts the sum without a round of the locks | `shrinking_*` |
//! | a write does not ask anew whether it fits into the capacity at all | `shrinking_*` (it never ends) |
//! | two threads tell of one key at once; an entry is retired before it is told | `g26_*` |
//!
//! Not seen, and harmless: counting past a full bucket after the slot is published (the lock is still held, and
//! nobody lowers the count before it is let go of), and publishing a hazard word relaxed (the pin's end, a release,
//! comes after it). Not seen, and not harmless by the letter: taking weight relaxed; the checker finds no order in
//! which it shows.
//!
//! # What they cannot show
//!
//! The light barrier is a full fence here, but for `a_lone_collector_*`; that `membarrier` makes up for its absence
//! is the kernel's promise. Fences of sequential consistency order more here than in the language.
#![cfg(loom)]
#![allow(clippy::drop_non_drop)]

use loom::thread;
use pinyon::{Cache, Cause, Policy};
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};

/// Hashes a `u64` to itself, so that a key says its shard (upper half) and its home (lower half).
#[derive(Clone, Copy, Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are u64");
    }
    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }
}

impl BuildHasher for Itself {
    type Hasher = Itself;
    fn build_hasher(&self) -> Itself {
        Itself(0)
    }
}

type Small = Arc<Cache<u64, u64, Itself>>;

/// A home in the first bucket of any table.
const LOW: u64 = 1;
/// Another hash there.
const LOW2: u64 = 2;
/// And another.
const LOW3: u64 = 3;
/// A home in the second half of any table.
const HIGH: u64 = 0xF000_0000;
/// The same place, in the last shard.
const OTHER: u64 = 0xF000_0000_F000_0000;

fn cache(capacity: u64, shards: usize) -> Small {
    let builder = Cache::builder().capacity(capacity).shards(shards).policy(Policy::Clock).statistics(false);
    Arc::new(builder.hasher(Itself(0)).build().expect("valid"))
}

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 50_000;
    builder.check(run);
}

fn with(cache: &Small, run: impl FnOnce(&Small) + 'static) -> thread::JoinHandle<()> {
    let cache = cache.clone();
    thread::spawn(move || run(&cache))
}

/// A reader sees a new entry whole or not at all, and does not lose it again.
#[test]
fn publish_against_lookup() {
    model(|| {
        let cache = cache(4, 1);
        let writer = with(&cache, |cache| drop(cache.insert(LOW, 7)));
        let (first, second) = (cache.get(&LOW), cache.get(&LOW));
        assert!(first.is_none_or(|value| value == 7) && second.is_none_or(|value| value == 7));
        assert!(first.is_none() || second.is_some(), "seen, then missed");
        writer.join().unwrap();
        assert_eq!(cache.get(&LOW), Some(7));
        cache.validate();
    });
}

/// A key that is overwritten is never missed, and its old value does not come back. Both reads of the
/// reader pin anew, and the old entry is freed as soon as the horizon lets it.
#[test]
fn overwrite_against_lookup() {
    model(|| {
        let cache = cache(4, 1);
        drop(cache.insert(LOW, 1));
        let writer = with(&cache, |cache| drop(cache.insert(LOW, 2)));
        let first = cache.get(&LOW).expect("present throughout");
        let second = cache.get(&LOW).expect("present throughout");
        assert!(first <= second, "{second} after {first}");
        writer.join().unwrap();
        assert_eq!(cache.get(&LOW), Some(2));
        cache.validate();
    });
}

/// What was seen to be gone stays gone.
#[test]
fn remove_against_lookup() {
    model(|| {
        let cache = cache(4, 1);
        drop(cache.insert(LOW, 1));
        drop(cache.insert(LOW2, 2));
        let writer = with(&cache, |cache| assert_eq!(cache.remove(&LOW), Some(1)));
        let (first, second) = (cache.get(&LOW), cache.get(&LOW));
        assert!(second.is_none() || first.is_some(), "missed, then seen");
        assert_eq!(cache.get(&LOW2), Some(2));
        writer.join().unwrap();
        assert_eq!(cache.get(&LOW), None);
        cache.validate();
    });
}

/// While the table grows and is copied, what is there is found. The third entry links the larger table, the
/// fourth write copies the old one, sends readers on and frees it.
#[test]
fn growth_against_lookup() {
    model(|| {
        let cache = cache(8, 1);
        drop(cache.insert(LOW, 1));
        drop(cache.insert(HIGH, 2));
        let writer = with(&cache, |cache| {
            drop(cache.insert(LOW2, 3));
            drop(cache.insert(LOW3, 4));
        });
        assert_eq!((cache.get(&LOW), cache.get(&HIGH)), (Some(1), Some(2)));
        writer.join().unwrap();
        assert_eq!((cache.get(&LOW2), cache.get(&LOW3)), (Some(3), Some(4)));
        cache.validate();
    });
}

/// An overwrite while the table is copied: no miss, and no old value after the new one.
#[test]
fn growth_against_overwrite() {
    model(|| {
        let cache = cache(8, 1);
        drop(cache.insert(LOW, 1));
        drop(cache.insert(HIGH, 2));
        drop(cache.insert(LOW2, 3));
        let writer = with(&cache, |cache| drop(cache.insert(LOW, 5)));
        let (first, second) = (cache.get(&LOW), cache.get(&LOW));
        assert!(first.expect("present") <= second.expect("present"));
        writer.join().unwrap();
        assert_eq!(cache.get(&LOW), Some(5));
        cache.validate();
    });
}

fn two_writers(capacity: u64, shards: usize) {
    model(move || {
        let cache = cache(capacity, shards);
        let one = with(&cache, |cache| assert!(cache.insert(LOW, 1).is_stored()));
        let other = with(&cache, |cache| assert!(cache.insert(OTHER, 2).is_stored()));
        assert!(cache.weight() <= capacity);
        one.join().unwrap();
        other.join().unwrap();
        assert_eq!(cache.len() as u64, capacity);
        cache.validate();
    });
}

/// Two writers want the only place. Both finish, and one entry stays.
#[test]
fn two_writers_one_place() {
    two_writers(1, 1);
}

/// The same, each in a shard of its own.
#[test]
fn two_writers_one_place_two_shards() {
    two_writers(1, 2);
}

/// Two writers, two places.
#[test]
fn two_writers_two_places() {
    two_writers(2, 2);
}

/// Each of two writers wants the whole capacity, and holds half of it for a while.
#[test]
fn two_writers_want_everything() {
    model(|| {
        let builder = Cache::builder().capacity_weight(2).shards(2).policy(Policy::Clock).statistics(false);
        let heavy = |_: &u64, &value: &u64| value;
        let cache: Small = Arc::new(builder.weigher(heavy).hasher(Itself(0)).build().expect("valid"));
        drop(cache.insert(LOW, 1));
        drop(cache.insert(OTHER, 1));
        let writer = with(&cache, |cache| assert!(cache.insert(LOW2, 2).is_stored()));
        assert!(cache.insert(OTHER + 1, 2).is_stored());
        writer.join().unwrap();
        assert_eq!((cache.len(), cache.weight()), (1, 2));
        cache.validate();
    });
}

/// The bound as a reader sees it: of two entries that share one place, the second is not found while the
/// first still is.
#[test]
fn g01_what_made_room_is_gone_before_what_took_it_is_found() {
    model(|| {
        let cache = cache(1, 2);
        drop(cache.insert(LOW, 1));
        let writer = with(&cache, |cache| drop(cache.insert(OTHER, 2)));
        let remover = with(&cache, |cache| assert!(cache.invalidate(&LOW) || cache.len() <= 1));
        if cache.contains(&OTHER) {
            assert!(!cache.contains(&LOW), "two entries in one place");
        }
        writer.join().unwrap();
        remover.join().unwrap();
        cache.validate();
    });
}

/// A smaller capacity comes while a heavy entry is being written: the write ends, stored or refused, and the
/// bound holds.
#[test]
fn shrinking_against_a_write() {
    model(|| {
        let builder = Cache::builder().capacity_weight(2).shards(1).policy(Policy::Clock).statistics(false);
        let heavy = |_: &u64, &value: &u64| value;
        let cache: Small = Arc::new(builder.weigher(heavy).hasher(Itself(0)).build().expect("valid"));
        drop(cache.insert(LOW, 1));
        let writer = with(&cache, |cache| drop(cache.insert(HIGH, 2)));
        cache.set_capacity(1).expect("valid");
        writer.join().unwrap();
        assert!(cache.weight() <= 1, "{} of 1", cache.weight());
        cache.validate();
    });
}

/// A guard of one value outlives the pin it was made under, a later pin of the same thread, and the entry's
/// place in the cache.
#[test]
fn a_value_guard_against_overwrites() {
    model(|| {
        let cache = cache(4, 1);
        drop(cache.insert(LOW, 1));
        let writer = with(&cache, |cache| drop(cache.insert(LOW, 2)));
        let guard = cache.get_ref(&LOW).expect("present");
        let seen = *guard;
        let later = cache.get(&LOW).expect("present");
        assert!(seen <= later && *guard == seen);
        drop(guard);
        writer.join().unwrap();
        assert_eq!(cache.get(&LOW), Some(2));
        cache.validate();
    });
}

/// Two guards in a thread that has one hazard word: the second keeps its pin.
#[test]
fn a_guard_without_a_word_against_overwrites() {
    model(|| {
        let cache = cache(4, 1);
        drop(cache.insert(LOW, 1));
        let writer = with(&cache, |cache| drop(cache.insert(LOW, 2)));
        let (one, two) = (cache.get_ref(&LOW).expect("present"), cache.get_ref(&LOW).expect("present"));
        let values = (*one, *two);
        drop(one);
        assert!(values.0 <= *two);
        drop(two);
        writer.join().unwrap();
        cache.maintain(8);
        assert_eq!(cache.stats().retired, 0);
        cache.validate();
    });
}

/// A held pin against a removal: what was found under it can be looked at while it lives.
#[test]
fn a_pin_against_a_removal() {
    model(|| {
        let cache = cache(4, 1);
        drop(cache.insert(LOW, 1));
        let writer = with(&cache, |cache| assert!(cache.invalidate(&LOW)));
        let pinned = cache.pin();
        if let Some(value) = pinned.get(&LOW) {
            assert_eq!(*value, 1);
            drop(cache.get_ref(&LOW));
        }
        drop(pinned);
        writer.join().unwrap();
        cache.validate();
    });
}

/// The collector is the only registered thread when it starts, so it may skip the barrier; the reader
/// registers meanwhile.
#[test]
fn a_reader_registers_against_a_lone_collector() {
    model(|| {
        let cache = cache(4, 1);
        drop(cache.insert(LOW, 1));
        let reader = with(&cache, |cache| {
            let guard = cache.get_ref(&LOW).expect("present throughout");
            assert!((1..=3).contains(&*guard));
        });
        drop(cache.insert(LOW, 2));
        drop(cache.insert(LOW, 3));
        reader.join().unwrap();
        cache.validate();
    });
}

/// Two threads free what they replaced at once, their tags and horizons crossing, before a guard.
#[test]
fn two_collectors_against_a_guard() {
    model(|| {
        let cache = cache(4, 1);
        drop(cache.insert(LOW, 1));
        drop(cache.insert(HIGH, 1));
        let guard = cache.get_ref(&LOW).expect("present");
        let one = with(&cache, |cache| drop(cache.insert(LOW, 2)));
        drop(cache.insert(HIGH, 2));
        assert_eq!(*guard, 1);
        drop(guard);
        one.join().unwrap();
        cache.maintain(8);
        assert_eq!(cache.stats().retired, 0);
        cache.validate();
    });
}

/// The listener hears of every value that was replaced once, in the order in which they were.
#[test]
fn g26_two_writers_tell_once_and_in_order() {
    model(|| {
        let told = Arc::new(Mutex::new(Vec::new()));
        let ear = told.clone();
        let calls = loom::sync::atomic::AtomicUsize::new(0);
        let builder = Cache::builder().capacity(4).shards(1).policy(Policy::Clock).statistics(false);
        let builder = builder.listener(move |&key: &u64, &value: &u64, cause| {
            assert_eq!((key, cause), (LOW, Cause::Replaced));
            assert_eq!(calls.fetch_add(1, SeqCst), 0, "two calls for one key at once");
            ear.lock().unwrap().push(value);
            calls.fetch_sub(1, SeqCst);
        });
        let cache: Small = Arc::new(builder.hasher(Itself(0)).build().expect("valid"));
        drop(cache.insert(LOW, 0));
        let writer = with(&cache, |cache| drop(cache.insert(LOW, 1)));
        drop(cache.insert(LOW, 2));
        writer.join().unwrap();
        let last = cache.get(&LOW).expect("present");
        assert_eq!(*told.lock().unwrap(), [0, 3 - last]);
        cache.validate();
    });
}

/// Two increments are two.
#[test]
fn g16_two_computes_count_both() {
    model(|| {
        let cache = cache(4, 1);
        let count = |there: Option<&u64>| pinyon::Compute::Put(there.map_or(1, |n| n + 1));
        let writer = with(&cache, move |cache| drop(cache.compute(LOW, count)));
        drop(cache.compute(LOW, count));
        writer.join().unwrap();
        assert_eq!(cache.get(&LOW), Some(2));
        cache.validate();
    });
}

/// Of two threads that insert if absent one does, and both agree on which.
#[test]
fn g16_one_of_two_inserts_if_absent() {
    model(|| {
        let cache = cache(4, 1);
        let writer = with(&cache, |cache| drop(cache.insert_if_absent(LOW, 1)));
        let mine = cache.insert_if_absent(LOW, 2).is_stored();
        writer.join().unwrap();
        assert_eq!(cache.get(&LOW), Some(if mine { 2 } else { 1 }));
        cache.validate();
    });
}

//! The concurrent protocols under the model checker, through the public face. Those of the parts alone are in
//! `src/reclaim/models.rs` (R below), `src/shard/table/models.rs` (T), and the `models.rs` of `shard/entry` (E),
//! `shard/slab` (S), `adapt` (A) and `stats`.
//!
//!     RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --profile explore --lib --test loom
//!     RUSTFLAGS="--cfg loom --cfg eager" LOOM_MAX_PREEMPTIONS=3 cargo test --profile explore --lib --test loom
//!
//! All of them together take two minutes of processor time at three preemptions. The second line runs them on a reclaimer by
//! hand, which frees in the very instant in which that is legal (`src/reclaim/eager.rs`).
//!
//! # Which model looks at which shared word
//!
//! In the order of the table in docs/design.md.
//!
//! | word | models |
//! |---|---|
//! | slot of a table | `publish_*`, `overwrite_*`, `remove_*`, `g10_a_key_that_comes_back_*`, T |
//! | bucket's `passed` | `growth_against_lookup`, T: `churn_*`, `a_new_entry_*` |
//! | table's `next`, shard's `root` | all `growth_*`, `g17_*`, T: `growth_*`, `iteration_*` |
//! | slab's `directory`, chunk pointers | S |
//! | entry's `state`: uses | E: `uses_*` (a hit against the hand), `g06_a_use_*` (both against a deadline) |
//! | entry's `state`: deadline bits; times | E: `g06_*`, `g06_a_new_deadline_*`, `g08_*` |
//! | times: `accessed` | E: `g07_*` |
//! | `Budget::used`, `patience` | `two_writers_*`, `g01_*`, `shrinking_*` |
//! | shard's `load` | `two_writers_one_place_two_shards` chooses victims by it; a stale one costs a look, no more |
//! | reader's `epoch`, `hazards`; the epoch; the registry | R, the models of guards, `a_reader_registers_*`, `g27_*` |
//! | stripes of hits and misses | `src/stats/models.rs` |
//! | mailbox of sampled hits | A |
//! | notices (under the lock, told without it) | `g26_*` |
//! | shard's `settled`; entry's `state`: era | `g10_invalidations_*`, `g16_an_invalidation_*`, E: `an_entry_that_left_*` |
//! | tag's number, `Tags::sequence`; rows of groups | `g10_an_invalidation_*`, `g08_an_invalidation_*`, `g16_an_invalidation_*`, `g20_*_tag*` |
//! | stamps of loads (under the lock) | `g20_*` |
//! | a flight's state (under its lock), and the wakers outside of it | `g18_*`, `src/load/flight/models.rs` (F) |
//! | tokens and tickets (under their lock) | `g19_*` |
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
//! | a slot is stored before its tag (it was so) | `g10_a_key_that_comes_back_*` |
//! | a slot is emptied relaxed, or before its copy is in the grown table | both `growth_*`, T |
//! | the short way of a search ends without a look at the next table | both `growth_*`, T |
//! | what goes past a bucket is not counted | `growth_against_lookup`, T |
//! | things are freed whatever the horizon says | the models of guards, all of R |
//! | hazard words are not asked, or before the epochs, or are cleared relaxed | the models of guards, R |
//! | a horizon speaks of batches sealed after it was taken | `two_collectors_cross_*` (R) |
//! | what is known without a barrier speaks of all that is sealed, or not of hazard words, or is made known relaxed | `what_one_collector_has_seen_*` (R) |
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
//! | a write leaves its notices to another thread that tells | `g26_a_listener_that_writes_*` (`tests/shuttle.rs` sees those that the listener's own writes lose) |
//! | what readers hold up beyond the limits is not looked at by every write, or not what a guard holds | `g27_*` |
//! | a deadline's bits are published relaxed, or its row in steps that are no deadline between | E: `g06_*` |
//! | uses or deadline bits are stored, not exchanged; the hand lowers a count of zero | E |
//! | a lifetime that is set takes back the uses since its call began (it was so) | E: `g07_*` |
//! | a directory is published relaxed, without the old chunks, or the old one is freed | S (some by a crash) |
//! | the mailbox is written beyond its end, or not emptied | A |
//! | a count on the shared line is stored, not added | `src/stats/models.rs` |
//! | what leaves the table outdated keeps its era; the eras' byte is read or written relaxed | E: `an_entry_that_left_*` |
//! | a write does not ask under the lock whether what it saw is current | `g16_an_invalidation_*` |
//! | invalidations of tags are numbered relaxed | `g20_an_invalidation_*` |
//! | an iteration does not look at the grown table, or meets both entries of a key | T, `g17_*` |
//!
//! Not seen, and harmless: counting past a full bucket after the slot is published (the lock is still held, and
//! nobody lowers the count before it is let go of), and publishing a hazard word relaxed (the pin's end, a release,
//! comes after it). Not seen, and not harmless by the letter: taking weight relaxed; the checker finds no order in
//! which it shows.
//!
//! # What they cannot show
//!
//! The checker may miss schedules: of each word it remembers the last access alone (see `checker::check` in
//! `src/sync/model.rs`, which is the answer to one case of it). The count of interleavings says how far a model went.
//! The light barrier is a full fence here, but for `a_lone_collector_*`; that `membarrier` makes up for its absence
//! is the kernel's promise. Fences of sequential consistency order more here than in the language.
#![cfg(loom)]
#![allow(clippy::drop_non_drop)]

use loom::thread;
use pinyon::{
    Acquired, Cache, Cause, Completed, InsertOptions, LeaseOptions, Lifetime, LoadOptions, Loaded,
    ManualTicker, Policy, Waited,
};
use std::cell::Cell;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

thread_local! {
    /// Does a thread run before the one that starts it goes on?
    static FIRST: Cell<bool> = const { Cell::new(false) };
}

/// Twice, as in `src/sync/model.rs`, which says why.
fn model(run: impl Fn() + Sync + Send + Clone + 'static) {
    model_with_fewer(0, run);
}

/// Of a large model that is not about memory: all preemptions on the reclaimer by hand, one fewer on the real one, which has
/// R and the models of guards.
fn model_of_order(run: impl Fn() + Sync + Send + Clone + 'static) {
    model_with_fewer(usize::from(!cfg!(eager)), run);
}

/// With so many preemptions fewer than asked for: of a large model.
fn model_with_fewer(preemptions: usize, run: impl Fn() + Sync + Send + Clone + 'static) {
    for first in [false, true] {
        FIRST.set(first);
        let mut builder = loom::model::Builder::new();
        builder.max_branches = 50_000;
        builder.preemption_bound = builder.preemption_bound.map(|most| most.saturating_sub(preemptions));
        builder.check(run.clone());
    }
}

fn with(cache: &Small, run: impl FnOnce(&Small) + 'static) -> thread::JoinHandle<()> {
    let cache = cache.clone();
    let started = thread::spawn(move || run(&cache));
    if FIRST.get() {
        thread::yield_now();
    }
    started
}

/// A reader sees a new entry whole or not at all, and does not lose it again.
#[test]
fn publish_against_lookup() {
    model(|| {
        let cache = cache(4, 1);
        drop(cache.insert(HIGH, 1));
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

/// What a reader may see in turn of a key that had 1, lost it, and got 2.
fn in_order(first: Option<u64>, second: Option<u64>) {
    let place = |seen| [Some(1), None, Some(2)].iter().position(|one| *one == seen);
    let (one, other) = (place(first).expect("one of these"), place(second).expect("one of these"));
    assert!(one <= other, "{second:?} after {first:?}");
}

/// What is removed and written again, into the same slot, is not missed once it was seen.
#[test]
fn g10_a_key_that_comes_back_against_lookup() {
    model(|| {
        let cache = cache(4, 1);
        drop(cache.insert(LOW, 1));
        let writer = with(&cache, |cache| {
            assert!(cache.invalidate(&LOW));
            drop(cache.insert(LOW, 2));
        });
        let (first, second) = (cache.get(&LOW), cache.get(&LOW));
        in_order(first, second);
        writer.join().unwrap();
        assert_eq!(cache.get(&LOW), Some(2));
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
    model_with_fewer(1, || {
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
    model_of_order(|| {
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
    model_with_fewer(2, || {
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

/// What a reader held up, by its pin or by a guard, goes with the next write once it is gone, though that one lets go of nothing.
#[test]
fn g27_what_a_reader_held_up_goes_with_the_next_write() {
    let looks: [fn(&Small); 2] =
        [|cache| _ = cache.pin().get(&LOW).copied(), |cache| _ = cache.get_ref(&LOW).map(|value| *value)];
    for look in looks {
        model_with_fewer(1, move || {
            let builder = Cache::builder().capacity_weight(8).weigher(|_: &u64, _: &u64| 1).shards(1);
            let builder = builder.policy(Policy::Clock).statistics(false);
            let cache: Small = Arc::new(builder.hasher(Itself(0)).build().expect("valid"));
            drop(cache.insert(LOW, 1));
            let reader = with(&cache, look);
            drop(cache.insert(LOW, 2));
            drop(cache.insert(LOW, 3));
            reader.join().unwrap();
            drop(cache.insert(HIGH, 1));
            assert_eq!(cache.stats().retired, 0);
            cache.validate();
        });
    }
}

/// The collector is the only registered thread when it starts, so it may skip the barrier; the reader
/// registers meanwhile.
#[test]
fn a_reader_registers_against_a_lone_collector() {
    model_with_fewer(1, || {
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
    model_of_order(|| {
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

/// The listener writes to the shard that it is being told of: it is told of that when it has come back, and not in
/// between; and the other writer tells its own though the first one is in the listener, and keeps none for it.
#[test]
fn g26_a_listener_that_writes_against_a_writer() {
    model_of_order(|| {
        let told = Arc::new(Mutex::new(Vec::new()));
        let tellers = Mutex::new(Vec::new());
        let home: Arc<std::sync::OnceLock<std::sync::Weak<Cache<u64, u64, Itself>>>> = Arc::default();
        let (ear, inside) = (told.clone(), home.clone());
        let builder = Cache::builder().capacity(4).shards(1).policy(Policy::Clock).statistics(false);
        let builder = builder.listener(move |&key: &u64, &value: &u64, _| {
            let me = thread::current().id();
            assert!(!tellers.lock().unwrap().contains(&me), "a telling within a telling");
            tellers.lock().unwrap().push(me);
            ear.lock().unwrap().push((key, value));
            if let (LOW, Some(cache)) = (key, inside.get().and_then(std::sync::Weak::upgrade)) {
                drop(cache.insert(LOW2, 1));
            }
            tellers.lock().unwrap().retain(|teller| *teller != me);
        });
        let cache: Small = Arc::new(builder.hasher(Itself(0)).build().expect("valid"));
        assert!(home.set(Arc::downgrade(&cache)).is_ok());
        [LOW, LOW2, LOW3].iter().for_each(|&key| drop(cache.insert(key, 0)));
        let ear = told.clone();
        let writer = with(&cache, move |cache| {
            drop(cache.insert(LOW3, 1));
            // (Or the other thread is telling it. It has begun then, and nothing comes between that and its note.)
            assert!(ear.lock().unwrap().contains(&(LOW3, 0)), "told before the call returns");
        });
        drop(cache.insert(LOW, 1));
        assert!(told.lock().unwrap().contains(&(LOW, 0)), "told before the call returns");
        writer.join().unwrap();
        let mut told = std::mem::take(&mut *told.lock().unwrap());
        told.sort_unstable();
        assert_eq!(told, [(LOW, 0), (LOW2, 0), (LOW3, 0)], "each once");
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

/// A removal while the table is copied: what is gone stays gone, and what stays is found.
#[test]
fn growth_against_removal() {
    model_with_fewer(1, || {
        let cache = cache(8, 1);
        drop(cache.insert(LOW, 1));
        drop(cache.insert(HIGH, 2));
        drop(cache.insert(LOW2, 3));
        let writer = with(&cache, |cache| {
            assert_eq!(cache.remove(&LOW), Some(1));
            drop(cache.insert(LOW3, 4));
        });
        let (first, second) = (cache.get(&LOW), cache.get(&LOW));
        assert!(second.is_none() || first.is_some(), "missed, then seen");
        assert_eq!(cache.get(&LOW2), Some(3));
        writer.join().unwrap();
        assert_eq!((cache.get(&LOW), cache.get(&LOW3), cache.get(&HIGH)), (None, Some(4), Some(2)));
        cache.validate();
    });
}

/// An iteration while the table is copied and a key is overwritten: each key once, with a value of its own.
#[test]
fn g17_iteration_against_growth() {
    model_with_fewer(2, || {
        let cache = cache(8, 1);
        drop(cache.insert(LOW, 1));
        drop(cache.insert(HIGH, 2));
        drop(cache.insert(LOW2, 3));
        let writer = with(&cache, |cache| drop(cache.insert(LOW, 5)));
        // Two steps, and one preemption fewer, for the sake of time.
        let met: Vec<_> = cache.iter().take(2).map(|entry| (*entry.key(), *entry)).collect();
        assert!(met == [(LOW, 1), (LOW2, 3)] || met == [(LOW, 5), (LOW2, 3)], "{met:?}");
        writer.join().unwrap();
        cache.validate();
    });
}

fn lasting(ticker: &Arc<ManualTicker>) -> Small {
    let builder = Cache::builder().capacity(4).shards(1).policy(Policy::Clock).statistics(false);
    let builder = builder.time_to_live(Duration::from_secs(5)).ticker(ticker.clone());
    Arc::new(builder.hasher(Itself(0)).build().expect("valid"))
}

/// A live entry is given an end: a reader finds it until then and not after, and never otherwise.
#[test]
fn g06_a_new_deadline_against_lookup() {
    model_of_order(|| {
        let ticker = Arc::new(ManualTicker::new());
        let cache = lasting(&ticker);
        drop(cache.insert(LOW, 1));
        let writer = with(&cache, |cache| {
            assert!(cache.set_lifetime(&LOW, Lifetime::After(Duration::from_secs(50))));
            assert!(cache.set_lifetime(&LOW, Lifetime::After(Duration::ZERO)));
        });
        let (first, second) = (cache.get(&LOW), cache.get(&LOW));
        assert!(second.is_none() || first.is_some(), "dead, then alive");
        writer.join().unwrap();
        assert_eq!(cache.get(&LOW), None);
        cache.validate();
    });
}

/// A sweep removes an entry whose time is over while a guard that was taken before holds it.
#[test]
fn g08_a_sweep_against_a_guard() {
    model(|| {
        let ticker = Arc::new(ManualTicker::new());
        let cache = lasting(&ticker);
        drop(cache.insert(LOW, 1));
        let sweeper = with(&cache, move |cache| {
            ticker.advance(Duration::from_secs(6));
            assert_eq!(cache.maintain(8).expired, 1);
        });
        if let Some(guard) = cache.get_ref(&LOW) {
            assert!(cache.get(&LOW).is_none_or(|value| value == *guard));
        }
        sweeper.join().unwrap();
        cache.maintain(8);
        assert_eq!((cache.len(), cache.stats().retired), (0, 0));
        cache.validate();
    });
}

/// What was read at the source before a removal began is not in the cache after the removal.
#[test]
fn g20_a_removal_against_a_load() {
    model(|| {
        let (cache, source) = (cache(2, 1), Arc::new(loom::sync::atomic::AtomicU64::new(1)));
        let there = source.clone();
        let writer = with(&cache, move |cache| {
            there.store(2, SeqCst);
            cache.remove(&LOW);
        });
        let got = cache.get_or_load(&LOW, || source.load(SeqCst));
        writer.join().unwrap();
        assert!(got == Ok(1) || got == Ok(2), "{got:?}");
        assert_ne!(cache.peek(&LOW), Some(1), "stale");
    });
}

/// Two callers of one key, of whom at most one loads while the other asks; both get a value, and it is in the cache.
#[test]
fn g18_two_who_load_one_key() {
    model(|| {
        let (cache, loads) = (cache(2, 1), Arc::new(loom::sync::atomic::AtomicU64::new(0)));
        let count = loads.clone();
        let other = with(&cache, move |cache| {
            assert_eq!(cache.get_or_load(&LOW, || count.fetch_add(1, SeqCst)), Ok(0));
        });
        assert_eq!(cache.get_or_load(&LOW, || loads.fetch_add(1, SeqCst)), Ok(0));
        other.join().unwrap();
        assert_eq!((cache.peek(&LOW), loads.load(SeqCst)), (Some(0), 1));
    });
}

/// Who removes and then asks gets nothing that was read at the source before the removal, though another one's load of it ends
/// at that moment.
#[test]
fn g20_one_who_asks_after_a_removal() {
    model_with_fewer(1, || {
        let (cache, source) = (cache(2, 1), Arc::new(loom::sync::atomic::AtomicU64::new(1)));
        let there = source.clone();
        let other = with(&cache, move |cache| {
            assert!(cache.get_or_load(&LOW, || there.load(SeqCst)).is_ok());
        });
        source.store(2, SeqCst);
        cache.remove(&LOW);
        assert_eq!(cache.get_or_load(&LOW, || source.load(SeqCst)), Ok(2));
        other.join().unwrap();
        assert_ne!(cache.peek(&LOW), Some(1), "stale");
    });
}

/// The holder of a lease that is over completes it while another takes over. One of them ends each load, once; what is in the
/// cache is what the last of them stored.
#[test]
fn g19_a_holder_that_comes_back_against_one_who_takes_over() {
    model(|| {
        let cache = cache(2, 1);
        let Acquired::Lead(token) = cache.acquire(&LOW, LeaseOptions::new().lasting(Duration::ZERO)) else {
            panic!("nothing is there")
        };
        let holder = with(&cache, move |cache| match cache.complete(token, 1) {
            Completed::Stored => assert_eq!(cache.peek(&LOW), Some(1)),
            Completed::Overtaken(value) | Completed::Lapsed(value) => assert_eq!(value, 1),
            other => panic!("{other:?}"),
        });
        let got = cache.get_or_load(&LOW, || 2);
        holder.join().unwrap();
        assert_eq!(Ok(cache.peek(&LOW).expect("one of them stored")), got);
        cache.validate();
    });
}

/// A lease is given back while one waits with its ticket: that one leads.
#[test]
fn g19_a_lease_that_is_abandoned_against_one_who_waits() {
    model(|| {
        let cache = cache(2, 1);
        let Acquired::Lead(token) = cache.acquire(&LOW, LeaseOptions::new()) else {
            panic!("nothing is there")
        };
        let holder = with(&cache, move |cache| assert!(cache.abandon(token)));
        let token = match cache.acquire(&LOW, LeaseOptions::new()) {
            Acquired::Wait(ticket) => match cache.wait(ticket, None) {
                Waited::Lead(token) => token,
                other => panic!("{other:?}"),
            },
            Acquired::Lead(token) => token,
            other => panic!("{other:?}"),
        };
        assert_eq!(cache.complete(token, 2), Completed::Stored);
        holder.join().unwrap();
        cache.validate();
    });
}

fn tagged() -> InsertOptions {
    InsertOptions::new().tags(["t"])
}

/// Of a reader, everything is invalidated, and the same key written again, over the old entry or where it was swept out.
#[test]
fn g10_invalidations_of_everything_against_lookup() {
    for swept in [false, true] {
        model(move || {
            let cache = cache(4, 1);
            drop(cache.insert(LOW, 1));
            // So that a hit has nothing more to do than to compare the era.
            (0..3).for_each(|_| assert_eq!(cache.get(&LOW), Some(1)));
            let writer = with(&cache, move |cache| {
                cache.invalidate_all();
                assert_eq!(cache.peek(&LOW), None);
                if swept {
                    cache.maintain(8);
                }
                drop(cache.insert(LOW, 2));
            });
            let (first, second) = (cache.get(&LOW), cache.get(&LOW));
            in_order(first, second);
            writer.join().unwrap();
            assert_eq!(cache.get(&LOW), Some(2));
            cache.validate();
        });
    }
}

/// As the first of these, by a tag; the old entry is dropped, with what it belonged to, as soon as that is legal.
#[test]
fn g10_an_invalidation_of_a_tag_against_lookup() {
    model_of_order(|| {
        let cache = cache(4, 1);
        drop(cache.insert_with(LOW, 1, tagged()));
        let writer = with(&cache, |cache| {
            cache.invalidate_tag("t");
            assert_eq!(cache.peek(&LOW), None);
            drop(cache.insert_with(LOW, 2, tagged()));
        });
        let (first, second) = (cache.get(&LOW), cache.get(&LOW));
        in_order(first, second);
        writer.join().unwrap();
        assert_eq!(cache.get(&LOW), Some(2));
        cache.validate();
    });
}

/// A write decides by an entry that is invalidated meanwhile: it does not write what it made of that.
#[test]
fn g16_an_invalidation_against_a_compute() {
    let invalidations: [fn(&Small); 2] = [|cache| cache.invalidate_all(), |cache| cache.invalidate_tag("t")];
    for invalidate in invalidations {
        model_of_order(move || {
            let cache = cache(4, 1);
            drop(cache.insert_with(LOW, 1, tagged()));
            let other = with(&cache, move |cache| {
                invalidate(cache);
                // By the other write, of what came after: none if that has not ended yet.
                assert_ne!(cache.peek(&LOW), Some(1));
            });
            cache.compute(LOW, |there| pinyon::Compute::PutWith(there.map_or(10, |n| n + 1), tagged()));
            other.join().unwrap();
            // Before the invalidation: nothing is left. After it: nothing was there.
            assert!([None, Some(10)].contains(&cache.peek(&LOW)), "{:?}", cache.peek(&LOW));
            cache.validate();
        });
    }
}

fn load(cache: &Small, value: impl FnOnce() -> u64) -> u64 {
    let load = |_: &u64| Ok::<_, ()>(Loaded::new(value()).tags(["t"]));
    cache.load(&LOW, LoadOptions::new(), load).expect("it does not fail")
}

/// What was read at the source before its tag was invalidated is not in the cache after that.
#[test]
fn g20_an_invalidation_of_a_tag_against_a_load() {
    model(|| {
        let (cache, source) = (cache(2, 1), Arc::new(loom::sync::atomic::AtomicU64::new(1)));
        let there = source.clone();
        let writer = with(&cache, move |cache| {
            there.store(2, SeqCst);
            cache.invalidate_tag("t");
            assert_ne!(cache.peek(&LOW), Some(1), "stale");
        });
        let got = load(&cache, || source.load(SeqCst));
        writer.join().unwrap();
        assert!(got == 1 || got == 2, "{got:?}");
        assert_ne!(cache.peek(&LOW), Some(1), "stale");
    });
}

/// Who invalidates a tag and then asks gets nothing that was read at the source before, though another one's load of it ends at
/// that moment.
#[test]
fn g20_one_who_asks_after_an_invalidation_of_a_tag() {
    model_with_fewer(1, || {
        let (cache, source) = (cache(2, 1), Arc::new(loom::sync::atomic::AtomicU64::new(1)));
        let there = source.clone();
        let other = with(&cache, move |cache| assert!(load(cache, || there.load(SeqCst)) > 0));
        source.store(2, SeqCst);
        cache.invalidate_tag("t");
        assert_eq!(load(&cache, || source.load(SeqCst)), 2);
        other.join().unwrap();
        assert_ne!(cache.peek(&LOW), Some(1), "stale");
    });
}

/// A write whose tag is invalidated before it has stored: what it stores is outdated, and is swept out like the rest.
#[test]
fn g08_an_invalidation_of_a_tag_against_a_write() {
    model(|| {
        let cache = cache(2, 1);
        let writer = with(&cache, |cache| drop(cache.insert_with(LOW, 1, tagged())));
        cache.invalidate_tag("t");
        writer.join().unwrap();
        cache.validate();
        let there = cache.peek(&LOW).is_some();
        while !cache.maintain(8).done {}
        assert_eq!(cache.len(), usize::from(there), "what is outdated has left memory");
        cache.validate();
    });
}

//! Does it tell the truth about what it did: compute, entry, and the conditional writes.

#![allow(clippy::drop_non_drop)]

mod common;

use common::{Rng, checked, finishes};
use pinyon::{Cache, Cause, Compute, Computed, InsertOptions, Inserted, ManualTicker, Policy};
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

fn plain() -> common::Checked<u64, u64> {
    checked(Cache::builder().capacity(10_000))
}

// G16, one thread: every method's answer is what happened.

#[test]
fn g16_compute_says_what_it_did() {
    let cache = plain();
    assert_eq!(cache.compute(1, |there| there.map_or(Compute::Keep, |_| unreachable!())), Computed::Kept);
    assert_eq!(cache.compute(1, |there| there.map_or(Compute::Remove, |_| unreachable!())), Computed::Kept);
    assert_eq!(cache.compute(1, |there| Compute::Put(there.map_or(5, |_| unreachable!()))), Computed::Added);
    assert_eq!(cache.compute(1, |there| Compute::Put(there.unwrap() + 1)), Computed::Replaced);
    assert_eq!(cache.compute(1, |there| (assert_eq!(there, Some(&6)), Compute::Keep).1), Computed::Kept);
    assert_eq!(cache.get(&1), Some(6));
    assert_eq!(cache.compute(1, |_| Compute::Remove), Computed::Removed);
    assert_eq!((cache.get(&1), cache.len()), (None, 0));
    let stats = cache.stats();
    assert_eq!((stats.added, stats.replaced, stats.removed), (1, 1, 1));
    assert_eq!((stats.hits, stats.misses), (1, 1), "only the two reads were reads");
}

#[test]
fn g16_compute_sees_an_expired_entry_as_absent() {
    let ticker = ManualTicker::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = heard.clone();
    let listener = move |key: &u64, value: &u64, cause| ears.lock().unwrap().push((*key, *value, cause));
    let builder = Cache::builder().capacity(100).ticker(ticker.clone()).listener(listener);
    let cache: common::Checked<u64, u64> = checked(builder);
    let short = InsertOptions::new().ttl(Duration::from_secs(5));
    for key in 0..6 {
        assert_eq!(cache.compute(key, |_| Compute::PutWith(10, short.clone())), Computed::Added);
    }
    ticker.advance(Duration::from_secs(5));
    assert_eq!(cache.compute(0, |there| Compute::Put(there.map_or(11, |_| unreachable!()))), Computed::Added);
    assert_eq!(cache.compute(1, |there| there.map_or(Compute::Remove, |_| unreachable!())), Computed::Kept);
    assert_eq!(cache.insert_if_absent(2, 12), Inserted::Added);
    assert_eq!(cache.replace(3, 13), Inserted::Kept { key: 3, value: 13 });
    assert!(!cache.remove_if(&4, |_| unreachable!()) && !cache.invalidate(&5));
    assert_eq!(cache.len(), 2, "the dead are gone");
    let mut heard = heard.lock().unwrap().clone();
    heard.sort_by_key(|(key, ..)| *key);
    let expired: Vec<_> = (0..6).map(|key| (key, 10, Cause::Expired)).collect();
    assert_eq!(heard, expired);
    let stats = cache.stats();
    assert_eq!((stats.added, stats.replaced, stats.removed, stats.expired), (8, 0, 0, 6));
}

#[test]
fn g16_conditional_writes_say_what_they_did() {
    let cache = plain();
    assert_eq!(cache.replace(1, 10), Inserted::Kept { key: 1, value: 10 });
    assert_eq!(cache.replace_if(1, 10, |_| unreachable!()), Inserted::Kept { key: 1, value: 10 });
    assert_eq!(cache.insert_if_absent(1, 10), Inserted::Added);
    assert_eq!(cache.insert_if_absent(1, 11), Inserted::Kept { key: 1, value: 11 });
    assert_eq!(cache.replace_if(1, 12, |&there| there == 11), Inserted::Kept { key: 1, value: 12 });
    assert_eq!(cache.replace_if(1, 12, |&there| there == 10), Inserted::Replaced);
    assert_eq!(cache.replace(1, 13), Inserted::Replaced);
    assert!(!cache.remove_if(&1, |&there| there == 12) && cache.contains(&1));
    assert!(cache.remove_if(&1, |&there| there == 13) && !cache.contains(&1));
    assert!(!cache.remove_if(&1, |_| unreachable!()));
    assert_eq!((cache.remove(&1), cache.invalidate(&1)), (None, false));
    cache.insert(1, 14);
    assert_eq!(cache.remove(&1), Some(14));
    assert_eq!(cache.insert(1, 1), Inserted::Added);
    assert_eq!(cache.insert(1, 2), Inserted::Replaced);
    assert!(Inserted::<u64, u64>::Added.is_stored() && !cache.insert_if_absent(1, 3).is_stored());
}

#[test]
fn g16_entry_and_get_or_insert_return_what_is_there() {
    let cache = plain();
    assert_eq!(*cache.entry(1).key(), 1);
    assert_eq!(cache.entry(1).or_insert(10), 10);
    assert_eq!(cache.entry(1).or_insert(11), 10);
    assert_eq!(cache.entry(1).or_insert_with(|| unreachable!()), 10);
    assert_eq!(cache.entry(2).or_insert_with(|| 20), 20);
    assert_eq!(cache.entry(2).and_modify(|there| there + 1), Computed::Replaced);
    assert_eq!(cache.entry(3).and_modify(|_| unreachable!()), Computed::Kept);
    assert_eq!(cache.entry(2).compute(|there| Compute::Put(there.unwrap() * 2)), Computed::Replaced);
    assert_eq!(cache.entry(2).insert(1, InsertOptions::new()), Inserted::Replaced);
    assert_eq!(
        (cache.get_or_insert(1, 0), cache.get_or_insert(2, 0), cache.get_or_insert(3, 30)),
        (10, 1, 30)
    );
}

#[test]
fn g16_when_another_write_comes_between_the_closure_is_asked_again_and_only_the_last_answer_counts() {
    let cache = plain();
    cache.insert(1, 0);
    let mut seen = Vec::new();
    let done = cache.compute(1, |there| {
        seen.push(there.copied());
        match seen.len() {
            1 => drop(cache.insert(1, 100)),
            2 => drop(cache.remove(&1)),
            3 => drop(cache.insert(1, 300)),
            _ => {}
        }
        Compute::Put(there.copied().unwrap_or(0) + 1)
    });
    assert_eq!((seen, done), (vec![Some(0), Some(100), None, Some(300)], Computed::Replaced));
    assert_eq!(cache.get(&1), Some(301));

    let mut asked = 0;
    let done = cache.replace_if(1, 7, |&there| {
        asked += 1;
        if asked == 1 {
            cache.insert(1, 8);
        }
        there == 301
    });
    assert_eq!(
        (asked, done),
        (2, Inserted::Kept { key: 1, value: 7 }),
        "301 satisfied it, but was gone by then"
    );
    assert_eq!(cache.get(&1), Some(8));

    let mut asked = 0;
    let removed = cache.remove_if(&1, |&there| {
        asked += 1;
        if asked == 1 {
            cache.insert(1, 9);
        }
        there == 8
    });
    assert_eq!((asked, removed, cache.get(&1)), (2, false, Some(9)));
}

#[test]
fn g16_a_closure_that_saw_an_expired_entry_is_asked_again_only_if_another_one_came() {
    let ticker = ManualTicker::new();
    let cache: common::Checked<u64, u64> =
        checked(Cache::builder().capacity(100).shards(1).ticker(ticker.clone()));
    for another in [None, Some(8)] {
        cache.insert_with(1, 7, InsertOptions::new().ttl(Duration::from_secs(5)));
        // So far that the write that follows takes the entry away before it looks at its place.
        ticker.advance(Duration::from_secs(100));
        let mut seen = Vec::new();
        let done = cache.compute(1, |there| {
            seen.push(there.copied());
            if let (1, Some(value)) = (seen.len(), another) {
                cache.insert(1, value);
            }
            Compute::Put(9)
        });
        let (asked, written) = match another {
            None => (vec![None], Computed::Added),
            Some(value) => (vec![None, Some(value)], Computed::Replaced),
        };
        assert_eq!((seen, done, cache.get(&1), cache.len()), (asked, written, Some(9), 1));
        cache.clear();
    }
}

#[test]
fn g16_a_value_that_was_removed_and_written_again_is_not_mistaken_for_the_one_that_was_seen() {
    let cache = plain();
    cache.insert(1, 5);
    let mut asked = 0;
    let done = cache.compute(1, |_| {
        asked += 1;
        if asked == 1 {
            // Away and back, with the same value, perhaps in the same row.
            (0..200).for_each(|_| drop((cache.remove(&1), cache.insert(1, 5))));
        }
        Compute::Remove
    });
    assert_eq!((asked, done, cache.get(&1)), (2, Computed::Removed, None));
}

// G16, several threads: what is reported is atomic.

/// A value that grows makes others leave, never itself: first in small steps, then to all of the capacity at once.
#[test]
fn g16_what_is_written_over_by_something_heavier_does_not_leave_to_make_room_for_itself() {
    for (policy, shards) in
        [Policy::ClockTinyLfu, Policy::Clock].into_iter().flat_map(|policy| [(policy, 1), (policy, 4)])
    {
        let builder = Cache::builder().capacity_weight(4000).shards(shards).policy(policy);
        let cache: common::Checked<u64, u64> = checked(builder.weigher(|_: &u64, weight: &u64| *weight));
        let mut random = Rng::new(7);
        for growing in 0..20 {
            (1000..6000).for_each(|key| assert!(cache.insert(key, 1).is_stored()));
            let mut weight = 1;
            assert!(cache.insert(growing, weight).is_stored());
            while weight < 4000 {
                let others = 1000 + random.below(5000);
                assert!(cache.insert(others, 1 + random.below(3)).is_stored());
                if !cache.contains(&growing) {
                    break;
                }
                weight = if weight > 500 { 4000 } else { weight + 1 + random.below(40) };
                if random.below(2) == 0 {
                    assert_eq!(cache.replace(growing, weight), Inserted::Replaced, "{policy:?}, {shards}");
                } else {
                    let grow = |there: Option<&u64>| Compute::Put(weight.max(*there.expect("it is there")));
                    assert_eq!(cache.compute(growing, grow), Computed::Replaced, "{policy:?}, {shards}");
                }
                assert_eq!(cache.get(&growing), Some(weight));
            }
        }
    }
}

#[test]
fn g16_counters_of_several_threads_add_up() {
    const THREADS: u64 = 4;
    const EACH: u64 = 1500;
    for shards in [1, 8] {
        let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(10_000).shards(shards));
        let ready = Barrier::new(THREADS as usize);
        let added = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    ready.wait();
                    for n in 0..EACH {
                        let done = match n % 2 {
                            0 => cache.compute(n % 6, |there| Compute::Put(there.map_or(1, |n| n + 1))),
                            _ => cache
                                .entry(n % 6)
                                .compute(|there| Compute::Put(there.copied().unwrap_or(0) + 1)),
                        };
                        match done {
                            Computed::Added => assert!(added.fetch_add(1, Ordering::Relaxed) < 6),
                            Computed::Replaced => {}
                            other => panic!("{other:?}"),
                        }
                    }
                });
            }
        });
        assert_eq!((0..6).map(|key| cache.get(&key).unwrap()).sum::<u64>(), THREADS * EACH);
        assert_eq!(added.load(Ordering::Relaxed), 6, "each key was added by one");
        let stats = cache.stats();
        assert_eq!((stats.added, stats.replaced), (6, THREADS * EACH - 6));
    }
}

#[test]
fn g16_of_several_threads_one_inserts_one_replaces_one_removes() {
    const THREADS: usize = 4;
    let cache = plain();
    let ready = Barrier::new(THREADS);
    let (inserted, replaced, removed, taken) = <(AtomicU64, AtomicU64, AtomicU64, AtomicU64)>::default();
    let rounds = 300;
    thread::scope(|scope| {
        for me in 0..THREADS as u64 {
            let (cache, ready, inserted, replaced, removed, taken) =
                (&*cache, &ready, &inserted, &replaced, &removed, &taken);
            scope.spawn(move || {
                let count = |counter: &AtomicU64, yes| counter.fetch_add(u64::from(yes), Ordering::Relaxed);
                for round in 0..rounds {
                    ready.wait();
                    count(inserted, cache.insert_if_absent(round, me) == Inserted::Added);
                    ready.wait();
                    count(replaced, cache.replace_if(round, me + 100, |&there| there < 100).is_stored());
                    ready.wait();
                    match round % 2 {
                        0 => count(removed, cache.remove_if(&round, |&there| there >= 100)),
                        _ => count(taken, cache.remove(&round).is_some()),
                    };
                }
            });
        }
    });
    let all = [&inserted, &replaced, &removed, &taken].map(|counter| counter.load(Ordering::Relaxed));
    assert_eq!(all, [rounds, rounds, rounds / 2, rounds / 2]);
    assert!(cache.is_empty());
}

#[test]
fn g29_an_entry_that_is_read_or_made_is_one_read() {
    let cache = plain();
    assert_eq!(cache.entry(1).or_insert_with(|| 10), 10);
    assert_eq!((cache.entry(2).or_insert(20), cache.get_or_insert(3, 30)), (20, 30));
    assert_eq!((cache.stats().hits, cache.stats().misses), (0, 3));
    assert_eq!(cache.entry(1).or_insert_with(|| unreachable!("it is there")), 10);
    assert_eq!((cache.entry(2).or_insert(0), cache.get_or_insert(3, 0)), (20, 30));
    assert_eq!((cache.stats().hits, cache.stats().misses), (3, 3));
}

#[test]
fn g16_get_or_insert_gives_all_threads_one_value() {
    const THREADS: u64 = 4;
    let cache = plain();
    let ready = Barrier::new(THREADS as usize);
    let rounds = 300;
    let answers = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|me| {
                let (cache, ready) = (&*cache, &ready);
                scope.spawn(move || {
                    let one = |round| {
                        ready.wait();
                        if round % 2 == 0 {
                            cache.get_or_insert(round, me)
                        } else {
                            cache.entry(round).or_insert_with(|| me)
                        }
                    };
                    (0..rounds).map(one).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(answers.iter().all(|one| *one == answers[0]), "each key had one value for all");
}

#[test]
fn g16_the_outcomes_reported_add_up_to_what_the_listener_heard() {
    finishes("random writes with a listener", || {
        let heard = Arc::new(Mutex::new([0u64; 2]));
        let ears = heard.clone();
        let listener = move |_: &u64, _: &u64, cause| match cause {
            Cause::Replaced => ears.lock().unwrap()[0] += 1,
            Cause::Removed => ears.lock().unwrap()[1] += 1,
            other => panic!("nothing is {other}"),
        };
        let cache: common::Checked<u64, u64> =
            checked(Cache::builder().capacity(10_000).shards(2).listener(listener));
        let [added, replaced, removed] = [(); 3].map(|()| AtomicU64::new(0));
        thread::scope(|scope| {
            for seed in 0..4 {
                let (cache, added, replaced, removed) = (&*cache, &added, &replaced, &removed);
                scope.spawn(move || {
                    let mut rng = Rng::new(seed);
                    for _ in 0..2000 {
                        let (key, value) = (rng.below(12), rng.below(100));
                        let written = |done: Inserted<u64, u64>| match done {
                            Inserted::Added => Some(added),
                            Inserted::Replaced => Some(replaced),
                            _ => None,
                        };
                        let counter = match rng.below(9) {
                            0 => written(cache.insert(key, value)),
                            1 => written(cache.insert_if_absent(key, value)),
                            2 => written(cache.replace(key, value)),
                            3 => written(cache.replace_if(key, value, |there| there % 2 == 0)),
                            4 => cache.remove(&key).map(|_| removed),
                            5 => cache.remove_if(&key, |there| there % 2 == 1).then_some(removed),
                            6 => match cache.compute(key, |there| match there {
                                Some(n) if n % 3 == 0 => Compute::Remove,
                                Some(n) if n % 3 == 1 => Compute::Keep,
                                _ => Compute::Put(value),
                            }) {
                                Computed::Added => Some(added),
                                Computed::Replaced => Some(replaced),
                                Computed::Removed => Some(removed),
                                _ => None,
                            },
                            7 => match cache.entry(key).and_modify(|there| there + 1) {
                                Computed::Kept => None,
                                Computed::Replaced => Some(replaced),
                                other => panic!("{other:?}"),
                            },
                            _ => {
                                let gone = cache.retain(|&other, _| other != key);
                                removed.fetch_add(gone as u64, Ordering::Relaxed);
                                None
                            }
                        };
                        if let Some(counter) = counter {
                            counter.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let [added, replaced, removed] = [added, replaced, removed].map(AtomicU64::into_inner);
        assert_eq!(*heard.lock().unwrap(), [replaced, removed]);
        assert_eq!(added - removed, cache.len() as u64);
        let stats = cache.stats();
        assert_eq!((stats.added, stats.replaced, stats.removed), (added, replaced, removed));
    });
}

/// So many keys, one after the other, have one hash.
struct Alike(u64);
struct OfKey(u64, u64);

impl BuildHasher for Alike {
    type Hasher = OfKey;
    fn build_hasher(&self) -> OfKey {
        OfKey(self.0, 0)
    }
}

impl Hasher for OfKey {
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, key: u64) {
        self.1 = (key / self.0 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    fn finish(&self) -> u64 {
        self.1
    }
}

#[test]
fn g10_what_is_made_of_a_value_while_the_cache_is_cleared_is_gone_too() {
    for alike in [1, 2, 40, 100] {
        let cell: Arc<Mutex<Option<Cache<u64, u64, Alike>>>> = Arc::default();
        let inside = cell.clone();
        let builder = Cache::builder().capacity(1000).shards(1).hasher(Alike(alike));
        let cache = checked(builder.listener(move |_: &u64, _: &u64, cause| {
            let more = |there: Option<&u64>| there.map_or(Compute::Keep, |n| Compute::Put(n + 1));
            if cause == Cause::Cleared {
                let cache = inside.lock().unwrap().clone().unwrap();
                (0..160).for_each(|key| _ = cache.compute(key, more));
            }
        }));
        // In rows before those of the others, where what is written meanwhile finds room.
        (1000..1080).for_each(|key| assert!(cache.insert(key, 0).is_stored()));
        (0..160).for_each(|key| assert!(cache.insert(key, 0).is_stored()));
        (1000..1080).for_each(|key| assert!(cache.invalidate(&key)));
        while !cache.maintain(1000).done {}
        *cell.lock().unwrap() = Some(cache.clone());
        cache.clear();
        *cell.lock().unwrap() = None;
        assert_eq!(cache.len(), 0, "{alike} keys have one hash");
    }
}

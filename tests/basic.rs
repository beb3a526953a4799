//! Does it work: reading, writing, looking, iterating, and building it wrongly.

mod common;

use common::{Census, Constant, Rng, checked, finishes, keys};
use pinyon::{
    BuildError, Builder, Cache, Compute, Cursor, Equivalent, InsertOptions, Inserted, ManualTicker, Pinned,
    Policy, RandomState, ValueRef,
};
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

fn plain(capacity: u64) -> common::Checked<u64, u64> {
    checked(Cache::builder().capacity(capacity))
}

// G10: a read that follows a write sees it.

#[test]
fn g10_every_operation_of_one_thread_agrees_with_a_map() {
    for shards in [1, 2, 8] {
        let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(10_000).shards(shards));
        let mut map = HashMap::new();
        let mut rng = Rng::new(shards as u64);
        for n in 0..8000 {
            let key = rng.below(300);
            match rng.below(12) {
                0..=3 => assert_eq!(cache.insert(key, n) == Inserted::Added, map.insert(key, n).is_none()),
                4 => assert_eq!(cache.remove(&key), map.remove(&key)),
                5 => assert_eq!(cache.invalidate(&key), map.remove(&key).is_some()),
                6 => {
                    cache.compute(key, |there| there.map_or(Compute::Put(n), |_| Compute::Remove));
                    if map.remove(&key).is_none() {
                        map.insert(key, n);
                    }
                }
                7 => assert_eq!(cache.get_or_insert(key, n), *map.entry(key).or_insert(n)),
                8 => assert_eq!(cache.peek(&key), map.get(&key).copied()),
                9 => assert_eq!(cache.contains(&key), map.contains_key(&key)),
                10 => assert_eq!(cache.with(&key, |value| *value), map.get(&key).copied()),
                _ => assert_eq!(cache.get(&key), map.get(&key).copied()),
            }
            assert_eq!(cache.len(), map.len());
        }
        let all: HashMap<u64, u64> = cache.iter().map(|entry| (*entry.key(), *entry)).collect();
        assert_eq!(all, map);
        let (asked, pinned) = ([0, 1, 2, 1000], cache.pin());
        assert_eq!(cache.get_many(&asked), asked.map(|key| map.get(&key).copied()));
        for key in 0..400 {
            let there = map.get(&key);
            assert_eq!(
                (pinned.get(&key), pinned.peek(&key), pinned.contains(&key)),
                (there, there, there.is_some())
            );
            assert_eq!(pinned.get_key_value(&key), there.map(|value| (&key, value)));
            assert_eq!(pinned.peek_key_value(&key), there.map(|value| (&key, value)));
        }
    }
}

#[test]
fn g10_a_thread_sees_what_another_finished_before() {
    let cache = plain(10_000);
    let turn = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=3000 {
                cache.insert(n % 7, n);
                turn.store(n, Ordering::Release);
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let n = turn.load(Ordering::Acquire);
                    if n > 0 {
                        let seen = cache.get(&(n % 7)).expect("it was written, and is only ever overwritten");
                        assert!(seen >= n, "{seen} is older than {n}");
                    }
                    if n == 3000 {
                        break;
                    }
                    thread::yield_now();
                }
            });
        }
    });
}

#[test]
fn g10_versions_of_a_key_never_go_back_and_a_key_is_never_missing_while_it_is_overwritten() {
    for shards in [1, 4] {
        let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(50_000).shards(shards));
        (0..5).for_each(|key| assert_eq!(cache.insert(key, 0), Inserted::Added));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut last = [0; 5];
                        while !done.load(Ordering::Acquire) {
                            for key in 0..5 {
                                let version = cache.get(&key).expect("overwritten, never removed");
                                assert!(version >= last[key as usize]);
                                last[key as usize] = version;
                            }
                        }
                    })
                })
                .collect();
            // Overwrites, and others beside them that make the table grow.
            for version in 1..4000 {
                cache.insert(version % 5, version);
                cache.insert(1000 + version, 0);
            }
            done.store(true, Ordering::Release);
            readers.into_iter().for_each(|reader| reader.join().unwrap());
        });
    }
}

#[test]
fn g10_what_was_removed_stays_away() {
    let cache = plain(10_000);
    thread::scope(|scope| {
        for me in 0..3u64 {
            let cache = &*cache;
            scope.spawn(move || {
                for n in 0..1500 {
                    let key = me * 100 + n % 30;
                    cache.insert(key, n);
                    assert_eq!(cache.get(&key), Some(n));
                    assert_eq!(cache.remove(&key), Some(n));
                    assert_eq!(cache.get(&key), None);
                }
            });
        }
    });
    assert!(cache.is_empty());
}

// G12: two different keys are never confused.

#[test]
fn g12_keys_of_equal_hash_stay_distinct() {
    for hash in [0, 7, u64::MAX, 0xFFFF_FFFF, 0xFFFF_FFFF_0000_0000] {
        let cache: common::Checked<u64, u64, Constant> =
            checked(Cache::builder().capacity_weight(1 << 40).shards(2).hasher(Constant(hash)));
        let mut rng = Rng::new(hash);
        let mut map = HashMap::new();
        for n in 0..700 {
            let key = rng.below(250);
            match rng.below(5) {
                0 => assert_eq!(cache.remove(&key), map.remove(&key)),
                1 => assert_eq!(cache.get(&key), map.get(&key).copied()),
                _ => assert_eq!(cache.insert(key, n) == Inserted::Added, map.insert(key, n).is_none()),
            }
        }
        assert!((0..300).all(|key| cache.get(&key) == map.get(&key).copied()));
        assert_eq!(keys(&cache), map.keys().copied().collect::<HashSet<_>>());
        assert_eq!(cache.retain(|key, _| key % 2 == 0), map.keys().filter(|key| *key % 2 == 1).count());
        assert!(cache.iter().all(|entry| entry.key() % 2 == 0 && map[entry.key()] == *entry));
    }
}

#[test]
fn g12_thousands_of_keys_of_equal_hash_grow_are_evicted_and_cleared() {
    let cache: common::Checked<u64, u64, Constant> =
        checked(Cache::builder().capacity_weight(1500).shards(1).hasher(Constant(0xABCD_1234_5678_9ABC)));
    for key in 0..2000 {
        assert_eq!(cache.insert(key, key * 3), Inserted::Added);
    }
    assert_eq!(cache.len(), 1500);
    assert!(cache.iter().all(|entry| *entry == entry.key() * 3));
    assert_eq!(keys(&cache).len(), 1500);
    let there =
        (0..2000).filter(|key| cache.get(key).inspect(|value| assert_eq!(*value, key * 3)).is_some()).count();
    assert_eq!(there, 1500);
    cache.clear();
    assert!((0..2000).step_by(50).all(|key| cache.get(&key).is_none()) && cache.is_empty());
}

#[test]
fn g12_keys_of_equal_hash_under_threads() {
    let cache: common::Checked<u64, u64, Constant> =
        checked(Cache::builder().capacity(60).shards(2).hasher(Constant(3)));
    thread::scope(|scope| {
        for seed in 0..3 {
            let cache = &*cache;
            scope.spawn(move || {
                let mut rng = Rng::new(seed);
                for _ in 0..700 {
                    let key = rng.below(100);
                    match rng.below(4) {
                        0 => assert!(cache.remove(&key).is_none_or(|value| value == key)),
                        1 => assert!(cache.get(&key).is_none_or(|value| value == key)),
                        2 => assert!(keys(cache).len() <= 100),
                        _ => assert!(cache.insert(key, key).is_stored()),
                    }
                }
            });
        }
    });
}

// G13: hashing is seeded per cache, admission is jittered.

#[test]
fn g13_two_caches_hash_differently() {
    let order = || {
        let cache = plain(1000);
        (0..500).for_each(|key| assert!(cache.insert(key, key).is_stored()));
        cache.iter().map(|entry| *entry.key()).collect::<Vec<_>>()
    };
    let orders: HashSet<Vec<u64>> = (0..5).map(|_| order()).collect();
    assert_eq!(orders.len(), 5, "500 keys in the same order of hashes");
}

#[test]
fn g13_which_keys_survive_differs_from_cache_to_cache() {
    let survivors = || {
        let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(200).shards(1));
        for n in 0..4000u64 {
            let key = n * n % 977;
            if cache.get(&key).is_none() {
                cache.insert(key, 0);
            }
        }
        let mut all: Vec<u64> = cache.iter().map(|entry| *entry.key()).collect();
        all.sort_unstable();
        all
    };
    let different: HashSet<Vec<u64>> = (0..5).map(|_| survivors()).collect();
    assert!(different.len() > 1, "five caches made the same choices 3000 times");
}

#[test]
fn g13_a_frozen_filter_thaws() {
    // All keys have one hash, so the sketch takes them for one: no newcomer is ever seen more often than a resident, and
    // by frequency alone none would get past the window.
    let cache: common::Checked<u64, u64, Constant> =
        checked(Cache::builder().capacity(100).shards(1).hasher(Constant(77)));
    (0..100).for_each(|key| assert!(cache.insert(key, 0).is_stored()));
    (1000..1200).for_each(|key| assert!(cache.insert(key, 1).is_stored()));
    let left = || (0..100).filter(|key| cache.contains(key)).count();
    let settled = left();
    (2000..5000).for_each(|key| assert!(cache.insert(key, 1).is_stored()));
    let gone = settled - left();
    assert!(settled > 50 && gone > 5, "of {settled} settled entries {gone} gave way to 3000 newcomers");
}

// G14: values are read in place, and no guard deadlocks with anything.

/// Everything a cache can do.
fn everything(cache: &Cache<u64, common::Token>, census: &Census, rng: &mut Rng) {
    let key = rng.below(60);
    match rng.below(16) {
        0 => assert!(cache.insert(key, census.token(key)).is_stored()),
        1 => assert!(cache.remove(&key).is_none_or(|token| token.id() == key)),
        2 => assert!(cache.get(&key).is_none_or(|token| token.id() == key)),
        3 => cache.clear(),
        4 => assert!(cache.retain(|other, _| *other != key) <= 1),
        5 => assert!(cache.maintain(50).steps <= 50),
        6 => cache.set_capacity(5 + key).unwrap(),
        7 => assert!(cache.stats().retired < 1 << 20),
        8 => assert!(matches!(
            cache.compute(key, |_| Compute::Put(census.token(key))),
            pinyon::Computed::Added | pinyon::Computed::Replaced
        )),
        9 => assert!(cache.iter().all(|token| token.id() == *token.key())),
        10 => assert_eq!(cache.get_or_insert(key, census.token(key)).id(), key),
        11 => assert!(!cache.set_lifetime(&key, pinyon::Lifetime::Never) || !cache.touch(&1000)),
        12 => assert!(cache.replace_if(key, census.token(key), |token| token.id() == key) != Inserted::Added),
        13 => assert!(cache.get_many(&[key, key + 1]).len() == 2),
        _ => assert!((0..40).all(|key| cache.insert(key, census.token(key)).is_stored())),
    }
}

#[test]
fn g14_guards_are_held_while_everything_else_goes_on_in_the_same_thread_and_others() {
    finishes("everything, under guards", || {
        for (shards, listening) in [(1, false), (4, false), (2, true)] {
            let census = Census::default();
            let builder = Cache::<u64, common::Token>::builder().capacity(50).shards(shards);
            let builder = if listening {
                builder.listener(|key, token, _| assert_eq!(*key, token.id()))
            } else {
                builder
            };
            let cache = checked(builder);
            (0..50).for_each(|key| assert!(cache.insert(key, census.token(key)).is_stored()));
            let mut held: Vec<ValueRef<'_, u64, common::Token>> = cache.iter().take(25).collect();
            assert_eq!(held.len(), 25);
            let pins: [Pinned<'_, u64, common::Token, RandomState>; 2] = [cache.pin(), cache.pin()];
            let borrowed: Vec<_> = (0..50).map(|key| pins[0].get(&key).unwrap()).collect();
            let mut halfway = cache.iter();
            let first = halfway.next().unwrap();
            thread::scope(|scope| {
                for seed in 0..2 {
                    let (cache, census) = (&*cache, &census);
                    scope.spawn(move || {
                        let mut rng = Rng::new(seed);
                        (0..150).for_each(|_| everything(cache, census, &mut rng));
                    });
                }
                let mut rng = Rng::new(99);
                for n in 0..150 {
                    everything(&cache, &census, &mut rng);
                    assert!(
                        held.iter().all(|token| token.id() == *token.key()),
                        "what is held stays as it was"
                    );
                    if n % 10 == 0 {
                        held.extend(cache.get_ref(&rng.below(60)));
                    }
                    cache.with(&3, |token| (token.id(), cache.remove(&3), cache.clear()).0);
                }
            });
            cache.clear();
            cache.maintain(1000);
            assert!(borrowed.iter().enumerate().all(|(key, token)| token.id() == key as u64));
            assert_eq!(first.id(), *first.key());
            assert!(census.alive() >= 50, "what is looked at lives");
            halfway.for_each(|token| assert_eq!(token.id(), *token.key()));
            drop(borrowed);
            drop((held, first, pins));
            cache.clear();
            assert_eq!((census.alive(), cache.stats().retired), (0, 0));
        }
    });
}

#[test]
fn g14_a_guard_keeps_a_value_that_needs_no_drop_as_well() {
    let cache = plain(50);
    (0..50).for_each(|key| assert!(cache.insert(key, key).is_stored()));
    let guards: Vec<_> = (0..5).filter_map(|key| cache.get_ref(&key)).collect();
    cache.clear();
    // Rows are given out again and again meanwhile, but not these.
    for key in 100..3000 {
        assert!(cache.insert(key, key).is_stored());
        assert!(guards.iter().all(|value| **value == *value.key() && **value < 5));
    }
    assert_eq!(guards.len(), 5);
}

#[test]
fn g14_a_guard_held_by_a_thread_that_waits_holds_up_nobody() {
    finishes("writes while a guard is held elsewhere", || {
        let cache: common::Checked<u64, String> = checked(Cache::builder().capacity(20).shards(1));
        cache.insert(1, "one".into());
        let (held, go) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| {
                let one = cache.get_ref(&1).unwrap();
                let pinned = cache.pin();
                let same = pinned.get(&1).unwrap();
                held.wait();
                go.wait();
                assert_eq!(
                    (one.as_str(), same.as_str(), one.to_string(), format!("{one:?}")),
                    ("one", "one", "one".into(), "\"one\"".into())
                );
            });
            held.wait();
            for n in 0..3000 {
                cache.insert(n, n.to_string());
            }
            cache.clear();
            cache.set_capacity(1).unwrap();
            assert!(cache.get(&1).is_none());
            go.wait();
        });
    });
}

// G17: iteration.

#[test]
fn g17_an_iteration_sees_each_entry_once_while_nothing_changes() {
    for shards in [1, 2, 8, 64] {
        for entries in [0, 1, 7, 100, 3000] {
            let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(100_000).shards(shards));
            (0..entries).for_each(|key| assert!(cache.insert(key, key).is_stored()));
            assert_eq!(keys(&cache), (0..entries).collect::<HashSet<_>>());
            assert_eq!((&*cache).into_iter().count() as u64, entries);
        }
    }
}

#[test]
fn g17_what_stays_is_seen_once_while_the_table_grows_and_others_come_and_go() {
    for shards in [1, 4] {
        // Not told how many to expect, so that it grows from the smallest table.
        let cache: common::Checked<u64, u64> =
            checked(Cache::builder().capacity_weight(1 << 40).shards(shards));
        (0..300).for_each(|key| assert!(cache.insert(key, 0).is_stored()));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let watchers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut rounds = 0;
                        while !done.load(Ordering::Acquire) || rounds == 0 {
                            let seen = keys(&cache);
                            assert!(
                                (0..300).all(|key| seen.contains(&key)),
                                "a key that was there throughout is missing"
                            );
                            rounds += 1;
                        }
                    })
                })
                .collect();
            let writers: Vec<_> = (0..2u64)
                .map(|me| {
                    let cache = &*cache;
                    scope.spawn(move || {
                        let mut rng = Rng::new(me);
                        for n in 0..6000 {
                            // Overwrites of what stays, growth, and what comes and goes.
                            assert_eq!(cache.insert(rng.below(300), n), Inserted::Replaced);
                            cache.insert(1000 + me * 10_000 + n, n);
                            let other = 500 + rng.below(100);
                            if n % 2 == 0 {
                                cache.insert(other, n).is_stored()
                            } else {
                                cache.invalidate(&other)
                            };
                        }
                    })
                })
                .collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            done.store(true, Ordering::Release);
            watchers.into_iter().for_each(|watcher| watcher.join().unwrap());
        });
    }
}

#[test]
fn g17_writing_inside_an_iteration_shows_no_key_twice() {
    for shards in [1, 4] {
        let cache: common::Checked<u64, u64> =
            checked(Cache::builder().capacity_weight(1 << 40).shards(shards));
        (0..1000).for_each(|key| assert!(cache.insert(key, key).is_stored()));
        let mut seen = HashSet::new();
        let mut new = 10_000;
        for entry in &*cache {
            let key = *entry.key();
            assert!(seen.insert(key), "{key} twice");
            // Away and back, and growth under the iteration's feet.
            cache.remove(&key);
            cache.insert(key, key + 1);
            (0..20).for_each(|_| {
                new += 1;
                if new < 25_000 {
                    cache.insert(new, 0);
                }
            });
        }
        assert!(
            (0..1000).all(|key| seen.contains(&key)),
            "removed and written again behind the iteration, or seen before"
        );
    }
}

#[test]
fn g17_an_iteration_leaves_no_trace_and_shows_no_expired_entry() {
    let ticker = ManualTicker::new();
    let builder = Cache::<u64, u64>::builder().capacity(100).ticker(ticker.clone());
    let cache = checked(builder.time_to_idle(Duration::from_secs(10)));
    (0..10).for_each(|key| assert!(cache.insert(key, key).is_stored()));
    ticker.advance(Duration::from_secs(6));
    assert_eq!((cache.iter().count(), cache.get(&3)), (10, Some(3)));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (1, 0));
    ticker.advance(Duration::from_secs(6));
    assert_eq!(keys(&cache), HashSet::from([3]), "only the one that was read is alive");
}

#[test]
fn g17_retain_removes_what_the_predicate_refuses_and_nothing_else() {
    let cache = plain(10_000);
    (0..3000).for_each(|key| assert!(cache.insert(key, key).is_stored()));
    let mut asked = HashSet::new();
    assert_eq!(cache.retain(|key, value| asked.insert(*key) && key == value && key % 3 == 0), 2000);
    assert_eq!((asked.len(), cache.len()), (3000, 1000));
    assert!((0..3000).all(|key| cache.contains(&key) == (key % 3 == 0)));
}

// The corners.

#[test]
fn peek_contains_and_metadata_leave_no_trace_but_get_counts() {
    let cache = plain(10);
    cache.insert(1, 1);
    assert_eq!(
        (cache.peek(&1), cache.peek(&2), cache.contains(&1), cache.touch(&1)),
        (Some(1), None, true, true)
    );
    assert_eq!(
        cache.metadata(&1).map(|data| (data.age, data.remaining, data.idle, data.weight)),
        Some((None, None, None, 1))
    );
    assert_eq!(cache.metadata(&2), None);
    let _ = cache.pin().peek(&1);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (0, 0));
    assert_eq!((cache.get(&1), cache.get(&2)), (Some(1), None));
    let (_, _) = (cache.with(&1, |_| ()), cache.get_ref(&2).is_none());
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.hit_ratio()), (2, 2, Some(0.5)));
}

#[derive(Debug, PartialEq, Eq)]
struct Name {
    first: String,
    last: String,
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.first.as_str(), self.last.as_str()).hash(state);
    }
}

#[derive(Hash)]
struct Borrowed<'a>(&'a str, &'a str);

impl Equivalent<Name> for Borrowed<'_> {
    fn equivalent(&self, name: &Name) -> bool {
        self.0 == name.first && self.1 == name.last
    }
}

#[test]
fn borrowed_keys_find_owned_ones() {
    let cache: common::Checked<String, u64> = checked(Cache::builder().capacity(10));
    cache.insert("jay".to_string(), 1);
    assert_eq!(
        (cache.get("jay"), cache.get("jays"), cache.get(&"jay".to_string())),
        (Some(1), None, Some(1))
    );
    assert!(cache.contains("jay") && cache.touch("jay") && cache.invalidate("jay") && cache.is_empty());
    let names: common::Checked<Name, u64> = checked(Cache::builder().capacity(10));
    names.insert(Name { first: "Ada".into(), last: "L".into() }, 1);
    assert_eq!((names.get(&Borrowed("Ada", "L")), names.get(&Borrowed("Ada", "M"))), (Some(1), None));
    assert_eq!(names.remove(&Borrowed("Ada", "L")), Some(1));
}

#[test]
fn values_need_not_be_clone() {
    struct Solid(u64);
    let cache: common::Checked<&str, Solid> = checked(Cache::builder().capacity(10));
    cache.insert("a", Solid(1));
    assert_eq!(cache.with("a", |solid| solid.0), Some(1));
    assert_eq!(cache.get_ref("a").map(|solid| solid.0), Some(1));
    assert!(
        cache.compute("a", |there| Compute::Put(Solid(there.unwrap().0 + 1))) == pinyon::Computed::Replaced
    );
    assert_eq!(cache.pin().get("a").map(|solid| solid.0), Some(2));
    assert!(cache.remove_if("a", |solid| solid.0 == 2));
    impl PartialEq for Solid {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
}

#[test]
fn a_clone_is_another_handle_of_the_same_cache() {
    let cache = plain(10);
    let other = cache.clone();
    other.insert(1, 1);
    assert_eq!(cache.get(&1), Some(1));
    thread::spawn(move || other.remove(&1)).join().unwrap();
    assert!(cache.is_empty());
}

#[test]
fn debug_shows_figures_and_asks_nothing_of_keys_and_values() {
    struct Opaque;
    let cache: Cache<u64, Opaque> = Cache::builder().capacity(10).shards(1).build().unwrap();
    cache.insert(1, Opaque);
    assert_eq!(format!("{cache:?}"), "Cache { entries: 1, weight: 1, capacity: 10, shards: 1, .. }");
    for text in [
        format!("{:?}", cache.iter()),
        format!("{:?}", cache.pin()),
        format!("{:?}", cache.entry(1)),
        format!("{:?}", Cache::<u64, Opaque>::builder()),
        format!("{}", cache.stats()),
    ] {
        assert!(!text.is_empty());
    }
    cache.validate();
}

#[test]
fn what_is_sent_and_shared_between_threads() {
    fn both<T: Send + Sync>() {}
    both::<Cache<String, Vec<u8>>>();
    both::<Cache<u64, std::sync::Arc<str>, Constant>>();
    both::<BuildError>();
    both::<pinyon::Stats>();
    both::<Builder<String, String>>();
}

#[test]
fn aligned_and_empty_types_keep_their_places() {
    #[repr(align(64))]
    #[derive(Clone, PartialEq, Eq, Hash, Debug)]
    struct Line(u8);
    #[repr(align(128))]
    #[derive(Clone, PartialEq, Debug)]
    struct Two([u8; 200]);
    let cache: common::Checked<Line, Two> = checked(Cache::builder().capacity(100).shards(1));
    for n in 0..=255u8 {
        cache.insert(Line(n), Two([n; 200]));
        let entry = cache.get_ref(&Line(n)).unwrap();
        assert_eq!(
            (std::ptr::from_ref(entry.key()).addr() % 64, std::ptr::from_ref(entry.value()).addr() % 128),
            (0, 0)
        );
        assert_eq!(*entry, Two([n; 200]));
    }
    let empty: common::Checked<(), ()> = checked(Cache::builder().capacity(1));
    assert_eq!(
        (empty.insert((), ()), empty.insert((), ()), empty.get(&()), empty.len()),
        (Inserted::Added, Inserted::Replaced, Some(()), 1)
    );
    let set: common::Checked<u64, ()> = checked(Cache::builder().capacity(100));
    (0..1000).for_each(|key| assert!(set.insert(key, ()).is_stored()));
    assert_eq!(set.len(), 100);
    let one: common::Checked<(), String> = checked(Cache::builder().capacity_bytes(1024));
    assert!(one.insert((), "x".repeat(100)).is_stored() && one.insert((), "y".into()).is_stored());
    assert_eq!(one.remove(&()), Some("y".into()));
    let bytes: common::Checked<u8, u8> = checked(Cache::builder().capacity(300));
    (0..=255).for_each(|key| assert!(bytes.insert(key, !key).is_stored()));
    assert!((0..=255).all(|key| bytes.get(&key) == Some(!key)));
}

#[test]
fn an_overwrite_keeps_its_place_in_the_clock_and_counts_as_a_use() {
    // What is evicted of the first four, by as many insertions, in their order.
    let evicted = |again: bool| {
        let cache: common::Checked<u64, u64> =
            checked(Cache::builder().capacity(4).shards(1).policy(Policy::Clock));
        (0..4).for_each(|key| assert!(cache.insert(key, key).is_stored()));
        if again {
            cache.insert(0, 10);
        }
        let mut there: Vec<u64> = (0..4).collect();
        let mut evicted = Vec::new();
        for key in 4..8 {
            cache.insert(key, key);
            let (stays, goes) = there.iter().partition(|&key| cache.contains(key));
            there = stays;
            evicted.extend::<Vec<u64>>(goes);
        }
        evicted
    };
    assert_eq!(evicted(false), [0, 1, 2, 3]);
    // The hand passes it by once, and comes back to it before it comes to those that were added since.
    assert_eq!(evicted(true), [1, 2, 3, 0]);
}

#[test]
fn what_comes_after_an_expired_entry_begins_anew_in_the_clock() {
    let ticker = ManualTicker::new();
    let cache = Cache::builder().capacity(40).shards(1).policy(Policy::Clock).ticker(ticker.clone());
    let cache: common::Checked<u64, u64> = checked(cache);
    let second = || InsertOptions::new().ttl(Duration::from_secs(1));
    (0..20).for_each(|key| assert!(cache.insert_with(key, key, second()).is_stored()));
    (20..40).for_each(|key| assert!(cache.insert(key, key).is_stored()));
    ticker.advance(Duration::from_secs(100));
    // A write visits eight timers before it looks, so one of these finds the old entry in its place.
    let anew = (0..20).find(|key| {
        let before = cache.stats().expired;
        assert!(cache.insert(*key, 100).is_stored());
        cache.stats().expired == before + 9
    });
    let anew = anew.expect("one whose timer had not been visited");
    let mut key = 1000;
    while cache.contains(&20) {
        cache.insert(key, key);
        key += 1;
    }
    assert_eq!(cache.get(&anew), Some(100), "it goes after what was there");
}

#[test]
fn every_policy_does_all_of_it() {
    for policy in [Policy::ClockTinyLfu, Policy::Clock] {
        let cache: common::Checked<u64, u64> =
            checked(Cache::builder().capacity(100).policy(policy).shards(2));
        let mut rng = Rng::new(4);
        for n in 0..5000 {
            let key = rng.below(250);
            match n % 4 {
                0 => assert!(cache.remove(&key).is_none_or(|value| value == key)),
                1 => assert!(cache.get(&key).is_none_or(|value| value == key)),
                _ => assert!(cache.insert(key, key).is_stored() && cache.contains(&key)),
            }
        }
        cache.set_capacity(10).unwrap();
        assert!(cache.len() <= 10);
    }
}

#[test]
fn a_bad_setting_is_named_with_what_was_given_and_what_is_allowed() {
    fn told(builder: Builder<u64, u64>) -> (&'static str, String, &'static str) {
        let error = builder.build().map(drop).expect_err("a bad description");
        let text = error.to_string();
        assert!(
            text.contains(error.setting()) && text.contains(error.given()) && text.contains(error.allowed())
        );
        (error.setting(), error.given().to_string(), error.allowed())
    }
    let new = Cache::<u64, u64>::builder;
    let one = "one of capacity, capacity_weight, capacity_bytes, capacity_bytes_with";
    assert_eq!(told(new()), ("capacity", "not given".into(), one));
    assert_eq!(told(new().capacity(0)), ("capacity", "0".into(), "1 or more"));
    assert_eq!(told(new().capacity_weight(0)), ("capacity_weight", "0".into(), "1 or more"));
    assert_eq!(told(new().capacity_bytes(1023)), ("capacity_bytes", "1023".into(), "1024 bytes or more"));
    assert_eq!(
        told(new().capacity_bytes_with(0, |_, _| 0)),
        ("capacity_bytes_with", "0".into(), "1024 bytes or more")
    );
    assert_eq!(told(new().capacity(1).shards(0)), ("shards", "0".into(), "1 to 4096"));
    assert_eq!(told(new().capacity(1).shards(4097)), ("shards", "4097".into(), "1 to 4096"));
    for (beta, text) in [(-1.0, "-1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")]
    {
        let error = told(new().capacity(1).refresh_early(beta));
        assert_eq!(error, ("refresh_early", text.into(), "0 or more, and finite"));
    }
    assert_eq!(
        told(new().capacity(1).capacity_weight(1)),
        ("capacity", "given beside capacity_weight".into(), one)
    );
    assert_eq!(told(new().capacity_bytes(5000).capacity_bytes(5000)).0, "capacity_bytes");
    let beside = |builder: Builder<u64, u64>| told(builder.weigher(|_, _| 1));
    assert_eq!(
        beside(new().capacity(1)),
        ("weigher", "given beside capacity".into(), "beside capacity_weight only")
    );
    assert_eq!(beside(new().capacity_bytes(5000)).0, "weigher");
}

#[test]
fn good_settings_are_taken_and_shown() {
    for shards in [1, 3, 4096] {
        assert_eq!(checked(Cache::<u64, u64>::builder().capacity(1).shards(shards)).shards(), shards);
    }
    assert_eq!(checked(Cache::<u64, u64>::builder().capacity(100)).shards(), 1, "a small cache is not split");
    let cores = thread::available_parallelism().unwrap().get();
    assert_eq!(checked(Cache::<u64, u64>::builder().capacity(u64::MAX)).shards(), (8 * cores).min(4096));
    for shards in 1..=8 {
        assert_eq!(checked(Cache::<u64, u64>::builder().capacity(2048 * shards as u64)).shards(), shards);
        assert_eq!(
            checked(Cache::<u64, u64>::builder().capacity_bytes((2 << 20) * shards as u64)).shards(),
            shards
        );
    }
    assert_eq!(checked(Cache::<u64, u64>::builder().capacity(u64::MAX)).capacity(), u64::MAX);
    for beta in [0.0, -0.0, 1.0, f64::MAX] {
        drop(checked(Cache::<u64, u64>::builder().capacity(10).refresh_early(beta)));
    }
    let quiet = checked(Cache::<u64, u64>::builder().capacity(10).statistics(false));
    quiet.insert(1, 1);
    assert_eq!((quiet.get(&1), quiet.stats().hits, quiet.stats().added), (Some(1), 0, 1));
    let ticker = ManualTicker::new();
    let dated = checked(Cache::<u64, u64>::builder().capacity(10).track_age(true).ticker(ticker.clone()));
    dated.insert(1, 1);
    ticker.advance(Duration::from_secs(9));
    assert_eq!(dated.metadata(&1).unwrap().age, Some(Duration::from_secs(9)));
}

/// Everything that pages of this size show, and the sizes of the pages.
fn pages<S: std::hash::BuildHasher>(cache: &Cache<u64, u64, S>, limit: usize) -> (Vec<u64>, Vec<usize>) {
    let (mut seen, mut sizes, mut at) = (Vec::new(), Vec::new(), Some(Cursor::START));
    while let Some(from) = at {
        let page = cache.page(Cursor::from_bits(from.to_bits()), limit);
        assert!(page.entries.iter().all(|(key, value)| key == value));
        sizes.push(page.entries.len());
        seen.extend(page.entries.into_iter().map(|(key, _)| key));
        at = page.next;
    }
    (seen, sizes)
}

#[test]
fn g17_pages_show_what_an_iteration_shows() {
    let cache = checked(Cache::builder().capacity(1000).shards(3));
    (0..700).for_each(|n| _ = cache.insert(n, n));
    cache.insert_with(900, 900, InsertOptions::new().ttl(Duration::ZERO));
    for limit in [0, 1, 7, 700, usize::MAX] {
        let (mut seen, sizes) = pages(&cache, limit);
        seen.sort_unstable();
        assert_eq!(seen, (0..700).collect::<Vec<_>>(), "pages of {limit}");
        let most = sizes.iter().max().copied();
        assert!(most <= Some(limit.max(2)), "{most:?} of {limit}: two may share a hash by chance");
    }
    for bits in [u64::MAX, 3 << 32, 5 << 32 | 7] {
        let page = cache.page(Cursor::from_bits(bits), 10);
        assert!(page.entries.is_empty() && page.next.is_none(), "beyond the last shard");
    }
    assert_eq!(cache.stats().hits, 0, "it is not a read");
}

#[test]
fn g17_entries_that_share_a_hash_are_in_one_page() {
    let cache: common::Checked<u64, u64, Constant> =
        checked(Cache::builder().capacity(100).shards(1).hasher(Constant(77)));
    (0..20).for_each(|n| _ = cache.insert(n, n));
    let (mut seen, sizes) = pages(&cache, 3);
    seen.sort_unstable();
    assert_eq!((seen, sizes), ((0..20).collect(), vec![20, 0]));
}

#[test]
fn g17_what_stays_is_in_one_page_while_the_table_grows() {
    let cache = checked(Cache::builder().capacity_weight(100_000).shards(2));
    (0..50).for_each(|n| _ = cache.insert(n, n));
    let (mut seen, mut at, mut next) = (Vec::new(), Some(Cursor::START), 50);
    while let Some(from) = at {
        let page = cache.page(from, 4);
        seen.extend(page.entries.into_iter().map(|(key, _)| key).filter(|&key| key < 50));
        at = page.next;
        (0..20).for_each(|n| _ = cache.insert(next + n, next + n));
        next = 50 + (next + 20) % 3000;
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
}

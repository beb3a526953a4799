//! Callers who are alone: the same answers, and everything dropped at once.

#![allow(unsafe_code)]

mod common;

use common::{Census, Constant, Rng, Token, alone, checked};
use pinyon::exclusive::Exclusive;
use pinyon::{
    Acquired, Cache, Cause, Completed, Compute, Computed, InsertOptions, Inserted, LeaseOptions,
    ManualTicker, Policy, Ticker,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn only<K: Eq + std::hash::Hash, V, S: BuildHasher>(cache: &Cache<K, V, S>) -> Exclusive<'_, K, V, S> {
    // SAFETY: each test has one thread and one of these at a time, and no guards while it works.
    unsafe { Exclusive::new(cache) }
}

#[test]
fn g10_an_exclusive_caller_agrees_with_a_map() {
    for shards in [1, 4] {
        let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(10_000).shards(shards));
        let mut only = only(&cache);
        let mut map = HashMap::new();
        let mut rng = Rng::new(5);
        for n in 0..4000 {
            let key = rng.below(200);
            match rng.below(6) {
                0 => assert_eq!(only.remove(&key, |value| *value), map.remove(&key)),
                1 => assert_eq!(only.get(&key), map.get(&key)),
                2 => assert_eq!(only.peek(&key), map.get(&key)),
                3 => {
                    let there = map.contains_key(&key);
                    let expected = if there { Inserted::Kept { key, value: n } } else { Inserted::Added };
                    assert_eq!(only.insert_if_absent(key, n, InsertOptions::new()), expected);
                    map.entry(key).or_insert(n);
                }
                4 => {
                    let done = only.compute(key, |there| there.map_or(Compute::Put(n), |_| Compute::Remove));
                    assert_eq!(
                        done,
                        if map.remove(&key).is_some() { Computed::Removed } else { Computed::Added }
                    );
                    if done == Computed::Added {
                        map.insert(key, n);
                    }
                }
                _ => {
                    let done = only.insert(key, n);
                    assert_eq!(done == Inserted::Added, map.insert(key, n).is_none());
                }
            }
            assert_eq!(cache.len(), map.len());
        }
        only.clear();
        assert!(cache.is_empty());
    }
}

#[test]
fn g27_an_exclusive_caller_leaves_nothing_waiting() {
    let _alone = alone();
    for listening in [false, true] {
        let census = Census::default();
        let builder = Cache::<u64, Token>::builder().capacity(100).shards(2);
        let builder =
            if listening { builder.listener(|key, token, _| assert_eq!(*key, token.id())) } else { builder };
        let cache = checked(builder);
        let mut only = only(&cache);
        let mut rng = Rng::new(1);
        for n in 0..3000 {
            let key = rng.below(300);
            match n % 5 {
                0 => assert!(only.remove(&key, |token| assert_eq!(token.id(), key)).is_none_or(|()| true)),
                1 => assert_ne!(only.compute(key, |_| Compute::Put(census.token(key))), Computed::Removed),
                _ => assert!(only.insert(key, census.token(key)).is_stored()),
            }
            assert_eq!(census.alive() as usize, cache.len(), "what left is dropped before the call returns");
        }
        only.clear();
        assert_eq!((census.alive(), cache.stats().retired), (0, 0));
    }
}

#[test]
fn g07_an_exclusive_overwrite_gives_key_value_and_lifetime_anew() {
    let ticker = ManualTicker::new();
    let builder = Cache::<Arc<str>, Arc<u64>>::builder().capacity(10).shards(1).ticker(ticker.clone());
    let cache = checked(builder.time_to_live(Duration::from_secs(10)));
    let mut only = only(&cache);
    let (first, second) = (Arc::<str>::from("key"), Arc::<str>::from("key"));
    let (old, new) = (Arc::new(1), Arc::new(2));
    assert_eq!(only.insert(first.clone(), old.clone()), Inserted::Added);
    ticker.advance(Duration::from_secs(6));
    assert_eq!(only.insert(second.clone(), new.clone()), Inserted::Replaced);
    let counts = [&old, &new].map(Arc::strong_count);
    assert_eq!(
        (counts, Arc::strong_count(&first), Arc::strong_count(&second)),
        ([1, 2], 1, 2),
        "dropped at once"
    );
    ticker.advance(Duration::from_secs(6));
    assert_eq!(only.get("key"), Some(&new), "the old deadline went with the old value");
    ticker.advance(Duration::from_secs(4));
    assert_eq!(only.get("key"), None);
    assert_eq!(only.insert(first, old), Inserted::Added, "what has expired is not overwritten");
    let stats = cache.stats();
    assert_eq!((stats.added, stats.replaced, stats.expired, cache.len()), (2, 1, 1, 1));
}

#[test]
fn g07_an_exclusive_overwrite_without_a_lifetime_takes_the_old_one_away() {
    let ticker = ManualTicker::new();
    let cache: common::Checked<u64, u64> =
        checked(Cache::builder().capacity(10).shards(1).ticker(ticker.clone()));
    let mut only = only(&cache);
    only.insert_with(1, 10, InsertOptions::new().ttl(Duration::from_secs(5)).tti(Duration::from_secs(2)));
    only.insert(1, 11);
    ticker.advance(Duration::from_secs(60));
    while !only.maintain(100).done {}
    assert_eq!((only.get(&1), cache.stats().expired), (Some(&11), 0));
}

#[test]
fn g06_g26_an_exclusive_removal_finds_nothing_expired_and_is_told() {
    let (ticker, told) = (ManualTicker::new(), Arc::new(Mutex::new(Vec::new())));
    for listens in [false, true] {
        let mut builder = Cache::<u64, u64>::builder().capacity(10).shards(1).ticker(ticker.clone());
        if listens {
            let told = told.clone();
            builder = builder.listener(move |key, _, cause| told.lock().unwrap().push((*key, cause)));
        }
        let cache = checked(builder);
        let mut only = only(&cache);
        only.insert_with(1, 10, InsertOptions::new().ttl(Duration::from_secs(5)));
        only.insert(2, 20);
        ticker.advance(Duration::from_secs(5));
        assert_eq!((only.remove(&1, |value| *value), only.remove(&2, |value| *value)), (None, Some(20)));
        assert_eq!((cache.stats().expired, cache.stats().removed, cache.len()), (1, 1, 0));
    }
    assert_eq!(*told.lock().unwrap(), [(1, Cause::Expired), (2, Cause::Removed)]);
}

#[test]
fn g20_an_exclusive_removal_outdates_loads() {
    let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(10).shards(1).track_age(true));
    let mut only = only(&cache);
    only.insert(1, 10);
    let due = LeaseOptions::new().refresh_after(Duration::ZERO);
    let Acquired::Stale(10, Some(token)) = cache.acquire(&1, due) else { panic!("it is due") };
    assert_eq!(only.remove(&1, |value| *value), Some(10));
    assert_eq!(cache.complete(token, 99), Completed::Overtaken(99));
    assert_eq!((only.get(&1), cache.stats().removed), (None, 1));
}

#[test]
fn g20_an_exclusive_overwrite_outdates_loads_and_tags() {
    let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(10).shards(1).track_age(true));
    let Acquired::Lead(token) = cache.acquire(&1, LeaseOptions::new()) else { panic!("nothing is there") };
    let mut only = only(&cache);
    only.insert(1, 10);
    only.insert(1, 11);
    assert_eq!(cache.complete(token, 12), Completed::Overtaken(12));
    let lead = || cache.acquire(&1, LeaseOptions::new().refresh_after(Duration::ZERO));
    for (last, value) in [(11, 13), (13, 15)] {
        let Acquired::Stale(stale, Some(token)) = lead() else { panic!("it is due") };
        assert_eq!(stale, last);
        only.insert(1, value);
        assert_eq!(cache.complete(token, 99), Completed::Overtaken(99), "a value in place is a write too");
    }
    only.insert_with(1, 16, InsertOptions::new().tags(["tag"]));
    only.insert(1, 17);
    only.invalidate_tag("tag");
    assert_eq!(only.get(&1), Some(&17), "it was written without the tag");
    only.insert_with(1, 17, InsertOptions::new().tags(["tag"]));
    only.invalidate_tag("tag");
    assert_eq!(only.get(&1), None, "and then with it, over one that had none");
    only.insert(1, 17);
    only.invalidate_all();
    assert_eq!(only.insert(1, 18), Inserted::Added, "what was invalidated is not there");
    assert_eq!((only.get(&1), cache.stats().invalidated), (Some(&18), 2));
}

#[test]
fn g06_g07_an_exclusive_write_over_what_is_dead_adds_and_what_is_overwritten_dies_in_time() {
    let new = || {
        let ticker = ManualTicker::new();
        let builder = Cache::<u64, u64>::builder().capacity(1000).shards(1).ticker(ticker.clone());
        (checked(builder.time_to_live(Duration::from_secs(10))), ticker)
    };
    let (cache, ticker) = new();
    write_over_what_is_dead(&cache, &ticker, only(&cache));
    let (cache, ticker) = new();
    // SAFETY: as in `only`, and numbers know no cache.
    write_over_what_is_dead(&cache, &ticker, unsafe { Exclusive::non_reentrant(&cache) });
}

fn write_over_what_is_dead<S: BuildHasher, const REENTRANT: bool>(
    cache: &Cache<u64, u64, S>,
    ticker: &ManualTicker,
    mut only: Exclusive<'_, u64, u64, S, REENTRANT>,
) {
    let mut fill = |value| (0..200).map(|key| only.insert(key, value)).collect::<Vec<_>>();
    assert!(fill(1).iter().all(|done| *done == Inserted::Added));
    ticker.advance(Duration::from_secs(9));
    assert!(fill(2).iter().all(|done| *done == Inserted::Replaced));
    // A write removes a few of what has died; the others are still there.
    ticker.advance(Duration::from_secs(10));
    assert!(fill(3).iter().all(|done| *done == Inserted::Added), "what has expired is not there");
    cache.invalidate_all();
    assert!(fill(4).iter().all(|done| *done == Inserted::Added), "nor is what was invalidated");
    let stats = cache.stats();
    assert_eq!((stats.added, stats.replaced, stats.expired, stats.invalidated), (600, 200, 200, 200));
    assert!(fill(5).iter().all(|done| *done == Inserted::Replaced));
    ticker.advance(Duration::from_secs(10));
    while !only.maintain(1000).done {}
    assert_eq!((cache.len(), cache.stats().expired), (0, 400), "they leave memory without being met");
    only.insert_with(1, 6, InsertOptions::new().ttl(Duration::from_secs(1000)));
    only.insert(1, 7);
    ticker.advance(Duration::from_secs(10));
    while !only.maintain(1000).done {}
    assert_eq!(cache.len(), 0, "the earlier deadline counts");
    (0..800).for_each(|key| assert_eq!(only.insert(key, 8), Inserted::Added));
    (20..800).for_each(|key| assert_eq!(only.remove(&key, |value| *value), Some(8)));
    only.invalidate_all();
    // The sweep has far to go, and does not come to most of them first.
    (0..20).for_each(|key| assert_eq!(only.insert(key, 9), Inserted::Added));
    assert!((0..20).all(|key| only.get(&key) == Some(&9)));
}

#[test]
fn an_exclusive_overwrite_is_a_use() {
    let cache: common::Checked<u64, u64> =
        checked(Cache::builder().capacity(4).shards(1).policy(Policy::Clock));
    let mut only = only(&cache);
    (0..4).for_each(|key| assert!(only.insert(key, 1).is_stored()));
    assert_eq!(only.insert(0, 2), Inserted::Replaced);
    (4..7).for_each(|key| assert!(only.insert(key, 1).is_stored()));
    assert_eq!(only.peek(&0), Some(&2), "three others went before it");
}

#[test]
fn an_exclusive_read_is_a_use() {
    let cache: common::Checked<u64, u64> =
        checked(Cache::builder().capacity(4).shards(1).policy(Policy::Clock));
    let mut only = only(&cache);
    (0..4).for_each(|key| assert!(only.insert(key, 1).is_stored()));
    assert_eq!(only.get(&0), Some(&1));
    (4..7).for_each(|key| assert!(only.insert(key, 1).is_stored()));
    assert_eq!(only.peek(&0), Some(&1), "three others went before it");
}

#[test]
fn g29_what_makes_room_for_an_exclusive_write_was_invalidated_if_a_tag_of_it_was() {
    for _ in 0..20 {
        let builder = Cache::builder().capacity(100).shards(1).policy(Policy::Clock);
        let cache: common::Checked<u64, u64> = checked(builder);
        let mut only = only(&cache);
        assert!(only.insert_with(0, 0, InsertOptions::new().tags(["tag"])).is_stored());
        (1..100).for_each(|key| assert!(only.insert(key, key).is_stored()));
        only.invalidate_tag("tag");
        // It is the next to go, if the sweep does not come to it first.
        assert_eq!(only.insert(100, 100), Inserted::Added);
        let stats = cache.stats();
        assert_eq!((stats.invalidated, stats.evicted, cache.len()), (1, 0, 100));
    }
}

#[test]
fn g26_a_listener_hears_of_what_an_exclusive_caller_overwrites() {
    let told: Arc<Mutex<Vec<(u64, u64, Cause)>>> = Arc::default();
    let notes = told.clone();
    let builder = Cache::<u64, u64>::builder().capacity(10);
    let cache =
        checked(builder.listener(move |key, value, cause| notes.lock().unwrap().push((*key, *value, cause))));
    let mut only = only(&cache);
    (0..3).for_each(|value| assert!(only.insert(1, value).is_stored()));
    assert_eq!(*told.lock().unwrap(), [(1, 0, Cause::Replaced), (1, 1, Cause::Replaced)]);
}

#[test]
fn g27_an_exclusive_write_that_frees_in_several_shards_leaves_nothing_in_any() {
    let _alone = alone();
    let census = Census::default();
    let cache = checked(Cache::<u64, Token>::builder().capacity_weight(400).shards(4));
    let mut only = only(&cache);
    let mut rng = Rng::new(3);
    for _ in 0..3000 {
        let (key, weight) = (rng.below(120), rng.below(60));
        let options = InsertOptions::new().weight(weight);
        assert!(only.insert_with(key, census.token(key), options).is_stored());
        assert_eq!((census.alive() as usize, cache.stats().retired), (cache.len(), 0));
    }
}

#[test]
fn g29_a_read_of_what_is_present_counts_hits_only() {
    let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity(10));
    let mut only = only(&cache);
    only.insert(1, 10);
    assert_eq!([1, 2].map(|key| only.get_present(&key).copied()), [Some(10), None]);
    assert_eq!((cache.stats().hits, cache.stats().misses), (1, 0));
    assert_eq!(only.peek_key_value(&1), Some((&1, &10)));
    assert_eq!((cache.stats().hits, cache.stats().misses), (1, 0));
}

#[test]
fn g05_g27_an_exclusive_resize_drops_what_it_evicts() {
    let _alone = alone();
    let census = Census::default();
    let cache = checked(Cache::<u64, Token>::builder().capacity(500).shards(2));
    let mut only = only(&cache);
    (0..500).for_each(|key| assert!(only.insert(key, census.token(key)).is_stored()));
    assert!(only.set_capacity(0).is_err());
    only.set_capacity(50).expect("a good capacity");
    assert_eq!((cache.len(), census.alive(), cache.stats().retired), (50, 50, 0));
    let mut seen = 0;
    only.for_each_stored(|key, token| seen += u64::from(*key == token.id()));
    assert_eq!(seen, 50);
}

#[test]
fn every_entry_is_looked_at_once_while_tables_grow_and_after_it_has_expired() {
    let ticker = ManualTicker::new();
    let builder = Cache::<u64, u64>::builder().capacity(10_000).shards(2).ticker(ticker.clone());
    let cache = checked(builder.time_to_live(Duration::from_secs(1)));
    let mut only = only(&cache);
    for key in 0..1000 {
        assert!(only.insert(key, 3 * key).is_stored());
        let mut seen = Vec::new();
        only.for_each_stored(|key, value| seen.push((*key, *value)));
        seen.sort_unstable();
        assert!(seen.iter().copied().eq((0..=key).map(|key| (key, 3 * key))));
    }
    let before = cache.stats();
    ticker.advance(Duration::from_secs(2));
    let mut seen = 0;
    only.for_each_stored(|_, _| seen += 1);
    assert_eq!((seen, cache.stats() == before), (1000, true), "no trace is left");
}

#[test]
fn g27_an_exclusive_caller_drops_what_others_left_and_what_expires() {
    let _alone = alone();
    let census = Census::default();
    let ticker = ManualTicker::new();
    let builder = Cache::<u64, Token>::builder().capacity(1000).shards(1).ticker(ticker.clone());
    let cache = checked(builder.time_to_live(Duration::from_secs(1)));
    (0..500).for_each(|key| assert!(cache.insert(key, census.token(key)).is_stored()));
    (0..7).for_each(|key| assert!(cache.invalidate(&key)));
    let mut only = only(&cache);
    only.maintain(0);
    assert_eq!(census.alive() as usize, cache.len());
    ticker.advance(Duration::from_secs(2));
    while !only.maintain(100).done {
        assert_eq!(census.alive() as usize, cache.len());
    }
    assert_eq!((census.alive(), cache.len()), (0, 0));
}

#[test]
fn g12_a_comparison_that_may_fail_finds_keys_and_its_error_comes_out() {
    let cache: common::Checked<u64, &str, Constant> =
        checked(Cache::builder().capacity(10).hasher(Constant(6)));
    let mut only = only(&cache);
    for (key, value) in [(1, "one"), (2, "two"), (3, "three")] {
        only.insert(key, value);
    }
    let find =
        |wanted: u64| only.find(6, move |key| if *key == 99 { Err("unknown") } else { Ok(*key == wanted) });
    assert_eq!(find(2), Ok(Some((&2, &"two"))));
    assert_eq!(find(4), Ok(None));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (1, 1));
    let asked = RefCell::new(0);
    let failed = only.find(6, |_| {
        *asked.borrow_mut() += 1;
        if *asked.borrow() == 2 { Err("it failed") } else { Ok(false) }
    });
    assert_eq!((failed, asked.into_inner()), (Err("it failed"), 2), "the first error ends the search");
    assert_eq!(only.find::<()>(7, |_| Ok(true)), Ok(None), "another hash");
}

#[test]
fn g29_a_comparison_that_failed_is_a_miss_and_changes_nothing() {
    let ticker = ManualTicker::new();
    let builder = Cache::<u64, u64>::builder().capacity(10).hasher(Constant(6)).ticker(ticker.clone());
    let cache = checked(builder.time_to_idle(Duration::from_secs(10)));
    let mut only = only(&cache);
    only.insert(1, 1);
    ticker.advance(Duration::from_secs(6));
    assert_eq!(only.find(6, |_| Err("failed")), Err("failed"));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (0, 1), "the search found nothing");
    ticker.advance(Duration::from_secs(6));
    assert_eq!(only.get(&1), None, "the entry was not read, so its idle time went on");
}

#[test]
fn g12_a_write_by_a_comparison_that_may_fail_goes_over_what_it_says_is_the_same() {
    for plain in [true, false] {
        let options = || if plain { InsertOptions::new() } else { InsertOptions::new().tags(["tag"]) };
        let cache: common::Checked<u64, u64, Constant> =
            checked(Cache::builder().capacity(10).shards(1).hasher(Constant(6)));
        let mut only = only(&cache);
        let mut asked = Vec::new();
        for key in 1..4 {
            let done = only.set::<()>(6, key, 0, options(), |mine, stored| {
                asked.push((*mine, *stored));
                Ok(false)
            });
            assert_eq!(done, Ok(Inserted::Added));
        }
        assert!(asked.iter().all(|(mine, stored)| stored < mine), "{asked:?}");
        // Keys of the caller's own sense of equality.
        let tens = |mine: &u64, stored: &u64| Ok::<_, ()>(mine % 10 == stored % 10);
        assert_eq!(only.set(6, 12, 7, options(), tens), Ok(Inserted::Replaced));
        assert_eq!([2, 12].map(|key| only.peek_key_value(&key)), [None, Some((&12, &7))]);
        let stats = cache.stats();
        assert_eq!((stats.added, stats.replaced, stats.hits, stats.misses), (3, 1, 0, 0));
    }
}

#[test]
fn g12_g27_a_write_whose_comparison_fails_changes_nothing_and_drops_its_pair() {
    let _alone = alone();
    for (weighted, listening) in [(false, false), (true, false), (false, true)] {
        let census = Census::default();
        let builder = Cache::<u64, Token>::builder().shards(1).hasher(Constant(6));
        let builder = if weighted { builder.capacity_weight(10) } else { builder.capacity(10) };
        let builder = if listening { builder.listener(|_, _, _| panic!("nothing left")) } else { builder };
        let cache = checked(builder);
        let mut only = only(&cache);
        for key in 1..4 {
            assert!(only.insert(key, census.token(key)).is_stored());
        }
        let mut asked = 0;
        let failed = only.set(6, 3, census.token(9), InsertOptions::new(), |_, _| {
            asked += 1;
            if asked == 2 { Err("it failed") } else { Ok(false) }
        });
        assert_eq!((failed.err(), asked), (Some("it failed"), 2), "the first error ends the search");
        assert_eq!((census.alive(), cache.len(), cache.stats().retired), (3, 3, 0));
        assert_eq!((cache.stats().added, cache.stats().replaced), (3, 0));
        let failed = only.set(6, 4, census.token(9), InsertOptions::new(), |_, _| Err("at once"));
        assert_eq!((failed.err(), census.alive()), (Some("at once"), 3));
        assert!((1..4).all(|key| only.get(&key).is_some_and(|token| token.id() == key)));
    }
}

#[test]
fn g01_g03_an_exclusive_write_without_more_ado_keeps_to_the_budget() {
    let census = Census::default();
    let told = Arc::new(Mutex::new(0));
    let notes = told.clone();
    let builder = Cache::<u64, Token>::builder().capacity_weight(100).shards(2);
    let cache = checked(builder.listener(move |_, _, _| *notes.lock().unwrap() += 1));
    let mut only = only(&cache);
    let mut rng = Rng::new(11);
    for n in 1..=2000 {
        let options = InsertOptions::new().weight(rng.below(30));
        assert!(only.insert_with(rng.below(300), census.token(n), options).is_stored());
        assert!(cache.weight() <= 100);
    }
    let heavy = only.insert_with(1, census.token(0), InsertOptions::new().weight(101));
    assert!(matches!(heavy, Inserted::Refused { weight: 101, .. }));
    drop(heavy);
    assert_eq!(census.alive() as usize, cache.len());
    assert_eq!(*told.lock().unwrap(), 2001 - cache.len());
}

#[test]
fn g03_an_exclusive_write_that_is_too_heavy_costs_no_other_entry_its_place() {
    let cache: common::Checked<u64, u64> = checked(Cache::builder().capacity_weight(100).shards(1));
    let mut only = only(&cache);
    let weight = |weight| InsertOptions::new().weight(weight);
    (0..100).for_each(|key| assert!(only.insert_with(key, key, weight(1)).is_stored()));
    assert!(matches!(only.insert_with(100, 0, weight(101)), Inserted::Refused { weight: 101, .. }));
    assert_eq!((cache.len(), cache.stats().evicted, cache.stats().refused), (100, 0, 1));
}

/// Its drop panics if it is the given one's.
struct Bomb(u64, u64);

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(self.0 != self.1, "the drop of a test");
    }
}

#[test]
fn g25_a_drop_that_panics_leaves_an_exclusive_write_done() {
    let cache: common::Checked<u64, Bomb> =
        checked(Cache::builder().capacity(4).shards(1).policy(Policy::Clock));
    let mut only = only(&cache);
    (0..4).for_each(|key| assert!(only.insert(key, Bomb(key, 0)).is_stored()));
    let evicting = std::panic::AssertUnwindSafe(|| only.insert(4, Bomb(4, 0)));
    assert!(std::panic::catch_unwind(evicting).is_err());
    cache.validate();
    assert_eq!((cache.len(), cache.stats().evicted, cache.stats().retired), (4, 1, 0));
    assert!(only.get(&0).is_none() && only.get(&4).is_some());
    assert!(only.insert(5, Bomb(5, 0)).is_stored());
    assert_eq!((cache.len(), cache.stats().evicted, cache.stats().retired), (4, 2, 0));
}

#[test]
fn g25_an_overwrite_and_what_expired_meanwhile_never_panic_at_once() {
    let ticker = ManualTicker::new();
    let cache: common::Checked<u64, Bomb> =
        checked(Cache::builder().capacity(4).shards(1).ticker(ticker.clone()));
    let mut only = only(&cache);
    let second = InsertOptions::new().ttl(Duration::from_secs(1));
    assert!(only.insert_with(1, Bomb(0, 0), second).is_stored());
    assert!(only.insert(2, Bomb(0, 0)).is_stored());
    ticker.advance(Duration::from_secs(1));
    for (key, retired) in [(2, 1), (3, 0)] {
        let writing = std::panic::AssertUnwindSafe(|| only.insert(key, Bomb(key, 0)));
        assert!(std::panic::catch_unwind(writing).is_err());
        cache.validate();
        assert_eq!((cache.stats().replaced, cache.stats().expired, cache.stats().retired), (1, 1, retired));
    }
    assert!(only.get(&2).is_some() && only.get(&3).is_some());
}

#[test]
fn g24_user_code_of_an_exclusive_caller_may_call_the_cache() {
    type Home = Arc<Mutex<Option<Cache<u64, u64>>>>;
    let home = Home::default();
    let inside = home.clone();
    let builder = Cache::<u64, u64>::builder().capacity(20).listener(move |key, value, _| {
        let cache = inside.lock().unwrap().clone().unwrap();
        // SAFETY: one thread, and no borrow of the outer value is in use.
        let mut only = unsafe { Exclusive::new(&cache) };
        if value % 5 > 0 {
            only.insert(*key, value - 1);
            only.remove(key, |_| ());
        }
    });
    let cache = checked(builder);
    *home.lock().unwrap() = Some(cache.clone());
    let mut only = only(&cache);
    for key in 0..200 {
        only.insert(key, key);
        cache.validate();
    }
    only.clear();
    let stats = cache.stats();
    assert_eq!(stats.added, stats.evicted + stats.removed + stats.cleared + cache.len() as u64);
    drop(home.lock().unwrap().take());
}

/// Time that goes back when it is told to, as none should.
#[derive(Clone, Default)]
struct Pendulum(Arc<Mutex<Duration>>);

impl Pendulum {
    fn swing_to(&self, second: u64) {
        *self.0.lock().unwrap() = Duration::from_secs(second);
    }
}

impl Ticker for Pendulum {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

#[test]
fn g06_g12_a_write_under_a_ticker_that_goes_back_meets_no_entry_that_its_own_upkeep_removes() {
    let (ticker, census) = (Pendulum::default(), Census::default());
    let builder = Cache::<u64, Token>::builder().capacity(1000).shards(1).ticker(ticker.clone());
    let cache = checked(builder.time_to_live(Duration::from_secs(10)));
    // SAFETY: one thread, no guards, and keys and values know no cache.
    let mut door = unsafe { Exclusive::non_reentrant(&cache) };
    ticker.swing_to(1000);
    assert!(door.insert(100, census.token(100)).is_stored());
    assert!(door.insert(101, census.token(101)).is_stored());
    // To the upkeep what is written now is long over; to who looks at it, it is live.
    for n in 0..40 {
        ticker.swing_to(500 - n);
        let token = census.token(n);
        assert!(door.insert(n / 2, token).is_stored());
        assert_eq!(door.peek(&(n / 2)).map(Token::id), Some(n));
        cache.validate();
    }
    ticker.swing_to(2000);
    while !door.maintain(1000).done {}
    let stats = cache.stats();
    assert_eq!((cache.len(), stats.retired, census.alive()), (0, 0, 0));
    assert_eq!(stats.added, stats.expired);
}

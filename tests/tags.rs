//! Invalidating many entries at once: everything there is, or what has a tag.
//!
//! That readers, writers and invalidations get on with each other is asked by `tests/stress.rs`, `tests/model.rs` and the loom models.

mod common;

use common::checked;
use pinyon::exclusive::Exclusive;
use pinyon::{
    Cache, Cause, Compute, Computed, Expiry, InsertOptions, Inserted, Lifetime, LoadOptions, Loaded,
    ManualTicker, Policy,
};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

type Numbers = common::Checked<u32, u64>;

fn numbers() -> Numbers {
    checked(Cache::builder().capacity(1000).shards(2))
}

fn tagged(names: &[&str]) -> InsertOptions {
    InsertOptions::new().tags(names)
}

/// Outdates everything, or the tag "t".
type Invalidate = fn(&Cache<u32, u64>);

const ALL: Invalidate = |cache| cache.invalidate_all();
const TAG: Invalidate = |cache| cache.invalidate_tag("t");

fn insert(cache: &Cache<u32, u64>, key: u32) {
    assert!(cache.insert_with(key, u64::from(key), tagged(&["t"])).is_stored());
}

/// Sweeps until nothing is left to do.
fn sweep<V>(cache: &Cache<u32, V>) {
    while !cache.maintain(100).done {}
}

#[test]
fn what_was_invalidated_is_a_miss_for_every_way_of_reading() {
    for invalidate in [ALL, TAG] {
        let cache = numbers();
        (0..100).for_each(|key| insert(&cache, key));
        // Some are hot, some have been read once.
        (0..50).for_each(|key| (0..5).for_each(|_| assert!(cache.get(&key).is_some())));
        assert_eq!(cache.get(&60), Some(60));
        let pin = cache.pin();
        let held = cache.get_ref(&7).unwrap();
        invalidate(&cache);
        for key in [0, 7, 49, 50, 60, 99] {
            assert_eq!((cache.get(&key), cache.peek(&key), cache.contains(&key)), (None, None, false));
            assert!(cache.get_ref(&key).is_none() && cache.with(&key, |_| ()).is_none());
            assert!(pin.get(&key).is_none() && pin.peek(&key).is_none() && !pin.contains(&key));
            assert_eq!((cache.metadata(&key), cache.touch(&key)), (None, false));
            assert!(!cache.set_lifetime(&key, Lifetime::Never));
            assert_eq!(cache.get_many([&key, &1]), [None, None]);
            assert!(!cache.remove_if(&key, |_| unreachable!("it is not there")));
        }
        assert_eq!((cache.iter().count(), cache.retain(|_, _| unreachable!("none is there"))), (0, 0));
        assert_eq!(*held, 7, "what was found before stays readable");
        assert!(cache.is_empty(), "retain removes what it meets");
    }
}

#[test]
fn g16_writes_over_what_was_invalidated_find_nothing_there() {
    for invalidate in [ALL, TAG] {
        let cache = numbers();
        let again = || {
            (0..10).for_each(|key| insert(&cache, key));
            invalidate(&cache);
        };
        again();
        assert_eq!(cache.insert(1, 11), Inserted::Added);
        assert_eq!(cache.insert_if_absent(2, 12), Inserted::Added);
        assert_eq!(cache.replace(3, 13), Inserted::Kept { key: 3, value: 13 });
        assert_eq!(
            cache.replace_if(4, 14, |_| unreachable!("nothing is there")),
            Inserted::Kept { key: 4, value: 14 }
        );
        assert_eq!((cache.remove(&5), cache.invalidate(&6)), (None, false));
        assert_eq!(cache.get_or_insert(7, 17), 17);
        let absent = |value: Compute<u64>| {
            move |there: Option<&u64>| {
                assert_eq!(there, None);
                value.clone()
            }
        };
        assert_eq!(cache.compute(8, absent(Compute::Put(18))), Computed::Added);
        assert_eq!(cache.compute(9, absent(Compute::Remove)), Computed::Kept);
        let stats = cache.stats();
        assert_eq!((stats.replaced, stats.removed), (0, 0));
        let mut all: Vec<_> = cache.iter().map(|entry| (*entry.key(), *entry)).collect();
        all.sort_unstable();
        assert_eq!(all, [(1, 11), (2, 12), (7, 17), (8, 18)]);
        sweep(&cache);
        assert_eq!((cache.len(), cache.stats().invalidated), (4, 10));
        again();
        cache.clear();
        assert!(cache.is_empty());
    }
}

#[test]
fn an_entry_goes_by_any_of_its_tags_and_by_no_other() {
    let cache = numbers();
    cache.insert_with(1, 1, tagged(&["a", "b"]));
    cache.insert_with(2, 2, tagged(&["b"]));
    cache.insert_with(3, 3, InsertOptions::new().tags([b"a".as_slice(), b"\xFF\0"]));
    cache.insert(4, 4);
    cache.invalidate_tag("c");
    cache.invalidate_tag("");
    assert_eq!(cache.iter().count(), 4);
    cache.invalidate_tag(b"\xFF\0");
    assert_eq!((cache.get(&1), cache.get(&3)), (Some(1), None));
    cache.invalidate_tag("a");
    assert_eq!((cache.get(&1), cache.get(&2), cache.get(&4)), (None, Some(2), Some(4)));
    // A write takes its own tags, and none of the old ones.
    cache.insert_with(2, 20, tagged(&["c"]));
    cache.insert_with(5, 5, tagged(&["c"]));
    cache.insert(5, 50);
    cache.compute(6, |_| Compute::PutWith(6, tagged(&["c", "c"])));
    let name = "b".to_string();
    cache.invalidate_tag(&name);
    assert_eq!((cache.get(&2), cache.get(&6)), (Some(20), Some(6)));
    cache.invalidate_tag("c");
    assert_eq!((cache.get(&2), cache.get(&5), cache.get(&6)), (None, Some(50), None));
    cache.insert_with(2, 21, tagged(&["c"]));
    assert_eq!(cache.get(&2), Some(21), "what comes after is another one");
    cache.invalidate_all();
    assert_eq!(cache.iter().count(), 0);
}

#[test]
fn g08_g15_what_was_invalidated_leaves_with_the_writes_that_follow() {
    for invalidate in [ALL, TAG] {
        let cache: Numbers = checked(Cache::builder().capacity(10_000).shards(1));
        (0..5000).for_each(|key| insert(&cache, key));
        invalidate(&cache);
        assert_eq!((cache.len(), cache.weight()), (5000, 5000), "they leave little by little");
        let mut left = cache.len();
        for n in 0..1500 {
            assert!(cache.insert(10_000 + n, 0).is_stored());
            let now = cache.len();
            assert!(left + 1 - now <= 64, "{} at once", left + 1 - now);
            left = now;
        }
        assert_eq!((cache.len(), cache.stats().invalidated), (1500, 5000));
        assert!(cache.maintain(0).done, "nothing is left to do");
    }
}

#[test]
fn g08_g15_maintenance_sweeps_in_steps_of_its_budget_and_says_when_it_is_done() {
    for invalidate in [ALL, TAG] {
        let cache = numbers();
        (0..1000).for_each(|key| insert(&cache, key));
        sweep(&cache);
        invalidate(&cache);
        let mut calls = 0;
        loop {
            let done = cache.maintain(3);
            assert!(done.steps <= 3, "{done:?}");
            assert_eq!(done.done, cache.is_empty() && calls > 0, "{done:?}");
            calls += 1;
            if done.done {
                break;
            }
        }
        assert!(calls > 20, "{calls} calls");
        assert_eq!((cache.weight(), cache.stats().invalidated), (0, 1000));
    }
}

#[test]
fn g08_a_tag_that_is_invalidated_behind_the_sweep_lets_it_go_round_again() {
    let cache: Numbers = checked(Cache::builder().capacity(5000).shards(1));
    (0..4000).for_each(|key| {
        let name = if key % 2 == 0 { "even" } else { "odd" };
        assert!(cache.insert_with(key, 0, tagged(&[name])).is_stored());
    });
    sweep(&cache);
    cache.invalidate_tag("even");
    let half = cache.maintain(200);
    assert!(!half.done && cache.len() < 3500);
    cache.invalidate_tag("odd");
    sweep(&cache);
    assert!(cache.is_empty(), "{} were passed over", cache.len());
}

#[test]
fn g15_a_sweep_goes_on_while_the_table_grows() {
    let cache: Numbers = checked(Cache::builder().capacity(1 << 40).shards(1));
    (0..3000).for_each(|key| insert(&cache, key));
    for round in 1..8 {
        cache.invalidate_all();
        for n in 0..2000 * round {
            insert(&cache, 10_000 * round + n);
            if n % 700 == 0 {
                cache.validate();
            }
        }
        sweep(&cache);
        assert_eq!(cache.len(), 2000 * round as usize);
        assert_eq!(cache.iter().count(), 2000 * round as usize);
    }
}

#[test]
fn eras_go_round_with_and_without_sweeps_between() {
    for maintained in [false, true] {
        for entries in [1, 30, 900] {
            let cache = numbers();
            for round in 0..20u64 {
                for key in 0..entries {
                    assert_eq!(cache.insert(key, round), Inserted::Added, "round {round}");
                    (0..4).for_each(|_| assert_eq!(cache.get(&key), Some(round)));
                }
                cache.invalidate_all();
                (0..entries).for_each(|key| assert_eq!(cache.get(&key), None, "round {round}"));
                assert_eq!(cache.iter().count(), 0);
                if maintained {
                    sweep(&cache);
                    assert!(cache.is_empty());
                }
                cache.validate();
            }
            (0..30).for_each(|_| cache.invalidate_all());
            sweep(&cache);
            assert_eq!((cache.len(), cache.stats().invalidated), (0, 20 * u64::from(entries)));
        }
    }
}

#[test]
fn an_old_value_does_not_come_back_when_its_era_does() {
    let cache = numbers();
    for round in 0..100u32 {
        cache.insert(round, u64::from(round));
        (0..4).for_each(|_| _ = cache.get(&round));
        cache.invalidate_all();
        assert!((0..=round).all(|key| cache.get(&key).is_none()), "round {round}");
    }
}

#[test]
fn g26_a_listener_is_told_of_each_once_by_whatever_it_leaves() {
    for invalidate in [ALL, TAG] {
        let told = Arc::new(Mutex::new(Vec::new()));
        let notes = told.clone();
        let listener = move |key: &u32, value: &u64, cause| notes.lock().unwrap().push((*key, *value, cause));
        let cache = checked(Cache::builder().capacity(50).shards(1).policy(Policy::Clock).listener(listener));
        (0..50).for_each(|key| insert(&cache, key));
        invalidate(&cache);
        assert!(told.lock().unwrap().is_empty(), "not yet");
        cache.insert(7, 70);
        cache.remove(&8);
        cache.compute(9, |_| Compute::Remove);
        cache.clear();
        // Evicted before the sweep came.
        (100..150).for_each(|key| insert(&cache, key));
        sweep(&cache);
        invalidate(&cache);
        cache.set_capacity(20).unwrap();
        sweep(&cache);
        let mut told = std::mem::take(&mut *told.lock().unwrap());
        assert_eq!(
            told.iter().position(|one| *one == (7, 70, Cause::Cleared)).map(|at| told.remove(at)),
            Some((7, 70, Cause::Cleared))
        );
        told.sort_unstable_by_key(|one| one.0);
        let expected: Vec<_> =
            (0..50).chain(100..150).map(|key| (key, u64::from(key), Cause::Invalidated)).collect();
        assert_eq!(told, expected);
        assert_eq!((cache.stats().invalidated, cache.stats().evicted), (100, 0));
    }
}

#[test]
fn g07_a_write_over_an_invalidated_entry_is_a_create() {
    struct Rule;
    impl Expiry<u32, u64> for Rule {
        fn after_create(&self, _: &u32, _: &u64) -> Lifetime {
            Lifetime::After(Duration::from_secs(10))
        }
        fn after_update(&self, _: &u32, _: &u64, _: Option<Duration>) -> Lifetime {
            unreachable!("there is nothing to update")
        }
        fn after_read(&self, _: &u32, value: &u64, _: Option<Duration>) -> Lifetime {
            assert!(*value < 100, "it is not there");
            Lifetime::Default
        }
    }
    let ticker = ManualTicker::new();
    let cache = checked(Cache::builder().capacity(100).expiry(Rule).ticker(ticker.clone()));
    for invalidate in [ALL, TAG] {
        cache.insert_with(1, 100, tagged(&["t"]));
        invalidate(&cache);
        assert_eq!(cache.get(&1), None);
        cache.insert(1, 1);
        assert_eq!(cache.get(&1), Some(1));
        ticker.advance(Duration::from_secs(10));
        assert_eq!(cache.get(&1), None);
        sweep(&cache);
    }
    assert_eq!((cache.stats().invalidated, cache.stats().expired), (2, 2));
}

#[test]
fn lifetimes_and_tags_do_not_disturb_each_other() {
    let ticker = ManualTicker::new();
    let cache = checked(Cache::builder().capacity(100).ticker(ticker.clone()));
    let second = Duration::from_secs(1);
    for key in 0..4 {
        cache.insert_with(key, u64::from(key), tagged(&["t"]).ttl(second * 100).tti(second * 10));
    }
    cache.set_lifetime(&1, Lifetime::Never);
    cache.insert_with(2, 2, InsertOptions::new().ttl(second));
    ticker.advance(second * 5);
    assert_eq!((cache.get(&0), cache.get(&1), cache.get(&2)), (Some(0), Some(1), None));
    ticker.advance(second * 6);
    assert_eq!((cache.get(&0), cache.get(&1), cache.get(&3)), (Some(0), Some(1), None));
    cache.invalidate_tag("t");
    assert_eq!((cache.get(&0), cache.get(&1)), (None, None));
    sweep(&cache);
    assert!(cache.is_empty());
}

#[test]
fn g02_tags_are_counted_in_a_budget_of_bytes() {
    let cache = checked(Cache::builder().capacity_bytes_with(1 << 20, |_: &u32, _: &u64| 0));
    let weight = |options| {
        cache.insert_with(1, 1, options);
        cache.weight()
    };
    let (none, one, ten) = (weight(InsertOptions::new()), weight(tagged(&["t"])), weight(tagged(&["t"; 10])));
    assert!((48..100).contains(&(one - none)), "{one} and {none}");
    assert!((64..=96).contains(&(ten - one)), "{ten} and {one}");
    assert_eq!(weight(tagged(&["t"]).weight(77)), 77);
}

#[test]
fn names_by_the_thousand_are_forgotten_with_their_entries() {
    let cache = checked(Cache::builder().capacity(100).shards(1));
    for n in 0..20_000u32 {
        cache.insert_with(
            n,
            u64::from(n),
            InsertOptions::new().tags([format!("page {n}"), format!("user {}", n % 50)]),
        );
        cache.invalidate_tag(format!("page {}", n / 2));
        cache.invalidate_tag(format!("nobody {n}"));
        assert_eq!(cache.get(&n).is_some(), n > 0, "its own tag was not invalidated");
        if n % 97 == 0 {
            cache.invalidate_tag(format!("user {}", n % 50));
            assert_eq!(cache.get(&n), None);
        }
    }
}

/// Invalidates while key 1 is being loaded with the tag "t"; what the leader got, what one got who had waited before, and how many
/// loads there were.
fn invalidate_while_loading(
    cache: &Cache<u32, u64>,
    invalidate: impl FnOnce(&Cache<u32, u64>),
) -> (u64, u64) {
    let ((running, runs), (tell, told)) = (channel(), channel());
    let load = |value| move |_: &u32| Ok::<_, ()>(Loaded::new(value).tags(["t", "u"]));
    thread::scope(|scope| {
        let leader = scope.spawn(move || {
            cache.load(&1, LoadOptions::new(), |key| {
                running.send(()).unwrap();
                told.recv().unwrap();
                load(1)(key)
            })
        });
        runs.recv().unwrap();
        let waiting = scope.spawn(|| cache.load(&1, LoadOptions::new(), load(2)));
        while cache.stats().waiting != 1 {
            thread::yield_now();
        }
        invalidate(cache);
        let later = scope.spawn(|| cache.load(&1, LoadOptions::new(), load(3)));
        while cache.stats().waiting != 2 && !later.is_finished() {
            thread::yield_now();
        }
        tell.send(()).unwrap();
        assert_eq!(leader.join().unwrap(), Ok(1), "the leader gets what it has loaded");
        (waiting.join().unwrap().unwrap(), later.join().unwrap().unwrap())
    })
}

#[test]
fn g20_a_load_whose_tag_is_invalidated_meanwhile_is_for_its_leader_alone() {
    let cache = numbers();
    assert_eq!(invalidate_while_loading(&cache, |cache| cache.invalidate_tag("other")), (1, 1));
    assert_eq!((cache.peek(&1), cache.stats().stale_loads), (Some(1), 0));
    for (stale, invalidate) in (1..).zip([TAG, |cache| cache.invalidate_tag("u")]) {
        cache.remove(&1);
        let (waiting, later) = invalidate_while_loading(&cache, invalidate);
        assert!(waiting == later && waiting > 1, "{waiting} and {later}: one of them has loaded for both");
        assert_eq!((cache.peek(&1), cache.stats().stale_loads), (Some(waiting), stale));
        assert_eq!(cache.stats().load_failures, 0);
    }
}

#[test]
fn g20_a_load_during_which_everything_is_invalidated_is_not_written() {
    let cache = numbers();
    let (waiting, later) = invalidate_while_loading(&cache, ALL);
    assert_eq!((waiting, later), (1, 3), "who asks after it loads anew");
    assert_eq!((cache.peek(&1), cache.stats().stale_loads), (Some(3), 1));
}

#[test]
fn g20_what_is_loaded_with_a_tag_goes_with_it() {
    let cache = numbers();
    let load = |value| cache.load(&1, LoadOptions::<()>::new(), |_| Ok(Loaded::new(value).tags(["t"])));
    cache.invalidate_tag("t");
    assert_eq!((load(1), cache.get(&1)), (Ok(1), Some(1)), "an invalidation before it is none of its");
    cache.invalidate_tag("t");
    assert_eq!((load(2), load(3)), (Ok(2), Ok(2)));
    cache.invalidate_all();
    assert_eq!(load(4), Ok(4));
    // The loader itself invalidates.
    let own = cache.load(&2, LoadOptions::<()>::new(), |_| {
        cache.invalidate_tag("t");
        Ok(Loaded::new(5).tags(["t"]))
    });
    assert_eq!((own, cache.get(&2), cache.stats().stale_loads), (Ok(5), None, 1));
}

#[test]
fn g16_what_a_compute_was_making_when_its_tag_was_invalidated_is_made_again() {
    let cache = numbers();
    let mut asked = 0;
    let done = cache.compute(1, |_| {
        asked += 1;
        if asked == 1 {
            cache.invalidate_tag("t");
        }
        Compute::PutWith(asked, tagged(&["t"]))
    });
    assert_eq!((done, cache.get(&1)), (Computed::Added, Some(2)));
    // What it saw is invalidated while it decides: it sees that.
    for invalidate in [ALL, TAG] {
        insert(&cache, 2);
        let mut seen = Vec::new();
        let done = cache.compute(2, |there| {
            seen.push(there.copied());
            if seen.len() == 1 {
                invalidate(&cache);
            }
            Compute::Put(20)
        });
        assert_eq!((done, seen), (Computed::Added, vec![Some(2), None]));
        insert(&cache, 3);
        assert!(!cache.remove_if(&3, |_| {
            invalidate(&cache);
            true
        }));
        insert(&cache, 4);
        let replaced = cache.replace_if(4, 40, |_| {
            invalidate(&cache);
            true
        });
        assert_eq!(replaced, Inserted::Kept { key: 4, value: 40 });
        cache.clear();
        insert(&cache, 5);
        let removed = cache.retain(|_, _| {
            invalidate(&cache);
            false
        });
        assert_eq!((removed, cache.get(&5)), (0, None));
        sweep(&cache);
    }
}

#[test]
#[allow(unsafe_code)]
fn g27_the_exclusive_door_invalidates_too() {
    let census = common::Census::default();
    let cache: Cache<u32, common::Token> = Cache::builder().capacity(1000).build().unwrap();
    // SAFETY: one thread, and no guard.
    let mut alone = unsafe { Exclusive::new(&cache) };
    for round in 0..20 {
        for key in 0..50 {
            alone.insert_with(key, census.token(round), tagged(&["t"]));
        }
        if round % 2 == 0 {
            alone.invalidate_all();
        } else {
            alone.invalidate_tag("t");
        }
        assert!((0..50).all(|key| alone.get(&key).is_none() && alone.peek(&key).is_none()));
        let found = alone.find(0, |_| Ok::<_, ()>(true));
        assert!(found.is_ok_and(|found| found.is_none()));
    }
    while !alone.maintain(100).done {}
    assert_eq!((cache.len(), census.alive()), (0, 0));
    cache.validate();
}

#[test]
fn g27_tagged_values_and_their_memberships_are_dropped_with_the_cache() {
    let census = common::Census::default();
    let cache: Cache<u32, common::Token> = Cache::builder().capacity(100).build().unwrap();
    (0..300).for_each(|key| _ = cache.insert_with(key, census.token(1), tagged(&["t", "u"])));
    cache.invalidate_tag("u");
    (0..10).for_each(|key| _ = cache.insert_with(key, census.token(1), tagged(&["t"])));
    drop(cache);
    assert_eq!(census.alive(), 0);
}

#[test]
fn g24_user_code_that_runs_while_invalidations_sweep_may_invalidate() {
    struct Noisy(Option<Cache<u32, Noisy>>);
    impl Drop for Noisy {
        fn drop(&mut self) {
            if let Some(cache) = self.0.take() {
                cache.invalidate_tag("t");
                cache.invalidate_all();
            }
        }
    }
    let cache: Cache<u32, Noisy> = Cache::builder().capacity(100).shards(1).build().unwrap();
    for round in 0..20 {
        for key in 0..50 {
            let value = Noisy((key % 10 == 0).then(|| cache.clone()));
            _ = cache.insert_with(round * 7 + key, value, tagged(&["t"]));
        }
        cache.invalidate_all();
    }
    cache.clear();
    cache.validate();
}

/// Between the beginning of a write and its storing: the entry is outdated when it comes into the table.
#[test]
fn g08_what_is_outdated_before_it_is_stored_leaves_like_the_rest() {
    for invalidate in [ALL, TAG] {
        let home = Arc::new(Mutex::new(None::<Cache<u32, u64>>));
        let there = home.clone();
        let weigher = move |_: &u32, _: &u64| {
            if let Some(cache) = there.lock().unwrap().as_ref() {
                invalidate(cache);
            }
            1
        };
        let cache = checked(Cache::builder().capacity_weight(1000).weigher(weigher).shards(1));
        *home.lock().unwrap() = Some(Cache::clone(&cache));
        (0..100).for_each(|key| insert(&cache, key));
        *home.lock().unwrap() = None;
        cache.validate();
        sweep(&cache);
        // Of everything, an insertion that ends later is written later.
        let left = cache.len();
        assert!(left <= 1, "{left}");
        assert_eq!(cache.iter().count(), left, "nothing outdated is left");
        cache.validate();
    }
}

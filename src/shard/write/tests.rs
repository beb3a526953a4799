//! A shard's own account of itself, and what one hold of its lock may do.

use super::*;
use crate::{Cache, InsertOptions};
use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

/// Even keys have one hash, odd ones the next.
#[derive(Default)]
struct Alike(u64);

impl Hasher for Alike {
    fn write(&mut self, key: &[u8]) {
        self.0 = u64::from(key[0] & 1);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

type Harm = fn(&mut Locked<'_, u64, u64>, &[u32]);

/// What the checks of a busy and of a quiet shard say of one to which `harm` was done. It has 40 entries: of some weight
/// and of none, with a deadline and without.
fn verdicts(harm: Harm) -> (Result<u64, String>, Result<(), String>) {
    let builder = Cache::builder().capacity_weight(1000).weigher(|_: &u64, weight: &u64| *weight);
    let cache = builder.shards(1).build().expect("a good description");
    for key in 0..40 {
        let hour = InsertOptions::new().ttl(Duration::from_secs(3600));
        let options = if key % 3 == 0 { hour } else { InsertOptions::new() };
        assert!(cache.insert_with(key, key % 4, options).is_stored());
    }
    let mut locked = cache.inner.store.lock(0);
    let mut live = Vec::new();
    locked.write.tables.each(|index| live.push(index));
    harm(&mut locked, &live);
    let verdicts = (locked.check(), locked.check_quiet());
    // What is in two lists would be dropped twice.
    locked.write.garbage = Garbage::new(Limits::of::<u64, u64>(&crate::weight::Weigher::One, 40, 1));
    locked.write.notices = Notices::default();
    verdicts
}

/// Hands out a row that is in no list, as of an entry that a call has taken out to free.
fn one_row_more(locked: &mut Locked<'_, u64, u64>) {
    locked.write.slab.allocate(&locked.shard.entries).expect("there is one");
}

#[test]
fn the_check_of_a_shard_sees_what_does_not_fit_together() {
    assert_eq!(verdicts(|_, _| ()), (Ok(60), Ok(())));
    let harms: [(&str, Harm); 7] = [
        ("the policy has (entries, weight) (29,", |locked, live| {
            let heavy = live.iter().find(|&&index| locked.shard.weight_of(index) > 0).expect("some are");
            let weight = locked.shard.weight_of(*heavy);
            locked.write.policy.remove(*heavy, weight, &Rows(locked.shard));
        }),
        ("14 entries have deadlines, 13 are in the wheel", |locked, live| {
            let timed = live.iter().find(|&&index| locked.shard.deadline_of(index) != NEVER);
            locked.write.wheel.cancel(*timed.expect("some are"));
        }),
        ("41 rows in lists (unique: false), 41 handed out", |locked, live| {
            one_row_more(locked);
            locked.hold((Tag::PAST, live[7]));
        }),
        ("40 rows in lists (unique: true), 40 handed out", |locked, live| {
            // It is being told of, and in the table all the same.
            locked.write.notices.push(Notice { index: live[7], hash: 0, cause: Cause::Removed });
            assert!(locked.begin_notice().is_some());
        }),
        ("41 rows in lists (unique: true), 41 handed out", |locked, _| {
            one_row_more(locked);
            let never_used = locked.write.slab.high();
            locked.hold((Tag::PAST, never_used));
        }),
        ("the mirrors are behind", |locked, _| {
            locked.shard.writers.load.entries.store(39, Ordering::Relaxed)
        }),
        ("the mirrors are behind", |locked, _| locked.shard.writers.load.weight.store(59, Ordering::Relaxed)),
    ];
    for (expected, harm) in harms {
        let error = verdicts(harm).0.expect_err(expected);
        assert!(error.contains(expected), "{error}, not {expected}");
    }
}

#[test]
fn the_check_of_a_quiet_cache_sees_rows_and_loads_that_nobody_has() {
    let (busy, quiet) = verdicts(|locked, _| one_row_more(locked));
    assert_eq!(busy, Ok(60), "a call may have it");
    assert_eq!(quiet, Err("41 rows handed out, 40 found".to_string()));
    let cache: Cache<u64, u64> = Cache::builder().capacity(100).build().expect("a good description");
    let (store, hash) = (&cache.inner.store, cache.hash(&7));
    let loads = || store.lock(store.shard_of(hash)).loads();
    store.begin_load(hash);
    assert_eq!(loads(), 1);
    assert_eq!(store.check(false), Ok(()), "a call may load");
    let told = "0 flights, 1 loads that have begun, 0 leases".to_string();
    assert_eq!(store.check(true), Err(told));
    store.end_load(hash);
    assert_eq!(loads(), 0);
    assert_eq!(store.check(true), Ok(()));
    let _begun = store.flights.join(hash, |_| false, |_| true, || 7);
    assert_eq!(store.check(false), Ok(()));
    let told = "1 flights, 0 loads that have begun, 0 leases".to_string();
    assert_eq!(store.check(true), Err(told));
}

#[test]
fn a_write_makes_room_in_its_own_shard_if_that_has_its_share_and_else_elsewhere() {
    let cache: Cache<u64, u64> =
        Cache::builder().capacity(800).shards(8).build().expect("a good description");
    let (store, mut grows) = (&cache.inner.store, Vec::new());
    let home = |key: &u64| store.shard_of(cache.hash(key));
    let write = |key| assert!(cache.insert(key, key).is_stored());
    (0..4000).for_each(write);
    // The others take what the first one had.
    (0..4000).filter(|key| home(key) == 0).for_each(|key| _ = cache.invalidate(&key));
    (4000..10_000).filter(|key| home(key) != 0).take_while(|_| store.budget.used() < 800).for_each(write);
    for key in 10_000..12_000 {
        let own = home(&key);
        let before: Vec<u64> = store.shards.iter().map(Shard::weight).collect();
        assert_eq!(before.iter().sum::<u64>(), 800, "it is full");
        write(key);
        let grown = store.shards[own].weight() > before[own];
        if store.budget.is_fair(before[own]) {
            assert!(!grown, "{own} of {before:?} has its share");
        } else {
            // The fuller of two that chance picks, which may both be this one.
            grows.push(grown);
        }
    }
    let grew = grows.iter().filter(|&&grown| grown).count();
    assert!((60..200).contains(&grows.len()) && grew * 4 > grows.len() * 3, "{grew} of {}", grows.len());
}

/// A full shard of 200 entries.
fn full() -> Cache<u64, u64> {
    let cache: Cache<u64, u64> =
        Cache::builder().capacity(200).shards(1).build().expect("a good description");
    (0..200).for_each(|key| assert!(cache.insert(key, key).is_stored()));
    cache
}

#[test]
fn g15_no_more_than_a_step_is_evicted_or_cleared_under_one_lock() {
    let cache = full();
    let (store, mut room) = (&cache.inner.store, cache.inner.store.budget.room());
    assert_eq!(store.lock(0).evict(150, &mut room), (STEP, false));
    assert_eq!((cache.len(), room.held()), (200 - STEP, STEP as u64));
    assert_eq!(store.lock(0).evict(STEP as u64 + 1, &mut room), (1, true), "no more than it takes");
    assert_eq!(store.lock(0).evict(150, &mut room), (STEP, false));
    assert_eq!(store.lock(0).evict(250, &mut room).0, STEP);
    assert_eq!(store.lock(0).evict(250, &mut room), (200 - 3 * STEP - 1, false), "there is nothing more");
    assert_eq!(store.lock(0).evict(250, &mut room), (0, false));
    drop(room);
    cache.validate();

    let cache = full();
    let (store, mut room) = (&cache.inner.store, cache.inner.store.budget.room());
    let (mut from, mut left) = (Some(0), Vec::new());
    while let Some(at) = from {
        from = store.lock(0).clear(at, &mut room);
        left.push(cache.len());
    }
    assert_eq!(left, [200 - STEP, 200 - 2 * STEP, 200 - 3 * STEP, 0]);
    drop(room);
    cache.validate();
}

#[test]
fn g10_g15_what_has_one_hash_goes_together_and_no_more_with_it() {
    let builder = Cache::builder().capacity(400).shards(1);
    let cache: Cache<u64, u64, _> =
        builder.hasher(BuildHasherDefault::<Alike>::default()).build().expect("a good description");
    let (store, mut room) = (&cache.inner.store, cache.inner.store.budget.room());
    // Two hashes, one bucket.
    let fill = || (0..300).for_each(|key| assert!(cache.insert(key, key).is_stored()));
    let mut left = Vec::new();
    fill();
    let mut from = Some(0);
    while let Some(at) = from {
        from = store.lock(0).clear(at, &mut room);
        left.push(cache.len());
    }
    assert_eq!(left, [150, 0]);
    room.release();
    fill();
    assert!(store.lock(0).invalidate_all());
    for left in [150, 0] {
        store.lock(0).sweep(usize::MAX, &mut room);
        assert_eq!(cache.len(), left);
    }
    drop(room);
    cache.validate();
}

#[test]
fn g15_a_lock_is_let_go_of_on_the_way_through_an_empty_table() {
    let cache: Cache<u64, u64> =
        Cache::builder().capacity(40_000).shards(1).build().expect("a good description");
    (0..40_000).for_each(|key| assert!(cache.insert(key, key).is_stored()));
    cache.retain(|&key, _| key % 10_000 == 7);
    let (store, mut room) = (&cache.inner.store, cache.inner.store.budget.room());
    let (mut from, mut locks, mut buckets) = (Some(0), 0, 0);
    while let Some(at) = from {
        let mut locked = store.lock(0);
        buckets = locked.write.tables.bytes() / 64;
        from = locked.clear(at, &mut room);
        locks += 1;
    }
    assert_eq!(cache.len(), 0);
    assert!(locks > 3 && locks * sweep::CLEARED <= buckets + sweep::CLEARED, "{locks} for {buckets}");
    drop(room);
    cache.validate();
}

#[test]
fn g15_no_more_than_a_step_is_evicted_beside_an_entry_that_stays() {
    let cache = full();
    let (store, mut room) = (&cache.inner.store, cache.inner.store.budget.room());
    let mut stays = None;
    store.lock(0).write.tables.each(|index| stays = Some(index));
    let stays = stays.expect("it is full");
    for left in [200 - STEP, 200 - 2 * STEP, 200 - 3 * STEP] {
        assert_eq!(store.lock(0).evict_beside(stays, 250, &mut room), (STEP, false));
        assert_eq!(cache.len(), left);
    }
    assert_eq!(store.lock(0).evict_beside(stays, 250, &mut room), (200 - 3 * STEP - 1, false));
    assert_eq!(store.lock(0).evict_beside(stays, 250, &mut room), (0, false));
    assert_eq!(cache.len(), 1);
    drop(room);
    cache.validate();
}

#[test]
fn g15_a_sweep_ends_after_its_buckets_or_with_a_step_of_entries() {
    // Two caches of the same entries, one of them swept a bucket at a time. Some of the sets fill a step exactly.
    for first in 0..40 {
        let twin = || {
            let builder = Cache::builder().capacity(200).shards(1);
            let cache = builder.hasher(BuildHasherDefault::<DefaultHasher>::default()).build();
            let cache: Cache<u64, u64, _> = cache.expect("a good description");
            (first * 200..first * 200 + 200).for_each(|key| assert!(cache.insert(key, key).is_stored()));
            assert!(cache.inner.store.lock(0).invalidate_all());
            cache
        };
        let (slow, quick) = (twin(), twin());
        let sweep = |cache: &Cache<u64, u64, _>, buckets| {
            let mut room = cache.inner.store.budget.room();
            let mut locked = cache.inner.store.lock(0);
            (locked.sweep(buckets, &mut room), 200 - locked.write.tables.len())
        };
        let mut expected = (0, 0);
        while expected.1 < STEP {
            let (swept, gone) = sweep(&slow, 1);
            expected = (expected.0 + swept, gone.min(STEP));
        }
        assert_eq!(sweep(&quick, usize::MAX), expected);
        assert_eq!(sweep(&quick, 2).0, 2);
        slow.validate();
        quick.validate();
    }
}

#[test]
fn g02_what_the_library_needs_is_counted() {
    let row = size_of::<Entry<u64, u64>>();
    let counted = [false, true].map(|timed| super::super::entry_bytes::<u64, u64>(timed) as usize);
    assert_eq!(counted, [row + 19, row + 63], "table: 9; sketch: 8; weight: 2; times 32 and timer 12");
    for (weighted, timed) in [(false, false), (true, false), (false, true), (true, true)] {
        let builder = Cache::builder().shards(1).track_age(timed);
        let builder = if weighted { builder.capacity_weight(1000) } else { builder.capacity(1000) };
        let cache: Cache<u64, u64> = builder.build().expect("a good description");
        (0..100).for_each(|key| assert!(cache.insert(key, key).is_stored()));
        let shard = &cache.inner.store.shards[0];
        let (table, entries) = (shard.lock(false).write.tables.bytes(), shard.entries.bytes());
        let weights = shard.weights.as_ref().map_or(0, |weights| weights.bytes());
        let times = shard.times.bytes();
        assert!(table >= 100 * 8 && entries >= 100 * row);
        assert_eq!((weights >= 100 * 2, times >= 100 * 32), (weighted, timed));
        assert_eq!(cache.stats().overhead_bytes as usize, table + entries + weights + times);
    }
}

#[test]
fn the_policy_is_shown_every_entry_as_it_is() {
    let cache = full();
    let shard = &cache.inner.store.shards[0];
    for key in [0, 1, 199] {
        let hash = cache.hash(&key).place();
        let mut indices = Vec::new();
        shard.lock(false).write.tables.each(|index| indices.push(index));
        let index = indices.into_iter().find(|&index| shard.hash_of(index) == hash).expect("it is there");
        let rows = Rows(shard);
        assert_eq!((rows.hash(index), rows.weight(index), rows.uses(index)), (hash, 1, 0));
        assert_eq!((cache.get(&key), cache.get(&key), rows.uses(index)), (Some(key), Some(key), 2));
        rows.take_use(index);
        assert_eq!(rows.uses(index), 1);
        let note = rows.note(index);
        rows.set_note(index, 9);
        assert_eq!((rows.note(index), rows.uses(index)), (9, 1));
        rows.set_note(index, note);
    }
}

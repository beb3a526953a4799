//! G08: does what has expired leave memory without a thread?

use super::*;

#[test]
fn g08_writes_alone_remove_what_expired_within_as_many_writes() {
    for shards in [1, 3, 8] {
        let census = Census::default();
        let ticker = ManualTicker::new();
        let cache = checked(Cache::builder().capacity(20_000).shards(shards).ticker(ticker.clone()));
        for n in 0..4000u64 {
            cache.insert_with(n, census.token(n), ttl(S * 10 + ns(n * 1_000_003)));
        }
        ticker.advance(S * 20);
        for n in 0..2000 {
            cache.insert(10_000 + n, census.token(n));
        }
        let stats = cache.stats();
        assert_eq!((stats.expired, stats.entries, stats.evicted), (4000, 2000, 0), "{shards} shards");
        let waiting = census.alive() - 2000;
        assert!(waiting as u64 <= stats.retired, "{waiting} tokens wait, {} entries do", stats.retired);
    }
}

/// One key over and over, as a counter would be written.
#[test]
fn g08_overwrites_and_computes_remove_what_expired_too() {
    for write in [
        |cache: &Numbers| _ = cache.insert(1_000_000, 1),
        |cache: &Numbers| _ = cache.compute(1_000_000, |_| Compute::Put(1)),
        |cache: &Numbers| _ = cache.get_or_insert(1_000_000, 1),
    ] {
        let (cache, ticker) = timed(Cache::builder().capacity(2000).shards(1));
        for n in 0..1000 {
            cache.insert_with(n, n, ttl(S));
        }
        ticker.advance(S * 2);
        (0..250).for_each(|_| {
            write(&cache);
            cache.invalidate(&1_000_000);
        });
        assert_eq!((cache.len(), cache.stats().expired), (0, 1000));
    }
}

#[test]
fn g08_maintenance_keeps_to_its_budget_and_comes_to_an_end_on_all_shards() {
    for shards in [1, 3, 8] {
        let (cache, ticker) = timed(Cache::builder().capacity(10_000).shards(shards));
        for n in 0..3000 {
            cache.insert_with(n, n, ttl(ns(u64::from(1 + n) * 10_000_019)));
        }
        while !cache.maintain(100).done {}
        ticker.advance(S * 40);
        let mut calls = 0;
        loop {
            calls += 1;
            let before = cache.stats().expired;
            let done = cache.maintain(50);
            assert!(done.steps <= 50, "{done:?}");
            assert_eq!(done.expired, cache.stats().expired - before);
            if done.done {
                break;
            }
            assert!(calls < 3000 * 8 / 50, "each timer is visited once a level at most");
        }
        assert_eq!((cache.len(), cache.weight(), cache.stats().expired), (0, 0, 3000), "{shards} shards");
        assert_eq!(cache.maintain(50).steps, 0);
    }
}

/// What a budget sufficed for is done, also when it took several locks.
#[test]
fn g08_maintenance_within_its_budget_says_that_it_is_done() {
    let (cache, ticker) = timed(Cache::builder().capacity(1000).shards(1));
    for n in 0..200 {
        cache.insert_with(n, n, ttl(S));
    }
    ticker.advance(S * 2);
    let done = cache.maintain(10_000);
    assert_eq!((done.expired, cache.len()), (200, 0));
    assert!(done.done, "{done:?}");
}

#[test]
fn g08_maintenance_of_no_steps_does_nothing_and_says_whether_there_was_anything() {
    let (cache, ticker) = timed(small());
    assert!(cache.maintain(0).done);
    cache.insert_with(7, 70, ttl(S));
    assert!(cache.maintain(0).done, "nothing is due");
    ticker.advance(S * 2);
    let done = cache.maintain(0);
    assert_eq!((done.steps, done.expired, done.done, cache.len()), (0, 0, false, 1));
    assert_eq!(cache.maintain(1).expired, 1);
}

type Heard = Arc<Mutex<Vec<(u32, u32, Cause)>>>;

fn listening(builder: Builder<u32, u32>) -> (Checked<u32, u32>, ManualTicker, Heard) {
    let heard = Heard::default();
    let ears = heard.clone();
    let (cache, ticker) =
        timed(builder.listener(move |key, value, cause| ears.lock().unwrap().push((*key, *value, cause))));
    (cache, ticker, heard)
}

#[test]
fn g08_whatever_meets_an_expired_entry_tells_of_its_expiry_and_counts_it() {
    for (name, deed) in DEEDS
        .iter()
        .filter(|(name, _)| !matches!(*name, "set_lifetime" | "replace" | "replace_if" | "and_modify"))
    {
        let (cache, ticker, heard) = listening(small());
        cache.insert_with(7, 70, ttl(S));
        ticker.advance(S);
        deed(&cache);
        assert_eq!(*heard.lock().unwrap(), [(7, 70, Cause::Expired)], "{name}");
        let stats = cache.stats();
        assert_eq!((stats.expired, stats.expired_weight), (1, 1), "{name}");
        assert_eq!((stats.replaced, stats.removed, stats.evicted), (0, 0, 0), "{name}");
    }
}

#[test]
fn g08_expired_weight_returns_to_the_budget() {
    let (cache, ticker, heard) = listening(Cache::builder().capacity_weight(100).shards(1));
    cache.insert_with(1, 1, ttl(S).weight(60));
    cache.insert_with(2, 2, ttl(S * 9).weight(30));
    ticker.advance(S * 2);
    assert_eq!(cache.weight(), 90, "not noticed yet");
    assert_eq!(cache.maintain(10).expired, 1);
    assert_eq!((cache.weight(), cache.stats().expired_weight), (30, 60));
    assert_eq!(cache.insert_with(3, 3, InsertOptions::new().weight(70)), Inserted::Added);
    assert_eq!(*heard.lock().unwrap(), [(1, 1, Cause::Expired)], "nothing had to be evicted");
    assert_eq!(cache.weight(), 100);
}

/// The write that needs the room of an expired entry takes it from there, before it evicts.
#[test]
fn g08_a_full_cache_of_expired_entries_takes_new_ones_and_keeps_the_live() {
    let (cache, ticker) = timed(Cache::builder().capacity(1000).shards(1));
    for n in 0..1000 {
        let options = if n % 10 == 0 { InsertOptions::new().forever() } else { ttl(S) };
        cache.insert_with(n, n, options);
    }
    ticker.advance(S * 2);
    for n in 0..900 {
        assert_eq!(cache.insert(10_000 + n, n), Inserted::Added);
    }
    let stats = cache.stats();
    assert_eq!((stats.evicted, stats.expired, stats.entries), (0, 900, 1000));
    assert!((0..1000).step_by(10).all(|n| cache.contains(&n)));
}

#[test]
fn g08_once_maintained_all_shards_take_new_entries_without_an_eviction() {
    let (cache, ticker) = timed(Cache::builder().capacity(1000).shards(8));
    for n in 0..900 {
        cache.insert_with(n, n, ttl(S));
    }
    (900..1000).for_each(|n| _ = cache.insert(n, n));
    ticker.advance(S * 2);
    while !cache.maintain(64).done {}
    (0..900).for_each(|n| _ = cache.insert(10_000 + n, n));
    assert_eq!((cache.stats().evicted, cache.len()), (0, 1000));
    assert!((900..1000).all(|n| cache.contains(&n)));
}

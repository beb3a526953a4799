//! Reports about lifetimes and clocks.

use super::*;

// There: an entry with an expiry that was updated to have none still expired at the old time.
// Here: the update's deadline counts alone, for readers and for the wheel.
#[test]
fn moka_549() {
    let _gate = alone();
    let ticker = ManualTicker::new();
    let cache = checked(Cache::builder().capacity(100).ticker(ticker.clone()));
    for key in 0..50 {
        cache.insert_with(key, 0, ttl(S * 2));
        cache.insert(key, 1);
    }
    ticker.advance(S * 1000);
    while !cache.maintain(100).done {}
    (0..50).for_each(|key| assert_eq!(cache.get(&key), Some(1)));
}

// There: a rule that answered "no expiry" for an entry in the timer wheel freed its timer, which the wheel used
// again. Here: entries go in and out of the wheel by rule, and rows are used anew meanwhile.
#[test]
fn moka_565() {
    struct Fickle;
    impl Expiry<u64, Token> for Fickle {
        fn after_create(&self, _: &u64, value: &Token) -> Lifetime {
            if value.id().is_multiple_of(2) { Lifetime::Never } else { Lifetime::After(S) }
        }
        fn after_update(&self, key: &u64, value: &Token, remaining: Option<Duration>) -> Lifetime {
            if remaining.is_some() { Lifetime::Never } else { self.after_create(key, value) }
        }
        fn after_read(&self, key: &u64, _: &Token, remaining: Option<Duration>) -> Lifetime {
            match (key % 3, remaining) {
                (0, Some(_)) => Lifetime::Never,
                (0, None) => Lifetime::After(S * 2),
                _ => Lifetime::Default,
            }
        }
    }
    let _gate = alone();
    let census = Census::default();
    let ticker = ManualTicker::new();
    let cache = checked(Cache::builder().capacity(20).shards(1).expiry(Fickle).ticker(ticker.clone()));
    let mut rng = Rng::new(565);
    for id in 0..20_000 {
        let key = rng.below(40);
        match rng.below(4) {
            0 | 1 => _ = cache.insert(key, census.token(id)),
            2 => _ = cache.with(&key, Token::id),
            _ => _ = cache.invalidate(&key),
        }
        ticker.advance(Duration::from_millis(rng.below(100)));
        if id % 512 == 0 {
            cache.validate();
        }
    }
    drop(cache);
    assert_eq!(census.alive(), 0);
}

// There: a long time-to-live overflowed the time, and `build` or an insertion panicked (56, 472).
// Here: the longest there is, given everywhere, means for ever.
#[test]
fn moka_56_and_472() {
    let _gate = alone();
    for long in [Duration::MAX, Duration::from_secs(u64::MAX), S * 86_400 * 365 * 135] {
        let cache = checked(Cache::builder().capacity(10).time_to_live(long).time_to_idle(long));
        cache.insert(1, 1);
        cache.insert_with(2, 2, ttl(long).tti(long));
        assert!(cache.set_lifetime(&1, Lifetime::After(long)));
        assert_eq!((cache.get(&1), cache.get(&2)), (Some(1), Some(2)));
        while !cache.maintain(100).done {}
        assert_eq!(cache.len(), 2);
    }
}

// There: after `invalidate_all`, entries inserted within the same tick of the clock stayed readable.
// Here: what was there when `clear` began is gone, and what comes after it stays.
#[test]
fn moka_155() {
    let _gate = alone();
    let cache = checked(Cache::builder().capacity(1000).time_to_live(S * 60));
    for round in 0..200 {
        (0..20).for_each(|key| _ = cache.insert(key, round));
        cache.clear();
        assert!((0..20).all(|key| cache.get(&key).is_none()) && cache.is_empty());
        cache.insert(5, round);
        assert_eq!(cache.get(&5), Some(round));
    }
}

// There: an expired entry that was loaded again got no lifetime, so it was loaded at each read from then on.
// Here: a write over an expired entry gives it the lifetime of a new one, over and over.
#[test]
fn otter_154() {
    let _gate = alone();
    let ticker = ManualTicker::new();
    let cache = checked(Cache::builder().capacity(10).time_to_live(S * 10).ticker(ticker.clone()));
    for round in 0..50 {
        assert_eq!(cache.entry(7).or_insert_with(|| round), round, "loaded anew");
        ticker.advance(S * 10 - Duration::from_nanos(1));
        assert_eq!(cache.entry(7).or_insert_with(|| panic!("loaded twice")), round);
        ticker.advance(Duration::from_nanos(1));
    }
}

// There: a rule's "for ever" was added to the time, overflowed, and the entry was dead at once.
// Here: it is for ever after a create, an update and a read, early and late in time.
#[test]
fn caffeine_217() {
    struct Forever(Lifetime);
    impl Expiry<u32, u32> for Forever {
        fn after_create(&self, _: &u32, _: &u32) -> Lifetime {
            self.0
        }
        fn after_read(&self, _: &u32, _: &u32, _: Option<Duration>) -> Lifetime {
            self.0
        }
    }
    let _gate = alone();
    let longest =
        [Lifetime::Never, Lifetime::After(Duration::MAX), Lifetime::After(Duration::from_nanos(u64::MAX))];
    for forever in longest {
        for start in [0, 1, u64::MAX / 2, u64::MAX - 1] {
            let ticker = ManualTicker::new();
            ticker.advance(Duration::from_nanos(start));
            let cache =
                checked(Cache::builder().capacity(10).expiry(Forever(forever)).ticker(ticker.clone()));
            cache.insert(7, 1);
            assert_eq!(cache.get(&7), Some(1), "{forever:?} at {start}");
            cache.insert(7, 2);
            ticker.advance(Duration::MAX);
            while !cache.maintain(100).done {}
            assert_eq!(cache.get(&7), Some(2), "{forever:?} at {start}");
        }
    }
}

// There: with a sweep less often than once a second, the buckets between two sweeps were never emptied.
// Here: however far time leaps between two calls, nothing that expired stays.
#[test]
fn stretto_55() {
    let _gate = alone();
    for leap in [S * 3 / 2, S * 17, S * 3600, S * 86_400 * 40] {
        let ticker = ManualTicker::new();
        let cache = checked(Cache::builder().capacity(5000).shards(1).ticker(ticker.clone()));
        for n in 0..2000u64 {
            cache.insert_with(n, n, ttl(leap * (n as u32 % 7) + Duration::from_millis(n)));
        }
        for _ in 0..10 {
            ticker.advance(leap);
            while !cache.maintain(500).done {}
        }
        assert_eq!((cache.len(), cache.weight(), cache.stats().expired), (0, 0, 2000), "leaps of {leap:?}");
    }
}

// There: a map with lifetimes freed an entry only when its key was asked for again: never, for most.
// Here: nobody asks again, and writes of other keys free them all; so does `maintain`.
#[test]
fn kubewarden_1952() {
    let _gate = alone();
    let census = Census::default();
    let ticker = ManualTicker::new();
    let builder = Cache::builder().capacity(1_000_000).shards(2).time_to_live(S * 60);
    let cache = checked(builder.ticker(ticker.clone()));
    for minute in 0..50u64 {
        for n in 0..200 {
            cache.insert(minute * 1000 + n, census.token(n));
        }
        ticker.advance(S * 61);
        assert!(cache.len() <= 200 * 3, "{} entries in minute {minute}", cache.len());
        assert!(census.alive() <= 200 * 3 + 2 * 256);
    }
    while !cache.maintain(100).done {}
    assert_eq!((cache.len(), census.alive()), (0, 0));
}

//! G09: is the time what the ticker says, and read once for what a call does?

use super::*;

/// Time that is told from outside and may do anything.
#[derive(Clone, Default)]
struct Wild(Arc<AtomicU64>, bool);

impl Ticker for Wild {
    fn now(&self) -> Duration {
        let told = self.0.load(Ordering::Relaxed);
        if self.1 { Duration::from_secs(told) } else { ns(told) }
    }
}

/// A span of any magnitude.
fn wild(rng: &mut Rng) -> Duration {
    let bits = 1 + rng.below(63);
    ns(rng.below(1 << bits))
}

fn live_through(cache: &Numbers, rng: &mut Rng, mut step: impl FnMut(&mut Rng)) {
    for _ in 0..3000 {
        let (key, life) = (rng.below(64) as u32, wild(rng));
        match rng.below(8) {
            0 => _ = cache.insert_with(key, 1, ttl(life)),
            1 => _ = cache.insert_with(key, 1, tti(life)),
            2 => _ = cache.set_lifetime(&key, Lifetime::After(life)),
            3 => _ = cache.get(&key),
            4 => _ = cache.metadata(&key),
            5 => _ = cache.touch(&key),
            6 => drop(
                cache.compute(key, |there| if there.is_some() { Compute::Remove } else { Compute::Put(1) }),
            ),
            _ => _ = cache.maintain(rng.below(40) as usize),
        }
        step(rng);
        assert!(cache.weight() <= cache.capacity());
    }
    cache.validate();
}

#[test]
fn g09_a_ticker_may_begin_anywhere() {
    for (start, seconds) in [
        (u64::MAX, true),
        (u64::MAX, false),
        (END, false),
        (END / 2, false),
        (1 << 40, true),
        (1 << 58, false),
    ] {
        let ticker = Wild(Arc::new(AtomicU64::new(start)), seconds);
        let cache: Checked<u32, u32> = checked(small().time_to_idle(S * 5).ticker(ticker.clone()));
        cache.insert_with(7, 70, ttl(S));
        assert_eq!(cache.get(&7), Some(70), "from {start}");
        let mut rng = Rng::new(start);
        live_through(&cache, &mut rng, |rng| {
            ticker
                .0
                .store(ticker.0.load(Ordering::Relaxed).saturating_add(rng.below(UNIT)), Ordering::Relaxed);
        });
    }
}

#[test]
fn g09_a_ticker_that_goes_back_breaks_nothing() {
    for seed in 0..20 {
        let ticker = Wild::default();
        let cache: Checked<u32, u32> = checked(small().shards(2).time_to_live(S).ticker(ticker.clone()));
        live_through(&cache, &mut Rng::new(seed), |rng| {
            if rng.below(4) == 0 {
                ticker.0.store(wild(rng).as_nanos() as u64, Ordering::Relaxed);
            }
        });
        // Once time goes right again, so does everything else.
        ticker.0.store(END, Ordering::Relaxed);
        while !cache.maintain(1000).done {}
        ticker.0.store(END, Ordering::Relaxed);
        cache.clear();
        cache.insert_with(7, 70, InsertOptions::new().forever());
        assert_eq!(cache.get(&7), Some(70));
    }
}

#[test]
fn g09_a_manual_ticker_is_the_only_time_there_is() {
    let (cache, ticker) = timed(small().time_to_live(Duration::from_millis(1)));
    cache.insert(7, 70);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(cache.get(&7), Some(70));
    assert_eq!(cache.metadata(&7).unwrap().age, Some(Duration::ZERO));
    ticker.advance(Duration::from_micros(999));
    assert_eq!(cache.get(&7), Some(70));
    ticker.advance(Duration::from_micros(1));
    assert_eq!(cache.get(&7), None);
}

/// Goes on at every reading, so that a call which reads twice is told two times.
#[derive(Clone, Default)]
struct Stepping {
    now: Arc<AtomicU64>,
    readings: Arc<AtomicU64>,
}

impl Stepping {
    /// The next reading says `now`; how many there were since the last call.
    fn set(&self, now: u64) -> u64 {
        self.now.store(now, Ordering::Relaxed);
        self.readings.swap(0, Ordering::Relaxed)
    }
}

impl Ticker for Stepping {
    fn now(&self) -> Duration {
        self.readings.fetch_add(1, Ordering::Relaxed);
        ns(self.now.fetch_add(2, Ordering::Relaxed))
    }
}

/// The calls that restart an idle time.
#[allow(clippy::type_complexity)]
const USES: [(&str, fn(&Numbers) -> bool); 7] = [
    ("get", |cache| cache.get(&7).is_some()),
    ("get_ref", |cache| cache.get_ref(&7).is_some()),
    ("with", |cache| cache.with(&7, |_| ()).is_some()),
    ("pin, get", |cache| cache.pin().get(&7).is_some()),
    ("get_many", |cache| cache.get_many([&7])[0].is_some()),
    ("touch", |cache| cache.touch(&7)),
    ("set_lifetime", |cache| cache.set_lifetime(&7, Lifetime::Never)),
];

/// When the entry of key 7 dies, as things stand.
fn end(cache: &Numbers, ticker: &Stepping) -> u64 {
    ticker.set(10_000);
    10_000 + remaining(cache, 7).unwrap().as_nanos() as u64
}

#[test]
fn g06_g07_a_call_acts_at_the_time_at_which_it_found_the_entry_alive() {
    for (name, use_it) in USES {
        let ticker = Stepping::default();
        let cache: Checked<u32, u32> = checked(small().ticker(ticker.clone()));
        ticker.set(10_000);
        cache.insert_with(7, 70, tti(ns(1000)));
        let dead = end(&cache, &ticker);
        ticker.set(dead - 1);
        assert!(use_it(&cache), "{name}: a nanosecond is left");
        assert_eq!(ticker.set(0), 1, "{name}: readings of the time");
        assert_eq!(end(&cache, &ticker), dead + 999, "{name}: counted from when it was found alive");
        ticker.set(dead + 999);
        assert!(!use_it(&cache), "{name}: too late");
    }
}

#[test]
fn g09_the_time_is_asked_for_no_more_often_than_is_stated() {
    for (name, deed) in DEEDS {
        let ticker = Stepping::default();
        let builder = small().ticker(ticker.clone()).time_to_live(Duration::from_secs(1));
        let cache: Checked<u32, u32> = checked(builder);
        cache.insert(7, 70);
        ticker.set(10_000);
        assert!(deed(&cache), "{name}");
        let readings = ticker.set(10_000);
        assert!((1..=3).contains(&readings), "{name}: {readings}");
    }
}

#[test]
fn g07_a_rule_is_told_what_remains_at_the_time_at_which_the_read_found_the_entry() {
    let (ticker, told) = (Stepping::default(), Told::default());
    told.answer(after(1), Lifetime::Default, Lifetime::After(ns(500)));
    let cache: Checked<u32, u32> = checked(small().ticker(ticker.clone()).expiry(told.clone()));
    ticker.set(10_000);
    cache.insert(7, 70);
    let dead = end(&cache, &ticker);
    told.take();
    // A second reading, two nanoseconds later, is to see that the rule did not take too long.
    for (left, end_of_it) in [(5000, dead - 4500), (1, dead - 4500)] {
        let dead = end(&cache, &ticker);
        ticker.set(dead - left);
        assert_eq!(cache.get(&7), Some(70));
        assert_eq!(ticker.set(0), 2, "readings of the time");
        assert_eq!(told.take(), [("read", Some(ns(left)))]);
        assert_eq!(end(&cache, &ticker), end_of_it);
    }
}

#[test]
fn g09_metadata_are_those_of_one_moment() {
    let ticker = Stepping::default();
    let cache: Checked<u32, u32> = checked(small().ticker(ticker.clone()).track_age(true));
    for (options, readings) in [(ttl(ns(1000)), 1), (InsertOptions::new(), 1)] {
        ticker.set(0);
        cache.insert_with(7, 70, options);
        let dead = ticker.set(100) as usize;
        assert!(dead > 0);
        let told = cache.metadata(&7).unwrap();
        assert_eq!(ticker.set(0), readings);
        if let Some(left) = told.remaining {
            assert_eq!(told.age.unwrap() + left, ns(1000));
        }
    }
}

#[test]
fn g09_age_is_told_of_every_entry_if_it_is_tracked() {
    let (cache, ticker) = timed(small().track_age(true));
    cache.insert(7, 70);
    ticker.advance(S * 3);
    cache.get(&7);
    cache.set_lifetime(&7, after(100));
    assert_eq!(cache.metadata(&7).unwrap().age, Some(S * 3));
    cache.insert(7, 71);
    assert_eq!(cache.metadata(&7).unwrap().age, Some(Duration::ZERO));
}

#[test]
fn g07_g09_a_new_lifetime_leaves_the_age_as_it_is_if_that_is_known() {
    for tracked in [false, true] {
        let (cache, ticker) = timed(small().track_age(tracked));
        cache.insert(7, 70);
        cache.insert_with(8, 80, ttl(S * 100));
        ticker.advance(S * 10);
        let age = |key| cache.metadata(&key).expect("a live entry").age;
        assert_eq!((age(7), age(8)), (tracked.then_some(S * 10), Some(S * 10)));
        assert!(
            cache.set_lifetime(&7, Lifetime::After(S * 50))
                && cache.set_lifetime(&8, Lifetime::After(S * 50))
        );
        ticker.advance(S);
        let first = if tracked { S * 11 } else { S };
        assert_eq!(
            (age(7), age(8)),
            (Some(first), Some(S * 11)),
            "what is not known begins with the lifetime"
        );
        assert!(cache.set_lifetime(&7, Lifetime::After(S * 50)));
        assert_eq!((age(7), remaining(&cache, 7)), (Some(first), Some(S * 50)));
    }
}

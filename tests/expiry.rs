//! Does time do what the tables say: G06 to G09 through the public face.

mod common;

use common::{Census, Checked, Rng, checked};
use pinyon::exclusive::Exclusive;
use pinyon::{
    Builder, Cache, Cause, CoarseTicker, Compute, Computed, Expiry, InsertOptions, Inserted, Lifetime,
    ManualTicker, PreciseTicker, RandomState, Ticker,
};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Numbers = Cache<u32, u32>;

const S: Duration = Duration::from_secs(1);
/// The unit of an entry's coarse deadline, in nanoseconds.
const UNIT: u64 = 1 << 30;
/// The last moment a ticker can tell.
const END: u64 = u64::MAX - 1;

fn ns(n: u64) -> Duration {
    Duration::from_nanos(n)
}

fn timed(builder: Builder<u32, u32>) -> (Checked<u32, u32>, ManualTicker) {
    let ticker = ManualTicker::new();
    (checked(builder.ticker(ticker.clone())), ticker)
}

fn small() -> Builder<u32, u32> {
    Cache::builder().capacity(100).shards(1)
}

fn ttl(time: Duration) -> InsertOptions {
    InsertOptions::new().ttl(time)
}

fn tti(time: Duration) -> InsertOptions {
    InsertOptions::new().tti(time)
}

fn remaining(cache: &Numbers, key: u32) -> Option<Duration> {
    cache.metadata(&key).expect("a live entry").remaining
}

/// Every way to see the entry of key 7, which must leave it as it is, but for its use.
#[allow(clippy::type_complexity)]
const LOOKS: [(&str, fn(&Numbers) -> bool); 17] = [
    ("get", |cache| cache.get(&7).is_some()),
    ("get_ref", |cache| cache.get_ref(&7).is_some()),
    ("with", |cache| cache.with(&7, |_| ()).is_some()),
    ("pin, get", |cache| cache.pin().get(&7).is_some()),
    ("pin, get_key_value", |cache| cache.pin().get_key_value(&7).is_some()),
    ("pin, peek", |cache| cache.pin().peek(&7).is_some()),
    ("pin, contains", |cache| cache.pin().contains(&7)),
    ("peek", |cache| cache.peek(&7).is_some()),
    ("contains", |cache| cache.contains(&7)),
    ("get_many", |cache| cache.get_many([&6, &7])[1].is_some()),
    ("iter", |cache| cache.iter().any(|entry| *entry.key() == 7)),
    ("into_iter", |cache| cache.into_iter().count() > 0),
    ("metadata", |cache| cache.metadata(&7).is_some()),
    ("touch", |cache| cache.touch(&7)),
    ("compute", |cache| {
        let mut seen = false;
        cache.compute(7, |there| {
            seen = there.is_some();
            Compute::Keep
        });
        seen
    }),
    ("replace_if", |cache| {
        let mut seen = false;
        cache.replace_if(7, 0, |_| {
            seen = true;
            false
        });
        seen
    }),
    ("remove_if", |cache| {
        let mut seen = false;
        cache.remove_if(&7, |_| {
            seen = true;
            false
        });
        seen
    }),
];

/// Every way to write or remove key 7 that tells whether there was an entry.
#[allow(clippy::type_complexity)]
const DEEDS: [(&str, fn(&Numbers) -> bool); 16] = [
    ("insert", |cache| cache.insert(7, 1) == Inserted::Replaced),
    ("insert_with", |cache| cache.insert_with(7, 1, InsertOptions::new().forever()) == Inserted::Replaced),
    ("insert_many", |cache| cache.insert_many([(7, 1)]).replaced == 1),
    ("insert_if_absent", |cache| !cache.insert_if_absent(7, 1).is_stored()),
    ("replace", |cache| cache.replace(7, 1) == Inserted::Replaced),
    ("replace_if", |cache| cache.replace_if(7, 1, |_| true) == Inserted::Replaced),
    ("get_or_insert", |cache| cache.get_or_insert(7, 1) == 70),
    ("or_insert", |cache| cache.entry(7).or_insert(1) == 70),
    ("or_insert_with", |cache| cache.entry(7).or_insert_with(|| 1) == 70),
    ("and_modify", |cache| cache.entry(7).and_modify(|_| 1) == Computed::Replaced),
    ("compute, put", |cache| cache.compute(7, |_| Compute::Put(1)) == Computed::Replaced),
    ("compute, remove", |cache| cache.compute(7, |_| Compute::Remove) == Computed::Removed),
    ("remove", |cache| cache.remove(&7).is_some()),
    ("invalidate", |cache| cache.invalidate(&7)),
    ("retain", |cache| cache.retain(|_, _| false) == 1),
    ("set_lifetime", |cache| cache.set_lifetime(&7, Lifetime::Never)),
];

/// Deadlines where a rounding could go wrong: of the wheel's ticks, the entry's coarse units, and at the ends.
fn deadlines() -> impl Iterator<Item = u64> {
    let around = [1 << 20, UNIT, 5 * UNIT, 64 << 20, 1 << 40, UNIT << 27, UNIT << 28, UNIT << 29, UNIT << 33];
    let near = around.into_iter().flat_map(|at| [at - 1, at, at + 1]);
    near.chain([1, 2, 3 * UNIT + 12_345, END - 1, END])
}

#[test]
fn g06_nothing_sees_an_entry_from_the_nanosecond_it_expires() {
    for deadline in deadlines() {
        for options in [ttl(ns(deadline)), tti(ns(deadline)), ttl(ns(deadline)).tti(Duration::MAX)] {
            for (name, sees) in LOOKS.iter().chain(&DEEDS) {
                let (cache, ticker) = timed(small());
                cache.insert_with(7, 70, options);
                ticker.advance_to(ns(deadline - 1));
                assert_eq!(cache.peek(&7), Some(70), "{deadline}, a nanosecond early");
                ticker.advance_to(ns(deadline));
                assert!(!sees(&cache), "{name} at {deadline} with {options:?}");
            }
        }
    }
}

#[test]
fn g06_everything_sees_an_entry_until_the_nanosecond_before() {
    for deadline in deadlines() {
        for options in [ttl(ns(deadline)), tti(ns(deadline))] {
            for (name, sees) in LOOKS.iter().chain(&DEEDS) {
                let (cache, ticker) = timed(small());
                cache.insert_with(7, 70, options);
                ticker.advance_to(ns(deadline - 1));
                assert!(sees(&cache), "{name} before {deadline} with {options:?}");
            }
        }
    }
}

#[test]
fn g06_a_deadline_is_exact_wherever_the_time_stood_when_it_was_set() {
    let mut rng = Rng::new(6);
    for deadline in deadlines().filter(|&deadline| deadline > 1) {
        for _ in 0..20 {
            let (cache, ticker) = timed(small());
            let from = rng.below(deadline);
            ticker.advance_to(ns(from));
            cache.insert_with(7, 70, ttl(ns(deadline - from)));
            cache.insert(8, 80);
            cache.set_lifetime(&8, Lifetime::After(ns(deadline - from)));
            ticker.advance_to(ns(deadline - 1));
            assert_eq!((cache.get(&7), cache.get(&8)), (Some(70), Some(80)), "{from} to {deadline}");
            ticker.advance_to(ns(deadline));
            assert_eq!((cache.get(&7), cache.get(&8)), (None, None), "{from} to {deadline}");
        }
    }
}

#[test]
#[allow(unsafe_code)]
fn g06_the_exclusive_door_sees_no_expired_entry() {
    let hasher = RandomState::new();
    let fresh = || {
        let ticker = ManualTicker::new();
        let cache = checked(small().hasher(hasher.clone()).ticker(ticker.clone()));
        cache.insert_with(7, 70, ttl(S));
        ticker.advance(S * 2);
        cache
    };
    let cache = fresh();
    // SAFETY: one thread, no guards; so for all of them below.
    let mut alone = unsafe { Exclusive::new(&cache) };
    assert_eq!((alone.get(&7), alone.peek(&7)), (None, None));
    assert_eq!(alone.find(hasher.hash_one(7u32), |key| Ok::<_, ()>(*key == 7)), Ok(None));
    assert_eq!(alone.remove(&7, |value| *value), None);
    let cache = fresh();
    // SAFETY: as above.
    let mut alone = unsafe { Exclusive::new(&cache) };
    assert_eq!(alone.insert_if_absent(7, 71, InsertOptions::new()), Inserted::Added);
    let cache = fresh();
    // SAFETY: as above.
    let mut alone = unsafe { Exclusive::new(&cache) };
    let done = alone.compute(7, |there| if there.is_some() { Compute::Keep } else { Compute::Put(1) });
    assert_eq!(done, Computed::Added);
    let cache = fresh();
    // SAFETY: as above.
    let mut alone = unsafe { Exclusive::new(&cache) };
    assert_eq!((alone.maintain(100).expired, cache.len()), (1, 0));
}

#[test]
fn g06_retain_and_iteration_ask_of_live_entries_only() {
    let (cache, ticker) = timed(small());
    for n in 0..20 {
        cache.insert_with(n, n, ttl(S * (1 + n % 2)));
    }
    ticker.advance(S);
    let mut asked = Vec::new();
    assert_eq!(cache.iter().filter(|entry| entry.key() % 2 == 0).count(), 0);
    assert_eq!(
        cache.retain(|key, _| {
            asked.push(*key);
            key % 4 == 1
        }),
        5
    );
    asked.sort_unstable();
    assert_eq!(asked, (0..20).filter(|n| n % 2 == 1).collect::<Vec<_>>());
    assert_eq!(
        (cache.len(), cache.stats().expired, cache.stats().removed),
        (5, 10, 5),
        "the expired are removed too"
    );
}

#[test]
fn g06_a_value_in_hand_stays_though_it_expires() {
    let (cache, ticker) = timed(small());
    cache.insert_with(7, 70, ttl(S));
    let value = cache.get_ref(&7).unwrap();
    ticker.advance(S * 2);
    cache.maintain(usize::MAX);
    assert_eq!((cache.len(), *value), (0, 70));
}

thread_local! {
    /// The time as the thread knew it when its operation began.
    static KNOWN: Cell<u64> = const { Cell::new(0) };
}

/// One time for all threads, which each operation of a thread reads once.
#[derive(Clone, Default)]
struct Common(Arc<AtomicU64>);

impl Common {
    fn look(&self) -> u64 {
        KNOWN.set(self.0.load(Ordering::Acquire));
        KNOWN.get()
    }
}

impl Ticker for Common {
    fn now(&self) -> Duration {
        ns(KNOWN.get())
    }
}

/// Values are their own deadlines, so every reader can tell.
#[test]
fn g06_no_thread_reads_an_expired_entry_while_time_moves() {
    let time = Common::default();
    let cache: Checked<u64, u64> = checked(Cache::builder().capacity(512).shards(4).ticker(time.clone()));
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let (cache, time, stop) = (&cache, &time, &stop);
        for seed in 0..2 {
            threads.spawn(move || {
                let mut rng = Rng::new(seed);
                while !stop.load(Ordering::Relaxed) {
                    let (key, life) = (rng.below(256), rng.below(UNIT * 3));
                    let deadline = time.look() + life;
                    match rng.below(3) {
                        0 => _ = cache.insert_with(key, deadline, ttl(ns(life))),
                        1 => _ = cache.compute(key, |_| Compute::PutWith(deadline, ttl(ns(life)))),
                        _ => _ = cache.remove(&key),
                    }
                }
            });
        }
        for seed in 2..4 {
            threads.spawn(move || {
                let mut rng = Rng::new(seed);
                while !stop.load(Ordering::Relaxed) {
                    let now = time.look();
                    if let Some(deadline) = cache.get(&rng.below(256)) {
                        assert!(deadline > now, "dead at {deadline} and read at {now}");
                    }
                    let iterated = cache.iter().take(3).all(|entry| *entry > now);
                    assert!(iterated, "an iteration gave a dead entry");
                }
            });
        }
        for _ in 0..3000 {
            time.0.fetch_add(UNIT / 50, Ordering::AcqRel);
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn g06_the_systems_clocks_expire_too() {
    fn on(ticker: impl Ticker) {
        let cache: Checked<u32, u32> = checked(small().ticker(ticker));
        cache.insert_with(7, 70, ttl(Duration::from_millis(40)));
        cache.insert_with(8, 80, ttl(S * 600));
        assert_eq!(cache.get(&7), Some(70));
        std::thread::sleep(Duration::from_millis(80));
        assert_eq!((cache.get(&7), cache.get(&8)), (None, Some(80)));
        assert!(cache.maintain(1000).expired == 1);
    }
    on(CoarseTicker::new());
    on(PreciseTicker::new());
    on(Arc::new(PreciseTicker::new()));
}

/// The method that was asked, and what it was told to remain.
type Question = (&'static str, Option<Duration>);

/// Answers what it is told to, and writes down what it was asked.
#[derive(Clone, Default)]
struct Told {
    answers: Arc<Mutex<[Lifetime; 3]>>,
    asked: Arc<Mutex<Vec<Question>>>,
}

impl Told {
    fn answer(&self, created: Lifetime, updated: Lifetime, read: Lifetime) {
        *self.answers.lock().unwrap() = [created, updated, read];
    }
    fn take(&self) -> Vec<Question> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
    fn ask(&self, which: usize, remaining: Option<Duration>) -> Lifetime {
        self.asked.lock().unwrap().push((["create", "update", "read"][which], remaining));
        self.answers.lock().unwrap()[which]
    }
}

impl Expiry<u32, u32> for Told {
    fn after_create(&self, _: &u32, _: &u32) -> Lifetime {
        self.ask(0, None)
    }
    fn after_update(&self, _: &u32, _: &u32, remaining: Option<Duration>) -> Lifetime {
        self.ask(1, remaining)
    }
    fn after_read(&self, _: &u32, _: &u32, remaining: Option<Duration>) -> Lifetime {
        self.ask(2, remaining)
    }
}

fn after(seconds: u32) -> Lifetime {
    Lifetime::After(S * seconds)
}

#[test]
fn g07_the_option_comes_before_the_rule_and_the_rule_before_the_builder() {
    let options = [
        (None, None),
        (Some(ttl(S * 5)), Some(Some(S * 5))),
        (Some(InsertOptions::new().forever()), Some(None)),
    ];
    let rules = [(Lifetime::Default, None), (Lifetime::Never, Some(None)), (after(7), Some(Some(S * 7)))];
    let builders = [(None, None), (Some(S * 9), Some(S * 9))];
    for (option, by_option) in options {
        for (rule, by_rule) in rules {
            for (builder, by_builder) in builders {
                let told = Told::default();
                told.answer(rule, rule, Lifetime::Default);
                let mut settings = small().expiry(told.clone());
                if let Some(time) = builder {
                    settings = settings.time_to_live(time);
                }
                let (cache, ticker) = timed(settings);
                ticker.advance(S * 100);
                let expected = by_option.or(by_rule).unwrap_or(by_builder);
                for event in ["create", "update"] {
                    cache.insert_with(7, 70, option.unwrap_or_default());
                    assert_eq!(remaining(&cache, 7), expected, "{event}: {option:?}, {rule:?}, {builder:?}");
                    let asked = told.take().into_iter().filter(|(name, _)| *name == event).count();
                    assert_eq!(asked, usize::from(option.is_none()), "a rule is asked if there is no option");
                }
            }
        }
    }
}

#[test]
fn g07_the_idle_times_option_comes_before_the_builder_and_no_rule_is_asked() {
    for (options, idle) in [
        (InsertOptions::new(), Some(S * 4)),
        (tti(S * 2), Some(S * 2)),
        (InsertOptions::new().forever(), None),
    ] {
        let told = Told::default();
        let (cache, _ticker) = timed(small().time_to_idle(S * 4).expiry(told.clone()));
        cache.insert_with(7, 70, options);
        let seen = cache.metadata(&7).unwrap();
        assert_eq!((seen.idle, seen.remaining), (idle, idle), "{options:?}");
    }
    let (cache, _ticker) = timed(small().time_to_idle(S * 4));
    cache.insert_with(7, 70, InsertOptions::new().forever().tti(S * 3));
    assert_eq!(remaining(&cache, 7), Some(S * 3), "what is said last counts");
}

/// Writes of key 7 that create it.
#[allow(clippy::type_complexity)]
const CREATES: [(&str, fn(&Numbers)); 8] = [
    ("insert", |cache| _ = cache.insert(7, 1)),
    ("insert_with", |cache| _ = cache.insert_with(7, 1, InsertOptions::new())),
    ("insert_many", |cache| _ = cache.insert_many([(7, 1)])),
    ("insert_if_absent", |cache| _ = cache.insert_if_absent(7, 1)),
    ("get_or_insert", |cache| _ = cache.get_or_insert(7, 1)),
    ("or_insert", |cache| _ = cache.entry(7).or_insert(1)),
    ("compute", |cache| _ = cache.compute(7, |_| Compute::Put(1))),
    ("entry, insert", |cache| _ = cache.entry(7).insert(1, InsertOptions::new())),
];

/// Writes of key 7 that update it.
#[allow(clippy::type_complexity)]
const UPDATES: [(&str, fn(&Numbers)); 7] = [
    ("insert", |cache| _ = cache.insert(7, 1)),
    ("insert_with", |cache| _ = cache.insert_with(7, 1, InsertOptions::new())),
    ("insert_many", |cache| _ = cache.insert_many([(7, 1)])),
    ("replace", |cache| _ = cache.replace(7, 1)),
    ("replace_if", |cache| _ = cache.replace_if(7, 1, |_| true)),
    ("compute", |cache| _ = cache.compute(7, |_| Compute::Put(1))),
    ("and_modify", |cache| _ = cache.entry(7).and_modify(|_| 1)),
];

#[test]
fn g07_a_create_and_a_write_over_an_expired_entry_ask_after_create() {
    for expired in [false, true] {
        for (name, create) in CREATES {
            let told = Told::default();
            told.answer(after(30), after(40), Lifetime::Default);
            let (cache, ticker) = timed(small().time_to_idle(S * 100).expiry(told.clone()));
            if expired {
                cache.insert_with(7, 0, ttl(S * 10).tti(S * 3));
                ticker.advance(S * 5);
            }
            told.take();
            create(&cache);
            let asked = told.take();
            assert!(
                !asked.is_empty() && asked.iter().all(|asked| *asked == ("create", None)),
                "{name}: {asked:?}"
            );
            let seen = cache.metadata(&7).unwrap();
            assert_eq!(
                (seen.remaining, seen.idle),
                (Some(S * 30), Some(S * 100)),
                "{name}: nothing of the old counts"
            );
            assert_eq!(seen.age, Some(Duration::ZERO));
        }
    }
}

/// Nobody else is there, so nothing is decided twice.
#[test]
fn g07_a_lone_write_over_an_expired_entry_asks_rule_and_weigher_once() {
    for (name, create) in CREATES {
        let (told, weighed) = (Told::default(), Arc::new(AtomicU64::new(0)));
        let asked = weighed.clone();
        let weigher = move |_: &u32, _: &u32| {
            asked.fetch_add(1, Ordering::Relaxed);
            1
        };
        let builder = Cache::builder().capacity_weight(100).shards(1).weigher(weigher);
        let (cache, ticker) = timed(builder.expiry(told.clone()));
        cache.insert_with(7, 0, ttl(S));
        ticker.advance(S * 5);
        told.take();
        weighed.store(0, Ordering::Relaxed);
        create(&cache);
        assert_eq!((told.take().len(), weighed.load(Ordering::Relaxed)), (1, 1), "{name}");
    }
}

#[test]
fn g07_an_update_asks_after_update_with_what_remains_and_replaces_everything() {
    for (name, update) in UPDATES {
        for (old, left) in [
            (ttl(S * 10), Some(S * 6)),
            (InsertOptions::new().forever(), None),
            (ttl(S * 10).tti(S * 5), Some(S * 6)),
        ] {
            let told = Told::default();
            told.answer(after(30), after(40), Lifetime::Default);
            let (cache, ticker) = timed(small().time_to_idle(S * 100).expiry(told.clone()));
            cache.insert_with(7, 0, old);
            ticker.advance(S * 4);
            told.take();
            update(&cache);
            assert_eq!(
                told.take(),
                [("update", left)],
                "{name}: never is None, and the idle deadline is not shown"
            );
            let seen = cache.metadata(&7).unwrap();
            assert_eq!((seen.remaining, seen.idle), (Some(S * 40), Some(S * 100)), "{name}");
        }
    }
}

#[test]
fn g07_an_update_moves_the_deadline_either_way_and_takes_it_away() {
    let lives =
        [ttl(S), ttl(S * 5), ttl(S * 500), tti(S * 2), ttl(S * 3).tti(S), InsertOptions::new().forever()];
    let ends = [Some(1), Some(5), Some(500), Some(2), Some(1), None];
    for first in lives {
        for (second, end) in lives.into_iter().zip(ends) {
            let (cache, ticker) = timed(small());
            cache.insert_with(7, 0, first);
            cache.insert_with(7, 1, second);
            assert_eq!(remaining(&cache, 7), end.map(|seconds| S * seconds), "{first:?}, {second:?}");
            if let Some(seconds) = end {
                ticker.advance(S * seconds - ns(1));
                cache.maintain(usize::MAX);
                assert_eq!(
                    (cache.len(), cache.contains(&7)),
                    (1, true),
                    "not before its time: {first:?}, {second:?}"
                );
                // The wheel's tick has come 1.05 ms later.
                ticker.advance(Duration::from_millis(2));
            } else {
                ticker.advance(S * 100_000);
            }
            cache.maintain(usize::MAX);
            assert_eq!(cache.len(), usize::from(end.is_none()), "{first:?}, {second:?}");
        }
    }
}

#[test]
fn g07_a_rule_that_leaves_no_opinion_counts_the_builders_time_anew_on_update_but_not_on_read() {
    let told = Told::default();
    let (cache, ticker) = timed(small().time_to_live(S * 10).expiry(told));
    cache.insert(7, 0);
    ticker.advance(S * 4);
    cache.get(&7);
    assert_eq!(remaining(&cache, 7), Some(S * 6));
    cache.insert(7, 1);
    assert_eq!(remaining(&cache, 7), Some(S * 10));
}

#[test]
fn g07_an_update_is_a_create_unless_the_rule_says_otherwise() {
    struct Twenty;
    impl Expiry<u32, u32> for Twenty {
        fn after_create(&self, _: &u32, value: &u32) -> Lifetime {
            after(*value)
        }
    }
    let (cache, _ticker) = timed(small().expiry(Twenty));
    cache.insert(7, 20);
    cache.insert(7, 21);
    assert_eq!(remaining(&cache, 7), Some(S * 21));
}

/// Reads of key 7 that count.
#[allow(clippy::type_complexity)]
const READS: [(&str, fn(&Numbers)); 8] = [
    ("get", |cache| _ = cache.get(&7)),
    ("get_ref", |cache| _ = cache.get_ref(&7)),
    ("with", |cache| _ = cache.with(&7, |_| ())),
    ("pin, get", |cache| _ = cache.pin().get(&7).copied()),
    ("pin, get_key_value", |cache| _ = cache.pin().get_key_value(&7).is_some()),
    ("get_many", |cache| _ = cache.get_many([&7])),
    ("get_or_insert", |cache| _ = cache.get_or_insert(7, 1)),
    ("or_insert_with", |cache| _ = cache.entry(7).or_insert_with(|| 1)),
];

/// Looks at key 7 that leave no trace.
#[allow(clippy::type_complexity)]
const GLANCES: [(&str, fn(&Numbers)); 9] = [
    ("peek", |cache| _ = cache.peek(&7)),
    ("contains", |cache| _ = cache.contains(&7)),
    ("pin, peek", |cache| _ = cache.pin().peek(&7).copied()),
    ("iter", |cache| assert!(cache.iter().count() > 0)),
    ("metadata", |cache| _ = cache.metadata(&7)),
    ("retain", |cache| _ = cache.retain(|_, _| true)),
    ("insert_if_absent", |cache| _ = cache.insert_if_absent(7, 1)),
    ("replace_if", |cache| _ = cache.replace_if(7, 1, |_| false)),
    ("compute, keep", |cache| _ = cache.compute(7, |_| Compute::Keep)),
];

#[test]
fn g07_a_read_restarts_the_idle_time_and_a_glance_does_not() {
    for (reads, list) in [(true, &READS[..]), (false, &GLANCES[..])] {
        for (name, look) in list {
            let told = Told::default();
            let (cache, ticker) =
                timed(small().time_to_live(S * 60).time_to_idle(S * 10).expiry(told.clone()));
            cache.insert(7, 70);
            told.take();
            ticker.advance(S * 6);
            look(&cache);
            let expected = if reads { vec![("read", Some(S * 54))] } else { vec![] };
            assert_eq!(told.take(), expected, "{name}");
            assert_eq!(remaining(&cache, 7), Some(S * if reads { 10 } else { 4 }), "{name}");
            ticker.advance(S * 9);
            assert_eq!(cache.contains(&7), reads, "{name}");
        }
    }
}

#[test]
fn g07_a_read_takes_the_rules_answer_or_leaves_the_hard_deadline() {
    for (answer, left) in [
        (Lifetime::Default, Some(S * 6)),
        (Lifetime::Never, None),
        (after(2), Some(S * 2)),
        (after(50), Some(S * 50)),
    ] {
        for (name, read) in READS {
            let told = Told::default();
            told.answer(after(10), Lifetime::Default, answer);
            let (cache, ticker) = timed(small().expiry(told));
            cache.insert(7, 70);
            ticker.advance(S * 4);
            read(&cache);
            assert_eq!(remaining(&cache, 7), left, "{name}, {answer:?}");
            // A deadline brought forward is known to the wheel; one moved back does not fire early.
            let end = left.unwrap_or(S * 1000);
            ticker.advance(end - ns(1));
            cache.maintain(usize::MAX);
            assert_eq!(cache.len(), 1, "{name}, {answer:?}");
            ticker.advance(Duration::from_millis(2));
            cache.maintain(usize::MAX);
            assert_eq!(cache.len(), usize::from(left.is_none()), "{name}, {answer:?}");
        }
    }
}

#[test]
fn g07_a_read_that_ends_the_entry_is_its_last() {
    let told = Told::default();
    told.answer(Lifetime::Never, Lifetime::Never, after(0));
    let (cache, _ticker) = timed(small().expiry(told.clone()));
    cache.insert(7, 70);
    assert_eq!((cache.get(&7), cache.get(&7)), (Some(70), None));
    told.take();
    assert_eq!((cache.get(&7), told.take()), (None, vec![]), "a miss asks no rule");
    cache.insert(8, 80);
    cache.maintain(usize::MAX);
    assert_eq!((cache.len(), cache.stats().expired), (1, 1));
}

#[test]
fn g07_a_read_gives_a_lifetime_to_an_entry_that_had_none() {
    let told = Told::default();
    told.answer(Lifetime::Default, Lifetime::Default, after(3));
    let (cache, ticker) = timed(small().expiry(told));
    ticker.advance(S);
    cache.insert(7, 70);
    assert_eq!(cache.metadata(&7).unwrap().age, None);
    ticker.advance(S);
    cache.get(&7);
    assert_eq!(remaining(&cache, 7), Some(S * 3));
    ticker.advance(S * 3);
    assert!(!cache.contains(&7));
}

#[test]
fn g07_touch_restarts_the_idle_time_asks_nobody_and_is_not_counted() {
    let told = Told::default();
    let (cache, ticker) = timed(small().time_to_live(S * 15).time_to_idle(S * 10).expiry(told.clone()));
    cache.insert(7, 70);
    told.take();
    ticker.advance(S * 6);
    let before = cache.stats();
    assert!(cache.touch(&7) && !cache.touch(&8));
    assert_eq!((told.take(), cache.stats()), (vec![], before));
    assert_eq!(remaining(&cache, 7), Some(S * 9), "the hard deadline stays");
    ticker.advance(S * 9);
    assert!(!cache.touch(&7), "what is dead stays dead");
    assert!(!cache.contains(&7));
}

#[test]
fn g07_set_lifetime_replaces_the_hard_deadline_and_is_a_use() {
    for (lifetime, hard) in [
        (after(3), Some(S * 3)),
        (after(300), Some(S * 300)),
        (Lifetime::Never, None),
        (Lifetime::Default, Some(S * 60)),
    ] {
        for idle in [None, Some(S * 20)] {
            let told = Told::default();
            told.answer(after(30), after(40), after(50));
            let (cache, ticker) = timed(small().time_to_live(S * 60).expiry(told.clone()));
            cache.insert_with(7, 70, idle.map_or_else(InsertOptions::new, tti));
            ticker.advance(S * 10);
            told.take();
            assert!(cache.set_lifetime(&7, lifetime));
            assert!(told.take().is_empty(), "the rule is not asked");
            let end = [hard, idle].into_iter().flatten().min();
            assert_eq!(remaining(&cache, 7), end, "{lifetime:?}, {idle:?}");
            ticker.advance(end.unwrap_or(S * 5000) - ns(1));
            cache.maintain(usize::MAX);
            assert_eq!(cache.len(), 1);
            ticker.advance(Duration::from_millis(2));
            assert!(end.is_none() || !cache.set_lifetime(&7, Lifetime::Never), "a dead entry is not revived");
            cache.maintain(usize::MAX);
            assert_eq!(cache.len(), usize::from(end.is_none()), "{lifetime:?}, {idle:?}");
        }
    }
}

#[test]
fn g07_the_first_lifetime_of_a_cache_without_any_counts_from_now() {
    let (cache, ticker) = timed(small());
    cache.insert(7, 70);
    ticker.advance(S * 100);
    assert!(cache.set_lifetime(&7, Lifetime::Default));
    assert_eq!(remaining(&cache, 7), None, "the cache's own is for ever");
    assert!(cache.set_lifetime(&7, after(5)));
    assert_eq!(cache.metadata(&7).unwrap().age, Some(Duration::ZERO));
    ticker.advance(S * 5);
    assert!(!cache.contains(&7));
    assert!(!cache.set_lifetime(&8, after(5)));
}

#[test]
fn g07_of_the_idle_and_the_hard_deadline_the_earlier_ends_the_entry() {
    for (hard, idle) in [(10u32, 3u32), (3, 10), (5, 5)] {
        let (cache, ticker) = timed(small().time_to_live(S * hard).time_to_idle(S * idle));
        cache.insert(7, 70);
        cache.insert(8, 80);
        for second in 1..=10 {
            ticker.advance(S);
            assert_eq!(
                cache.get(&7).is_some(),
                second < hard && (second < idle || idle > 1),
                "{second}: {hard}, {idle}"
            );
            assert_eq!(cache.peek(&8).is_some(), second < hard.min(idle), "{second}: {hard}, {idle}");
        }
    }
}

/// Ten thousand reads keep an idle entry, and each of them finds it.
#[test]
fn g07_an_idle_entry_lives_as_long_as_it_is_read() {
    let (cache, ticker) = timed(small().time_to_idle(S));
    cache.insert(7, 70);
    for round in 0..10_000 {
        ticker.advance(S - ns(1));
        if round % 3 == 0 {
            cache.maintain(1000);
        }
        assert_eq!(cache.get(&7), Some(70), "round {round}");
    }
    ticker.advance(S);
    assert_eq!(cache.get(&7), None);
}

fn endless() -> [Duration; 4] {
    [Duration::MAX, ns(u64::MAX), Duration::from_secs(584 * 366 * 86_400), Duration::from_secs(u64::MAX)]
}

#[test]
fn g07_long_durations_saturate_to_never_wherever_they_are_given() {
    struct Always(Duration);
    impl Expiry<u32, u32> for Always {
        fn after_create(&self, _: &u32, _: &u32) -> Lifetime {
            Lifetime::After(self.0)
        }
        fn after_read(&self, _: &u32, _: &u32, _: Option<Duration>) -> Lifetime {
            Lifetime::After(self.0)
        }
    }
    for long in endless() {
        let kinds = [
            small().time_to_live(long),
            small().time_to_idle(long),
            small().time_to_live(long).time_to_idle(long),
            small().expiry(Always(long)),
            small(),
        ];
        for (kind, builder) in kinds.into_iter().enumerate() {
            let (cache, ticker) = timed(builder);
            for start in [0, 1, UNIT, END / 2, END - 1, END] {
                ticker.advance_to(ns(start));
                let key = start as u32 % 1000;
                let options = if kind == 4 { ttl(long).tti(long) } else { InsertOptions::new() };
                cache.insert_with(key, 1, options);
                assert_eq!(cache.get(&key), Some(1), "{long:?} from {start}");
                assert_eq!(remaining(&cache, key), None);
                assert!(cache.set_lifetime(&key, Lifetime::After(long)));
                assert!(cache.touch(&key));
            }
            ticker.advance(Duration::MAX);
            cache.maintain(usize::MAX);
            assert_eq!(cache.stats().expired, 0, "{long:?} ended");
        }
    }
}

#[test]
fn g07_zero_expires_at_once_and_nothing_breaks() {
    let zeros: [Builder<u32, u32>; 3] =
        [small().time_to_live(Duration::ZERO), small().time_to_idle(Duration::ZERO), small()];
    for (kind, builder) in zeros.into_iter().enumerate() {
        let (cache, ticker) = timed(builder);
        let options = if kind == 2 { ttl(Duration::ZERO) } else { InsertOptions::new() };
        for round in 0..300 {
            assert_eq!(cache.insert_with(round % 50, 1, options), Inserted::Added);
            assert_eq!(cache.get(&(round % 50)), None);
            ticker.advance(ns(u64::from(round)));
        }
        cache.maintain(usize::MAX);
        assert_eq!((cache.len(), cache.weight(), cache.stats().expired), (0, 0, 300));
        assert_eq!(cache.get_or_insert(7, 5), 5, "its own caller gets it");
        cache.insert_with(7, 6, InsertOptions::new().forever());
        assert_eq!(cache.get(&7), Some(6));
    }
}

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

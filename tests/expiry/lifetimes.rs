//! G07: does each event give the deadline that the table says?

use super::*;

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
                    cache.insert_with(7, 70, option.clone().unwrap_or_default());
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
        cache.insert_with(7, 70, options.clone());
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
    for first in &lives {
        for (second, end) in lives.iter().zip(ends) {
            let (cache, ticker) = timed(small());
            cache.insert_with(7, 0, first.clone());
            cache.insert_with(7, 1, second.clone());
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

/// Thinks for three seconds.
struct Slow(ManualTicker);

impl Expiry<u32, u32> for Slow {
    fn after_read(&self, _: &u32, _: &u32, _: Option<Duration>) -> Lifetime {
        self.0.advance(S * 3);
        Lifetime::Never
    }
}

#[test]
fn g06_an_entry_that_expires_while_the_rule_thinks_stays_dead() {
    for (time, lives) in [(3, false), (4, true)] {
        for (name, read) in READS {
            let ticker = ManualTicker::new();
            let cache = checked(small().expiry(Slow(ticker.clone())).ticker(ticker));
            cache.insert_with(7, 70, ttl(S * time));
            read(&cache);
            assert_eq!(cache.contains(&7), lives, "{name}, {time} s");
        }
    }
}

#[test]
fn g07_an_update_that_keeps_the_lifetime_asks_no_rule_for_one() {
    let told = Told::default();
    told.answer(after(10), after(20), Lifetime::Default);
    let (cache, ticker) = timed(small().expiry(told.clone()));
    let keep = || InsertOptions::new().keep_lifetime();
    assert!(cache.insert_with(7, 1, keep()).is_stored());
    ticker.advance(S * 4);
    assert!(cache.insert_with(7, 2, keep()).is_stored());
    assert_eq!((told.take(), remaining(&cache, 7)), (vec![("create", None)], Some(S * 6)));
    ticker.advance(S * 6);
    assert!(cache.insert_with(7, 3, keep()).is_stored());
    assert_eq!((told.take(), remaining(&cache, 7)), (vec![("create", None)], Some(S * 10)));
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
fn g25_g29_a_read_whose_rule_panics_is_counted() {
    struct Fails;
    impl Expiry<u32, u32> for Fails {
        fn after_read(&self, _: &u32, _: &u32, _: Option<Duration>) -> Lifetime {
            panic!("rule")
        }
    }
    let (cache, _) = timed(small().expiry(Fails));
    cache.insert(7, 70);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| cache.get(&7))).is_err());
    assert_eq!((cache.stats().hits, cache.stats().misses, cache.peek(&7)), (1, 0, Some(70)));
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
            assert_eq!(cache.insert_with(round % 50, 1, options.clone()), Inserted::Added);
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
fn g07_an_update_that_keeps_the_lifetime_leaves_the_hard_deadline_and_restarts_the_idle_time() {
    let (cache, ticker) = timed(small().time_to_live(9 * S));
    let keeps = ttl(10 * S).tti(6 * S).keep_lifetime();
    assert_eq!(cache.insert_with(7, 0, keeps.clone()), Inserted::Added);
    let about = || cache.metadata(&7).map(|about| (about.ttl, about.idle, about.remaining));
    assert_eq!(about(), Some((Some(10 * S), Some(6 * S), Some(6 * S))), "nothing was there");
    ticker.advance(5 * S);
    assert_eq!(cache.insert_with(7, 1, ttl(S).keep_lifetime()), Inserted::Replaced);
    assert_eq!(about(), Some((Some(5 * S), Some(6 * S), Some(5 * S))));
    cache.set_lifetime(&7, Lifetime::After(3 * S));
    let told = cache.compute(7, |_| Compute::PutWith(2, InsertOptions::new().keep_lifetime()));
    assert_eq!((told, about()), (Computed::Replaced, Some((Some(3 * S), Some(6 * S), Some(3 * S)))));
    cache.set_lifetime(&7, Lifetime::Never);
    cache.insert_with(7, 3, ttl(S).keep_lifetime());
    assert_eq!(about(), Some((None, Some(6 * S), Some(6 * S))));
    ticker.advance(6 * S);
    assert_eq!(cache.insert_with(7, 4, keeps), Inserted::Added, "what is dead leaves nothing");
    assert_eq!(about(), Some((Some(10 * S), Some(6 * S), Some(6 * S))));
    cache.insert_with(8, 0, InsertOptions::new().forever());
    cache.insert_with(8, 1, ttl(S).keep_lifetime());
    assert_eq!(remaining(&cache, 8), None, "it had none");
}

#[test]
#[allow(unsafe_code)]
fn g07_an_update_by_the_exclusive_door_keeps_the_lifetime_of_what_is_live() {
    let (cache, ticker) = timed(small());
    // SAFETY: one thread, no guards.
    let mut alone = unsafe { Exclusive::new(&cache) };
    let keeps = || ttl(10 * S).keep_lifetime();
    assert_eq!(alone.insert_with(7, 0, keeps()), Inserted::Added);
    assert_eq!(remaining(&cache, 7), Some(10 * S), "nothing was there");
    ticker.advance(4 * S);
    assert_eq!(alone.insert_with(7, 1, keeps()), Inserted::Replaced);
    assert_eq!(remaining(&cache, 7), Some(6 * S));
    ticker.advance(6 * S);
    assert_eq!(alone.insert_with(7, 2, keeps()), Inserted::Added);
    assert_eq!(remaining(&cache, 7), Some(10 * S), "what is dead leaves nothing");
}

#[test]
fn g06_g07_what_expires_while_it_is_written_over_ends_with_the_lifetime_it_had() {
    let (cache, ticker) = timed(small());
    cache.insert_with(7, 0, ttl(S));
    ticker.advance(S - ns(1));
    let told = cache.compute(7, |there| {
        ticker.advance(ns(1));
        Compute::PutWith(there.map_or(9, |old| old + 1), ttl(S).keep_lifetime())
    });
    // It was live when it was asked for; or, if the write has noticed that it is over, it was made anew.
    let expected = match told {
        Computed::Replaced => None,
        _ => Some(9),
    };
    assert_eq!(cache.get(&7), expected, "{told:?}");
    ticker.advance(S);
    assert_eq!(cache.get(&7), None);
}

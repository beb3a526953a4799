//! G06: is what has expired never seen, and what has not always?

use super::*;

#[test]
fn g06_nothing_sees_an_entry_from_the_nanosecond_it_expires() {
    for deadline in deadlines() {
        for options in [ttl(ns(deadline)), tti(ns(deadline)), ttl(ns(deadline)).tti(Duration::MAX)] {
            for (name, sees) in LOOKS.iter().chain(&DEEDS) {
                let (cache, ticker) = timed(small());
                cache.insert_with(7, 70, options.clone());
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
                cache.insert_with(7, 70, options.clone());
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

/// Takes a second to be cloned, by the ticker that it has.
struct Late(Option<ManualTicker>);

impl Clone for Late {
    fn clone(&self) -> Self {
        self.0.iter().for_each(|ticker| ticker.advance(S));
        Late(self.0.clone())
    }
}

#[test]
fn g06_entries_of_one_hash_are_looked_at_again_before_each_is_given_out() {
    // Few enough for the words of a thread, and more than those.
    for entries in [3, 20] {
        let ticker = ManualTicker::new();
        let builder = Cache::builder().capacity(100).hasher(Constant(7)).ticker(ticker.clone());
        let cache: Checked<u32, Late, Constant> = checked(builder);
        let fill = |slow: bool| {
            for n in 0..entries {
                let late = Late(slow.then(|| ticker.clone()));
                assert!(cache.insert_with(n, late, ttl(S)).is_stored());
            }
        };
        fill(false);
        let mut iteration = cache.iter();
        assert!(iteration.next().is_some());
        ticker.advance(S);
        assert_eq!(iteration.count(), 0, "of {entries}");
        fill(false);
        let mut iteration = cache.iter();
        assert!(iteration.next().is_some());
        cache.invalidate_all();
        assert_eq!(iteration.count(), 0, "of {entries}");
        fill(true);
        assert_eq!(cache.page(Cursor::START, 100).entries.len(), 1, "of {entries}");
    }
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

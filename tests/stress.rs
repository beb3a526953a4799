//! Real threads against the guarantees.
//!
//! Short by default (about ten seconds in all, in a debug build too); `STRESS_SECONDS=60` gives each test a
//! minute. Every test ends with `validate`. What is random is seeded by the number of its thread. Whether what threads see has a
//! legal order is asked by `tests/history`.

use parking_lot::Mutex;
use pinyon::{Cache, Cause, Compute, InsertOptions, LoadOptions, Loaded, ManualTicker, Policy};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

/// How long each test goes on.
fn time_of_a_test() -> Duration {
    let seconds = std::env::var("STRESS_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or(0.7))
}

/// A small generator (splitmix64), one for each thread.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// A value that says what it is: key, version, and a sum over both, on the heap, so that a sanitizer sees
/// whoever reads it too late. Counts how many there are.
#[derive(Debug)]
struct Told {
    words: Box<[u64; 3]>,
    alive: Arc<AtomicUsize>,
}

impl Told {
    fn new(key: u64, version: u64, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, SeqCst);
        Told { words: Box::new([key, version, mix(key ^ mix(version))]), alive: alive.clone() }
    }

    /// The version, if the value is whole and the key's own.
    fn version(&self, key: u64) -> u64 {
        let [stored, version, sum] = *self.words;
        assert_eq!((stored, sum), (key, mix(key ^ mix(version))), "a foreign or torn value under {key}");
        version
    }
}

impl Clone for Told {
    fn clone(&self) -> Self {
        Told::new(self.words[0], self.version(self.words[0]), &self.alive)
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let [key, version, sum] = *self.words;
        assert_eq!(sum, mix(key ^ mix(version)), "dropped twice");
        self.words[2] = !sum;
        self.alive.fetch_sub(1, SeqCst);
    }
}

type Values = Cache<u64, Told>;

/// What one thread does, again and again.
type Job<'a> = Box<dyn FnMut(&mut Random) + Send + 'a>;

/// Runs the jobs on threads of their own until the time is over.
fn run(jobs: Vec<Job<'_>>) {
    let stop = AtomicBool::new(false);
    let failed = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for (number, mut job) in jobs.into_iter().enumerate() {
            let (stop, failed) = (&stop, &failed);
            threads.push(scope.spawn(move || {
                let mut random = Random(number as u64);
                let _raised = Raised(failed);
                while !stop.load(SeqCst) {
                    job(&mut random);
                }
                std::mem::forget(_raised);
            }));
        }
        let end = Instant::now() + time_of_a_test();
        while Instant::now() < end && !failed.load(SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, SeqCst);
        // By hand: the thread sanitizer knows a join, but not the end of a scope.
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    });
}

/// Says that a job panicked, so that the others end as well.
struct Raised<'a>(&'a AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// At the end: nothing is broken, nothing waits, and when the cache goes every value goes with it.
fn finish(cache: Values, alive: &Arc<AtomicUsize>) {
    // The reclaimer is the process's, so the pins of tests beside this one hold garbage back as well.
    let patience = Instant::now() + Duration::from_secs(60);
    while !cache.maintain(1000).done || cache.stats().retired > 0 {
        assert!(Instant::now() < patience, "{} entries are never freed", cache.stats().retired);
        thread::yield_now();
    }
    cache.validate();
    assert_eq!(cache.len(), alive.load(SeqCst), "values alive beside those in the cache");
    drop(cache);
    assert_eq!(alive.load(SeqCst), 0, "a value was lost");
}

fn job<'a>(work: impl FnMut(&mut Random) + Send + 'a) -> Job<'a> {
    Box::new(work)
}

/// Reads a key in one of the ways there are.
fn read(cache: &Values, key: u64, way: u64) -> Option<u64> {
    match way % 5 {
        0 => cache.get(&key).map(|value| value.version(key)),
        1 => cache.get_ref(&key).map(|value| value.version(key)),
        2 => cache.with(&key, |value| value.version(key)),
        3 => cache.peek(&key).map(|value| value.version(key)),
        _ => cache.pin().get(&key).map(|value| value.version(key)),
    }
}

/// One writer a key, versions rise; a reader never sees one go back.
#[test]
fn g10_versions_never_go_back() {
    const KEYS: u64 = 8;
    let alive = Arc::default();
    let cache: Values = Cache::builder().capacity(64).shards(2).build().unwrap();
    (0..KEYS).for_each(|key| drop(cache.insert(key, Told::new(key, 0, &alive))));
    let mut jobs = Vec::new();
    for writer in 0..2 {
        let (cache, alive, mut version) = (&cache, &alive, 0);
        jobs.push(job(move |random| {
            version += 1;
            let key = random.below(KEYS / 2) * 2 + writer;
            assert!(cache.insert(key, Told::new(key, version, alive)).is_stored());
        }));
    }
    for _ in 0..3 {
        let (cache, mut seen) = (&cache, [0; KEYS as usize]);
        jobs.push(job(move |random| {
            let key = random.below(KEYS);
            let version = read(cache, key, random.next()).expect("there from the beginning to the end");
            let before = std::mem::replace(&mut seen[key as usize], version);
            assert!(version >= before, "key {key}: {version} after {before}");
        }));
    }
    run(jobs);
    finish(cache, &alive);
}

/// Writers move a source and then remove what was loaded of it, others load. Who asks after a removal gets nothing older than
/// what the source said before it. (Between a source's move and the removal both versions are right, and a caller may see
/// the new one from a load that was overtaken, which is not stored, and then the old one from the cache.)
#[test]
fn g18_g20_nothing_is_loaded_that_is_older_than_the_last_removal() {
    const KEYS: u64 = 6;
    let alive = Arc::default();
    let cache: Values = Cache::builder().capacity(4).shards(1).build().unwrap();
    let sources: [AtomicU64; KEYS as usize] = Default::default();
    let removed: [AtomicU64; KEYS as usize] = Default::default();
    let (values, sources, removed, alive) = (&cache, &sources, &removed, &alive);
    let ask = move |key: u64, fails: bool| {
        let floor = removed[key as usize].load(SeqCst);
        let load = || {
            let said = sources[key as usize].load(SeqCst);
            if fails { Err(()) } else { Ok(Told::new(key, said, alive)) }
        };
        let got = values.try_get_or_load(&key, load).map(|value| value.version(key));
        got.inspect(|got| {
            assert!(*got >= floor, "key {key}: {got} is older than {floor}, which a removal followed");
        })
    };
    let mut jobs = Vec::new();
    for _ in 0..2 {
        jobs.push(job(move |random| {
            let key = random.below(KEYS);
            let version = sources[key as usize].fetch_add(1, SeqCst) + 1;
            values.invalidate(&key);
            removed[key as usize].fetch_max(version, SeqCst);
            ask(key, false).expect("one who does not fail loads in the end");
        }));
    }
    for _ in 0..3 {
        jobs.push(job(move |random| {
            let _ = ask(random.below(KEYS), random.below(8) == 0);
        }));
    }
    run(jobs);
    assert!(cache.stats().loads > 0);
    finish(cache, alive);
}

/// Tags of the tests below: a key has the one of its parity.
const TAGS: [&str; 2] = ["even", "odd"];

fn tag(key: u64) -> &'static str {
    TAGS[key as usize % 2]
}

/// Invalidates everything or a tag. What the keys `had` before is what nobody may see who begins after it: their floors.
fn invalidate(cache: &Values, random: &mut Random, had: &[AtomicU64], floors: &[AtomicU64]) {
    let before: Vec<u64> = had.iter().map(|version| version.load(SeqCst)).collect();
    let parity = random.below(3);
    match parity {
        2 => cache.invalidate_all(),
        parity => cache.invalidate_tag(tag(parity)),
    }
    for (key, before) in (0..).zip(before).filter(|(key, _)| parity == 2 || key % 2 == parity) {
        floors[key as usize].fetch_max(before, SeqCst);
    }
}

/// One writer a key, versions rise. Whoever reads sees nothing that had been written when an invalidation began that has ended since.
#[test]
fn g10_nothing_is_read_that_was_written_before_the_last_invalidation() {
    const KEYS: u64 = 40;
    let alive = Arc::default();
    let cache: Values = Cache::builder().capacity(32).shards(2).build().unwrap();
    let written: [AtomicU64; KEYS as usize] = [const { AtomicU64::new(0) }; KEYS as usize];
    let floors: [AtomicU64; KEYS as usize] = [const { AtomicU64::new(0) }; KEYS as usize];
    let (values, written, floors, alive) = (&cache, &written, &floors, &alive);
    let mut jobs = Vec::new();
    for writer in 0..2 {
        let mut version = 0;
        jobs.push(job(move |random| {
            version += 1;
            let key = random.below(KEYS / 2) * 2 + writer;
            let (value, tagged) =
                (Told::new(key, version, alive), InsertOptions::new().tags([tag(key), "other"]));
            if random.below(3) > 0 {
                assert!(values.insert_with(key, value, tagged).is_stored());
            } else {
                values.compute(key, |there| {
                    there.inspect(|there| assert!(there.version(key) < version));
                    Compute::PutWith(value.clone(), tagged.clone())
                });
            }
            written[key as usize].store(version, SeqCst);
        }));
    }
    jobs.push(job(move |random| {
        invalidate(values, random, written, floors);
        if random.below(4) == 0 {
            values.maintain(random.below(20) as usize);
        }
    }));
    for _ in 0..2 {
        jobs.push(job(move |random| {
            let key = random.below(KEYS);
            let floor = floors[key as usize].load(SeqCst);
            let seen = read(values, key, random.next());
            assert!(
                seen.is_none_or(|seen| seen > floor),
                "key {key}: {seen:?}, though {floor} was invalidated"
            );
        }));
    }
    run(jobs);
    let stats = cache.stats();
    assert!(stats.invalidated > 0 && stats.hits > 0, "{stats:?}");
    finish(cache, alive);
}

/// A source moves and what was loaded of it is invalidated, all of it or by tag, while others load. Who asks after that gets nothing
/// older than what the source said before it.
#[test]
fn g18_g20_nothing_is_loaded_that_is_older_than_the_last_invalidation() {
    const KEYS: u64 = 6;
    let alive = Arc::default();
    let cache: Values = Cache::builder().capacity(4).shards(1).build().unwrap();
    let sources: [AtomicU64; KEYS as usize] = Default::default();
    let floors: [AtomicU64; KEYS as usize] = Default::default();
    let (values, sources, floors, alive) = (&cache, &sources, &floors, &alive);
    let ask = move |key: u64, fails: bool| {
        let floor = floors[key as usize].load(SeqCst);
        let load = |_: &u64| {
            let said = sources[key as usize].load(SeqCst);
            if fails { Err(()) } else { Ok(Loaded::new(Told::new(key, said, alive)).tags([tag(key)])) }
        };
        let got = values.load(&key, LoadOptions::new(), load).map(|value| value.version(key));
        got.inspect(|got| {
            assert!(*got >= floor, "key {key}: {got} is older than {floor}, which was invalidated")
        })
    };
    let mut jobs = Vec::new();
    for _ in 0..2 {
        jobs.push(job(move |random| {
            let key = random.below(KEYS);
            sources[key as usize].fetch_add(1, SeqCst);
            invalidate(values, random, sources, floors);
            ask(key, false).expect("one who does not fail loads in the end");
        }));
    }
    for _ in 0..3 {
        jobs.push(job(move |random| {
            let _ = ask(random.below(KEYS), random.below(8) == 0);
        }));
    }
    run(jobs);
    assert!(cache.stats().loads > 0);
    finish(cache, alive);
}

/// Keys that stay are found while the table grows from nothing, again and again, and others come and go.
#[test]
fn g15_growth_hides_nothing() {
    const STAY: u64 = 500;
    let alive = Arc::default();
    let cache: Values = Cache::builder().capacity(1 << 40).shards(1).build().unwrap();
    (0..STAY).for_each(|key| drop(cache.insert(key, Told::new(key, 1, &alive))));
    let mut jobs = Vec::new();
    for writer in 1..3u64 {
        let (cache, alive, mut next) = (&cache, &alive, writer << 32);
        jobs.push(job(move |random| {
            let key = next;
            next += 1;
            assert!(cache.insert(key, Told::new(key, 1, alive)).is_stored());
            if next & 3 != 0 {
                let gone = (writer << 32) + random.below(next - (writer << 32));
                cache.invalidate(&gone);
            }
        }));
    }
    for _ in 0..3 {
        let cache = &cache;
        jobs.push(job(move |random| {
            let key = random.below(STAY);
            assert_eq!(read(cache, key, random.next()), Some(1), "key {key} was hidden");
        }));
    }
    run(jobs);
    finish(cache, &alive);
}

/// What stays for the whole of an iteration is met once, nothing twice.
#[test]
fn g17_iterations_meet_all_that_stays_once() {
    const STAY: u64 = 200;
    let alive = Arc::default();
    let cache: Values = Cache::builder().capacity(1 << 40).shards(2).build().unwrap();
    (0..STAY).for_each(|key| drop(cache.insert(key, Told::new(key, 0, &alive))));
    let mut jobs = Vec::new();
    for writer in 1..3u64 {
        let (cache, alive, mut version) = (&cache, &alive, 0);
        jobs.push(job(move |random| {
            version += 1;
            let own = random.below(STAY);
            drop(cache.insert(own, Told::new(own, version, alive)));
            let other = (writer << 32) + random.below(2000);
            match random.below(3) {
                0 => drop(cache.invalidate(&other).then_some(())),
                _ => drop(cache.insert(other, Told::new(other, version, alive))),
            }
        }));
    }
    for _ in 0..2 {
        let cache = &cache;
        jobs.push(job(move |_| {
            let mut seen = HashSet::new();
            for entry in cache {
                entry.version(*entry.key());
                assert!(seen.insert(*entry.key()), "{} twice", entry.key());
            }
            assert_eq!(seen.iter().filter(|&&key| key < STAY).count() as u64, STAY);
        }));
    }
    run(jobs);
    finish(cache, &alive);
}

/// Far more keys than places: readers, writers, the bound, all at once.
#[test]
fn g01_eviction_under_readers_keeps_the_bound() {
    for policy in [Policy::ClockTinyLfu, Policy::Clock] {
        let alive = Arc::default();
        let builder = Cache::builder().capacity_weight(1000).shards(4).policy(policy);
        let cache: Values = builder.weigher(|key: &u64, _: &Told| key % 7).build().unwrap();
        let mut jobs = Vec::new();
        for _ in 0..2 {
            let (cache, alive, mut version) = (&cache, &alive, 0);
            jobs.push(job(move |random| {
                version += 1;
                let key = random.below(3000);
                assert!(cache.insert(key, Told::new(key, version, alive)).is_stored());
                let heavy = InsertOptions::new().weight(700);
                if version % 64 == 0 {
                    assert!(cache.insert_with(key, Told::new(key, version, alive), heavy).is_stored());
                }
            }));
        }
        for _ in 0..2 {
            let cache = &cache;
            jobs.push(job(move |random| {
                let key = random.below(3000);
                read(cache, key, random.next());
                assert!(cache.weight() <= cache.capacity());
            }));
        }
        run(jobs);
        assert!(cache.stats().evicted > 0);
        finish(cache, &alive);
    }
}

/// Time moves on under the readers: nobody reads what had expired before he asked.
#[test]
fn g06_what_has_expired_is_not_returned() {
    const LIFE: u64 = 50;
    let alive = Arc::default();
    let ticker = ManualTicker::new();
    let cache: Values = Cache::builder()
        .capacity(1000)
        .shards(2)
        .time_to_live(Duration::from_nanos(LIFE << 20))
        .ticker(ticker.clone())
        .build()
        .unwrap();
    let now = || u64::try_from(pinyon::Ticker::now(&ticker).as_nanos()).unwrap();
    // When the write of each version had returned; 0 while it has not. Its deadline is not after that time and its life.
    let versions = AtomicU64::new(0);
    let written: Vec<_> = (0..1 << 16).map(|_| AtomicU64::new(0)).collect();
    let at = |version: u64| &written[version as usize % written.len()];
    let mut jobs = Vec::new();
    jobs.push(job(|random| {
        ticker.advance(Duration::from_nanos(random.below(1 << 14)));
        thread::yield_now();
    }));
    for _ in 0..2 {
        let (cache, alive) = (&cache, &alive);
        jobs.push(job(|random| {
            let (key, version) = (random.below(500), versions.fetch_add(1, SeqCst));
            at(version).store(0, SeqCst);
            drop(cache.insert(key, Told::new(key, version, alive)));
            at(version).store(now().max(1), SeqCst);
        }));
    }
    for _ in 0..2 {
        jobs.push(job(|random| {
            let (key, asked) = (random.below(500), now());
            if let Some(version) = read(&cache, key, random.next()) {
                let written = at(version).load(SeqCst);
                assert!(
                    written == 0 || asked < written + (LIFE << 20),
                    "{asked} is after {written} and a life"
                );
            }
        }));
    }
    run(jobs);
    ticker.advance(Duration::from_secs(10));
    assert!((0..500).all(|key| !cache.contains(&key)));
    while !cache.maintain(1000).done {}
    assert!(cache.is_empty());
    finish(cache, &alive);
}

/// Guards that are held across writes, clears and other capacities show what they showed at first.
#[test]
fn g14_guards_outlive_what_happens_to_their_entries() {
    const KEYS: u64 = 64;
    let alive = Arc::default();
    let cache: Values = Cache::builder().capacity(KEYS).shards(2).build().unwrap();
    let mut jobs = Vec::new();
    {
        let (cache, alive, mut version) = (&cache, &alive, 0);
        jobs.push(job(move |random| {
            version += 1;
            let key = random.below(KEYS);
            match random.below(100) {
                0 => cache.clear(),
                1 => cache.set_capacity(1 + random.below(KEYS)).unwrap(),
                2 => drop(cache.maintain(100)),
                3 => drop(cache.retain(|key, _| key % 2 == 0)),
                _ => drop(cache.insert(key, Told::new(key, version, alive))),
            }
        }));
    }
    for holder in 0..3u64 {
        let (cache, alive) = (&cache, &alive);
        jobs.push(job(move |random| {
            // Up to ten at once: more than there are hazard words.
            let guards: Vec<_> =
                (0..random.below(10)).filter_map(|_| cache.get_ref(&random.below(KEYS))).collect();
            let before: Vec<_> =
                guards.iter().map(|guard| (*guard.key(), guard.version(*guard.key()))).collect();
            let pinned = cache.pin();
            let held = pinned
                .get_key_value(&random.below(KEYS))
                .map(|(key, value)| (*key, value, value.version(*key)));
            let mut entries = cache.iter();
            let met = entries.next();
            for _ in 0..random.below(20) {
                let key = random.below(KEYS);
                drop(cache.insert(key, Told::new(key, holder, alive)));
            }
            for (guard, &(key, version)) in guards.iter().zip(&before) {
                assert_eq!((*guard.key(), guard.version(key)), (key, version));
            }
            if let Some((key, value, version)) = held {
                assert_eq!(value.version(key), version);
            }
            met.inspect(|met| _ = met.version(*met.key()));
            entries.for_each(|entry| _ = entry.version(*entry.key()));
        }));
    }
    run(jobs);
    cache.set_capacity(KEYS).unwrap();
    finish(cache, &alive);
}

/// Every value that left was told of once, and only those.
#[test]
fn g26_the_listener_hears_of_everything_once() {
    const KEYS: u64 = 200;
    let alive = Arc::default();
    let told: Arc<Mutex<HashMap<(u64, u64), Cause>>> = Arc::default();
    let ear = told.clone();
    let builder = Cache::builder().capacity(KEYS / 2).shards(2);
    let cache: Values = builder
        .listener(move |&key: &u64, value: &Told, cause| {
            let again = ear.lock().insert((key, value.version(key)), cause);
            assert_eq!(again, None, "told twice of {key}");
        })
        .build()
        .unwrap();
    let written = AtomicU64::new(0);
    let mut jobs = Vec::new();
    for _ in 0..3 {
        let (cache, alive, written) = (&cache, &alive, &written);
        jobs.push(job(move |random| {
            let key = random.below(KEYS);
            match random.below(200) {
                0 => cache.clear(),
                1..=40 => drop(cache.invalidate(&key).then_some(())),
                _ => {
                    let version = written.fetch_add(1, SeqCst);
                    drop(cache.insert(key, Told::new(key, version, alive)));
                }
            }
        }));
    }
    run(jobs);
    cache.clear();
    let stats = cache.stats();
    let told = told.lock();
    assert_eq!(told.len() as u64, written.load(SeqCst), "each value that was written left once");
    let with = |cause| told.values().filter(|&&told| told == cause).count() as u64;
    assert_eq!(with(Cause::Evicted), stats.evicted);
    assert_eq!(with(Cause::Replaced), stats.replaced);
    assert_eq!(with(Cause::Removed), stats.removed);
    assert_eq!(with(Cause::Cleared), stats.cleared);
    drop(told);
    finish(cache, &alive);
}

/// One thread per key tells one story: what left it is told in the order in which it was written.
#[test]
fn g26_the_listener_hears_in_order_per_key() {
    const KEYS: u64 = 4;
    let told: Arc<Mutex<HashMap<u64, u64>>> = Arc::default();
    let ear = told.clone();
    let alive = Arc::default();
    let builder = Cache::builder().capacity(KEYS * 2).shards(1);
    let cache: Values = builder
        .listener(move |&key: &u64, value: &Told, _| {
            let version = value.version(key);
            let before = ear.lock().insert(key, version);
            assert!(before.is_none_or(|before| before < version), "{version} after {before:?}");
        })
        .build()
        .unwrap();
    let clocks: Vec<_> = (0..KEYS).map(|_| AtomicU64::new(1)).collect();
    let mut jobs = Vec::new();
    for _ in 0..3 {
        let (cache, clocks, alive) = (&cache, &clocks, &alive);
        jobs.push(job(move |random| {
            let key = random.below(KEYS);
            // The version is drawn inside, and the draw that is carried out is the last: so versions rise.
            cache.compute(key, |there| {
                let above = there.map_or(0, |value| value.version(key));
                let version = clocks[key as usize].fetch_add(1, SeqCst);
                if version > above { Compute::Put(Told::new(key, version, alive)) } else { Compute::Keep }
            });
        }));
    }
    run(jobs);
    finish(cache, &alive);
}

/// Threads that live for a few calls only, and leave guards behind until their very end.
#[test]
fn g28_threads_come_and_go() {
    thread_local! {
        static LAST: std::cell::RefCell<Vec<Late>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    /// Uses the cache when its thread is almost gone.
    struct Late(Arc<Values>, u64);
    impl Drop for Late {
        fn drop(&mut self) {
            self.0.get(&self.1).inspect(|value| _ = value.version(self.1));
            self.0.invalidate(&self.1);
        }
    }
    let alive = Arc::default();
    let cache: Arc<Values> = Arc::new(Cache::builder().capacity(100).shards(2).build().unwrap());
    let mut jobs = Vec::new();
    for _ in 0..3 {
        let (cache, alive) = (&cache, &alive);
        jobs.push(job(move |random| {
            let seed = random.next();
            let (cache, alive): (Arc<Values>, Arc<AtomicUsize>) = (cache.clone(), Arc::clone(alive));
            let work = move || {
                let key = seed % 200;
                if seed & 1 << 40 != 0 {
                    LAST.with(|last| last.borrow_mut().push(Late(cache.clone(), key)));
                }
                drop(cache.insert(key, Told::new(key, seed, &alive)));
                let guard = cache.get_ref(&key);
                read(&cache, (key + 1) % 200, seed);
                if seed & 1 << 41 != 0 {
                    LAST.with(|last| last.borrow_mut().push(Late(cache.clone(), key)));
                }
                guard.inspect(|guard| _ = guard.version(key));
            };
            thread::spawn(work).join().expect("no panic");
        }));
    }
    run(jobs);
    let cache = Arc::into_inner(cache).expect("the last handle");
    finish(cache, &alive);
}

/// Capacity down and up, clears and heavy writes, from several threads: all end, and the bound holds.
#[test]
fn g05_the_capacity_changes_under_writers() {
    let alive = Arc::default();
    let builder = Cache::builder().capacity_weight(100).shards(3);
    let cache: Values = builder.weigher(|key: &u64, _: &Told| 1 + key % 60).build().unwrap();
    let mut jobs = Vec::new();
    {
        let cache = &cache;
        jobs.push(job(move |random| {
            cache.set_capacity(1 + random.below(120)).unwrap();
            thread::yield_now();
        }));
    }
    for _ in 0..3 {
        let (cache, alive, mut version) = (&cache, &alive, 0);
        jobs.push(job(move |random| {
            version += 1;
            let key = random.below(240);
            drop(cache.insert(key, Told::new(key, version, alive)));
            if version % 512 == 0 {
                cache.clear();
            }
        }));
    }
    run(jobs);
    assert!(cache.weight() <= cache.capacity());
    finish(cache, &alive);
}

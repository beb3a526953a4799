//! Real threads against the guarantees.
//!
//! Short by default (about ten seconds in all, in a debug build too); `STRESS_SECONDS=60` gives each test a
//! minute. Every test ends with `validate`. What is random is seeded, and the seed is printed.

use parking_lot::Mutex;
use pinyon::{Cache, Cause, Compute, InsertOptions, ManualTicker, Policy};
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

mod history {
    //! A linearizability check: is there an order of the operations on one key, in agreement with their times,
    //! in which each gives what it gave? (Wing and Gong 1993; the memory of what was tried: Lowe 2017.)

    use std::collections::HashSet;

    /// What was done to one key, and what came of it. `None` is absence.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Op {
        Get(Option<u64>),
        Insert(u64, bool),
        Remove(Option<u64>),
        /// Adds one to the value, or writes 0; what it wrote.
        Increment(u64),
        /// Writes the second if the value is the first; whether it did.
        ReplaceIf(u64, u64, bool),
    }

    impl Op {
        /// The state after it, if it may happen in `state`.
        fn apply(self, state: Option<u64>) -> Option<Option<u64>> {
            match self {
                Op::Get(seen) => (seen == state).then_some(state),
                Op::Insert(value, replaced) => (replaced == state.is_some()).then_some(Some(value)),
                Op::Remove(seen) => (seen == state).then_some(None),
                Op::Increment(made) => {
                    (made == state.map_or(0, |value| value.wrapping_add(1))).then_some(Some(made))
                }
                Op::ReplaceIf(from, to, done) => match (state == Some(from), done) {
                    (true, true) => Some(Some(to)),
                    (false, false) => Some(state),
                    _ => None,
                },
            }
        }
    }

    #[derive(Clone, Copy, Debug)]
    pub struct Event {
        pub begin: u64,
        pub end: u64,
        pub op: Op,
    }

    /// Is there a legal order that begins with absence? Given are the operations of each thread, one after
    /// the other, so what has been placed is a number for each thread. `Err` tells how far it went.
    pub fn check(threads: &[Vec<Event>]) -> Result<(), String> {
        let mut tried: HashSet<(Vec<u32>, Option<u64>)> = HashSet::new();
        let mut stack = vec![(vec![0u32; threads.len()], None)];
        let mut furthest = vec![0; threads.len()];
        while let Some((placed, state)) = stack.pop() {
            if !tried.insert((placed.clone(), state)) {
                continue;
            }
            let next = |thread: usize| threads[thread].get(placed[thread] as usize);
            let waiting = || (0..threads.len()).filter_map(|thread| Some((thread, *next(thread)?)));
            // Whoever began after the first end among those that wait comes after that one.
            let Some(first_end) = waiting().map(|(_, event)| event.end).min() else { return Ok(()) };
            if placed.iter().sum::<u32>() > furthest.iter().sum() {
                furthest.clone_from(&placed);
            }
            for (thread, event) in waiting().filter(|(_, event)| event.begin <= first_end) {
                if let Some(after) = event.op.apply(state) {
                    let mut placed = placed.clone();
                    placed[thread] += 1;
                    stack.push((placed, after));
                }
            }
        }
        let near = threads.iter().zip(furthest).map(|(events, at)| {
            let at = at as usize;
            events[at.saturating_sub(2)..(at + 2).min(events.len())].to_vec()
        });
        Err(format!("no order explains what each thread did here: {:#?}", near.collect::<Vec<_>>()))
    }

    /// A value that was written over is not read any more by one who asks later: for a key whose values rise.
    pub fn check_rising(threads: &[Vec<Event>]) -> Result<(), String> {
        let mut events = threads.concat();
        events.sort_by_key(|event| event.end);
        let mut newest: Vec<(u64, u64)> = Vec::new();
        for event in &events {
            let seen = match event.op {
                Op::Get(Some(value)) | Op::Insert(value, _) | Op::Increment(value) => value,
                _ => continue,
            };
            let before = newest.partition_point(|&(end, _)| end < event.begin);
            if let Some(&(_, known)) = before.checked_sub(1).and_then(|at| newest.get(at))
                && known > seen
            {
                return Err(format!("{event:?} although {known} had been seen"));
            }
            let highest = newest.last().map_or(0, |&(_, highest)| highest);
            newest.push((event.end, highest.max(seen)));
        }
        Ok(())
    }

    fn event(begin: u64, end: u64, op: Op) -> Event {
        Event { begin, end, op }
    }

    #[test]
    fn g10_the_checker_accepts_what_has_an_order() {
        let overlapping = [
            event(0, 9, Op::Insert(1, false)),
            event(1, 2, Op::Get(None)),
            event(3, 4, Op::Get(Some(1))),
            event(5, 20, Op::ReplaceIf(1, 2, true)),
            event(6, 7, Op::Get(Some(2))),
            event(8, 22, Op::Remove(Some(3))),
            event(10, 12, Op::Increment(3)),
            event(23, 24, Op::Increment(0)),
        ];
        assert_eq!(check(&overlapping.map(|event| vec![event])), Ok(()));
        assert_eq!(check(&[]), Ok(()));
    }

    #[test]
    fn g10_the_checker_refuses_what_has_none() {
        let insert = event(0, 1, Op::Insert(1, false));
        let bad = [
            // A miss of what is there.
            vec![insert, event(2, 3, Op::Get(None))],
            // An old value after the new one was seen.
            vec![
                insert,
                event(2, 9, Op::Insert(2, true)),
                event(3, 4, Op::Get(Some(2))),
                event(5, 6, Op::Get(Some(1))),
            ],
            // A value that nobody wrote.
            vec![insert, event(2, 3, Op::Get(Some(7)))],
            // Two increments that made one.
            vec![insert, event(2, 5, Op::Increment(2)), event(3, 6, Op::Increment(2))],
            // Two removals of one value.
            vec![insert, event(2, 5, Op::Remove(Some(1))), event(3, 6, Op::Remove(Some(1)))],
            // A replacement that says it did not happen although it must.
            vec![insert, event(2, 3, Op::ReplaceIf(1, 2, false))],
            // An overwrite as removal and insertion: a false miss between.
            vec![
                insert,
                event(2, 9, Op::Insert(2, true)),
                event(3, 4, Op::Get(None)),
                event(10, 11, Op::Get(Some(2))),
            ],
        ];
        for history in bad {
            let threads: Vec<_> = history.iter().map(|&event| vec![event]).collect();
            assert!(check(&threads).is_err(), "{history:?}");
        }
    }

    #[test]
    fn g10_the_checker_of_rising_values_refuses_a_return() {
        let history = |last| {
            [vec![
                event(0, 1, Op::Insert(1, false)),
                event(2, 3, Op::Insert(5, true)),
                event(4, 6, Op::Get(Some(last))),
            ]]
        };
        assert_eq!(check_rising(&history(5)), Ok(()));
        assert!(check_rising(&history(1)).is_err());
    }
}

use history::{Event, Op, check, check_rising};

/// Records what `threads` do to `keys`: for each key, the events of each thread.
fn record(
    cache: &Cache<u64, u64>,
    (threads, rounds, keys): (u64, usize, u64),
    seed: u64,
    act: impl Fn(&Cache<u64, u64>, u64, &mut Random, u64) -> Op + Sync,
) -> Vec<Vec<Vec<Event>>> {
    let clock = AtomicU64::new(0);
    let start = std::sync::Barrier::new(threads as usize);
    let all: Vec<Vec<(u64, Event)>> = thread::scope(|scope| {
        let worker = |thread: u64| {
            let (clock, start, act) = (&clock, &start, &act);
            scope.spawn(move || {
                let mut random = Random(mix(seed ^ thread));
                start.wait();
                let done = (0..rounds).map(|round| {
                    let key = random.below(keys);
                    // No two writes write the same, so a value says which write it came from.
                    let fresh = (thread + 1) << 40 | (round as u64) << 8;
                    let begin = clock.fetch_add(1, SeqCst);
                    let op = act(cache, key, &mut random, fresh);
                    (key, Event { begin, end: clock.fetch_add(1, SeqCst), op })
                });
                done.collect::<Vec<_>>()
            })
        };
        let workers: Vec<_> = (0..threads).map(worker).collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).collect()
    });
    let of = |events: &[(u64, Event)], key| {
        events.iter().filter(|(of, _)| *of == key).map(|&(_, event)| event).collect::<Vec<_>>()
    };
    (0..keys).map(|key| all.iter().map(|events| of(events, key)).collect()).collect()
}

fn roomy(shards: usize) -> Cache<u64, u64> {
    // No eviction: there is more room than keys.
    Cache::builder().capacity(1000).shards(shards).build().unwrap()
}

fn seed() -> u64 {
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
    let seed = std::env::var("STRESS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(random);
    println!("STRESS_SEED={seed}");
    seed
}

/// Recorded histories of all operations have a legal order, key by key.
#[test]
fn g10_histories_are_linearizable() {
    let end = Instant::now() + time_of_a_test();
    let mut random = Random(seed());
    while Instant::now() < end {
        let cache = roomy(1 + random.below(2) as usize);
        let (threads, keys) = (2 + random.below(5), 1 + random.below(4));
        // Other keys make the table grow meanwhile.
        let histories = record(&cache, (threads, 400, keys), random.next(), |cache, key, random, fresh| {
            if random.below(8) == 0 {
                let _ = cache.insert(1000 + random.below(500), 0);
            }
            match random.below(10) {
                0..=3 => Op::Get(cache.get(&key)),
                4 | 5 => Op::Insert(fresh, cache.insert(key, fresh) == pinyon::Inserted::Replaced),
                6 => Op::Remove(cache.remove(&key)),
                7 | 8 => {
                    let mut made = 0;
                    cache.compute(key, |there| {
                        made = there.map_or(0, |value| value + 1);
                        Compute::Put(made)
                    });
                    Op::Increment(made)
                }
                _ => {
                    let from = cache.peek(&key).unwrap_or(1);
                    let done = cache.replace_if(key, fresh, |&now| now == from).is_stored();
                    Op::ReplaceIf(from, fresh, done)
                }
            }
        });
        for history in histories {
            check(&history).unwrap_or_else(|error| panic!("{error}"));
        }
        cache.validate();
    }
}

/// A value that was written over never comes back, with growth, insertion and removal of others around. (No
/// eviction: between two absences a late writer may write an older number, and rightly.)
#[test]
fn g10_an_overwritten_value_never_comes_back() {
    let end = Instant::now() + time_of_a_test();
    let mut random = Random(seed());
    while Instant::now() < end {
        let cache = roomy(2);
        let versions = AtomicU64::new(0);
        let histories = record(&cache, (4, 1000, 2), random.next(), |cache, key, random, _| {
            let other = 1000 + random.below(500);
            match random.below(4) {
                0 => drop(cache.insert(other, 0)),
                1 => drop(cache.remove(&other)),
                _ => {}
            }
            match random.below(4) {
                0 => {
                    // The number is drawn by the attempt that succeeds, so numbers rise in the order of the writes.
                    let mut made = 0;
                    cache.compute(key, |there| {
                        made = versions.fetch_add(1, SeqCst) + 1;
                        if there.is_none_or(|&old| old < made) { Compute::Put(made) } else { Compute::Keep }
                    });
                    Op::Get(cache.get(&key))
                }
                _ => Op::Get(cache.get(&key)),
            }
        });
        for history in histories {
            check_rising(&history).unwrap_or_else(|error| panic!("{error}"));
        }
        cache.validate();
    }
}

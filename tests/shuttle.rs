//! Scenes too large for the model checker, under random schedules: four threads and more, tables that grow,
//! evictions, sweeps, a listener, a capacity that changes.
//!
//!     RUSTFLAGS="--cfg shuttle" SHUTTLE_ITERS=10000 cargo test --profile explore --test shuttle
//!
//! Each scene is played `SHUTTLE_ITERS` times with threads chosen at random, and as often by priorities that
//! change at three places (PCT). A failure prints its schedule; to play that one again:
//!
//!     RUSTFLAGS="--cfg shuttle" SHUTTLE_REPLAY=... cargo test --profile explore --test shuttle NAME
//!
//! # What they catch
//!
//! Each line was tried by breaking the code so, at 2,000 schedules by either scheduler.
//!
//! | broken | seen by |
//! |---|---|
//! | an overwrite is a removal and an insertion | `g10_overwrites_*` |
//! | a slot is emptied before its copy is in the grown table; a search does not go on there | both `g10_*`, `g06_g08_*`, `g07_*` |
//! | what goes past a full bucket is not counted | both `g10_*`, the evictions, `g06_g08_*`, `g17_*` |
//! | an iteration does not look at the grown table | `g10_growth_*`, `g17_*` |
//! | things are freed whatever the horizon says, or hazard words are not asked | the evictions, and nearly all (some by a crash) |
//! | a reader's epoch, or a hazard word, is not cleared when it leaves | nearly all |
//! | an entry is retired before it is told; two threads tell of one key at once | `g26_*` (by a crash) |
//! | weight is tested, then taken | both evictions |
//! | the weight of an entry that left, or was written over, is not given back | nearly all |
//! | a writer without room keeps its part and does not queue | `g03_*`, `g01_g05_*` (they never end) |
//! | a confirmation takes what has changed for absent | `g16_*` |
//! | an eviction may take the entry that is to be written over | `g01_g05_*` (by a crash) |
//! | the wheel loses what it files anew | `g06_g08_*`, `g07_*` |
//! | within a second of its deadline, or later, an entry counts as live | `g06_g08_*` |
//! | a lifetime that is set takes back the uses since its call began | `g07_*` (it was so, and was found here) |
//! | the mailbox of sampled hits is written beyond its end | `g01_g14_*_by_tinylfu` |
//!
//! Not seen: a shrink that trusts the sum of weights (the model checker sees it).
//!
//! # What they cannot show
//!
//! Orderings are not looked at (every access is sequentially consistent here): that is tests/loom.rs. Freed
//! memory is not looked at either: each value is listed as alive until it is dropped, and whoever looks at one
//! asks the list, lets others run, and asks again.
#![cfg(shuttle)]

use pinyon::{
    Acquired, Builder, Cache, Cause, Compute, InsertOptions, LeaseOptions, Lifetime, ManualTicker, Policy,
    Ticker, Waited,
};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use shuttle::thread;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

/// Plays a scene by both schedulers, or by one schedule that failed.
fn play(scene: fn()) {
    if let Ok(schedule) = std::env::var("SHUTTLE_REPLAY") {
        return shuttle::replay(scene, &schedule);
    }
    let given = std::env::var("SHUTTLE_ITERS").ok();
    let times = given.map_or(1000, |times| times.parse().expect("SHUTTLE_ITERS is a number"));
    let mut config = shuttle::Config::new();
    config.silence_warnings = true;
    shuttle::Runner::new(RandomScheduler::new(times), config.clone()).run(scene);
    shuttle::Runner::new(PctScheduler::new(3, times), config).run(scene);
}

shuttle::lazy_static! {
    static ref NOTHING: AtomicUsize = AtomicUsize::new(0);
}

/// Here another thread may go on.
fn pause() {
    NOTHING.load(SeqCst);
}

/// All values of a scene: which are alive.
#[derive(Clone, Default)]
struct World(Arc<Mutex<Vec<bool>>>);

/// A value that says something, and knows whether it is alive and whole.
struct Value {
    number: usize,
    says: u64,
    sum: u64,
    world: World,
}

impl World {
    fn value(&self, says: u64) -> Value {
        let mut alive = self.0.lock().unwrap();
        alive.push(true);
        let number = alive.len() - 1;
        Value { number, says, sum: !says ^ number as u64, world: self.clone() }
    }

    fn alive(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|&&alive| alive).count()
    }
}

impl Value {
    fn look(&self) {
        assert_eq!(self.sum, !self.says ^ self.number as u64, "a torn value");
        assert!(self.world.0.lock().unwrap()[self.number], "a reader looks at a value that was dropped");
    }

    fn says(&self) -> u64 {
        self.look();
        pause();
        self.look();
        self.says
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        self.world.value(self.says())
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            pause();
            self.look();
            self.world.0.lock().unwrap()[self.number] = false;
        }
    }
}

/// Hashes a `u64` to itself.
#[derive(Clone, Copy, Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are u64");
    }
    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }
}

impl BuildHasher for Itself {
    type Hasher = Itself;
    fn build_hasher(&self) -> Itself {
        Itself(0)
    }
}

/// Each two keys have the lower half in common: in one shard they are told apart by equality alone, and of
/// two shards each gets one.
fn key(n: u64) -> u64 {
    (n % 2) << 63 | u64::from((n / 2) as u32).wrapping_mul(0x9E37_79B1) & 0xFFFF_FFFF
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap()
}

type Shared = Arc<Cache<u64, Value, Itself>>;

fn plan(capacity: u64, shards: usize) -> Builder<u64, Value, Itself> {
    Cache::builder().capacity(capacity).shards(shards).policy(Policy::Clock).hasher(Itself(0))
}

/// The threads of a scene.
struct Cast(Vec<thread::JoinHandle<()>>);

impl Cast {
    fn with(
        mut self,
        cache: &Shared,
        world: &World,
        part: impl FnOnce(&Shared, &World) + Send + 'static,
    ) -> Self {
        let (cache, world) = (cache.clone(), world.clone());
        self.0.push(thread::spawn(move || part(&cache, &world)));
        self
    }

    fn play(self) {
        self.0.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

fn cast() -> Cast {
    Cast(Vec::new())
}

/// Nothing is broken, nothing waits, and with the cache every value goes.
fn finish(cache: Shared, world: &World) {
    while !cache.maintain(100).done {}
    assert_eq!(cache.stats().retired, 0, "nobody reads, and something waits for readers");
    assert_eq!(world.alive(), cache.len(), "values alive beside those in the cache");
    cache.validate();
    drop(cache);
    assert_eq!(world.alive(), 0, "a value was lost");
}

/// What a key's value says, read in the way of that number.
fn read(cache: &Shared, n: u64, way: usize) -> Option<u64> {
    match way % 4 {
        0 => cache.get(&key(n)).map(|value| value.says()),
        1 => cache.get_ref(&key(n)).map(|value| value.says()),
        2 => cache.pin().get(&key(n)).map(Value::says),
        _ => cache.with(&key(n), Value::says),
    }
}

/// Two writers make the table grow several times, one takes out half of what it brought. What is there
/// throughout is found by every search and met once by every iteration.
#[test]
fn g10_growth_hides_nothing() {
    play(|| {
        const STAY: u64 = 4;
        let (world, cache) = (World::default(), Arc::new(plan(64, 1).build().unwrap()));
        (0..STAY).for_each(|n| drop(cache.insert(key(n), world.value(n))));
        let write = |base: u64| {
            move |cache: &Shared, world: &World| {
                for n in base..base + 6 {
                    drop(cache.insert(key(n), world.value(n)));
                    assert_eq!(read(cache, n, n as usize), Some(n), "just written");
                    if n % 2 == base % 2 && base > 10 {
                        assert!(cache.invalidate(&key(n)));
                        assert_eq!(read(cache, n, 0), None, "just removed");
                    }
                }
            }
        };
        let look = |cache: &Shared, _: &World| {
            for n in 0..2 * STAY {
                assert_eq!(read(cache, n % STAY, n as usize), Some(n % STAY));
            }
        };
        let walk = |cache: &Shared, _: &World| {
            let mut met = HashSet::new();
            for entry in cache.iter() {
                assert_eq!(*entry.key(), key(entry.says()), "a value under another's key");
                assert!(met.insert(*entry.key()), "met twice");
            }
            assert!((0..STAY).all(|n| met.contains(&key(n))), "not met");
        };
        let cast = cast().with(&cache, &world, write(10)).with(&cache, &world, write(21));
        cast.with(&cache, &world, look).with(&cache, &world, look).with(&cache, &world, walk).play();
        assert_eq!(cache.len() as u64, STAY + 6 + 3);
        finish(cache, &world);
    });
}

/// A key that is overwritten is never missed, and its values come in order; a table grows meanwhile.
#[test]
fn g10_overwrites_are_never_missed() {
    play(|| {
        let (world, cache) = (World::default(), Arc::new(plan(64, 1).build().unwrap()));
        (0..2).for_each(|n| drop(cache.insert(key(n), world.value(0))));
        let write = |n: u64| {
            move |cache: &Shared, world: &World| {
                for version in 1..=4 {
                    assert!(cache.insert(key(n), world.value(version)).is_stored());
                }
            }
        };
        let look = |way: usize| {
            move |cache: &Shared, _: &World| {
                let mut seen = [0; 2];
                for step in 0..6 {
                    let last = &mut seen[step % 2];
                    let now = read(cache, step as u64 % 2, step / 2 + way).expect("present throughout");
                    assert!(*last <= now, "{now} after {last}");
                    *last = now;
                }
            }
        };
        let grow = |cache: &Shared, world: &World| {
            (10..18).for_each(|n| drop(cache.insert(key(n), world.value(n))));
        };
        let cast = cast().with(&cache, &world, write(0)).with(&cache, &world, write(1));
        cast.with(&cache, &world, look(0)).with(&cache, &world, look(1)).with(&cache, &world, grow).play();
        assert_eq!((read(&cache, 0, 0), read(&cache, 1, 0)), (Some(4), Some(4)));
        finish(cache, &world);
    });
}

fn eviction(policy: Policy) {
    const CAPACITY: u64 = 4;
    let (world, cache) = (World::default(), Arc::new(plan(CAPACITY, 2).policy(policy).build().unwrap()));
    let write = |base: u64| {
        move |cache: &Shared, world: &World| {
            for n in base..base + 6 {
                assert!(cache.insert(key(n), world.value(n)).is_stored());
                assert!(cache.weight() <= CAPACITY);
            }
        }
    };
    let look = |cache: &Shared, _: &World| {
        // More guards than a thread has words for, and a pin around one read of each.
        let one = cache.get_ref(&key(1));
        for n in 0..4 {
            let pinned = cache.pin();
            let (seen, two) = (pinned.get(&key(n)), cache.get_ref(&key(n + 1)));
            assert!(cache.weight() <= CAPACITY);
            assert!(seen.is_none_or(|value| value.says() == n));
            assert!(two.is_none_or(|value| value.says() == n + 1));
        }
        assert!(one.is_none_or(|value| value.says() == 1));
    };
    let remove = |cache: &Shared, _: &World| {
        (0..4).for_each(|n| assert!(cache.remove(&key(n)).is_none_or(|value| value.says() == n)));
        cache.maintain(4);
    };
    let cast = cast().with(&cache, &world, write(0)).with(&cache, &world, write(3));
    cast.with(&cache, &world, look).with(&cache, &world, look).with(&cache, &world, remove).play();
    finish(cache, &world);
}

/// What is evicted or removed is not dropped under a reader: a guard, a pin, or a guard beyond the words.
#[test]
fn g01_g14_eviction_under_readers() {
    play(|| eviction(Policy::Clock));
}

/// The same; and sampled hits go through the mailbox to the shadows.
#[test]
fn g01_g14_eviction_under_readers_by_tinylfu() {
    play(|| eviction(Policy::ClockTinyLfu));
}

/// Nothing is found once its time is over, what has time left is found, and in the end nothing is left behind.
/// The thread that moves the time writes, so it knows every deadline.
#[test]
fn g06_g08_sweeps_under_readers() {
    play(|| {
        let ticker = Arc::new(ManualTicker::new());
        let (world, second) = (World::default(), Duration::from_secs(1));
        let cache = Arc::new(plan(32, 2).ticker(ticker.clone()).build().unwrap());
        (0..2).for_each(|n| drop(cache.insert(key(n), world.value(u64::MAX))));
        let clock = ticker.clone();
        let write = move |cache: &Shared, world: &World| {
            for n in 2..8 {
                let life = second * (1 + n as u32 % 3);
                let deadline = nanos(ticker.now() + life);
                drop(cache.insert_with(key(n), world.value(deadline), InsertOptions::new().ttl(life)));
                assert_eq!(read(cache, n, n as usize), Some(deadline), "early");
                if n % 2 == 0 {
                    ticker.advance(second);
                }
            }
        };
        let look = move |clock: Arc<ManualTicker>| {
            move |cache: &Shared, _: &World| {
                for n in 0..8 {
                    let before = nanos(clock.now());
                    let seen = read(cache, n, n as usize);
                    assert!(seen.is_none_or(|deadline| before < deadline), "found after its time");
                    assert!(n >= 2 || seen.is_some(), "missed, and it has no deadline");
                }
            }
        };
        let sweep = |cache: &Shared, _: &World| (0..4).for_each(|_| assert!(cache.maintain(2).steps <= 2));
        let end = |cache: &Shared, world: &World| {
            for n in 20..23 {
                drop(cache.insert(key(n), world.value(n)));
                assert!(cache.set_lifetime(&key(n), Lifetime::After(Duration::ZERO)));
                assert_eq!(read(cache, n, n as usize), None, "found after its time");
            }
        };
        let cast = cast().with(&cache, &world, write).with(&cache, &world, look(clock.clone()));
        let cast = cast.with(&cache, &world, look(clock.clone())).with(&cache, &world, sweep);
        cast.with(&cache, &world, end).play();
        clock.advance(second * 10);
        while !cache.maintain(100).done {}
        assert_eq!(cache.len(), 2, "expired and still there");
        finish(cache, &world);
    });
}

/// An entry that is read often enough does not die of idleness, whoever gives it another lifetime meanwhile.
#[test]
fn g07_a_use_is_not_forgotten() {
    play(|| {
        let ticker = Arc::new(ManualTicker::new());
        let (world, second) = (World::default(), Duration::from_secs(1));
        let builder = plan(8, 1).time_to_idle(second * 10).ticker(ticker.clone());
        let cache = Arc::new(builder.build().unwrap());
        drop(cache.insert(key(0), world.value(7)));
        let using = move |cache: &Shared, _: &World| {
            for way in 0..5 {
                assert_eq!(read(cache, 0, way), Some(7), "dead, and it was used");
                ticker.advance(second * 6);
            }
        };
        let give = |cache: &Shared, _: &World| {
            (0..2).for_each(|_| assert!(cache.set_lifetime(&key(0), Lifetime::Never)));
        };
        let others = |cache: &Shared, world: &World| {
            (1..4).for_each(|n| drop(cache.insert(key(n), world.value(n))));
            cache.maintain(10);
        };
        let cast = cast().with(&cache, &world, using).with(&cache, &world, give);
        cast.with(&cache, &world, give).with(&cache, &world, others).play();
        finish(cache, &world);
    });
}

/// What was there when `clear` began is gone when it ends, and iterations meanwhile meet nothing twice.
#[test]
fn g17_clear_and_iteration_under_writers() {
    play(|| {
        let (world, cache) = (World::default(), Arc::new(plan(64, 2).build().unwrap()));
        (0..4).for_each(|n| drop(cache.insert(key(n), world.value(n))));
        let write = |base: u64| {
            move |cache: &Shared, world: &World| {
                (base..base + 6).for_each(|n| drop(cache.insert(key(n), world.value(n))));
            }
        };
        let clear = |own: u64| {
            move |cache: &Shared, world: &World| {
                drop(cache.insert(key(own), world.value(own)));
                cache.clear();
                assert_eq!(read(cache, own, 0), None, "cleared");
            }
        };
        let walk = |cache: &Shared, _: &World| {
            let mut met = HashSet::new();
            for entry in cache.iter() {
                assert_eq!(*entry.key(), key(entry.says()), "a value under another's key");
                assert!(met.insert(*entry.key()), "met twice");
            }
            cache.retain(|_, value| value.says() % 2 == 0);
        };
        let cast = cast().with(&cache, &world, write(10)).with(&cache, &world, write(14));
        let cast = cast.with(&cache, &world, clear(30)).with(&cache, &world, clear(31));
        cast.with(&cache, &world, walk).play();
        cache.clear();
        assert_eq!((cache.len(), cache.weight(), world.alive()), (0, 0, 0));
        finish(cache, &world);
    });
}

/// The listener hears of everything that leaves once, of each key in order, and of no key twice at once; it looks
/// at values that are alive.
#[test]
fn g26_everything_is_told_once() {
    type Told = Arc<Mutex<Vec<(u64, u64)>>>;
    const VERSIONS: u64 = 5;
    play(|| {
        let told = Told::default();
        let telling = Arc::new(Mutex::new(HashSet::new()));
        let ear = told.clone();
        let hear = move |&key: &u64, value: &Value, cause: Cause| {
            assert!(telling.lock().unwrap().insert(key), "two calls for one key at once");
            assert!(cause != Cause::Refused && cause != Cause::Expired);
            let says = value.says();
            ear.lock().unwrap().push((key, says));
            telling.lock().unwrap().remove(&key);
        };
        let (world, cache) = (World::default(), Arc::new(plan(2, 2).listener(hear).build().unwrap()));
        let write = |n: u64| {
            move |cache: &Shared, world: &World| {
                for version in 0..VERSIONS {
                    assert!(cache.insert(key(n), world.value(version)).is_stored());
                }
            }
        };
        let remove = |cache: &Shared, _: &World| {
            (0..3).for_each(|n| assert!(cache.invalidate(&key(n)) || cache.len() <= 2));
            cache.clear();
        };
        let cast = cast().with(&cache, &world, write(0)).with(&cache, &world, write(1));
        cast.with(&cache, &world, write(2)).with(&cache, &world, remove).play();
        cache.clear();
        let mut heard: HashMap<u64, Vec<u64>> = HashMap::new();
        told.lock().unwrap().iter().for_each(|&(key, version)| heard.entry(key).or_default().push(version));
        for n in 0..3 {
            assert_eq!(heard[&key(n)], (0..VERSIONS).collect::<Vec<_>>(), "what was told of key {n}");
        }
        finish(cache, &world);
    });
}

/// A listener that writes is told of what it does, too: once, of each key in order, and not within itself; nothing is left untold.
#[test]
fn g26_what_a_listener_writes_is_told_once() {
    type Told = Arc<Mutex<Vec<(u64, u64)>>>;
    const VERSIONS: u64 = 4;
    play(|| {
        let (told, home, depths) = (Told::default(), Arc::new(OnceLock::new()), Mutex::new(HashMap::new()));
        let (world, ear, inside) = (World::default(), told.clone(), home.clone());
        let own = world.clone();
        let hear = move |&at: &u64, value: &Value, _: Cause| {
            let me = thread::current().id();
            assert_eq!(depths.lock().unwrap().insert(me, ()), None, "a telling within a telling");
            let says = value.says();
            ear.lock().unwrap().push((at, says));
            let cache = inside.get().and_then(Weak::<Cache<_, _, _>>::upgrade);
            if let (Some(cache), Some(n)) = (cache, (0..4).find(|&n| at == key(n))) {
                // One in its own shard and one in the other.
                [n + 4, n + 9].iter().for_each(|&n| drop(cache.insert(key(n), own.value(says))));
            }
            depths.lock().unwrap().remove(&me);
        };
        let cache: Shared = Arc::new(plan(2, 2).listener(hear).build().unwrap());
        assert!(home.set(Arc::downgrade(&cache)).is_ok());
        let write = |n: u64| {
            move |cache: &Shared, world: &World| {
                (0..VERSIONS).for_each(|version| drop(cache.insert(key(n), world.value(version))));
            }
        };
        let cast = cast().with(&cache, &world, write(0)).with(&cache, &world, write(1));
        cast.with(&cache, &world, write(2)).play();
        let (stats, heard) = (cache.stats(), told.lock().unwrap().len() as u64);
        assert_eq!(stats.replaced + stats.evicted, heard, "told without another call");
        // The first one may write what the second one takes away.
        (0..2).for_each(|_| cache.clear());
        let mut heard: HashMap<u64, Vec<u64>> = HashMap::new();
        told.lock().unwrap().iter().for_each(|&(key, version)| heard.entry(key).or_default().push(version));
        for n in (0..3).flat_map(|n| [n, n + 4, n + 9]) {
            assert_eq!(heard[&key(n)], (0..VERSIONS).collect::<Vec<_>>(), "what was told of key {n}");
        }
        finish(cache, &world);
    });
}

/// The bound holds for a capacity that goes down and up again under writers of light and heavy entries.
#[test]
fn g01_g05_the_capacity_changes_under_writers() {
    play(|| {
        let builder = Cache::builder().capacity_weight(8).shards(2).policy(Policy::Clock).hasher(Itself(0));
        let builder = builder.weigher(|_: &u64, value: &Value| 1 + value.says % 3);
        let (world, cache): (_, Shared) = (World::default(), Arc::new(builder.build().unwrap()));
        let write = |base: u64| {
            move |cache: &Shared, world: &World| {
                for n in base..base + 5 {
                    drop(cache.insert(key(n), world.value(n)));
                    assert!(cache.weight() <= 8, "{} of 8", cache.weight());
                }
            }
        };
        let change = |cache: &Shared, _: &World| {
            for capacity in [2, 6, 3, 4] {
                cache.set_capacity(capacity).unwrap();
                // Writers may still hold what they reserved by the capacity before.
                assert!(cache.weight() <= 8, "{} of 8", cache.weight());
            }
        };
        let cast = cast().with(&cache, &world, write(0)).with(&cache, &world, write(1));
        cast.with(&cache, &world, write(20)).with(&cache, &world, change).play();
        assert!(cache.weight() <= 4);
        finish(cache, &world);
    });
}

/// Four writers, each of which wants all there is, in two shards: all get done.
#[test]
fn g03_everyone_gets_the_whole_capacity() {
    play(|| {
        let builder = Cache::builder().capacity_weight(4).shards(2).policy(Policy::Clock).hasher(Itself(0));
        let builder = builder.weigher(|_: &u64, value: &Value| value.says);
        let (world, cache): (_, Shared) = (World::default(), Arc::new(builder.build().unwrap()));
        (0..4).for_each(|n| drop(cache.insert(key(n), world.value(1))));
        let write = |n: u64| {
            move |cache: &Shared, world: &World| {
                for says in [4, 1, 3] {
                    assert!(cache.insert(key(n), world.value(says)).is_stored());
                }
            }
        };
        let cast = cast().with(&cache, &world, write(2)).with(&cache, &world, write(3));
        cast.with(&cache, &world, write(4)).with(&cache, &world, write(5)).play();
        assert!(cache.weight() <= 4);
        finish(cache, &world);
    });
}

/// Increments of four threads are all counted, and of four that insert if absent one does.
#[test]
fn g16_nothing_comes_between() {
    play(|| {
        let (world, cache) = (World::default(), Arc::new(plan(16, 1).build().unwrap()));
        let done = Arc::new(AtomicUsize::new(0));
        let count = |name: u64, done: Arc<AtomicUsize>| {
            move |cache: &Shared, world: &World| {
                for _ in 0..3 {
                    let next = |there: Option<&Value>| world.value(there.map_or(1, |value| value.says() + 1));
                    drop(cache.compute(key(0), |there| Compute::Put(next(there))));
                }
                let first = cache.insert_if_absent(key(1), world.value(name)).is_stored();
                done.fetch_add(usize::from(first), SeqCst);
                assert!(!cache.replace_if(key(2), world.value(name), |_| true).is_stored());
            }
        };
        let mut cast = cast();
        for name in 0..4 {
            cast = cast.with(&cache, &world, count(name, done.clone()));
        }
        cast.play();
        assert_eq!((read(&cache, 0, 0), done.load(SeqCst)), (Some(12), 1));
        finish(cache, &world);
    });
}

/// Three who load, by loaders that fail at times, and two who write to the source and then remove: what is there in the end is
/// what the source says, and nobody is left waiting.
#[test]
fn g18_g19_g20_loads_against_removals() {
    play(|| {
        let builder = Cache::builder().capacity(16).shards(1).policy(Policy::Clock).hasher(Itself(0));
        let cache: Arc<Cache<u64, usize, Itself>> = Arc::new(builder.build().unwrap());
        let sources = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let mut threads = Vec::new();
        for me in 0..3 {
            let (cache, sources) = (cache.clone(), sources.clone());
            threads.push(thread::spawn(move || {
                for turn in me..me + 3 {
                    let load = || if turn % 4 == 3 { Err(()) } else { Ok(sources[turn % 2].load(SeqCst)) };
                    let loaded = cache.try_get_or_load(&key(turn as u64 % 2), load);
                    assert!(loaded.is_err() || loaded.is_ok_and(|said| said <= 4));
                }
            }));
        }
        for _ in 0..2 {
            let (cache, sources) = (cache.clone(), sources.clone());
            threads.push(thread::spawn(move || {
                for n in 0..4 {
                    sources[n % 2].fetch_add(1, SeqCst);
                    cache.remove(&key(n as u64 % 2));
                }
            }));
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        for (n, source) in sources.iter().enumerate() {
            assert!(cache.peek(&key(n as u64)).is_none_or(|said| said == source.load(SeqCst)), "stale");
        }
        cache.validate();
    });
}

/// Holders of leases that complete, give back or forget them, those who wait with tickets, and one who removes: whoever waits
/// gets a value or the lead, and nothing is left in the end but what was forgotten.
#[test]
fn g18_g19_g20_leases_against_removals() {
    play(|| {
        let builder = Cache::builder().capacity(16).shards(1).policy(Policy::Clock).hasher(Itself(0));
        let cache: Arc<Cache<u64, usize, Itself>> = Arc::new(builder.build().unwrap());
        let source = Arc::new(AtomicUsize::new(0));
        let mut threads = Vec::new();
        for me in 0..3 {
            let (cache, source) = (cache.clone(), source.clone());
            threads.push(thread::spawn(move || {
                for turn in me..me + 3 {
                    // Of those that last no time the next who comes takes over.
                    let lasting = if turn % 3 == 0 { Duration::ZERO } else { Duration::MAX };
                    let token = match cache.acquire(&key(0), LeaseOptions::new().lasting(lasting)) {
                        Acquired::Lead(token) => token,
                        Acquired::Wait(ticket) => match cache.wait(ticket, None) {
                            Waited::Lead(token) => token,
                            Waited::Value(said) => {
                                assert!(said <= 3);
                                continue;
                            }
                            other => panic!("{other:?}"),
                        },
                        Acquired::Hit(said) | Acquired::Stale(said, _) => {
                            assert!(said <= 3);
                            continue;
                        }
                        Acquired::OwnKey => unreachable!("no loader runs here"),
                    };
                    let said = source.load(SeqCst);
                    match turn % 4 {
                        3 => drop(cache.abandon(token)),
                        // Forgotten: lasts no time, so nobody waits for it for ever.
                        0 if lasting.is_zero() => {}
                        _ => drop(cache.complete(token, said)),
                    }
                }
            }));
        }
        let (remover, there) = (cache.clone(), source.clone());
        threads.push(thread::spawn(move || {
            for _ in 0..3 {
                there.fetch_add(1, SeqCst);
                remover.remove(&key(0));
            }
        }));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(cache.peek(&key(0)).is_none_or(|said| said == source.load(SeqCst)), "stale");
        cache.validate();
        cache.maintain(100);
        assert_eq!(cache.stats().waiting, 0);
        cache.validate();
    });
}

//! Loading: one at a time, nobody stranded, nothing stale (G18 to G21, G23).

mod common;

use common::checked;
use pinyon::{Cache, Cause, InsertOptions, LoadError, LoadOptions, Loaded, ManualTicker};
use std::cell::RefCell;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

type Numbers = common::Checked<u32, u64>;

fn numbers() -> Numbers {
    checked(Cache::builder().capacity(100))
}

/// A loader that says when it runs, and ends when it is told how.
struct Held<T> {
    running: Sender<()>,
    told: Receiver<T>,
}

/// What the test holds of it.
struct Holder<T> {
    runs: Receiver<()>,
    tell: Sender<T>,
}

fn held<T>() -> (Held<T>, Holder<T>) {
    let ((running, runs), (tell, told)) = (channel(), channel());
    (Held { running, told }, Holder { runs, tell })
}

impl<T> Held<T> {
    fn load(self) -> T {
        self.running.send(()).unwrap();
        self.told.recv().unwrap()
    }
}

/// Returns when so many calls wait for others' loads.
fn until_waiting<V>(cache: &Cache<u32, V>, calls: u64) {
    while cache.stats().waiting != calls {
        thread::yield_now();
    }
}

#[test]
fn g18_a_thousand_threads_that_ask_for_one_key_run_the_loader_once() {
    let cache = numbers();
    let (runs, start) = (AtomicUsize::new(0), Barrier::new(1000));
    thread::scope(|scope| {
        for _ in 0..1000 {
            scope.spawn(|| {
                start.wait();
                let load = || {
                    runs.fetch_add(1, SeqCst);
                    thread::sleep(Duration::from_millis(50));
                    7
                };
                assert_eq!(cache.get_or_load(&1, load), Ok(7));
            });
        }
    });
    assert_eq!(runs.load(SeqCst), 1);
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.load_failures), (1, 0));
    assert_eq!((stats.hits + stats.misses, stats.hits + stats.coalesced, stats.waiting), (1000, 999, 0));
}

#[test]
fn g18_keys_are_loaded_beside_each_other() {
    let cache = numbers();
    // Each loader waits for all others.
    let meet = Barrier::new(8);
    thread::scope(|scope| {
        for key in 0..8 {
            let (cache, meet) = (&cache, &meet);
            scope.spawn(move || {
                let load = || {
                    meet.wait();
                    u64::from(key)
                };
                assert_eq!(cache.get_or_load(&key, load), Ok(u64::from(key)));
            });
        }
    });
    assert_eq!((cache.len(), cache.stats().loads), (8, 8));
}

#[test]
fn g12_g18_keys_of_one_hash_are_not_taken_for_each_other() {
    let cache: Cache<u32, u64, common::Constant> =
        Cache::builder().capacity(100).hasher(common::Constant(7)).build().unwrap();
    let (loader, hold) = held();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(cache.get_or_load(&1, || loader.load()), Ok(10)));
        hold.runs.recv().unwrap();
        assert_eq!(cache.get_or_load(&2, || 20), Ok(20), "it does not wait for key 1");
        hold.tell.send(10).unwrap();
    });
    assert_eq!((cache.get(&2), cache.stats().loads), (Some(20), 2));
    cache.validate();
}

#[test]
fn g19_g23_a_failed_load_is_told_to_its_caller_alone_and_the_next_one_loads() {
    let cache = numbers();
    let (loader, hold) = held::<Result<u64, &str>>();
    thread::scope(|scope| {
        let failing = scope.spawn(|| cache.try_get_or_load(&1, || loader.load()));
        hold.runs.recv().unwrap();
        let waiting: Vec<_> = (0..5)
            .map(|n| {
                scope.spawn({
                    let cache = &cache;
                    move || cache.try_get_or_load(&1, || Ok::<_, &str>(n))
                })
            })
            .collect();
        until_waiting(&cache, 5);
        hold.tell.send(Err("down")).unwrap();
        assert_eq!(failing.join().unwrap(), Err(LoadError::Failed("down")));
        let got: Vec<u64> = waiting.into_iter().map(|waiting| waiting.join().unwrap().unwrap()).collect();
        assert!(got.iter().all(|&n| n == got[0]), "one of them has loaded for all: {got:?}");
    });
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.load_failures), (1, 1));
}

#[test]
fn g23_errors_are_shared_with_those_who_share_them() {
    let cache = numbers();
    let share = || LoadOptions::new().share_errors();
    let (loader, hold) = held::<Result<Loaded<u64>, String>>();
    thread::scope(|scope| {
        let failing = scope.spawn(|| cache.load(&1, share(), |_| loader.load()));
        hold.runs.recv().unwrap();
        fn never(_: &u32) -> Result<Loaded<u64>, String> {
            unreachable!("the error is shared")
        }
        let shares: Vec<_> = (0..3).map(|_| scope.spawn(|| cache.load(&1, share(), never))).collect();
        until_waiting(&cache, 3);
        hold.tell.send(Err("down".to_string())).unwrap();
        let down = Err(LoadError::Failed("down".to_string()));
        assert_eq!(failing.join().unwrap(), down);
        shares.into_iter().for_each(|one| assert_eq!(one.join().unwrap(), down));
    });
    assert_eq!(cache.get(&1), None, "the error is not cached");
    let other = LoadOptions::<i32>::new().share_errors();
    assert_eq!(cache.load(&1, other, |_| Ok(Loaded::new(5))), Ok(5));
}

#[test]
fn g23_one_who_does_not_share_an_error_loads_though_it_was_shared() {
    let cache = numbers();
    let (loader, hold) = held::<Result<Loaded<u64>, String>>();
    thread::scope(|scope| {
        scope.spawn(|| cache.load(&1, LoadOptions::new().share_errors(), |_| loader.load()));
        hold.runs.recv().unwrap();
        let other = scope.spawn(|| cache.get_or_load(&1, || 3));
        until_waiting(&cache, 1);
        hold.tell.send(Err("down".to_string())).unwrap();
        assert_eq!(other.join().unwrap(), Ok(3));
    });
}

#[test]
fn g19_g25_a_panic_goes_to_the_leader_and_one_who_waits_takes_over() {
    let cache = numbers();
    let (loader, hold) = held::<()>();
    thread::scope(|scope| {
        let failing = scope.spawn(|| {
            let load = || {
                loader.load();
                panic!("the loader's own")
            };
            catch_unwind(AssertUnwindSafe(|| cache.get_or_load(&1, load))).is_err()
        });
        hold.runs.recv().unwrap();
        let waiting = scope.spawn(|| cache.get_or_load(&1, || 8));
        until_waiting(&cache, 1);
        hold.tell.send(()).unwrap();
        assert!(failing.join().unwrap(), "the panic is the leader's");
        assert_eq!(waiting.join().unwrap(), Ok(8));
    });
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.load_failures), (1, 1));
}

#[test]
fn g19_one_whose_time_to_wait_is_over_goes_and_the_others_stay() {
    let cache = numbers();
    let (loader, hold) = held();
    thread::scope(|scope| {
        let leader = scope.spawn(|| cache.get_or_load(&1, || loader.load()));
        hold.runs.recv().unwrap();
        let stays = scope.spawn(|| cache.get_or_load(&1, || unreachable!("the leader is there")));
        let options = LoadOptions::new().timeout(Duration::from_millis(20));
        let never = |_: &u32| -> Result<Loaded<u64>, ()> { unreachable!("the leader is there") };
        assert_eq!(cache.load(&1, options, never), Err(LoadError::TimedOut));
        hold.tell.send(4).unwrap();
        assert_eq!((leader.join().unwrap(), stays.join().unwrap()), (Ok(4), Ok(4)));
    });
}

#[test]
fn g19_one_who_has_gone_is_not_asked_to_lead_when_the_leader_fails() {
    let cache = numbers();
    let (loader, hold) = held::<Result<u64, ()>>();
    thread::scope(|scope| {
        let leader = scope.spawn(|| cache.try_get_or_load(&1, || loader.load()));
        hold.runs.recv().unwrap();
        let options = LoadOptions::new().timeout(Duration::from_millis(1));
        let never = |_: &u32| -> Result<Loaded<u64>, ()> { unreachable!("the leader is there") };
        assert_eq!(cache.load(&1, options, never), Err(LoadError::TimedOut));
        let stays = scope.spawn(|| cache.get_or_load(&1, || 5));
        until_waiting(&cache, 1);
        hold.tell.send(Err(())).unwrap();
        assert_eq!((leader.join().unwrap(), stays.join().unwrap()), (Err(LoadError::Failed(())), Ok(5)));
    });
}

/// Runs `change` while key 1 is being loaded; what is in the cache afterwards.
fn change_while_loading(cache: &Cache<u32, u64>, change: impl FnOnce()) -> Option<u64> {
    let (loader, hold) = held();
    thread::scope(|scope| {
        let leader = scope.spawn(|| cache.get_or_load(&1, || loader.load()));
        hold.runs.recv().unwrap();
        let waiting = scope.spawn(|| cache.get_or_load(&1, || unreachable!("the leader is there")));
        until_waiting(cache, 1);
        change();
        hold.tell.send(50).unwrap();
        assert_eq!(leader.join().unwrap(), Ok(50), "the leader gets what it has loaded");
        assert_eq!(waiting.join().unwrap(), Ok(50), "so do those who waited");
    });
    cache.validate();
    cache.get(&1)
}

#[test]
fn g20_a_load_publishes_unless_its_key_was_written_meanwhile() {
    let cache = numbers();
    assert_eq!(change_while_loading(&cache, || ()), Some(50));
    type Write = fn(&Cache<u32, u64>);
    let writes: [(&str, Write, Option<u64>); 9] = [
        ("insert", |cache| assert!(cache.insert(1, 9).is_stored()), Some(9)),
        (
            "insert and remove",
            |cache| {
                cache.insert(1, 9);
                cache.remove(&1);
            },
            None,
        ),
        ("remove what is not there", |cache| assert_eq!(cache.remove(&1), None), None),
        ("invalidate", |cache| assert!(!cache.invalidate(&1)), None),
        ("clear", |cache| cache.clear(), None),
        (
            "compute",
            |cache| {
                cache.compute(1, |_| pinyon::Compute::Put(9));
            },
            Some(9),
        ),
        (
            "compute that removes",
            |cache| {
                cache.compute(1, |_| pinyon::Compute::Remove);
            },
            None,
        ),
        (
            "an expired insert",
            |cache| {
                cache.insert_with(1, 9, InsertOptions::new().ttl(Duration::ZERO));
            },
            None,
        ),
        (
            "retain",
            |cache| {
                cache.insert(1, 9);
                cache.retain(|_, _| false);
            },
            None,
        ),
    ];
    for (stale, (name, write, left)) in (1..).zip(writes) {
        cache.clear();
        assert_eq!(change_while_loading(&cache, || write(&cache)), left, "{name}");
        assert_eq!(cache.stats().stale_loads, stale, "{name}");
    }
}

#[test]
fn g20_writes_of_other_keys_and_evictions_leave_a_load_alone() {
    let cache = numbers();
    assert_eq!(
        change_while_loading(&cache, || (2..2000).for_each(|key| assert!(cache.insert(key, 0).is_stored()))),
        Some(50)
    );
}

#[test]
fn g20_retain_overtakes_the_load_of_what_it_removes_and_of_nothing_that_had_expired() {
    let ticker = ManualTicker::new();
    let cache: Numbers = checked(Cache::builder().capacity(100).ticker(ticker.clone()));
    for (kept, lives) in [(true, false), (false, false), (false, true)] {
        let short = InsertOptions::new().ttl(Duration::from_secs(1));
        assert!(cache.insert_with(1, 10, short).is_stored());
        ticker.advance(Duration::from_secs(1));
        let load = || {
            if lives {
                assert!(cache.insert(1, 11).is_stored());
            }
            assert_eq!(cache.retain(|_, _| kept), usize::from(lives));
            12
        };
        assert_eq!(cache.get_or_load(&1, load), Ok(12));
        assert_eq!(cache.get(&1), (!lives).then_some(12), "{kept} {lives}");
        cache.clear();
    }
    assert_eq!(cache.stats().stale_loads, 1);
}

#[test]
fn g20_one_who_asks_after_a_removal_does_not_get_what_was_loaded_before() {
    let cache = numbers();
    let (old, hold_old) = held();
    thread::scope(|scope| {
        let before = scope.spawn(|| cache.get_or_load(&1, || old.load()));
        hold_old.runs.recv().unwrap();
        assert_eq!(cache.remove(&1), None);
        assert_eq!(cache.get_or_load(&1, || 2), Ok(2), "a newer load, beside the old one");
        hold_old.tell.send(1).unwrap();
        assert_eq!(before.join().unwrap(), Ok(1));
    });
    assert_eq!((cache.get(&1), cache.stats().stale_loads), (Some(2), 1));
}

#[test]
fn g21_a_loader_that_asks_for_its_own_key_gets_an_error() {
    let cache = numbers();
    let asked = cache.get_or_load(&1, || {
        assert_eq!(cache.get_or_load(&1, || 5), Err(LoadError::OwnKey));
        let inner = cache.get_or_load(&2, || {
            assert_eq!(cache.get_or_load(&1, || 5), Err(LoadError::OwnKey), "however deep");
            20
        });
        assert_eq!((inner, cache.get(&1)), (Ok(20), None));
        10
    });
    assert_eq!((asked, cache.get(&1), cache.get(&2)), (Ok(10), Some(10), Some(20)));
}

#[test]
fn g20_g21_a_loader_whose_key_was_written_meanwhile_may_not_ask_for_it_either() {
    let cache = numbers();
    let asked = cache.get_or_load(&1, || {
        cache.remove(&1);
        assert_eq!(cache.get_or_load(&1, || 5), Err(LoadError::OwnKey), "it has removed it itself");
        // A newer load by another thread takes the place of this one.
        let (newer, hold) = held();
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(cache.get_or_load(&1, || newer.load()), Ok(6)));
            hold.runs.recv().unwrap();
            assert_eq!(cache.get_or_load(&1, || 5), Err(LoadError::OwnKey), "another one loads it");
            hold.tell.send(6).unwrap();
        });
        assert_eq!(cache.get_or_load(&1, || 5), Ok(6), "a hit is no load");
        4
    });
    assert_eq!((asked, cache.get(&1)), (Ok(4), Some(6)));
}

#[test]
fn g19_g28_a_child_of_a_fork_loads_what_its_parent_was_loading() {
    let cache = numbers();
    let (loader, hold) = held();
    thread::scope(|scope| {
        let leader = scope.spawn(|| cache.get_or_load(&1, || loader.load()));
        hold.runs.recv().unwrap();
        let fate = common::in_child(|| {
            assert_eq!(cache.get_or_load(&1, || 2), Ok(2));
            assert_eq!(cache.get(&1), Some(2));
            cache.validate();
        });
        assert_eq!(fate, common::Fate::Exited(0));
        hold.tell.send(1).unwrap();
        assert_eq!(leader.join().unwrap(), Ok(1));
    });
    assert_eq!(cache.get(&1), Some(1), "the parent's is another one");
}

#[test]
fn g23_a_loader_says_how_long_its_value_lives_and_what_it_weighs() {
    let ticker = Arc::new(ManualTicker::new());
    let builder =
        Cache::builder().capacity_weight(100).weigher(|_: &u32, _: &Option<u8>| 1).ticker(ticker.clone());
    let cache = checked(builder);
    let load = |key, loaded: Loaded<Option<u8>>| cache.load(&key, LoadOptions::<()>::new(), |_| Ok(loaded));
    assert_eq!(load(1, Loaded::new(Some(1)).ttl(Duration::from_secs(60)).weight(30)), Ok(Some(1)));
    assert_eq!(load(2, Loaded::nothing(Duration::from_secs(5))), Ok(None));
    assert_eq!((cache.weight(), cache.get(&2)), (31, Some(None)), "that there is nothing is remembered");
    ticker.advance(Duration::from_secs(5));
    assert_eq!((cache.get(&1), cache.get(&2)), (Some(Some(1)), None));
    assert_eq!(load(3, Loaded::new(None).weight(101)), Ok(None), "too heavy to be kept");
    assert_eq!((cache.get(&3), cache.stats().refused), (None, 1));
}

#[test]
fn g24_g26_loaders_and_listeners_may_load_and_write() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let notes = told.clone();
    let listener =
        move |key: &u32, value: &u64, cause: Cause| notes.lock().unwrap().push((*key, *value, cause));
    let cache = checked(Cache::builder().capacity(100).listener(listener));
    let value = cache.get_or_load(&1, || {
        cache.insert(1, 100);
        cache.insert(2, 200);
        cache.get_or_load(&3, || 300).unwrap() + 1
    });
    assert_eq!(value, Ok(301));
    assert_eq!((cache.get(&1), cache.get(&2), cache.get(&3)), (Some(100), Some(200), Some(300)));
    assert!(told.lock().unwrap().is_empty(), "nothing has left");
}

#[test]
fn g15_a_storm_of_loads_leaves_nothing_behind() {
    let cache = checked(Cache::builder().capacity(50));
    thread::scope(|scope| {
        for me in 0..4u64 {
            let cache = &cache;
            scope.spawn(move || {
                let mut rng = common::Rng::new(me);
                for _ in 0..20_000 {
                    let key = rng.below(200) as u32;
                    match rng.below(10) {
                        0 => _ = cache.remove(&key),
                        1 => _ = cache.try_get_or_load(&key, || Err::<u64, ()>(())),
                        2 if rng.below(500) == 0 => cache.clear(),
                        _ => assert_eq!(cache.get_or_load(&key, || u64::from(key)), Ok(u64::from(key))),
                    }
                }
            });
        }
    });
    let stats = cache.stats();
    assert!(stats.loads > 0 && stats.load_failures > 0, "{stats:?}");
    cache.validate();
}

thread_local! {
    /// What the next clone of a key does first: user code that runs between a miss and the load.
    static BETWEEN: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key(u32);

impl Clone for Key {
    fn clone(&self) -> Self {
        if let Some(deed) = BETWEEN.take() {
            deed();
        }
        Key(self.0)
    }
}

#[test]
fn g18_what_was_written_between_the_miss_and_the_load_is_not_loaded() {
    let cache: Cache<Key, u64> = Cache::builder().capacity(100).build().unwrap();
    let other = cache.clone();
    BETWEEN.set(Some(Box::new(move || assert!(other.insert(Key(1), 5).is_stored()))));
    assert_eq!(cache.get_or_load(&Key(1), || unreachable!("it is there")), Ok(5));
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.load_failures, stats.coalesced, stats.misses), (0, 0, 1, 1));
    assert_eq!(cache.get_or_load(&Key(2), || 6), Ok(6), "another key's value is none of its own");
    cache.validate();
}

#[test]
fn g18_a_load_that_began_between_the_miss_and_the_load_is_waited_for() {
    for keys in [[1, 1], [1, 2]] {
        let cache: Cache<Key, u64, common::Constant> =
            Cache::builder().capacity(100).hasher(common::Constant(7)).build().unwrap();
        let (loader, hold) = held();
        let begin = {
            let (cache, (leads, leader)) = (cache.clone(), channel());
            let deed = move || {
                let load = move || cache.get_or_load(&Key(1), || loader.load());
                leads.send(thread::spawn(load)).unwrap();
                hold.runs.recv().unwrap();
                // It ends when the other call waits for it, or has loaded another key.
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(30));
                    hold.tell.send(10).unwrap();
                });
            };
            BETWEEN.set(Some(Box::new(deed)));
            leader
        };
        let mut runs = 0;
        let mut load = || {
            runs += 1;
            20
        };
        let value = cache.get_or_load(&Key(keys[1]), &mut load).unwrap();
        assert_eq!(begin.recv().unwrap().join().unwrap(), Ok(10));
        assert_eq!((value, runs), if keys[0] == keys[1] { (10, 0) } else { (20, 1) });
        cache.validate();
    }
}

#[test]
fn g29_the_time_that_loaders_take_is_added_up() {
    let ticker = Arc::new(ManualTicker::new());
    let cache = checked(Cache::builder().capacity(100).ticker(ticker.clone()));
    let take = |nanos| ticker.advance(Duration::from_nanos(nanos));
    ticker.advance(Duration::from_secs(1));
    for nanos in [30, 40] {
        assert_eq!(cache.get_or_load(&(nanos as u32), || take(nanos)), Ok(()));
    }
    assert_eq!((cache.stats().loads, cache.stats().load_nanos), (2, 70));
    let failed = cache.try_get_or_load(&1, || {
        take(500);
        Err("down")
    });
    assert_eq!(failed, Err(LoadError::Failed("down")));
    let shared = cache.load(&1, LoadOptions::new().share_errors(), |_| {
        take(1000);
        Err("down")
    });
    assert_eq!(shared, Err(LoadError::Failed("down")));
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.load_failures, stats.load_nanos), (2, 2, 1570));
}

#[test]
fn g25_g29_a_value_whose_writing_panics_was_made_and_is_no_failure_too() {
    let builder = Cache::builder().capacity_weight(10).weigher(|_, _| panic!("weigher"));
    let cache: Numbers = checked(builder);
    assert!(catch_unwind(AssertUnwindSafe(|| cache.get_or_load(&1, || 7))).is_err());
    assert_eq!((cache.stats().loads, cache.stats().load_failures), (1, 0));
    assert!(catch_unwind(AssertUnwindSafe(|| cache.get_or_load(&1, || panic!("loader")))).is_err());
    assert_eq!((cache.stats().loads, cache.stats().load_failures), (1, 1));
}

#[test]
fn g23_what_is_loaded_lives_unread_as_long_as_the_loader_says() {
    let ticker = Arc::new(ManualTicker::new());
    let cache = checked(Cache::builder().capacity(100).ticker(ticker.clone()));
    let minute = |_: &u32| Ok::<_, ()>(Loaded::from(1).tti(Duration::from_secs(60)));
    assert_eq!(cache.load(&1, LoadOptions::new(), minute), Ok(1));
    for _ in 0..3 {
        ticker.advance(Duration::from_secs(59));
        assert_eq!(cache.get(&1), Some(1));
    }
    ticker.advance(Duration::from_secs(60));
    assert_eq!(cache.get(&1), None);
}

#[test]
fn g20_upkeep_by_predicate_makes_no_load_stale_that_was_not_asked_for() {
    let ticker = Arc::new(ManualTicker::new());
    let cache: Numbers = checked(Cache::builder().capacity(100).ticker(ticker.clone()));
    for removes in [false, true] {
        let second = InsertOptions::new().ttl(Duration::from_secs(1));
        assert!(cache.insert_with(1, 5, second).is_stored());
        ticker.advance(Duration::from_secs(1));
        let load = || {
            // The expired one goes; the live one only if it is refused.
            assert!(!removes || cache.insert(1, 6).is_stored());
            assert_eq!(cache.retain(|_, _| false), usize::from(removes));
            7
        };
        assert_eq!(cache.get_or_load(&1, load), Ok(7));
        assert_eq!(cache.peek(&1), if removes { None } else { Some(7) });
        cache.clear();
    }
}

#[test]
fn the_error_of_a_loader_is_the_source_of_the_calls_error() {
    let parse = "x".parse::<u32>().unwrap_err();
    let failed = LoadError::Failed(parse.clone());
    assert_eq!(failed.source().expect("there is one").downcast_ref(), Some(&parse));
    assert!(LoadError::<std::num::ParseIntError>::OwnKey.source().is_none());
    assert!(LoadError::<std::num::ParseIntError>::TimedOut.source().is_none());
}

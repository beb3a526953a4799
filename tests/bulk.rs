//! Loading many keys at once (G18 to G21, G23).

mod common;

use common::checked;
use pinyon::{Acquired, Cache, Completed, LeaseOptions, LoadError, LoadOptions, Loaded, ManualTicker};
use std::collections::HashSet;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

type Numbers = common::Checked<u32, u64>;

fn numbers() -> Numbers {
    checked(Cache::builder().capacity(1000))
}

fn ten_times(missing: &[u32]) -> Result<Vec<u64>, String> {
    Ok(missing.iter().map(|&key| u64::from(key) * 10).collect())
}

#[test]
fn g18_what_is_missing_is_loaded_by_one_call_in_the_order_of_the_keys() {
    let cache = numbers();
    cache.insert(2, 21);
    let mut shown = Vec::new();
    let got = cache.get_many_or_load(&[3, 2, 1, 3, 1], LoadOptions::new(), |missing| {
        shown.push(missing.to_vec());
        ten_times(missing)
    });
    assert_eq!(got, Ok(vec![30, 21, 10, 30, 10]));
    assert_eq!(shown, [[3, 1]], "each once");
    assert_eq!(cache.get_many(&[1, 2, 3]), [Some(10), Some(21), Some(30)]);
    assert_eq!(cache.stats().loads, 2);
    let none: [u32; 0] = [];
    assert_eq!(cache.get_many_or_load(&none, LoadOptions::new(), ten_times), Ok(vec![]));
}

#[test]
fn g18_what_others_are_loading_is_waited_for() {
    let cache = numbers();
    let ((running, runs), (tell, told)) = (channel(), channel());
    thread::scope(|scope| {
        scope.spawn({
            let cache = &cache;
            move || {
                let load = || {
                    running.send(()).unwrap();
                    told.recv().unwrap()
                };
                assert_eq!(cache.get_or_load(&1, load), Ok(11));
            }
        });
        runs.recv().unwrap();
        let got = cache.get_many_or_load(&[1, 2], LoadOptions::new(), |missing| {
            assert_eq!(missing, [2]);
            tell.send(11).unwrap();
            ten_times(missing)
        });
        assert_eq!(got, Ok(vec![11, 20]));
    });
}

#[test]
fn g19_keys_whose_loader_failed_are_loaded_in_a_second_call() {
    let cache = numbers();
    let ((running, runs), (tell, told)) = (channel(), channel::<()>());
    thread::scope(|scope| {
        scope.spawn({
            let cache = &cache;
            move || {
                let load = || {
                    running.send(()).unwrap();
                    told.recv().unwrap();
                    Err::<u64, _>("down")
                };
                assert_eq!(cache.try_get_or_load(&1, load), Err(LoadError::Failed("down")));
            }
        });
        runs.recv().unwrap();
        let mut shown = Vec::new();
        let got = cache.get_many_or_load(&[1, 2], LoadOptions::new(), |missing| {
            shown.push(missing.to_vec());
            if missing == [2] {
                tell.send(()).unwrap();
            }
            ten_times(missing)
        });
        assert_eq!((got, shown), (Ok(vec![10, 20]), vec![vec![2], vec![1]]));
    });
}

/// Each of two calls waits for two loads of others, in opposite orders, and both of these fail.
#[test]
fn g03_g18_what_others_loaded_is_had_though_it_is_too_heavy_to_keep() {
    let cache: Numbers = checked(Cache::builder().capacity_weight(10).weigher(|_, weight| *weight));
    let [one, two] = [1, 2].map(|key| match cache.acquire(&key, LeaseOptions::new()) {
        Acquired::Lead(token) => token,
        other => panic!("{other:?} where nobody loads"),
    });
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let untouched = |_: &[u32]| -> Result<Vec<u64>, String> { panic!("others load") };
            cache.get_many_or_load(&[1, 2], LoadOptions::new(), untouched)
        });
        while cache.stats().waiting == 0 {
            thread::yield_now();
        }
        // It waits for the second one first.
        assert_eq!(cache.complete(two, 98), Completed::Refused(98));
        while cache.stats().coalesced == 0 || cache.stats().waiting == 0 {
            thread::yield_now();
        }
        assert_eq!(cache.complete(one, 99), Completed::Refused(99));
        assert_eq!(waiting.join().unwrap(), Ok(vec![99, 98]));
    });
    assert_eq!(cache.len(), 0);
}

#[test]
fn g19_who_is_passed_a_lead_loads_before_it_waits_again() {
    let cache = numbers();
    common::finishes("two calls, each passed a lead", || {
        thread::scope(|scope| {
            let failing = [1, 2].map(|key| {
                let ((running, runs), (tell, told)) = (channel(), channel::<()>());
                let cache = &cache;
                scope.spawn(move || {
                    let load = || {
                        running.send(()).unwrap();
                        told.recv().unwrap();
                        Err::<u64, _>("down")
                    };
                    assert!(cache.try_get_or_load(&key, load).is_err());
                });
                runs.recv().unwrap();
                tell
            });
            for keys in [[1, 2], [2, 1]] {
                let cache = &cache;
                scope.spawn(move || {
                    let got = cache.get_many_or_load(&keys, LoadOptions::new(), ten_times);
                    assert_eq!(got, ten_times(&keys).map_err(LoadError::Failed));
                });
            }
            while cache.stats().waiting < 2 {
                thread::yield_now();
            }
            failing.iter().for_each(|fail| fail.send(()).unwrap());
        });
    });
}

#[test]
fn g19_g23_a_failure_strands_nobody_and_is_not_stored() {
    let cache = numbers();
    let keys = [1, 2, 3];
    let failed = cache.get_many_or_load(&keys, LoadOptions::new(), |_| Err::<Vec<u64>, _>("down"));
    assert_eq!(failed, Err(LoadError::Failed("down")));
    let few = cache.get_many_or_load(&keys, LoadOptions::new(), |_| Ok::<_, String>(vec![1, 2]));
    assert_eq!(few, Err(LoadError::Count { asked: 3, given: 2 }));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        cache
            .get_many_or_load(&keys, LoadOptions::new(), |_| -> Result<Vec<u64>, String> { panic!("loader") })
    }));
    assert!(panicked.is_err());
    assert!(cache.is_empty());
    assert_eq!(cache.get_many_or_load(&keys, LoadOptions::new(), ten_times), Ok(vec![10, 20, 30]));
    assert_eq!((cache.stats().loads, cache.stats().load_failures), (3, 9));
}

#[test]
fn g20_a_key_written_meanwhile_is_not_stored_and_the_others_are() {
    let cache = numbers();
    let got = cache.get_many_or_load(&[1, 2], LoadOptions::new(), |missing| {
        cache.invalidate(&1);
        ten_times(missing)
    });
    assert_eq!((got, cache.get(&1), cache.get(&2)), (Ok(vec![10, 20]), None, Some(20)));
}

#[test]
fn g21_a_loader_that_asks_for_one_of_its_keys_gets_an_error() {
    let cache = numbers();
    let mut inner = Vec::new();
    let got = cache.get_many_or_load(&[1, 2], LoadOptions::new(), |missing| {
        inner.push(cache.get_or_load(&2, || unreachable!("it would wait for itself")).map_err(|_| "own"));
        inner.push(cache.get_many_or_load(&[3, 1], LoadOptions::new(), ten_times).map(|_| 0).map_err(
            |error| {
                assert_eq!(error, LoadError::OwnKey);
                "own"
            },
        ));
        ten_times(missing)
    });
    assert_eq!((got, inner), (Ok(vec![10, 20]), vec![Err("own"); 2]));
    assert_eq!(cache.get(&3), Some(30), "what was loaded before stays");
}

#[test]
fn g21_g24_a_weigher_may_not_ask_for_a_key_that_the_same_call_is_yet_to_land() {
    let (home, told) = (Arc::new(Mutex::new(None::<Cache<u32, u64>>)), Arc::new(Mutex::new(Vec::new())));
    let (there, notes) = (home.clone(), told.clone());
    let weigher = move |_: &u32, _: &u64| {
        let cache = there.lock().unwrap().take();
        if let Some(cache) = cache {
            let patience = LoadOptions::<()>::new().timeout(Duration::from_millis(200));
            let ask = |key: u32| cache.load(&key, patience, |_| Ok(Loaded::new(77)));
            *notes.lock().unwrap() = [1, 2, 3].map(ask).to_vec();
        }
        1
    };
    let cache = checked(Cache::builder().capacity_weight(10).weigher(weigher));
    *home.lock().unwrap() = Some(cache.clone());
    assert_eq!(cache.get_many_or_load(&[1, 2], LoadOptions::new(), ten_times), Ok(vec![10, 20]));
    assert_eq!(*told.lock().unwrap(), [Err(LoadError::OwnKey), Err(LoadError::OwnKey), Ok(77)]);
}

#[test]
fn g18_a_call_waits_no_longer_than_it_says() {
    let cache = numbers();
    let ((running, runs), (tell, told)) = (channel(), channel());
    thread::scope(|scope| {
        scope.spawn({
            let cache = &cache;
            move || {
                let load = || {
                    running.send(()).unwrap();
                    told.recv().unwrap()
                };
                assert_eq!(cache.get_or_load(&1, load), Ok(1));
            }
        });
        runs.recv().unwrap();
        let options = LoadOptions::new().timeout(Duration::from_millis(1));
        assert_eq!(cache.get_many_or_load(&[2, 1], options, ten_times), Err(LoadError::TimedOut));
        assert_eq!(cache.get(&2), Some(20));
        tell.send(1).unwrap();
    });
}

#[test]
fn g18_many_calls_of_overlapping_keys_load_each_key_once_and_none_waits_for_another_in_a_ring() {
    let cache = numbers();
    let loaded = Mutex::new(HashSet::new());
    common::finishes("overlapping calls", || {
        thread::scope(|scope| {
            for thread in 0..8u32 {
                let (cache, loaded) = (&cache, &loaded);
                scope.spawn(move || {
                    for round in 0..50 {
                        let mut keys: Vec<u32> = (0..10).map(|n| round * 5 + n).collect();
                        keys.rotate_left(thread as usize);
                        let got = cache.get_many_or_load(&keys, LoadOptions::new(), |missing| {
                            thread::yield_now();
                            for key in missing {
                                assert!(loaded.lock().unwrap().insert(*key), "{key} is loaded twice");
                            }
                            ten_times(missing)
                        });
                        assert_eq!(got, ten_times(&keys).map_err(LoadError::Failed));
                    }
                });
            }
        });
    });
}

#[test]
fn g29_the_time_that_many_loads_take_together_saturates() {
    let ticker = ManualTicker::new();
    let cache = checked(Cache::builder().capacity(10).ticker(ticker.clone()));
    let slow = |missing: &[u32]| {
        ticker.advance(Duration::from_nanos(1 << 63));
        ten_times(missing)
    };
    assert_eq!(cache.get_many_or_load(&[1, 2], LoadOptions::new(), slow), Ok(vec![10, 20]));
    assert_eq!((cache.stats().loads, cache.stats().load_nanos), (2, u64::MAX));
}

#[test]
fn g23_values_may_say_how_long_they_live() {
    let cache = numbers();
    let load = |missing: &[u32]| {
        Ok::<_, String>(missing.iter().map(|_| Loaded::new(1).ttl(Duration::ZERO)).collect::<Vec<_>>())
    };
    assert_eq!(cache.get_many_or_load(&[1], LoadOptions::new(), load), Ok(vec![1]));
    assert_eq!(cache.get(&1), None);
}

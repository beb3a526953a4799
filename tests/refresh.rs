//! Refresh-ahead and stale-while-revalidate (G22).

mod common;

use common::checked;
use pinyon::{
    Acquired, Builder, Cache, InsertOptions, LeaseOptions, LoadError, LoadOptions, Loaded, ManualTicker,
};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const SOFT: Duration = Duration::from_secs(60);
const HARD: Duration = Duration::from_secs(100);
const STEP: Duration = Duration::from_nanos(1);

type Numbers = common::Checked<u32, u64>;

fn numbers(build: impl FnOnce(Builder<u32, u64>) -> Builder<u32, u64>) -> (Numbers, ManualTicker) {
    let ticker = ManualTicker::new();
    (checked(build(Cache::builder().capacity(100).ticker(ticker.clone()))), ticker)
}

fn value(value: u64) -> impl FnOnce(&u32) -> Result<Loaded<u64>, &'static str> {
    move |_| Ok(Loaded::new(value))
}

fn down(_: &u32) -> Result<Loaded<u64>, &'static str> {
    Err("down")
}

fn untouched(_: &u32) -> Result<Loaded<u64>, &'static str> {
    panic!("it is fresh")
}

#[test]
fn g22_a_value_past_its_soft_deadline_is_loaded_by_who_finds_it_and_past_the_hard_one_by_all() {
    let (cache, ticker) = numbers(|builder| builder.time_to_live(HARD).refresh_after(SOFT));
    cache.insert(1, 1);
    ticker.advance(SOFT - STEP);
    assert_eq!(cache.load(&1, LoadOptions::new(), untouched), Ok(1));
    ticker.advance(STEP);
    assert_eq!(cache.load(&1, LoadOptions::new(), value(2)), Ok(2));
    assert_eq!(cache.load(&1, LoadOptions::new(), untouched), Ok(2));
    ticker.advance(HARD);
    assert_eq!(cache.load(&1, LoadOptions::new().stale_if_error(), down), Err(LoadError::Failed("down")));
    assert_eq!(cache.get(&1), None);
}

#[test]
fn g22_while_one_refreshes_the_others_read_the_old_value() {
    let (cache, ticker) = numbers(|builder| builder.refresh_after(SOFT));
    cache.insert(1, 1);
    ticker.advance(SOFT);
    let ((running, runs), (tell, told)) = (channel(), channel());
    thread::scope(|scope| {
        let refresher = scope.spawn({
            let cache = &cache;
            move || {
                cache.get_or_load(&1, || {
                    running.send(()).unwrap();
                    told.recv().unwrap()
                })
            }
        });
        runs.recv().unwrap();
        for _ in 0..10 {
            assert_eq!(cache.load(&1, LoadOptions::new(), untouched), Ok(1));
        }
        // One who must have the value waits for it.
        let missing = scope.spawn(|| {
            cache.invalidate(&2);
            cache.get_or_load(&2, || 20)
        });
        assert_eq!(missing.join().unwrap(), Ok(20));
        tell.send(2).unwrap();
        assert_eq!(refresher.join().unwrap(), Ok(2));
    });
    assert_eq!((cache.get(&1), cache.stats().loads), (Some(2), 2));
}

#[test]
fn g22_many_threads_refresh_once() {
    let (cache, ticker) = numbers(|builder| builder.refresh_after(SOFT));
    cache.insert(1, 0);
    let runs = AtomicUsize::new(0);
    for round in 1..50 {
        ticker.advance(SOFT);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let load = || runs.fetch_add(1, SeqCst) as u64 + 1;
                    let got = cache.get_or_load(&1, load).unwrap();
                    assert!(got == round - 1 || got == round, "{got} in round {round}");
                });
            }
        });
        assert_eq!((cache.get(&1), runs.load(SeqCst) as u64), (Some(round), round));
    }
}

#[test]
fn g22_a_refresh_may_be_handed_to_an_executor_and_nobody_waits_for_it() {
    let (cache, ticker) = numbers(|builder| builder.refresh_after(SOFT));
    let mut jobs = Vec::new();
    assert_eq!(cache.load_spawning(&1, LoadOptions::new(), value(1), |_| panic!("it is missing")), Ok(1));
    ticker.advance(SOFT);
    for _ in 0..3 {
        assert_eq!(cache.load_spawning(&1, LoadOptions::new(), value(2), |job| jobs.push(job)), Ok(1));
    }
    assert_eq!(jobs.len(), 1, "one refreshes");
    // It is not run after all, so another is asked for; that one fails, and so on.
    jobs.clear();
    assert_eq!(cache.load_spawning(&1, LoadOptions::new(), down, |job| job()), Ok(1));
    assert_eq!(cache.load_spawning(&1, LoadOptions::new(), value(3), |job| jobs.push(job)), Ok(1));
    thread::spawn(jobs.remove(0)).join().unwrap();
    assert_eq!(cache.load_spawning(&1, LoadOptions::new(), untouched, |_| panic!("it is fresh")), Ok(3));
    assert_eq!((cache.stats().loads, cache.stats().load_failures), (2, 2));
}

#[test]
fn g22_g23_an_error_is_told_or_the_old_value_served_as_the_call_asks() {
    let (cache, ticker) = numbers(|builder| builder.refresh_after(SOFT));
    cache.insert(1, 1);
    ticker.advance(SOFT);
    assert_eq!(cache.load(&1, LoadOptions::new(), down), Err(LoadError::Failed("down")));
    assert_eq!(cache.load(&1, LoadOptions::new().stale_if_error(), down), Ok(1));
    assert_eq!(cache.get(&1), Some(1));
    assert_eq!(cache.stats().load_failures, 2);
    // Where there is no old value the error is all there is.
    assert_eq!(cache.load(&2, LoadOptions::new().stale_if_error(), down), Err(LoadError::Failed("down")));
}

#[test]
fn g20_g22_a_refresh_overtaken_by_a_write_is_not_stored() {
    let (cache, ticker) = numbers(|builder| builder.refresh_after(SOFT));
    cache.insert(1, 1);
    ticker.advance(SOFT);
    let got = cache.get_or_load(&1, || {
        cache.insert(1, 5);
        2
    });
    assert_eq!((got, cache.get(&1), cache.stats().stale_loads), (Ok(2), Some(5), 1));
}

#[test]
fn g22_the_rules_of_a_call_stand_in_place_of_the_caches() {
    let (cache, ticker) = numbers(|builder| builder.refresh_after(SOFT));
    cache.insert(1, 1);
    ticker.advance(SOFT);
    let never = LoadOptions::new().refresh_after(Duration::MAX);
    assert_eq!(cache.load(&1, never, untouched), Ok(1));
    let soon = LoadOptions::new().refresh_after(STEP);
    assert_eq!(cache.load(&1, soon, value(2)), Ok(2));
    // Of an entry without a lifetime, in a cache that keeps no ages, no age is known.
    let (cache, ticker) = numbers(|builder| builder);
    cache.insert(1, 1);
    cache.insert_with(2, 2, InsertOptions::new().ttl(HARD));
    ticker.advance(SOFT);
    let soon = || LoadOptions::new().refresh_after(STEP);
    assert_eq!(cache.load(&1, soon(), untouched), Ok(1));
    assert_eq!(cache.load(&2, soon(), value(3)), Ok(3));
}

#[test]
fn g22_values_are_renewed_by_age_in_whatever_order_the_builder_is_told() {
    type Describe = fn(Builder<u32, u64>) -> Builder<u32, u64>;
    let builders: [Describe; 2] = [
        |builder| builder.track_age(false).refresh_after(SOFT),
        |builder| builder.refresh_after(SOFT).track_age(false),
    ];
    for described in builders {
        let (cache, ticker) = numbers(described);
        assert!(cache.insert(1, 10).is_stored());
        assert_eq!(cache.load(&1, LoadOptions::new(), untouched), Ok(10));
        ticker.advance(SOFT);
        assert_eq!(cache.load(&1, LoadOptions::new(), value(11)), Ok(11));
    }
}

#[test]
fn g22_a_call_may_recompute_early_where_the_cache_does_not() {
    let (cache, ticker) = numbers(|builder| builder.time_to_live(HARD));
    let slow = |_: &u32| {
        ticker.advance(Duration::from_secs(1));
        Ok::<_, &str>(Loaded::new(1))
    };
    assert_eq!(cache.load(&1, LoadOptions::new(), slow), Ok(1));
    assert_eq!(cache.load(&1, LoadOptions::new(), untouched), Ok(1));
    for never in [0.0, -1.0, f64::NAN] {
        assert_eq!(cache.load(&1, LoadOptions::new().refresh_early(never), untouched), Ok(1));
    }
    assert_eq!(cache.load(&1, LoadOptions::new().refresh_early(1e12), value(2)), Ok(2));
}

/// It is no error: entries may have longer lifetimes of their own, which it is for.
#[test]
fn g22_a_refresh_behind_the_time_to_live_is_for_entries_that_live_longer() {
    let (cache, ticker) = numbers(|builder| builder.time_to_live(SOFT).refresh_after(SOFT));
    cache.insert(1, 1);
    cache.insert_with(2, 1, InsertOptions::new().ttl(HARD));
    ticker.advance(SOFT);
    assert_eq!(cache.get(&1), None, "it expires before it is due");
    assert!(matches!(cache.acquire(&2, LeaseOptions::new()), Acquired::Stale(1, Some(_))));
}

#[test]
fn g22_early_recomputation_comes_before_the_deadline_and_the_sooner_the_longer_loads_take() {
    const ROUNDS: u32 = 400;
    // Loads that take 1 second, of values that live for 100: due with probability exp(-left) at `left` seconds.
    let early = |seconds_left: u64, beta: f64| {
        let (cache, ticker) = numbers(|builder| builder.time_to_live(HARD).refresh_early(beta));
        let load = |value| {
            ticker.advance(Duration::from_secs(1));
            value
        };
        let mut recomputed = 0;
        for round in 0..ROUNDS {
            cache.clear();
            cache.get_or_load(&1, || load(0)).unwrap();
            ticker.advance(HARD - Duration::from_secs(seconds_left));
            recomputed += cache.get_or_load(&1, || load(1)).unwrap();
            assert!(recomputed <= u64::from(round) + 1);
        }
        recomputed as f64 / f64::from(ROUNDS)
    };
    assert_eq!(early(50, 1.0), 0.0);
    let (near, eager) = (early(1, 1.0), early(1, 3.0));
    assert!((near - 0.368).abs() < 0.08, "{near}");
    assert!((eager - 0.717).abs() < 0.08, "{eager}");
    assert_eq!(early(1, 0.0), 0.0);
}

#[test]
fn g03_g20_a_value_that_was_outdated_before_it_came_is_stale_and_not_refused() {
    type Home = Arc<Mutex<Option<Cache<u32, u64>>>>;
    for loaded in [7, 100] {
        let (home, ticker) = (Home::default(), ManualTicker::new());
        let inside = home.clone();
        // What is loaded joins its tag, and is weighed then.
        let weigh = move |_: &u32, value: &u64| {
            if let Some(cache) = inside.lock().unwrap().as_ref().filter(|_| *value == loaded) {
                cache.invalidate_tag("a");
            }
            *value
        };
        let builder = Cache::builder().capacity_weight(10).weigher(weigh).track_age(true);
        let cache = checked(builder.ticker(ticker.clone()));
        *home.lock().unwrap() = Some(cache.clone());
        assert!(cache.insert(1, 5).is_stored());
        ticker.advance(SOFT);
        let tagged = |_: &u32| Ok::<_, ()>(Loaded::new(loaded).tags(["a"]));
        assert_eq!(cache.load(&1, LoadOptions::new().refresh_after(SOFT), tagged), Ok(loaded));
        assert_eq!((cache.peek(&1), cache.stats().refused), (Some(5), 0), "{loaded}");
        home.lock().unwrap().take();
    }
}

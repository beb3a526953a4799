//! Loading by lease: the right to load as a number (G18 to G20, G22).

mod common;

use common::checked;
use pinyon::{
    Acquired, Cache, Completed, InsertOptions, LeaseOptions, Loaded, ManualTicker, Ticker, Ticket, Token,
    Waited,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(20);

fn numbers() -> common::Checked<u32, u64> {
    checked(Cache::builder().capacity(100).shards(1))
}

fn lease() -> LeaseOptions {
    LeaseOptions::new().lasting(LONG)
}

fn lead(cache: &Cache<u32, u64>, key: u32) -> Token {
    match cache.acquire(&key, lease()) {
        Acquired::Lead(token) => token,
        other => panic!("{other:?} where nobody loads"),
    }
}

fn ticket(cache: &Cache<u32, u64>, key: u32) -> Ticket {
    match cache.acquire(&key, lease()) {
        Acquired::Wait(ticket) => ticket,
        other => panic!("{other:?} where another loads"),
    }
}

#[test]
fn g18_one_leads_and_the_others_get_its_value() {
    let cache = numbers();
    let token = lead(&cache, 1);
    let (early, late) = (ticket(&cache, 1), ticket(&cache, 1));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| cache.wait(early, None));
        while cache.stats().waiting == 0 {
            thread::yield_now();
        }
        assert_eq!(cache.complete(token, 7), Completed::Stored);
        assert_eq!(waiting.join().unwrap(), Waited::Value(7));
    });
    assert_eq!(cache.acquire(&1, lease()), Acquired::Hit(7));
    // Who comes to wait only now has not come too late.
    cache.invalidate(&1);
    assert_eq!(cache.wait(late, None), Waited::Value(7));
    assert_eq!((cache.stats().loads, cache.stats().coalesced), (1, 2));
}

#[test]
fn g19_when_a_lease_is_abandoned_one_who_waits_gets_the_next() {
    let cache = numbers();
    let token = lead(&cache, 1);
    let tickets = [ticket(&cache, 1), ticket(&cache, 1)];
    assert!(cache.abandon(token) && !cache.abandon(token));
    let Waited::Lead(second) = cache.wait(tickets[0], None) else { panic!("nobody loads") };
    assert_eq!(cache.wait(tickets[1], Some(Duration::ZERO)), Waited::TimedOut);
    assert_eq!(cache.complete(second, 8), Completed::Stored);
    assert_eq!(cache.wait(tickets[1], Some(Duration::ZERO)), Waited::Value(8));
    assert_eq!(cache.wait(tickets[1], None), Waited::Unknown, "it is used up");
    assert_eq!((cache.stats().loads, cache.stats().load_failures), (1, 1));
}

#[test]
fn g19_a_thread_that_waits_is_woken_to_lead() {
    let cache = numbers();
    let token = lead(&cache, 1);
    thread::scope(|scope| {
        let (unwanted, by_ticket) = (ticket(&cache, 1), ticket(&cache, 1));
        let waiting = scope.spawn(|| cache.get_or_load(&1, || 9));
        assert!(cache.leave(unwanted));
        while cache.stats().waiting == 0 {
            thread::yield_now();
        }
        assert!(cache.abandon(token));
        assert_eq!(waiting.join().unwrap(), Ok(9));
        assert_eq!(cache.wait(by_ticket, None), Waited::Value(9));
    });
}

#[test]
fn g19_a_lease_whose_holder_does_not_come_back_ends() {
    let cache = numbers();
    let short = LeaseOptions::new().lasting(SHORT);
    let Acquired::Lead(lost) = cache.acquire(&1, short) else { panic!("nothing is there") };
    // By one who waits since before the end, and by one who comes after it.
    assert_eq!(cache.get_or_load(&1, || 10), Ok(10));
    assert_eq!(cache.complete(lost, 11), Completed::Lapsed(11));
    assert!(!cache.abandon(lost));
    assert_eq!(cache.get(&1), Some(10));
    let Acquired::Lead(lost) = cache.acquire(&2, short) else { panic!("nothing is there") };
    thread::sleep(2 * SHORT);
    let token = lead(&cache, 2);
    assert_eq!(cache.complete(lost, 20), Completed::Lapsed(20));
    assert_eq!(cache.complete(token, 21), Completed::Stored);
    assert_eq!((cache.get(&2), cache.stats().load_failures), (Some(21), 2));
}

/// Found by tests/shuttle.rs: who waited knew the end of the first lease only.
#[test]
fn g19_one_who_waits_learns_of_a_lease_that_ends_sooner() {
    let cache = numbers();
    let token = lead(&cache, 1);
    let Acquired::Wait(ticket) = cache.acquire(&1, LeaseOptions::new().lasting(SHORT)) else {
        panic!("another loads")
    };
    thread::scope(|scope| {
        let next = scope.spawn(|| cache.wait(ticket, None));
        while cache.stats().waiting == 0 {
            thread::yield_now();
        }
        let last = scope.spawn(|| cache.get_or_load(&1, || 3));
        while cache.stats().waiting < 2 {
            thread::yield_now();
        }
        assert!(cache.abandon(token));
        // Whoever polls first leads. If it is this one, its lease is short, and it forgets it.
        assert!(matches!(next.join().unwrap(), Waited::Lead(_) | Waited::Value(3)));
        assert_eq!(last.join().unwrap(), Ok(3));
    });
    cache.maintain(1000);
}

#[test]
fn g19_upkeep_ends_leases_that_are_over() {
    let cache = numbers();
    let Acquired::Lead(token) = cache.acquire(&1, LeaseOptions::new().lasting(Duration::ZERO)) else {
        panic!("nothing is there")
    };
    cache.maintain(1000);
    assert_eq!(cache.complete(token, 1), Completed::Lapsed(1));
    let Acquired::Wait(forgotten) = ({
        let _token = lead(&cache, 1);
        cache.acquire(&1, LeaseOptions::new().lasting(Duration::ZERO))
    }) else {
        panic!("another loads")
    };
    cache.maintain(1000);
    assert_eq!(cache.wait(forgotten, Some(Duration::ZERO)), Waited::Unknown);
}

#[test]
fn g08_g15_leases_that_are_out_keep_upkeep_from_nothing_else_and_are_within_its_budget() {
    let ticker = ManualTicker::new();
    let cache: common::Checked<u32, u64> =
        checked(Cache::builder().capacity(10_000).shards(1).ticker(ticker.clone()));
    let tokens: Vec<Token> = (0..1000).map(|key| lead(&cache, key)).collect();
    for key in 1000..2000 {
        assert!(cache.insert_with(key, 1, InsertOptions::new().ttl(LONG)).is_stored());
    }
    ticker.advance(LONG);
    for budget in [0, 1, 3, 7, 64] {
        let mut calls = 0;
        while calls < 5000 {
            let done = cache.maintain(budget);
            assert!(done.steps <= budget, "{} steps of {budget}", done.steps);
            calls += 1;
        }
        assert!(
            budget == 0 || cache.is_empty(),
            "{} expired entries stay at {budget} steps a call",
            cache.len()
        );
        assert_eq!(cache.len(), if budget == 0 { 1000 } else { 0 });
    }
    let short = LeaseOptions::new().lasting(Duration::ZERO);
    let Acquired::Lead(over) = cache.acquire(&5000, short) else { panic!("nothing is there") };
    while !cache.maintain(3).done {}
    assert_eq!(cache.complete(over, 1), Completed::Lapsed(1));
    assert!(tokens.into_iter().all(|token| cache.abandon(token)), "what is not over stays");
}

#[test]
fn g20_a_value_whose_key_was_written_meanwhile_is_not_stored() {
    type Write = fn(&Cache<u32, u64>);
    let writes: [Write; 5] = [
        |cache| assert!(cache.insert(1, 5).is_stored()),
        |cache| _ = cache.invalidate(&1),
        |cache| cache.clear(),
        |cache| _ = cache.remove(&1),
        |cache| assert!(cache.insert_with(1, 5, InsertOptions::new().ttl(LONG)).is_stored()),
    ];
    for write in writes {
        let cache = numbers();
        let token = lead(&cache, 1);
        let before = ticket(&cache, 1);
        write(&cache);
        let there = cache.get(&1);
        assert_eq!(cache.complete(token, 7), Completed::Overtaken(7));
        assert_eq!(cache.get(&1), there);
        assert_eq!(cache.wait(before, None), Waited::Value(7), "it asked before the write");
        assert_eq!(cache.stats().stale_loads, 1);
    }
}

#[test]
fn g20_a_value_whose_tag_was_invalidated_meanwhile_is_not_stored_and_one_who_waits_is_to_load() {
    let cache = numbers();
    let (token, ticket) = (lead(&cache, 1), ticket(&cache, 1));
    cache.invalidate_tag("odd");
    assert_eq!(cache.complete(token, Loaded::new(10).tags(["odd"])), Completed::Overtaken(10));
    let Waited::Lead(token) = cache.wait(ticket, None) else { panic!("nobody loads it") };
    assert_eq!(cache.complete(token, Loaded::new(11).tags(["odd"])), Completed::Stored);
    assert_eq!(cache.get(&1), Some(11));
}

#[test]
fn g18_a_ticket_brings_what_its_load_brought_whatever_became_of_it() {
    let cache = numbers();
    let (token, ticket) = (lead(&cache, 1), ticket(&cache, 1));
    assert_eq!(cache.complete(token, 10), Completed::Stored);
    assert!(cache.invalidate(&1));
    assert_eq!((cache.wait(ticket, None), cache.get(&1)), (Waited::Value(10), None));
    assert_eq!(cache.wait(ticket, None), Waited::Unknown);
}

#[test]
fn g20_who_asks_after_a_removal_does_not_wait_for_a_load_from_before() {
    let cache = numbers();
    let old = lead(&cache, 1);
    cache.invalidate(&1);
    let new = lead(&cache, 1);
    assert_eq!(cache.complete(new, 2), Completed::Stored);
    assert_eq!(cache.complete(old, 1), Completed::Overtaken(1));
    assert_eq!(cache.get(&1), Some(2));
}

#[test]
fn g03_g18_a_value_too_heavy_comes_back_and_those_who_wait_have_it() {
    let cache: common::Checked<u32, u64> =
        checked(Cache::builder().capacity_weight(100).weigher(|_, value: &u64| *value));
    let token = lead(&cache, 1);
    let waiting = ticket(&cache, 1);
    assert_eq!(cache.complete(token, 101), Completed::Refused(101));
    assert_eq!(cache.wait(waiting, None), Waited::Value(101));
    let token = lead(&cache, 1);
    assert_eq!(cache.complete(token, Loaded::new(101).weight(1)), Completed::Stored);
}

#[test]
fn g22_a_lease_may_ask_for_early_recomputation() {
    let ticker = ManualTicker::new();
    let cache: common::Checked<u32, u64> =
        checked(Cache::builder().capacity(100).shards(1).time_to_live(LONG).ticker(ticker.clone()));
    let token = lead(&cache, 1);
    ticker.advance(Duration::from_secs(1));
    assert_eq!(cache.complete(token, 7), Completed::Stored);
    assert_eq!(cache.acquire(&1, lease()), Acquired::Hit(7));
    assert_eq!(cache.acquire(&1, lease().refresh_early(0.0)), Acquired::Hit(7));
    let early = cache.acquire(&1, lease().refresh_early(1e12));
    let Acquired::Stale(7, Some(token)) = early else { panic!("{early:?} where it is due") };
    assert_eq!(cache.complete(token, 8), Completed::Stored);
}

#[test]
fn g22_a_stale_value_comes_with_one_token() {
    let (ticker, start) = (ManualTicker::new(), Duration::from_secs(60));
    let cache: common::Checked<u32, u64> =
        checked(Cache::builder().capacity(100).ticker(ticker.clone()).refresh_after(start));
    cache.insert(1, 1);
    ticker.advance(start - Duration::from_nanos(1));
    assert_eq!(cache.acquire(&1, lease()), Acquired::Hit(1));
    ticker.advance(Duration::from_nanos(1));
    let Acquired::Stale(1, Some(token)) = cache.acquire(&1, lease()) else { panic!("it is due") };
    assert_eq!(cache.acquire(&1, lease()), Acquired::Stale(1, None));
    assert_eq!(cache.get(&1), Some(1));
    assert_eq!(cache.complete(token, 2), Completed::Stored);
    assert_eq!(cache.acquire(&1, lease()), Acquired::Hit(2));
    let own = lease().refresh_after(Duration::ZERO);
    let Acquired::Stale(2, Some(token)) = cache.acquire(&1, own) else { panic!("by the call's own rule") };
    assert!(cache.abandon(token));
    assert_eq!(cache.acquire(&1, lease()), Acquired::Hit(2));
}

#[test]
fn g23_what_fails_is_not_cached_and_that_there_is_nothing_can_be() {
    let ticker = ManualTicker::new();
    let cache: common::Checked<u32, Option<u64>> =
        checked(Cache::builder().capacity(100).ticker(ticker.clone()));
    let Acquired::Lead(token) = cache.acquire(&1, lease()) else { panic!("nothing is there") };
    assert!(cache.abandon(token));
    let Acquired::Lead(token) = cache.acquire(&1, lease()) else { panic!("a failure was cached") };
    assert_eq!(cache.complete(token, Loaded::nothing(Duration::from_secs(5))), Completed::Stored);
    assert_eq!(cache.acquire(&1, lease()), Acquired::Hit(None));
    ticker.advance(Duration::from_secs(5));
    let Acquired::Lead(token) = cache.acquire(&1, lease()) else { panic!("its time is over") };
    assert_eq!(cache.complete(token, Some(3)), Completed::Stored);
}

#[test]
fn numbers_that_were_not_given_out_stand_for_nothing() {
    let cache = numbers();
    for bits in [0, 1, u64::MAX] {
        assert_eq!(cache.complete(Token::from_bits(bits), 3), Completed::Lapsed(3));
        assert!(!cache.abandon(Token::from_bits(bits)) && !cache.leave(Ticket::from_bits(bits)));
        assert_eq!(cache.wait(Ticket::from_bits(bits), None), Waited::Unknown);
    }
    let token = lead(&cache, 1);
    let waiting = ticket(&cache, 1);
    assert!(token.to_bits() != 0 && waiting.to_bits() != 0);
    assert_eq!(cache.complete(Token::from_bits(waiting.to_bits()), 4), Completed::Lapsed(4));
    assert_eq!(cache.wait(Ticket::from_bits(token.to_bits()), None), Waited::Unknown);
    assert_eq!(cache.complete(Token::from_bits(token.to_bits()), 4), Completed::Stored);
    assert_eq!(cache.wait(Ticket::from_bits(waiting.to_bits()), None), Waited::Value(4));
}

#[test]
fn g18_who_waits_for_code_that_outlasts_its_lease_lets_others_have_the_processor() {
    /// Asked once for each look of who waits.
    struct Looks(AtomicU64);
    impl Ticker for Looks {
        fn now(&self) -> Duration {
            self.0.fetch_add(1, Ordering::Relaxed);
            Duration::ZERO
        }
    }
    let (looks, weighing) = (Arc::new(Looks(AtomicU64::new(0))), Arc::new(Barrier::new(2)));
    let begun = weighing.clone();
    let builder = Cache::builder().capacity_weight(100).shards(1).ticker(looks.clone());
    let cache = checked(builder.weigher(move |_: &u32, _: &u32| {
        begun.wait();
        thread::sleep(Duration::from_millis(300));
        1
    }));
    let over = LeaseOptions::new().lasting(Duration::ZERO);
    let Acquired::Lead(token) = cache.acquire(&1, over) else { panic!("nothing is there") };
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(cache.complete(token, 10), Completed::Stored));
        weighing.wait();
        assert_eq!(cache.get_or_load(&1, || unreachable!("it is brought")), Ok(10));
    });
    let looks = looks.0.load(Ordering::Relaxed);
    assert!(looks < 10_000, "{looks} looks in 300 ms");
}

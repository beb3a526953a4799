//! Histories of real threads: has what they saw a legal order, key by key?
//!
//! `record` runs threads that do everything there is to a few keys (`act`), with code of the user's that takes its time (`user`);
//! `checker` judges what they saw; `refusals` are the tests of the judge.
//! By default 200 short rounds a test and a few long ones; `HISTORY_SECONDS=60` gives each test a minute. What is
//! random is seeded by `HISTORY_SEED`, which is printed; what the threads make of it is not.
//!
//! # What they catch
//!
//! Each line was tried by breaking the code so, three runs each of the optimized build (2 to 3 seconds a run), on two busy
//! cores. "All five" are the tests that mix all operations: with room, under growth, with evictions, with expiry, long.
//!
//! | broken | seen by |
//! |---|---|
//! | an overwrite is a removal and an insertion: a false miss between two stores | `a_hot_key` in each run, four of the others now and then |
//! | an overwrite says that it wrote and now and then leaves the old entry: a stale read | all five and `a_hot_key`, without search |
//! | `remove_if` removes what is there, when what it tested has been replaced | all five |
//! | `compute` writes over what is there, when what it saw has been replaced: a lost update | all five |
//! | `insert_if_absent` looks first and then writes whatever is there | all five |
//! | `remove` reads the value first and then removes whatever is there | all five |
//! | a search that found nothing is not confirmed under the lock: two entries of one key | all five, without search |
//! | what was found and is gone counts as never found | all five |
//! | a search ends without a look at the grown table | under growth, expiry, evictions, long |
//! | clear leaves entries of one hash but one; clear leaves an eighth of the hashes | growth and evictions (and others), without search |
//! | an eviction in 32 is not told | evictions, expiry, long |
//! | notices are told newest first; two threads tell of one key at once | evictions, expiry, long |
//! | an entry expires one unit of its state word (2^30 ns) late, or is read one tick (2^20 ns) late | expiry, long |
//! | a writer takes what has expired for live | expiry, long |
//! | a load is stored though its key was written since it began | all five, without search |
//!
//! Not seen: a slot is emptied before its copy is in the grown table (a key crosses that moment a dozen times a round;
//! `tests/loom.rs` sees it at once).
#![allow(missing_docs)]

mod act;
mod checker;
mod record;
mod refusals;
mod user;

use checker::History;
use pinyon::Policy;
use record::{Life, Plan, Weights, record};
use std::time::{Duration, Instant};
use user::{Hashing, Random};

/// Runs `round` so many times, or until the time is over.
fn rounds(count: usize, mut round: impl FnMut(&mut Random)) {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
    let seed = number("HISTORY_SEED").unwrap_or(random);
    println!("HISTORY_SEED={seed}");
    let end = number("HISTORY_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut random = Random(seed);
    let mut done = 0;
    while end.map_or(done < count, |end| Instant::now() < end) {
        round(&mut random);
        done += 1;
    }
}

/// Short, with more room than keys, alone on their keys.
fn plan(random: &mut Random) -> Plan {
    Plan {
        threads: 3 + random.below(2),
        ops: 200,
        keys: 1 + random.below(4),
        shards: 1 + 2 * random.below(2) as usize,
        policy: if random.below(2) == 0 { Policy::ClockTinyLfu } else { Policy::Clock },
        hashing: Hashing { collide: random.below(8) == 0 },
        tight: None,
        life: None,
        others: 0,
        hot: false,
        clears: 0,
        loads: if random.below(2) == 0 { 3 } else { 0 },
    }
}

/// Less room than keys.
fn tight(random: &mut Random) -> Plan {
    let weights = if random.below(2) == 0 { Weights::Entries } else { Weights::OneOrTwo };
    let room = Some((2 + random.below(5), weights));
    Plan { tight: room, others: 1 + random.below(12), clears: 200, ..plan(random) }
}

fn lifetime(random: &mut Random) -> Life {
    Life { steps: 50 + random.below(2000), step: 1 << (16 + random.below(12)) }
}

fn run(plan: Plan, random: &mut Random) -> Vec<History> {
    let histories = record(plan, random.next());
    for (key, history) in histories.iter().enumerate() {
        history.order().unwrap_or_else(|error| panic!("{plan:?}, key {key}: {error}"));
    }
    histories
}

/// Nothing leaves by itself.
#[test]
fn g10_g16_histories_with_room_have_an_order() {
    rounds(200, |random| drop(run(plan(random), random)));
}

/// Other keys make the table grow, and sometimes everything is cleared.
#[test]
fn g10_g15_histories_under_growth_have_an_order() {
    rounds(200, |random| drop(run(Plan { others: 500, clears: 400, ..plan(random) }, random)));
}

/// What leaves by itself, and a capacity that changes: the listener says what left.
#[test]
fn g10_g26_histories_with_evictions_have_an_order() {
    rounds(200, |random| drop(run(tight(random), random)));
}

/// Lifetimes, with time moved by a thread; with room, and without.
#[test]
fn g06_g10_histories_with_expiry_have_an_order() {
    rounds(200, |random| {
        let life = Some(lifetime(random));
        let room = if random.below(2) == 0 { plan(random) } else { tight(random) };
        drop(run(Plan { life, others: room.others.max(4), ..room }, random));
    });
}

/// A few that are long, of each kind.
#[test]
fn g10_long_histories_have_an_order() {
    rounds(2, |random| {
        for life in [None, Some(lifetime(random))] {
            for room in [plan(random), tight(random)] {
                let plan = Plan { threads: 4, ops: 5000, keys: 8, life, clears: 5000, ..room };
                drop(run(Plan { others: 200.max(plan.others), ..plan }, random));
            }
        }
    });
}

/// A key that is there from its first write on, and is overwritten without end: nobody misses it after that.
#[test]
fn g10_a_hot_key_has_an_order() {
    rounds(4, |random| {
        drop(run(Plan { threads: 3, ops: 20_000, keys: 1, hot: true, loads: 0, ..plan(random) }, random))
    });
}

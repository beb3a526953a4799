//! An eviction policy: what it holds beside a set, as a cache would use it; then the input once more as a trace of
//! keys, through the public replay, beside what is possible at all.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pinyon::Policy;
use pinyon::replay::{Outcome, Replay};
use std::collections::{BTreeSet, HashMap};

fuzz_target!(|data: &[u8]| {
    pinyon::fuzzing::policy(data);
    if let [policy, capacity, shards, seed, keys @ ..] = data {
        let policy = if policy % 2 == 0 { Policy::ClockTinyLfu } else { Policy::Clock };
        let keys = trace(keys);
        let replay = |seed| run(policy, *capacity as usize % 64, *shards as usize % 4, seed, &keys);
        let outcome = replay(u64::from(*seed));
        assert_eq!(outcome, replay(u64::from(*seed)), "the same seed, other figures");
        possible(outcome, &keys, *capacity as usize % 64, *shards as usize % 4);
    }
});

/// A byte is a key; one of the largest stands for a loop over some of the keys before it.
fn trace(bytes: &[u8]) -> Vec<u64> {
    let mut keys: Vec<u64> = Vec::new();
    for &byte in bytes.iter().take(1000) {
        let back = keys.len().min(usize::from(byte.saturating_sub(240)) * 8);
        match byte {
            0..=240 => keys.push(u64::from(byte)),
            _ if keys.len() < 3000 => keys.extend_from_within(keys.len() - back..),
            _ => {}
        }
    }
    keys
}

fn run(policy: Policy, capacity: usize, shards: usize, seed: u64, keys: &[u64]) -> Outcome {
    let mut replay = Replay::new(policy, capacity, seed).sharded(shards);
    keys.iter().for_each(|key| replay.request(*key));
    replay.outcome()
}

/// No policy hits more than the optimum, nor misses what fits more than once.
fn possible(outcome: Outcome, keys: &[u64], capacity: usize, shards: usize) {
    let capacity = capacity.max(1);
    let shards = shards.clamp(1, capacity);
    let distinct = keys.iter().collect::<BTreeSet<_>>().len();
    assert_eq!(outcome.requests, keys.len() as u64);
    let best = optimum(keys, capacity.next_multiple_of(shards));
    assert!(outcome.hits <= best, "{} hits, and {best} are possible", outcome.hits);
    if shards == 1 && distinct <= capacity {
        assert_eq!(outcome.hits, (keys.len() - distinct) as u64, "what fits is missed once");
    }
}

/// The hits of a cache that knows the future (Belady 1966, with bypass).
fn optimum(keys: &[u64], capacity: usize) -> u64 {
    let (mut coming, mut next) = (HashMap::new(), vec![usize::MAX; keys.len()]);
    for (at, key) in keys.iter().enumerate().rev() {
        next[at] = coming.insert(key, at).unwrap_or(usize::MAX);
    }
    // What is kept, by the moment of its next request.
    let (mut kept, mut hits) = (BTreeSet::new(), 0);
    for (at, next) in next.into_iter().enumerate() {
        hits += u64::from(kept.remove(&at));
        if next != usize::MAX {
            kept.insert(next);
        }
        if kept.len() > capacity {
            kept.pop_last();
        }
    }
    hits
}

//! One operation on one key, and what came of it.

use crate::checker::{Op, Out, Then, wanted};
use crate::user::{Hashing, Key, Value, pause};
use pinyon::{Cache, Compute, Computed, InsertOptions, Inserted};
use std::time::Duration;

pub type Histories = Cache<Key, Value, Hashing>;

/// A lifetime without end.
pub const FOR_EVER: u64 = u64::MAX;

pub const CHOICES: u64 = 20;
/// Of the choices, those that read or overwrite.
pub const HOT: u64 = 8;

/// One operation on a key; the lifetime of what it wrote, if it has one of its own.
pub fn act(cache: &Histories, key: Key, new: u64, choice: u64, own_life: u64) -> (Op, Option<u64>) {
    let out = |value: Option<&Value>| value.map(|value| value.number());
    let value = Value::new(new);
    let op = match choice {
        0..=2 => Op::Get(cache.get(&key).map(|value| value.number())),
        3 => Op::Get(cache.get_ref(&key).map(|value| value.number())),
        4 => Op::Get(out(cache.pin().get(&key))),
        5 => Op::Get(cache.peek(&key).map(|value| value.number())),
        6 | 7 => Op::Insert(new, outcome(&cache.insert(key, value))),
        8 => {
            let options = match own_life {
                FOR_EVER => InsertOptions::new().forever(),
                life => InsertOptions::new().ttl(Duration::from_nanos(life)),
            };
            let done = outcome(&cache.insert_with(key, value, options));
            return (Op::Insert(new, done), Some(own_life));
        }
        9 | 10 => Op::InsertIfAbsent(new, outcome(&cache.insert_if_absent(key, value))),
        11 | 12 => {
            let mut saw = None;
            let done = outcome(&cache.replace_if(key, value, condition(&mut saw)));
            Op::ReplaceIf { saw: saw.filter(|_| done != Out::Kept), new, out: done }
        }
        13 => Op::Remove(cache.remove(&key).map(|value| value.number())),
        14 | 15 => {
            let mut saw = None;
            let removed = cache.remove_if(&key, condition(&mut saw));
            Op::RemoveIf(saw.filter(|_| removed))
        }
        _ => compute(cache, key, value, new, choice),
    };
    (op, None)
}

/// Tells of the last value that it was asked about.
fn condition(saw: &mut Option<u64>) -> impl FnMut(&Value) -> bool {
    |value| {
        *saw = Some(value.number());
        pause();
        wanted(value.number())
    }
}

fn compute(cache: &Histories, key: Key, value: Value, new: u64, choice: u64) -> Op {
    let mut saw = None;
    let mut then = Then::Keep;
    let done = cache.compute(key, |there| {
        saw = there.map(|value| value.number());
        pause();
        // What is wanted depends on what is there, as it does for a counter.
        then = match (choice, saw) {
            (16, _) | (17 | 18, None) => Then::Put(new),
            (17, Some(there)) if wanted(there) => Then::Put(new),
            (18 | 19, Some(_)) => Then::Remove,
            _ => Then::Keep,
        };
        match then {
            Then::Put(_) => Compute::Put(value.clone()),
            Then::Remove => Compute::Remove,
            Then::Keep => Compute::Keep,
        }
    });
    let out = match done {
        Computed::Added => Out::Added,
        Computed::Replaced => Out::Replaced,
        Computed::Refused(_) => Out::Refused,
        Computed::Removed => {
            assert!(then == Then::Remove && saw.is_some(), "removed: {then:?} of {saw:?}");
            Out::Kept
        }
        Computed::Kept => {
            let nothing = then == Then::Keep || (then == Then::Remove && saw.is_none());
            assert!(nothing, "kept: {then:?} of {saw:?}");
            Out::Kept
        }
    };
    Op::Compute { saw, then, out }
}

fn outcome(inserted: &Inserted<Key, Value>) -> Out {
    match inserted {
        Inserted::Added => Out::Added,
        Inserted::Replaced => Out::Replaced,
        Inserted::Kept { .. } => Out::Kept,
        Inserted::Refused { .. } => Out::Refused,
    }
}

//! Does time do what the tables say: G06 to G09 through the public face.

#[path = "../common/mod.rs"]
mod common;
mod expired;
mod lifetimes;
mod memory;
mod tickers;

use common::{Census, Checked, Constant, Rng, checked};
use pinyon::exclusive::Exclusive;
use pinyon::{
    Builder, Cache, Cause, CoarseTicker, Compute, Computed, Cursor, Expiry, InsertOptions, Inserted,
    Lifetime, ManualTicker, PreciseTicker, RandomState, Ticker,
};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Numbers = Cache<u32, u32>;

const S: Duration = Duration::from_secs(1);
/// The unit of an entry's coarse deadline, in nanoseconds.
const UNIT: u64 = 1 << 30;
/// The last moment a ticker can tell.
const END: u64 = u64::MAX - 1;

fn ns(n: u64) -> Duration {
    Duration::from_nanos(n)
}

fn timed(builder: Builder<u32, u32>) -> (Checked<u32, u32>, ManualTicker) {
    let ticker = ManualTicker::new();
    (checked(builder.ticker(ticker.clone())), ticker)
}

fn small() -> Builder<u32, u32> {
    Cache::builder().capacity(100).shards(1)
}

fn ttl(time: Duration) -> InsertOptions {
    InsertOptions::new().ttl(time)
}

fn tti(time: Duration) -> InsertOptions {
    InsertOptions::new().tti(time)
}

fn remaining(cache: &Numbers, key: u32) -> Option<Duration> {
    cache.metadata(&key).expect("a live entry").remaining
}

/// Every way to see the entry of key 7, which must leave it as it is, but for its use.
#[allow(clippy::type_complexity)]
const LOOKS: [(&str, fn(&Numbers) -> bool); 17] = [
    ("get", |cache| cache.get(&7).is_some()),
    ("get_ref", |cache| cache.get_ref(&7).is_some()),
    ("with", |cache| cache.with(&7, |_| ()).is_some()),
    ("pin, get", |cache| cache.pin().get(&7).is_some()),
    ("pin, get_key_value", |cache| cache.pin().get_key_value(&7).is_some()),
    ("pin, peek", |cache| cache.pin().peek(&7).is_some()),
    ("pin, contains", |cache| cache.pin().contains(&7)),
    ("peek", |cache| cache.peek(&7).is_some()),
    ("contains", |cache| cache.contains(&7)),
    ("get_many", |cache| cache.get_many([&6, &7])[1].is_some()),
    ("iter", |cache| cache.iter().any(|entry| *entry.key() == 7)),
    ("into_iter", |cache| cache.into_iter().count() > 0),
    ("metadata", |cache| cache.metadata(&7).is_some()),
    ("touch", |cache| cache.touch(&7)),
    ("compute", |cache| {
        let mut seen = false;
        cache.compute(7, |there| {
            seen = there.is_some();
            Compute::Keep
        });
        seen
    }),
    ("replace_if", |cache| {
        let mut seen = false;
        cache.replace_if(7, 0, |_| {
            seen = true;
            false
        });
        seen
    }),
    ("remove_if", |cache| {
        let mut seen = false;
        cache.remove_if(&7, |_| {
            seen = true;
            false
        });
        seen
    }),
];

/// Every way to write or remove key 7 that tells whether there was an entry.
#[allow(clippy::type_complexity)]
const DEEDS: [(&str, fn(&Numbers) -> bool); 16] = [
    ("insert", |cache| cache.insert(7, 1) == Inserted::Replaced),
    ("insert_with", |cache| cache.insert_with(7, 1, InsertOptions::new().forever()) == Inserted::Replaced),
    ("insert_many", |cache| cache.insert_many([(7, 1)]).replaced == 1),
    ("insert_if_absent", |cache| !cache.insert_if_absent(7, 1).is_stored()),
    ("replace", |cache| cache.replace(7, 1) == Inserted::Replaced),
    ("replace_if", |cache| cache.replace_if(7, 1, |_| true) == Inserted::Replaced),
    ("get_or_insert", |cache| cache.get_or_insert(7, 1) == 70),
    ("or_insert", |cache| cache.entry(7).or_insert(1) == 70),
    ("or_insert_with", |cache| cache.entry(7).or_insert_with(|| 1) == 70),
    ("and_modify", |cache| cache.entry(7).and_modify(|_| 1) == Computed::Replaced),
    ("compute, put", |cache| cache.compute(7, |_| Compute::Put(1)) == Computed::Replaced),
    ("compute, remove", |cache| cache.compute(7, |_| Compute::Remove) == Computed::Removed),
    ("remove", |cache| cache.remove(&7).is_some()),
    ("invalidate", |cache| cache.invalidate(&7)),
    ("retain", |cache| cache.retain(|_, _| false) == 1),
    ("set_lifetime", |cache| cache.set_lifetime(&7, Lifetime::Never)),
];

/// Deadlines where a rounding could go wrong: of the wheel's ticks, the entry's coarse units, and at the ends.
fn deadlines() -> impl Iterator<Item = u64> {
    let around = [1 << 20, UNIT, 5 * UNIT, 64 << 20, 1 << 40, UNIT << 27, UNIT << 28, UNIT << 29, UNIT << 33];
    let near = around.into_iter().flat_map(|at| [at - 1, at, at + 1]);
    near.chain([1, 2, 3 * UNIT + 12_345, END - 1, END])
}

/// The method that was asked, and what it was told to remain.
type Question = (&'static str, Option<Duration>);

/// Answers what it is told to, and writes down what it was asked.
#[derive(Clone, Default)]
struct Told {
    answers: Arc<Mutex<[Lifetime; 3]>>,
    asked: Arc<Mutex<Vec<Question>>>,
}

impl Told {
    fn answer(&self, created: Lifetime, updated: Lifetime, read: Lifetime) {
        *self.answers.lock().unwrap() = [created, updated, read];
    }
    fn take(&self) -> Vec<Question> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
    fn ask(&self, which: usize, remaining: Option<Duration>) -> Lifetime {
        self.asked.lock().unwrap().push((["create", "update", "read"][which], remaining));
        self.answers.lock().unwrap()[which]
    }
}

impl Expiry<u32, u32> for Told {
    fn after_create(&self, _: &u32, _: &u32) -> Lifetime {
        self.ask(0, None)
    }
    fn after_update(&self, _: &u32, _: &u32, remaining: Option<Duration>) -> Lifetime {
        self.ask(1, remaining)
    }
    fn after_read(&self, _: &u32, _: &u32, remaining: Option<Duration>) -> Lifetime {
        self.ask(2, remaining)
    }
}

fn after(seconds: u32) -> Lifetime {
    Lifetime::After(S * seconds)
}

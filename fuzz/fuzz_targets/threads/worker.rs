//! One thread's list of operations, with what it holds and what it learns.

use crate::payload::{Alive, Hashing, Key, Value};
use crate::program::{Op, Program};
use pinyon::{Cache, Compute, Computed, InsertOptions, Inserted, Lifetime, ManualTicker, ValueRef};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The most values a thread holds.
const HELD: usize = 6;

pub struct Worker<'c, K: Key, V: Value> {
    cache: &'c Cache<K, V, Hashing>,
    program: &'c Program,
    alive: &'c Alive,
    ids: &'c AtomicUsize,
    ticker: &'c ManualTicker,
    held: Vec<ValueRef<'c, K, V>>,
    /// The values of which it was told that they are in.
    stored: Vec<u64>,
}

impl<'c, K: Key, V: Value> Worker<'c, K, V> {
    pub fn new(
        cache: &'c Cache<K, V, Hashing>,
        program: &'c Program,
        alive: &'c Alive,
        ids: &'c AtomicUsize,
        ticker: &'c ManualTicker,
    ) -> Self {
        Worker { cache, program, alive, ids, ticker, held: Vec::new(), stored: Vec::new() }
    }

    /// Does the list as often as the program says, and returns the values that were stored.
    pub fn run(mut self, list: &[Op]) -> Vec<u64> {
        for _ in 0..self.program.rounds {
            let mut ops = list.iter();
            while ops.len() > 0 {
                self.steps(&mut ops);
            }
        }
        self.stored
    }

    /// Until the next `Unpin`; what a pin showed stays whole for as long as the pin.
    fn steps(&mut self, ops: &mut std::slice::Iter<Op>) {
        while let Some(op) = ops.next() {
            match *op {
                Op::Unpin => return,
                Op::Pin(key) => {
                    let pin = self.cache.pin();
                    let found: Vec<_> = (key..key + 3).filter_map(|key| pin.get_key_value(&key)).collect();
                    self.steps(ops);
                    found.iter().for_each(|(key, value)| value.check(key.number()));
                }
                op => self.step(op),
            }
            self.look();
        }
    }

    /// What holds at every moment.
    fn look(&self) {
        for held in &self.held {
            held.value().check(held.key().number());
        }
        let most = self.program.capacity;
        let weight = self.cache.weight();
        assert!(weight <= most, "{weight} in a cache of at most {most}");
    }

    fn key(&self, number: u8) -> K {
        K::new(number, self.alive)
    }

    fn value(&self, key: u8) -> V {
        V::new(key, self.ids.fetch_add(1, Ordering::Relaxed) as u64, self.alive)
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Insert(key) => self.put(key, InsertOptions::new()),
            Op::InsertFor(key, more) => self.put(key, options(more)),
            Op::InsertIfAbsent(_) | Op::Replace(_) | Op::GetOrInsert(_) => self.put_when(op),
            Op::Compute(key, more) => self.compute(key, more),
            Op::Fill(from) => (from % 16..16).for_each(|key| self.put(key, InsertOptions::new())),
            Op::Clear => self.cache.clear(),
            Op::SetLifetime(key, more) => _ = self.cache.set_lifetime(&key, lifetime(more)),
            Op::SetCapacity(byte) => {
                let capacity = 1 + u64::from(byte) % self.program.capacity;
                self.cache.set_capacity(capacity).expect("more than nothing");
            }
            Op::Maintain(budget) => {
                let done = self.cache.maintain(budget.into());
                assert!(done.steps <= budget.into(), "{done:?}");
            }
            Op::Advance(by) => self.ticker.advance(Duration::from_millis(by.into())),
            Op::Outdate(more) if more % 2 == 0 => self.cache.invalidate_all(),
            Op::Outdate(_) => self.cache.invalidate_tag(TAG),
            Op::Yield => std::thread::yield_now(),
            Op::Remove(_) | Op::Invalidate(_) | Op::RemoveIf(_) | Op::Retain(_) => self.remove(op),
            read => self.read(read),
        }
    }

    fn read(&mut self, op: Op) {
        match op {
            Op::Get(key) => _ = self.cache.get(&key).inspect(|value| value.check(key)),
            Op::Peek(key) => _ = self.cache.peek(&key).inspect(|value| value.check(key)),
            Op::With(key) => _ = self.cache.with(&key, |value| value.check(key)),
            Op::Touch(key) => _ = self.cache.touch(&key),
            Op::Hold(key) => {
                if self.held.len() == HELD {
                    self.held.remove(0);
                }
                self.held.extend(self.cache.get_ref(&key));
            }
            Op::LetGo => self.held.clear(),
            Op::GetMany(key) => {
                let keys = [key, key + 1, key + 2];
                for (value, key) in self.cache.get_many(&keys).into_iter().zip(keys) {
                    value.inspect(|value| value.check(key));
                }
            }
            Op::Iterate => self.cache.iter().for_each(|entry| entry.value().check(entry.key().number())),
            other => unreachable!("{other:?} is no read"),
        }
    }

    fn remove(&self, op: Op) {
        match op {
            Op::Remove(key) => _ = self.cache.remove(&key).inspect(|value| value.check(key)),
            Op::Invalidate(key) => _ = self.cache.invalidate(&key),
            Op::RemoveIf(key) => {
                self.cache.remove_if(&key, |value| {
                    value.check(key);
                    value.id() % 2 == 0
                });
            }
            Op::Retain(rest) => {
                self.cache.retain(|key, value| {
                    value.check(key.number());
                    value.id() % 3 != u64::from(rest % 3)
                });
            }
            other => unreachable!("{other:?} removes nothing"),
        }
    }

    fn note(&mut self, id: u64, inserted: Inserted<K, V>) {
        match inserted {
            Inserted::Added | Inserted::Replaced => self.stored.push(id),
            Inserted::Kept { key, value } | Inserted::Refused { key, value, .. } => {
                assert_eq!(value.id(), id, "another value came back");
                value.check(key.number());
            }
        }
    }

    fn put(&mut self, key: u8, options: InsertOptions) {
        let value = self.value(key);
        let id = value.id();
        let inserted = self.cache.insert_with(self.key(key), value, options);
        self.note(id, inserted);
    }

    fn put_when(&mut self, op: Op) {
        let (Op::InsertIfAbsent(key) | Op::Replace(key) | Op::GetOrInsert(key)) = op else { return };
        let (new, value) = (self.key(key), self.value(key));
        let id = value.id();
        match op {
            Op::InsertIfAbsent(_) => {
                let inserted = self.cache.insert_if_absent(new, value);
                self.note(id, inserted);
            }
            Op::Replace(_) => {
                let replaced = self.cache.replace(new, value);
                self.note(id, replaced);
            }
            _ => self.cache.get_or_insert(new, value).check(key),
        }
    }

    fn compute(&mut self, key: u8, more: u8) {
        let mut last = 0;
        let computed = self.cache.compute(self.key(key), |there| {
            there.inspect(|value| value.check(key));
            match more.wrapping_add(there.map_or(0, |value| value.id() as u8)) % 4 {
                0 | 1 => {
                    let value = self.value(key);
                    last = value.id();
                    Compute::Put(value)
                }
                2 => Compute::Remove,
                _ => Compute::Keep,
            }
        });
        match computed {
            Computed::Added | Computed::Replaced => self.stored.push(last),
            Computed::Refused(value) => value.check(key),
            Computed::Removed | Computed::Kept => {}
        }
    }
}

const TAG: &str = "some";

fn options(more: u8) -> InsertOptions {
    let span = Duration::from_millis(u64::from(more) * 8);
    match more % 4 {
        0 => InsertOptions::new().tti(span).tags([TAG]),
        1 => InsertOptions::new().ttl(span).tti(span / 2),
        _ => InsertOptions::new().ttl(span),
    }
}

fn lifetime(more: u8) -> Lifetime {
    match more % 8 {
        0 => Lifetime::Default,
        1 => Lifetime::Never,
        _ => Lifetime::After(Duration::from_millis(u64::from(more) * 8)),
    }
}

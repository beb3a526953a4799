//! One run: each operation is done to the cache and to the model, and everything that can be compared is.
//!
//! Which entry is evicted is the policy's business. A listener says which; without one, a live entry may be
//! found missing, but only after an operation that had to make room. Either way, nothing is ever wrong, stale,
//! expired, removed or overwritten, and nothing is missing without need.

use crate::ops::{Alive, Answer, Hashing, Key, Op, Refuses, Rule, Setting, TAGS, Terms, Told, Unit, Val};
use crate::reference::{Counts, Model, Outcome, goes_by_itself};
use pinyon::exclusive::Exclusive;
use pinyon::{Cache, Cause, Compute, Computed, Inserted, Iter, ManualTicker, Pinned, ValueRef};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

type Tested = Cache<Key, Val, Hashing>;

/// Through which door the operations go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Shared,
    Exclusive,
    NonReentrant,
}

/// Does something through the exclusive door, which is closed again before the cache is used in any other way.
macro_rules! alone {
    ($run:expr, $alone:ident => $does:expr) => {
        match $run.door {
            Door::NonReentrant => {
                // SAFETY: behind this door no guard is ever held, the run has one thread, and keys and values know no cache.
                #[allow(unsafe_code, unused_mut)]
                let mut $alone = unsafe { Exclusive::non_reentrant($run.cache) };
                $does
            }
            _ => {
                // SAFETY: as above.
                #[allow(unsafe_code, unused_mut)]
                let mut $alone = unsafe { Exclusive::new($run.cache) };
                $does
            }
        }
    };
}

/// Runs the operations and drops everything; nothing may be left then.
pub fn run(setting: &Setting, ops: &[Op], door: Door) {
    let alive = Alive::default();
    let told = Arc::new(Mutex::new(Vec::new()));
    let ticker = ManualTicker::new();
    let cache = build(setting, &told, &ticker);
    let (overhead, tagged) = overheads(&alive);
    let model = Model::new(setting, overhead, tagged);
    let mut run = Run {
        setting,
        cache: &cache,
        model,
        told: &told,
        alive: &alive,
        ticker,
        door,
        ids: 0,
        held: Vec::new(),
        walk: None,
        may_evict: false,
    };
    let mut ops = ops.iter();
    while ops.len() > 0 {
        run.steps(&mut ops);
    }
    cache.validate();
    drop(run);
    drop(cache);
    assert_eq!(alive.load(Ordering::Relaxed), 0, "keys and values that nobody dropped");
}

fn build(setting: &Setting, told: &Arc<Mutex<Vec<Told>>>, ticker: &ManualTicker) -> Tested {
    let mut builder = Cache::builder().policy(setting.policy).shards(setting.shards).ticker(ticker.clone());
    builder = match setting.unit {
        Unit::Entries => builder.capacity(setting.capacity),
        Unit::Weight => builder.capacity_weight(setting.capacity).weigher(|_, value: &Val| value.size),
        Unit::Bytes => builder.capacity_bytes_with(setting.capacity, |_, value: &Val| value.size * 8),
    };
    if let Some(ttl) = setting.ttl {
        builder = builder.time_to_live(ttl);
    }
    if let Some(tti) = setting.tti {
        builder = builder.time_to_idle(tti);
    }
    if setting.rule {
        builder = builder.expiry(Rule);
    }
    if setting.listener {
        let told = told.clone();
        builder = builder.listener(move |key: &Key, value: &Val, cause| {
            told.lock().unwrap().push((key.0, value.id, cause));
        });
    }
    builder.track_age(setting.dated).hasher(Hashing::new(setting.mask)).build().expect("a good description")
}

/// What the library adds to an entry in a budget of bytes, and to one with up to three tags.
fn overheads(alive: &Alive) -> (u64, u64) {
    let cache = Cache::builder().capacity_bytes_with(1 << 20, |_, _| 0).build().expect("a good description");
    let weight = |tags| {
        let options = Terms { tags, ..Terms::default() }.options();
        cache.insert_with(Key::new(0, alive), Val::new(0, 0, alive), options);
        cache.weight()
    };
    let (none, one, three) = (weight(0), weight(1), weight(7));
    assert_eq!(one, three, "blocks of the allocator are larger than three pointers");
    (none, one - none)
}

/// An iteration that goes on between the operations.
struct Walk<'c> {
    iter: Iter<'c, Key, Val, Hashing>,
    seen: BTreeSet<u8>,
    /// Keys that have been there since it began.
    steady: BTreeSet<u8>,
}

struct Run<'c> {
    setting: &'c Setting,
    cache: &'c Tested,
    model: Model,
    told: &'c Mutex<Vec<Told>>,
    alive: &'c Alive,
    ticker: ManualTicker,
    door: Door,
    ids: u64,
    held: Vec<(ValueRef<'c, Key, Val>, u64)>,
    walk: Option<Walk<'c>>,
    /// The operation had to make room.
    may_evict: bool,
}

impl From<Inserted<Key, Val>> for Outcome {
    fn from(inserted: Inserted<Key, Val>) -> Self {
        match inserted {
            Inserted::Added => Outcome::Added,
            Inserted::Replaced => Outcome::Replaced,
            Inserted::Kept { .. } => Outcome::Kept,
            Inserted::Refused { .. } => Outcome::Refused,
        }
    }
}

impl From<Computed<Val>> for Outcome {
    fn from(computed: Computed<Val>) -> Self {
        match computed {
            Computed::Added => Outcome::Added,
            Computed::Replaced => Outcome::Replaced,
            Computed::Removed => Outcome::Removed,
            Computed::Kept => Outcome::Kept,
            Computed::Refused(_) => Outcome::Refused,
        }
    }
}

impl<'c> Run<'c> {
    fn value(&mut self, size: u64) -> Val {
        self.ids += 1;
        Val::new(self.ids, size, self.alive)
    }

    fn key(&self, number: u8) -> Key {
        Key::new(number, self.alive)
    }

    fn is_alone(&self) -> bool {
        self.door != Door::Shared
    }

    /// Until the next `Unpin`. What a pin showed stays as it was for as long as the pin, whatever is done meanwhile.
    fn steps(&mut self, ops: &mut std::slice::Iter<Op>) {
        while let Some(op) = ops.next() {
            self.step(op);
            match op {
                Op::Unpin => return,
                Op::Pin if !self.is_alone() => {
                    let pin = self.cache.pin();
                    let seen = self.seen_through(&pin);
                    self.steps(ops);
                    assert!(
                        seen.iter().all(|(value, id)| value.id == *id),
                        "a value changed while it was pinned"
                    );
                }
                _ => {}
            }
        }
    }

    fn seen_through<'p>(&self, pin: &'p Pinned<'c, Key, Val, Hashing>) -> Vec<(&'p Val, u64)> {
        let all = self.model.all().into_iter();
        let seen = all.filter_map(|(key, id)| pin.peek(&key).map(|value| (value, id))).collect::<Vec<_>>();
        assert!(seen.iter().all(|(value, id)| value.id == *id), "another value through a pin");
        seen
    }

    fn step(&mut self, op: &Op) {
        self.may_evict = false;
        self.perform(op);
        self.compare(op);
    }

    fn perform(&mut self, op: &Op) {
        match *op {
            Op::Insert(key, size) => self.insert(key, size, Terms::default()),
            Op::InsertWith(key, size, terms) => self.insert(key, size, terms),
            Op::Fill(from, count, size) => {
                for n in 0..count {
                    self.insert(from.wrapping_add(n), size, Terms::default());
                    self.compare_entries(op);
                }
            }
            Op::InsertIfAbsent(key, size) => self.put_when(key, size, &[Answer::Keep, Answer::Put], None),
            Op::Replace(key, size) => self.put_when(key, size, &[Answer::Put, Answer::Keep], None),
            Op::ReplaceIf(key, size, r) => self.put_when(key, size, &[Answer::Put, Answer::Keep], Some(r)),
            Op::Compute(key, size, present, absent) => self.compute(key, size, present, absent),
            Op::GetOrInsert(key, size) => self.get_or_insert(key, size),
            Op::Remove(key) => self.remove(key, |run| {
                let removed = match run.is_alone() {
                    true => alone!(run, alone => alone.remove(&key, Val::clone)),
                    false => run.cache.remove(&key),
                };
                removed.map(|value| value.id)
            }),
            Op::Invalidate(key) => self.remove(key, |run| {
                let id = run.cache.peek(&key).map(|value| value.id);
                id.filter(|_| run.cache.invalidate(&key))
            }),
            Op::RemoveIf(key, refuses) => {
                let wanted = self.model.id(key).filter(|id| id % 3 != refuses);
                let removed = self.cache.remove_if(&key, |value| value.id % 3 != refuses);
                self.absorb(key, i128::MIN);
                assert_eq!(removed, wanted.is_some() && self.model.remove(key));
            }
            Op::Retain(refuses) => self.retain(refuses),
            Op::Clear => self.clear(),
            Op::InvalidateAll => {
                match self.is_alone() {
                    true => alone!(self, alone => alone.invalidate_all()),
                    false => self.cache.invalidate_all(),
                }
                // To have a number for the new era it may have swept out what was outdated before.
                self.absorb(0, i128::MIN);
                self.model.invalidate(None);
            }
            Op::InvalidateTag(bit) => {
                let name = TAGS.get(usize::from(bit)).unwrap_or(&"none has this");
                match self.is_alone() {
                    true => alone!(self, alone => alone.invalidate_tag(name)),
                    false => self.cache.invalidate_tag(name),
                }
                self.model.invalidate(Some(1 << bit));
            }
            Op::SetCapacity(thousandths) => self.set_capacity(thousandths),
            Op::Maintain(budget) => self.maintain(budget),
            Op::Advance(step) => {
                self.ticker.advance(step);
                self.model.advance(step);
            }
            Op::Touch(key) => assert_eq!(self.cache.touch(&key), self.model.touch(key)),
            Op::SetLifetime(key, lifetime) => {
                assert_eq!(self.cache.set_lifetime(&key, lifetime), self.model.set_lifetime(key, lifetime));
            }
            ref read => self.read(read),
        }
    }

    fn read(&mut self, op: &Op) {
        let cache = self.cache;
        match *op {
            Op::Get(key) => {
                let read = match self.is_alone() {
                    true => alone!(self, alone => alone.get(&key).map(|value| value.id)),
                    false => cache.get(&key).map(|value| value.id),
                };
                assert_eq!(read, self.model.read(key));
            }
            Op::With(key) => assert_eq!(cache.with(&key, |value| value.id), self.model.read(key)),
            Op::Hold(key) => {
                let found = cache.get_ref(&key);
                assert_eq!(found.as_ref().map(|value| value.id), self.model.read(key));
                if let Some(value) = found.filter(|_| !self.is_alone()) {
                    let id = value.id;
                    self.held.push((value, id));
                }
            }
            Op::LetGo => self.held.clear(),
            Op::Pin | Op::Unpin => {}
            Op::Peek(key) if self.is_alone() => {
                assert_eq!(alone!(self, alone => alone.peek(&key).map(|value| value.id)), self.model.id(key));
            }
            Op::Peek(key) => assert_eq!(cache.peek(&key).map(|value| value.id), self.model.id(key)),
            Op::Contains(key) => assert_eq!(cache.contains(&key), self.model.id(key).is_some()),
            Op::GetMany(ref keys) => {
                let read: Vec<_> = cache.get_many(keys).into_iter().map(|v| v.map(|v| v.id)).collect();
                let expected: Vec<_> = keys.iter().map(|key| self.model.read(*key)).collect();
                assert_eq!(read, expected);
            }
            Op::Metadata(key) => {
                let seen = cache.metadata(&key).map(|m| (m.age, m.remaining, m.idle, m.weight));
                assert_eq!(seen, self.model.metadata(key));
            }
            Op::Iterate => {
                let mut all: Vec<_> = cache.iter().map(|entry| (entry.key().0, entry.id)).collect();
                all.sort_unstable();
                assert_eq!(all, self.model.all());
            }
            Op::IterateFurther(steps) if !self.is_alone() => self.iterate(steps),
            Op::IterateFurther(_) => {}
            ref write => unreachable!("{write:?} is no read"),
        }
    }

    fn insert(&mut self, key: u8, size: u64, terms: Terms) {
        let value = self.value(size);
        let (id, weight) = (value.id, self.model.weigh(size, terms));
        let excess = self.model.excess(key, weight);
        let pair = (self.key(key), value);
        let got: Outcome = match self.is_alone() {
            true => alone!(self, alone => alone.insert_with(pair.0, pair.1, terms.options())).into(),
            false => self.cache.insert_with(pair.0, pair.1, terms.options()).into(),
        };
        self.evicted_itself(key, weight, got == Outcome::Added);
        self.absorb(key, excess);
        assert_eq!(got, self.model.put(key, id, weight, terms));
        self.settle();
    }

    /// The conditional writes are computes with fewer answers: the first if a live value is there that is accepted.
    fn put_when(&mut self, key: u8, size: u64, answers: &[Answer; 2], refuses: Option<Refuses>) {
        let value = self.value(size);
        let (id, weight) = (value.id, self.model.weigh(size, Terms::default()));
        let accepts = |id: u64| refuses.is_none_or(|refuses| id % 3 != refuses);
        let wanted = |model: &Model| match model.id(key) {
            Some(there) if accepts(there) => answers[0],
            Some(_) => Answer::Keep,
            None => answers[1],
        };
        let writes = matches!(wanted(&self.model), Answer::Put);
        let excess = if writes { self.model.excess(key, weight) } else { i128::MIN };
        let was_there = self.model.id(key).is_some();
        let (cache, pair) = (self.cache, (self.key(key), value));
        let got: Outcome = match (answers[0], refuses) {
            (Answer::Keep, _) if self.is_alone() => {
                alone!(self, alone => alone.insert_if_absent(pair.0, pair.1, Default::default())).into()
            }
            (Answer::Keep, _) => cache.insert_if_absent(pair.0, pair.1).into(),
            (_, None) => cache.replace(pair.0, pair.1).into(),
            (_, Some(_)) => cache.replace_if(pair.0, pair.1, |there| accepts(there.id)).into(),
        };
        self.evicted_itself(key, weight, writes && was_there && got == Outcome::Kept);
        self.absorb(key, excess);
        let now_wanted = wanted(&self.model);
        assert_eq!(got, self.model.compute(key, id, size, now_wanted));
        self.settle();
    }

    fn compute(&mut self, key: u8, size: u64, present: Answer, absent: Answer) {
        let value = self.value(size);
        let id = value.id;
        let first = self.model.answer(key, present, absent);
        let weight = match first {
            Answer::Put => Some(self.model.weigh(size, Terms::default())),
            Answer::PutWith(terms) => Some(self.model.weigh(size, terms)),
            Answer::Remove | Answer::Keep => None,
        };
        let mut excess = weight.map_or(i128::MIN, |weight| self.model.excess(key, weight));
        let (expected, was_there) = (self.model.id(key), self.model.id(key).is_some());
        let mut asked = Vec::new();
        let decide = |there: Option<&Val>| {
            asked.push(there.map(|value| value.id));
            match if there.is_some() { present } else { absent } {
                Answer::Put => Compute::Put(value.clone()),
                Answer::PutWith(terms) => Compute::PutWith(value.clone(), terms.options()),
                Answer::Remove => Compute::Remove,
                Answer::Keep => Compute::Keep,
            }
        };
        let new = self.key(key);
        let got: Outcome = match self.is_alone() {
            true => alone!(self, alone => alone.compute(new, decide)).into(),
            false => self.cache.compute(new, decide).into(),
        };
        assert_eq!(asked[0], expected, "what the closure was shown");
        assert!(
            asked.iter().all(|&shown| shown.is_none() || shown == expected),
            "nobody else writes: {asked:?}"
        );
        // Making room for the first answer cost the key its own entry; the second may weigh something else.
        let again = was_there && asked.last() == Some(&None);
        if again {
            let second = match absent {
                Answer::Put => self.model.weigh(size, Terms::default()),
                Answer::PutWith(terms) => self.model.weigh(size, terms),
                Answer::Remove | Answer::Keep => 0,
            };
            let second = if second > self.model.capacity { 0 } else { second };
            excess = excess.max(self.model.excess(key, second)).max(1);
        }
        self.evicted_itself(key, weight.unwrap_or(0), again);
        self.absorb(key, excess);
        let now_wanted = self.model.answer(key, present, absent);
        assert_eq!(got, self.model.compute(key, id, size, now_wanted));
        self.settle();
    }

    fn get_or_insert(&mut self, key: u8, size: u64) {
        let value = self.value(size);
        let (id, weight) = (value.id, self.model.weigh(size, Terms::default()));
        let there = self.model.id(key);
        let excess = if there.is_none() { self.model.excess(key, weight) } else { i128::MIN };
        let got = self.cache.get_or_insert(self.key(key), value).id;
        assert_eq!(got, there.unwrap_or(id));
        assert_eq!(self.model.read(key), there);
        self.absorb(key, excess);
        if there.is_none() {
            self.model.put(key, id, weight, Terms::default());
        }
        self.settle();
    }

    fn remove(&mut self, key: u8, remove: impl FnOnce(&mut Self) -> Option<u64>) {
        let expected = self.model.id(key);
        assert_eq!(remove(self), expected);
        self.absorb(key, i128::MIN);
        self.model.remove(key);
        self.settle();
    }

    fn retain(&mut self, refuses: Refuses) {
        let victims: Vec<u8> =
            self.model.all().into_iter().filter(|(_, id)| id % 3 == refuses).map(|(key, _)| key).collect();
        let mut asked = Vec::new();
        let removed = self.cache.retain(|key, value| {
            asked.push((key.0, value.id));
            value.id % 3 != refuses
        });
        asked.sort_unstable();
        assert_eq!(asked, self.model.all(), "retain asks of every live entry once");
        assert_eq!(removed, victims.len());
        self.absorb(0, i128::MIN);
        for key in victims {
            self.model.remove(key);
        }
        self.settle();
        if self.setting.listener {
            assert_eq!(self.model.all().len(), self.model.entries.len(), "retain removes the expired");
        } else {
            self.forget_until(self.model.now);
        }
        assert_eq!(self.cache.len(), self.model.entries.len());
    }

    fn clear(&mut self) {
        match self.is_alone() {
            true => alone!(self, alone => alone.clear()),
            false => self.cache.clear(),
        }
        self.absorb(0, i128::MIN);
        let keys: Vec<u8> = self.model.entries.keys().copied().collect();
        for key in keys {
            self.model.depart(key, Cause::Cleared);
        }
        self.settle();
        assert_eq!((self.cache.len(), self.cache.weight()), (0, 0));
        self.nothing_waits();
    }

    fn set_capacity(&mut self, thousandths: u64) {
        let capacity =
            u64::try_from(u128::from(self.setting.capacity) * u128::from(thousandths) / 1000).unwrap();
        let done = self.cache.set_capacity(capacity);
        let least = if matches!(self.setting.unit, Unit::Bytes) { 1024 } else { 1 };
        assert_eq!(done.is_ok(), capacity >= least);
        if done.is_err() {
            return assert_eq!(self.cache.capacity(), self.model.capacity, "an error changes nothing");
        }
        self.model.capacity = capacity;
        let excess = i128::from(self.model.total()) - i128::from(capacity);
        self.may_evict = excess > 0;
        self.absorb(0, excess);
        assert_eq!(self.cache.capacity(), capacity);
    }

    fn maintain(&mut self, budget: usize) {
        let before = self.model.counts.expired;
        let done = match self.is_alone() {
            true => alone!(self, alone => alone.maintain(budget)),
            false => self.cache.maintain(budget),
        };
        self.absorb(0, i128::MIN);
        assert!(done.steps <= budget, "{done:?} of {budget}");
        if budget == usize::MAX {
            assert!(done.done, "{done:?}");
        }
        if self.setting.listener {
            assert_eq!(done.expired, self.model.counts.expired - before);
            // The wheel works in ticks of 2^20 ns.
            let tick = self.model.now >> 20 << 20;
            let late = self.model.entries.values().filter(|slot| slot.outdated || slot.at() <= tick).count();
            assert!(!done.done || late == 0, "{late} expired or invalidated entries are left");
        } else if budget == usize::MAX {
            let tick = self.model.now >> 20 << 20;
            self.forget_until(tick);
        }
        self.nothing_waits();
    }

    /// Behind the exclusive door, what left is dropped before the call returns, and these calls sweep every shard.
    fn nothing_waits(&self) {
        if self.is_alone() {
            let entries = self.cache.len() as i64;
            assert_eq!(self.alive.load(Ordering::Relaxed), 2 * entries, "keys and values, alive and stored");
            assert_eq!(self.cache.stats().retired, 0);
        }
    }

    fn iterate(&mut self, steps: u8) {
        let steady = || self.model.all().into_iter().map(|(key, _)| key).collect();
        let mut walk = self.walk.take().unwrap_or_else(|| Walk {
            iter: self.cache.iter(),
            seen: BTreeSet::new(),
            steady: steady(),
        });
        for _ in 0..steps {
            let Some(entry) = walk.iter.next() else {
                let missed: Vec<_> = walk.steady.difference(&walk.seen).collect();
                assert!(missed.is_empty(), "an iteration did not see {missed:?}");
                return;
            };
            assert!(entry.id != 0 && entry.id <= self.ids);
            assert!(walk.seen.insert(entry.key().0), "an iteration saw {} twice", entry.key().0);
        }
        self.walk = Some(walk);
    }

    /// Without a listener: to make room for its own key, a write may evict the entry it wanted to replace.
    fn evicted_itself(&mut self, key: u8, weight: u64, absent: bool) {
        if self.setting.listener || !absent {
            return;
        }
        if let Some(old) = self.model.live(key) {
            assert!(old.weight > 0 && self.model.excess(key, weight) > 0, "{key} was lost without need");
            self.model.entries.remove(&key);
        }
    }

    /// Without a listener: what had expired by then is gone, and what was invalidated.
    fn forget_until(&mut self, moment: u64) {
        self.model.entries.retain(|_, slot| !slot.outdated && slot.at() > moment);
    }

    /// Takes what left by expiry, invalidation and eviction into the model. `excess`: what had to be made room for, if anything.
    fn absorb(&mut self, key: u8, excess: i128) {
        self.may_evict |= excess > 0;
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        let (mut freed, mut made, mut largest, mut evicted) = (0i128, 0i128, 0i128, false);
        let mut rest = Vec::new();
        for (gone, id, cause) in told {
            if !goes_by_itself(cause) {
                rest.push((gone, id, cause));
                continue;
            }
            let slot = self.model.entries.get(&gone).unwrap_or_else(|| panic!("{gone} is told of twice"));
            assert_eq!(slot.id, id, "{gone} is told of with another value");
            let weight = i128::from(slot.weight);
            assert_eq!(cause == Cause::Invalidated, slot.outdated, "{gone} is told of as {cause}");
            match cause {
                Cause::Invalidated => {}
                Cause::Expired => assert!(!self.model.is_live(slot), "{gone} is told to have expired"),
                _ => {
                    assert!(slot.weight > 0, "{gone} weighs nothing and was evicted");
                    assert!(self.setting.shards > 1 || excess > freed, "{gone} was evicted without need");
                    evicted = true;
                }
            }
            if gone != key {
                freed += weight;
            }
            if gone != key && cause == Cause::Evicted {
                (made, largest) = (made + weight, largest.max(weight));
            }
            self.leave_walk(gone);
            self.model.depart(gone, cause);
        }
        assert!(!evicted || excess + largest > made, "more was evicted than needed: {made} for {excess}");
        *self.told.lock().unwrap() = rest;
    }

    /// What else the listener was told is what the model says, in the model's order for each key.
    fn settle(&mut self) {
        let (mut told, mut owed) =
            (std::mem::take(&mut *self.told.lock().unwrap()), std::mem::take(&mut self.model.owed));
        for (key, ..) in &owed {
            self.leave_walk(*key);
        }
        if self.setting.listener {
            told.sort_by_key(|(key, ..)| *key);
            owed.sort_by_key(|(key, ..)| *key);
            assert_eq!(told, owed, "what the listener was told");
        }
    }

    fn leave_walk(&mut self, key: u8) {
        if let Some(walk) = &mut self.walk {
            walk.steady.remove(&key);
        }
    }

    /// After every operation: all that can be compared.
    fn compare(&mut self, op: &Op) {
        self.settle();
        let (cache, capacity) = (self.cache, self.cache.capacity());
        assert!(cache.weight() <= capacity, "{} of {capacity} after {op:?}", cache.weight());
        // It looks at every bucket of every shard, and what it finds does not mend itself.
        if self.ids.is_multiple_of(4) {
            cache.validate();
        }
        for (value, id) in &self.held {
            assert_eq!(value.id, *id, "a value changed while it was held");
        }
        self.compare_entries(op);
        if let Some(walk) = &mut self.walk {
            let model = &self.model;
            walk.steady.retain(|key| model.live(*key).is_some());
        }
        self.compare_sums();
    }

    /// Every live entry of the model is there, with its value; or may have been evicted.
    fn compare_entries(&mut self, op: &Op) {
        for (key, id) in self.model.all() {
            match self.cache.peek(&key) {
                Some(value) => assert_eq!(value.id, id, "{key} after {op:?}"),
                None => {
                    assert!(!self.setting.listener && self.may_evict, "{key} is missing after {op:?}");
                    assert!(self.model.entries[&key].weight > 0);
                    self.leave_walk(key);
                    self.model.entries.remove(&key);
                }
            }
        }
    }

    fn compare_sums(&self) {
        let (cache, model, stats) = (self.cache, &self.model, self.cache.stats());
        let mut counts = Counts {
            hits: stats.hits,
            misses: stats.misses,
            added: stats.added,
            replaced: stats.replaced,
            removed: stats.removed,
            cleared: stats.cleared,
            refused: stats.refused,
            evicted: stats.evicted,
            evicted_weight: stats.evicted_weight,
            expired: stats.expired,
            expired_weight: stats.expired_weight,
            invalidated: stats.invalidated,
            crushed: model.counts.crushed,
        };
        let (len, total) = (model.entries.len(), model.total());
        let left = stats.evicted
            + stats.expired
            + stats.removed
            + stats.cleared
            + stats.invalidated
            + counts.crushed;
        assert_eq!(stats.added, left + stats.entries, "what was added left or is there: {stats:?}");
        assert_eq!((stats.entries as usize, stats.weight), (cache.len(), cache.weight()));
        if self.setting.listener {
            assert_eq!((cache.len(), cache.weight()), (len, total));
        } else {
            // Expired and invalidated entries may be gone or not.
            let live: u64 =
                model.entries.values().filter(|slot| model.is_live(slot)).map(|slot| slot.weight).sum();
            assert!((model.all().len()..=len).contains(&cache.len()));
            assert!((live..=total).contains(&cache.weight()));
            assert!(left <= model.counts.added);
            let Counts { cleared, evicted, evicted_weight, expired, expired_weight, invalidated, .. } =
                model.counts;
            counts =
                Counts { cleared, evicted, evicted_weight, expired, expired_weight, invalidated, ..counts };
        }
        assert_eq!(counts, model.counts);
    }
}

//! The naive model: a sorted map, and the tables of the documentation written out once more.

use crate::ops::{Answer, Rule, Setting, Terms, Told, Unit};
use pinyon::{Cause, Lifetime};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

/// The deadline that does not come.
pub const NEVER: u64 = u64::MAX;

/// An entry as the model knows it.
#[derive(Clone, Debug)]
pub struct Slot {
    pub id: u64,
    pub weight: u64,
    hard: u64,
    idle: u64,
    used: u64,
    created: Option<u64>,
    tags: u8,
    /// It, or one of its tags, was invalidated.
    pub outdated: bool,
}

impl Slot {
    /// When it dies, as things stand.
    pub fn at(&self) -> u64 {
        self.hard.min(self.used.saturating_add(self.idle))
    }
    fn is_timed(&self) -> bool {
        self.hard != NEVER || self.idle != NEVER
    }
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Added,
    Replaced,
    Removed,
    Kept,
    Refused,
}

/// Counts as [`pinyon::Stats`] has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub hits: u64,
    pub misses: u64,
    pub added: u64,
    pub replaced: u64,
    pub removed: u64,
    pub cleared: u64,
    pub refused: u64,
    pub evicted: u64,
    pub evicted_weight: u64,
    pub expired: u64,
    pub expired_weight: u64,
    pub invalidated: u64,
    /// Live entries that went because what was written over them was too heavy: counted as replaced too.
    pub crushed: u64,
}

/// What the library adds to an entry in a budget of bytes, to one with up to three tags, and to all once anything can have a lifetime.
#[derive(Clone, Copy, Debug)]
pub struct Overheads {
    pub overhead: u64,
    pub tagged: u64,
    pub times: u64,
}

/// The model.
#[derive(Debug)]
pub struct Model {
    pub now: u64,
    /// All entries, expired ones that were not told of yet among them.
    pub entries: BTreeMap<u8, Slot>,
    pub capacity: u64,
    pub counts: Counts,
    /// What must be told of, in order for each key.
    pub owed: Vec<Told>,
    unit: Unit,
    overhead: u64,
    /// What tags add to it.
    tagged: u64,
    /// What times add to it, once anything can have a lifetime.
    times: u64,
    timed: Cell<bool>,
    ttl: u64,
    tti: u64,
    rule: bool,
    dated: bool,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

fn left(deadline: u64, now: u64) -> Option<Duration> {
    (deadline != NEVER).then(|| Duration::from_nanos(deadline - now))
}

/// Does the cache decide when?
pub fn goes_by_itself(cause: Cause) -> bool {
    matches!(cause, Cause::Expired | Cause::Evicted | Cause::Invalidated)
}

impl Model {
    pub fn new(setting: &Setting, Overheads { overhead, tagged, times }: Overheads) -> Self {
        Model {
            now: 0,
            entries: BTreeMap::new(),
            capacity: setting.capacity,
            counts: Counts::default(),
            owed: Vec::new(),
            unit: setting.unit,
            overhead,
            tagged,
            times,
            timed: Cell::new(setting.ttl.is_some() || setting.tti.is_some() || setting.rule || setting.dated),
            ttl: setting.ttl.map_or(NEVER, nanos),
            tti: setting.tti.map_or(NEVER, nanos),
            rule: setting.rule,
            dated: setting.dated,
        }
    }

    pub fn advance(&mut self, step: Duration) {
        self.now = self.now.saturating_add(nanos(step)).min(NEVER - 1);
    }

    pub fn is_live(&self, slot: &Slot) -> bool {
        !slot.outdated && slot.at() > self.now
    }

    /// Everything is invalidated, or what has one of these tags.
    pub fn invalidate(&mut self, tags: Option<u8>) {
        let hit = |slot: &&mut Slot| tags.is_none_or(|tags| slot.tags & tags != 0);
        self.entries.values_mut().filter(hit).for_each(|slot| slot.outdated = true);
    }

    pub fn live(&self, key: u8) -> Option<&Slot> {
        self.entries.get(&key).filter(|slot| self.is_live(slot))
    }

    pub fn id(&self, key: u8) -> Option<u64> {
        self.live(key).map(|slot| slot.id)
    }

    pub fn total(&self) -> u64 {
        self.entries.values().map(|slot| slot.weight).sum()
    }

    pub fn weigh(&self, size: u64, terms: Terms) -> u64 {
        self.timed.set(self.timed.get() || terms.forever || terms.ttl.is_some() || terms.tti.is_some());
        let overhead = self.overhead + if self.timed.get() { self.times } else { 0 };
        match (self.unit, terms.weight) {
            (Unit::Entries, _) => 1,
            (_, Some(weight)) => weight,
            (Unit::Weight, None) => size,
            (Unit::Bytes, None) if terms.tags == 0 => size * 8 + overhead,
            (Unit::Bytes, None) => size * 8 + overhead + self.tagged,
        }
    }

    /// By how much a write of `weight` exceeds what is free: only then may it evict.
    pub fn excess(&self, key: u8, weight: u64) -> i128 {
        let old = self.entries.get(&key).map_or(0, |slot| slot.weight);
        i128::from(self.total()) - i128::from(old) + i128::from(weight) - i128::from(self.capacity)
    }

    /// An entry goes; what is counted and, unless it goes by itself, owed to the listener.
    pub fn depart(&mut self, key: u8, cause: Cause) -> Option<Slot> {
        let slot = self.entries.remove(&key)?;
        let counts = &mut self.counts;
        match cause {
            Cause::Expired => {
                counts.expired += 1;
                counts.expired_weight += slot.weight;
            }
            Cause::Evicted => {
                counts.evicted += 1;
                counts.evicted_weight += slot.weight;
            }
            Cause::Replaced => counts.replaced += 1,
            Cause::Removed => counts.removed += 1,
            Cause::Cleared => counts.cleared += 1,
            Cause::Invalidated => counts.invalidated += 1,
            cause => unreachable!("{cause} is no departure"),
        }
        if !goes_by_itself(cause) {
            self.owed.push((key, slot.id, cause));
        }
        Some(slot)
    }

    /// A write that is wanted.
    pub fn put(&mut self, key: u8, id: u64, weight: u64, terms: Terms) -> Outcome {
        let previous = self.live(key).cloned();
        if weight > self.capacity {
            self.counts.refused += 1;
            self.counts.crushed += u64::from(previous.is_some());
            if previous.is_some() {
                self.depart(key, Cause::Replaced);
            }
            self.owed.push((key, id, Cause::Refused));
            return Outcome::Refused;
        }
        let (hard, idle) = self.deadlines(key, id, terms, previous.as_ref());
        let timed = hard != NEVER || idle != NEVER;
        let created = (timed || self.dated).then_some(self.now);
        if previous.is_some() {
            self.depart(key, Cause::Replaced);
        } else {
            self.counts.added += 1;
        }
        self.entries.insert(
            key,
            Slot { id, weight, hard, idle, used: self.now, created, tags: terms.tags, outdated: false },
        );
        if previous.is_some() { Outcome::Replaced } else { Outcome::Added }
    }

    fn deadlines(&self, key: u8, id: u64, terms: Terms, previous: Option<&Slot>) -> (u64, u64) {
        let idle = match (terms.tti, terms.forever) {
            (Some(tti), _) => nanos(tti),
            (None, true) => NEVER,
            (None, false) => self.tti,
        };
        let ttl = match (terms.ttl, terms.forever, previous) {
            (Some(ttl), ..) => Lifetime::After(ttl),
            (None, true, _) => Lifetime::Never,
            (None, false, _) if !self.rule => Lifetime::Default,
            (None, false, Some(old)) => Rule::updated(id, left(old.hard, self.now)),
            (None, false, None) => Rule::created(key, id),
        };
        (self.after(ttl, self.ttl), idle)
    }

    fn after(&self, lifetime: Lifetime, default: u64) -> u64 {
        self.now.saturating_add(match lifetime {
            Lifetime::Default => default,
            Lifetime::Never => NEVER,
            Lifetime::After(time) => nanos(time),
        })
    }

    /// What a compute answers to what is there.
    pub fn answer(&self, key: u8, present: Answer, absent: Answer) -> Answer {
        if self.live(key).is_some() { present } else { absent }
    }

    pub fn compute(&mut self, key: u8, id: u64, size: u64, answer: Answer) -> Outcome {
        match answer {
            Answer::Put => self.put(key, id, self.weigh(size, Terms::default()), Terms::default()),
            Answer::PutWith(terms) => self.put(key, id, self.weigh(size, terms), terms),
            Answer::Keep => Outcome::Kept,
            Answer::Remove if self.remove(key) => Outcome::Removed,
            Answer::Remove => Outcome::Kept,
        }
    }

    pub fn remove(&mut self, key: u8) -> bool {
        self.live(key).is_some() && self.depart(key, Cause::Removed).is_some()
    }

    /// A counted read.
    pub fn read(&mut self, key: u8) -> Option<u64> {
        let (now, rule, dated) = (self.now, self.rule, self.dated);
        let Some(slot) = self.entries.get_mut(&key).filter(|slot| !slot.outdated && slot.at() > now) else {
            self.counts.misses += 1;
            return None;
        };
        self.counts.hits += 1;
        slot.used = now;
        let id = slot.id;
        if rule {
            let answer = Rule::was_read(id, left(slot.hard, now));
            if answer != Lifetime::Default {
                let hard = self.after(answer, NEVER);
                self.set_hard(key, hard, dated);
            }
        }
        Some(id)
    }

    fn set_hard(&mut self, key: u8, hard: u64, dated: bool) {
        let now = self.now;
        let Some(slot) = self.entries.get_mut(&key) else { return };
        let was_timed = slot.is_timed();
        slot.hard = hard;
        slot.used = now;
        if !dated {
            slot.created =
                if slot.is_timed() { slot.created.filter(|_| was_timed).or(Some(now)) } else { None };
        }
    }

    pub fn touch(&mut self, key: u8) -> bool {
        let now = self.now;
        let Some(slot) = self.entries.get_mut(&key).filter(|slot| !slot.outdated && slot.at() > now) else {
            return false;
        };
        slot.used = now;
        true
    }

    pub fn set_lifetime(&mut self, key: u8, lifetime: Lifetime) -> bool {
        if self.live(key).is_none() {
            return false;
        }
        self.timed.set(true);
        let hard = self.after(lifetime, self.ttl);
        self.set_hard(key, hard, self.dated);
        true
    }

    /// Age, what remains, idle time and weight of a live entry.
    #[allow(clippy::type_complexity)]
    pub fn metadata(&self, key: u8) -> Option<(Option<Duration>, Option<Duration>, Option<Duration>, u64)> {
        let slot = self.live(key)?;
        let age = slot.created.map(|created| Duration::from_nanos(self.now - created));
        Some((age, left(slot.at(), self.now), left(slot.idle, 0), slot.weight))
    }

    /// Every live key with its value's id.
    pub fn all(&self) -> Vec<(u8, u64)> {
        let live = self.entries.iter().filter(|(_, slot)| self.is_live(slot));
        live.map(|(key, slot)| (*key, slot.id)).collect()
    }
}

//! What `fuzz/` needs of the parts that are private: each harness takes the fuzzer's bytes, does what they say to one
//! part, and compares it with something naive. Compiled under `--cfg fuzzing` only, and no part of the API.
//!
//! A harness panics if a promise at the head of the part's file is broken. Every byte string means something; a
//! step that the bytes do not suffice for is the end.

use crate::expiry::{NEVER, Wheel};
use crate::policy::sketch::{
    ENTRIES_PER_BLOCK as SERVED, MIN_BLOCKS, MIN_ENTRIES, PERIOD, SPLIT, SWEEP, Sketch,
};
use crate::policy::{Eviction, Link, Policy, Residents};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// The bytes that are left of an input.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn below(&mut self, bound: u8) -> Option<u8> {
        self.byte().map(|byte| byte % bound)
    }
}

/// log2 of the wheel's tick in nanoseconds.
const TICK_BITS: u32 = 20;

/// The wheel beside a list of deadlines: never early, never lost, late by less than a tick, within the budget.
pub fn wheel(data: &[u8]) {
    let mut input = Input(data);
    let mut timers = Timers { wheel: Wheel::new(), deadlines: BTreeMap::new(), now: 0 };
    timers.now = span(&mut input).unwrap_or(0).min(NEVER - 1);
    while timers.step(&mut input).is_some() {
        timers.check();
    }
    while timers.wheel.has_due(timers.now) {
        assert!(timers.advance(0, 3) > 0, "has_due promised work");
    }
    timers.advance(NEVER, usize::MAX);
}

/// A length of time near a power of two of nanoseconds or ticks, or anything below three seconds.
fn span(input: &mut Input) -> Option<u64> {
    let (kind, by) = (input.byte()?, u64::from(input.byte()?));
    Some(match kind {
        0..64 => (1 << kind) + by,
        64..108 => (1_u64 << TICK_BITS << (kind - 64)).saturating_add(by << (TICK_BITS - 4)),
        108..152 => (1_u64 << TICK_BITS << (kind - 108)).saturating_sub(by),
        152..156 => NEVER - by,
        _ => (u64::from(kind - 156) << 8 | by) << 17,
    })
}

struct Timers {
    wheel: Wheel,
    /// Of every index that must be scheduled, as it is now.
    deadlines: BTreeMap<u32, u64>,
    now: u64,
}

impl Timers {
    fn step(&mut self, input: &mut Input) -> Option<()> {
        let (code, index) = (input.below(16)?, input.byte()?);
        // Neighbours, two pages, and one far away.
        let index = if index < 250 { u32::from(index % 24) + u32::from(index / 125) * 244 } else { 70_000 };
        match code {
            0..5 => self.schedule(index, self.now.saturating_add(span(input)?)),
            5 => self.schedule(index, span(input)?),
            6 => self.schedule(index, NEVER),
            7 | 8 => {
                self.wheel.cancel(index);
                self.deadlines.remove(&index);
            }
            9 | 10 => self.extend(index, span(input)?),
            11..15 => _ = self.advance(span(input)?, index as usize % 8),
            _ => _ = self.advance(span(input)?, usize::MAX),
        }
        Some(())
    }

    fn schedule(&mut self, index: u32, deadline: u64) {
        self.wheel.schedule(index, deadline, self.now);
        self.deadlines.remove(&index);
        if deadline != NEVER {
            self.deadlines.insert(index, deadline);
        }
    }

    /// A reader moves a deadline back; the wheel is not told.
    fn extend(&mut self, index: u32, by: u64) {
        if let Some(deadline) = self.deadlines.get_mut(&index) {
            *deadline = deadline.saturating_add(by);
        }
    }

    fn advance(&mut self, by: u64, budget: usize) -> usize {
        self.now = self.now.saturating_add(by).min(NEVER - 1);
        let (asked, mut fired) = (RefCell::new(Vec::new()), Vec::new());
        let present = |index: u32| {
            asked.borrow_mut().push(index);
            *self.deadlines.get(&index).expect("what was cancelled or fired is asked for")
        };
        let visited = self.wheel.advance(self.now, budget, present, |index| fired.push(index));
        assert!(visited <= budget && asked.borrow().len() == visited, "{visited} visits of {budget}");
        for index in fired {
            let deadline = self.deadlines.remove(&index).expect("fired once");
            assert!(deadline <= self.now, "{index} is early: {deadline} at {}", self.now);
        }
        // What has become endless is let go when the wheel comes across it.
        for index in asked.into_inner() {
            if self.deadlines.get(&index) == Some(&NEVER) {
                self.deadlines.remove(&index);
            }
        }
        if visited < budget {
            let tick = self.now >> TICK_BITS << TICK_BITS;
            assert!(self.deadlines.values().all(|&deadline| deadline > tick), "something is late");
            assert!(!self.wheel.has_due(self.now), "advance left work that it had the budget for");
        }
        visited
    }

    fn check(&self) {
        assert_eq!(self.wheel.len(), self.deadlines.len(), "scheduled timers");
        assert_eq!(self.wheel.is_empty(), self.deadlines.is_empty());
        self.wheel.check(|index| self.deadlines[&index]);
    }
}

/// Keys that the sketch is asked about: enough to fill the graves of a block twice, few enough that hardly any
/// shares all its counters.
const KEYS: usize = 24;

fn hash(key: usize) -> u32 {
    (key as u32 + 1).wrapping_mul(0x9E37_79B1)
}

/// The sketch beside exact counts: an estimate is never too low, and not too high for a key that has a counter of its
/// own; a lost trial is told of once, if it is not too long ago.
pub fn sketch(data: &[u8]) {
    let mut input = Input(data);
    let mut pair = Counts::new();
    while pair.step(&mut input).is_some() {
        pair.check();
    }
}

/// What is known of one key: what its raw counter is at least and at most, until the sweep halves it.
#[derive(Clone, Copy, Default)]
struct Range {
    least: u32,
    most: u32,
}

/// The sketch, and its schedule written out once more: when it grows, when it ages, how far the sweep has come.
struct Counts {
    sketch: Sketch,
    ranges: [Range; KEYS],
    /// Keys that no set of others can hide.
    alone: [bool; KEYS],
    /// Lost trials, the newest first; `None` if it was told of.
    graves: Vec<Option<usize>>,
    entries: u64,
    len: usize,
    wanted: usize,
    swept: usize,
    counted: u64,
}

const MAX: u32 = crate::policy::sketch::MAX as u32;

impl Counts {
    fn new() -> Self {
        let alone = std::array::from_fn(|key| {
            let mut others = Sketch::new();
            others.follow(1);
            (0..KEYS).filter(|&other| other != key).for_each(|other| others.add(hash(other), MAX));
            others.estimate(hash(key)) == 0
        });
        Counts {
            sketch: Sketch::new(),
            ranges: [Range::default(); KEYS],
            alone,
            graves: Vec::new(),
            entries: 0,
            len: 0,
            wanted: 0,
            swept: 0,
            counted: 0,
        }
    }

    fn step(&mut self, input: &mut Input) -> Option<()> {
        let (code, key) = (input.below(8)?, input.byte()? as usize % KEYS);
        match code {
            0 | 1 => self.add(key, 1),
            2 => {
                let times = [0, 1, 2, 3, 7, 14, 15, 16, 100, 639, 5000, u32::MAX];
                self.add(key, times[input.byte()? as usize % times.len()]);
            }
            3 => self.follow(usize::from(input.byte()?) * 8),
            4 => self.tend(usize::from(input.byte()?)),
            5 => {
                self.sketch.bury(hash(key));
                if self.len > 0 {
                    self.graves.insert(0, Some(key));
                }
            }
            6 => self.miss(key),
            // What fills a period.
            _ => (0..input.byte()?).for_each(|n| self.add((key + usize::from(n)) % KEYS, 3)),
        }
        Some(())
    }

    fn add(&mut self, key: usize, times: u32) {
        self.sketch.add(hash(key), times);
        self.count(key, times);
    }

    fn count(&mut self, key: usize, times: u32) {
        if self.len == 0 || times == 0 {
            return;
        }
        let Range { least, most } = self.ranges[key];
        let raised = |count: u32| count.saturating_add(times).min(MAX);
        self.ranges[key] = Range { least: raised(least), most: raised(most) };
        self.counted += u64::from(times);
        if self.is_aging() {
            self.sweep(SWEEP);
        } else if self.counted >= PERIOD * self.entries {
            (self.counted, self.swept) = (0, 0);
            self.ranges.iter_mut().for_each(|range| range.most >>= 1);
        }
    }

    fn miss(&mut self, key: usize) {
        let (_, told) = self.sketch.miss(hash(key), true);
        self.count(key, 1);
        let last = self.graves.iter().position(|&grave| grave == Some(key));
        match (told, last) {
            (true, Some(at)) => self.graves[at] = None,
            (true, None) => panic!("key {key} lost no trial that was not told of"),
            (false, Some(at)) => {
                assert!(at >= SERVED, "key {key} lost its trial {at} trials ago and was forgotten");
                self.graves.iter_mut().filter(|grave| **grave == Some(key)).for_each(|grave| *grave = None);
            }
            (false, None) => {}
        }
    }

    fn is_aging(&self) -> bool {
        self.swept < self.len
    }

    fn sweep(&mut self, budget: usize) {
        let was_aging = self.is_aging();
        self.swept = self.len.min(self.swept + budget);
        if was_aging && !self.is_aging() {
            self.ranges.iter_mut().for_each(|range| range.least >>= 1);
        }
    }

    fn follow(&mut self, entries: usize) {
        self.sketch.follow(entries);
        self.entries = entries.max(MIN_ENTRIES) as u64;
        self.wanted = self.wanted.max(entries.div_ceil(SERVED)).max(MIN_BLOCKS);
        self.split(SPLIT);
    }

    fn split(&mut self, budget: usize) {
        if !self.is_aging() {
            self.len = self.wanted.min(self.len + budget);
            self.swept = self.len;
        }
    }

    fn tend(&mut self, budget: usize) {
        self.sketch.tend(budget);
        self.sweep(budget);
        self.split(budget);
    }

    fn check(&self) {
        self.sketch.check().expect("in order");
        for (key, range) in self.ranges.iter().enumerate() {
            let estimate = self.sketch.estimate(hash(key));
            let least = range.least >> u32::from(self.is_aging());
            assert!(estimate >= least, "key {key}: {estimate}, and it was counted {least} times");
            let most = if self.alone[key] { range.most } else { MAX };
            assert!(estimate <= most, "key {key}: {estimate}, and it was counted {most} times at most");
        }
    }
}

/// Entries as a policy sees them.
struct Entries {
    weights: [Cell<u64>; INDICES],
    uses: [Cell<u8>; INDICES],
    notes: [Cell<u8>; INDICES],
    links: [Link; INDICES],
    /// Readers are so busy that every counter is full again at once.
    hot: Cell<bool>,
    taken: Cell<usize>,
}

/// More than the steps after which the hand of a CLOCK begins to tire.
const INDICES: usize = 120;
/// What a call may take of the use counters: the hand's bound, and a handful handed over before.
const MOST_TAKEN: usize = 256 + 16;

impl Residents for Entries {
    fn hash(&self, index: u32) -> u32 {
        hash(index as usize)
    }
    fn weight(&self, index: u32) -> u64 {
        self.weights[index as usize].get()
    }
    fn uses(&self, index: u32) -> u8 {
        if self.hot.get() { 3 } else { self.uses[index as usize].get() }
    }
    fn take_use(&self, index: u32) {
        self.taken.set(self.taken.get() + 1);
        let uses = &self.uses[index as usize];
        uses.set(uses.get().saturating_sub(1));
    }
    fn note(&self, index: u32) -> u8 {
        self.notes[index as usize].get()
    }
    fn set_note(&self, index: u32, note: u8) {
        self.notes[index as usize].set(note);
    }
    fn link(&self, index: u32) -> &Link {
        &self.links[index as usize]
    }
}

/// A policy holds exactly what it was given, evicts what it holds, and never takes long over it.
pub fn policy(data: &[u8]) {
    let mut input = Input(data);
    let Some(kind) = input.byte() else { return };
    let kind = if kind % 4 == 0 { Policy::Clock } else { Policy::ClockTinyLfu };
    let mut held = Held {
        policy: Eviction::new(kind, 5),
        indices: BTreeSet::new(),
        entries: Entries {
            weights: std::array::from_fn(|_| Cell::new(0)),
            uses: std::array::from_fn(|_| Cell::new(0)),
            notes: std::array::from_fn(|_| Cell::new(0)),
            links: std::array::from_fn(|_| Link::default()),
            hot: Cell::new(false),
            taken: Cell::new(0),
        },
    };
    while held.step(&mut input).is_some() {
        held.check();
    }
    while held.evict() {}
    held.check();
}

struct Held {
    policy: Eviction,
    indices: BTreeSet<u32>,
    entries: Entries,
}

impl Held {
    fn step(&mut self, input: &mut Input) -> Option<()> {
        let (code, index) = (input.below(16)?, u32::from(input.below(INDICES as u8)?));
        match code {
            0..5 => self.insert(index, weight(input.byte()?)),
            5 => self.replace(index, u32::from(input.below(INDICES as u8)?), weight(input.byte()?)),
            6 => self.fill(index, input.byte()?),
            7 | 8 => {
                self.policy.remove(index, self.entries.weight(index), &self.entries);
                self.indices.remove(&index);
            }
            9..12 => self.entries.uses[index as usize].set(input.below(4)?),
            12 | 13 => _ = self.evict(),
            14 => self.policy.set_window(f32::from(input.byte()?) * 3.0 / 256.0),
            _ => {
                self.policy.tend(index as usize);
                self.entries.hot.set(index % 8 == 7);
            }
        }
        Some(())
    }

    fn insert(&mut self, index: u32, weight: u64) {
        if self.indices.insert(index) {
            self.entries.weights[index as usize].set(weight);
            self.entries.uses[index as usize].set(0);
            self.policy.insert(index, &self.entries);
        }
    }

    /// Many at once, some of them used.
    fn fill(&mut self, from: u32, count: u8) {
        for index in (from..INDICES as u32).take(count.into()) {
            self.insert(index, 1);
            self.entries.uses[index as usize].set(count % 4);
        }
    }

    fn replace(&mut self, old: u32, new: u32, weight: u64) {
        if !self.indices.contains(&old) || (old != new && self.indices.contains(&new)) {
            return;
        }
        let before = self.entries.weight(old);
        self.entries.weights[new as usize].set(weight);
        self.policy.replace(old, new, before, &self.entries);
        self.indices.remove(&old);
        self.indices.insert(new);
    }

    fn evict(&mut self) -> bool {
        self.entries.taken.set(0);
        let victim = self.policy.victim(&self.entries);
        let taken = self.entries.taken.get();
        assert!(taken <= MOST_TAKEN, "{taken} uses were taken for one victim");
        match victim {
            Some(victim) => assert!(self.indices.remove(&victim), "{victim} was evicted, and is not held"),
            None => assert!(self.indices.is_empty(), "no victim among {}", self.indices.len()),
        }
        victim.is_some()
    }

    fn check(&self) {
        self.policy.check(&self.entries).expect("in order");
        assert_eq!(self.policy.len(), self.indices.len(), "entries");
        let weight: u64 = self.indices.iter().map(|&index| self.entries.weight(index)).sum();
        assert_eq!(self.policy.weight(), weight, "the sum of their weights");
    }
}

fn weight(byte: u8) -> u64 {
    match byte {
        0..250 => u64::from(byte % 4),
        250..253 => 1_000_000,
        _ => u64::MAX / 256,
    }
}

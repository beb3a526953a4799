//! The garbage of a shard: what was unlinked and may still be looked at.
//!
//! # States of an entry after it left the table
//!
//! ```text
//! fresh --seal--> sealed(tag) --horizon passed--> free
//!                     |                             ^
//!                     +---a hazard forbids---> held(tag)
//! ```
//!
//! All lists are under the shard's lock; sealing, the barrier, and dropping keys and values happen outside
//! of it, on what the thread took out. Several threads may do so at once, with tags and horizons in any
//! order: a [`Horizon`] speaks only of tags sealed before it was taken.
//!
//! # The bound (G27)
//!
//! A write that finds `fresh` at half the limit of entries, or beyond three eighths of that of weight, takes the batch and seals it
//! before it returns. What is sealed may be what is left of the limits, and wait for a horizon that another shard needs anyway: so
//! most batches cost no barrier of their own. Where it is more (a second batch, or one of a write that evicted much), or urgent (a large
//! entry, a table, what comes back), a horizon is taken. So when no write is under way at most [`Limits::entries`] entries and
//! [`Limits::weight`] of weight wait in a shard, and whatever readers are looking at: a pin holds back what was unlinked since it
//! began, a guard of one value holds back that value. Where that is more than may wait, every write asks, without a barrier, whether
//! they are gone, and if so looks again.
//!
//! However much comes free at once, under the lock it is moved by batches, not by entries (G15).

use super::table::Table;
use crate::reclaim::{self, Horizon, Tag};
use crate::weight::Weigher;
use std::collections::VecDeque;

/// Entries of a shard that may wait for readers before they are dropped.
const WAITING: usize = 256;
/// The least allowance for what waits, in a budget of bytes.
const LEAST_ALLOWANCE: u64 = 1 << 20;
/// How many times the limit of entries is far too much to be held up.
const FAR: usize = 4;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Entries of a shard.
    entries: usize,
    /// Weight of a shard.
    weight: u64,
    /// An entry of this weight does not wait.
    large: u64,
    /// Entries that are a batch, and weight that is no more than one. The rest of the limits is for what is sealed.
    batch: (usize, u64),
}

/// What a call wants to see freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// What the limits do not let wait.
    ByLimits,
    /// Whatever was not looked at yet.
    Fresh,
    /// Whatever waits, blocked garbage too.
    Everything,
}

/// How much readers hold up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeldUp {
    /// No more than may wait.
    Little,
    /// Far too many entries.
    Entries,
    /// More weight than may wait: memory beyond the budget.
    Weight,
}

/// What one shard unlinked and has not freed.
#[derive(Debug)]
pub(crate) struct Garbage {
    limits: Limits,
    fresh: Batch,
    /// Oldest first: tags ascend.
    sealed: VecDeque<(Tag, Batch)>,
    /// How many entries those have, and what they weigh.
    sealed_sum: (usize, u128),
    /// Only a hazard word keeps these, or kept them when their turn came. With their tags, because a horizon that
    /// was taken before theirs knows nothing of that hazard word.
    held: Vec<(Tag, u32)>,
    /// What those weigh that were looked at.
    held_weight: u64,
    /// More is sealed or held than may wait.
    over: bool,
}

/// Entries, by index, and outgrown tables.
#[derive(Debug, Default)]
#[must_use = "a batch that is not sorted back is lost"]
pub(crate) struct Batch {
    entries: Vec<u32>,
    /// What the entries weigh.
    weight: u64,
    tables: Vec<Table>,
    urgent: bool,
}

/// What no pinned reader can see any more; to be [opened](Passed::open) when the lock is free.
#[derive(Debug, Default)]
#[must_use = "what is not freed is lost"]
pub(crate) struct Passed {
    held: Vec<(Tag, u32)>,
    batches: Vec<(Tag, Batch)>,
}

/// What was in it.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    /// To be freed unless a hazard word holds them.
    pub(crate) entries: Vec<(Tag, u32)>,
    /// To be dropped.
    pub(crate) tables: Vec<Table>,
}

impl Passed {
    pub(crate) fn open(self) -> Ready {
        let mut ready = Ready { entries: self.held, tables: Vec::new() };
        for (tag, batch) in self.batches {
            ready.entries.extend(batch.entries.into_iter().map(|index| (tag, index)));
            ready.tables.extend(batch.tables);
        }
        ready
    }
}

impl Limits {
    /// Of each of the shards of a cache. Entries that hold nothing to drop cost a row each while they wait, and of bytes the
    /// weight says how many may; others may be large, so fewer wait, and in a small cache fewer still.
    pub(crate) fn of<K, V>(weigher: &Weigher<K, V>, capacity: u64, shards: usize) -> Limits {
        let shards = shards as u64;
        let entries = match weigher {
            Weigher::Bytes(_) => WAITING,
            _ if !std::mem::needs_drop::<(K, V)>() => WAITING,
            Weigher::Units(_) => WAITING / 4,
            Weigher::One => usize::try_from(capacity / shards / 16).unwrap_or(WAITING).clamp(16, WAITING / 4),
        };
        let entries = if crate::sync::MODEL { 1 } else { entries };
        match weigher {
            Weigher::One => Limits::new(entries, u64::MAX, u64::MAX),
            Weigher::Units(_) => {
                let weight = capacity / 64 / shards;
                Limits::new(entries, weight, (weight / 4).max(2))
            }
            Weigher::Bytes(_) => {
                let weight = (capacity / 64).max(LEAST_ALLOWANCE.min(capacity / 8)) / shards;
                Limits::new(entries, weight, (weight / 4).clamp(1, 64 << 10))
            }
        }
    }

    const fn new(entries: usize, weight: u64, large: u64) -> Self {
        let half = if entries < 2 { 1 } else { entries / 2 };
        Limits { entries, weight, large, batch: (half, weight / 8 * 3) }
    }
}

impl Batch {
    /// Must it be freed before the call that took it returns?
    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.tables.is_empty()
    }
}

impl Garbage {
    pub(crate) fn new(limits: Limits) -> Self {
        Garbage {
            limits,
            fresh: Batch::default(),
            sealed: VecDeque::new(),
            sealed_sum: (0, 0),
            held: Vec::new(),
            held_weight: 0,
            over: false,
        }
    }

    /// What may wait from now on.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.compare();
    }

    /// What is blocked has changed, or its limits have.
    fn compare(&mut self) {
        let (sealed, limits) = (self.sealed_sum, self.limits);
        self.over = sealed.0 > limits.entries
            || sealed.1 > u128::from(limits.weight)
            || self.held_weight > limits.weight;
    }

    #[inline]
    pub(crate) fn retire(&mut self, index: u32, weight: u64) {
        self.fresh.entries.push(index);
        self.fresh.weight = self.fresh.weight.saturating_add(weight);
        self.fresh.urgent |= weight >= self.limits.large;
    }

    pub(crate) fn retire_table(&mut self, table: Table) {
        self.fresh.tables.push(table);
        self.fresh.urgent = true;
    }

    /// Is something to be freed?
    #[inline]
    pub(crate) fn is_due(&self, due: Due) -> bool {
        let batch = self.limits.batch;
        let full = self.fresh.entries.len() >= batch.0 || self.fresh.weight > batch.1;
        let wanted = match due {
            Due::ByLimits => false,
            Due::Fresh => !self.fresh.is_empty(),
            Due::Everything => !self.is_empty(),
        };
        self.fresh.urgent || full || wanted
    }

    /// The fresh garbage, which is due; with it comes another look at what is blocked.
    pub(crate) fn take(&mut self) -> Batch {
        // The next one will be as long.
        let next = Batch { entries: Vec::with_capacity(self.fresh.entries.len()), ..Batch::default() };
        std::mem::replace(&mut self.fresh, next)
    }

    /// One entry of the fresh garbage, if it is entries only.
    #[inline]
    pub(crate) fn take_fresh(&mut self) -> Option<u32> {
        if !self.fresh.tables.is_empty() {
            return None;
        }
        let index = self.fresh.entries.pop()?;
        if self.fresh.entries.is_empty() {
            (self.fresh.weight, self.fresh.urgent) = (0, false);
        }
        Some(index)
    }

    /// A batch that was taken and not begun.
    pub(crate) fn restore(&mut self, batch: Batch) {
        self.fresh.entries.extend(batch.entries);
        self.fresh.weight = self.fresh.weight.saturating_add(batch.weight);
        self.fresh.tables.extend(batch.tables);
        self.fresh.urgent = true;
    }

    /// Takes a batch back with its tag, and gives out what the horizon leaves to hazards alone.
    pub(crate) fn sort(&mut self, tag: Tag, batch: Batch, horizon: &Horizon) -> Passed {
        if !batch.is_empty() {
            // Two threads may seal in one order and come here in the other.
            let at = self.sealed.partition_point(|(other, _)| *other < tag);
            self.sealed_sum.0 += batch.entries.len();
            self.sealed_sum.1 += u128::from(batch.weight);
            self.sealed.insert(at, (tag, batch));
        }
        self.held_weight = 0;
        let mut passed = Passed { held: std::mem::take(&mut self.held), batches: Vec::new() };
        while self.sealed.front().is_some_and(|(tag, _)| horizon.passed(*tag)) {
            if let Some((tag, batch)) = self.sealed.pop_front() {
                self.sealed_sum.0 -= batch.entries.len();
                self.sealed_sum.1 -= u128::from(batch.weight);
                passed.batches.push((tag, batch));
            }
        }
        self.compare();
        passed
    }

    /// Is more sealed than may wait for a horizon that others take?
    pub(crate) fn needs_horizon(&self) -> bool {
        let Limits { entries, weight, batch, .. } = self.limits;
        self.sealed_sum.0 > entries - batch.0 || self.sealed_sum.1 > u128::from(weight - batch.1)
    }

    /// Does more wait than may, so that it is worth a look whether readers still hold it up?
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Are some of those gone who held it up? A hint. `address` stands for an entry in a hazard word.
    #[cold]
    pub(crate) fn seems_free(&self, address: impl Fn(u32) -> usize) -> bool {
        let freed = |&(_, index): &(Tag, u32)| !reclaim::seems_held(address(index));
        self.sealed.front().is_some_and(|(tag, _)| reclaim::seems_passed(*tag))
            || self.held_weight > self.limits.weight && self.held.iter().any(freed)
    }

    /// An entry of this weight that could not be freed.
    pub(crate) fn hold(&mut self, entry: (Tag, u32), weight: u64) {
        self.held.push(entry);
        self.held_weight = self.held_weight.saturating_add(weight);
        self.compare();
    }

    /// Entries that nothing keeps and that were not freed yet: the next write comes back to them.
    pub(crate) fn put_off(&mut self, entries: impl Iterator<Item = (Tag, u32)>) {
        let before = self.held.len();
        self.held.extend(entries);
        self.fresh.urgent |= self.held.len() > before;
    }

    /// Does nothing wait?
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.sealed.is_empty() && self.held.is_empty()
    }

    /// How many entries wait.
    pub(crate) fn waiting(&self) -> usize {
        self.fresh.entries.len() + self.blocked()
    }

    /// How many of them were sealed and could not be freed yet.
    pub(crate) fn blocked(&self) -> usize {
        self.held.len() + self.sealed_sum.0
    }

    /// What readers hold up, beside what may wait.
    pub(crate) fn held_up(&self) -> HeldUp {
        let limits = self.limits;
        match (self.sealed_sum.1 > u128::from(limits.weight), self.blocked() > FAR * limits.entries) {
            (true, _) => HeldUp::Weight,
            (false, true) => HeldUp::Entries,
            (false, false) => HeldUp::Little,
        }
    }

    /// Every entry that waits.
    pub(crate) fn each(&self) -> impl Iterator<Item = u32> + '_ {
        let batches = std::iter::once(&self.fresh).chain(self.sealed.iter().map(|(_, batch)| batch));
        let held = self.held.iter().map(|(_, index)| *index);
        batches.flat_map(|batch| batch.entries.iter().copied()).chain(held)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::reclaim::{horizon, seal};

    const LIMITS: Limits = Limits::new(6, 24, 8);

    /// Entries 0, 1, 2... of these weights.
    fn retired(weights: &[u64]) -> Garbage {
        let mut garbage = Garbage::new(LIMITS);
        (0..).zip(weights).for_each(|(index, &weight)| garbage.retire(index, weight));
        garbage
    }

    fn due(garbage: &Garbage) -> [bool; 3] {
        [Due::ByLimits, Due::Fresh, Due::Everything].map(|due| garbage.is_due(due))
    }

    /// Seals what is fresh, and looks at it with a horizon taken `before`, which therefore knows nothing of it.
    fn seal_unseen(garbage: &mut Garbage, before: &Horizon) -> Tag {
        let (tag, batch) = (seal(), garbage.take());
        let ready = garbage.sort(tag, batch, before).open();
        assert!(ready.entries.is_empty() && ready.tables.is_empty());
        tag
    }

    #[test]
    fn g27_the_limits_say_what_may_wait() {
        assert_eq!(due(&Garbage::new(LIMITS)), [false; 3]);
        for waits in [&[5, 4][..], &[7], &[0, 0]] {
            assert_eq!(due(&retired(waits)), [false, true, true], "{waits:?}");
        }
        for too_much in [&[5, 5][..], &[8], &[8, 1], &[0, 0, 0]] {
            assert_eq!(due(&retired(too_much)), [true; 3], "{too_much:?}");
        }
        let mut table = Garbage::new(LIMITS);
        table.retire_table(Table::new(1));
        assert_eq!(due(&table), [true; 3]);
    }

    #[test]
    fn g27_what_was_taken_is_not_due_and_what_comes_back_is() {
        let mut garbage = retired(&[5, 4]);
        garbage.retire_table(Table::new(1));
        let batch = garbage.take();
        assert_eq!((due(&garbage), garbage.waiting()), ([false; 3], 0));
        garbage.restore(batch);
        assert_eq!((due(&garbage), garbage.waiting()), ([true; 3], 2));
        let batch = garbage.take();
        assert_eq!((batch.entries.len(), batch.weight, batch.tables.len()), (2, 9, 1));
    }

    #[test]
    fn g27_what_is_taken_out_one_by_one_is_due_no_longer() {
        let mut garbage = retired(&[5, 8]);
        assert_eq!([(); 3].map(|()| garbage.take_fresh()), [Some(1), Some(0), None]);
        assert_eq!((due(&garbage), garbage.waiting()), ([false; 3], 0));
        garbage.retire(7, 9);
        garbage.retire_table(Table::new(1));
        assert_eq!(
            (garbage.take_fresh(), garbage.waiting()),
            (None, 1),
            "a table goes the long way, and what is with it"
        );
    }

    #[test]
    fn g27_what_readers_may_see_stays_and_comes_out_in_order() {
        let (before, mut garbage) = (horizon(), retired(&[1]));
        let first = seal_unseen(&mut garbage, &before);
        assert_eq!(due(&garbage), [false, false, true]);
        // Two threads seal in one order and come back in the other; the later one has a table too.
        garbage.retire(1, 1);
        let (second, early) = (seal(), garbage.take());
        garbage.retire(2, 1);
        garbage.retire_table(Table::new(1));
        seal_unseen(&mut garbage, &before);
        let ready = garbage.sort(second, early, &Horizon::clear()).open();
        assert_eq!(ready.entries.iter().map(|&(_, index)| index).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(ready.entries[..2], [(first, 0), (second, 1)]);
        assert_eq!((ready.tables.len(), garbage.waiting()), (1, 0));
        assert_eq!(due(&garbage), [false; 3]);
    }

    #[test]
    fn g15_g27_what_is_sealed_is_counted_without_being_looked_at() {
        let (before, mut garbage) = (horizon(), retired(&[]));
        for round in 1..=1000 {
            (0..3).for_each(|index| garbage.retire(index, u64::MAX / 2));
            seal_unseen(&mut garbage, &before);
            assert_eq!((garbage.blocked(), garbage.sealed_sum.0), (3 * round, 3 * round));
        }
        assert_eq!(garbage.sealed_sum.1, 1000 * u128::from(u64::MAX), "a batch's weight saturates");
        garbage.hold((Tag::PAST, 7), 1);
        let passed = garbage.sort(Tag::PAST, Batch::default(), &Horizon::clear());
        assert_eq!((garbage.waiting(), garbage.sealed_sum, garbage.held_weight), (0, (0, 0), 0));
        assert_eq!((passed.batches.len(), passed.open().entries.len()), (1000, 3001));
    }

    #[test]
    fn g27_what_nobody_can_have_seen_does_not_wait_for_what_others_may() {
        let (before, mut garbage) = (horizon(), retired(&[1]));
        seal_unseen(&mut garbage, &before);
        garbage.retire(1, 1);
        let batch = garbage.take();
        assert_eq!(garbage.sort(Tag::PAST, batch, &before).open().entries, [(Tag::PAST, 1)]);
        assert_eq!(garbage.each().collect::<Vec<_>>(), [0]);
        // A table alone is garbage, too.
        garbage.retire_table(Table::new(1));
        seal_unseen(&mut garbage, &before);
        let ready = garbage.sort(Tag::PAST, Batch::default(), &Horizon::clear()).open();
        assert_eq!((ready.entries.len(), ready.tables.len()), (1, 1));
    }

    #[test]
    fn g02_g27_what_is_sealed_may_wait_for_others_if_it_is_within_the_rest_of_the_limits() {
        let sealed = |batches: &[&[u64]]| {
            let (before, mut garbage) = (horizon(), Garbage::new(LIMITS));
            for weights in batches {
                (0..).zip(*weights).for_each(|(index, &weight)| garbage.retire(index, weight));
                seal_unseen(&mut garbage, &before);
            }
            garbage.needs_horizon()
        };
        let waits: [&[&[u64]]; 4] = [&[], &[&[0, 0, 0]], &[&[5, 5, 5]], &[&[0], &[0, 0]]];
        let too_much: [&[&[u64]]; 4] =
            [&[&[0, 0, 0], &[0]], &[&[5, 5, 6]], &[&[0, 0, 0, 0]], &[&[7], &[7, 2]]];
        assert_eq!((waits.map(sealed), too_much.map(sealed)), ([false; 4], [true; 4]));
    }

    #[test]
    fn g27_a_batch_with_a_large_entry_is_urgent_and_the_next_one_is_not() {
        let mut garbage = retired(&[8]);
        assert!(garbage.take().is_urgent());
        garbage.retire(1, 1);
        assert!(!garbage.take().is_urgent());
    }

    #[test]
    fn g27_what_a_guard_keeps_waits_alone_and_is_looked_at_again() {
        let mut garbage = Garbage::new(LIMITS);
        garbage.hold((Tag::PAST, 7), 1);
        assert_eq!((due(&garbage), garbage.blocked()), ([false, false, true], 1));
        let again = garbage.sort(Tag::PAST, Batch::default(), &horizon()).open();
        assert_eq!((again.entries, garbage.blocked()), (vec![(Tag::PAST, 7)], 0));
        garbage.put_off(std::iter::empty());
        assert_eq!(due(&garbage), [false; 3]);
        garbage.put_off([(Tag::PAST, 7)].into_iter());
        assert_eq!(due(&garbage), [true; 3]);
    }

    #[test]
    fn g27_everything_that_waits_is_counted() {
        let (before, mut garbage) = (horizon(), retired(&[1]));
        seal_unseen(&mut garbage, &before);
        garbage.hold((Tag::PAST, 9), 1);
        (1..4).for_each(|index| garbage.retire(index, 1));
        assert_eq!((garbage.waiting(), garbage.blocked()), (5, 2));
        let mut each: Vec<u32> = garbage.each().collect();
        each.sort_unstable();
        assert_eq!(each, [0, 1, 2, 3, 9]);
    }

    #[test]
    fn g27_far_too_much_is_four_times_the_entries_or_more_than_the_weight() {
        let mut many = Garbage::new(LIMITS);
        (0..24).for_each(|index| many.hold((Tag::PAST, index), 0));
        assert_eq!(many.held_up(), HeldUp::Little);
        many.hold((Tag::PAST, 24), 0);
        assert_eq!(many.held_up(), HeldUp::Entries);
        for (weights, held_up) in [([12, 12], HeldUp::Little), ([12, 13], HeldUp::Weight)] {
            let (before, mut heavy) = (horizon(), retired(&weights));
            assert_eq!(heavy.held_up(), HeldUp::Little, "fresh garbage is held up by nobody");
            seal_unseen(&mut heavy, &before);
            assert_eq!(heavy.held_up(), held_up);
        }
    }
}

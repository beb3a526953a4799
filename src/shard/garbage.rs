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
//! A write that finds `fresh` at its limit of entries or of weight, or that retires one large entry, takes
//! the batch and frees it before it returns. So at most [`Limits::entries`] entries and
//! [`Limits::weight`] of weight wait in a shard, and whatever readers are looking at: a pin holds back what
//! was unlinked since it began, a guard of one value holds back that value.

use super::table::Table;
use crate::reclaim::{Horizon, Tag};
use std::collections::VecDeque;

/// How many times the limit of entries is far too much to be held up.
const FAR: usize = 4;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Entries of a shard.
    pub(crate) entries: usize,
    /// Weight of a shard.
    pub(crate) weight: u64,
    /// An entry of this weight does not wait.
    pub(crate) large: u64,
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

/// What one shard unlinked and has not freed.
#[derive(Debug, Default)]
pub(crate) struct Garbage {
    fresh: Batch,
    urgent: bool,
    /// Oldest first: tags ascend.
    sealed: VecDeque<(Tag, Batch)>,
    /// Only a hazard word keeps these. With their tags, because a horizon that was taken before theirs
    /// knows nothing of that hazard word.
    held: Vec<(Tag, u32)>,
}

/// Entries, by index, and outgrown tables.
#[derive(Debug, Default)]
#[must_use = "a batch that is not sorted back is lost"]
pub(crate) struct Batch {
    entries: Vec<u32>,
    /// What the entries weigh.
    weight: u64,
    tables: Vec<Table>,
}

/// What no pinned reader can see any more.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    /// To be freed unless a hazard word holds them.
    pub(crate) entries: Vec<(Tag, u32)>,
    /// To be dropped.
    pub(crate) tables: Vec<Table>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.tables.is_empty()
    }
}

impl Garbage {
    pub(crate) fn retire(&mut self, index: u32, weight: u64, limits: &Limits) {
        self.fresh.entries.push(index);
        self.fresh.weight = self.fresh.weight.saturating_add(weight);
        self.urgent |= weight >= limits.large;
    }

    pub(crate) fn retire_table(&mut self, table: Table) {
        self.fresh.tables.push(table);
        self.urgent = true;
    }

    /// The fresh garbage, if it is due; with it comes another look at what is blocked.
    pub(crate) fn take_due(&mut self, limits: &Limits, due: Due) -> Option<Batch> {
        let full = self.fresh.entries.len() >= limits.entries || self.fresh.weight > limits.weight;
        let wanted = match due {
            Due::ByLimits => false,
            Due::Fresh => !self.fresh.is_empty(),
            Due::Everything => !self.is_empty(),
        };
        if !(self.urgent || full || wanted) {
            return None;
        }
        self.urgent = false;
        Some(std::mem::take(&mut self.fresh))
    }

    /// A batch that was taken and not begun.
    pub(crate) fn restore(&mut self, batch: Batch) {
        self.fresh.entries.extend(batch.entries);
        self.fresh.weight = self.fresh.weight.saturating_add(batch.weight);
        self.fresh.tables.extend(batch.tables);
        self.urgent = true;
    }

    /// Takes a batch back with its tag, and gives out what the horizon leaves to hazards alone.
    pub(crate) fn sort(&mut self, tag: Tag, batch: Batch, horizon: &Horizon) -> Ready {
        if !batch.is_empty() {
            // Two threads may seal in one order and come here in the other.
            let at = self.sealed.partition_point(|(other, _)| *other < tag);
            self.sealed.insert(at, (tag, batch));
        }
        let mut ready = Ready { entries: std::mem::take(&mut self.held), tables: Vec::new() };
        while self.sealed.front().is_some_and(|(tag, _)| horizon.passed(*tag)) {
            if let Some((tag, batch)) = self.sealed.pop_front() {
                ready.entries.extend(batch.entries.into_iter().map(|index| (tag, index)));
                ready.tables.extend(batch.tables);
            }
        }
        ready
    }

    /// An entry that could not be freed.
    pub(crate) fn hold(&mut self, entry: (Tag, u32)) {
        self.held.push(entry);
    }

    fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.sealed.is_empty() && self.held.is_empty()
    }

    /// How many entries wait.
    pub(crate) fn waiting(&self) -> usize {
        self.fresh.entries.len() + self.blocked()
    }

    /// How many of them were sealed and could not be freed yet.
    pub(crate) fn blocked(&self) -> usize {
        self.held.len() + self.sealed.iter().map(|(_, batch)| batch.entries.len()).sum::<usize>()
    }

    /// Is far more held up by readers than may wait?
    pub(crate) fn is_held_up(&self, limits: &Limits) -> bool {
        let weight = self.sealed.iter().fold(0u64, |sum, (_, batch)| sum.saturating_add(batch.weight));
        self.blocked() > FAR * limits.entries || weight > limits.weight
    }

    /// Every entry that waits.
    pub(crate) fn each(&self) -> impl Iterator<Item = u32> + '_ {
        let batches = std::iter::once(&self.fresh).chain(self.sealed.iter().map(|(_, batch)| batch));
        let held = self.held.iter().map(|(_, index)| *index);
        batches.flat_map(|batch| batch.entries.iter().copied()).chain(held)
    }
}

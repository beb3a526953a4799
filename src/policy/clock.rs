//! `Clock`: plain CLOCK, one queue and a [`hand`](super::hand) (Corbató 1968).
//!
//! It approximates LRU without touching a queue at a hit. No filter, no memory of what left: it is here to compare with, and for
//! loads of pure recency.

use super::Residents;
use super::hand::turn;
use super::queue::{Queue, Tag};

/// Plain CLOCK: one queue and a hand.
#[derive(Debug)]
pub(crate) struct Clock {
    queue: Queue,
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self { queue: Queue::new(Tag::Main) }
    }

    pub(crate) fn insert(&mut self, index: u32, r: &impl Residents) {
        self.queue.push_front(index, r);
    }

    pub(crate) fn replace(&mut self, old: u32, new: u32, old_weight: u64, r: &impl Residents) {
        if r.link(old).tag().is_some() {
            self.queue.replace(old, old_weight, new, r);
        }
    }

    pub(crate) fn remove(&mut self, index: u32, weight: u64, r: &impl Residents) {
        if r.link(index).tag().is_some() {
            self.queue.unlink(index, weight, r);
        }
    }

    pub(crate) fn victim(&mut self, r: &impl Residents) -> Option<u32> {
        let victim = turn(&mut self.queue, r, |_| ())?;
        self.queue.unlink(victim, r.weight(victim), r);
        Some(victim)
    }

    pub(crate) const fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) const fn weight(&self) -> u64 {
        self.queue.weight()
    }

    pub(crate) fn check(&self, r: &impl Residents) -> Result<(), String> {
        self.queue.check(r)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::policy::tests::Table;

    #[test]
    fn the_unused_leave_first_and_the_used_get_another_round() {
        let table = Table::new(3);
        let mut clock = Clock::new();
        (0..3).for_each(|index| clock.insert(index, &table));
        table.set_uses(0, 1);
        assert_eq!(clock.victim(&table), Some(1));
        assert_eq!(clock.victim(&table), Some(2));
        assert_eq!((clock.victim(&table), clock.victim(&table)), (Some(0), None));
    }

    #[test]
    fn the_validator_sees_a_weight_that_changed_behind_its_back() {
        let table = Table::new(3);
        let mut clock = Clock::new();
        (0..3).for_each(|index| clock.insert(index, &table));
        assert_eq!(clock.check(&table), Ok(()));
        table.set_weight(1, 5);
        assert!(clock.check(&table).is_err());
    }
}

//! `Hand`: the turning of a CLOCK, and `Clock`, the policy that is nothing else.
//!
//! CLOCK (Corbató 1968) approximates LRU without touching a queue at a hit: entries stand in a queue; the hand looks at
//! the oldest; one that was used meanwhile gives up one use and goes to the front, one that was not is the victim.
//!
//! **It ends.** With every entry at three uses the hand would turn up to three rounds. So it tires: each
//! `PATIENCE` steps it accepts one use more, and after four times that, anything. A call takes at most
//! `4 * PATIENCE` steps; since every step uses up a hit, the average is no more than the hits that raised a counter.

use super::Residents;
use super::queue::{Links, Queue, Tag};

/// Steps after which the hand accepts an entry with one use more.
const PATIENCE: u32 = 64;

/// Turns the queue until an entry to evict stands at the back, and returns it without unlinking it. `passed` is told
/// every entry that was spared. `None` only if the queue is empty.
pub(crate) fn turn(
    queue: &mut Queue,
    links: &mut Links,
    r: &impl Residents,
    mut passed: impl FnMut(u32),
) -> Option<u32> {
    let mut steps = 0;
    loop {
        let index = queue.back()?;
        if u32::from(r.uses(index)) <= steps / PATIENCE || steps >= 4 * PATIENCE {
            return Some(index);
        }
        r.take_use(index);
        passed(index);
        queue.rotate(links);
        steps += 1;
    }
}

/// Plain CLOCK: one queue and a hand.
#[derive(Debug)]
pub(crate) struct Clock {
    links: Links,
    queue: Queue,
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self { links: Links::new(), queue: Queue::new(Tag::Main) }
    }

    pub(crate) fn insert(&mut self, index: u32, r: &impl Residents) {
        self.links.reserve(index);
        self.queue.push_front(&mut self.links, index, r.weight(index));
    }

    pub(crate) fn replace(&mut self, old: u32, new: u32, old_weight: u64, r: &impl Residents) {
        self.links.reserve(new);
        self.queue.replace(&mut self.links, (old, old_weight), (new, r.weight(new)));
    }

    pub(crate) fn remove(&mut self, index: u32, weight: u64) {
        if self.links.tag(index).is_some() {
            self.queue.unlink(&mut self.links, index, weight);
        }
    }

    pub(crate) fn victim(&mut self, r: &impl Residents) -> Option<u32> {
        let victim = turn(&mut self.queue, &mut self.links, r, |_| ())?;
        self.queue.unlink(&mut self.links, victim, r.weight(victim));
        Some(victim)
    }

    pub(crate) const fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) const fn weight(&self) -> u64 {
        self.queue.weight()
    }

    pub(crate) fn check(&self, r: &impl Residents) -> Result<(), String> {
        self.queue.check(&self.links, r)
    }
}

#[cfg(test)]
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
    fn g15_the_hand_tires_when_every_entry_stays_hot() {
        let table = Table::new(5000);
        let mut clock = Clock::new();
        (0..5000).for_each(|index| clock.insert(index, &table));
        table.stay_hot();
        let mut steps = 0;
        let victim = turn(&mut clock.queue, &mut clock.links, &table, |_| steps += 1);
        assert_eq!(
            steps,
            4 * PATIENCE - PATIENCE,
            "at three uses it is enough to have turned for three patiences"
        );
        assert!(victim.is_some());
        clock.check(&table).unwrap();
    }
}

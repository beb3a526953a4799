//! The hand of a CLOCK: how a queue finds an entry that nobody used.
//!
//! Entries stand in a queue; the hand looks at the oldest; one that was used meanwhile gives up one use and goes to the
//! front, one that was not is the victim.
//!
//! **It ends.** With every entry at three uses the hand would turn up to three rounds. So it tires: each
//! `PATIENCE` steps it accepts one use more, and after four times that, anything. A call takes at most
//! `4 * PATIENCE` steps; since every step uses up a hit, the average is no more than the hits that raised a counter.

use super::Residents;
use super::queue::Queue;

/// Steps after which the hand accepts an entry with one use more.
const PATIENCE: u32 = 64;

/// Turns the queue until an entry to evict stands at the back, and returns it without unlinking it. `passed` is told
/// every entry that was spared. `None` only if the queue is empty.
pub(crate) fn turn(queue: &mut Queue, r: &impl Residents, mut passed: impl FnMut(u32)) -> Option<u32> {
    let mut steps = 0;
    loop {
        let index = queue.back()?;
        let uses = if cfg!(seeded = "sleeping_hand") { 0 } else { u32::from(r.uses(index)) };
        if uses <= steps / PATIENCE || steps >= 4 * PATIENCE {
            return Some(index);
        }
        r.take_use(index);
        passed(index);
        queue.rotate(r);
        steps += 1;
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::policy::queue::Tag;
    use crate::policy::tests::Table;

    #[test]
    fn g15_the_hand_tires_when_every_entry_stays_hot() {
        let table = Table::new(5000);
        let mut queue = Queue::new(Tag::Main);
        for index in 0..5000 {
            queue.push_front(index, &table);
        }
        table.stay_hot();
        let mut steps = 0;
        let victim = turn(&mut queue, &table, |_| steps += 1);
        assert_eq!(steps, 3 * PATIENCE, "at three uses it is enough to have turned for three patiences");
        assert!(victim.is_some());
        queue.check(&table).expect("in order");
    }
}

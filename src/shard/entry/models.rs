//! The state word and the row of times: readers, the policy and the shard's writer at once.

use super::*;
use crate::sync::Arc;
use crate::sync::checker;

const NOW: u64 = 100;
const NEXT_UNIT: u64 = 1 << UNIT_BITS;

struct World {
    entry: Entry<(), ()>,
    times: Times,
}

type Part = fn(&World);

impl World {
    fn date(&self, deadline: Deadline, now: u64) {
        self.times.set(deadline, now);
        self.entry.follow(&self.times);
    }

    fn is_live(&self, now: u64) -> bool {
        !self.entry.is_timed() || !self.entry.is_expired(now, &self.times)
    }
}

/// After `before`, each part on a thread of its own, then `after`. The row begins as one of an entry long dead.
fn model(before: Part, parts: [Part; 2], after: Part) {
    checker::check(move || {
        let world =
            Arc::new(World { entry: Entry::new(0, (), (), Era::nth(0), false), times: Times::default() });
        before(&world);
        let threads = parts.map(|part| {
            let world = world.clone();
            checker::spawn(move || part(&world))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        after(&world);
    });
}

/// A reader that sees that there is a deadline sees which.
#[test]
fn g06_a_deadline_comes_with_its_row() {
    let dates: [Part; 2] = [
        |world| world.date(Deadline::new(NOW + 1, NEVER, NOW), NOW),
        |world| world.date(Deadline::new(NEVER, 5, NOW), NOW),
    ];
    for date in dates {
        model(|_| (), [date, |world| assert!(world.is_live(NOW))], |world| assert!(world.entry.is_timed()));
    }
}

/// While a deadline gives way to a later one, in another unit or none at all, a reader finds the entry live.
#[test]
fn g06_no_reader_sees_half_of_two_deadlines() {
    let before: Part = |world| world.date(Deadline::new(NOW + 1, 50, NOW - 40), NOW - 40);
    let dates: [Part; 3] = [
        |world| world.date(Deadline::new(NOW + 20, 50, NOW), NOW),
        |world| world.date(Deadline::new(5 * NEXT_UNIT, 50, NOW), NOW),
        |world| world.date(Deadline::new(NEVER, 50, NOW), NOW),
    ];
    for date in dates {
        let look: Part = |world| assert!(world.is_live(NOW));
        model(before, [date, look], look);
    }
    let before: Part = |world| world.date(Deadline::new(NOW + 1, NEVER, NOW), NOW);
    let never: Part = |world| world.date(Deadline::NEVER, NOW);
    model(before, [never, |world| assert!(world.is_live(NOW))], |world| assert!(!world.entry.is_timed()));
}

/// A hit and a new deadline meet in one word, and so do a lowering and a new deadline: both are there in the end, or
/// the hit is lost.
#[test]
fn g06_a_use_leaves_the_deadline_whole() {
    let date: Part = |world| world.date(Deadline::new(7 * NEXT_UNIT, NEVER, NOW), NOW);
    let whole: Part = |world| {
        assert!(world.is_live(6 * NEXT_UNIT) && !world.is_live(8 * NEXT_UNIT), "another deadline");
    };
    model(|_| (), [date, |world| world.entry.record_use()], whole);
    let taken: Part = |world| assert!(world.entry.uses() == 1 && !world.is_live(8 * NEXT_UNIT));
    model(|world| world.entry.inherit_uses(2), [date, |world| world.entry.take_use()], taken);
}

/// Hits and the hand: the count neither wraps below zero nor runs over into the bits beside it, and a lowering is
/// not lost to a hit.
#[test]
fn uses_stay_within_their_bits() {
    let twice: Part = |world| (0..2).for_each(|_| world.entry.record_use());
    let full: Part = |world| assert!(world.entry.uses() == 3 && !world.entry.is_timed());
    model(|world| world.entry.inherit_uses(2), [twice, twice], full);
    let take: Part = |world| (0..2).for_each(|_| world.entry.take_use());
    let low: Part =
        |world| assert!(world.entry.uses() <= 2 && !world.entry.is_timed() && !world.entry.has_idle_time());
    model(|world| world.entry.inherit_uses(1), [twice, take], low);
    let once: Part = |world| world.entry.take_use();
    model(|world| world.entry.inherit_uses(2), [once, once], |world| assert_eq!(world.entry.uses(), 0));
}

/// A lifetime that is set by a call that began before a read does not take the read back.
#[test]
fn g07_a_use_is_not_forgotten() {
    let before: Part = |world| world.date(Deadline::new(NEVER, 50, NOW), NOW);
    let set: Part = |world| world.date(Deadline::new(NEVER, 50, NOW + 1), NOW + 1);
    model(before, [set, |world| world.times.access(NOW + 40)], |world| assert!(world.is_live(NOW + 89)));
}

/// An outdated entry is found; then it leaves the table, and its number is used for another era.
#[test]
fn an_entry_that_left_its_era_does_not_come_back_with_the_number() {
    struct Swept {
        slot: AtomicU32,
        settled: Settled,
        entry: Entry<(), ()>,
    }
    checker::check(|| {
        let entry = Entry::new(0, (), (), Era::nth(0), false);
        entry.inherit_uses(MAX_USES);
        let swept = Swept { slot: AtomicU32::new(1), settled: Settled::new(false), entry };
        swept.settled.turn_to(Era::nth(1));
        let swept = Arc::new(swept);
        let shared = swept.clone();
        let sweeper = checker::spawn(move || {
            shared.slot.store(0, Ordering::Release);
            shared.entry.leave_era();
            shared.settled.turn_to(Era::nth(2));
        });
        if swept.slot.load(Ordering::Acquire) == 1 {
            assert!(!swept.entry.is_settled(&swept.settled), "it was outdated before");
            assert!(!swept.entry.is_plainly_current(&swept.settled));
            assert!(!swept.entry.is_of(swept.settled.era()));
        }
        sweeper.join().unwrap();
    });
}

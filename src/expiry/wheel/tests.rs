use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const TICK: u64 = 1 << TICK_BITS;
const HOUR: u64 = 3_600_000_000_000;
const YEAR: u64 = 8_766 * HOUR;
const CENTURY: u64 = 100 * YEAR;

/// A wheel beside what it should hold: the present deadline of each scheduled index.
#[derive(Default)]
struct Pair {
    wheel: Wheel,
    model: BTreeMap<u32, u64>,
    now: u64,
}

impl Pair {
    fn schedule(&mut self, index: u32, deadline: u64) {
        self.wheel.schedule(index, deadline, self.now);
        self.model.remove(&index);
        if deadline != NEVER {
            self.model.insert(index, deadline);
        }
        self.check();
    }

    fn cancel(&mut self, index: u32) {
        self.wheel.cancel(index);
        self.model.remove(&index);
        self.check();
    }

    /// A reader moves a deadline back; the wheel is not told.
    fn extend(&mut self, index: u32, by: u64) {
        if let Some(deadline) = self.model.get_mut(&index) {
            *deadline = deadline.saturating_add(by);
        }
    }

    fn advance(&mut self, by: u64, budget: usize) -> usize {
        self.now = self.now.saturating_add(by).min(NEVER - 1);
        let mut fired = Vec::new();
        let present = |index: u32| self.model[&index];
        let due = self.wheel.has_due(self.now);
        let visited = self.wheel.advance(self.now, budget, present, |index| fired.push(index));
        assert!(visited <= budget, "budget");
        assert!(budget == 0 || due == (visited > 0), "what is due is visited, and nothing else");
        assert!(fired.len() <= visited);
        for index in fired {
            let deadline = self.model.remove(&index).expect("fired once, while scheduled");
            assert!(deadline <= self.now, "early");
        }
        // The wheel drops what has become endless when it comes across it.
        self.model.retain(|&index, &mut deadline| {
            deadline != NEVER || self.wheel.nodes.get(index).bucket != NOWHERE
        });
        if visited < budget {
            let whole = self.now >> TICK_BITS << TICK_BITS;
            assert!(self.model.values().all(|&deadline| deadline > whole), "late");
            assert!(!self.wheel.has_due(self.now));
        }
        self.check();
        visited
    }

    fn check(&self) {
        assert_eq!(self.wheel.len(), self.model.len(), "lost");
        assert_eq!(self.wheel.is_empty(), self.model.is_empty());
        self.wheel.check(|index| self.model[&index]);
    }
}

/// Spans of time of every size, those next to a level's border above all.
fn span() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..4 * TICK,
        4 => (0u32..44, -2i64..3).prop_map(|(bit, near)| (TICK << bit).saturating_add_signed(near)),
        2 => (0u32..44, 0..TICK).prop_map(|(bit, near)| (TICK << bit) - near),
        1 => prop::sample::select(vec![0, 1, HOUR, CENTURY, NEVER - 1]),
        1 => any::<u64>(),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Schedule(u32, u64),
    Absolute(u32, u64),
    Cancel(u32),
    Extend(u32, u64),
    Advance(u64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let index = || prop_oneof![8 => 0u32..12, 1 => 250u32..260, 1 => Just(70_000)];
    prop_oneof![
        6 => (index(), span()).prop_map(|(index, after)| Step::Schedule(index, after)),
        1 => (index(), span()).prop_map(|(index, at)| Step::Absolute(index, at)),
        1 => index().prop_map(|index| Step::Schedule(index, NEVER)),
        2 => index().prop_map(Step::Cancel),
        2 => (index(), span()).prop_map(|(index, by)| Step::Extend(index, by)),
        4 => (span(), 0usize..6).prop_map(|(by, budget)| Step::Advance(by, budget)),
        1 => span().prop_map(|by| Step::Advance(by, usize::MAX)),
    ]
}

fn play(pair: &mut Pair, steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::Schedule(index, after) => pair.schedule(index, pair.now.saturating_add(after)),
            Step::Absolute(index, at) => pair.schedule(index, at),
            Step::Cancel(index) => pair.cancel(index),
            Step::Extend(index, by) => pair.extend(index, by),
            Step::Advance(by, budget) => {
                pair.advance(by, budget);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 512 }))]

    #[test]
    fn g08_the_wheel_agrees_with_a_sorted_map(
        start in span(),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut pair = Pair { now: start.min(NEVER - 1), ..Pair::default() };
        play(&mut pair, steps);
        // By small steps or by one, all that can still come due does.
        while pair.wheel.has_due(pair.now) {
            prop_assert!(pair.advance(0, 3) > 0, "has_due promised work");
        }
        pair.advance(NEVER, usize::MAX);
        let end = (NEVER - 1) >> TICK_BITS << TICK_BITS;
        prop_assert!(pair.model.values().all(|&deadline| deadline > end));
    }
}

#[test]
fn g06_fires_on_the_tick_and_not_before() {
    for deadline in [1, TICK - 1, TICK, TICK + 1, 63 * TICK, 64 * TICK, 4096 * TICK + 5, HOUR, 5 * CENTURY] {
        let mut pair = Pair::default();
        pair.schedule(3, deadline);
        pair.advance(deadline - 1, usize::MAX);
        assert_eq!(pair.wheel.len(), 1, "{deadline} is early");
        pair.advance(TICK, usize::MAX);
        assert!(pair.wheel.is_empty(), "{deadline} is late");
    }
}

#[test]
fn g07_extreme_deadlines_and_leaps() {
    let mut pair = Pair { now: 5 * HOUR, ..Pair::default() };
    for (index, deadline) in
        [0, 1, 5 * HOUR - 1, 5 * HOUR, NEVER - 1, NEVER, 580 * YEAR].into_iter().enumerate()
    {
        pair.schedule(index as u32, deadline);
    }
    assert_eq!(pair.wheel.len(), 6);
    assert_eq!(pair.advance(0, usize::MAX), 4, "what is past is due at once");
    pair.advance(570 * YEAR, usize::MAX);
    assert_eq!(pair.wheel.len(), 2);
    pair.advance(NEVER, usize::MAX);
    // Less than a tick before the end of time: late by less than a tick is never.
    assert_eq!(pair.wheel.len(), 1);
    pair.cancel(4);
}

#[test]
fn g07_an_extended_deadline_is_filed_anew_once() {
    let mut pair = Pair::default();
    pair.schedule(0, 100 * TICK);
    for _ in 0..10_000 {
        pair.extend(0, TICK / 100);
    }
    let visited = pair.advance(150 * TICK, usize::MAX);
    assert!(visited <= 2, "{visited} visits");
    assert_eq!(pair.wheel.len(), 1);
    pair.extend(0, NEVER);
    pair.advance(100 * TICK, usize::MAX);
    assert!(pair.wheel.is_empty(), "what has no deadline any more is let go");
}

#[test]
fn g07_rescheduling_replaces_and_cancelling_twice_is_nothing() {
    let mut pair = Pair::default();
    pair.schedule(7, HOUR);
    pair.schedule(7, TICK);
    pair.schedule(8, TICK);
    pair.cancel(8);
    pair.cancel(8);
    pair.cancel(1_000_000);
    assert_eq!(pair.advance(TICK, usize::MAX), 1);
    pair.schedule(7, HOUR);
    pair.schedule(7, NEVER);
    assert!(pair.wheel.is_empty());
}

#[test]
fn g08_empty_time_costs_nothing() {
    let mut pair = Pair::default();
    assert_eq!(pair.advance(CENTURY, 0), 0);
    assert!(pair.wheel.heads.is_none() && pair.wheel.nodes.pages.is_empty());
    pair.schedule(0, pair.now + CENTURY);
    assert_eq!(pair.advance(YEAR, usize::MAX), 0);
    assert!(pair.advance(CENTURY, usize::MAX) <= LEVELS);
    assert!(pair.wheel.is_empty());
}

#[test]
fn g08_eight_visits_a_write_keep_up() {
    let mut pair = Pair::default();
    let (ttl, mut most) = (HOUR / 60, 0);
    for write in 0..if cfg!(miri) { 50 } else { 2_000 } {
        pair.schedule(write, pair.now + ttl);
        pair.advance(ttl / 100, LEVELS);
        most = most.max(pair.wheel.len());
    }
    // The opening of a bucket of a high level may hold things up by all that are alive, once.
    let alive = 101_usize;
    assert!(most <= alive + alive.div_ceil(LEVELS), "{most} entries, of which at most {alive} are alive");
}

#[test]
fn g15_unfinished_work_is_kept() {
    let mut pair = Pair::default();
    for index in 0..1_000 {
        pair.schedule(index, HOUR + u64::from(index));
    }
    assert_eq!(pair.advance(2 * HOUR, 0), 0);
    for left in (0..100).rev() {
        assert!(pair.wheel.has_due(pair.now));
        assert_eq!(pair.advance(0, 10), 10);
        assert_eq!(pair.wheel.len(), left * 10);
    }
    assert!(!pair.wheel.has_due(pair.now));
}

#[test]
fn g15_a_deadline_costs_at_most_a_visit_a_level() {
    let mut pair = Pair { now: 12_345 * TICK - 1, ..Pair::default() };
    let (count, mut visited) = (64, 0);
    for index in 0..count {
        pair.schedule(index, pair.now.saturating_add(TICK << (index % 44)));
    }
    while !pair.wheel.is_empty() {
        let elapsed = pair.wheel.earliest().map_or(0, |(_, begin)| begin << TICK_BITS);
        visited += pair.advance(elapsed.saturating_sub(pair.now), usize::MAX);
    }
    assert!(visited <= count as usize * LEVELS, "{visited} visits");
}

#[test]
fn g09_a_ticker_that_goes_back_is_survived() {
    let mut wheel = Wheel::new();
    let present = |index: u32| if index == 0 { 2 * HOUR } else { HOUR };
    let mut fired = Vec::new();
    wheel.schedule(0, present(0), HOUR);
    wheel.schedule(1, present(1), HOUR);
    // Filed anew, and not for ever.
    assert!(wheel.advance(0, usize::MAX, present, |index| fired.push(index)) <= 1);
    wheel.check(present);
    assert!(fired.is_empty());
    wheel.advance(3 * HOUR, usize::MAX, present, |index| fired.push(index));
    assert_eq!(fired, [1, 0]);
}

#[test]
fn g09_what_falls_due_before_the_time_reached_is_fired_though_the_ticker_went_back() {
    let mut wheel = Wheel::new();
    let present = |index: u32| [100 * TICK, HOUR, 50 * TICK][index as usize];
    let mut fired = Vec::new();
    (0..2).for_each(|index| wheel.schedule(index, present(index), 0));
    wheel.advance(100 * TICK, usize::MAX, present, |index| fired.push(index));
    wheel.schedule(2, present(2), 10 * TICK);
    assert_eq!(
        wheel.advance(10 * TICK, 9, present, |index| fired.push(index)),
        1,
        "not filed again and again"
    );
    assert_eq!(fired, [0, 2]);
}

#[test]
fn the_validator_sees_what_is_broken() {
    let present = |index: u32| [70 * TICK, 3 * TICK, 0][index as usize];
    let whole = |indices: std::ops::Range<u32>| {
        let mut wheel = Wheel::new();
        indices.for_each(|index| wheel.schedule(index, present(index), 0));
        wheel
    };
    let is_broken = |wheel: &Wheel, deadline_of: &dyn Fn(u32) -> u64| {
        let check = std::panic::AssertUnwindSafe(|| wheel.check(deadline_of));
        std::panic::catch_unwind(check).is_err()
    };
    let breaks: [fn(&mut Wheel); 6] = [
        |wheel| wheel.len += 1,
        |wheel| wheel.len -= 1,
        |wheel| wheel.nodes.at(0).bucket += 1,
        |wheel| wheel.nodes.at(0).prev = 1,
        |wheel| wheel.heads.as_mut().expect("filled").occupied[0] = 0,
        |wheel| wheel.heads.as_mut().expect("filled").occupied[1] |= 1 << 40,
    ];
    assert!(!is_broken(&whole(0..3), &present));
    for (number, breaks) in breaks.into_iter().enumerate() {
        let mut wheel = whole(0..3);
        breaks(&mut wheel);
        assert!(is_broken(&wheel, &present), "break {number}");
    }
    // A bucket that has begun, and is not the one being emptied.
    let mut begun = whole(0..1);
    begun.elapsed = 71;
    assert!(is_broken(&begun, &present));
    // A deadline that moved forward without the wheel being told.
    assert!(is_broken(&whole(0..1), &|_| 2 * TICK));
}

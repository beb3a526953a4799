//! `TinyLfu`: a window of new entries, a CLOCK of admitted ones, and a sketch that decides who passes.
//!
//! ```text
//!  insert -> [ window: FIFO ] -- duel --> [ main: CLOCK ] -> victim
//!                                 `-> victim (the loser)
//! ```
//!
//! The idea that makes reads free: **the entry counts its own hits, the sketch only remembers what is not in the cache
//! any more.** A hit raises the 2-bit counter of the entry; the sketch is written at a miss, when the hand passes an
//! entry and takes its counter down, and when an entry with uses is evicted.
//!
//! The **duel**: the window's oldest entry, with the estimate that was noted when it came and its own uses, against the one
//! the hand has chosen. (While an entry is in the window its key is not counted, so the note stays true but for aging.)
//! The winner stays in (or enters) main, the other is evicted; a tie goes to the one in main. What it takes to win is
//! the rule of the current [`Plan`]:
//! - `Strict`: a lead of two; a lead of one suffices one time in `NARROW`. The candidate has just been counted for the
//!   request that brought it here, the incumbent waits for its next one: without this a loop larger than the cache
//!   evicts every key just before it comes again.
//! - `Used`: any lead, or one use since it came (as in S3-FIFO).
//! - `Ghosts`: that too, and a key that comes back soon after losing goes to main without a trial (S3-FIFO's ghost
//!   queue; ours lies in the blocks of the sketch).
//!
//! Under every rule a candidate with a record of `WARM` is admitted one time in `JITTER`, by a seeded generator, so
//! that no pattern of requests freezes the filter for good.
//!
//! The **window's target** is a fraction of the weight held now, so it follows a budget that moves between shards.
//! Nothing is moved when the fraction changes: a window that is too large hands over a few entries at each operation
//! until it is not, one that is too small grows as victims come from main.
//!
//! Costs: `insert`, `replace`, `remove` O(1) with at most `HANDOVER` entries moved; `victim` that plus at most
//! 256 steps of the hand (see `hand`), one or two on average. Memory: 8 bytes of links in the entry, 8 of sketch.
//!
//! Sources: TinyLFU (Einziger, Friedman, Manes 2017), its window (W-TinyLFU, the same), CLOCK with a small FIFO before
//! it (S3-FIFO, Yang et al. 2023).

use super::Residents;
use super::hand::turn;
use super::plan::{Plan, Rule};
use super::queue::{Queue, Tag};
use super::sketch::Sketch;

/// One warm candidate in so many is admitted although it lost.
const JITTER: u64 = 128;
/// What makes a candidate warm: above the noise of the sketch, below what half a period gives a steady key.
const WARM: u32 = 6;
/// One candidate in so many passes the strict rule with a lead of one.
const NARROW: u64 = 32;
/// Entries handed from a window far too large to main by one operation.
const HANDOVER: usize = 4;
/// The plan before anything is known of the workload.
pub(crate) const INITIAL: Plan = Plan { rule: Rule::Strict, window: 0.1 };
/// What a fraction of one is as an integer.
const ONE: u64 = 1 << 16;

/// A candidate in a duel.
#[derive(Clone, Copy)]
struct Challenge {
    index: u32,
    /// Its uses, and those with the estimate it came with.
    used: u32,
    strength: u32,
    /// It is of the few that pass the strict rule with a lead of one.
    narrow: bool,
}

impl Challenge {
    /// Does it lose against anything?
    #[inline]
    fn is_hopeless(&self, rule: Rule) -> bool {
        match rule {
            Rule::Strict => self.strength <= 1 && !self.narrow,
            Rule::Used | Rule::Ghosts => self.strength == 0,
        }
    }
}

/// The policy's state.
#[derive(Debug)]
pub(crate) struct TinyLfu {
    window: Queue,
    main: Queue,
    sketch: Sketch,
    /// The window's share in parts of [`ONE`].
    share: u64,
    rule: Rule,
    /// The number of the plan that `share` and `rule` are of.
    number: f32,
    /// The generator's state (splitmix64).
    random: u64,
}

impl TinyLfu {
    pub(crate) fn new(seed: u64) -> Self {
        let mut policy = Self {
            window: Queue::new(Tag::Window),
            main: Queue::new(Tag::Main),
            sketch: Sketch::new(),
            share: 0,
            rule: INITIAL.rule,
            number: f32::NAN,
            random: seed,
        };
        policy.set_plan(INITIAL.number());
        policy
    }

    pub(crate) fn insert(&mut self, index: u32, r: &impl Residents) {
        self.sketch.follow(self.len() + 1);
        // Graves are dug and looked into only under the rule that asks them.
        let (count, returned) = self.sketch.miss(r.hash(index), self.rule == Rule::Ghosts);
        r.set_note(index, count);
        let queue = if returned { &mut self.main } else { &mut self.window };
        queue.push_front(index, r);
        self.hand_over(r);
    }

    /// A key will be inserted, and somebody may have to leave: who is likely to.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u32, r: &impl Residents) -> Option<u32> {
        self.sketch.prefetch(hash);
        let candidate = self.window.back()?;
        self.window.prefetch_before(candidate, r);
        let leaving = r.hash(candidate);
        if self.rule == Rule::Ghosts {
            self.sketch.prefetch(leaving);
        }
        Some(leaving)
    }

    pub(crate) fn replace(&mut self, old: u32, new: u32, old_weight: u64, r: &impl Residents) {
        r.set_note(new, r.note(old));
        match r.link(old).tag() {
            Some(Tag::Window) => self.window.replace(old, old_weight, new, r),
            Some(Tag::Main) => self.main.replace(old, old_weight, new, r),
            None => {}
        }
    }

    #[inline]
    pub(crate) fn remove(&mut self, index: u32, weight: u64, r: &impl Residents) {
        match r.link(index).tag() {
            Some(Tag::Window) => self.window.unlink(index, weight, r),
            Some(Tag::Main) => self.main.unlink(index, weight, r),
            None => {}
        }
    }

    pub(crate) fn victim(&mut self, r: &impl Residents) -> Option<u32> {
        let candidate = self.window.back().filter(|_| self.window.weight() > self.target());
        let challenge =
            candidate.filter(|_| self.main.len() > 0).map(|candidate| self.challenge(candidate, r));
        if let Some(challenge) = challenge
            && challenge.is_hopeless(self.rule)
        {
            return Some(self.dismiss(challenge, r));
        }
        let sketch = &mut self.sketch;
        let settled = turn(&mut self.main, r, |index| sketch.add(r.hash(index), 1));
        let (victim, uses) = match (candidate, settled) {
            (Some(candidate), None) => {
                self.bury(r.hash(candidate));
                (candidate, r.uses(candidate))
            }
            (_, Some(settled)) => match challenge {
                Some(challenge) => return Some(self.duel(challenge, settled, r)),
                None => (settled, r.uses(settled)),
            },
            (None, None) => self.window.back().map(|oldest| (oldest, r.uses(oldest)))?,
        };
        self.sketch.add(r.hash(victim), u32::from(uses));
        self.remove(victim, r.weight(victim), r);
        Some(victim)
    }

    /// The window's oldest entry steps forward.
    #[inline]
    fn challenge(&mut self, index: u32, r: &impl Residents) -> Challenge {
        let used = u32::from(r.uses(index));
        let strength = u32::from(r.note(index)) + used;
        // A lead of one can come of a strength of one alone: whether it would do is asked before anything else is
        // looked at, because most entries leave like this.
        let narrow = self.rule == Rule::Strict && strength <= 1 && self.one_in(NARROW);
        Challenge { index, used, strength, narrow }
    }

    /// The candidate against the entry the hand has chosen: the loser is evicted, and the sketch keeps the uses it still
    /// had; a candidate that wins moves to main.
    fn duel(&mut self, challenge: Challenge, settled: u32, r: &impl Residents) -> u32 {
        let record = self.sketch.record(r.hash(settled));
        let spared = u32::from(r.uses(settled));
        if !self.admits(challenge, record.count + spared) {
            return self.dismiss(challenge, r);
        }
        self.promote(challenge.index, r);
        self.sketch.add_to(record, spared);
        self.main.unlink(settled, r.weight(settled), r);
        settled
    }

    #[inline]
    fn bury(&mut self, hash: u32) {
        if self.rule == Rule::Ghosts {
            self.sketch.bury(hash);
        }
    }

    /// A candidate that lost is evicted.
    #[inline]
    fn dismiss(&mut self, Challenge { index, used, .. }: Challenge, r: &impl Residents) -> u32 {
        self.bury(r.hash(index));
        self.sketch.add(r.hash(index), used);
        self.window.unlink(index, r.weight(index), r);
        index
    }

    /// Changes the plan; the queues follow in the steps of later calls.
    #[inline]
    pub(crate) fn set_plan(&mut self, number: f32) {
        if number.to_bits() != self.number.to_bits() {
            self.number = number;
            self.take_plan(Plan::from_number(number));
        }
    }

    #[cold]
    fn take_plan(&mut self, plan: Plan) {
        self.rule = plan.rule;
        self.share = (plan.window * ONE as f32) as u64;
    }

    #[inline]
    pub(crate) fn tend(&mut self, budget: usize) {
        self.sketch.tend(budget);
    }

    pub(crate) const fn len(&self) -> usize {
        self.window.len() + self.main.len()
    }

    pub(crate) const fn weight(&self) -> u64 {
        self.window.weight().saturating_add(self.main.weight())
    }

    pub(crate) fn check(&self, r: &impl Residents) -> Result<(), String> {
        self.window.check(r)?;
        self.main.check(r)?;
        self.sketch.check()
    }

    /// The weight the window may have.
    #[inline]
    fn target(&self) -> u64 {
        ((u128::from(self.weight()) * u128::from(self.share)) >> 16) as u64
    }

    /// Whether the candidate may stay in the place of an incumbent of this strength.
    #[inline]
    fn admits(&mut self, challenge: Challenge, incumbent: u32) -> bool {
        if self.rule > Rule::Strict && challenge.used > 0 {
            return true;
        }
        let wins = match challenge.strength.saturating_sub(incumbent) {
            0 => false,
            1 => {
                self.rule > Rule::Strict
                    || challenge.narrow
                    || (challenge.strength > 1 && self.one_in(NARROW))
            }
            _ => true,
        };
        wins || (challenge.strength >= WARM && self.one_in(JITTER))
    }

    /// Moves an entry from the window to main.
    fn promote(&mut self, index: u32, r: &impl Residents) {
        self.window.unlink(index, r.weight(index), r);
        self.main.push_front(index, r);
    }

    /// Hands over entries to main without a duel while the window is well beyond its target: at first filling, and
    /// after its share was lowered.
    #[inline]
    fn hand_over(&mut self, r: &impl Residents) {
        // Handing over moves weight from one queue to the other, so this stays the same.
        let most = self.target().saturating_add(self.slack());
        for _ in 0..HANDOVER {
            if self.window.weight() <= most {
                return;
            }
            let Some(oldest) = self.window.back() else { return };
            self.promote(oldest, r);
        }
    }

    /// What the window may be beyond its target before entries pass without a duel: some entries, and some percent.
    #[inline]
    fn slack(&self) -> u64 {
        let (weight, len) = (self.weight(), self.len() as u64);
        let mean = if weight == len { 1 } else { weight / len.max(1) };
        (weight / 64).saturating_add(mean.saturating_mul(4))
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).is_multiple_of(n)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::policy::Eviction;
    use crate::policy::tests::Table;

    /// A policy with the plan, filled with the first `n` entries of the table.
    fn filled(n: u32, plan: Plan, table: &Table) -> TinyLfu {
        let mut policy = TinyLfu::new(3);
        policy.set_plan(plan.number());
        (0..n).for_each(|index| policy.insert(index, table));
        policy
    }

    #[test]
    fn g28_a_new_policy_allocates_nothing() {
        let policy = TinyLfu::new(0);
        assert_eq!((policy.len(), policy.weight()), (0, 0));
        policy.check(&Table::new(0)).unwrap();
    }

    #[test]
    fn filling_leaves_the_window_near_its_target() {
        let table = Table::new(1000);
        let policy = filled(1000, Plan { rule: Rule::Strict, window: 0.1 }, &table);
        assert!((100..=130).contains(&policy.window.len()), "{}", policy.window.len());
        policy.check(&table).unwrap();
    }

    #[test]
    fn g15_a_smaller_share_is_reached_in_bounded_steps() {
        let table = Table::new(2000);
        let mut policy = filled(1000, Plan { rule: Rule::Used, window: 0.9 }, &table);
        policy.set_plan(INITIAL.number());
        let mut before = policy.window.len();
        for index in 1000..1400 {
            policy.victim(&table);
            policy.insert(index, &table);
            assert!(before.saturating_sub(policy.window.len()) <= 2 * HANDOVER + 1);
            before = policy.window.len();
        }
        assert!(before < 130, "{before}");
        policy.check(&table).unwrap();
    }

    #[test]
    fn a_key_that_returns_from_the_ghosts_goes_to_main() {
        for (rule, expected) in [(Rule::Strict, Tag::Window), (Rule::Ghosts, Tag::Main)] {
            let table = Table::new(200);
            let mut policy = filled(100, Plan { rule, window: 0.2 }, &table);
            let loser = policy.victim(&table).unwrap();
            policy.insert(loser, &table);
            assert_eq!(table.link(loser).tag(), Some(expected));
        }
    }

    #[test]
    fn a_use_in_the_window_is_enough_unless_the_rule_is_strict() {
        let table = Table::new(200);
        let mut policy = filled(100, Plan { rule: Rule::Used, window: 0.2 }, &table);
        let candidate = policy.window.back().unwrap();
        table.set_uses(candidate, 1);
        assert_ne!(policy.victim(&table), Some(candidate));
        assert_eq!(table.link(candidate).tag(), Some(Tag::Main));
    }

    #[test]
    fn g15_there_is_a_victim_although_every_entry_stays_hot() {
        let table = Table::new(3000);
        let mut policy = filled(3000, INITIAL, &table);
        table.stay_hot();
        for left in (0..3000).rev() {
            assert!(policy.victim(&table).is_some());
            assert_eq!(policy.len(), left);
        }
        assert_eq!(policy.victim(&table), None);
    }

    #[test]
    fn a_window_of_nothing_still_holds_four_entries_and_a_percent_or_two() {
        for weight in [1, 10] {
            let table = Table::new(100);
            (0..100).for_each(|index| table.set_weight(index, weight));
            let policy = filled(100, Plan { rule: Rule::Strict, window: 0.0 }, &table);
            assert!((4..=6).contains(&policy.window.len()), "{}", policy.window.len());
        }
    }

    #[test]
    fn victims_come_from_the_window_while_it_is_beyond_its_target_and_else_from_main() {
        let table = Table::new(600);
        // Half of the weight, so that the target is a round number.
        let mut policy = filled(400, Plan { rule: Rule::Strict, window: 0.5 }, &table);
        let mut from = [0, 0];
        for new in 400..600 {
            for _ in 0..2 {
                let beyond = policy.window.len() > policy.len() / 2;
                let before = policy.window.len();
                policy.victim(&table).expect("there are some");
                // Nobody was used, so no candidate wins.
                assert_eq!(policy.window.len() < before, beyond, "{before} of {}", policy.len() + 1);
                from[usize::from(beyond)] += 1;
            }
            policy.insert(new, &table);
        }
        assert!(from[0] > 10 && from[1] > 10, "{from:?}");
    }

    #[test]
    fn who_is_likely_to_leave_is_the_oldest_in_the_window() {
        let table = Table::new(100);
        let mut policy = TinyLfu::new(3);
        assert_eq!(policy.prefetch(7, &table), None);
        policy.insert(5, &table);
        policy.insert(6, &table);
        for _ in 0..2 {
            let oldest = policy.window.back();
            assert_eq!(policy.prefetch(7, &table), oldest.map(|index| table.hash(index)));
            policy.remove(5, 1, &table);
        }
    }

    /// How many of a hundred thousand such candidates stay.
    fn stay(rule: Rule, used: u32, strength: u32, narrow: bool, incumbent: u32) -> u32 {
        let mut policy = TinyLfu::new(3);
        policy.set_plan(Plan { rule, window: 0.1 }.number());
        let challenge = Challenge { index: 0, used, strength, narrow };
        (0..100_000).map(|_| u32::from(policy.admits(challenge, incumbent))).sum()
    }

    const ALL: u32 = 100_000;

    /// One in `n`, give or take a fifth.
    fn about_one_in(n: u64, count: u32) -> bool {
        let expected = ALL / n as u32;
        (expected - expected / 5..=expected + expected / 5).contains(&count)
    }

    #[test]
    fn g13_a_strict_rule_asks_for_a_lead_of_two_and_makes_few_exceptions() {
        let strict =
            |used, strength, narrow, incumbent| stay(Rule::Strict, used, strength, narrow, incumbent);
        assert_eq!((strict(0, 2, false, 0), strict(0, 5, false, 3), strict(1, 9, false, 1)), (ALL, ALL, ALL));
        // No lead is none, whatever it was used.
        assert_eq!([strict(0, 0, false, 0), strict(1, 1, false, 1), strict(3, WARM - 1, false, 9)], [0; 3]);
        // A lead of one: whether the weakest pass was drawn before.
        assert_eq!((strict(0, 1, true, 0), strict(0, 1, false, 0)), (ALL, 0));
        assert!(about_one_in(NARROW, strict(0, 2, false, 1)) && about_one_in(NARROW, strict(0, 4, false, 3)));
        assert!(
            about_one_in(JITTER, strict(0, WARM, false, WARM))
                && about_one_in(JITTER, strict(0, 9, false, 15))
        );
    }

    #[test]
    fn g13_the_other_rules_ask_for_a_lead_or_a_use() {
        for rule in [Rule::Used, Rule::Ghosts] {
            assert_eq!((stay(rule, 0, 1, false, 0), stay(rule, 0, 5, false, 4)), (ALL, ALL));
            assert_eq!((stay(rule, 0, 1, false, 1), stay(rule, 0, 1, false, 4)), (0, 0));
            assert_eq!(stay(rule, 1, 1, false, 15), ALL);
            assert!(about_one_in(JITTER, stay(rule, 0, WARM, false, WARM)));
        }
    }

    #[test]
    fn g13_the_draws_differ_with_the_seed() {
        let draws = |seed| {
            let mut policy = TinyLfu::new(seed);
            [(); 64].map(|()| policy.one_in(2))
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
    }

    #[test]
    fn a_challenger_is_as_strong_as_its_note_and_its_uses() {
        let table = Table::new(1);
        for rule in [Rule::Strict, Rule::Used, Rule::Ghosts] {
            let mut policy = TinyLfu::new(3);
            policy.set_plan(Plan { rule, window: 0.1 }.number());
            for (note, uses) in [(0, 0), (1, 0), (0, 1), (2, 0), (4, 3)] {
                table.set_note(0, note);
                table.set_uses(0, uses);
                let mut narrow = 0;
                for _ in 0..ALL {
                    let challenge = policy.challenge(0, &table);
                    assert_eq!(
                        (challenge.used, challenge.strength),
                        (u32::from(uses), u32::from(note + uses))
                    );
                    narrow += u32::from(challenge.narrow);
                }
                let weak = rule == Rule::Strict && note + uses <= 1;
                assert!(
                    if weak { about_one_in(NARROW, narrow) } else { narrow == 0 },
                    "{narrow} of {note} and {uses}"
                );
            }
        }
    }

    #[test]
    fn who_could_not_win_against_anything_is_hopeless() {
        let hopeless =
            |rule, strength, narrow| Challenge { index: 0, used: 0, strength, narrow }.is_hopeless(rule);
        assert_eq!([0, 1, 2].map(|strength| hopeless(Rule::Strict, strength, false)), [true, true, false]);
        assert!(!hopeless(Rule::Strict, 1, true));
        for rule in [Rule::Used, Rule::Ghosts] {
            assert_eq!([0, 1, 2].map(|strength| hopeless(rule, strength, false)), [true, false, false]);
        }
    }

    #[test]
    fn the_loser_of_a_duel_leaves_and_its_uses_are_remembered() {
        for (lead, wins) in [(0, false), (1, true)] {
            let table = Table::new(100);
            let mut policy = filled(100, Plan { rule: Rule::Used, window: 0.2 }, &table);
            let candidate = policy.window.back().expect("there is one");
            let incumbent = policy.main.back().expect("there is one");
            let estimates = |policy: &TinyLfu| {
                [candidate, incumbent].map(|index| policy.sketch.estimate(table.hash(index)))
            };
            // It has a use left, which counts like those that are noted.
            table.set_uses(incumbent, 1);
            let before = estimates(&policy);
            let strength = before[1] + 1 + lead;
            let loser = policy.duel(
                Challenge { index: candidate, used: 0, strength, narrow: false },
                incumbent,
                &table,
            );
            assert_eq!(loser, if wins { incumbent } else { candidate });
            assert_eq!(table.link(loser).tag(), None);
            assert_eq!(table.link(candidate).tag(), wins.then_some(Tag::Main));
            assert_eq!(estimates(&policy), [before[0], before[1] + u32::from(wins)]);
            policy.check(&table).unwrap();
        }
        let table = Table::new(100);
        let mut policy = filled(100, Plan { rule: Rule::Strict, window: 0.2 }, &table);
        let candidate = policy.window.back().expect("there is one");
        let before = policy.sketch.estimate(table.hash(candidate));
        policy.dismiss(Challenge { index: candidate, used: 3, strength: 3, narrow: false }, &table);
        assert_eq!(policy.sketch.estimate(table.hash(candidate)), before + 3);
    }

    #[test]
    fn tending_does_what_the_sketch_has_before_it() {
        let table = Table::new(1);
        let policy = filled(1, INITIAL, &table);
        let mut expected = policy.sketch.clone();
        expected.tend(3);
        let mut tended = Eviction::TinyLfu(policy);
        tended.tend(3);
        assert!(
            matches!(tended, Eviction::TinyLfu(policy) if format!("{:?}", policy.sketch) == format!("{expected:?}"))
        );
    }

    #[test]
    fn the_validator_looks_at_both_queues() {
        let table = Table::new(100);
        let policy = filled(100, Plan { rule: Rule::Strict, window: 0.2 }, &table);
        let oldest = [policy.window.back(), policy.main.back()].map(|index| index.expect("there is one"));
        let policy = Eviction::TinyLfu(policy);
        for index in oldest {
            assert_eq!(policy.check(&table), Ok(()));
            table.set_weight(index, 5);
            assert!(policy.check(&table).is_err());
            table.set_weight(index, 1);
        }
    }
}
